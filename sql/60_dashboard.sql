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

Amounts are millisatoshi. balance_msat is what has moved, reserved_msat what is held for payments under way, available_msat the rest. raised_msat and donated_msat are confirmed donations, to its campaigns and by it. campaigns: its newest 500, newest first, each {campaign_id, title, status, goal_msat, raised_msat, donation_count}; campaign_count counts all. recent: the last 10 lines of its statement, with the names of statement_line.';

CREATE FUNCTION spark.dashboard()
RETURNS spark.dashboard
LANGUAGE C STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_dashboard_show';
COMMENT ON FUNCTION spark.dashboard() IS
'Shows the caller''s balance, campaigns and last movements.

It follows the other contexts a moment later; zeros and empty lists before the sign-up was handled. Amounts are millisatoshi. Errors: SP003 not signed in. Returns the dashboard.';

REVOKE ALL ON FUNCTION spark.dashboard() FROM PUBLIC;
