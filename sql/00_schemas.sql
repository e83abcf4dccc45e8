--
-- The code schemas.  Tables live elsewhere: spark.install() makes them.
--

CREATE SCHEMA spark;
COMMENT ON SCHEMA spark IS 'The public API of spark: commands and queries';
CREATE SCHEMA spark_bus;
COMMENT ON SCHEMA spark_bus IS 'The message bus, for authors of further contexts';
CREATE SCHEMA spark_ops;
COMMENT ON SCHEMA spark_ops IS 'Status, repair and verification, for operators';
CREATE SCHEMA spark_simulator;
COMMENT ON SCHEMA spark_simulator IS 'The outside world of the simulated Lightning node';

CREATE FUNCTION spark.install(contexts text[] DEFAULT NULL)
	RETURNS TABLE (context text, version int, action text)
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_install';
REVOKE ALL ON FUNCTION spark.install(text[]) FROM PUBLIC;
COMMENT ON FUNCTION spark.install(text[]) IS
'Makes the tables of spark, or brings them to the version of the code.

contexts: which of auth, accounting, crowdfunding, bitcoin, dashboard; NULL: all.
Safe to repeat at any time.  A row a context, with its version and what was done:
created, upgraded or unchanged.
Errors: SP001 unknown or no context; SP010 called within an extension''s script.';

CREATE FUNCTION spark.version() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'spark_version';
REVOKE ALL ON FUNCTION spark.version() FROM PUBLIC;
COMMENT ON FUNCTION spark.version() IS
'Tells the version of the code, for example 0.1.0.

Reads no table.  No errors.';
