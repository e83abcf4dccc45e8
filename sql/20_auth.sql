-- ---------------------------------------------------------------- auth

CREATE TYPE spark.account AS (
	account_id uuid,
	username text,
	created_at timestamptz
);
COMMENT ON TYPE spark.account IS
'An account: who it is, and since when.';

CREATE TYPE spark.token AS (
	access_token text,
	token_type text,
	expires_in int
);
COMMENT ON TYPE spark.token IS
'An access token, and for how long it is good.

access_token: a JWT.
token_type: bearer.
expires_in: in seconds.';

CREATE FUNCTION spark.register(username text, password text) RETURNS spark.account
LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_auth_register';
REVOKE ALL ON FUNCTION spark.register(text, text) FROM PUBLIC;
COMMENT ON FUNCTION spark.register(text, text) IS
'Signs somebody up under a name of their own.

username: 1 to 64 characters once trimmed and lower-cased; unique.
password: from spark.password_min_length characters to 1,024 bytes, and none that is tried first.
Returns the account; over HTTP 201. Emits auth.signed_up.
Errors: SP001 a name or password that cannot be; SP102 the name is taken; SP007 too many passwords
  are being hashed; 25006 in a read-only transaction.';

CREATE FUNCTION spark.login(username text, password text) RETURNS spark.token
LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_auth_login';
REVOKE ALL ON FUNCTION spark.login(text, text) FROM PUBLIC;
COMMENT ON FUNCTION spark.login(text, text) IS
'Gives an access token for a name and its password.

username: in any case.
password: as it was registered.
Returns a JWT (HS256) whose sub is the account_id, good for spark.token_lifetime. In SQL it is sent by
  SET spark.token, over HTTP by Authorization: Bearer.
Errors: SP101 wrong password or unknown name, told alike; SP007 after spark.login_attempts failures in
  a row, or too many passwords are being hashed; SP009 no secret to sign with; 25006 in a read-only
  transaction.';

CREATE FUNCTION spark.whoami() RETURNS uuid
LANGUAGE C STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'spark_auth_whoami';
REVOKE ALL ON FUNCTION spark.whoami() FROM PUBLIC;
COMMENT ON FUNCTION spark.whoami() IS
'Tells the account of the caller.

Believes the claims that a front of spark.trusted_proxies has set, else a good token in spark.token.
Reads no table.
Returns the account_id; NULL for nobody.
No errors.';

CREATE FUNCTION spark.account() RETURNS spark.account
LANGUAGE C STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spark_auth_account';
REVOKE ALL ON FUNCTION spark.account() FROM PUBLIC;
COMMENT ON FUNCTION spark.account() IS
'Shows the account of the caller.

Returns the account.
Errors: SP003 not signed in, or the account of the token does not exist; SP009 not installed.';
