# 053_security.pl
#		What a plain user plants, sets, subscribes and calls runs as himself or not
#		at all; what is secret shows up nowhere (T18, X31, X34, X36, X56, X58, X72).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $secret = 'canary-of-the-token-secret-0123456789abcdef';
my $spark = Spark->start(database => 'shop', extension => 0, secret => $secret, conf => <<'END');
log_statement = none
log_min_error_statement = error
log_error_verbosity = verbose
log_parameter_max_length_on_error = -1
spark.retry_base_delay = 100
END
my $node = $spark->node;
my $super = $spark->sql('SELECT current_user');

sub as_mallory
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('shop', $sql, connstr => $node->connstr('shop') . ' user=mallory', extra_params => ['--set=VERBOSITY=verbose']);
	return (Spark::_sqlstate($status, $err), $status ? $err : $out);
}

sub denied
{
	my ($sql, $code, $name) = @_;
	my ($sqlstate, $text) = as_mallory($sql);
	return is($sqlstate, $code, $name) || diag($text);
}

# ---- X56: planted before anything of spark is there
$spark->sql(<<'END');
CREATE ROLE mallory LOGIN;
GRANT CREATE ON SCHEMA public TO mallory;
CREATE TABLE public.trap (who text, what text);
GRANT INSERT ON public.trap TO PUBLIC;
END
# Each does what the one in pg_catalog does, and tells as whom it ran.
my @functions = (
	[ 'now()', 'timestamptz' ], [ 'clock_timestamp()', 'timestamptz' ], [ 'current_database()', 'name' ],
	[ 'lower(text)', 'text' ], [ 'upper(text)', 'text' ], [ 'length(text)', 'int' ], [ 'btrim(text)', 'text' ],
	[ 'substr(text, int)', 'text' ], [ 'starts_with(text, text)', 'boolean' ], [ 'left(text, int)', 'text' ],
	[ 'pg_current_xact_id()', 'xid8' ], [ 'pg_current_snapshot()', 'pg_snapshot' ], [ 'pg_visible_in_snapshot(xid8, pg_snapshot)', 'boolean' ],
	[ 'nextval(regclass)', 'bigint' ], [ 'to_regnamespace(text)', 'regnamespace' ], [ 'pg_backend_pid()', 'int' ],
	[ 'jsonb_array_length(jsonb)', 'int' ], [ 'jsonb_typeof(jsonb)', 'text' ], [ 'abs(bigint)', 'bigint' ], [ 'sha256(bytea)', 'bytea' ]);
my @operators = (map({ my $type = $_; map { [ $_, $type, $type, 'boolean' ] } qw(= <> < > <= >=) } qw(uuid text bigint int timestamptz xid8 boolean)),
	map({ [ $_, 'bigint', 'bigint', 'bigint' ] } qw(+ - *)), [ '||', 'text', 'text', 'text' ], [ '||', 'jsonb', 'jsonb', 'jsonb' ],
	[ '->>', 'jsonb', 'text', 'text' ], [ '->', 'jsonb', 'text', 'jsonb' ], [ '-', 'timestamptz', 'timestamptz', 'interval' ],
	[ '+', 'timestamptz', 'interval', 'timestamptz' ]);
my $planted = 0;
my $plant = 'SET search_path = public;';
for (@functions)
{
	my ($signature, $result) = @$_;
	my ($name, $arguments) = $signature =~ /^(\w+)\((.*)\)$/;
	my $count = () = $arguments =~ /\w+/g;
	my $call = "pg_catalog.$name(" . join(', ', map { '$' . $_ } 1 .. $count) . ')';
	$plant .= "CREATE FUNCTION public.$name($arguments) RETURNS $result LANGUAGE plpgsql AS"
	  . " 'BEGIN INSERT INTO public.trap VALUES (current_user, ''$name''); RETURN $call; END';\n";
	$planted++;
}
for (@operators)
{
	my ($operator, $left, $right, $result) = @$_;
	my $name = 'planted_' . $planted++;
	$plant .= "CREATE FUNCTION public.$name($left, $right) RETURNS $result LANGUAGE plpgsql AS"
	  . " 'BEGIN INSERT INTO public.trap VALUES (current_user, ''$operator $left''); RETURN \$1 OPERATOR(pg_catalog.$operator) \$2; END';\n"
	  . "CREATE OPERATOR public.$operator (LEFTARG = $left, RIGHTARG = $right, FUNCTION = public.$name);\n";
}
is((as_mallory($plant))[0], '', "a plain user plants $planted functions and operators");
$spark->sql('ALTER DATABASE shop SET search_path = public, pg_catalog');
is($spark->sql("SHOW search_path"), 'public, pg_catalog', 'and everybody has them first in his path');
$spark->sql('SELECT now()');
is($spark->sql('SELECT who FROM public.trap'), $super, 'the trap works');
$spark->sql('TRUNCATE public.trap');

sub untouched
{
	my ($name) = @_;
	return is($spark->sql("SELECT OPERATOR(pg_catalog.@) 0, string_agg(DISTINCT who OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) what, ',') FROM public.trap WHERE who OPERATOR(pg_catalog.<>) 'mallory'"),
		'0|', $name);
}

$spark->sql('GRANT CREATE ON DATABASE shop TO mallory');
as_mallory('CREATE SCHEMA spark');
is(($spark->try_sql('CREATE EXTENSION spark'))[0], '42P06', 'X56 the extension takes over no schema of others');
as_mallory('DROP SCHEMA spark');
$spark->sql('CREATE EXTENSION spark');
untouched('X56 CREATE EXTENSION runs nothing that was planted');
$spark->sql("SELECT * FROM spark.install()");
untouched('X56 nor does spark.install()');
$spark->sql("SELECT spark.grant_api('anon', 'member'); SELECT spark_bus.grant_author('mallory'); CREATE ROLE boss LOGIN; SELECT spark_ops.grant_operator('boss')");
untouched('X56 nor do grants');
$spark->sql('TRUNCATE public.trap');

# ---- a whole story under it, workers too
$spark->sql("ALTER DATABASE shop SET default_transaction_isolation = 'repeatable read'");
$spark->sql('ALTER DATABASE shop SET enable_indexscan = off');
$spark->sql("ALTER DATABASE shop SET session_replication_role = 'replica'");
# The superuser's own sessions look into pg_catalog first, those of people do not:
# what is trapped as the owner comes from within spark.  Workers are to be nobody else, either.
$ENV{PGOPTIONS} = '-c search_path=pg_catalog -c role=none';
$spark->sql("CREATE ROLE household; ALTER DATABASE shop SET role = 'household'");
$spark->sql("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type ~ 'spark (d|l)' AND datname::text ~ 'shop'");

sub hostile
{
	my ($token, $sql) = @_;
	return $spark->as($token, "SET search_path = public, pg_catalog;\n$sql");
}

hostile(undef, "SELECT spark.register('$_', '$Spark::password')") for qw(alice bob);
my ($alice, $bob) = map { hostile(undef, "SELECT access_token FROM spark.login('$_', '$Spark::password')") } qw(alice bob);
$spark->fund($bob, 1000);
my $campaign = hostile($alice, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 100)");
my $donation = hostile($bob, "SELECT donation_id FROM spark.donate('$campaign', 50, 'one')");
$spark->wait_for("SELECT status = 'confirmed' FROM spark.donation('$donation')", 'the story goes on under a hostile path', $bob);
my $request = $spark->sql('SELECT spark_simulator.make_invoice(20)');
my $withdrawal = hostile($alice, "SELECT invoice_id FROM spark.withdraw('$request')");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$withdrawal')", 'to its end', $alice);
hostile($alice, $_) for 'SELECT * FROM spark.dashboard()', 'SELECT * FROM spark.balance()', 'SELECT * FROM spark.statement()', 'SELECT * FROM spark.invoices()',
  'SELECT * FROM spark.campaigns()', "SELECT * FROM spark.donations('$campaign')", 'SELECT * FROM spark.account()', 'SELECT spark.version()';
$node->safe_psql('shop', "SET search_path = public, pg_catalog; $_", connstr => $node->connstr('shop') . ' user=boss')
  for 'SELECT * FROM spark_ops.health()', 'SELECT * FROM spark_ops.bus_status()', 'SELECT * FROM spark_ops.dead_letters()', 'SELECT * FROM spark_ops.verify()',
  'SELECT * FROM spark_ops.trial_balance()', "SELECT spark_ops.resume_outside('why')";
is($spark->broken_invariants, '', 'the books verify');
is($spark->sql("SELECT string_agg(DISTINCT who || ' ' || what, ',') FROM public.trap WHERE who NOT IN ('mallory', 'client', 'boss')"), '',
	'X56 T18 commands, queries and workers run nothing that was planted');

# ---- temporary objects
$spark->as($alice, <<"END");
SET search_path = pg_temp, public, pg_catalog;
CREATE TEMP TABLE accounts (account_id uuid, username text); CREATE TEMP TABLE installed (context text, version int);
CREATE TEMP TABLE settings (name text, value text); CREATE TEMP TABLE outbox_0_0 (seq bigint); CREATE TEMP TABLE campaigns (campaign_id uuid);
CREATE TEMP TABLE pg_extension (extname name, extversion text, oid oid);
SELECT * FROM spark.campaign('$campaign');
SELECT * FROM spark.deposit(3, 'temporary');
SELECT * FROM spark.balance();
END
is($spark->as($alice, "SELECT count(*) FROM spark.invoices() WHERE idempotency_key ~ 'temporary'"), '1', 'X56 temporary tables take nobody\'s place');
$spark->sql("ALTER DATABASE shop RESET ALL");
delete $ENV{PGOPTIONS};

# ---- T18: tables, settings, identity
denied("SELECT * FROM $_", '42501', "T18 no look at $_") for qw(spark_auth.accounts spark_accounting.accounts spark_common.outbox spark_common.settings spark_bitcoin.simulator_keys);
denied("UPDATE spark_accounting.accounts SET version = 1", '42501', 'T18 no write');
denied("TRUNCATE spark_accounting.transfers", '42501', 'T18 no truncation');
denied("BEGIN; LOCK TABLE spark_common.outbox_0_0", '42501', 'T18 no lock');
denied("INSERT INTO spark_common.subscription SELECT", '42501', 'X58 no subscription by hand');
$spark->sql('GRANT USAGE ON SCHEMA spark_auth TO mallory; GRANT SELECT ON spark_auth.accounts TO mallory');
is((as_mallory('SELECT count(*) FROM spark_auth.accounts'))[1], '0', 'T18 who was granted a table by mistake sees no row of it');
$spark->sql('REVOKE USAGE ON SCHEMA spark_auth FROM mallory; REVOKE SELECT ON spark_auth.accounts FROM mallory');
for my $setting (qw(spark.trusted_proxies spark.databases spark.jwt_secret_file spark.lightning_url spark.outside spark.retry_base_delay))
{
	denied("SET $setting = '1'", '55P02', "$setting is not for users to set");
}
denied("SHOW spark.jwt_secret_file", '42501', 'X36 where the secret is is not shown to users');
$spark->sql('GRANT member TO mallory');
my $alice_id = $spark->as($alice, 'SELECT spark.whoami()');
is((as_mallory("SELECT set_config('request.jwt.claims', '{\"sub\": \"$alice_id\", \"role\": \"member\"}', false) IS NOT NULL; SELECT spark.whoami() IS NULL"))[1], "t\nt",
	'claims that a client has set himself are nobody\'s');
denied("SET spark.token = 'x.y.z'; SELECT * FROM spark.balance()", 'SP003', 'a forged token is nobody\'s');
denied("SELECT * FROM spark.install()", '42501', 'T18 a member does not install');
denied("SELECT spark.grant_api('mallory', 'mallory')", '42501', 'T18 nor grant');
denied("SELECT spark_ops.health()", '42501', 'T18 nor operate');
denied("SELECT spark_simulator.pay('x')", '42501', 'T18 nor play the outside world');

# ---- T18, X58: what an author can have done
denied("SELECT spark_bus.emit('accounting.deposit', '$alice_id', '{}')", 'SP004', 'T18 nobody emits messages of the ledger');
denied("SELECT spark_bus.emit('bitcoin.invoice_paid', '$alice_id', '{}')", 'SP004', 'T11 nor that something was paid');
denied("SELECT spark_bus.subscribe('accounting', 'shop.sold', 'public.lower')", 'SP010', 'nobody becomes a context');
denied("SELECT spark_bus.subscribe('mine', 'shop.sold', 'pg_catalog.pg_reload_conf')", 'SP001', 'X58 a handler is a function of a message');
as_mallory(<<'END');
CREATE TABLE public.tried (what text, how text, who text);
CREATE FUNCTION public.try_it(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE what;
		INSERT INTO public.tried VALUES (what, 'done', current_user);
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO public.tried VALUES (what, SQLSTATE, current_user);
	END;
END $$;
CREATE FUNCTION public.escape(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.try_it('SET ROLE ' || (message.payload->>'super'));
	PERFORM public.try_it('RESET ROLE');
	PERFORM public.try_it('SET SESSION AUTHORIZATION ' || (message.payload->>'super'));
	PERFORM public.try_it('RESET SESSION AUTHORIZATION');
	PERFORM public.try_it('SELECT set_config(''role'', ''' || (message.payload->>'super') || ''', false)');
	PERFORM public.try_it('SELECT count(*) FROM spark_auth.accounts');
	PERFORM public.try_it('UPDATE spark_accounting.accounts SET version = 0');
	PERFORM public.try_it('CREATE TEMP TABLE t (a int)');
	PERFORM public.try_it('DECLARE c CURSOR WITH HOLD FOR SELECT 1');
	PERFORM public.try_it('LISTEN x');
	PERFORM public.try_it('COPY public.tried TO PROGRAM ''true''');
	PERFORM public.try_it('ALTER SYSTEM SET spark.databases = ''x''');
	PERFORM public.try_it('SELECT pg_read_file(current_setting(''data_directory'') || ''/PG_VERSION'')');
	PERFORM public.try_it('SELECT spark_bus.emit(''accounting.deposit'', gen_random_uuid(), ''{}'')');
	PERFORM public.try_it('SELECT spark_bus.dispatch()');
	PERFORM public.try_it('SELECT * FROM spark_ops.health()');
	INSERT INTO public.tried VALUES ('end', session_user, current_user);
END $$;
SELECT spark_bus.subscribe('escapes', 'shop.sold', 'public.escape');
SELECT spark_bus.emit('shop.sold', gen_random_uuid(), jsonb_build_object('super', (SELECT rolname FROM pg_roles WHERE oid = 10)));
END
$spark->wait_for("SELECT count(*) = 1 FROM public.tried WHERE what = 'end'", 'a handler tries what it can');
is($spark->sql("SELECT count(*), count(DISTINCT who), min(who) FROM public.tried"), '17|1|mallory', 'X58 it ran as who subscribed it');
is($spark->sql("SELECT string_agg(what, '; ') FROM public.tried WHERE how = 'done'"), '', 'T18 and got away with nothing');
is($spark->sql("SELECT how FROM public.tried WHERE what LIKE '%accounting.deposit%'"), 'SP004', 'also not by the session of the worker');
$spark->sql("SELECT spark_bus.unsubscribe('escapes', 'shop.sold', true)");

# ---- X34: an error gives the user back
my ($sqlstate, $text) = as_mallory(<<'END');
CREATE FUNCTION public.fine(message spark_bus.message) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT spark_bus.subscribe('fine', 'fine.done', 'public.fine');
DO $$
DECLARE what text;
BEGIN
	FOREACH what IN ARRAY ARRAY['SELECT spark_bus.subscribe(''fine'', ''fine.done'', ''public.fine'', 3, ''command'')',
		'SELECT spark_bus.unsubscribe(''fine'', ''never.subscribed'')', 'SELECT spark_bus.unsubscribe(''nobody'', ''x.y'')',
		'SELECT spark_bus.emit(''accounting.deposit'', gen_random_uuid(), ''{}'')', 'SELECT spark_bus.dispatch(0)'] LOOP
		BEGIN
			EXECUTE what;
			RAISE EXCEPTION '% went through', what;
		EXCEPTION WHEN SQLSTATE 'SP001' OR SQLSTATE 'SP002' OR SQLSTATE 'SP004' OR SQLSTATE 'SP010' THEN
			IF current_user <> 'mallory' THEN RAISE EXCEPTION 'now %', current_user; END IF;
			BEGIN
				PERFORM FROM spark_auth.accounts;
				RAISE EXCEPTION 'may look';
			EXCEPTION WHEN insufficient_privilege THEN NULL;
			END;
		END;
	END LOOP;
END $$;
SELECT current_user;
END
is("$sqlstate $text", " \nmallory", 'X34 after an error the caller is who he was') or diag($text);

# ---- X31: values are never SQL
my $nasty = q{x'); DROP TABLE spark_auth.accounts; -- \\'' $$ "};
(my $quoted = $nasty) =~ s/'/''/g;
my $theirs = $spark->as($alice, "SELECT campaign_id FROM spark.create_campaign('$quoted', '$quoted', 10)");
is($spark->as($alice, "SELECT title FROM spark.campaign('$theirs')"), $nasty, 'X31 a title is a title');
is($spark->as($bob, "SELECT idempotency_key FROM spark.donate('$theirs', 1, '$quoted')"), $nasty, 'X31 a key is a key');

# ---- X72: nothing hangs on what PUBLIC may do
$spark->sql('REVOKE ALL ON DATABASE shop FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT CONNECT ON DATABASE shop TO client');
$spark->as($bob, "SELECT * FROM spark.donate('$campaign', 7, 'revoked')");
$spark->wait_for("SELECT count(*) = 1 FROM spark.donations('$campaign') WHERE amount_sat = 7 AND status = 'confirmed'", 'X72 with nothing for PUBLIC all works', $alice);
$spark->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'spark%' AND datname = 'shop'");
$spark->wait_until_drained;
$spark->wait_for("SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type LIKE 'spark%' AND backend_type <> 'spark context' AND datname = 'shop'", 'X72 workers start, too');

# ---- X36: what is secret stays so
my $password = 'canary password of somebody 42';
$spark->as(undef, "SELECT 1 FROM spark.register('carol', '$password')");
my $token = $spark->as(undef, "SELECT access_token FROM spark.login('carol', '$password')");
is(($spark->try_as(undef, "SELECT * FROM spark.register('carol', '$password')"))[0], 'SP102', 'calls with a password fail: the name is taken');
is(($spark->try_as(undef, "SELECT * FROM spark.login('carol', '$password!')"))[0], 'SP101', 'the password is wrong');
is(($spark->try_as(undef, "SELECT * FROM spark.register('', '$password')"))[0], 'SP001', 'the name is empty');
is(($spark->try_as(undef, "BEGIN READ ONLY; SELECT * FROM spark.login('carol', '$password')"))[0], '25006', 'the transaction is read-only');
is(($spark->try_as(undef, "PREPARE p AS SELECT * FROM spark.register(\$1, \$2); EXECUTE p('carol', '$password')"))[0], 'SP102', 'by a prepared statement');
my ($head, $claims, $signature) = split(/\./, $token);
is(($spark->try_as("$head.$claims.forged$signature", 'SELECT * FROM spark.balance()'))[0], 'SP003', 'a token is forged');
append_to_file($node->basedir . '/register.sql', "\\set name random(1000, 9999)\nSELECT username FROM spark.register('carol', :password);\n");
$node->run_log([ 'pgbench', '-n', '-M', 'extended', '-t', '1', '-D', "password=$password", '-f', $node->basedir . '/register.sql', '-U', 'client', 'shop' ]);
my $log = slurp_file($node->logfile);
unlike($log, qr/canary password/, 'X36 no password is in the log');
unlike($log, qr/\Q$secret\E/, 'X36 nor the secret of tokens');
unlike($log, qr/\Q$signature\E/, 'X36 nor a token');
is($spark->sql("SELECT count(*) FROM pg_stat_activity WHERE query ~ 'canary password' AND pid <> pg_backend_pid()"), '0', 'X36 nor in what sessions do');
is($spark->sql("SELECT count(*) FROM pg_settings WHERE setting ~ 'canary'"), '0', 'X36 nor in a setting');
my $dump = $node->basedir . '/shop.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'shop' ], 'pg_dump works');
my $dumped = slurp_file($dump);
unlike($dumped, qr/canary/, 'X36 none of them is in a dump');
$request = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(99)');
$spark->wait_for("SELECT state = 'open' FROM spark.invoice('$request')", undef, $alice);
is($spark->as($alice, "SELECT preimage IS NULL FROM spark.invoice('$request')"), 't', 'L41 the preimage of an unpaid invoice is shown to nobody');
my $preimage = $spark->sql("SELECT s.preimage FROM spark_bitcoin.simulator_invoices s JOIN spark_bitcoin.deposits d USING (payment_hash) WHERE d.invoice_id = '$request'");
is($spark->sql("SELECT (SELECT count(*) FROM spark_bitcoin.deposits t WHERE t::text ~ '$preimage') + (SELECT count(*) FROM spark_common.outbox t WHERE t::text ~ '$preimage')"
	. " + (SELECT count(*) FROM spark_common.retry t WHERE t::text ~ '$preimage')"), '0', 'L41 nor in a table or message');
unlike(slurp_file($node->logfile), qr/\Q$preimage\E/, 'L41 nor in the log');

SKIP:
{
	my $library = $node->config_data('--pkglibdir') . '/pg_stat_statements.so';
	skip('pg_stat_statements is not there', 2) if !-f $library;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements, spark'\n");
	$node->restart;
	$spark->sql('CREATE EXTENSION pg_stat_statements');
	$spark->log_in('alice');
	$spark->as(undef, "SELECT access_token IS NOT NULL FROM spark.login('carol', '$password')");
	is($spark->sql("SELECT count(*) > 0 FROM public.pg_stat_statements WHERE query ~ 'spark.login'"), 't', 'statistics of statements count logins');
	is($spark->sql("SELECT count(*) FROM public.pg_stat_statements WHERE query ~ 'canary password'"), '0', 'X36 without their passwords');
}
is($spark->broken_invariants, '', 'after all of it the books verify');

$spark->stop;
done_testing();
