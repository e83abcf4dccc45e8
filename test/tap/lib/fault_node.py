#!/usr/bin/env python3
"""A Lightning node for tests that speaks as LND, Core Lightning or LNbits does, and fails as told.

    fault_node.py <folder> lnd|cln|cln-socket|lnbits [<certificate> <key>]

It listens on two free ports of 127.0.0.1 and writes them to <folder>/ports: that
of the node (TLS where a certificate is given; of cln-socket it is the Unix
socket <folder>/rpc) and that of its strings, plain HTTP, where a test pulls:
POST /<verb> with a JSON object.

It keeps no money and refuses no second payment of a hash: it counts. Whatever
it is asked is written down before anything goes wrong, so that a test can tell
what was sent from what was answered.

Faults are queued for an operation (getinfo, state, create, invoice, cancel,
subscribe, send, track, balance, payments, invoices); each has a name, whether
it comes `before` or `after` the node has acted, and how often it comes.
"""
import http.server
import json
import os
import socketserver
import ssl
import sys
import threading
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fault.cln import ClnHandler, SocketHandler  # noqa: E402
from fault.invoices import NODE_ID  # noqa: E402
from fault.lnbits import LnbitsHandler  # noqa: E402
from fault.lnd import LndHandler  # noqa: E402
from fault.state import node  # noqa: E402
from fault.talk import Quit  # noqa: E402

DIALECTS = {'lnd': LndHandler, 'cln': ClnHandler, 'lnbits': LnbitsHandler}


class Strings(http.server.BaseHTTPRequestHandler):
    """What a test pulls."""

    def log_message(self, *unused):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get('Content-Length') or 0)) or b'{}')
        verb = self.path.strip('/')
        with node.lock:
            if verb == 'redirected':
                node.note('redirected', self.path, None)
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

    def pull_played(self, body):
        return node.played

    def pull_heal(self, body):
        node.faults.clear()
        return {}

    def pull_know(self, body):
        node.known[body['hash']] = {'outcome': 'succeed', **body}
        return {}

    def pull_decide(self, body):
        node.decide(node.payments[body['hash']], body['status'], body.get('reason', 'FAILURE_REASON_NONE'))
        return {}

    def pull_decide_held(self, body):
        """Each payment that is held ends, as the list of outcomes says by turns."""
        held = [p for p in node.all_tries() if p['status'] == 'IN_FLIGHT' and p['outcome'] == 'hold']
        for place, payment in enumerate(held):
            payment['outcome'] = body['outcomes'][place % len(body['outcomes'])]
        return {'held': len(held)}

    def pull_payment(self, body):
        return node.find_payment(body['hash']) or {}

    def pull_under_way(self, body):
        return {'count': len(node.under_way())}

    def pull_executed(self, body):
        return node.executed()

    def pull_settle(self, body):
        settled = node.settle(body['hash'], body.get('msat'), body.get('missed', False), body.get('reordered', False))
        node.extra_events += [body['hash']] * body.get('again', 0)
        node.changed.notify_all()
        return {'settled': settled}

    def pull_invoice(self, body):
        return node.invoices.get(body['hash'], {})

    def pull_requests(self, body):
        return [r for r in node.requests if not body.get('operation') or r['operation'] == body['operation']]

    def pull_become(self, body):
        node.identity = body.get('identity', NODE_ID)
        node.synced = body.get('synced', True)
        return {}

    def pull_absent(self, body):
        """For so many seconds each connection is ended before anything is read."""
        node.absent_until = time.time() + body['seconds']
        return {}

    def pull_capital(self, body):
        node.capital = body['msat']
        return {}


class Listening(socketserver.ThreadingMixIn):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # Into the log of the test: what goes wrong here was not asked for.
        if not isinstance(sys.exc_info()[1], (OSError, Quit)):
            traceback.print_exc()

    def verify_request(self, request, client_address):
        return time.time() >= node.absent_until


class Server(Listening, http.server.HTTPServer):
    context = None
    secret = b''
    strings_port = 0

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


class SocketServer(Listening, socketserver.UnixStreamServer):
    request_queue_size = 64
    server_port = 0


def listen(folder, dialect, tls):
    if dialect == 'cln-socket':
        if os.path.exists(folder + '/rpc'):
            os.unlink(folder + '/rpc')
        return SocketServer(folder + '/rpc', SocketHandler)
    server = Server(('127.0.0.1', int(os.environ.get('FAULT_NODE_PORT', '0'))), DIALECTS[dialect])
    with open(folder + ('/macaroon' if dialect == 'lnd' else '/credential'), 'rb') as credential:
        server.secret = credential.read() if dialect == 'lnd' else credential.read().strip()
    if tls:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(*tls)
    return server


def main():
    folder, dialect = sys.argv[1:3]
    strings = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Strings)
    strings.daemon_threads = True
    server = listen(folder, dialect, sys.argv[3:])
    server.strings_port = strings.server_port
    threading.Thread(target=strings.serve_forever, daemon=True).start()
    with open(folder + '/ports.new', 'w') as ports_file:
        ports_file.write('%d %d\n' % (server.server_port, strings.server_port))
    os.rename(folder + '/ports.new', folder + '/ports')
    server.serve_forever()


main()
