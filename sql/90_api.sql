--
-- The roles of an HTTP front.  After everything else.
--

CREATE FUNCTION spark.grant_api(anonymous regrole, member regrole) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_grant_api';
COMMENT ON FUNCTION spark.grant_api(regrole, regrole) IS
'Gives the two roles of an HTTP front what each may call.

anonymous: of requests without a token.
member: of signed-in accounts; from now on the role in the tokens of spark.login().
Makes no role; safe to repeat.
Returns nothing.
Errors: SP001 no such role; SP009 before spark.install().';
REVOKE ALL ON FUNCTION spark.grant_api(regrole, regrole) FROM PUBLIC;

-- A later function that forgets it is not born open.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA spark, spark_bus, spark_ops, spark_simulator FROM PUBLIC;

NOTIFY pgrst, 'reload schema';
