"""Payment requests (BOLT 11) of the node that fails, put together by hand."""
import base64
import hashlib
import os
import re
import time

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


LIES = {'other_amount', 'other_network', 'other_memo', 'other_invoice', 'junk_invoice'}


def lie(name, payment_hash):
    """A payment request that is not what was asked for, and its hash, both in bytes or text."""
    if name == 'other_invoice':
        payment_hash = hashlib.sha256(os.urandom(8)).digest()
    made = {
        'other_amount': (999000, 'other'), 'other_invoice': (999000, 'x'),
        'other_network': (5000000, 'other', 'tb'), 'other_memo': (5000000, 'another')}
    if name == 'junk_invoice':
        return payment_hash, 'lnbcrt1junk'
    msat, memo, *network = made[name]
    return payment_hash, payment_request(payment_hash, msat, memo, 3600, *network)
