"""The node that fails as LND over REST."""
import base64
import hashlib
import json
import time
import urllib.parse

from fault import invoices
from fault.state import node
from fault.talk import Handler, Quit


MOST_MSAT = 100000 * 10 ** 11    # of an invoice


def b64(hexadecimal):
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def error(code, message, status=500, stream=False):
    body = {'code': code, 'message': message, 'details': []}
    return status, {'error': body} if stream else body


def payment_line(payment):
    return {'result': {
        'payment_hash': payment['hash'], 'value_msat': str(payment['msat']), 'status': payment['status'],
        'fee_msat': str(payment['fee']), 'payment_preimage': payment['preimage'] if payment['status'] == 'SUCCEEDED' else '0' * 64,
        'failure_reason': payment.get('reason', 'FAILURE_REASON_NONE'), 'htlcs': [], 'payment_index': str(payment['index']),
        'creation_time_ns': str(payment['made'])}}


def invoice_body(invoice):
    return {'memo': invoice['memo'], 'r_preimage': b64(invoice['preimage']), 'r_hash': b64(invoice['hash']),
            'value_msat': str(invoice['msat']), 'state': invoice['state'], 'amt_paid_msat': str(invoice['received']),
            'payment_request': invoice['request'], 'settle_index': str(invoice['settle_index']), 'creation_date': str(invoice['made'])}


def lie_about_row(name, row):
    """What a node says that lies, in place of what is so."""
    if name == 'other_hash':
        for key in ('payment_hash', 'r_hash'):
            if key in row:
                row[key] = '0' * 63 + '1' if key == 'payment_hash' else b64('0' * 63 + '1')
    elif name == 'wrong_preimage':
        row.update({'status': 'SUCCEEDED', 'payment_preimage': '11' * 32} if 'status' in row else
                   {'state': 'SETTLED', 'r_preimage': b64('11' * 32), 'amt_paid_msat': row.get('value_msat')})
    elif name == 'zero_preimage':
        row.update({'status': 'SUCCEEDED', 'payment_preimage': '00' * 32})
    elif name == 'no_preimage':
        row.update({'status': 'SUCCEEDED'})
        row.pop('payment_preimage', None)
    elif name == 'negative_fee':
        row['fee_msat'] = '-1000'
    elif name == 'huge_fee':
        row['fee_msat'] = '9000000'
    elif name == 'bad_numbers':
        row.update({'fee_msat': '1e3', 'value_msat': 5.5, 'amt_paid_msat': '5abc'})
        if 'status' in row:
            row['status'] = 'SUCCEEDED'
    elif name == 'less':
        row.update({'state': 'SETTLED', 'amt_paid_msat': '1'})


def lie_about_invoice(name, row):
    other, row['payment_request'] = invoices.lie(name, base64.b64decode(row['r_hash']))
    row['r_hash'] = base64.b64encode(other).decode()


class LndHandler(Handler):
    LIES = {'other_hash', 'wrong_preimage', 'zero_preimage', 'no_preimage', 'negative_fee', 'huge_fee', 'bad_numbers', 'less'} | invoices.LIES

    def error_body(self, message, status=500):
        return error({401: 16, 408: 1, 503: 14}.get(status, 2), message, stream=True)[1]

    def not_found(self):
        return error(5, 'Not Found', 404)

    def lied(self, name, body):
        row = body.get('result', body)
        if name not in invoices.LIES:
            lie_about_row(name, row)
        elif 'r_hash' in row:
            lie_about_invoice(name, row)
        return body

    # --------------------------------------------------------- operations

    def getinfo(self, fault, body):
        if self.headers.get('Grpc-Metadata-Macaroon') != self.server.secret.hex():
            return self.reply(*error(2, 'verification failed: signature mismatch after caveat verification'))
        return self.reply(200, {'identity_pubkey': node.identity, 'version': '0.21.2-beta', 'synced_to_chain': node.synced,
                                'num_active_channels': 1, 'num_inactive_channels': 0,
                                'chains': [{'chain': 'bitcoin', 'network': 'regtest'}]}, fault)

    def state(self, fault, body):
        self.reply(200, {'state': 'SERVER_ACTIVE'}, fault)

    def create(self, fault, body):
        preimage = base64.b64decode(body['r_preimage'])
        if hashlib.sha256(preimage).hexdigest() in node.invoices:
            return self.reply(*error(2, 'invoice with payment hash already exists'), fault)
        if fault.get('when') == 'before':
            return self.reply(*error(2, 'not now'), fault)
        if int(body['value_msat']) > MOST_MSAT:
            return self.reply(*error(2, 'invoice amount %d sat is too large, max is 100000 BTC' % (int(body['value_msat']) // 1000)), fault)
        made = node.make_invoice(preimage, int(body['value_msat']), body.get('memo', ''), int(body['expiry']))
        return self.reply(200, {'r_hash': b64(made['hash']), 'payment_request': made['request'], 'add_index': '1'}, fault)

    def invoice(self, fault, body):
        found = node.invoices.get(self.path.rsplit('/', 1)[1])
        if not found:
            return self.reply(*error(5, 'unable to locate invoice', 404), fault)
        return self.reply(200, invoice_body(found), fault)

    def cancel(self, fault, body):
        found = node.invoices.get(base64.b64decode(body['payment_hash']).hex())
        if not found:
            return self.reply(*error(2, 'unable to locate invoice'), fault)
        if found['state'] == 'SETTLED' or (fault.get('when') != 'before' and node.cancel_invoice(found) == 'SETTLED'):
            return self.reply(*error(2, 'invoice already settled'), fault)
        return self.reply(200, {}, fault)

    def subscribe(self, fault, body):
        since = int(urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query).get('settle_index', ['0'])[0])
        if fault.get('fault'):
            return self.reply(200, {'result': {'state': 'OPEN'}}, fault)
        self.head(200)
        # Index 0 has no backlog.
        told, extra = since if since > 0 else len(node.settled), len(node.extra_events)
        until = time.time() + 60
        while time.time() < until:
            with node.lock:
                rows = node.told_since(told) + [node.invoices[h] for h in node.extra_events[extra:]]
                lines = [invoice_body(row) for row in rows]
                told, extra = len(node.settled), len(node.extra_events)
                if not lines:
                    node.changed.wait(0.2)
            for line in lines:
                self.send(json.dumps({'result': line}).encode() + b'\n')
        raise Quit

    def send_payment(self, fault, body):
        request = body['payment_request']
        if fault.get('when') == 'before':
            return self.reply(200, {'result': {'payment_hash': invoices.hash_of(request)}}, fault)
        payment = node.pay(request, int(body.get('amt_msat') or 0), int(body.get('fee_limit_msat', 0)))
        if fault.get('fault'):
            return self.reply(200, payment_line(payment), fault)
        self.head(200)
        self.send(json.dumps(payment_line({**payment, 'status': 'IN_FLIGHT'})).encode() + b'\n')
        node.wait_for_end(payment, 600)
        self.send(json.dumps(payment_line(payment)).encode() + b'\n')
        raise Quit

    def track(self, fault, body):
        payment = node.find_payment(self.hash_in('track', body))
        if not payment:
            return self.reply(*error(5, "payment isn't initiated", 404, stream=True), fault)
        return self.reply(200, payment_line(payment), fault)

    def balance(self, fault, body):
        local, under_way = node.balance()
        # What is on its way out counts as the peers' already; the other is what comes in and is not taken yet.
        self.reply(200, {'local_balance': {'msat': str(local)}, 'unsettled_local_balance': {'msat': '0'},
                         'unsettled_remote_balance': {'msat': str(under_way)}}, fault)

    def page(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        return int(query.get('index_offset', ['0'])[0])

    def payments(self, fault, body):
        offset = self.page()
        rows = [payment_line(p)['result'] for p in node.all_tries() if p['index'] > offset and p is node.payments[p['hash']]]
        self.reply(200, {'payments': rows[:100], 'last_index_offset': str(max([int(r['payment_index']) for r in rows[:100]] + [offset]))}, fault)

    def list_invoices(self, fault, body):
        offset = self.page()
        rows = [invoice_body(i) for i in list(node.invoices.values())[offset:offset + 100]]
        self.reply(200, {'invoices': rows, 'last_index_offset': str(offset + len(rows))}, fault)

    ROUTES = (
        ('GET', r'/v1/getinfo$', 'getinfo', getinfo), ('GET', r'/v1/state$', 'state', state), ('POST', r'/v1/invoices$', 'create', create),
        ('GET', r'/v1/invoice/', 'invoice', invoice), ('POST', r'/v2/invoices/cancel$', 'cancel', cancel),
        ('GET', r'/v1/invoices/subscribe', 'subscribe', subscribe), ('POST', r'/v2/router/send$', 'send', send_payment),
        ('GET', r'/v2/router/track/', 'track', track), ('GET', r'/v1/balance/channels$', 'balance', balance),
        ('GET', r'/v1/payments', 'payments', payments), ('GET', r'/v1/invoices', 'invoices', list_invoices))

    def hash_in(self, operation, body):
        if operation == 'send':
            return invoices.hash_of(body['payment_request'])
        last = self.path.split('?')[0].rsplit('/', 1)[1]
        return base64.urlsafe_b64decode(last).hex() if operation == 'track' else last if operation == 'invoice' else None
