-- The outside world of the simulated Lightning node, for demos and tests.
-- Granted to nobody.

CREATE FUNCTION spark_simulator.pay(payment_request text, received_msat bigint DEFAULT NULL, late boolean DEFAULT false)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_simulator_pay';
COMMENT ON FUNCTION spark_simulator.pay(text, bigint, boolean) IS
'Lets the outside wallet pay a deposit''s invoice.

payment_request: of the deposit.
received_msat: what arrives, from the invoice''s amount to twice that; NULL: the amount.
late: also after the invoice has expired.
It happens when the transaction commits, and wins over a script receive whose time has not come.
Returns the preimage, 64 hex digits.
Errors: SP001 invalid argument; SP002 no invoice of this node; SP010 another node than the simulated
  one; SP400 malformed; SP402 expired; SP404 paid or cancelled.';

CREATE FUNCTION spark_simulator.make_invoice(amount_sat bigint, memo text DEFAULT '', expiry_seconds int DEFAULT 3600)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_simulator_make_invoice';
COMMENT ON FUNCTION spark_simulator.make_invoice(bigint, text, int) IS
'Makes an invoice of the outside wallet, to withdraw to.

amount_sat: whole satoshi; NULL: the invoice names no amount.
memo: up to 639 bytes.
expiry_seconds: from 1.
Returns the payment request (BOLT 11, regtest).
Errors: SP001 invalid argument; SP010 another node than the simulated one.';

CREATE FUNCTION spark_simulator.script(payment_hash text, outcome text, options jsonb DEFAULT '{}')
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_simulator_script';
COMMENT ON FUNCTION spark_simulator.script(text, text, jsonb) IS
'Decides what becomes of a payment, or how a deposit is paid.

payment_hash: 64 hex digits; or * for each payment that fits amount_msat, memo and call (the n-th
  since this script) of options. A script for the very hash beats one for *.
outcome: succeed, fail, lost_reply, never_answer, unknown, not_sent, stuck, flip, bad_preimage,
  bad_reply, stale; receive for a deposit. With * only: make for an invoice that the node shows wrongly,
  node for how the whole node is (well, down, locked, syncing, another, pruned).
options: a flat object, amounts in millisatoshi (*_msat), times in seconds (*_s).
It holds from the commit until the next script for that hash, which wins at once, also over a payment
  under way. Without any, a payment succeeds at once with a fee of 1,000 msat, or the cap where lower.
Returns nothing.
Errors: SP001 invalid argument or unknown word; SP010 another node than the simulated one.';

CREATE FUNCTION spark_simulator.payments(limit_ int DEFAULT 1000)
RETURNS TABLE (payment_hash text, direction text, amount_msat bigint, fee_msat bigint, settled_at timestamptz)
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_simulator_payments';
COMMENT ON FUNCTION spark_simulator.payments(int) IS
'Lists the payments that were really executed, newest first.

limit_: from 1; NULL: 1,000.
Returns a row each, in to the node or out from it, in millisatoshi; a hash stands there twice only if
  it was paid twice.
Errors: SP001 limit_ out of range; SP010 another node than the simulated one.';

REVOKE ALL ON FUNCTION spark_simulator.pay(text, bigint, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_simulator.make_invoice(bigint, text, int) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_simulator.script(text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_simulator.payments(int) FROM PUBLIC;
