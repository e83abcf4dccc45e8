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

contexts: of auth, accounting, crowdfunding, bitcoin, dashboard; NULL: all.
Safe to repeat at any time; what is there stays.
Returns a row a context: its version, and created, upgraded or unchanged.
Errors: SP001 no or an unknown context; SP009 tables newer than the code; SP010 called within the
  script of an extension.';

CREATE FUNCTION spark.version() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'spark_version';
REVOKE ALL ON FUNCTION spark.version() FROM PUBLIC;
COMMENT ON FUNCTION spark.version() IS
'Tells the version of the code, for example 0.1.0.

Reads no table.
Returns the version as text.
No errors.';
