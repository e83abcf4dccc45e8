-- The dashboard: what an account sees of itself, at a glance.

CREATE TYPE spark.dashboard AS (
	account_id		uuid,
	username		text,
	balance_msat	bigint,
	available_msat	bigint,
	reserved_msat	bigint,
	campaign_count	bigint,
	raised_msat		bigint,
	donated_msat	bigint,
	campaigns		jsonb,
	recent			jsonb
);
COMMENT ON TYPE spark.dashboard IS
'What an account sees of itself, at a glance.

balance_msat, reserved_msat, available_msat: millisatoshi: what has moved, what of it is held for
  payments under way, and the rest.
campaign_count: all campaigns of the account.
raised_msat, donated_msat: confirmed donations, to its campaigns and by it.
campaigns: its newest 500, newest first, each {campaign_id, title, status, goal_msat, raised_msat,
  donation_count}.
recent: the last 10 lines of its statement, with the names of spark.statement_line.';

CREATE FUNCTION spark.dashboard()
RETURNS spark.dashboard
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- a list is read along its index, never collected and sorted
	SET enable_bitmapscan = off
AS 'MODULE_PATHNAME', 'spark_dashboard_show';
COMMENT ON FUNCTION spark.dashboard() IS
'Shows the caller''s balance, campaigns and last movements.

One indexed read; it follows the other contexts a moment later.
Returns the dashboard, amounts in millisatoshi; zeros and empty lists before the sign-up was handled.
Errors: SP003 not signed in; SP009 not installed.';

REVOKE ALL ON FUNCTION spark.dashboard() FROM PUBLIC;
