"""The node that fails as LNbits 1.6.2 on top of one: its wallet API."""
import datetime
import urllib.parse

from fault import invoices
from fault.state import node
from fault.talk import Handler

ANSWERS_AFTER = 0.3     # seconds, where the real one takes five: then it says "pending"


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


STATUS = {'IN_FLIGHT': 'pending', 'SUCCEEDED': 'success', 'FAILED': 'failed', 'OPEN': 'pending', 'SETTLED': 'success', 'CANCELED': 'failed'}


def sent(payment):
    return {'checking_id': payment['hash'], 'payment_hash': payment['hash'], 'wallet_id': 'fault', 'amount': -payment['msat'],
            'fee': -payment['fee'], 'bolt11': payment['request'], 'memo': '', 'status': STATUS[payment['status']],
            'preimage': payment['preimage'] if payment['status'] == 'SUCCEEDED' else None, 'created_at': moment(payment['made'] / 1e9)}


def received(invoice):
    return {'checking_id': invoice['hash'], 'payment_hash': invoice['hash'], 'wallet_id': 'fault',
            'amount': invoice['received'] or invoice['msat'], 'fee': 0, 'bolt11': invoice['request'], 'memo': invoice['memo'],
            'status': STATUS[invoice['state']], 'preimage': invoice['preimage'], 'created_at': moment(invoice['made'])}


class LnbitsHandler(Handler):
    LIES = {'other_hash', 'wrong_preimage', 'zero_preimage', 'no_preimage', 'negative_fee', 'huge_fee', 'bad_numbers', 'less'} | invoices.LIES

    def error_body(self, message, status=500):
        return {'detail': message}

    def forbidden(self):
        return 403, {'detail': 'Invalid wallet type.'}

    def lied(self, name, body):
        row = body.get('details', body)
        if 'payment_hash' not in row:
            return body
        if name in invoices.LIES:
            other, row['bolt11'] = invoices.lie(name, bytes.fromhex(row['payment_hash']))
            row['payment_hash'] = row['checking_id'] = other.hex()
            return body
        if name.endswith('_fee'):
            row['fee'] = -9000000 if name == 'huge_fee' else 1000
            return body
        if name == 'less':
            row.update({'status': 'success', 'amount': 1})
            body.update({'paid': True, 'preimage': row['preimage']})
            body.pop('status', None)
            return body
        if name == 'other_hash':
            row['payment_hash'] = '0' * 63 + '1'
        elif name == 'bad_numbers':
            row.update({'amount': 5.5, 'fee': '1e3', 'status': 'success'})
            body.update({'paid': True, 'preimage': '11' * 32})
        else:
            row['status'] = 'success'
            body.update({'paid': True, 'preimage': {'wrong_preimage': '11' * 32, 'zero_preimage': '00' * 32}.get(name)})
            body.pop('status', None)
        return body

    def may_not(self):
        if self.headers.get('X-Api-Key') == self.server.secret.decode():
            return False
        self.reply(401, {'detail': 'Invalid key.'})
        return True

    def wallet(self, fault, body):
        if not self.may_not():
            self.reply(200, {'id': 'fault', 'name': 'fault', 'balance': node.balance()[0]}, fault)

    def payment(self, fault, body):
        if self.may_not():
            return
        if not body['out']:
            if fault.get('when') == 'before':
                return self.reply(500, self.error_body('not now'), fault)
            made = node.make_random_invoice(body['amount'] * 1000, body['memo'], body['expiry'])
            return self.reply(201, received(made), fault)
        if fault.get('when') == 'before':
            return self.reply(500, self.error_body('not now'), fault)
        msat = invoices.msat_of(body['bolt11'])
        payment = node.pay(body['bolt11'], 0, max(2000, msat // 100))
        if not fault.get('fault'):
            node.wait_for_end(payment, ANSWERS_AFTER)
        if payment['status'] == 'FAILED':
            return self.reply(520, {'detail': 'Payment failed: ' + payment['reason'], 'status': 'failed'}, fault)
        return self.reply(201, sent(payment), fault)

    def look(self, fault, body):
        if self.may_not():
            return
        wanted = self.path.rsplit('/', 1)[1]
        payment, invoice = node.find_payment(wanted), node.invoices.get(wanted)
        if not payment and not invoice:
            return self.reply(404, {'detail': 'Payment does not exist.'}, fault)
        row = sent(payment) if payment else received(invoice)
        paid = row['status'] == 'success'
        answer = {'paid': paid, 'preimage': row['preimage'] if paid else None, 'details': row}
        if not paid:
            answer['status'] = row['status']
        return self.reply(200, answer, fault)

    def reserve(self, fault, body):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        msat = invoices.msat_of(query['invoice'][0])
        self.reply(200, {'fee_reserve': max(2000, msat // 100)}, fault)

    def page(self, fault, body):
        if self.may_not():
            return
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        offset, limit = int(query['offset'][0]), int(query['limit'][0])
        rows = ([(p['made'] / 1e9, sent(p)) for p in node.all_tries()] + [(i['made'], received(i)) for i in node.invoices.values()])
        rows = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
        self.reply(200, {'data': rows[offset:offset + limit], 'total': len(rows)}, fault)

    ROUTES = (
        ('GET', r'/api/v1/wallet$', 'getinfo', wallet), ('POST', r'/api/v1/payments$', 'pay', payment),
        ('GET', r'/api/v1/payments/fee-reserve', 'reserve', reserve), ('GET', r'/api/v1/payments/paginated', 'payments', page),
        ('GET', r'/api/v1/payments/[0-9a-f]{64}$', 'look', look))

    def operation_of(self, name, body):
        if name == 'pay':
            return 'send' if body['out'] else 'probe' if 'not to be paid' in body['memo'] else 'create'
        if name == 'look':
            return 'invoice' if self.path.rsplit('/', 1)[1] in node.invoices else 'track'
        return name

    def hash_in(self, operation, body):
        if operation == 'send':
            return invoices.hash_of(body['bolt11'])
        return self.path.rsplit('/', 1)[1] if operation in ('track', 'invoice') else None
