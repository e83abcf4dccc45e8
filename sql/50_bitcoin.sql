-- Bitcoin: deposits and withdrawals over Lightning.

CREATE TYPE spark.invoice AS (
	invoice_id		uuid,
	account_id		uuid,
	kind			text,
	status			text,
	state			text,
	amount_msat		bigint,
	received_msat	bigint,
	fee_msat		bigint,
	max_fee_msat	bigint,
	payment_hash	text,
	payment_request	text,
	preimage		text,
	reason			text,
	expires_at		timestamptz,
	created_at		timestamptz,
	settled_at		timestamptz,
	idempotency_key	text
);
COMMENT ON TYPE spark.invoice IS
'A deposit or a withdrawal, as its owner sees it.

kind: deposit or withdrawal.
status: pending, then paid, expired, failed (nothing came, or the money is back) or rejected (nothing
  moved); expired and failed become paid where the node says so after all. state says more.
state, of a deposit: intent, the node is to make the invoice; open, it can be paid; settled; expired;
  cancelled, the node did not make it or took it back.
state, of a withdrawal: requested, the money is not reserved yet; reserved, it is, and nothing was sent;
  submitting, the node is being asked; in_flight, it has it; unknown, it may have it, and until that is
  known the money stays reserved; needs_operator, only an operator can find out; succeeded, failed,
  rejected.
amount_msat, received_msat, fee_msat, max_fee_msat: in millisatoshi: what was asked for, what the
  payee got, what it took beside, and the most that it may take.
payment_hash, preimage: 64 hex digits.
payment_request, expires_at: of a deposit, there with payment_hash when the node has made the invoice.
reason: the name of an error, of a failed or rejected one.
idempotency_key: as the caller sent it, else NULL.';

CREATE FUNCTION spark.deposit(amount_sat bigint, idempotency_key text DEFAULT NULL)
RETURNS spark.invoice
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_deposit';
COMMENT ON FUNCTION spark.deposit(bigint, text) IS
'Asks for a Lightning invoice that adds to the balance of the caller.

amount_sat: whole satoshi, from 1.
idempotency_key: of the caller''s making, up to 255 bytes; a call repeated with it answers with the
  same invoice. NULL: each call is a new deposit.
Returns the invoice, pending: a moment later payment_request is there, or the status is failed, with
  reason payment_refused where the node makes no invoice like that, of that amount for one, however often
  it is asked, and node_offline where it made none in time: ask again later. Over HTTP 202 with Location.
Errors: SP001 invalid argument; SP003 not signed in; SP005 the key was used with another amount; SP009
  not installed.';

CREATE FUNCTION spark.verify_deposit(payment_hash text)
RETURNS spark.invoice
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_verify_deposit';
COMMENT ON FUNCTION spark.verify_deposit(text) IS
'Shows a deposit of the caller and has the node asked about it soon.

payment_hash: 64 hex digits.
The node is asked at most once a second for one invoice; its answer shows in a later call.
Returns the invoice, amounts in millisatoshi; over HTTP 200 when it is paid, 402 while it is not.
Errors: SP001 malformed hash; SP002 unknown or another''s; SP003 not signed in; SP009 not installed;
  25006 in a read-only transaction.';

CREATE FUNCTION spark.withdraw(payment_request text, amount_sat bigint DEFAULT NULL, max_fee_sat bigint DEFAULT NULL)
RETURNS spark.invoice
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_withdraw';
COMMENT ON FUNCTION spark.withdraw(text, bigint, bigint) IS
'Pays a Lightning invoice from the balance of the caller.

payment_request: BOLT 11; its payment hash is the idempotency key: a repeated call answers with the
  same row, while that is not failed or rejected.
amount_sat: whole satoshi; required for a request that names no amount, refused otherwise.
max_fee_sat: whole satoshi, from 0; lowers the highest fee, which is the larger of spark.fee_floor and
  spark.fee_ppm of the amount.
Returns the invoice, pending: it becomes paid, failed (the money is back) or rejected (nothing moved)
  with a reason such as insufficient_funds. Over HTTP 202 with Location.
Errors: SP001 invalid argument; SP003 not signed in; SP005 repeated with other content; SP009 not
  installed; SP400 malformed; SP401 of another network; SP402 expired, or less than 30 s left; SP403
  amount missing or given twice; SP404 used already; SP405 the node cannot pay it; SP408 own
  invoice; 40001 another one of that hash was asked for and has failed meanwhile: call it again.';

CREATE FUNCTION spark.invoice(invoice_id uuid)
RETURNS spark.invoice
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_invoice';
COMMENT ON FUNCTION spark.invoice(uuid) IS
'Shows one deposit or withdrawal of the caller.

invoice_id: of the deposit or withdrawal.
Returns the invoice, amounts in millisatoshi.
Errors: SP001 no invoice_id; SP002 unknown or another''s; SP003 not signed in; SP009 not installed.';

CREATE FUNCTION spark.invoices(limit_ int DEFAULT 50, after uuid DEFAULT NULL)
RETURNS SETOF spark.invoice
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- a list is read along its index, never collected and sorted
	SET enable_bitmapscan = off ROWS 50
AS 'MODULE_PATHNAME', 'spark_bitcoin_invoices';
COMMENT ON FUNCTION spark.invoices(int, uuid) IS
'Lists the deposits and withdrawals of the caller, newest first.

limit_: 1 to 500 rows; NULL: 50.
after: the invoice_id of the last row of the page before; NULL: the first page.
Returns invoices, amounts in millisatoshi.
Errors: SP001 limit_ out of range; SP002 unknown after; SP003 not signed in; SP009 not installed.';

CREATE TYPE spark.decoded_invoice AS (
	network				text,
	amount_msat			bigint,
	payment_hash		text,
	payee				text,
	description			text,
	description_hash	text,
	created_at			timestamptz,
	expires_at			timestamptz,
	min_final_cltv		bigint,
	route_hints			int,
	fallbacks			int,
	features			int[]
);
COMMENT ON TYPE spark.decoded_invoice IS
'What a Lightning invoice says.

network: bitcoin, testnet, signet or regtest.
amount_msat: in millisatoshi; NULL: the payer chooses.
payment_hash, description_hash: 64 hex digits; payee: the public key of the node that signed, 66.
description: a text of the payee''s choice, trusted in nothing; NULL where there is description_hash.
created_at, expires_at: the latter at most the end of the year 9999.
min_final_cltv: blocks that the last hop must leave.
route_hints, fallbacks: how many there are.
features: the numbers of the bits that are set, even ones required.';

CREATE FUNCTION spark.decode_invoice(payment_request text)
RETURNS spark.decoded_invoice
LANGUAGE C STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_lightning_decode_invoice';
COMMENT ON FUNCTION spark.decode_invoice(text) IS
'Shows what a Lightning invoice says, once its signature was checked.

payment_request: BOLT 11, with or without lightning: before it; of any network and any age.
It is open to anybody. That the payee signed it is all that is proven: not who that is, nor that it
  can still be paid.
Returns the parts of the invoice, the amount in millisatoshi.
Errors: SP001 no payment_request, or a description that the encoding of this database cannot write;
  SP400 malformed, and the detail says how.';

CREATE FUNCTION spark_ops.node_health()
RETURNS TABLE (check_name text, ok boolean, detail text)
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 6
AS 'MODULE_PATHNAME', 'spark_bitcoin_node_health';
COMMENT ON FUNCTION spark_ops.node_health() IS
'Shows how spark stands with its Lightning node: a part of health().

Returns rows node, node_simulated, unknown_payments, reconciliation, solvency and breaker; ok is false
  where an operator should look, and detail says at what.
No errors.';

CREATE FUNCTION spark_ops.reconcile()
RETURNS TABLE (kind text, payment_hash text, books text, node text, detail text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10
AS 'MODULE_PATHNAME', 'spark_bitcoin_reconcile';
COMMENT ON FUNCTION spark_ops.reconcile() IS
'Has the worker compare the books with the node, and lists what differs.

The node is asked about every open payment and invoice, and about payments that failed in the last 14
  days; then for its balance and its lists. It waits for that, up to 5 minutes; statement_timeout ends
  it sooner. The worker does the same by itself at its start, when the node is back, and daily.
Returns a row a difference: payment_unknown, payment_missing, payment_state, payment_amount, paid_twice,
  invoice_unknown, invoice_missing, invoice_state, invoice_amount, solvency (what the node lacks),
  payment_left and invoice_left (what a node can still do that the books belonged to before
  change_node()), and not_asked (why the node could not be compared; what follows is older). Nothing is
  booked by it but late payments.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.open_payments(limit_ int DEFAULT 100)
RETURNS TABLE (invoice_id uuid, account_id uuid, state text, payment_hash text, amount_msat bigint,
	max_fee_msat bigint, attempts bigint, created_at timestamptz, submitted_at timestamptz, asked_at timestamptz,
	expires_at timestamptz, alarm text, node_words text)
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10
AS 'MODULE_PATHNAME', 'spark_bitcoin_open_payments';
COMMENT ON FUNCTION spark_ops.open_payments(int) IS
'Lists the payments that are not over: they wait for the node, or for its word.

limit_: 1 to 10,000; NULL: 100.
Returns a row a withdrawal in state reserved, submitting, in_flight, unknown or needs_operator: whose it
  is, what it has reserved, in millisatoshi, how often it was sent and when last, when the node was last
  asked about it, when its invoice runs out; alarm: what an operator should see; node_words: the last
  words of the node, cut and cleaned, trusted in nothing. needs_operator comes first, then what has an
  alarm, then the oldest.
Errors: SP001 limit_ out of range; SP009 not installed.';

CREATE FUNCTION spark_ops.decide_payment(invoice_id uuid, verdict text, evidence text, reason text,
	preimage text DEFAULT NULL, fee_msat bigint DEFAULT NULL, node_record text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_decide_payment';
COMMENT ON FUNCTION spark_ops.decide_payment(uuid, text, text, text, text, bigint, text) IS
'Ends a withdrawal by hand: one that hangs at the node, or waits for it.

invoice_id: of a withdrawal in state needs_operator, as spark_ops.open_payments() lists it; failed also
  for reserved, of which nothing was sent; paid also for in_flight, unknown and failed.
verdict: paid or failed. Failed gives the reserve back; what was sent is watched for 14 days, should it
  be paid after all.
evidence: what shows it, up to 10,000 bytes.
reason: why it is decided by hand, 1 to 1,000 bytes. Recorded with who, the state before and the
  evidence.
preimage: 64 hex digits; required for paid: it is the proof, and is checked.
fee_msat: what the node took, in millisatoshi; NULL: 0.
node_record: what the node calls its record of this payment, up to 200 bytes. Required where a payment
  of that hash and amount is booked already: then the preimage proves nothing, and it must be another
  record than that of the booked one.
Returns nothing.
Errors: SP001 invalid argument; SP002 no such withdrawal; SP009 not installed; SP010 in another state,
  while another withdrawal takes that payment, or of a payment that is booked already.';

CREATE FUNCTION spark_ops.open_breaker(reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_open_breaker';
COMMENT ON FUNCTION spark_ops.open_breaker(text) IS
'Stops withdrawals through the node; deposits go on.

It opens by itself where the node lacks more of what is owed, with spark.own_capital, than
  spark.solvency_tolerance, and where a payment would take of that capital. Withdrawals are taken and
  wait; one whose invoice runs out meanwhile fails, its money back.
reason: 1 to 1,000 bytes; recorded with who.
Returns nothing.
Errors: SP001 no reason; SP009 not installed.';

CREATE FUNCTION spark_ops.close_breaker(reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_close_breaker';
COMMENT ON FUNCTION spark_ops.close_breaker(text) IS
'Lets withdrawals go on; those that have waited are due at once.

What the node lacks at that moment, by the last comparison, is taken as known: it opens again where
  more is missing.
reason: what was found and put right, 1 to 1,000 bytes; recorded with who.
Returns nothing.
Errors: SP001 no reason; SP009 not installed.';

CREATE FUNCTION spark_ops.change_node(node_id text, reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_bitcoin_change_node';
COMMENT ON FUNCTION spark_ops.change_node(text, text) IS
'Has the books belong to another node from now on.

node_id: its public key, 66 hex digits; kind and network are those of the settings.
reason: 1 to 1,000 bytes; recorded with who and which node it was.
The ledger has another mirror account for each node. The old one is not asked any more: what it can
  still do within 14 days, payments that failed and invoices that were not paid in time, is listed by
  reconcile().
Returns nothing.
Errors: SP001 invalid argument; SP009 not installed; SP010 while accounts have money, a withdrawal is
  open or reserved (decide_payment() ends that), the invoice of a deposit is open, or no node is
  recorded yet.';

REVOKE ALL ON FUNCTION spark_ops.reconcile() FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.open_payments(int) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.decide_payment(uuid, text, text, text, text, bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.open_breaker(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.close_breaker(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.change_node(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.deposit(bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.verify_deposit(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.withdraw(text, bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.invoice(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.invoices(int, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.decode_invoice(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.node_health() FROM PUBLIC;
