-- The books of context crowdfunding, version 1.

CREATE TABLE spark_crowdfunding.creators (
	account_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	username		text NOT NULL
);
COMMENT ON TABLE spark_crowdfunding.creators IS 'The name of each account, kept from auth.signed_up.';

CREATE TABLE spark_crowdfunding.campaigns (
	campaign_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	owner_id		uuid NOT NULL,
	title			text NOT NULL CHECK (title <> ''),
	description		text NOT NULL,
	goal_msat		bigint NOT NULL CHECK (goal_msat > 0),
	status			text NOT NULL CHECK (status IN ('open', 'ended')),
	raised_msat		bigint NOT NULL CHECK (raised_msat >= 0),
	donation_count	bigint NOT NULL CHECK (donation_count >= 0),
	goal_reached	boolean NOT NULL,
	created_at		timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE spark_crowdfunding.campaigns IS 'One row a campaign; its total moves with each batch of confirmed donations.';
COMMENT ON COLUMN spark_crowdfunding.campaigns.raised_msat IS 'The sum of its confirmed donations.';
COMMENT ON COLUMN spark_crowdfunding.campaigns.donation_count IS 'The number of its confirmed donations.';
COMMENT ON COLUMN spark_crowdfunding.campaigns.goal_reached IS 'raised_msat has been at the goal once.';

CREATE INDEX campaigns_newest ON spark_crowdfunding.campaigns (created_at, campaign_id);

CREATE TABLE spark_crowdfunding.donations (
	donation_id		uuid NOT NULL PRIMARY KEY,
	version			bigint NOT NULL,
	campaign_id		uuid NOT NULL,
	donor_id		uuid NOT NULL,
	owner_id		uuid NOT NULL,
	idempotency_key	text COLLATE "C" NOT NULL CHECK (idempotency_key <> ''),
	amount_msat		bigint NOT NULL CHECK (amount_msat > 0),
	status			text NOT NULL CHECK (status IN ('pending', 'confirmed', 'rejected')),
	reason			text,
	created_at		timestamptz NOT NULL,
	decided_at		timestamptz,
	CHECK (donor_id <> owner_id),
	CHECK ((status = 'pending') = (decided_at IS NULL)),
	CHECK ((status = 'rejected') = (reason IS NOT NULL))
) WITH (fillfactor = 90);
COMMENT ON TABLE spark_crowdfunding.donations IS 'One row a donation, from its command to what became of it.';
COMMENT ON COLUMN spark_crowdfunding.donations.owner_id IS 'The campaign''s owner: the payee.';
COMMENT ON COLUMN spark_crowdfunding.donations.reason IS 'Why it was rejected: a name of the error table.';

-- The keys of two donors never meet.
CREATE UNIQUE INDEX donations_key ON spark_crowdfunding.donations (donor_id, idempotency_key);
-- The owner reads all donations of a campaign, a donor his own.  The conditions
-- hold for every row; each names its index to the one list that repeats it, so
-- that no other query, which seems to find as few rows, reads a whole list.
CREATE INDEX donations_of_campaign ON spark_crowdfunding.donations (campaign_id, created_at, donation_id)
	WHERE donor_id <> owner_id;
CREATE INDEX donations_of_donor ON spark_crowdfunding.donations (donor_id, campaign_id, created_at, donation_id)
	WHERE amount_msat > 0;

ALTER TABLE spark_crowdfunding.creators ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_crowdfunding.campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_crowdfunding.donations ENABLE ROW LEVEL SECURITY;
