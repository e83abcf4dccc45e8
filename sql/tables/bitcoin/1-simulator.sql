--
-- The simulated node and the wallet outside of it.  They are no part of the
-- books: what stands here is what another program would keep for itself, its
-- secrets included.
--

CREATE TABLE spark_bitcoin.simulator_keys (
	name text PRIMARY KEY CHECK (name IN ('node', 'outside')),
	secret_key text NOT NULL CHECK (length(secret_key) = 64),
	public_key text NOT NULL CHECK (length(public_key) = 66),
	created_at timestamptz NOT NULL
);
ALTER TABLE spark_bitcoin.simulator_keys ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE spark_bitcoin.simulator_keys IS 'Who the simulated node and the outside wallet are; made at first use';

CREATE TABLE spark_bitcoin.simulator_scripts (
	script_id uuid PRIMARY KEY,
	payment_hash text NOT NULL,
	outcome text NOT NULL,
	options jsonb NOT NULL,
	made_at timestamptz NOT NULL
);
CREATE INDEX simulator_scripts_of_hash ON spark_bitcoin.simulator_scripts (payment_hash, made_at);
ALTER TABLE spark_bitcoin.simulator_scripts ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE spark_bitcoin.simulator_scripts IS 'What is to become of payments; only added to, so that what held when can be told';
COMMENT ON COLUMN spark_bitcoin.simulator_scripts.payment_hash IS '64 hex digits, or * for each payment that fits the options';

CREATE TABLE spark_bitcoin.simulator_invoices (
	payment_hash text PRIMARY KEY CHECK (length(payment_hash) = 64),
	owner text NOT NULL CHECK (owner IN ('node', 'outside')),
	invoice_key uuid UNIQUE,
	preimage text NOT NULL CHECK (length(preimage) = 64),
	payment_request text NOT NULL,
	amount_msat bigint NOT NULL CHECK (amount_msat >= 0),
	memo text NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	canceled_at timestamptz,
	settled_at timestamptz,
	received_msat bigint CHECK (received_msat > 0),
	kept_msat bigint NOT NULL DEFAULT 0 CHECK (kept_msat >= 0),
	event_at timestamptz,
	event_count int NOT NULL DEFAULT 0,
	announced_at timestamptz,
	script_id uuid,
	bound_at timestamptz NOT NULL,
	CHECK ((settled_at IS NULL) = (received_msat IS NULL))
);
CREATE INDEX simulator_invoices_to_announce ON spark_bitcoin.simulator_invoices (event_at) WHERE announced_at IS NULL;
CREATE INDEX simulator_invoices_settled ON spark_bitcoin.simulator_invoices (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX simulator_invoices_of_node ON spark_bitcoin.simulator_invoices (created_at) WHERE owner = 'node';
CREATE INDEX simulator_invoices_open ON spark_bitcoin.simulator_invoices (created_at)
	WHERE settled_at IS NULL AND canceled_at IS NULL;
ALTER TABLE spark_bitcoin.simulator_invoices ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE spark_bitcoin.simulator_invoices IS 'Invoices of the simulated node (deposits) and of the outside wallet (to withdraw to)';
COMMENT ON COLUMN spark_bitcoin.simulator_invoices.amount_msat IS '0: the invoice names no amount';
COMMENT ON COLUMN spark_bitcoin.simulator_invoices.event_at IS 'When the hint that it was paid arrives; NULL: never';
COMMENT ON COLUMN spark_bitcoin.simulator_invoices.event_count IS 'How often it arrives; -1: once, behind a gap in the numbers of the hints';

CREATE TABLE spark_bitcoin.simulator_payments (
	payment_hash text NOT NULL CHECK (length(payment_hash) = 64),
	attempt int NOT NULL CHECK (attempt > 0),
	amount_msat bigint NOT NULL CHECK (amount_msat >= 0),
	max_fee_msat bigint NOT NULL CHECK (max_fee_msat >= 0),
	memo text NOT NULL,
	called_at timestamptz NOT NULL,
	refusals bigint NOT NULL,
	created_at timestamptz,
	script_id uuid,
	bound_at timestamptz NOT NULL,
	closed boolean NOT NULL,
	succeeded boolean NOT NULL,
	ended_at timestamptz,
	fee_msat bigint NOT NULL CHECK (fee_msat >= 0),
	failure text NOT NULL,
	PRIMARY KEY (payment_hash, attempt)
);
CREATE INDEX simulator_payments_open ON spark_bitcoin.simulator_payments (payment_hash) WHERE NOT closed;
CREATE INDEX simulator_payments_executed ON spark_bitcoin.simulator_payments (ended_at) WHERE succeeded;
CREATE INDEX simulator_payments_called ON spark_bitcoin.simulator_payments (called_at);
ALTER TABLE spark_bitcoin.simulator_payments ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE spark_bitcoin.simulator_payments IS 'Each attempt of the simulated node at a payment; a hash may be attempted, and even paid, more than once';
COMMENT ON COLUMN spark_bitcoin.simulator_payments.created_at IS 'Since when the node knows of it; NULL: every call was refused so far';
COMMENT ON COLUMN spark_bitcoin.simulator_payments.closed IS 'Its end has come and was seen: no later script changes it';

CREATE TABLE spark_bitcoin.simulator_events (
	event_no bigint PRIMARY KEY,
	payment_hash text NOT NULL,
	made_at timestamptz NOT NULL
);
ALTER TABLE spark_bitcoin.simulator_events ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE spark_bitcoin.simulator_events IS 'Hints that an invoice of the node was paid, in the order of their arrival';
