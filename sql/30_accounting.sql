-- Accounting: balances and statements; for operators, the books as a whole.

CREATE TYPE spark.balance AS (
	account_id		uuid,
	posted_msat		bigint,
	reserved_msat	bigint,
	incoming_msat	bigint,
	available_msat	bigint,
	available_sat	bigint
);
COMMENT ON TYPE spark.balance IS
'What an account has: posted, reserved, incoming, available.

posted_msat: what has moved, in millisatoshi.
reserved_msat: held for payments under way.
incoming_msat: promised by others, not spendable yet.
available_msat, available_sat: posted less reserved: what may be spent now; whole satoshi round down.';

CREATE TYPE spark.statement_line AS (
	transfer_id		uuid,
	kind			text,
	state			text,
	amount_msat		bigint,
	counterparty_id	uuid,
	campaign_id		uuid,
	invoice_id		uuid,
	created_at		timestamptz,
	posted_at		timestamptz
);
COMMENT ON TYPE spark.statement_line IS
'One transfer as one of its two accounts sees it.

kind: donation, deposit, withdrawal, fee or refund.
state: pending, then posted or voided.
amount_msat: in millisatoshi, negative where the reader paid; while pending what is reserved, once
  posted what moved, of a voided line what had been reserved.
invoice_id: the reader''s own, where there is one.';

CREATE FUNCTION spark.balance()
RETURNS spark.balance
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_accounting_balance';
COMMENT ON FUNCTION spark.balance() IS
'Shows what the caller has.

Returns the balance in millisatoshi (*_msat) and whole satoshi (*_sat); zeros until the account''s
  first message was handled.
Errors: SP003 not signed in; SP009 not installed.';

CREATE FUNCTION spark.statement(limit_ int DEFAULT 50, after uuid DEFAULT NULL)
RETURNS SETOF spark.statement_line
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- a list is read along its index, never collected and sorted
	SET enable_bitmapscan = off ROWS 50
AS 'MODULE_PATHNAME', 'spark_accounting_statement';
COMMENT ON FUNCTION spark.statement(int, uuid) IS
'Lists the transfers of the caller, newest first.

limit_: 1 to 500 rows; NULL: 50.
after: the transfer_id of the last row of the page before; NULL: the first page.
Returns a line a transfer, a fee being one of its own; the posted ones add up to posted_msat of
  spark.balance().
Errors: SP001 limit_ out of range; SP002 unknown after; SP003 not signed in; SP009 not installed.';

CREATE FUNCTION spark_ops.trial_balance(OUT account_class text, OUT accounts bigint,
	OUT debits_posted_msat bigint, OUT credits_posted_msat bigint,
	OUT debits_pending_msat bigint, OUT credits_pending_msat bigint)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 6
AS 'MODULE_PATHNAME', 'spark_accounting_trial_balance';
COMMENT ON FUNCTION spark_ops.trial_balance() IS
'Sums the ledger by classes of accounts.

Returns a row an account class, in millisatoshi; over all rows debits equal credits, posted and
  pending.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.verify_accounting(OUT invariant text, OUT ok boolean, OUT detail text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 11
AS 'MODULE_PATHNAME', 'spark_accounting_verify';
COMMENT ON FUNCTION spark_ops.verify_accounting() IS
'Proves what the ledger alone can prove of the invariants: a part of verify().

Reads every transfer, in one snapshot, and locks nothing.
Returns a row an invariant; detail names what breaks it, the oldest first.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.frozen_accounts(limit_ int DEFAULT 100)
RETURNS TABLE (account_id uuid, frozen_at timestamptz, reason text, posted_msat bigint, available_msat bigint,
	late_payments bigint, late_msat bigint, uncovered_msat bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10
AS 'MODULE_PATHNAME', 'spark_accounting_frozen_accounts';
COMMENT ON FUNCTION spark_ops.frozen_accounts(int) IS
'Lists the accounts that pay nothing until an operator has looked.

limit_: 1 to 10,000; NULL: 100.
Returns a row an account: since when and why; what it has, and what of it is not reserved; then of its
  payments that the node made after it had called them failed, since it is frozen: how many, what the
  account has paid for them, and what it could not pay, which account suspense bears. In millisatoshi;
  the account that was frozen first comes first.
Errors: SP001 limit_ out of range; SP009 not installed.';

CREATE FUNCTION spark_ops.unfreeze_account(account_id uuid, reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_accounting_unfreeze_account';
COMMENT ON FUNCTION spark_ops.unfreeze_account(uuid, text) IS
'Lets a frozen account pay again.

account_id: of spark_ops.frozen_accounts().
reason: what was found and settled, 1 to 1,000 bytes; recorded with who, and why it was frozen.
No money moves. What was refused meanwhile stays refused; it can be asked for anew.
Returns nothing.
Errors: SP001 no or an invalid argument; SP002 no such account; SP009 not installed; SP010 it is not
  frozen.';

REVOKE ALL ON FUNCTION spark_ops.frozen_accounts(int) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.unfreeze_account(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.balance() FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.statement(int, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.trial_balance() FROM PUBLIC;
REVOKE ALL ON FUNCTION spark_ops.verify_accounting() FROM PUBLIC;
