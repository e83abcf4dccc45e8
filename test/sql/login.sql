-- Sign-up, login and who is calling. No id, token or time is printed.
\set SHOW_CONTEXT never
\set good '''correct horse battery staple'''

-- S1: names are trimmed and lower-cased, in whatever form of Unicode they come
SELECT username, account_id IS NOT NULL AS has_id, created_at IS NOT NULL AS has_time
FROM spark.register('  Login_Alice ', :good);
SELECT username FROM spark.register('ＬＯＧＩＮ_Zoë', :good);
SELECT spark.register('', :good);
SELECT spark.register(repeat('x', 65), :good);
SELECT spark.register(E'login\u202Ealice', :good);
SELECT spark.register(NULL, :good);
SELECT spark.register('login_bob', NULL);
SELECT spark.register('login_bob', '14 characters.');
SELECT spark.register('login_bob', repeat('x', 1025));
SELECT spark.register('login_bob', 'Bitcoin-Lightning-1234');
SELECT username FROM spark.register('login_bob', repeat('x', 1024));

-- S2: a name is taken once
\set VERBOSITY sqlstate
SELECT spark.register('LOGIN_ALICE', :good);
SELECT spark.register('login_zoë', :good);

-- S3: what is stored is a salted slow hash
SELECT count(*), count(DISTINCT password_hash), bool_and(password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%')
FROM spark_auth.accounts WHERE username LIKE 'login_%';

-- S4, D17: one error for an unknown name and a wrong password
SELECT spark.login('login_alice', 'not the password at all');
SELECT spark.login('login_nobody', 'not the password at all');
SELECT spark.login('', '');
SELECT spark.login(NULL, :good);
SELECT spark.login('login_alice', NULL);
BEGIN READ ONLY;
SELECT spark.login('login_alice', :good);
ROLLBACK;
BEGIN READ ONLY;
SELECT spark.register('login_carol', :good);
ROLLBACK;

-- S6: nobody
SELECT spark.whoami() IS NULL AS nobody;
SELECT spark.account();
SET spark.token = 'not a token';
SELECT spark.whoami() IS NULL AS nobody;
SELECT spark.account();
RESET spark.token;

-- S4, S5: a token
SELECT access_token, token_type, expires_in FROM spark.login(' LOGIN_Alice', :good) \gset
SELECT :'token_type' AS token_type, :expires_in AS expires_in;
SET spark.token = :'access_token';
SELECT username FROM spark.account();
SELECT spark.whoami() = account_id AS mine FROM spark.account();
BEGIN READ ONLY;
SELECT username FROM spark.account();
COMMIT;
SET spark.token = '';
SELECT spark.whoami() IS NULL AS nobody;

-- S5: a token of an account that does not exist (any more)
SELECT access_token FROM spark.login('login_zoë', :good) \gset
DELETE FROM spark_auth.accounts WHERE username = 'login_zoë';
SET spark.token = :'access_token';
SELECT spark.account();

-- H14, H15: claims that any client can set are not believed
RESET spark.token;
SELECT set_config('request.jwt.claims', jsonb_build_object('sub', account_id, 'role', 'postgres')::text, false) IS NOT NULL AS is_set
FROM spark_auth.accounts WHERE username = 'login_alice';
SELECT spark.whoami() IS NULL AS nobody;
RESET request.jwt.claims;

-- U1: login makes a hash stronger, never weaker
SET spark.password_passes = 3;
SELECT expires_in FROM spark.login('login_alice', :good);
SET spark.password_passes = 2;
SELECT expires_in FROM spark.login('login_alice', :good);
SELECT version, substr(password_hash, 1, 30) AS begins FROM spark_auth.accounts WHERE username = 'login_alice';

-- H20, H23: failures count, whatever is rolled back, until the name cools down
SET spark.login_attempts = 3;
BEGIN;
SELECT spark.login('login_alice', 'not the password at all');
ROLLBACK;
DO $$
BEGIN
	PERFORM spark.login('login_alice', 'not the password at all');
EXCEPTION WHEN SQLSTATE 'SP101' THEN
	RAISE NOTICE 'caught';
END
$$;
SELECT spark.login('Login_Alice', 'not the password at all');
SELECT spark.login('login_alice', :good);
SELECT username FROM spark.register('login_dave', :good);
SELECT token_type FROM spark.login('login_dave', :good);
RESET spark.login_attempts;
RESET spark.password_passes;

-- who may do what
CREATE ROLE regress_login_stranger;
SET ROLE regress_login_stranger;
SELECT spark.whoami();
SELECT count(*) FROM spark_auth.accounts;
SHOW spark.jwt_secret_file;
SET spark.password_min_length = 8;
RESET ROLE;
DROP ROLE regress_login_stranger;
SELECT count(*) AS settings_that_show_a_token FROM pg_settings WHERE name = 'spark.token';
