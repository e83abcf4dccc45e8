# 050_life.pl
#		The life of the workers: they come when there is something to serve, wait
#		quietly when there is not, survive whatever kills them, and go at once when
#		they are told to.  What was emitted takes effect once through all of it.
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use Spark;

my $prompt = 20;	# seconds; what is told to end sleeps for minutes

my $spark = Spark->start(database => 'shop', extension => 0, conf => <<'END');
spark.databases = 'shop, absent, "Closed"'
spark.retry_base_delay = 100
restart_after_crash = on
max_prepared_transactions = 5
log_line_prefix = '%m [%p] %b '
log_statement = none
END
my $node = $spark->node;
my %seen;			# pids that were

sub pids
{
	my ($type, $database) = @_;
	return $spark->sql("SELECT coalesce(string_agg(pid::text, ',' ORDER BY pid), '') FROM pg_stat_activity WHERE backend_type = 'spark $type'"
		. (defined $database ? " AND datname = '$database'" : ''));
}

sub runs
{
	my ($type, $name, $besides) = @_;
	my $where = $type eq 'launcher' ? '' : " AND datname = 'shop'";
	$besides //= 0;
	return $spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark $type'$where AND pid <> $besides", $name);
}

sub lines
{
	my ($pattern) = @_;
	my $log = slurp_file($node->logfile);
	my $count = () = $log =~ /$pattern/g;
	return $count;
}

# ---- X9, B29: what is missing is said once
runs('launcher', 'X39 the launcher starts with the server');
$spark->wait_for("SELECT pg_read_file('$_->[0]') ~ '$_->[1]'", $_->[2])
  for [ $node->logfile, 'database "absent" does not exist', 'X9 B29 a database that is missing is said' ];
is(pids('dispatcher', 'template0'), '', 'X10 nobody opens template0');
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'spark dispatcher of database \"shop\" waits: the extension spark is not created'",
	'X9 B29 an extension that is missing is said');
my $dispatcher = pids('dispatcher', 'shop');
$spark->sql('CREATE EXTENSION spark');
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'waits: spark.install\\(\\) was not run yet'", 'X9 so are tables');
is($spark->sql("SELECT ok FROM spark_ops.health() WHERE check_name = 'versions'"), 'f', 'X50 health says so too');
$spark->sql("SELECT * FROM spark.install(); SELECT spark.grant_api('anon', 'member')");
runs('lightning', 'X39 work starts by itself after spark.install()');
is(pids('dispatcher', 'shop'), $dispatcher, 'X39 without a restart');

# ---- an author whose handler counts, and one who sleeps when told
$spark->sql(<<'END');
CREATE ROLE author LOGIN;
SELECT spark_bus.grant_author('author');
CREATE TABLE public.counted (message_id uuid, n int);
CREATE TABLE public.switch (sleeps float8);
INSERT INTO public.switch VALUES (0);
GRANT SELECT, INSERT ON public.counted, public.switch TO author;
SET ROLE author;
SELECT 1;
RESET ROLE;
CREATE SCHEMA author AUTHORIZATION author;
SET SESSION AUTHORIZATION author;
CREATE FUNCTION author.count_it(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(sleeps) FROM public.switch WHERE sleeps > 0;
	INSERT INTO public.counted VALUES (message.id, (message.payload->>'n')::int);
END $$;
SELECT spark_bus.subscribe('counter', 'shop.sold', 'author.count_it');
END
runs('consumer', 'a consumer of an author has a worker of its own');
my $emitted = 0;

sub emit
{
	my ($count, $before, $after) = @_;
	my $first = $emitted + 1;
	$emitted += $count unless ($after // '') =~ /ROLLBACK/;
	my $last = $first + $count - 1;
	return $spark->sql(($before // '') . "SELECT count(spark_bus.emit('shop.sold', uuid_in(md5((n % 7)::text)::cstring), jsonb_build_object('n', n)))"
		. " FROM generate_series($first, $last) n;" . ($after // ''));
}

sub all_counted
{
	my ($name) = @_;
	$spark->wait_for("SELECT count(*) >= $emitted FROM public.counted", $name);
	return is($spark->sql('SELECT count(*), count(DISTINCT n), max(n) FROM public.counted'), "$emitted|$emitted|$emitted", 'each once');
}

emit(50);
all_counted('X39 messages are handled');
$spark->sql('ALTER ROLE author NOLOGIN');
emit(5);
all_counted('B29 for a role that may not log in, too');
$spark->sql('ALTER ROLE author LOGIN');

# ---- X12, X73: ended ones come again, each alone
for my $type (qw(consumer lightning dispatcher launcher))
{
	my $pid = pids($type, $type eq 'launcher' ? undef : 'shop');
	my $since = time();
	$spark->sql("SELECT pg_terminate_backend($pid)");
	$spark->wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
	cmp_ok(time() - $since, '<', $prompt, "X15 a $type that is told to end ends");
	runs($type, "X12 X73 and comes again", $pid);
	emit(20);
	all_counted('X81 and goes on');
}
# The new launcher has looked round once it serves one more database.
$node->safe_psql('postgres', 'CREATE DATABASE absent');
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher' AND datname = 'absent'",
	'X9 B29 a database that was missing is served once it is there');
is($spark->sql("SELECT string_agg(backend_type || ' ' || count, ', ' ORDER BY backend_type) FROM"
	. " (SELECT backend_type, count(*) FROM pg_stat_activity WHERE backend_type LIKE 'spark %' AND backend_type <> 'spark context' AND datname = 'shop' GROUP BY 1) t"),
	'spark consumer 1, spark dispatcher 1, spark lightning 1', 'X14 a new launcher takes over the workers that run, it starts no second ones');

# ---- X15: also in the middle of a handler
$spark->sql('UPDATE public.switch SET sleeps = 600');
emit(3);
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event = 'PgSleep'", 'a handler is asleep');
my $sleeper = pids('consumer', 'shop');
my $since = time();
$spark->sql("SELECT pg_terminate_backend($sleeper)");
$spark->wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $sleeper");
cmp_ok(time() - $since, '<', $prompt, 'X15 a worker ends in the middle of a handler');
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event = 'PgSleep'", 'and begins it anew');

# ---- X43, X67: databases of others come and go meanwhile
$since = time();
$node->safe_psql('postgres', 'CREATE DATABASE passing; DROP DATABASE passing');
cmp_ok(time() - $since, '<', $prompt, 'B29 X10 X43 X67 CREATE and DROP DATABASE of others wait for nobody');

# ---- the server stops at once, too
$since = time();
$node->stop('fast');
cmp_ok(time() - $since, '<', $prompt, 'X46 a fast stop waits for no handler');
$node->start;
runs('consumer', 'X45 the workers are there after a restart');
$spark->sql('UPDATE public.switch SET sleeps = 0');
$spark->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'spark consumer'");
all_counted('and what was being handled is handled');

# ---- X22, X25, X84: killed without a word, the server begins anew
my $alice = $spark->sign_up('alice');
$spark->fund($alice, 100_000);
my $withdrawn = 0;
my @rounds = (qw(launcher dispatcher consumer lightning), 'a client');
for my $victim (@rounds)
{
	my $request = $spark->sql('SELECT spark_simulator.make_invoice(100)');
	$spark->as($alice, "SELECT 1 FROM spark.withdraw('$request')");
	$withdrawn++;
	emit(30);
	my $client = $node->background_psql('shop', on_error_stop => 0);
	my $pid = $victim eq 'a client' ? $client->query_safe('SELECT pg_backend_pid()') : pids($victim, $victim eq 'launcher' ? undef : 'shop');
	my $crashes = lines('all server processes terminated; reinitializing');
	kill('KILL', $pid);
	$spark->wait_for("SELECT regexp_count(pg_read_file('" . $node->logfile . "'), 'all server processes terminated; reinitializing') = $crashes + 1");
	eval { $client->quit };
	runs($_, "X22 X84 B25 killed $victim: a $_ is there") for qw(launcher dispatcher consumer lightning);
	emit(20);
	all_counted("X22 X25 B25 killed $victim: all is handled");
}
$spark->wait_for("SELECT count(*) = $withdrawn FROM spark.invoices(100) WHERE kind = 'withdrawal' AND status = 'paid'", 'X25 every withdrawal is paid', $alice);
is($spark->sql("SELECT count(*), count(DISTINCT payment_hash) FROM spark_simulator.payments() WHERE direction = 'out'"), "$withdrawn|$withdrawn", 'X25 once');
$node->stop('immediate');
$node->start;
emit(20);
all_counted('X45 after an immediate stop all is handled');
is($spark->broken_invariants, '', 'X45 the books verify');
is(lines('PANIC'), 0, 'X66 nothing panicked');

# ---- X9: a database that is closed, and one that is gone
$node->safe_psql('postgres', 'CREATE DATABASE "Closed" ALLOW_CONNECTIONS false');
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'database \"Closed\" takes no connections'", 'X9 B29 a database that takes no connections is said');
$node->safe_psql('postgres', 'ALTER DATABASE "Closed" ALLOW_CONNECTIONS true');
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher' AND datname = 'Closed'", 'X9 B29 and served once it does');

$since = time();
$node->safe_psql('postgres', 'DROP DATABASE "Closed" WITH (FORCE)');
cmp_ok(time() - $since, '<', $prompt, 'X43 B29 a database is dropped by force while a worker is in it');
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'database \"Closed\" does not exist.*database \"Closed\" does not exist'",
	'X9 B29 it is said again that it is missing');
$node->safe_psql('postgres', 'CREATE DATABASE renamed; ALTER DATABASE renamed RENAME TO "Closed"');
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher' AND datname = 'Closed'", 'B29 one that is given that name is served');
$spark->set('spark.databases', "'shop', 'Closed'");
$spark->wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'spark %' AND datname = 'absent'", 'a database that is named no more is left');
$node->safe_psql('postgres', 'DROP DATABASE absent');
pass('X43 and then dropped without force');

# ---- B4, X21: prepared transactions, savepoints
emit(5, 'BEGIN;', "; PREPARE TRANSACTION 'five'");
$emitted -= 5;
$spark->wait_for("SELECT NOT ok AND detail ~ 'five' FROM spark_ops.health() WHERE check_name = 'prepared'", 'B45 health names a prepared transaction');
$node->restart;
$spark->sql("COMMIT PREPARED 'five'");
$emitted += 5;
all_counted('B4 X21 what was prepared is handled once it is committed');
emit(5, 'BEGIN;', "; PREPARE TRANSACTION 'none'");
$emitted -= 5;
$spark->sql("ROLLBACK PREPARED 'none'");
emit(5, 'BEGIN; SAVEPOINT a;', '; ROLLBACK TO a; COMMIT');
emit(5, 'BEGIN; SAVEPOINT a;', '; RELEASE a; COMMIT');
all_counted('B3 a savepoint that is rolled back takes its messages along');
is(($spark->try_as($alice, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM spark.deposit(5); COMMIT'))[0], '', 'commands work at every isolation level');

# ---- X18, X74: a role that is gone stops its own consumer only
$spark->sql(<<'END');
CREATE ROLE leaver LOGIN;
SELECT spark_bus.grant_author('leaver');
CREATE FUNCTION public.leave_it(message spark_bus.message) RETURNS void LANGUAGE sql AS 'SELECT';
SET SESSION AUTHORIZATION leaver;
SELECT spark_bus.subscribe('leaver', 'shop.sold', 'public.leave_it');
RESET SESSION AUTHORIZATION;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA spark_bus FROM leaver;
REVOKE ALL ON SCHEMA spark_bus FROM leaver;
DROP ROLE leaver;
END
emit(5);
all_counted('X18 X74 others go on without a role that was dropped');
$spark->wait_for("SELECT NOT ok AND detail ~ 'role leaver is missing' FROM spark_ops.health() WHERE check_name = 'paused'", 'X74 health says why one does not');
$spark->sql("SELECT spark_bus.unsubscribe('leaver', 'shop.sold', true)");

# ---- X40: code, SQL and tables of different versions
my $version = $spark->sql('SELECT spark.version()');
for my $case (
	[ 'the SQL', "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'spark'",
		"UPDATE pg_extension SET extversion = '$version' WHERE extname = 'spark'", 'ALTER EXTENSION spark UPDATE' ],
	[ 'the tables', 'UPDATE spark_common.installed SET version = version + 1', 'UPDATE spark_common.installed SET version = version - 1', 'spark.install()' ])
{
	my ($what, $break, $mend, $remedy) = @$case;
	my $quiet = lines('waits:');
	$spark->sql($break);
	is(($spark->try_as($alice, 'SELECT * FROM spark.deposit(1)'))[0], 'SP009', "X40 $what of another version: commands raise SP009");
	is(($spark->try_sql('SELECT * FROM spark.install()'))[0], 'SP009', "X40 $what of another version: so does spark.install()");
	$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'spark dispatcher of database \"shop\" waits: [^\\n]*\Q$remedy\E'",
		"X40 $what of another version: the worker says what to do");
	$spark->sql($mend);
	$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'versions'", "X40 $what mended: health is content");
	emit(5);
	all_counted("X40 $what mended: it goes on by itself");
	cmp_ok(lines('waits:') - $quiet, '<=', 6, "X9 $what of another version: at most two lines a worker");
}

# ---- X42, X17, B30: dropped and created again, under load
my %before = map { $_ => pids($_, 'shop') } qw(dispatcher consumer lightning);
my $rows = $spark->sql('SELECT count(*) FROM spark_common.outbox');
emit(100);
# Somebody emits all the while: without the extension it fails, and is not in asked either.
$spark->sql(<<'END');
CREATE TABLE public.asked (n int);
CREATE FUNCTION public.ask(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.asked VALUES (n);
	PERFORM spark_bus.emit('shop.sold', gen_random_uuid(), jsonb_build_object('n', n));
END $$;
END
my $script = join('', map { "SELECT public.ask($_);\n" } 1_000_001 .. 1_100_000);
my $asking = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('shop') . ' application_name=asking', '-f', '-' ], '<', \$script, '>', \my $asked, '2>', \my $refused);
my $asks_on = sub {
	my $before = $spark->sql('SELECT coalesce(max(n), 0) FROM public.asked');
	for (my $deadline = time() + $Spark::patience; time() < $deadline;)
	{
		$asking->pump_nb;
		return if $spark->sql("SELECT count(*) > 20 FROM public.asked WHERE n > $before") eq 't';
	}
	die 'nobody asks';
};
$asks_on->();
is(($spark->try_sql('DROP EXTENSION spark'))[0], '2BP01', 'X42 handlers of others stand in the way of DROP EXTENSION');
$spark->sql('CREATE VIEW public.well AS SELECT spark.version()');
$spark->sql('DROP EXTENSION spark CASCADE');
is($spark->sql('SELECT count(*) FROM spark_common.outbox'), $rows + 100 + $spark->sql('SELECT count(*) FROM public.asked'), 'X42 X53 B30 every row stays');
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'waits: the extension spark is not created.*waits: the extension spark is not created'", 'X42 the workers wait');
$spark->sql("CREATE EXTENSION spark; SELECT * FROM spark.install(); SELECT spark.grant_api('anon', 'member'); SELECT spark_bus.grant_author('author')");
$spark->wait_for("SELECT NOT ok AND detail ~ 'count_it.* is missing' FROM spark_ops.health() WHERE check_name = 'paused'",
	'X42 a handler that went along is named by health, its subscription stays');
$spark->sql(<<'END');
SET SESSION AUTHORIZATION author;
CREATE FUNCTION author.count_it(message spark_bus.message) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO public.counted VALUES (message.id, (message.payload->>'n')::int) $$;
END
$asks_on->();
$spark->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'asking'");
eval { $asking->finish };
like($refused, qr/schema "spark_bus" does not exist|function spark_bus\.emit.* does not exist/, 'B30 meanwhile nobody could emit');
$spark->wait_for('SELECT count(*) = 0 FROM (SELECT n FROM public.asked EXCEPT SELECT n FROM public.counted) s', 'B30 what was emitted before and after is handled');
is($spark->sql('SELECT count(*) - (SELECT count(*) FROM public.asked) FROM public.counted WHERE n > 1000000'), '0', 'B30 each once, and nothing that failed');
$spark->sql('DELETE FROM public.counted WHERE n > 1000000');
all_counted('X17 B30 it goes on where it was');
is(pids($_, 'shop'), $before{$_}, "X17 with the same $_") for qw(dispatcher lightning);
$spark->as($alice, 'SELECT * FROM spark.deposit(10)');
$spark->wait_for("SELECT count(*) = 0 FROM spark.invoices(100) WHERE kind = 'deposit' AND state = 'intent'", 'X17 the node, too', $alice);
$spark->wait_until_drained;
is($spark->broken_invariants, '', 'the books verify');

# ---- tables that somebody dropped
my $noise = lines('(?:ERROR|FATAL):');
$spark->sql('DROP SCHEMA spark_dashboard CASCADE');
my ($sqlstate, $text) = $spark->try_as($alice, 'SELECT * FROM spark.dashboard()');
is($sqlstate, 'SP009', 'what needs a schema that was dropped says so');
($sqlstate, $text) = $spark->try_sql('SELECT * FROM spark.install()');
is($sqlstate, 'SP009', 'spark.install() does not make empty books in the place of lost ones');
like($text, qr/spark_dashboard.*backup/s, 'and says what to do');
is($spark->sql("SELECT detail FROM spark_ops.health() WHERE check_name = 'versions'"), 'dropped, restore from a backup: spark_dashboard', 'so does health');
emit(10);
all_counted('all others go on');
$spark->as($alice, 'SELECT * FROM spark.deposit(11)');
$spark->wait_for("SELECT count(*) = 0 FROM spark.invoices(100) WHERE kind = 'deposit' AND state = 'intent'", 'also with the node', $alice);
$spark->sql('DROP TABLE spark_common.retry CASCADE');
emit(10);
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'spark_common.retry. does not exist'", 'a table that was dropped is named in the log');
$emitted -= 10;
emit(1) for 1 .. 20;
cmp_ok(lines('(?:ERROR|FATAL):') - $noise, '<', 15, 'X9 which is not filled with it');

# ---- X9: through all of that, a line each change and each life of a launcher
for my $database (qw(absent Closed))
{
	my %said;
	my $log = slurp_file($node->logfile);
	$said{$1}++ while $log =~ /\[(\d+)\] spark launcher LOG:  spark waits: database "$database" does not exist/g;
	my ($most) = sort { $b <=> $a } values %said;
	cmp_ok($most, '<=', $database eq 'Closed' ? 2 : 1, "X9 B29 the missing database $database is said once, not once a look");
}

$spark->stop;
done_testing();
