-- The books of context bitcoin, version 1.

CREATE TABLE spark_bitcoin.deposits (
	invoice_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	account_id		uuid NOT NULL,
	idempotency_key	text COLLATE "C" CHECK (idempotency_key <> ''),
	amount_msat		bigint NOT NULL CHECK (amount_msat > 0),
	expiry_seconds	bigint NOT NULL CHECK (expiry_seconds > 0),
	created_at		timestamptz NOT NULL,
	state			text NOT NULL CHECK (state IN ('intent', 'open', 'settled', 'expired', 'cancelled')),
	reason			text,
	payment_hash	text COLLATE "C" CHECK (length(payment_hash) = 64),
	payment_request	text,
	expires_at		timestamptz,
	node_account_id	uuid,
	received_msat	bigint CHECK (received_msat >= amount_msat),
	preimage		text CHECK (length(preimage) = 64),
	settled_at		timestamptz,
	paid_by			uuid,
	held			boolean NOT NULL,
	late			boolean NOT NULL,
	next_look_at	timestamptz,
	asked_at		timestamptz,
	wanted_at		timestamptz,
	look_count		bigint NOT NULL,
	alarm			text,
	node_words		text,
	receive_fee_msat bigint NOT NULL DEFAULT 0 CHECK (receive_fee_msat BETWEEN 0 AND coalesce(received_msat, 0)),
	CHECK ((payment_hash IS NULL) = (payment_request IS NULL)),
	CHECK ((payment_hash IS NULL) = (expires_at IS NULL)),
	CHECK ((payment_hash IS NULL) = (node_account_id IS NULL)),
	CHECK (state NOT IN ('open', 'settled', 'expired') OR payment_hash IS NOT NULL),
	CHECK (state <> 'intent' OR payment_hash IS NULL),
	CHECK ((state = 'settled') = (settled_at IS NOT NULL)),
	CHECK ((state = 'settled') = (received_msat IS NOT NULL)),
	CHECK ((state = 'settled') = (preimage IS NOT NULL OR paid_by IS NOT NULL)),
	CHECK (preimage IS NULL OR paid_by IS NULL),
	CHECK (state <> 'cancelled' OR reason IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE spark_bitcoin.deposits IS 'One row a deposit: an invoice that the node makes for us, and what came in by it.';
COMMENT ON COLUMN spark_bitcoin.deposits.received_msat IS 'What came, and was credited.';
COMMENT ON COLUMN spark_bitcoin.deposits.receive_fee_msat IS 'Of what came: what the node kept for itself, and the operator bears.';
COMMENT ON COLUMN spark_bitcoin.deposits.preimage IS 'The proof of the payment; NULL of one paid inside.';
COMMENT ON COLUMN spark_bitcoin.deposits.paid_by IS 'The withdrawal of another account that paid it inside.';
COMMENT ON COLUMN spark_bitcoin.deposits.held IS 'The node has a payment and has not decided.';
COMMENT ON COLUMN spark_bitcoin.deposits.late IS 'It was settled after it had expired or been cancelled.';
COMMENT ON COLUMN spark_bitcoin.deposits.next_look_at IS 'When the worker asks the node next; NULL: never.';
COMMENT ON COLUMN spark_bitcoin.deposits.wanted_at IS 'When somebody last wanted a look.';
COMMENT ON COLUMN spark_bitcoin.deposits.alarm IS 'What an operator should see.';
COMMENT ON COLUMN spark_bitcoin.deposits.node_words IS 'Why the node made no invoice, in its own words, cut and cleaned.';

CREATE UNIQUE INDEX deposits_key ON spark_bitcoin.deposits (account_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- One credit a hash.
CREATE UNIQUE INDEX deposits_hash ON spark_bitcoin.deposits (payment_hash) WHERE payment_hash IS NOT NULL;
-- The condition holds for every row; the list of invoices repeats it.  So no
-- other query, which seems to find as few rows, reads an account's whole list.
CREATE INDEX deposits_of_account ON spark_bitcoin.deposits (account_id, created_at, invoice_id) WHERE amount_msat > 0;
CREATE INDEX deposits_due ON spark_bitcoin.deposits (next_look_at) WHERE next_look_at IS NOT NULL;
-- What came in by the node, for the comparison with it.
CREATE INDEX deposits_settled ON spark_bitcoin.deposits (settled_at) WHERE state = 'settled';
-- Those that the worker takes up at its start, and those whose invoice is still to be made.
CREATE INDEX deposits_begun ON spark_bitcoin.deposits (created_at) WHERE state IN ('intent', 'open');

CREATE TABLE spark_bitcoin.withdrawals (
	invoice_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	account_id		uuid NOT NULL,
	node_account_id	uuid NOT NULL,
	payment_hash	text COLLATE "C" NOT NULL CHECK (length(payment_hash) = 64),
	payment_request	text NOT NULL,
	amount_msat		bigint NOT NULL CHECK (amount_msat > 0),
	amount_given	boolean NOT NULL,
	max_fee_msat	bigint NOT NULL CHECK (max_fee_msat >= 0),
	asked_max_fee_msat bigint CHECK (asked_max_fee_msat >= 0),
	expires_at		timestamptz NOT NULL,
	created_at		timestamptz NOT NULL,
	deposit_id		uuid,
	payee_id		uuid,
	tried_before	boolean NOT NULL,
	earlier_reference text,
	state			text NOT NULL CHECK (state IN ('requested', 'reserved', 'submitting', 'in_flight', 'unknown',
										 'succeeded', 'failed', 'rejected', 'needs_operator')),
	reason			text,
	fee_msat		bigint NOT NULL CHECK (fee_msat >= 0),
	preimage		text CHECK (length(preimage) = 64),
	settled_at		timestamptz,
	failed_at		timestamptz,
	late			boolean NOT NULL,
	paid_beside		boolean NOT NULL DEFAULT false,
	in_doubt		boolean NOT NULL DEFAULT false,
	attempt_no		bigint NOT NULL CHECK (attempt_no >= 0),
	backend			text,
	node_id			text,
	submitted_at	timestamptz,
	submit_deadline	timestamptz,
	give_up_seconds	bigint NOT NULL,
	acknowledged_at	timestamptz,
	node_reference	text,
	node_words		text,
	next_look_at	timestamptz,
	asked_at		timestamptz,
	look_count		bigint NOT NULL,
	alarm			text,
	checked_at		timestamptz,
	not_found_at	timestamptz,
	CHECK ((deposit_id IS NULL) = (payee_id IS NULL)),
	CHECK (account_id <> payee_id),
	CHECK (deposit_id IS NULL OR (attempt_no = 0 AND max_fee_msat = 0)),
	CHECK ((attempt_no = 0) = (submitted_at IS NULL)),
	CHECK (state NOT IN ('submitting', 'in_flight', 'unknown', 'needs_operator') OR attempt_no > 0),
	CHECK ((state = 'succeeded') = (settled_at IS NOT NULL)),
	CHECK (preimage IS NULL OR state = 'succeeded'),
	CHECK (NOT paid_beside OR late),
	CHECK (state <> 'succeeded' OR preimage IS NOT NULL OR deposit_id IS NOT NULL),
	CHECK ((state IN ('failed', 'rejected')) = (reason IS NOT NULL)),
	CHECK (state <> 'failed' OR failed_at IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE spark_bitcoin.withdrawals IS 'One row a withdrawal: a payment request that somebody wants paid, and what is known about it.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.amount_given IS 'By the caller: the request names none.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.max_fee_msat IS 'Reserved beside the amount, and the cap that the node is told.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.asked_max_fee_msat IS 'As the caller said it, before it was cut; NULL: he did not.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.deposit_id IS 'Of this spark, where it is paid inside; payee_id is its account.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.tried_before IS 'An earlier withdrawal of this hash went to a node; earlier_reference is that record.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.fee_msat IS 'What the node says it took; 0 before it succeeded.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.late IS 'It succeeded after it had failed and the reserve had been given back.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.paid_beside IS 'It succeeded late beside another one of its hash, which was live.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.in_doubt IS 'It failed by an operator''s word, or was seen under way again: another one of its hash waits for the node''s proof.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.attempt_no IS 'How often it was submitted; backend, node_id and the times that follow are of the last attempt.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.acknowledged_at IS 'When the node first had it: from then on it is never believed not to know it.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.checked_at IS 'When the node was asked what became of the earlier one of this hash, and nothing spoke against paying it again.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.not_found_at IS 'Since when the node says that it does not know it.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.node_words IS 'The node''s own, cut and cleaned.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.next_look_at IS 'When the worker acts next; NULL: never.';
COMMENT ON COLUMN spark_bitcoin.withdrawals.alarm IS 'What an operator should see.';

-- A hash is paid once, whoever asks; what a node paid late all the same was booked beside.
CREATE UNIQUE INDEX withdrawals_live_hash ON spark_bitcoin.withdrawals (payment_hash)
	WHERE state NOT IN ('rejected', 'failed') AND NOT paid_beside;
CREATE INDEX withdrawals_hash ON spark_bitcoin.withdrawals (payment_hash, created_at);
CREATE INDEX withdrawals_of_account ON spark_bitcoin.withdrawals (account_id, created_at, invoice_id) WHERE amount_msat > 0;
CREATE INDEX withdrawals_to_begin ON spark_bitcoin.withdrawals (next_look_at) WHERE state = 'reserved';
CREATE INDEX withdrawals_to_look_at ON spark_bitcoin.withdrawals (next_look_at)
	WHERE state <> 'reserved' AND next_look_at IS NOT NULL;
CREATE INDEX withdrawals_open ON spark_bitcoin.withdrawals (state)
	WHERE state IN ('submitting', 'in_flight', 'unknown', 'needs_operator');
-- What the node has paid, for the comparison with it.
CREATE INDEX withdrawals_settled ON spark_bitcoin.withdrawals (settled_at) WHERE state = 'succeeded';
-- Failed ones that a node may still turn out to have paid.
CREATE INDEX withdrawals_failed ON spark_bitcoin.withdrawals (failed_at) WHERE state = 'failed' AND attempt_no > 0;

CREATE TABLE spark_bitcoin.looks (
	invoice_id		uuid NOT NULL PRIMARY KEY,
	asked_at		timestamptz NOT NULL
);
COMMENT ON TABLE spark_bitcoin.looks IS 'When the owner of a deposit last asked for a look: at most once a second.';

CREATE TABLE spark_bitcoin.node (
	node_account_id	uuid NOT NULL PRIMARY KEY,
	backend			text NOT NULL,
	network			text NOT NULL,
	node_id			text NOT NULL CHECK (length(node_id) = 66),
	first_seen_at	timestamptz NOT NULL,
	wallet			text
);
COMMENT ON TABLE spark_bitcoin.node IS 'The node that these books belong to, recorded when it first answered.';
COMMENT ON COLUMN spark_bitcoin.node.node_account_id IS 'The ledger''s mirror of the node.';
COMMENT ON COLUMN spark_bitcoin.node.wallet IS 'Which of several wallets that the node keeps apart; NULL where it has only one.';
-- One node.
CREATE UNIQUE INDEX node_only ON spark_bitcoin.node ((1));

CREATE TABLE spark_bitcoin.former_nodes (
	node_account_id	uuid NOT NULL PRIMARY KEY,
	backend			text NOT NULL,
	network			text NOT NULL,
	node_id			text NOT NULL CHECK (length(node_id) = 66),
	first_seen_at	timestamptz NOT NULL,
	wallet			text,
	left_at			timestamptz NOT NULL
);
COMMENT ON TABLE spark_bitcoin.former_nodes IS 'Nodes that these books belonged to before: what they do late is not seen.';
COMMENT ON COLUMN spark_bitcoin.former_nodes.node_account_id IS 'The ledger''s mirror of the node, and again when the books come back to it.';

CREATE TABLE spark_bitcoin.node_state (
	state_no		int NOT NULL PRIMARY KEY CHECK (state_no = 1),
	backend			text NOT NULL,
	ready			boolean NOT NULL,
	last_answer_at	timestamptz,
	last_error		text,
	settled_cursor	bigint NOT NULL
);
COMMENT ON TABLE spark_bitcoin.node_state IS 'How the worker stands with the node; written when that changes.';
COMMENT ON COLUMN spark_bitcoin.node_state.settled_cursor IS 'Up to where hints of settled invoices were read; losing it is harmless.';

CREATE TABLE spark_bitcoin.audit (
	audit_no		int NOT NULL PRIMARY KEY CHECK (audit_no = 1),
	began_at		timestamptz NOT NULL,
	ended_at		timestamptz NOT NULL,
	watermark		timestamptz,
	problem			text,
	owed_msat		bigint,
	reserved_msat	bigint,
	local_msat		bigint,
	in_flight_msat	bigint,
	shortfall_msat	bigint
);
COMMENT ON TABLE spark_bitcoin.audit IS 'The last comparison of the books with the node.';
COMMENT ON COLUMN spark_bitcoin.audit.watermark IS 'When the last one began that was finished: the next one reads the node''s lists from a day before.';
COMMENT ON COLUMN spark_bitcoin.audit.problem IS 'Why it could not be finished.';
COMMENT ON COLUMN spark_bitcoin.audit.owed_msat IS 'What users have; NULL where the node tells no balance, or no ledger is in this database.';
COMMENT ON COLUMN spark_bitcoin.audit.reserved_msat IS 'Of it: for payments that may have left the node.';

CREATE TABLE spark_bitcoin.differences (
	kind			text NOT NULL,
	payment_hash	text COLLATE "C" NOT NULL CHECK (length(payment_hash) = 64),
	books			text,
	node			text,
	detail			text NOT NULL,
	read_from		timestamptz,
	first_seen_at	timestamptz NOT NULL,
	last_seen_at	timestamptz NOT NULL,
	PRIMARY KEY (payment_hash, kind)
);
COMMENT ON TABLE spark_bitcoin.differences IS 'What the node says and the books do not, or the other way round; gone when an audit finds it no more.';
COMMENT ON COLUMN spark_bitcoin.differences.read_from IS 'From when on the lists were read in which it was found; NULL: all of them.';

CREATE TABLE spark_bitcoin.breaker (
	breaker_no		int NOT NULL PRIMARY KEY CHECK (breaker_no = 1),
	is_open			boolean NOT NULL,
	reason			text,
	opened_at		timestamptz,
	accepted_msat	bigint NOT NULL CHECK (accepted_msat >= 0),
	audit_first		boolean NOT NULL,
	CHECK (is_open = (opened_at IS NOT NULL)),
	CHECK (is_open = (reason IS NOT NULL))
);
COMMENT ON TABLE spark_bitcoin.breaker IS 'While it is open nothing is paid; deposits go on.';
COMMENT ON COLUMN spark_bitcoin.breaker.accepted_msat IS 'What the node lacked when an operator closed it: known, and no reason to open it again.';
COMMENT ON COLUMN spark_bitcoin.breaker.audit_first IS 'These books are a copy: nothing is paid before an audit has found nothing that they forgot.';

ALTER TABLE spark_bitcoin.deposits ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.differences ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.breaker ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.withdrawals ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.looks ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.node ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.former_nodes ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_bitcoin.node_state ENABLE ROW LEVEL SECURITY;
