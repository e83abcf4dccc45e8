#!/usr/bin/env python3
"""A Lightning node for tests that speaks as LND does over REST, and fails as told.

    fault_node.py <folder> [<certificate> <key>]

It listens on two free ports of 127.0.0.1 and writes them to <folder>/ports: that
of the node (TLS where a certificate is given) and that of its strings, plain
HTTP, where a test pulls: POST /<verb> with a JSON object.

It keeps no money and refuses no second payment of a hash: it counts. Whatever
it is asked is written down before anything goes wrong, so that a test can tell
what was sent from what was answered.

Faults are queued for an operation (getinfo, state, create, invoice, cancel,
subscribe, send, track, balance, payments, invoices); each has a name, whether
it comes `before` or `after` the node has acted, and how often it comes.
"""
import base64
import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
import urllib.parse

LETTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141
GENERATOR_X = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
# Its secret is 1, its nonce is 1: signing needs no arithmetic on the curve.
NODE_ID = '02%064x' % GENERATOR_X


# ---------------------------------------------------------------- invoices

def units(data):
    bits = ''.join(format(byte, '08b') for byte in data)
    bits += '0' * (-len(bits) % 5)
    return [int(bits[i:i + 5], 2) for i in range(0, len(bits), 5)]


def number(value, count=None):
    found = []
    while value or (count and len(found) < count):
        found.insert(0, value & 31)
        value >>= 5
    return found


def field(kind, content):
    return [kind] + number(len(content), 2) + content


def checksum(prefix, data):
    total = 1
    for unit in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + data + [0] * 6:
        top = total >> 25
        total = (total & 0x1ffffff) << 5 ^ unit
        for i, generator in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            total ^= generator if top >> i & 1 else 0
    return number(total ^ 1, 6)


def payment_request(payment_hash, msat, memo, expiry, network='bcrt'):
    # In pico bitcoin, ten of which are a millisatoshi.
    prefix = 'ln%s%dp' % (network, msat * 10)
    data = (number(int(time.time()), 7) + field(1, units(payment_hash)) + field(16, units(hashlib.sha256(b'secret').digest())) +
            field(13, units(memo.encode())) + field(6, number(expiry)) + field(5, [16, 8, 0]))
    bits = ''.join(format(unit, '05b') for unit in data)
    bits += '0' * (-len(bits) % 8)
    digest = hashlib.sha256(prefix.encode() + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))).digest()
    s = (GENERATOR_X + int.from_bytes(digest, 'big')) % ORDER
    recovery = 1 if s * 2 > ORDER else 0
    s = ORDER - s if recovery else s
    data += units(GENERATOR_X.to_bytes(32, 'big') + s.to_bytes(32, 'big') + bytes([recovery]))
    return prefix + '1' + ''.join(LETTERS[unit] for unit in data + checksum(prefix, data))


def hash_of(request):
    data = [LETTERS.index(c) for c in request[request.rindex('1') + 1:]][7:]
    while len(data) > 110:
        kind, length = data[0], data[1] * 32 + data[2]
        if kind == 1:
            bits = ''.join(format(unit, '05b') for unit in data[3:3 + length])
            return bytes(int(bits[i:i + 8], 2) for i in range(0, 256, 8)).hex()
        data = data[3 + length:]
    return None


def msat_of(request):
    match = re.match(r'lnbcrt(\d+)([munp]?)1', request)
    if not match:
        return 0
    return int(int(match.group(1)) * {'': 1e11, 'm': 1e8, 'u': 1e5, 'n': 100, 'p': 0.1}[match.group(2)])


def b64(hexadecimal):
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


# ------------------------------------------------------------------- state

class Node:
    def __init__(self):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.invoices = {}
        self.payments = {}
        self.known = {}         # outside: hash -> preimage
        self.requests = []
        self.faults = {}
        self.settled = []       # hashes, in their order
        self.extra_events = []  # lines for every listener, whatever they say
        self.identity = NODE_ID
        self.synced = True

    def take_fault(self, operation, key):
        """The next fault of the operation that is for everything, or for that hash."""
        with self.lock:
            queue = self.faults.get(operation, [])
            for fault in queue:
                if fault.get('hash') not in (None, key):
                    continue
                if fault['times'] > 0:
                    fault['times'] -= 1
                    if fault['times'] == 0:
                        queue.remove(fault)
                return dict(fault)
            return {}


node = Node()


class Quit(Exception):
    """The connection is ended, in whatever way the fault says."""


# -------------------------------------------------------------- the replies

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


def lied(fault, body):
    """What a node says that lies, in place of what is so."""
    name = fault.get('fault')
    body = json.loads(json.dumps(body))
    row = body.get('result', body)
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
    elif name == 'other_amount':
        if 'payment_request' in row and row.get('r_hash'):
            row['payment_request'] = payment_request(base64.b64decode(row['r_hash']), 999000, 'other', 3600)
    elif name == 'other_network':
        row['payment_request'] = payment_request(base64.b64decode(row['r_hash']), 5000000, 'other', 3600, 'tb')
    elif name == 'other_memo':
        row['payment_request'] = payment_request(base64.b64decode(row['r_hash']), 5000000, 'another', 3600)
    elif name == 'other_invoice':
        other = hashlib.sha256(os.urandom(8)).digest()
        row.update({'r_hash': base64.b64encode(other).decode(), 'payment_request': payment_request(other, 999000, 'x', 3600)})
    elif name == 'junk_invoice':
        row['payment_request'] = 'lnbcrt1junk'
    elif name == 'less':
        row.update({'state': 'SETTLED', 'amt_paid_msat': '1'})
    return body


LIES = {'other_hash', 'wrong_preimage', 'zero_preimage', 'no_preimage', 'negative_fee', 'huge_fee', 'bad_numbers', 'other_amount',
        'other_network', 'other_memo', 'other_invoice', 'junk_invoice', 'less'}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *unused):
        pass

    # ------------------------------------------------------------- faults

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        raise Quit

    def send(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def head(self, status, length=None, more=''):
        self.send(('HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n%s%s\r\n' % (
            status, 'Connection: close\r\n' if length is None else 'Content-Length: %d\r\n' % length, more)).encode())

    def endless(self, words):
        for _ in range(100 * 1024 * 1024 // len(words)):
            self.send(words)
        raise Quit

    def break_down(self, name, text):
        """A reply that is none; `text` is what it would have been."""
        if name == 'empty':
            raise Quit
        if name == 'reset':
            self.reset()
        if name == 'silent':
            time.sleep(600)
            raise Quit
        if name == 'reset_in_body':
            self.head(200, len(text) + 5)
            self.send(text[:len(text) // 2])
            time.sleep(0.2)
            self.reset()
        if name == 'cut':
            self.head(200, len(text) + 5)
            self.send(text[:len(text) // 2])
            raise Quit
        if name == 'garbage':
            self.send(b'\x00\x01 is this the internet?\r\n\r\n')
            raise Quit
        if name == 'garbage_body':
            self.head(200)
            self.send(b'<html>200 all is well</html>\n')
            raise Quit
        if name == 'http_500':
            self.reply(*error(2, 'something went wrong', stream=True))
        if name == 'forbidden':
            self.reply(*error(2, 'permission denied', stream=True))
        if name == 'http_503':
            self.reply(*error(14, 'unavailable', 503, stream=True))
        if name == 'http_502':
            self.head(502)
            self.send(b'<html>Bad Gateway</html>')
            raise Quit
        if name == 'http_404':
            self.head(404, 18)
            self.send(b'404 page not found')
        if name == 'http_429':
            self.reply(429, {'error': 'Rate limit exceeded'})
        if name == 'redirect':
            self.head(307, 0, 'Location: http://127.0.0.1:%d/redirected\r\n' % strings.server_port)
        if name == 'huge':
            self.head(200, 100 * 1024 * 1024)
            self.endless(b'{"result":"' + b'a' * 65536)
        if name == 'endless_line':
            self.head(200)
            self.endless(b'a' * 65536)
        if name == 'endless_headers':
            self.send(b'HTTP/1.1 200 OK\r\n')
            self.endless(b'X-More: ' + b'a' * 1000 + b'\r\n')
        if name == 'slow':
            self.head(200)
            for i in range(len(text)):
                self.send(text[i:i + 1])
                time.sleep(0.05)
            raise Quit
        if name == 'not_utf8':
            self.head(200)
            self.send(text.replace(b'"result":{', b'"result":{"memo":"\xff\xfe",') + b'\n')
            raise Quit
        if name == 'doubled':
            self.head(200)
            self.send(text.replace(b'"result":{', b'"result":{"status":"FAILED",') + b'\n')
            raise Quit

    def reply(self, status, body, fault=None):
        text = json.dumps(body, separators=(',', ':')).encode()
        name = (fault or {}).get('fault')
        if name in LIES:
            text = json.dumps(lied(fault, body), separators=(',', ':')).encode()
        elif name:
            self.break_down(name, text)
            return
        self.head(status, len(text) + 1)
        self.send(text + b'\n')

    # --------------------------------------------------------- operations

    def getinfo(self, fault, body):
        if self.headers.get('Grpc-Metadata-Macaroon') != self.server.macaroon:
            return self.reply(*error(2, 'verification failed: signature mismatch after caveat verification'))
        return self.reply(200, {'identity_pubkey': node.identity, 'version': '0.21.2-beta', 'synced_to_chain': node.synced,
                                'num_active_channels': 1, 'num_inactive_channels': 0,
                                'chains': [{'chain': 'bitcoin', 'network': 'regtest'}]}, fault)

    def state(self, fault, body):
        self.reply(200, {'state': 'SERVER_ACTIVE'}, fault)

    def create(self, fault, body):
        preimage = base64.b64decode(body['r_preimage'])
        digest = hashlib.sha256(preimage)
        if digest.hexdigest() in node.invoices:
            return self.reply(*error(2, 'invoice with payment hash already exists'), fault)
        if fault.get('when') == 'before':
            return self.reply(*error(2, 'not now'), fault)
        request = payment_request(digest.digest(), int(body['value_msat']), body.get('memo', ''), int(body['expiry']))
        with node.lock:
            node.invoices[digest.hexdigest()] = {
                'hash': digest.hexdigest(), 'preimage': preimage.hex(), 'msat': int(body['value_msat']), 'memo': body.get('memo', ''),
                'request': request, 'state': 'OPEN', 'received': 0, 'settle_index': 0, 'made': int(time.time())}
        self.reply(200, {'r_hash': base64.b64encode(digest.digest()).decode(), 'payment_request': request, 'add_index': '1'}, fault)

    def invoice(self, fault, body):
        found = node.invoices.get(self.path.rsplit('/', 1)[1])
        if not found:
            return self.reply(*error(5, 'unable to locate invoice', 404), fault)
        return self.reply(200, invoice_body(found), fault)

    def cancel(self, fault, body):
        found = node.invoices.get(base64.b64decode(body['payment_hash']).hex())
        if not found:
            return self.reply(*error(2, 'unable to locate invoice'), fault)
        if found['state'] == 'SETTLED':
            return self.reply(*error(2, 'invoice already settled'), fault)
        if fault.get('when') != 'before':
            found['state'] = 'CANCELED'
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
                lines = [invoice_body(node.invoices[h]) for h in node.settled[told:]] + node.extra_events[extra:]
                told, extra = len(node.settled), len(node.extra_events)
                if not lines:
                    node.changed.wait(0.2)
            for line in lines:
                self.send(json.dumps({'result': line}).encode() + b'\n')
        raise Quit

    def send_payment(self, fault, body):
        request = body['payment_request']
        payment_hash = hash_of(request)
        if fault.get('when') == 'before':
            return self.reply(200, {'result': {'payment_hash': payment_hash}}, fault)
        known = node.known.get(payment_hash)
        with node.lock:
            payment = {'hash': payment_hash, 'msat': int(body.get('amt_msat') or msat_of(request)), 'fee': 1000, 'status': 'IN_FLIGHT',
                       'preimage': (known or {}).get('preimage'), 'index': len(node.payments) + 1, 'made': time.time_ns(),
                       'cap': int(body.get('fee_limit_msat', 0)), 'begun': node.payments.get(payment_hash, {}).get('begun', 0) + 1}
            node.payments[payment_hash] = payment
        outcome = (known or {'outcome': 'no_route'})['outcome']
        if outcome == 'succeed':
            payment['status'] = 'SUCCEEDED'
        elif outcome != 'hold':
            payment.update({'status': 'FAILED', 'reason': 'FAILURE_REASON_' + outcome.upper()})
        if fault.get('fault'):
            return self.reply(200, payment_line(payment), fault)
        self.head(200)
        self.send(json.dumps(payment_line({**payment, 'status': 'IN_FLIGHT'})).encode() + b'\n')
        if outcome == 'hold':
            time.sleep(600)
        self.send(json.dumps(payment_line(payment)).encode() + b'\n')
        raise Quit

    def track(self, fault, body):
        wanted = base64.urlsafe_b64decode(self.path.split('?')[0].rsplit('/', 1)[1]).hex()
        payment = node.payments.get(wanted)
        if not payment:
            return self.reply(*error(5, "payment isn't initiated", 404, stream=True), fault)
        return self.reply(200, payment_line(payment), fault)

    def balance(self, fault, body):
        self.reply(200, {'local_balance': {'msat': '100000000000'}, 'unsettled_remote_balance': {'msat': '0'}}, fault)

    def page(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        return int(query.get('index_offset', ['0'])[0])

    def payments(self, fault, body):
        offset = self.page()
        rows = [payment_line(p)['result'] for p in node.payments.values() if p['index'] > offset]
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
            return hash_of(body['payment_request'])
        last = self.path.split('?')[0].rsplit('/', 1)[1]
        return base64.urlsafe_b64decode(last).hex() if operation == 'track' else last if operation == 'invoice' else None

    def serve(self):
        length = int(self.headers.get('Content-Length') or 0)
        data = self.rfile.read(length) if length else b''
        body = json.loads(data) if data else None
        for method, pattern, name, act in self.ROUTES:
            if method == self.command and re.match(pattern, self.path):
                key = self.hash_in(name, body)
                with node.lock:
                    node.requests.append({'operation': name, 'path': self.path, 'hash': key})
                fault = node.take_fault(name, key)
                return act(self, fault, body)
        return self.reply(*error(5, 'Not Found', 404))

    def do_GET(self):
        try:
            self.serve()
        except (Quit, OSError):
            self.close_connection = True

    do_POST = do_GET


# ---------------------------------------------------------------- strings

class Strings(http.server.BaseHTTPRequestHandler):
    """What a test pulls."""

    def log_message(self, *unused):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get('Content-Length') or 0)) or b'{}')
        verb = self.path.strip('/')
        with node.lock:
            if verb == 'redirected':
                node.requests.append({'operation': 'redirected', 'path': self.path, 'hash': None})
            answer = getattr(self, 'pull_' + verb, lambda unused: {})(body)
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST

    def pull_fault(self, body):
        node.faults.setdefault(body['operation'], []).append(body)
        return {}

    def pull_pending_faults(self, body):
        return [fault for queue in node.faults.values() for fault in queue]

    def pull_heal(self, body):
        node.faults.clear()
        return {}

    def pull_know(self, body):
        node.known[body['hash']] = {'preimage': body['preimage'], 'outcome': body.get('outcome', 'succeed')}
        return {}

    def pull_decide(self, body):
        payment = node.payments[body['hash']]
        payment['status'] = body['status']
        payment['reason'] = body.get('reason', 'FAILURE_REASON_NONE')
        return {}

    def pull_payment(self, body):
        return node.payments.get(body['hash'], {})

    def pull_settle(self, body):
        invoice = node.invoices[body['hash']]
        invoice.update({'state': 'SETTLED', 'received': body.get('msat', invoice['msat']), 'settle_index': len(node.settled) + 1})
        if not body.get('missed'):
            node.settled.append(body['hash'])
        for _ in range(body.get('again', 0)):
            node.extra_events.append(invoice_body(invoice))
        node.changed.notify_all()
        return {}

    def pull_invoice(self, body):
        return node.invoices.get(body['hash'], {})

    def pull_requests(self, body):
        return [r for r in node.requests if not body.get('operation') or r['operation'] == body['operation']]

    def pull_become(self, body):
        node.identity = body.get('identity', NODE_ID)
        node.synced = body.get('synced', True)
        return {}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context = None
    macaroon = None

    def finish_request(self, request, client_address):
        # In the thread of the connection: a handshake that hangs keeps nobody else waiting.
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                return
        self.RequestHandlerClass(request, client_address, self)
        try:
            request.close()
        except OSError:
            pass

    def handle_error(self, request, client_address):
        # Into the log of the test: what goes wrong here was not asked for.
        if not isinstance(sys.exc_info()[1], (OSError, Quit)):
            traceback.print_exc()


folder = sys.argv[1]
port = int(os.environ.get('FAULT_NODE_PORT', '0'))
strings = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Strings)
strings.daemon_threads = True
server = Server(('127.0.0.1', port), Handler)
with open(folder + '/macaroon', 'rb') as macaroon_file:
    server.macaroon = macaroon_file.read().hex()
if len(sys.argv) > 3:
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(sys.argv[2], sys.argv[3])
threading.Thread(target=strings.serve_forever, daemon=True).start()
with open(folder + '/ports.new', 'w') as ports_file:
    ports_file.write('%d %d\n' % (server.server_port, strings.server_port))
os.rename(folder + '/ports.new', folder + '/ports')
server.serve_forever()
