"""What the node that fails has done, whatever it said of it.

It keeps no money back and refuses no second payment of a hash: it counts.  A
payment ends at its time, by itself or as a test decides.
"""
import hashlib
import os
import threading
import time

from fault import invoices

FEE = 1000


class Node:
    def __init__(self):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.invoices = {}
        self.payments = {}      # hash -> the last try
        self.tries = {}         # hash -> every try
        self.known = {}         # outside: hash -> preimage, outcome
        self.requests = []
        self.faults = {}
        self.played = {}        # operation, name and when: how often
        self.settled = []       # hashes, in their order
        self.held_back = []     # of them, those that are told behind the next one
        self.extra_events = []  # hashes, told to every listener once more, whatever they say
        self.identity = invoices.NODE_ID
        self.synced = True
        self.capital = 100000000000
        self.absent_until = 0.0

    # ---------------------------------------------------------------- faults

    def note(self, operation, path, key):
        with self.lock:
            self.requests.append({'operation': operation, 'path': path, 'hash': key, 'at': time.time()})

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
                played = ' '.join((operation, fault['fault'], fault['when']))
                self.played[played] = self.played.get(played, 0) + 1
                return dict(fault)
            return {}

    # -------------------------------------------------------------- invoices

    def make_invoice(self, preimage, msat, memo, expiry, label=None):
        payment_hash = hashlib.sha256(preimage).hexdigest()
        request = invoices.payment_request(bytes.fromhex(payment_hash), msat, memo, expiry)
        with self.lock:
            self.invoices[payment_hash] = {
                'hash': payment_hash, 'preimage': preimage.hex(), 'msat': msat, 'memo': memo, 'request': request, 'state': 'OPEN',
                'received': 0, 'settle_index': 0, 'index': len(self.invoices) + 1, 'label': label, 'made': int(time.time()),
                'expires': int(time.time()) + expiry}
            return self.invoices[payment_hash]

    def make_random_invoice(self, msat, memo, expiry, label=None):
        return self.make_invoice(os.urandom(32), msat, memo, expiry, label)

    def cancel_invoice(self, invoice):
        with self.lock:
            if invoice['state'] == 'OPEN':
                invoice['state'] = 'CANCELED'
            return invoice['state']

    def settle(self, payment_hash, msat=None, missed=False, reordered=False):
        """It is told in its turn, or never, or behind the one that comes next."""
        with self.lock:
            invoice = self.invoices[payment_hash]
            if invoice['state'] == 'CANCELED':
                return False
            if invoice['state'] == 'SETTLED':
                return True
            invoice.update({'state': 'SETTLED', 'received': msat or invoice['msat'], 'settle_index': len(self.settled) + 1,
                            'settled_at': time.time()})
            if reordered:
                self.settled.append(None)
                self.held_back.append(payment_hash)
            elif not missed:
                self.settled.append(payment_hash)
                self.extra_events += self.held_back
                self.held_back = []
            self.changed.notify_all()
            return True

    def told_since(self, index):
        """The invoices whose settlement a listener hears who knows those up to that index."""
        with self.lock:
            return [self.invoices[payment_hash] for payment_hash in self.settled[index:] if payment_hash]

    # -------------------------------------------------------------- payments

    def pay(self, request, msat, cap):
        payment_hash = invoices.hash_of(request)
        with self.lock:
            known = self.known.get(payment_hash, {'outcome': 'no_route'})
            payment = {'hash': payment_hash, 'request': request, 'msat': msat or invoices.msat_of(request), 'fee': min(FEE, cap),
                       'status': 'IN_FLIGHT', 'preimage': known.get('preimage'), 'outcome': known['outcome'],
                       'reason_told': known.get('reason', 'error'),
                       'index': sum(len(tries) for tries in self.tries.values()) + 1, 'made': time.time_ns(),
                       'ends': time.time() + known.get('after_s', 0), 'cap': cap,
                       'begun': self.payments.get(payment_hash, {}).get('begun', 0) + 1}
            self.payments[payment_hash] = payment
            self.tries.setdefault(payment_hash, []).append(payment)
            return self.follow(payment)

    def follow(self, payment):
        """Brings it up to now."""
        with self.lock:
            has_come = time.time() >= payment['ends']
            if payment['outcome'] == 'flip':
                # It calls itself failed first.
                if payment['status'] == 'IN_FLIGHT':
                    self.decide(payment, 'FAILED', 'FAILURE_REASON_' + payment['reason_told'].upper())
                if payment['status'] == 'FAILED' and has_come:
                    self.decide(payment, 'SUCCEEDED')
            elif payment['status'] == 'IN_FLIGHT' and payment['outcome'] != 'hold' and has_come:
                if payment['outcome'] == 'succeed':
                    self.decide(payment, 'SUCCEEDED')
                else:
                    self.decide(payment, 'FAILED', 'FAILURE_REASON_' + payment['outcome'].upper())
            return payment

    def decide(self, payment, status, reason='FAILURE_REASON_NONE'):
        with self.lock:
            payment.update({'status': status, 'reason': reason, 'ended_at': time.time()})

    def find_payment(self, payment_hash):
        with self.lock:
            payment = self.payments.get(payment_hash)
            return self.follow(payment) if payment else None

    def find_tries(self, payment_hash):
        with self.lock:
            return [self.follow(payment) for payment in self.tries.get(payment_hash, [])]

    def wait_for_end(self, payment, most):
        """At the end of the payment, or when that many seconds are over."""
        until, pause = time.time() + most, 0.02
        while self.follow(payment)['status'] == 'IN_FLIGHT' and time.time() < until:
            time.sleep(pause)
            # Hundreds may wait, and their clients have long gone.
            pause = min(pause * 1.25, 0.5)
        return payment

    def all_tries(self):
        with self.lock:
            return sorted((self.follow(p) for tries in self.tries.values() for p in tries), key=lambda p: p['index'])

    def under_way(self):
        return [p for p in self.all_tries() if p['status'] == 'IN_FLIGHT' or (p['outcome'] == 'flip' and p['status'] == 'FAILED')]

    # ----------------------------------------------------------------- money

    def balance(self):
        """What is its own, and what payments under way have taken of it."""
        with self.lock:
            tries = self.all_tries()
            sent = sum(p['msat'] + p['fee'] for p in tries if p['status'] == 'SUCCEEDED')
            under_way = sum(p['msat'] + p['fee'] for p in self.under_way())
            received = sum(i['received'] for i in self.invoices.values() if i['state'] == 'SETTLED')
            return self.capital + received - sent - under_way, under_way

    def executed(self):
        """What was really paid, with the fee that might have been taken: its own record, for whoever asks afterwards."""
        with self.lock:
            return ([['out', p['hash'], p['msat'], p['fee'], p['cap']] for p in self.all_tries() if p['status'] == 'SUCCEEDED'] +
                    [['in', i['hash'], i['received'], 0, 0] for i in self.invoices.values() if i['state'] == 'SETTLED'])


node = Node()
