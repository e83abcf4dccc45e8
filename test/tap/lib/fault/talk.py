"""How a reply comes to grief, over HTTP: what all dialects have in common."""
import base64
import http.server
import json
import re
import socket
import struct
import time

from fault.state import node

MEGABYTE = 1024 * 1024


class Quit(Exception):
    """The connection is ended, in whatever way the fault says."""


class Handler(http.server.BaseHTTPRequestHandler):
    """A dialect adds ROUTES (method, pattern, operation, act), hash_in() and what it says when it errs or lies."""

    protocol_version = 'HTTP/1.1'
    ROUTES = ()
    LIES = ()

    def log_message(self, *unused):
        pass

    # ------------------------------------------------------------- to be said by a dialect

    def error_body(self, message, status=500):
        return {'message': message}

    def forbidden(self):
        """To this credential."""
        return 500, self.error_body('permission denied')

    def not_found(self):
        return 404, self.error_body('Not Found')

    def lied(self, name, body):
        return body

    def hash_in(self, operation, body):
        return None

    def operation_of(self, name, body):
        return name

    # ------------------------------------------------------------- faults

    def echo(self, name):
        """A part of what we were told in confidence, as somebody says it again who writes down what he gets."""
        secret = next(self.headers[key] for key in ('Grpc-Metadata-Macaroon', 'Rune', 'X-Api-Key') if key in self.headers)
        part = secret[5:25]
        return {'echo_part': part, 'echo_upper': part.upper(), 'echo_base64': base64.b64encode(part.encode()).decode(),
                'echo_hex': ' '.join('%02x' % ord(letter) for letter in part)}[name]

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
        for _ in range(100 * MEGABYTE // len(words)):
            self.send(words)
        raise Quit

    def break_status(self, name):
        """A whole reply of a status that is none of the node's verdicts."""
        if name == 'http_500':
            self.reply(500, self.error_body('something went wrong'))
        elif name == 'forbidden':
            self.reply(*self.forbidden())
        elif name == 'http_503':
            self.reply(503, self.error_body('unavailable', 503))
        elif name == 'http_408':
            self.reply(408, self.error_body('timeout', 408))
        elif name == 'http_401':
            self.reply(401, self.error_body('who are you', 401))
        elif name == 'http_502':
            self.head(502)
            self.send(b'<html>Bad Gateway</html>')
            raise Quit
        elif name == 'http_404':
            self.head(404, 18)
            self.send(b'404 page not found')
        elif name.startswith('echo_'):
            self.reply(500, self.error_body('who are you with your ' + self.echo(name)))
        elif name == 'http_429':
            self.reply(429, {'error': 'Rate limit exceeded'})
        elif name == 'redirect':
            self.head(307, 0, 'Location: http://127.0.0.1:%d/redirected\r\n' % self.server.strings_port)

    def break_down(self, name, status, text):
        """A reply that is none; `text` is what it would have been."""
        if name == 'empty':
            raise Quit
        if name == 'reset':
            self.reset()
        if name == 'silent':
            time.sleep(600)
            raise Quit
        if name in ('reset_in_body', 'cut'):
            self.head(status, len(text) + 5)
            self.send(text[:len(text) // 2])
            if name == 'cut':
                raise Quit
            time.sleep(0.2)
            self.reset()
        if name == 'garbage':
            self.send(b'\x00\x01 is this the internet?\r\n\r\n')
            raise Quit
        if name == 'garbage_body':
            self.head(status)
            self.send(b'<html>200 all is well</html>\n')
            raise Quit
        if name == 'huge':
            self.head(status, 100 * MEGABYTE)
            self.endless(b'{"result":"' + b'a' * 65536)
        if name == 'endless_line':
            self.head(status)
            self.endless(b'a' * 65536)
        if name == 'endless_headers':
            self.send(b'HTTP/1.1 200 OK\r\n')
            self.endless(b'X-More: ' + b'a' * 1000 + b'\r\n')
        if name == 'late':
            time.sleep(0.7)
            return self.reply(status, json.loads(text))
        if name == 'slow':
            self.head(status)
            for i in range(len(text)):
                self.send(text[i:i + 1])
                time.sleep(0.05)
            raise Quit
        if name in ('not_utf8', 'doubled'):
            self.head(status)
            self.send(spoilt(name, text) + b'\n')
            raise Quit
        self.break_status(name)

    def reply(self, status, body, fault=None):
        text = json.dumps(body, separators=(',', ':')).encode()
        name = (fault or {}).get('fault')
        if name in self.LIES:
            text = json.dumps(self.lied(name, json.loads(text)), separators=(',', ':')).encode()
        elif name:
            self.break_down(name, status, text)
            return
        self.head(status, len(text) + 1)
        self.send(text + b'\n')

    # ------------------------------------------------------------- serving

    def serve(self):
        length = int(self.headers.get('Content-Length') or 0)
        data = self.rfile.read(length) if length else b''
        body = json.loads(data) if data else None
        for method, pattern, name, act in self.ROUTES:
            if method == self.command and re.match(pattern, self.path):
                name = self.operation_of(name, body)
                key = self.hash_in(name, body)
                node.note(name, self.path, key)
                return act(self, node.take_fault(name, key), body)
        return self.reply(*self.not_found())

    def do_GET(self):
        try:
            self.serve()
        except (Quit, OSError):
            self.close_connection = True

    do_POST = do_GET


def spoilt(name, text):
    """The first object of the text with a key too many, or with bytes that are no text."""
    at = text.rindex(b'{') + 1
    if name == 'not_utf8':
        return text[:at] + b'"memo":"\xff\xfe",' + text[at:]
    return text[:at] + b'"status":"FAILED",' + text[at:] if b'"status"' in text[at:] else text[:at] + b'"twice":1,"twice":2,' + text[at:]
