-- ---------------------------------------------------------------- auth

CREATE TYPE spark.account AS (
	account_id uuid,
	username text,
	created_at timestamptz
);
COMMENT ON TYPE spark.account IS 'An account: who it is, and since when.';

CREATE TYPE spark.token AS (
	access_token text,
	token_type text,
	expires_in int
);
COMMENT ON TYPE spark.token IS 'An access token, and for how long it is good.
expires_in in seconds; token_type is bearer.';

CREATE FUNCTION spark.register(username text, password text) RETURNS spark.account
LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_auth_register';
REVOKE ALL ON FUNCTION spark.register(text, text) FROM PUBLIC;
COMMENT ON FUNCTION spark.register(text, text) IS 'Signs somebody up under a name of their own.
username: trimmed and lower-cased, 1 to 64 characters, unique. password: from spark.password_min_length characters to 1,024 bytes, and not one that is tried first.
Gives back the account; 201 over HTTP. Emits auth.signed_up.
Errors: SP001 for a name or password that cannot be, SP102 for a name that is taken, SP007 while too many passwords are hashed; 25006 in a read-only transaction.';

CREATE FUNCTION spark.login(username text, password text) RETURNS spark.token
LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_auth_login';
REVOKE ALL ON FUNCTION spark.login(text, text) FROM PUBLIC;
COMMENT ON FUNCTION spark.login(text, text) IS 'Gives an access token for a name and its password.
The token is a JWT (HS256) with sub = account_id; it is good for spark.token_lifetime. In SQL: SET spark.token; over HTTP: Authorization: Bearer.
Errors: SP101 for a wrong password and for an unknown name alike, SP007 after spark.login_attempts failures in a row or while too many passwords are hashed, SP009 while the server has no secret to sign with; 25006 in a read-only transaction.';

CREATE FUNCTION spark.whoami() RETURNS uuid
LANGUAGE C STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'spark_auth_whoami';
REVOKE ALL ON FUNCTION spark.whoami() FROM PUBLIC;
COMMENT ON FUNCTION spark.whoami() IS 'Tells the account id of the caller; NULL for nobody.
Believes the claims that a front in spark.trusted_proxies has set, else a good token in spark.token. Reads no table and raises no error.';

CREATE FUNCTION spark.account() RETURNS spark.account
LANGUAGE C STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_auth_account';
REVOKE ALL ON FUNCTION spark.account() FROM PUBLIC;
COMMENT ON FUNCTION spark.account() IS 'Shows the account of the caller.
Errors: SP003 for nobody, and where the account of the token does not exist.';
