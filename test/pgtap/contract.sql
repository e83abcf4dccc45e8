-- contract.sql
--		The public contract, read off the catalog: names, arguments, defaults,
--		volatility, results, rights, comments.  What is listed here does not change;
--		it may grow at the end (H51, H52, X53, X56).
\set QUIET on
\set ON_ERROR_STOP on
BEGIN;
SET search_path = public, pg_catalog;
SET client_min_messages = warning;
SELECT no_plan();

-- kind: q query, c command, - either
CREATE TEMP TABLE promised (schema text, name text, kind "char", arguments text, result text);
INSERT INTO promised VALUES
	('spark', 'install', 'c', 'contexts text[] DEFAULT NULL::text[]', 'setof (context text, version integer, action text)'),
	('spark', 'grant_api', 'c', 'anonymous regrole, member regrole', 'void'),
	('spark', 'version', 'q', '', 'text'),
	('spark', 'register', 'c', 'username text, password text', 'spark.account'),
	('spark', 'login', 'c', 'username text, password text', 'spark.token'),
	('spark', 'whoami', 'q', '', 'uuid'),
	('spark', 'account', 'q', '', 'spark.account'),
	('spark', 'create_campaign', 'c', 'title text, description text, goal_sat bigint, campaign_id uuid DEFAULT NULL::uuid', 'spark.campaign'),
	('spark', 'campaign', 'q', 'campaign_id uuid', 'spark.campaign'),
	('spark', 'campaigns', 'q', 'limit_ integer DEFAULT 50, after uuid DEFAULT NULL::uuid', 'setof spark.campaign'),
	('spark', 'donate', 'c', 'campaign_id uuid, amount_sat bigint, idempotency_key text', 'spark.donation'),
	('spark', 'donation', 'q', 'donation_id uuid', 'spark.donation'),
	('spark', 'donations', 'q', 'campaign_id uuid, limit_ integer DEFAULT 50, after uuid DEFAULT NULL::uuid', 'setof spark.donation'),
	('spark', 'deposit', 'c', 'amount_sat bigint, idempotency_key text DEFAULT NULL::text', 'spark.invoice'),
	('spark', 'verify_deposit', 'c', 'payment_hash text', 'spark.invoice'),
	('spark', 'withdraw', 'c', 'payment_request text, amount_sat bigint DEFAULT NULL::bigint, max_fee_sat bigint DEFAULT NULL::bigint', 'spark.invoice'),
	('spark', 'invoice', 'q', 'invoice_id uuid', 'spark.invoice'),
	('spark', 'invoices', 'q', 'limit_ integer DEFAULT 50, after uuid DEFAULT NULL::uuid', 'setof spark.invoice'),
	('spark', 'decode_invoice', 'q', 'payment_request text', 'spark.decoded_invoice'),
	('spark', 'balance', 'q', '', 'spark.balance'),
	('spark', 'statement', 'q', 'limit_ integer DEFAULT 50, after uuid DEFAULT NULL::uuid', 'setof spark.statement_line'),
	('spark', 'dashboard', 'q', '', 'spark.dashboard'),
	('spark_bus', 'emit', 'c', 'type text, aggregate_id uuid, payload jsonb, aggregate_type text DEFAULT NULL::text, deliver_at timestamp with time zone DEFAULT NULL::timestamp with time zone', 'uuid'),
	('spark_bus', 'cancel', 'c', 'message_id uuid', 'boolean'),
	('spark_bus', 'subscribe', 'c', 'consumer text, message_type text, handler regproc, max_attempts integer DEFAULT 12, kind text DEFAULT ''event''::text, ordering text DEFAULT ''key''::text, when_dead text DEFAULT ''block''::text', 'void'),
	('spark_bus', 'unsubscribe', 'c', 'consumer text, message_type text, discard boolean DEFAULT false, reason text DEFAULT ''no reason given''::text', 'void'),
	('spark_bus', 'dispatch', 'c', 'max_messages integer DEFAULT 1000', 'bigint'),
	('spark_bus', 'grant_author', 'c', 'author regrole', 'void'),
	('spark_ops', 'bus_status', '-', '', 'setof (consumer text, lane integer, lag_messages bigint, lag_seconds double precision, parked bigint, dead bigint, handled bigint, last_error text, rate_per_second double precision, batch_size double precision, handler_seconds double precision, handler_seconds_p95 double precision, paused_why text, blocked_keys bigint)'),
	('spark_ops', 'dead_letters', '-', 'limit_ integer DEFAULT 100, of_consumer text DEFAULT NULL::text, after uuid DEFAULT NULL::uuid', 'setof (message_id, consumer, type, aggregate_id, payload, attempts, error_code, error_message, first_failed_at, died_at, holds)'),
	('spark_ops', 'blocked_keys', '-', 'limit_ integer DEFAULT 100', 'setof (consumer, aggregate_id, waiting, holds, state, message_id, type, error_code, error_message, first_failed_at, due)'),
	('spark_ops', 'operations', '-', 'limit_ integer DEFAULT 100', 'setof (at, operator, action, consumer, message_id, reason, before, after)'),
	('spark_ops', 'retry_key', 'c', 'consumer text, aggregate_id uuid, reason text', 'bigint'),
	('spark_ops', 'retry_all', 'c', 'consumer text, reason text, limit_ integer DEFAULT 1000', 'bigint'),
	('spark_ops', 'unblock_key', 'c', 'consumer text, aggregate_id uuid, reason text', 'bigint'),
	('spark_ops', 'pause_consumer', 'c', 'consumer text, reason text', 'void'),
	('spark_ops', 'resume_consumer', 'c', 'consumer text, reason text', 'void'),
	('spark_ops', 'replay', 'c', 'consumer text, reason text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, message_id uuid DEFAULT NULL::uuid', 'bigint'),
	('spark_ops', 'retry_dead_letter', 'c', 'message_id uuid, consumer text, reason text DEFAULT ''no reason given''::text', 'void'),
	('spark_ops', 'drop_dead_letter', 'c', 'message_id uuid, consumer text, reason text', 'void'),
	('spark_ops', 'mend_dead_letter', 'c', 'message_id uuid, consumer text, payload jsonb, reason text', 'void'),
	('spark_ops', 'trial_balance', '-', '', 'setof (account_class, accounts, debits_posted_msat, credits_posted_msat, debits_pending_msat, credits_pending_msat)'),
	('spark_ops', 'verify', '-', '', 'setof (invariant, ok, detail)'),
	('spark_ops', 'health', '-', '', 'setof (check_name, ok, detail)'),
	('spark_ops', 'reconcile', 'c', '', 'setof (kind text, payment_hash text, books text, node text, detail text)'),
	('spark_ops', 'open_payments', '-', 'limit_ integer DEFAULT 100', 'setof (invoice_id uuid, account_id uuid, state text, payment_hash text, amount_msat bigint, max_fee_msat bigint, attempts bigint, created_at timestamp with time zone, submitted_at timestamp with time zone, asked_at timestamp with time zone, expires_at timestamp with time zone, alarm text, node_words text)'),
	('spark_ops', 'decide_payment', 'c', 'invoice_id uuid, verdict text, evidence text, reason text, preimage text DEFAULT NULL::text, fee_msat bigint DEFAULT NULL::bigint, node_record text DEFAULT NULL::text', 'void'),
	('spark_ops', 'frozen_accounts', '-', 'limit_ integer DEFAULT 100', 'setof (account_id uuid, frozen_at timestamp with time zone, reason text, posted_msat bigint, available_msat bigint, late_payments bigint, late_msat bigint, uncovered_msat bigint)'),
	('spark_ops', 'unfreeze_account', 'c', 'account_id uuid, reason text', 'void'),
	('spark_ops', 'open_breaker', 'c', 'reason text', 'void'),
	('spark_ops', 'close_breaker', 'c', 'reason text', 'void'),
	('spark_ops', 'change_node', 'c', 'node_id text, reason text', 'void'),
	('spark_ops', 'resync', 'c', 'consumer text, reason text', 'void'),
	('spark_ops', 'metrics', '-', '', 'text'),
	('spark_ops', 'set_lanes', 'c', 'lanes integer, reason text DEFAULT ''no reason given''::text', 'void'),
	('spark_ops', 'rotate', 'c', '', 'integer'),
	('spark_ops', 'lanes', '-', '', 'integer'),
	('spark_ops', 'grant_operator', 'c', 'operator regrole', 'void'),
	('spark_simulator', 'pay', 'c', 'payment_request text, received_msat bigint DEFAULT NULL::bigint, late boolean DEFAULT false', 'text'),
	('spark_simulator', 'make_invoice', 'c', 'amount_sat bigint, memo text DEFAULT ''''::text, expiry_seconds integer DEFAULT 3600', 'text'),
	('spark_simulator', 'script', 'c', 'payment_hash text, outcome text, options jsonb DEFAULT ''{}''::jsonb', 'void'),
	('spark_simulator', 'payments', '-', 'limit_ integer DEFAULT 1000', 'setof (payment_hash text, direction text, amount_msat bigint, fee_msat bigint, settled_at timestamp with time zone)');

CREATE TEMP TABLE promised_types (schema text, name text, columns text);
INSERT INTO promised_types VALUES
	('spark', 'account', 'account_id uuid, username text, created_at timestamp with time zone'),
	('spark', 'token', 'access_token text, token_type text, expires_in integer'),
	('spark', 'campaign', 'campaign_id uuid, owner_id uuid, owner_username text, title text, description text, goal_sat bigint, raised_sat bigint, raised_msat bigint, donation_count bigint, goal_reached boolean, status text, created_at timestamp with time zone'),
	('spark', 'donation', 'donation_id uuid, campaign_id uuid, donor_id uuid, amount_sat bigint, status text, reason text, created_at timestamp with time zone, decided_at timestamp with time zone, idempotency_key text'),
	('spark', 'invoice', 'invoice_id uuid, account_id uuid, kind text, status text, state text, amount_msat bigint, received_msat bigint, fee_msat bigint, max_fee_msat bigint, payment_hash text, payment_request text, preimage text, reason text, expires_at timestamp with time zone, created_at timestamp with time zone, settled_at timestamp with time zone, idempotency_key text'),
	('spark', 'decoded_invoice', 'network text, amount_msat bigint, payment_hash text, payee text, description text, description_hash text, created_at timestamp with time zone, expires_at timestamp with time zone, min_final_cltv bigint, route_hints integer, fallbacks integer, features integer[]'),
	('spark', 'balance', 'account_id uuid, posted_msat bigint, reserved_msat bigint, incoming_msat bigint, available_msat bigint, available_sat bigint'),
	('spark', 'statement_line', 'transfer_id uuid, kind text, state text, amount_msat bigint, counterparty_id uuid, campaign_id uuid, invoice_id uuid, created_at timestamp with time zone, posted_at timestamp with time zone'),
	('spark', 'dashboard', 'account_id uuid, username text, balance_msat bigint, available_msat bigint, reserved_msat bigint, campaign_count bigint, raised_msat bigint, donated_msat bigint, campaigns jsonb, recent jsonb'),
	('spark_bus', 'message', 'id uuid, type text, aggregate_type text, aggregate_id uuid, payload jsonb, schema_version integer, correlation_id uuid, causation_id uuid, traceparent text, created_at timestamp with time zone');

CREATE TEMP TABLE code_schemas AS
	SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('spark', 'spark_bus', 'spark_ops', 'spark_simulator');
CREATE TEMP TABLE data_schemas AS
	SELECT oid, nspname FROM pg_namespace
	WHERE nspname IN ('spark_common', 'spark_auth', 'spark_accounting', 'spark_crowdfunding', 'spark_bitcoin', 'spark_dashboard');
CREATE TEMP TABLE functions AS
	SELECT p.*, s.nspname, s.nspname || '.' || p.proname AS label FROM pg_proc p JOIN code_schemas s ON s.oid = p.pronamespace;

CREATE FUNCTION pg_temp.columns_of(relation oid, with_types boolean) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(attname || CASE WHEN with_types THEN ' ' || format_type(atttypid, NULL) ELSE '' END, ', ' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
$$;

-- The columns that a function's TABLE, OUT arguments or composite type gives.
CREATE FUNCTION pg_temp.result_columns(f oid, with_types boolean) RETURNS text LANGUAGE sql AS $$
	SELECT CASE
		WHEN p.proargmodes IS NOT NULL AND p.proargmodes && '{o,t,b}' THEN
			(SELECT string_agg(p.proargnames[i] || CASE WHEN with_types THEN ' ' || format_type(p.proallargtypes[i], NULL) ELSE '' END, ', ' ORDER BY i)
			 FROM generate_subscripts(p.proallargtypes, 1) i WHERE p.proargmodes[i] IN ('o', 't', 'b'))
		ELSE pg_temp.columns_of(t.typrelid, with_types) END
	FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype WHERE p.oid = f
$$;

CREATE FUNCTION pg_temp.begins_with(is_ text, promised text) RETURNS boolean LANGUAGE sql AS $$
	SELECT is_ = promised OR starts_with(is_, promised || ', ') OR promised = ''
$$;

CREATE FUNCTION pg_temp.result_of(f oid, promised text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN p.proretset THEN 'setof ' ELSE '' END
		|| CASE WHEN promised LIKE '%(%' THEN '(' || pg_temp.result_columns(f, promised ~ '\(\w+ ') || ')'
		   ELSE format_type(p.prorettype, NULL) END
	FROM pg_proc p WHERE p.oid = f
$$;

-- ---- what is promised is there

SELECT has_schema(name) FROM (VALUES ('spark'), ('spark_bus'), ('spark_ops'), ('spark_simulator')) s (name);

SELECT is((SELECT count(*) FROM functions WHERE nspname = schema AND proname = name), 1::bigint,
		  format('%s.%s exists once', schema, name))
FROM promised;

SELECT ok(pg_temp.begins_with(pg_get_function_arguments(f.oid), p.arguments),
		  format('%s(%s)', f.label, p.arguments))
	|| CASE WHEN pg_temp.begins_with(pg_get_function_arguments(f.oid), p.arguments) THEN '' ELSE E'\n# is: ' || pg_get_function_arguments(f.oid) END
FROM promised p JOIN functions f ON f.nspname = p.schema AND f.proname = p.name;

SELECT ok(starts_with(pg_temp.result_of(f.oid, p.result), rtrim(p.result, ')')), format('%s returns %s', f.label, p.result))
	|| CASE WHEN starts_with(pg_temp.result_of(f.oid, p.result), rtrim(p.result, ')')) THEN '' ELSE E'\n# is: ' || pg_temp.result_of(f.oid, p.result) END
FROM promised p JOIN functions f ON f.nspname = p.schema AND f.proname = p.name;

SELECT ok(CASE p.kind WHEN 'q' THEN f.provolatile <> 'v' WHEN 'c' THEN f.provolatile = 'v' ELSE true END,
		  format('%s is %s', f.label, CASE p.kind WHEN 'q' THEN 'a query: STABLE' ELSE 'a command: VOLATILE' END))
FROM promised p JOIN functions f ON f.nspname = p.schema AND f.proname = p.name WHERE p.kind <> '-';

SELECT has_type(schema::name, name::name, format('type %s.%s exists', schema, name)) FROM promised_types;
SELECT ok(pg_temp.begins_with(pg_temp.columns_of(c.oid, true), p.columns), format('%s.%s has its columns', p.schema, p.name))
	|| CASE WHEN pg_temp.begins_with(pg_temp.columns_of(c.oid, true), p.columns) THEN '' ELSE E'\n# is: ' || pg_temp.columns_of(c.oid, true) END
FROM promised_types p JOIN pg_class c ON c.relname = p.name AND c.relnamespace = p.schema::regnamespace;

-- ---- rules for every function

SELECT is_empty($$ SELECT label FROM functions f WHERE nspname = 'spark' AND NOT EXISTS
	(SELECT FROM promised WHERE schema = 'spark' AND name = f.proname) $$, 'schema spark holds nothing that this list does not name');
SELECT is_empty($$ SELECT label FROM functions GROUP BY label HAVING count(*) > 1 $$, 'H24 no overloads');
SELECT is_empty($$ SELECT label FROM functions WHERE prokind <> 'f' $$, 'H51 functions only, no procedures or aggregates');
SELECT is_empty($$ SELECT label FROM functions f WHERE pronargs > 0 AND (proargnames IS NULL OR EXISTS
	(SELECT FROM unnest(proargnames[1:pronargs]) a WHERE a !~ '^[a-z][a-z0-9_]*$')) $$, 'H25 every argument is named, in lower case');
SELECT is_empty($$ SELECT label FROM functions f WHERE proargnames[1:pronargs] &&
	'{select,order,limit,offset,columns,on_conflict,and,or,not}' $$, 'H25 no argument is named as a word of the query string');
SELECT is_empty($$ SELECT label FROM functions WHERE proisstrict AND nspname = 'spark' $$, 'H27 public functions are called on NULL');
SELECT is_empty($$ SELECT label FROM functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0 $$,
	'H7 PUBLIC may execute nothing');
SELECT is_empty($$ SELECT nspname FROM pg_namespace, aclexplode(nspacl)
	WHERE grantee = 0 AND nspname LIKE 'spark%' $$, 'PUBLIC may use no schema of spark');
SELECT is_empty($$ SELECT label FROM functions WHERE prosecdef AND NOT coalesce(proconfig && '{"search_path=pg_catalog, pg_temp"}', false) $$,
	'H13 what runs with its owner''s rights has its search_path');
SELECT is_empty($$ SELECT label FROM functions WHERE provolatile = 'v' AND proparallel <> 'u' AND nspname = 'spark' $$, 'commands are PARALLEL UNSAFE');
SELECT is_empty($$ SELECT label FROM functions WHERE obj_description(oid, 'pg_proc') IS NULL $$, 'H46 every function has a comment');
SELECT is_empty($$ SELECT label, split_part(obj_description(oid, 'pg_proc'), E'\n', 1) FROM functions
	WHERE split_part(obj_description(oid, 'pg_proc'), E'\n', 1) !~ '^.{1,79}\.$' $$, 'H46 whose first line is a sentence of at most 80 characters');
SELECT is_empty($$ SELECT label FROM functions WHERE provolatile = 'v' AND nspname = 'spark'
	AND obj_description(oid, 'pg_proc') !~ '(SP\d{3}|[Ee]rror)' AND proname NOT IN ('grant_api') $$, 'and whose rest names the errors of a command');
SELECT is_empty($$ SELECT name FROM promised_types p WHERE obj_description(to_regtype(schema || '.' || name), 'pg_type') IS NULL $$,
	'every type has a comment');
SELECT is_empty($$ SELECT label FROM functions f WHERE NOT EXISTS
	(SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e') $$, 'every function belongs to the extension');

-- ---- the books are ordinary tables

CREATE TEMP TABLE tables AS
	SELECT c.*, s.nspname || '.' || c.relname AS label FROM pg_class c JOIN data_schemas s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p');
SELECT isnt((SELECT count(*) FROM tables), 0::bigint, 'install() has made tables');
SELECT is_empty($$ SELECT label FROM tables t JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid WHERE d.deptype = 'e' $$,
	'X53 no table belongs to the extension');
SELECT is_empty($$ SELECT d.classid::regclass, d.objid FROM pg_depend d JOIN functions f ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid
	WHERE d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_trigger'::regclass) $$,
	'X53 no default, constraint, index or trigger calls the extension');
SELECT is_empty($$ SELECT label, attname, format_type(atttypid, NULL) FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_type y ON y.oid = a.atttypid
	WHERE a.attnum > 0 AND NOT attisdropped AND y.typnamespace <> 'pg_catalog'::regnamespace $$, 'X53 built-in types only');
SELECT is_empty($$ SELECT label, attname FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT attisdropped
	AND format_type(atttypid, NULL) ~ '^reg' $$, 'no column of a reg* type, which would not outlive pg_upgrade');
SELECT is_empty($$ SELECT label FROM tables WHERE NOT relrowsecurity $$, 'H12 row security is on for every table');
SELECT is_empty($$ SELECT t.label, n.nspname FROM pg_constraint c JOIN tables t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
	JOIN pg_namespace n ON n.oid = r.relnamespace WHERE c.contype = 'f' AND n.oid <> t.relnamespace $$, 'no foreign key crosses contexts');
SELECT is_empty($$ SELECT label FROM tables t WHERE EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner) $$, 'nobody but the owner has a right on a table');
SELECT is_empty($$ SELECT label FROM tables t WHERE EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t.oid AND NOT tgisinternal) $$, 'no trigger carries correctness');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c JOIN data_schemas s ON s.oid = c.relnamespace WHERE relkind = 'm' $$, 'no materialized views');

-- ---- grants are as documented

CREATE ROLE contract_anonymous;
CREATE ROLE contract_member;
CREATE ROLE contract_operator;
CREATE ROLE contract_author;
CREATE ROLE contract_stranger;
SELECT lives_ok($$ SELECT spark.grant_api('contract_anonymous', 'contract_member') $$, 'grant_api');
SELECT lives_ok($$ SELECT spark.grant_api('contract_anonymous', 'contract_member') $$, 'grant_api again');
SELECT lives_ok($$ SELECT spark_ops.grant_operator('contract_operator') $$, 'grant_operator');
SELECT lives_ok($$ SELECT spark_bus.grant_author('contract_author') $$, 'grant_author');

-- role, function: may it?
CREATE TEMP VIEW rights AS
	SELECT r.role, f.nspname, f.proname, f.label,
		has_schema_privilege(r.role, f.nspname, 'USAGE') AND has_function_privilege(r.role, f.oid, 'EXECUTE') AS may
	FROM functions f, (VALUES ('contract_anonymous'), ('contract_member'), ('contract_operator'), ('contract_author'), ('contract_stranger')) r (role);

SELECT is_empty($$ SELECT role, label FROM rights WHERE role IN ('contract_anonymous', 'contract_member')
	AND may IS DISTINCT FROM (nspname = 'spark' AND proname NOT IN ('install', 'grant_api')) $$,
	'H8 the two roles of a front may call the public API, and neither install nor anything else');
SELECT is_empty($$ SELECT label FROM rights WHERE role = 'contract_stranger' AND may $$, 'a role without a grant may call nothing');
SELECT is_empty($$ SELECT label FROM rights WHERE role = 'contract_operator' AND nspname = 'spark_ops' AND proname <> 'grant_operator' AND NOT may $$,
	'an operator may call what is for operators');
SELECT is((SELECT string_agg(proname::text, ' ' ORDER BY proname) FROM functions WHERE has_schema_privilege('pg_monitor', nspname, 'USAGE')
	AND has_function_privilege('pg_monitor', oid, 'EXECUTE')), 'bus_status health metrics',
	'X49 who monitors the server sees the state of the bus, and may do nothing');
SELECT is_empty($$ SELECT label FROM rights WHERE role = 'contract_author' AND label IN ('spark_bus.emit', 'spark_bus.subscribe', 'spark_bus.unsubscribe', 'spark_bus.dispatch') AND NOT may $$,
	'an author may emit, subscribe and dispatch');
SELECT is_empty($$ SELECT label FROM rights WHERE role = 'contract_author' AND nspname IN ('spark_ops', 'spark_simulator') AND may $$, 'and nothing of operators');
SELECT is_empty($$ SELECT r.rolname, t.label FROM tables t, pg_roles r WHERE r.rolname LIKE 'contract\_%'
	AND (has_schema_privilege(r.oid, t.relnamespace, 'USAGE') OR has_table_privilege(r.oid, t.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')) $$,
	'H52 no role gets at a table');

SELECT * FROM finish();
ROLLBACK;
