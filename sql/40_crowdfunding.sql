-- Crowdfunding: campaigns and donations.

CREATE TYPE spark.campaign AS (
	campaign_id		uuid,
	owner_id		uuid,
	owner_username	text,
	title			text,
	description		text,
	goal_sat		bigint,
	raised_sat		bigint,
	raised_msat		bigint,
	donation_count	bigint,
	goal_reached	boolean,
	status			text,
	created_at		timestamptz
);
COMMENT ON TYPE spark.campaign IS
'A campaign as anybody sees it.

owner_username: NULL until the owner''s sign-up was handled.
goal_sat, raised_sat: whole satoshi.
raised_msat: millisatoshi, the sum of its confirmed donations.
donation_count: their number.
goal_reached: whether the sum has ever reached the goal.
status: open.';

CREATE TYPE spark.donation AS (
	donation_id		uuid,
	campaign_id		uuid,
	donor_id		uuid,
	amount_sat		bigint,
	status			text,
	reason			text,
	created_at		timestamptz,
	decided_at		timestamptz,
	idempotency_key	text
);
COMMENT ON TYPE spark.donation IS
'A donation as its donor and the owner of the campaign see it.

amount_sat: whole satoshi.
status: pending, then confirmed or rejected.
reason: the name of an error, of a rejected one.
idempotency_key: shown to the donor only.';

CREATE FUNCTION spark.create_campaign(title text, description text, goal_sat bigint, campaign_id uuid DEFAULT NULL)
RETURNS spark.campaign
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_crowdfunding_create_campaign';
COMMENT ON FUNCTION spark.create_campaign(text, text, bigint, uuid) IS
'Opens a campaign that the caller owns.

title: 1 to 200 characters, not only white space.
description: up to 10,000 characters.
goal_sat: whole satoshi, from 1.
campaign_id: of the caller''s making, any but the nil uuid; with it the call may be repeated. NULL:
  spark makes one.
Returns the campaign; over HTTP 201 with Location. Emits crowdfunding.campaign_created.
Errors: SP001 invalid argument; SP003 not signed in; SP005 the campaign_id was used with other content
  or by another account; SP009 not installed.';

CREATE FUNCTION spark.campaign(campaign_id uuid)
RETURNS spark.campaign
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_crowdfunding_campaign';
COMMENT ON FUNCTION spark.campaign(uuid) IS
'Shows one campaign, to anybody.

campaign_id: of the campaign.
Returns the campaign, amounts in satoshi (*_sat) and millisatoshi (*_msat).
Errors: SP001 no campaign_id; SP002 unknown campaign; SP009 not installed.';

CREATE FUNCTION spark.campaigns(limit_ int DEFAULT 50, after uuid DEFAULT NULL)
RETURNS SETOF spark.campaign
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- a list is read along its index, never collected and sorted
	SET enable_bitmapscan = off ROWS 50
AS 'MODULE_PATHNAME', 'spark_crowdfunding_campaigns';
COMMENT ON FUNCTION spark.campaigns(int, uuid) IS
'Lists all campaigns, newest first, to anybody.

limit_: 1 to 500 rows; NULL: 50.
after: the campaign_id of the last row of the page before; NULL: the first page.
Returns campaigns, amounts in satoshi (*_sat) and millisatoshi (*_msat).
Errors: SP001 limit_ out of range; SP002 unknown after; SP009 not installed.';

CREATE FUNCTION spark.donate(campaign_id uuid, amount_sat bigint, idempotency_key text)
RETURNS spark.donation
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_crowdfunding_donate';
COMMENT ON FUNCTION spark.donate(uuid, bigint, text) IS
'Gives to a campaign, from the balance of the caller.

campaign_id: of the campaign.
amount_sat: whole satoshi, from 1.
idempotency_key: of the caller''s making, 1 to 255 bytes; a call repeated with it answers with the
  same donation.
Returns the donation, pending: a moment later it is confirmed, or rejected with a reason such as
  insufficient_funds. Over HTTP 202 with Location. Emits crowdfunding.donation_created.
Errors: SP001 invalid argument; SP002 unknown campaign; SP003 not signed in; SP005 the key was used
  for another donation; SP006 no key; SP009 not installed; SP300 campaign not open; SP301 own campaign.';

CREATE FUNCTION spark.donation(donation_id uuid)
RETURNS spark.donation
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_crowdfunding_donation';
COMMENT ON FUNCTION spark.donation(uuid) IS
'Shows one donation, to its donor and to the owner of the campaign.

donation_id: of the donation.
Returns the donation, its amount in whole satoshi.
Errors: SP001 no donation_id; SP002 unknown, or not the caller''s to see; SP003 not signed in; SP009
  not installed.';

CREATE FUNCTION spark.donations(campaign_id uuid, limit_ int DEFAULT 50, after uuid DEFAULT NULL)
RETURNS SETOF spark.donation
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- a list is read along its index, never collected and sorted
	SET enable_bitmapscan = off ROWS 50
AS 'MODULE_PATHNAME', 'spark_crowdfunding_donations';
COMMENT ON FUNCTION spark.donations(uuid, int, uuid) IS
'Lists the donations of a campaign, newest first.

campaign_id: of the campaign; its owner sees all donations, others their own.
limit_: 1 to 500 rows; NULL: 50.
after: the donation_id of the last row of the page before; NULL: the first page.
Returns donations, amounts in whole satoshi.
Errors: SP001 invalid argument; SP002 unknown campaign or after; SP003 not signed in; SP009 not
  installed.';

REVOKE ALL ON FUNCTION spark.create_campaign(text, text, bigint, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.campaign(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.campaigns(int, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.donate(uuid, bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.donation(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION spark.donations(uuid, int, uuid) FROM PUBLIC;
