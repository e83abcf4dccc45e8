-- The books of context accounting, version 1.

CREATE TABLE spark_accounting.accounts (
	account_id			uuid NOT NULL PRIMARY KEY,
	version				bigint NOT NULL,
	debits_posted_msat	bigint NOT NULL CHECK (debits_posted_msat >= 0),
	credits_posted_msat	bigint NOT NULL CHECK (credits_posted_msat >= 0),
	debits_pending_msat	bigint NOT NULL CHECK (debits_pending_msat >= 0),
	credits_pending_msat bigint NOT NULL CHECK (credits_pending_msat >= 0),
	sequence			bigint NOT NULL CHECK (sequence >= 0),
	opened_at			timestamptz NOT NULL,
	frozen_at			timestamptz,
	strict				boolean NOT NULL,
	closed				boolean NOT NULL,
	class				text NOT NULL CHECK (class IN ('user', 'guest', 'node', 'fee', 'operator', 'suspense')),
	seal				bytea NOT NULL CHECK (octet_length(seal) = 32),
	frozen_reason		text,
	CHECK (NOT strict OR credits_posted_msat - debits_posted_msat - debits_pending_msat >= 0),
	CHECK ((frozen_at IS NULL) = (frozen_reason IS NULL))
) WITH (fillfactor = 50);
-- The few that somebody has to look at.
CREATE INDEX accounts_frozen ON spark_accounting.accounts (frozen_at) WHERE frozen_at IS NOT NULL;
COMMENT ON TABLE spark_accounting.accounts IS 'One row an account of the ledger: the sums of its transfers.';
COMMENT ON COLUMN spark_accounting.accounts.strict IS 'It never pays more than it has.';
COMMENT ON COLUMN spark_accounting.accounts.sequence IS 'How many rows of transfers debit it.';
COMMENT ON COLUMN spark_accounting.accounts.seal IS 'The seal of the last row that debits it; zeros before the first.';

CREATE TABLE spark_accounting.outflows (
	account_id			uuid NOT NULL PRIMARY KEY,
	version				bigint NOT NULL,
	reserved_msat		bigint NOT NULL CHECK (reserved_msat >= 0),
	hour				timestamptz NOT NULL,
	gone_msat			bigint[] NOT NULL CHECK (cardinality(gone_msat) = 25 AND 0 <= ALL (gone_msat))
) WITH (fillfactor = 50);
COMMENT ON TABLE spark_accounting.outflows IS 'What leaves by the node, of one account or, under id 00000000-0000-7000-8001-000000000003, of all: for the limits of a day.';
COMMENT ON COLUMN spark_accounting.outflows.reserved_msat IS 'For payments that may still be made, with their highest fees.';
COMMENT ON COLUMN spark_accounting.outflows.hour IS 'When the newest hour of gone_msat began.';
COMMENT ON COLUMN spark_accounting.outflows.gone_msat IS 'What has left, by the hour, with fees: the newest first, then each of the 24 before it.';

CREATE TABLE spark_accounting.transfers (
	transfer_id			uuid NOT NULL PRIMARY KEY,
	debit_account_id	uuid NOT NULL,
	credit_account_id	uuid NOT NULL,
	amount_msat			bigint NOT NULL CHECK (amount_msat > 0),
	sequence			bigint NOT NULL CHECK (sequence > 0),
	created_at			timestamptz NOT NULL,
	form				text NOT NULL CHECK (form IN ('direct', 'pending', 'post', 'void')),
	purpose				text COLLATE "C" NOT NULL,
	kind				text NOT NULL CHECK (kind IN ('deposit', 'donation', 'withdrawal', 'fee', 'refund')),
	idempotency_key		text COLLATE "C" NOT NULL CHECK (idempotency_key <> ''),
	seal				bytea NOT NULL CHECK (octet_length(seal) = 32),
	fee_limit_msat		bigint CHECK (fee_limit_msat > 0),
	expires_at			timestamptz,
	pending_id			uuid,
	linked_id			uuid,
	campaign_id			uuid,
	from_invoice_id		uuid,
	to_invoice_id		uuid,
	reason				text,
	CHECK (debit_account_id <> credit_account_id),
	CHECK ((form IN ('post', 'void')) = (pending_id IS NOT NULL))
);
COMMENT ON TABLE spark_accounting.transfers IS 'One row a movement from one account to another, or the end of a pending one. Rows never change.';
COMMENT ON COLUMN spark_accounting.transfers.form IS 'direct: posted at once. pending: reserved, until a row of form post or void names it in pending_id.';
COMMENT ON COLUMN spark_accounting.transfers.amount_msat IS 'Of a post what moved, the rest is free again; of a void what had been reserved.';
COMMENT ON COLUMN spark_accounting.transfers.fee_limit_msat IS 'The part of the amount that is reserved for a fee.';
COMMENT ON COLUMN spark_accounting.transfers.linked_id IS 'Of a fee and the like: the transfer it belongs to.';
COMMENT ON COLUMN spark_accounting.transfers.sequence IS 'Its place among the rows that debit the same account, from 1, without a gap.';
COMMENT ON COLUMN spark_accounting.transfers.seal IS 'SHA-256 of the seal before it in that sequence and of all other columns.';

-- The name of a transfer: keys of two accounts or two purposes never meet.
CREATE UNIQUE INDEX transfers_name ON spark_accounting.transfers (debit_account_id, purpose, idempotency_key);
-- What is pending ends once.
CREATE UNIQUE INDEX transfers_end ON spark_accounting.transfers (pending_id) WHERE pending_id IS NOT NULL;
-- The statement of an account, from either side.
CREATE INDEX transfers_of_payer ON spark_accounting.transfers (debit_account_id, created_at, transfer_id) WHERE pending_id IS NULL;
CREATE INDEX transfers_of_payee ON spark_accounting.transfers (credit_account_id, created_at, transfer_id) WHERE pending_id IS NULL;

CREATE TABLE spark_accounting.rejections (
	debit_account_id	uuid NOT NULL,
	credit_account_id	uuid NOT NULL,
	amount_msat			bigint NOT NULL CHECK (amount_msat > 0),
	fee_limit_msat		bigint CHECK (fee_limit_msat > 0),
	created_at			timestamptz NOT NULL,
	form				text NOT NULL CHECK (form IN ('direct', 'pending')),
	purpose				text COLLATE "C" NOT NULL,
	idempotency_key		text COLLATE "C" NOT NULL CHECK (idempotency_key <> ''),
	reason				text NOT NULL,
	PRIMARY KEY (debit_account_id, purpose, idempotency_key)
);
COMMENT ON TABLE spark_accounting.rejections IS 'Requests that were refused, so that the same one is refused again.';
COMMENT ON COLUMN spark_accounting.rejections.reason IS 'A name of the error table.';

ALTER TABLE spark_accounting.accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_accounting.outflows ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_accounting.transfers ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_accounting.rejections ENABLE ROW LEVEL SECURITY;
