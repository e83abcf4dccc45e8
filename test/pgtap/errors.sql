-- errors.sql
--		Each code that a call can provoke in SQL: SQLSTATE, and the form of its
--		words: lower-case message without a period or a value of the user, a hint of
--		full sentences (H32, H37).  Queries in a READ ONLY transaction (H54).
\set QUIET on
\set ON_ERROR_STOP on
BEGIN;
SET search_path = public, pg_catalog;
SET client_min_messages = warning;
SELECT no_plan();

CREATE TEMP TABLE raised (code text, message text, detail text, hint text);
CREATE TEMP TABLE people (name text, id uuid, token text);

CREATE FUNCTION pg_temp.sign_up(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO people SELECT who, account_id FROM spark.register(who, 'correct horse battery staple');
	UPDATE people SET token = (SELECT access_token FROM spark.login(who, 'correct horse battery staple')) WHERE name = who;
END $$;

CREATE FUNCTION pg_temp.become(who text) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('spark.token', coalesce((SELECT token FROM people WHERE name = who), ''), false)
$$;

CREATE FUNCTION pg_temp.who_with(token text) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('spark.token', token, false);
	RETURN spark.whoami();
END $$;

-- Calls, and judges code and words.
CREATE FUNCTION pg_temp.refuses(code text, call text, why text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	state text := '00000'; message text; detail text; hint text;
BEGIN
	BEGIN
		EXECUTE call;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	END;
	RETURN NEXT is(state, code, format('%s: %s', why, code));
	RETURN NEXT ok(message ~ '^[a-z].*[^.]$' AND message !~ '[<>{}]' AND hint ~ '^[A-Z].*[.;]$',
				   format('%s: message and hint are in the style', why))
		|| CASE WHEN message ~ '^[a-z].*[^.]$' AND hint ~ '^[A-Z].*[.;]$' THEN '' ELSE format(E'\n# %s | %s', message, hint) END;
	INSERT INTO raised VALUES (state, message, detail, hint);
END $$;

SELECT pg_temp.sign_up('contract_alice');
SELECT pg_temp.sign_up('contract_bob');

-- ---- nobody
SELECT pg_temp.become('nobody');
SELECT pg_temp.refuses('SP003', format('SELECT * FROM spark.%s', call), 'nobody calls ' || split_part(call, '(', 1))
FROM (VALUES ('account()'), ('balance()'), ('statement()'), ('dashboard()'), ('invoices()'), ('invoice(NULL)'), ('donation(NULL)'), ('donations(NULL)'),
	('create_campaign(NULL, NULL, NULL)'), ('donate(NULL, 0, '''')'), ('deposit(-1)'), ('verify_deposit(NULL)'), ('withdraw(NULL)')) c (call);
SELECT is(spark.whoami(), NULL, 'whoami() of nobody is NULL');

-- ---- H18: tokens that must not be believed
SELECT is(pg_temp.who_with(bad), NULL, 'H18 ' || why)
FROM people, LATERAL (VALUES
	('x', 'no token at all'),
	(token || 'A', 'a longer signature'),
	(split_part(token, '.', 1) || '.' || split_part(token, '.', 2) || '.', 'no signature'),
	('eyJhbGciOiJub25lIn0.' || split_part(token, '.', 2) || '.', 'algorithm none'),
	(split_part(token, '.', 1) || '.e30.' || split_part(token, '.', 3), 'other claims'),
	(repeat('a', 1000000), 'a megabyte')) b (bad, why)
WHERE name = 'contract_alice';

-- ---- sign-up and login
SELECT pg_temp.refuses('SP102', $$ SELECT spark.register('Contract_Alice', 'correct horse battery staple') $$, 'a taken name');
SELECT pg_temp.refuses('SP001', $$ SELECT spark.register('contract_carol', 'short') $$, 'a short password');
SELECT pg_temp.refuses('SP001', $$ SELECT spark.register('', 'correct horse battery staple') $$, 'an empty name');
SELECT pg_temp.refuses('SP001', $$ SELECT spark.register(NULL, NULL) $$, 'a name of NULL');
SELECT pg_temp.refuses('SP101', $$ SELECT spark.login('contract_alice', 'not the password at all') $$, 'a wrong password');
SELECT pg_temp.refuses('SP101', $$ SELECT spark.login('contract_nobody', 'not the password at all') $$, 'an unknown name');
SELECT is((SELECT count(DISTINCT (message, detail, hint)) FROM raised WHERE code = 'SP101'), 1::bigint, 'H21 both are answered in the same words');

-- ---- campaigns and donations
SELECT pg_temp.become('contract_alice');
CREATE TEMP TABLE campaign AS SELECT * FROM spark.create_campaign('Title', 'Description', 100, '00000000-0000-0000-0000-00000000c0de');
SELECT is((SELECT campaign_id FROM spark.create_campaign('Title', 'Description', 100, '00000000-0000-0000-0000-00000000c0de')),
		  (SELECT campaign_id FROM campaign), 'the same campaign again is the same campaign');
SELECT pg_temp.refuses('SP005', $$ SELECT spark.create_campaign('Other', 'Description', 100, '00000000-0000-0000-0000-00000000c0de') $$, 'the same id with another title');
SELECT pg_temp.refuses('SP001', format('SELECT spark.create_campaign(%L, %L, %s)', title, '', goal), why)
FROM (VALUES ('', '1', 'an empty title'), (repeat('t', 201), '1', 'a title of 201 characters'), ('t', '0', 'a goal of nothing'),
	('t', '2100000000000001', 'a goal beyond all bitcoin'), (NULL, '1', 'no title'), ('t', 'NULL', 'no goal')) v (title, goal, why);
SELECT pg_temp.refuses('SP301', $$ SELECT spark.donate('00000000-0000-0000-0000-00000000c0de', 1, 'k') $$, 'the own campaign');
SELECT pg_temp.become('contract_bob');
SELECT pg_temp.refuses('SP005', $$ SELECT spark.create_campaign('Title', 'Description', 100, '00000000-0000-0000-0000-00000000c0de') $$, 'the id of another''s campaign');
SELECT pg_temp.refuses('SP002', $$ SELECT spark.donate('00000000-0000-0000-0000-000000000001', 1, 'k') $$, 'a campaign that is not there');
SELECT pg_temp.refuses('SP006', $$ SELECT spark.donate('00000000-0000-0000-0000-00000000c0de', 1, '') $$, 'an empty key');
SELECT pg_temp.refuses('SP006', $$ SELECT spark.donate('00000000-0000-0000-0000-00000000c0de', 1, NULL) $$, 'no key');
SELECT pg_temp.refuses('SP001', format('SELECT spark.donate(%L, %s, %L)', '00000000-0000-0000-0000-00000000c0de', amount, 'k'), 'a donation of ' || amount)
FROM (VALUES ('0'), ('-1'), ('NULL'), ('2100000000000001'), ('9223372036854775807')) v (amount);
SELECT lives_ok($$ SELECT spark.donate('00000000-0000-0000-0000-00000000c0de', 2100000000000000, 'k') $$, 'all bitcoin is an amount');
SELECT pg_temp.refuses('SP005', $$ SELECT spark.donate('00000000-0000-0000-0000-00000000c0de', 2, 'k') $$, 'the same key with another amount');
SELECT pg_temp.refuses('SP002', $$ SELECT spark.donation('00000000-0000-0000-0000-000000000001') $$, 'a donation that is not there');

-- ---- lists
SELECT pg_temp.refuses('SP001', format('SELECT * FROM spark.%s', call), call)
FROM (VALUES ('campaigns(0)'), ('campaigns(501)'), ('invoices(-1)'), ('statement(501)')) v (call);
SELECT pg_temp.refuses('SP002', format('SELECT * FROM spark.%s(after => %L)', name, '00000000-0000-0000-0000-000000000001'), name || ' after nothing')
FROM (VALUES ('campaigns'), ('invoices'), ('statement')) v (name);
SELECT lives_ok($$ SELECT * FROM spark.campaigns(NULL) $$, 'limit_ NULL is the default');

-- ---- deposits and withdrawals
SELECT pg_temp.refuses('SP001', $$ SELECT spark.deposit(0) $$, 'a deposit of nothing');
SELECT is((SELECT invoice_id FROM spark.deposit(5, 'd')), (SELECT invoice_id FROM spark.deposit(5, 'd')), 'the same key is the same deposit');
SELECT pg_temp.refuses('SP005', $$ SELECT spark.deposit(6, 'd') $$, 'the same key with another amount');
SELECT isnt((SELECT invoice_id FROM spark.deposit(5, '')), (SELECT invoice_id FROM spark.deposit(5, '')), 'an empty key is no key');
SELECT pg_temp.refuses('SP001', $$ SELECT spark.verify_deposit('no hash') $$, 'a malformed hash');
SELECT pg_temp.refuses('SP002', $$ SELECT spark.verify_deposit(repeat('ab', 32)) $$, 'an unknown hash');
SELECT pg_temp.refuses('SP002', $$ SELECT spark.invoice('00000000-0000-0000-0000-000000000001') $$, 'an invoice that is not there');
SELECT pg_temp.refuses('SP001', $$ SELECT spark.withdraw(NULL) $$, 'no payment request');
SELECT pg_temp.refuses('SP400', $$ SELECT spark.withdraw('lnbcrt1nonsense') $$, 'a malformed payment request');
SELECT pg_temp.refuses('SP402', format('SELECT spark.withdraw(%L)', spark_simulator.make_invoice(5, 'soon', 10)), 'a payment request that is soon over');
SELECT pg_temp.refuses('SP403', format('SELECT spark.withdraw(%L, 5)', spark_simulator.make_invoice(5)), 'an amount given twice');
SELECT pg_temp.refuses('SP403', format('SELECT spark.withdraw(%L)', spark_simulator.make_invoice(NULL)), 'an amount that is missing');
SELECT pg_temp.refuses('SP001', format('SELECT spark.withdraw(%L, max_fee_sat => -1)', spark_simulator.make_invoice(5)), 'a fee below nothing');

-- ---- H54: queries run in a read-only transaction, commands do not
SELECT pg_temp.become('contract_bob');
SET TRANSACTION READ ONLY;
SELECT lives_ok(format('SELECT * FROM spark.%s', call), 'H54 in a read-only transaction: ' || call)
FROM (VALUES ('version()'), ('whoami()'), ('account()'), ('campaign(''00000000-0000-0000-0000-00000000c0de'')'), ('campaigns()'),
	('donations(''00000000-0000-0000-0000-00000000c0de'')'), ('invoices()'), ('balance()'), ('statement()'), ('dashboard()')) v (call);
SELECT lives_ok(format('SELECT * FROM spark_ops.%s', call), 'in a read-only transaction: ' || call)
FROM (VALUES ('bus_status()'), ('dead_letters()'), ('trial_balance()'), ('verify()'), ('health()'), ('metrics()'), ('lanes()')) v (call);
SELECT throws_ok(format('SELECT * FROM spark.%s', call), '25006', NULL, 'in a read-only transaction: ' || call)
FROM (VALUES ('login(''contract_bob'', ''correct horse battery staple'')'), ('register(''contract_carol'', ''correct horse battery staple'')'),
	('create_campaign(''t'', '''', 1)'), ('deposit(1)')) v (call);

SELECT * FROM finish();
ROLLBACK;
