-- The read models of context dashboard, version 1.  They follow what other
-- contexts tell; nothing is decided by them.

CREATE TABLE spark_dashboard.overviews (
	account_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	username		text,
	posted_msat		bigint NOT NULL,
	reserved_msat	bigint NOT NULL,
	raised_msat		bigint NOT NULL CHECK (raised_msat >= 0),
	donated_msat	bigint NOT NULL CHECK (donated_msat >= 0),
	campaign_count	bigint NOT NULL CHECK (campaign_count >= 0)
) WITH (fillfactor = 70);
COMMENT ON TABLE spark_dashboard.overviews IS 'The sums of each account.';
COMMENT ON COLUMN spark_dashboard.overviews.username IS 'NULL until auth.signed_up was handled.';
COMMENT ON COLUMN spark_dashboard.overviews.posted_msat IS 'Below 0 for a moment where a debit is told before a credit.';

CREATE TABLE spark_dashboard.campaigns (
	campaign_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	owner_id		uuid NOT NULL,
	title			text,
	status			text,
	goal_msat		bigint NOT NULL CHECK (goal_msat >= 0),
	raised_msat		bigint NOT NULL CHECK (raised_msat >= 0),
	donation_count	bigint NOT NULL CHECK (donation_count >= 0),
	created_at		timestamptz
) WITH (fillfactor = 70);
COMMENT ON TABLE spark_dashboard.campaigns IS 'Each campaign, for its owner''s list.';
COMMENT ON COLUMN spark_dashboard.campaigns.title IS 'NULL where a donation was told before the campaign itself: not shown yet.';

CREATE INDEX campaigns_of_owner ON spark_dashboard.campaigns (owner_id, created_at, campaign_id);

CREATE TABLE spark_dashboard.movements (
	transfer_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	state			text NOT NULL CHECK (state IN ('pending', 'posted', 'voided')),
	amount_msat		bigint NOT NULL CHECK (amount_msat > 0),
	payer_id		uuid NOT NULL,
	payer_kind		text,
	payer_invoice_id uuid,
	payee_id		uuid NOT NULL,
	payee_kind		text,
	payee_invoice_id uuid,
	campaign_id		uuid,
	created_at		timestamptz NOT NULL,
	posted_at		timestamptz
) WITH (fillfactor = 90);
COMMENT ON TABLE spark_dashboard.movements IS 'Each transfer: a line in the statements of its two accounts.';
COMMENT ON COLUMN spark_dashboard.movements.amount_msat IS 'Pending and voided: what was reserved; posted: what moved.';
COMMENT ON COLUMN spark_dashboard.movements.payer_kind IS 'What the payer''s statement calls it; NULL: the node''s account, which nobody reads.';

CREATE INDEX movements_of_payer ON spark_dashboard.movements (payer_id, created_at, transfer_id)
	WHERE payer_kind IS NOT NULL;
CREATE INDEX movements_of_payee ON spark_dashboard.movements (payee_id, created_at, transfer_id)
	WHERE payee_kind IS NOT NULL;

CREATE TABLE spark_dashboard.counted_donations (
	donation_id		uuid NOT NULL PRIMARY KEY,
	campaign_id		uuid NOT NULL,
	amount_msat		bigint NOT NULL CHECK (amount_msat > 0)
);
COMMENT ON TABLE spark_dashboard.counted_donations IS 'The confirmed donations that are in the sums, each once.';

ALTER TABLE spark_dashboard.overviews ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_dashboard.campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_dashboard.movements ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_dashboard.counted_donations ENABLE ROW LEVEL SECURITY;
