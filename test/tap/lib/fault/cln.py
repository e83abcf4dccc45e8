"""The node that fails as Core Lightning, over clnrest and over its socket: replies in the shape of v26.06.6."""
import json
import os
import re
import socketserver
import time

from fault import invoices
from fault.state import node
from fault.talk import MEGABYTE, Handler, Quit, spoilt


class RpcError(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.body = {'code': code, 'message': message}
        if data:
            self.body['data'] = data


# ------------------------------------------------------------------ what it tells

def invoice_row(invoice):
    expired = invoice['state'] == 'OPEN' and time.time() >= invoice['expires']
    row = {'label': invoice['label'], 'bolt11': invoice['request'], 'payment_hash': invoice['hash'], 'amount_msat': invoice['msat'],
           'status': 'paid' if invoice['state'] == 'SETTLED' else 'expired' if expired else 'unpaid', 'description': invoice['memo'],
           'expires_at': invoice['expires'], 'created_index': invoice['index']}
    if invoice['state'] == 'SETTLED':
        row.update({'pay_index': invoice['settle_index'] or 1, 'amount_received_msat': invoice['received'],
                    'paid_at': int(invoice['settled_at']), 'payment_preimage': invoice['preimage'], 'updated_index': 1})
    return row


STATUS = {'IN_FLIGHT': 'pending', 'SUCCEEDED': 'complete', 'FAILED': 'failed'}


def pay_row(payment):
    row = {'bolt11': payment['request'], 'destination': '02' + 'ca' * 32, 'payment_hash': payment['hash'],
           'status': STATUS[payment['status']], 'created_at': payment['made'] // 1000000000, 'created_index': payment['index']}
    if payment['status'] == 'FAILED':
        row['amount_sent_msat'] = 0
    else:
        row.update({'amount_msat': payment['msat'], 'amount_sent_msat': payment['msat'] + payment['fee']})
    if payment['status'] == 'SUCCEEDED':
        row.update({'preimage': payment['preimage'], 'completed_at': int(payment['ended_at']), 'updated_index': 1})
    return row


# Its errors that are its last word, and one that is none.
CODES = {
    'NO_ROUTE': (205, 'Failed: We could not find a usable set of paths.'),
    'INCORRECT_PAYMENT_DETAILS': (203, "Destination said it doesn't know invoice: incorrect_or_unknown_payment_details"),
    'INSUFFICIENT_BALANCE': (205, 'Failed: Total source capacity is only 0msat.'),
    'TIMEOUT': (210, 'Timed out after 60 attempts.'),
}


# ------------------------------------------------------------------ its methods

def getinfo(params):
    info = {'id': node.identity, 'alias': 'fault', 'num_peers': 1, 'num_active_channels': 1, 'num_inactive_channels': 0, 'version': 'v26.06.6',
            'network': 'regtest', 'blockheight': 110}
    return info if node.synced else {**info, 'warning_lightningd_sync': 'Still loading latest blocks from bitcoind.'}


def listconfigs(params):
    return {'configs': {'network': {'value_str': 'regtest', 'source': 'cmdline'},
                        'xpay-slow-mode': {'value_bool': True, 'source': 'cmdline'}}}


def invoice(params):
    if any(found['label'] == params['label'] for found in node.invoices.values()):
        raise RpcError(900, "Duplicate label '%s'" % params['label'])
    made = node.make_random_invoice(params['amount_msat'], params['description'], params['expiry'], params['label'])
    return {'payment_hash': made['hash'], 'expires_at': made['expires'], 'bolt11': made['request'], 'payment_secret': '83' * 32,
            'created_index': made['index'], 'warning_deadends': 'Insufficient incoming capacity'}


def present(rows):
    return [row for row in rows if row['state'] != 'CANCELED']


def listinvoices(params):
    rows = present(list(node.invoices.values()))
    if 'payment_hash' in params:
        rows = [row for row in rows if row['hash'] == params['payment_hash']]
    elif 'label' in params:
        rows = [row for row in rows if row['label'] == params['label']]
    else:
        rows = [row for row in rows if row['index'] >= params['start']][:params['limit']]
    return {'invoices': [invoice_row(row) for row in rows]}


def delinvoice(params):
    found = [row for row in present(list(node.invoices.values())) if row['label'] == params['label']]
    if not found:
        raise RpcError(905, 'Unknown invoice')
    row = invoice_row(found[0])
    if row['status'] != params['status'] or node.cancel_invoice(found[0]) == 'SETTLED':
        raise RpcError(906, 'Invoice status is %s not %s' % (row['status'], params['status']),
                       {'current_status': invoice_row(found[0])['status'], 'expected_status': params['status']})
    return row


def waitanyinvoice(params):
    with node.lock:
        if node.extra_events:
            return invoice_row(node.invoices[node.extra_events.pop(0)])
        told = node.told_since(params['lastpay_index'])
        if not told:
            raise RpcError(904, 'Timed out while waiting for invoice to be paid')
        return invoice_row(told[0])


def xpay(params):
    payment = node.pay(params['invstring'], params.get('amount_msat', 0), params['maxfee'])
    node.wait_for_end(payment, 600)
    if payment['status'] == 'SUCCEEDED':
        return {'payment_preimage': payment['preimage'], 'amount_msat': payment['msat'],
                'amount_sent_msat': payment['msat'] + payment['fee'], 'failed_parts': 0, 'successful_parts': 1}
    raise RpcError(*CODES.get(payment['reason'][len('FAILURE_REASON_'):], (209, 'Failed: something else')))


def listpays(params):
    if 'payment_hash' in params:
        return {'pays': [pay_row(p) for p in node.find_tries(params['payment_hash'])]}
    return {'pays': [pay_row(p) for p in node.all_tries() if p['index'] >= params['start']][:params['limit']]}


def listpeerchannels(params):
    local, under_way = node.balance()
    return {'channels': [{'state': 'CHANNELD_NORMAL', 'to_us_msat': local + under_way,
                          'htlcs': [{'direction': 'out', 'amount_msat': under_way, 'state': 'SENT_ADD_ACK_REVOCATION'}] if under_way else []}]}


FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'fixtures', 'cln')


def recorded(name, method, params):
    """What a real one said, with the hash, the proof, the amount and the times of what is asked about: its status and its body."""
    with open(os.path.join(FIXTURES, name + '.json'), encoding='utf8') as file:
        recording = json.load(file)
    text = recording['lines'][0]['text']
    key = hash_in(method, params)
    labelled = [row for row in node.invoices.values() if row['label'] is not None and row['label'] == params.get('label')]
    about = node.payments.get(key) or node.invoices.get(key) or (labelled[0] if labelled else None)
    if about:
        made = about['made'] // 1000000000 if 'status' in about else about['made']
        for said, meant in (('c5ef' + '0' * 60, about['hash']), ('4acd' + '0' * 60, about['hash']), ('5c13' + '0' * 56 + '835b', about['preimage'] or '0' * 64),
                            ('lnbcrt1234560n1p', about['request']), ('123456', str(about['msat'])), ('50000', str(about['msat'])),
                            ('a180321', str(about.get('label'))), ('1795170774', str(made)), ('1795170775', str(made)),
                            ('1795171374', str(about.get('expires')))):
            text = re.sub(r'\b%s\b' % said, meant, text)
    return recording['status'], json.loads(text)


METHODS = {
    'getinfo': getinfo, 'listconfigs': listconfigs, 'invoice': invoice, 'listinvoices': listinvoices, 'delinvoice': delinvoice,
    'waitanyinvoice': waitanyinvoice, 'xpay': xpay, 'listpays': listpays, 'listpeerchannels': listpeerchannels}


def operation(method, params):
    """The name by which a test knows it."""
    if method == 'listinvoices':
        return 'invoice' if 'payment_hash' in params else 'created' if 'label' in params else 'invoices'
    if method == 'listpays':
        return 'track' if 'payment_hash' in params else 'payments'
    return {'invoice': 'create', 'delinvoice': 'cancel', 'waitanyinvoice': 'subscribe', 'xpay': 'send',
            'listpeerchannels': 'balance', 'listconfigs': 'configs'}.get(method, method)


def hash_in(method, params):
    return invoices.hash_of(params['invstring']) if method == 'xpay' else params.get('payment_hash')


LIES = {'other_hash', 'wrong_preimage', 'zero_preimage', 'no_preimage', 'negative_fee', 'huge_fee', 'bad_numbers', 'less'} | invoices.LIES


def lied(name, body):
    if name in invoices.LIES and 'bolt11' in body:
        other, body['bolt11'] = invoices.lie(name, bytes.fromhex(body['payment_hash']))
        body['payment_hash'] = other.hex()
        return body
    rows = body.get('pays') or body.get('invoices') or [body]
    for row in rows:
        if name == 'other_hash' and 'payment_hash' in row:
            row['payment_hash'] = '0' * 63 + '1'
        elif name == 'bad_numbers':
            row.update({'amount_sent_msat': '1e3', 'amount_msat': 5.5, 'amount_received_msat': '5abc'})
        elif name.endswith('_fee') and 'amount_sent_msat' in row and 'amount_msat' in row:
            row['amount_sent_msat'] = row['amount_msat'] + (9000000 if name == 'huge_fee' else -1000)
        elif name == 'less' and row.get('payment_hash') in node.invoices:
            invoice = node.invoices[row['payment_hash']]
            row.update({'status': 'paid', 'pay_index': 1, 'amount_received_msat': 1, 'payment_preimage': invoice['preimage']})
        elif name.endswith('_preimage'):
            key = 'payment_preimage' if 'payment_preimage' in row or 'label' in row else 'preimage'
            row[key] = {'wrong_preimage': '11' * 32, 'zero_preimage': '00' * 32}.get(name)
            if row[key] is None:
                del row[key]
            if 'status' in row:
                row['status'] = 'paid' if 'label' in row else 'complete'
            for amount in ('amount_sent_msat', 'amount_received_msat'):
                row[amount] = row.setdefault('amount_msat', 1000)
    return body


# ------------------------------------------------------------------ clnrest

class ClnHandler(Handler):
    LIES = LIES

    def error_body(self, message, status=500):
        return {'code': -1, 'message': message}

    def forbidden(self):
        return 401, {'code': 1502, 'message': 'Not permitted: method not allowed'}

    def lied(self, name, body):
        return lied(name, body)

    def call(self, fault, body):
        method = self.path.rsplit('/', 1)[1]
        if self.headers.get('Rune') != self.server.secret.decode():
            return self.reply(401, {'code': 1501, 'message': 'Not permitted: Not derived from master'})
        try:
            if fault.get('when') == 'before':
                return self.reply(201, {}, fault)
            # A fault takes the place of a reply that would come later.
            answer = xpay_begun(body) if method == 'xpay' and fault.get('fault') else METHODS[method](body)
            if 'recording' in fault:
                return self.reply(*recorded(fault['recording'], method, body))
            return self.reply(201, answer, fault)
        except RpcError as error:
            return self.reply(500, error.body, fault)

    ROUTES = (('POST', r'/v1/(?:%s)$' % '|'.join(METHODS), 'call', call),)

    def operation_of(self, name, body):
        return operation(self.path.rsplit('/', 1)[1], body)

    def hash_in(self, name, body):
        return hash_in(self.path.rsplit('/', 1)[1], body)


def xpay_begun(params):
    """What a reply that comes to grief would have been: with the preimage of what is paid alone."""
    payment = node.pay(params['invstring'], params.get('amount_msat', 0), params['maxfee'])
    return {'payment_preimage': payment['preimage'] if payment['status'] == 'SUCCEEDED' else '00' * 32, 'amount_msat': payment['msat'],
            'amount_sent_msat': payment['msat'] + payment['fee'], 'failed_parts': 0, 'successful_parts': 1}


# ------------------------------------------------------------------ the socket

class SocketHandler(socketserver.StreamRequestHandler):
    def say(self, body, fault):
        text = json.dumps(body, separators=(',', ':')).encode()
        name = fault.get('fault', '')
        if name in LIES and 'result' in body:
            text = json.dumps({**body, 'result': lied(name, body['result'])}, separators=(',', ':')).encode()
        elif name in ('empty', 'reset'):
            raise Quit
        elif name == 'silent':
            time.sleep(600)
            raise Quit
        elif name in ('cut', 'reset_in_body'):
            text = text[:len(text) // 2]
            self.wfile.write(text)
            raise Quit
        elif name == 'slow':
            for i in range(len(text)):
                self.wfile.write(text[i:i + 1])
                time.sleep(0.05)
        elif name in ('huge', 'endless_line', 'endless_headers'):
            for _ in range(100 * MEGABYTE // 65536):
                self.wfile.write(b'a' * 65536)
            raise Quit
        elif name in ('not_utf8', 'doubled'):
            text = spoilt(name, text)
        elif name:
            text = b'<html>all is well</html>' if name.startswith('http_') or name == 'redirect' else b'\x00\x01 is this the internet?'
        self.wfile.write(text + b'\n\n')

    def serve(self, request):
        method, params = request['method'], request['params']
        name, key = operation(method, params), hash_in(method, params)
        node.note(name, method, key)
        fault = node.take_fault(name, key)
        head = {'jsonrpc': '2.0', 'id': request['id']}
        try:
            if fault.get('when') == 'before':
                self.say({**head, 'result': {}}, fault)
            elif method not in METHODS:
                raise RpcError(-32601, "Unknown command '%s'" % method)
            else:
                answer = xpay_begun(params) if method == 'xpay' and fault.get('fault') else METHODS[method](params)
                if 'recording' in fault:
                    status, body = recorded(fault['recording'], method, params)
                    self.say({**head, 'result' if status == 201 else 'error': body}, {})
                else:
                    self.say({**head, 'result': answer}, fault)
        except RpcError as error:
            self.say({**head, 'error': error.body}, fault)

    def handle(self):
        data = b''
        try:
            while not data.endswith(b'\n\n'):
                more = self.request.recv(65536)
                if not more:
                    return
                data += more
            self.serve(json.loads(data))
        except (Quit, OSError):
            pass
