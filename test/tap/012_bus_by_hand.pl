# 012_bus_by_hand.pl
#		spark_bus.dispatch() in a session, in a database without worker, and beside
#		a worker; what a handler may see of the session; arguments of every function
#		of the bus and of its operators.
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(worker => 0, conf => join("\n",
	'spark.retry_base_delay = 1',
	'spark.retry_max_delay = 1',
	'spark.handler_timeout = 500'));
my $node = $spark->node;
my $bus = Bus->new($spark);

sub refused
{
	my ($code, $sql, $name) = @_;
	my ($sqlstate, $said) = $bus->try_author($sql);
	is($sqlstate, $code, $name) or diag($said);
	return;
}

sub dispatch { return $bus->author('SELECT spark_bus.dispatch(' . ($_[0] // '') . ')'); }

# Calls until the consumer has come to that.
sub dispatch_until
{
	my ($consumer, $what, $name) = @_;
	my $deadline = time + $Spark::patience;
	dispatch() while $bus->status($consumer) ne $what && time < $deadline;
	is($bus->status($consumer), $what, $name);
	return;
}

# ---- drained is drained: the lags of all consumers are those of one moment
{
	# Without a context there is nobody but these two; of two lanes the second is there to be locked.
	my $quiet = Spark->around($node, 'quiet');
	$quiet->create_database;
	$quiet->sql("CREATE EXTENSION spark; SELECT * FROM spark.install('{auth}')");
	$quiet->sql(<<'END');
CREATE FUNCTION public.pass_on(m spark_bus.message) RETURNS void LANGUAGE sql AS $$ SELECT spark_bus.emit('shop.passed_on', (m).aggregate_id, '{}') $$;
CREATE FUNCTION public.hear(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
SELECT spark_bus.subscribe('a', 'shop.passed_on', 'public.hear');
SELECT spark_bus.subscribe('b', 'shop.asked', 'public.pass_on');
END
	$quiet->sql('SELECT spark_ops.set_lanes(2)');
	$quiet->dispatch;
	$quiet->sql("SELECT spark_bus.emit('shop.asked', '00000000-0000-0000-0000-000000000002', '{}')");
	is($quiet->sql("SELECT string_agg(DISTINCT lane::text, ' ') FROM spark_common.outbox"), '0', 'a message of the first lane');
	my $rival = $node->background_psql('quiet', on_error_stop => 1);
	my $lag;
	$rival->query_safe('BEGIN; LOCK TABLE spark_common.outbox_1_0');
	# Without a word of its own it would wait for the lock for a moment only.
	my $asker = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('quiet') . " options='-c lock_timeout=60s'", '-c', 'SELECT consumer, sum(lag_messages) FROM spark_ops.bus_status() GROUP BY 1 ORDER BY 1' ], '>', \$lag);
	$quiet->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%bus_status%'", 'the lag is being counted');
	is($rival->query_safe('SELECT spark_bus.dispatch()'), '1', 'meanwhile one message becomes another');
	$rival->query_safe('COMMIT');
	$asker->finish;
	is($lag, "a|0\nb|1\n", 'B1: and it is counted where it was, or where it is');
	$rival->quit;
	$quiet->dispatch;
	is($quiet->sql('SELECT sum(lag_messages) FROM spark_ops.bus_status()'), '0', 'and no more when it is handled');
}

# ---- nothing, something, own
$bus->listen($_, 'shop.sold', 3) for qw(one two);
is(dispatch(), '0', 'nothing is ready: 0');
$bus->emit('shop.sold', 1, $_) for 1 .. 3;
is(dispatch(), '6', 'three messages, two listeners');
is($bus->seen('one', 1) . ' ' . $bus->seen('two', 1), '1,2,3 1,2,3', 'handled in order');
is(dispatch(), '0', 'and once');
is($bus->author('BEGIN; SELECT ' . $bus->emission('shop.sold', 2, 1) . ' IS NULL; SELECT spark_bus.dispatch(); SELECT spark_bus.dispatch(); COMMIT; SELECT spark_bus.dispatch(); SELECT spark_bus.dispatch()'),
	"f\n0\n0\n2\n0", 'B3: what the own transaction has emitted comes with a call after its commit');
is($bus->author('BEGIN; SAVEPOINT a; SELECT ' . $bus->emission('shop.sold', 3, 1) . ' IS NULL; SELECT spark_bus.dispatch(); ROLLBACK TO a; COMMIT; SELECT spark_bus.dispatch()'),
	"f\n0\n0", 'B3: also in a savepoint, that is rolled back');
$bus->emit('shop.sold', 4, 1);
is($bus->author('BEGIN; SELECT spark_bus.dispatch(); ROLLBACK'), '2', 'handled, and rolled back');
is($bus->seen('one', 4), '', 'leaves nothing');
is($bus->author('BEGIN; SAVEPOINT a; SELECT spark_bus.dispatch(); ROLLBACK TO a; SELECT spark_bus.dispatch(); COMMIT'), "2\n2", 'and is handled again');
is($bus->seen('one', 4), '1', 'with one effect');
$bus->handler('relay', "PERFORM spark_bus.emit('shop.sent', m.aggregate_id, m.payload);");
$bus->subscribe('relay', 'shop.sold');
$bus->listen('sent', 'shop.sent');
$bus->emit('shop.sold', 5, 1);
is($bus->author('BEGIN; SELECT spark_bus.dispatch(); SELECT spark_bus.dispatch(); COMMIT; SELECT spark_bus.dispatch(); SELECT spark_bus.dispatch()'),
	"3\n0\n1\n0", 'what a handler has emitted comes with a call after the commit');
is($bus->seen('sent', 5), '1', 'caused by a message, it comes');
$bus->emit('shop.sold', 6, $_) for 1 .. 5;
is(join(' ', map { dispatch(4) } 1 .. 6), '4 4 4 4 4 0', 'B1: at most so many a call, and one that ends exactly at its limit bars no later one');
is($bus->seen($_, 6), '1,2,3,4,5', "in order, each once: $_") for qw(one two relay sent);
is($node->safe_psql($spark->{database}, 'SELECT spark_bus.dispatch()'), '0', 'a superuser may dispatch as well');
$spark->sql('CREATE ROLE passer LOGIN');
is(($node->psql($spark->{database}, 'SELECT spark_bus.dispatch()', extra_params => [ '-U', 'passer' ]))[0], 3, 'not everybody may');

# ---- where it is refused
refused('25001', "BEGIN ISOLATION LEVEL $_; SELECT spark_bus.dispatch()", "dispatch at $_") for 'REPEATABLE READ', 'SERIALIZABLE';
refused('25006', 'BEGIN READ ONLY; SELECT spark_bus.dispatch()', 'dispatch in a read-only transaction');
refused('SP001', "SELECT spark_bus.dispatch($_)", "dispatch($_)") for 'NULL', '0', '-1';

# ---- the session's identity is not lent
my $thief = $spark->sign_up('thief');
dispatch();
$bus->handler('curious', "INSERT INTO shop.seen (consumer, path) VALUES ('spied', concat(current_setting('spark.token', true), spark.whoami()));");
$spark->sql('GRANT USAGE ON SCHEMA spark TO author; GRANT EXECUTE ON FUNCTION spark.whoami TO author');
$bus->subscribe('curious', 'shop.sold');
$bus->emit('shop.sold', 7, 1);
is($bus->author("SET spark.token = '$thief'; SET work_mem = '9MB'; SELECT spark_bus.dispatch(); SELECT spark.whoami() IS NOT NULL, current_setting('work_mem'), current_setting('search_path'), current_user"),
	"4\nt|9MB|\"\$user\", public|author", 'B23: dispatching leaves the session as it was') or diag($spark->sql('SELECT * FROM spark_ops.bus_status()'));
is($spark->sql("SELECT path FROM shop.seen WHERE consumer = 'spied'"), '', 'B23: and a handler does not see who dispatches');
$bus->author("SELECT spark_bus.unsubscribe('curious', 'shop.sold')");

# ---- failure
dispatch();
$bus->breaks('one', 10);
$bus->emit('shop.sold', 10, $_) for 1 .. 2;
$bus->emit('shop.sold', 11, 1);
cmp_ok(dispatch(), '>=', 9, 'parked ones count');
is($bus->seen('one', 11), '1', 'B14: other keys are handled in the same call');
dispatch_until('one', '0 1 1', 'S42: retries that are due are dispatched too, to the death');
my $dead = $spark->sql('SELECT message_id FROM spark_ops.dead_letters()');
$bus->mend('one');
$spark->sql("SELECT spark_ops.retry_dead_letter('$dead', 'one')");
dispatch() for 1 .. 2;
is($bus->seen('one', 10), '1,2', 'S42: retried, both come in order');

# All alike.
$bus->listen('bulk', 'shop.bulk', 3);
$bus->breaks('bulk', undef);
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.bulk', $_, 1) } 100 .. 159));
cmp_ok(dispatch(), '<=', 20, 'B20: dispatch stops, too, where all fail for one reason');
is($spark->sql("SELECT parked <= 20, dead, lag_messages >= 40 FROM spark_ops.bus_status() WHERE consumer = 'bulk'"), 't|0|t', 'B20: at most 20 are parked');
$bus->mend('bulk');
dispatch_until('bulk', '0 0 0', 'B20: mended, all are handled');

# Messages for ever: each joins the next window, so others have their turn.
$bus->handler('ring', "PERFORM spark_bus.emit('shop.ring', m.aggregate_id, '{\"n\": 2}') WHERE m.payload->>'n' <> '3';");
$bus->subscribe('ring', 'shop.ring');
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.ring', $_, 1) } 200 .. 219));
dispatch() for 1 .. 3;
my $before = $spark->sql('SELECT max(place) FROM shop.seen');
$bus->emit('shop.ring', 220, 3);
dispatch();
is($bus->seen('ring', 220), '3', 'B22: among twenty that go in a circle, another has its turn at once');
cmp_ok($spark->sql("SELECT max(place) - $before FROM shop.seen WHERE key = '" . $bus->key(220) . "'"), '<=', 2 * 20, 'B22: after two rounds of the twenty at most');
is($spark->sql("SELECT count(*) < 200 FROM shop.seen WHERE consumer = 'ring'"), 't', 'B22: before they have gone round often');
dispatch_until('ring', '0 0 20', 'B22: each of the twenty ends in a dead letter');
is($spark->sql("SELECT string_agg(DISTINCT c::text, ' ') FROM (SELECT count(*) AS c FROM shop.seen WHERE consumer = 'ring' AND n < 3 GROUP BY key) t"), '101', 'B22: after a hundred hops');
$bus->author("SELECT spark_bus.unsubscribe('ring', 'shop.ring', true)");

# The caller's own cancel is no attempt of anybody.
$bus->listen('sleepy', 'shop.sleep', 3);
$bus->author('CREATE SEQUENCE shop.calls');
$bus->handler('sleepy', "PERFORM nextval('shop.calls'); PERFORM pg_sleep(30);");
$bus->emit('shop.sleep', 12, 1);
refused('57014', 'SET statement_timeout = 100; SELECT spark_bus.dispatch()', 'a dispatch is cancelled by its own statement timeout');
is($bus->status('sleepy'), '1 0 0', 'and no message is blamed');
dispatch_until('sleepy', '0 0 1', 'B16: spark.handler_timeout ends the call, and each is an attempt');
is($spark->sql("SELECT error_code, error_message, attempts FROM spark_ops.dead_letters() WHERE consumer = 'sleepy'"), '57014|the handler ran longer than spark.handler_timeout|3', 'B16: with 57014');
is($spark->sql('SELECT last_value FROM shop.calls'), '4', 'B16: no attempt takes the time limit twice: three calls, beside the one that was cancelled');
$bus->handler('sleepy');
$spark->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
dispatch();
is($bus->seen('sleepy', 12), '1', 'B16: and it comes at last');
$bus->author('CREATE SEQUENCE shop.tries');
$bus->handler('sleepy', "IF nextval('shop.tries') <= 4 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;");
my $log = -s $node->logfile;
$bus->emit('shop.sleep', 13, 1);
is(dispatch(), '1', 'B24: where a rival is in the way, it is tried again at once');
unlike(slurp_file($node->logfile, $log), qr/attempt \d+ of spark consumer "sleepy" failed/, 'B24: and no attempt is counted');

# One that always fails for what is no message's fault holds up its own key alone.
$bus->handler('sleepy');
my %code_of = (16 => '40001', 17 => '40P01', 18 => '55P03', 19 => '53100', 20 => '53200', 21 => '53300', 22 => '58030', 23 => 'XX002');
$bus->breaks('sleepy', $_, $code_of{$_}) for keys %code_of;
$bus->author('SELECT ' . join(', ', map { my $key = $_; map { $bus->emission('shop.sleep', $key, $_) } 1 .. 2 } 16 .. 64));
dispatch() for 1 .. 2;
is($bus->seen('sleepy', 24), '1,2', 'B19 B24: messages that always fail, of whatever class: other keys are handled in the same calls');
dispatch_until('sleepy', '0 14 2', 'B19 B24: their own keys wait');
is($spark->sql("SELECT string_agg(DISTINCT error_code, ' ' ORDER BY error_code) FROM spark_ops.dead_letters() WHERE consumer = 'sleepy'"), '40001 40P01', 'B19 B24: and what is a shortage, or a lock, is never dead');
$bus->mend('sleepy');
$spark->sql("SELECT spark_ops.retry_all('sleepy', 'mended')");
dispatch_until('sleepy', '0 0 0', 'B19 B24: mended, all are handled');
is($bus->seen('sleepy', $_), '1,2', "B15: in order ($_)") for sort keys %code_of;
$bus->breaks('sleepy', undef, '53100');
$bus->emit('shop.sleep', 25, $_) for 1 .. 2;
refused('53100', 'SELECT spark_bus.dispatch()', 'B19: where all fail for a shortage, the caller is told');
is($bus->status('sleepy'), '2 0 0', 'B19: and no message is blamed');
$bus->mend('sleepy');
is(dispatch(), '2', 'B19: afterwards all are handled');
# Nor is one blamed that holds up its lane, so that none behind it can be tried.
$bus->handler('strict');
$bus->author("SELECT spark_bus.subscribe('strict', 'shop.strict', 'shop.strict', 3, ordering => 'lane')");
$bus->breaks('strict', undef, '53100');
$bus->emit('shop.strict', $_, 1) for 25, 26;
refused('53100', 'SELECT spark_bus.dispatch()', 'B19: where the first of a lane fails for a shortage, the caller is told');
is($bus->status('strict'), '2 0 0', 'B19: and it is not blamed');
$bus->mend('strict');
is(dispatch(), '2', 'B19: afterwards the lane is handled');
$bus->author("SELECT spark_bus.unsubscribe('strict', 'shop.strict')");

# While others are tried, none overtakes one of its key that has failed: here 2 would fail otherwise, without 1.
$bus->author('CREATE SEQUENCE shop.overtakings');
$bus->breaks('sleepy', $_, '53100') for 26, 27;
for ([ 'PERFORM 1;', 'read after it' ], [ 'PERFORM pg_sleep(0.25);', 'tried long after it' ])
{
	my ($takes, $name) = @$_;

	$bus->handler('sleepy', "IF m.payload->>'n' = '2' THEN PERFORM nextval('shop.overtakings'); RAISE 'one is missing'; END IF; $takes");
	$spark->set('spark.dispatch_batch_size', 2);
	$spark->wait_for("SELECT current_setting('spark.dispatch_batch_size') = '2'");
	$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.sleep', @$_) } [ 26, 1 ], [ 27, 1 ], [ 26, 2 ], [ 27, 2 ]));
	refused('53100', 'SELECT spark_bus.dispatch()', "B15 B19: where all fail for a shortage, and the next of their keys for them ($name), the caller is told");
	is($bus->status('sleepy'), '4 0 0', 'B15 B19: no message is blamed');
	is($spark->sql('SELECT is_called FROM shop.overtakings'), 'f', 'B15: and none is tried before the one of its key');
	$bus->mend('sleepy');
	$bus->handler('sleepy');
	dispatch_until('sleepy', '0 0 0', 'B19: mended, all are handled');
	$bus->breaks('sleepy', $_, '53100') for 26, 27;
}
$spark->set('spark.dispatch_batch_size', 1000);
$bus->mend('sleepy');

# A missing handler.
$bus->author('DROP FUNCTION shop.sleepy');
$bus->emit('shop.sleep', 14, 1);
$bus->emit('shop.sold', 14, 1);
cmp_ok(dispatch(), '>=', 3, 'B18: a missing handler keeps nobody else');
like($bus->health('paused'), qr/^f\|sleepy: function shop.sleepy/, 'B18: health says so');
is($bus->status('sleepy'), '1 0 0', 'B18: nothing is parked');
$bus->handler('sleepy');
is($bus->health('paused'), 't|no consumer is paused', 'B18: there again, health is content');
dispatch();
is($bus->seen('sleepy', 14), '1', 'B18: and it is called');

# ---- the figures of retries: one second, doubled up to ten minutes, half of it by chance, twelve attempts
is($spark->sql("SELECT string_agg(name || ' ' || boot_val, ', ' ORDER BY name) FROM pg_settings WHERE name LIKE 'spark.retry%'"),
	'spark.retry_base_delay 1000, spark.retry_max_delay 600000', 'S42: the first delay and the longest');
$spark->set('spark.retry_base_delay', 1000);
$spark->set('spark.retry_max_delay', 600000);
$spark->wait_for("SELECT current_setting('spark.retry_max_delay') = '10min'");
$bus->listen('patient', 'shop.patient');
$bus->breaks('patient', 16);
$bus->emit('shop.patient', 16, 1);
$spark->sql(<<'END');
CREATE TABLE figures (attempt int, least float8, most float8);
-- As if the time had come, each time.
DO $$
DECLARE
	before timestamptz;
BEGIN
	FOR i IN 1 .. 12 LOOP
		before := clock_timestamp();
		PERFORM spark_bus.dispatch();
		INSERT INTO public.figures SELECT attempts, extract(epoch FROM due - clock_timestamp()), extract(epoch FROM due - before)
			FROM spark_common.retry WHERE consumer = 'patient';
		UPDATE spark_common.retry SET due = clock_timestamp() WHERE consumer = 'patient';
	END LOOP;
END $$;
END
is($spark->sql('SELECT string_agg(attempt::text, $$ $$ ORDER BY attempt) FROM figures'), join(' ', 1 .. 11), 'S42: after each attempt it waits for the next');
is($spark->sql("SELECT attempts FROM spark_ops.dead_letters(of_consumer => 'patient')"), '12', 'S42: and dies of the twelfth');
is($spark->sql('SELECT string_agg(format($$%s: %s to %s$$, attempt, least, most), $$, $$) FROM figures WHERE most < 0.5 * least(600, 2 ^ (attempt - 1)) OR least > least(600, 2 ^ (attempt - 1))') =~ s/^$/none/r,
	'none', 'S42: no delay is out of its bounds');
is($spark->sql('SELECT sum(most) >= 60 * 13.5 AND sum(least) <= 60 * 27.1 FROM figures'), 't', 'S42: all of them take about 14 to 27 minutes');
cmp_ok($spark->sql('SELECT count(DISTINCT round((most / least(600, 2 ^ (attempt - 1)))::numeric, 2)) FROM figures'), '>', 1, 'S42: by chance');
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'measured') FROM spark_ops.dead_letters()");
$spark->set($_, 1) for 'spark.retry_base_delay', 'spark.retry_max_delay';
$spark->wait_for("SELECT current_setting('spark.retry_max_delay') = '1ms'");

# ---- beside each other: two sessions at once
my @sessions = map { $bus->session } 1 .. 2;
$sessions[0]->query_safe('BEGIN');
$bus->emit('shop.sold', 15, $_) for 1 .. 20;
is($sessions[0]->query_safe('SELECT spark_bus.dispatch()'), '60', 'one session has them all in hand');
$sessions[1]->query_until(qr/begins/, "\\echo begins\nSELECT 'second ' || spark_bus.dispatch();\n");
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'", 'B27: the other waits for its end');
$sessions[0]->query_safe('COMMIT');
like($sessions[1]->query('SELECT 1'), qr/second 20/, 'B27: and finds what the first has emitted');
is($bus->seen($_, 15), join(',', 1 .. 20), "B27: each once: $_") for qw(one two relay sent);
$_->quit for @sessions;

# ---- arguments
my $some = $bus->key(1);
for (
	[ 'SP001', "emit(NULL, '$some', '{}')", 'no type' ], [ 'SP001', "emit('', '$some', '{}')", 'an empty type' ],
	[ 'SP001', "emit(repeat('x', 256), '$some', '{}')", 'too long a type' ], [ 'SP001', "emit('a.b', NULL, '{}')", 'no aggregate' ],
	[ 'SP001', "emit('a.b', '$some', NULL)", 'no payload' ], [ 'SP001', "emit('a.b', '$some', '[]')", 'an array' ],
	[ 'SP001', "emit('a.b', '$some', '1')", 'a number' ], [ 'SP001', "emit('a.b', '$some', 'null')", 'a JSON null' ],
	[ 'SP001', "emit('a.b', '$some', jsonb_build_object('a', repeat('x', 1048576)))", 'too large a payload' ],
	[ 'SP001', 'cancel(NULL)', 'no message' ],
	[ '42501', "grant_author('author')", 'an author makes no authors' ])
{
	refused($_->[0], "SELECT spark_bus.$_->[1]", "spark_bus.$_->[2]");
}
is($bus->author("SELECT spark_bus.emit('a.b', '$some', '{}', 'thing', now() - interval '1 day') IS NOT NULL, spark_bus.cancel('$some')"), 't|f', 'due already, it is emitted at once; and cannot be taken back');
is($spark->sql("SELECT aggregatetype FROM spark_common.outbox WHERE type = 'a.b'"), 'thing', 'with the type of its aggregate');
for (
	[ 'SP001', 'spark_bus.grant_author(NULL)' ], [ 'SP001', 'spark_bus.grant_author(4711::regrole)' ],
	[ 'SP001', 'spark_ops.grant_operator(NULL)' ],
	[ 'SP001', 'spark_ops.dead_letters(0)' ], [ 'SP001', 'spark_ops.dead_letters(-1)' ], [ 'SP001', 'spark_ops.dead_letters(10001)' ],
	[ 'SP001', "spark_ops.retry_dead_letter('$some', 'one', NULL)" ], [ 'SP001', "spark_ops.retry_dead_letter('$some', 'one', ' ')" ],
	[ 'SP001', 'spark_ops.set_lanes(1, NULL)' ], [ 'SP001', "spark_ops.set_lanes(1, '')" ],
	[ 'SP001', "spark_bus.unsubscribe('one', 'shop.sold', true, NULL)" ], [ 'SP001', "spark_bus.unsubscribe('one', 'shop.sold', true, '')" ],
	[ 'SP001', "spark_ops.retry_dead_letter(NULL, 'one')" ], [ 'SP001', "spark_ops.retry_dead_letter('$some', NULL)" ],
	[ 'SP002', "spark_ops.retry_dead_letter('$some', 'nobody')" ], [ 'SP002', "spark_ops.retry_dead_letter('$some', 'one')" ],
	[ 'SP001', "spark_ops.drop_dead_letter(NULL, 'one', 'why')" ], [ 'SP001', "spark_ops.drop_dead_letter('$some', NULL, 'why')" ],
	[ 'SP001', "spark_ops.drop_dead_letter('$some', 'one', NULL)" ], [ 'SP001', "spark_ops.drop_dead_letter('$some', 'one', '')" ],
	[ 'SP001', "spark_ops.drop_dead_letter('$some', 'one', ' ')" ],
	[ 'SP002', "spark_ops.drop_dead_letter('$some', 'nobody', 'why')" ], [ 'SP002', "spark_ops.drop_dead_letter('$some', 'accounting', 'why')" ],
	[ 'SP001', "spark_ops.mend_dead_letter(NULL, 'one', '{}', 'why')" ], [ 'SP001', "spark_ops.mend_dead_letter('$some', NULL, '{}', 'why')" ],
	[ 'SP001', "spark_ops.mend_dead_letter('$some', 'one', NULL, 'why')" ], [ 'SP001', "spark_ops.mend_dead_letter('$some', 'one', '[]', 'why')" ],
	[ 'SP001', "spark_ops.mend_dead_letter('$some', 'one', '{}', NULL)" ], [ 'SP001', "spark_ops.mend_dead_letter('$some', 'one', '{}', '')" ],
	[ 'SP002', "spark_ops.mend_dead_letter('$some', 'nobody', '{}', 'why')" ], [ 'SP002', "spark_ops.mend_dead_letter('$some', 'one', '{}', 'why')" ],
	[ 'SP001', 'spark_ops.set_lanes(NULL)' ], [ 'SP001', 'spark_ops.set_lanes(0)' ], [ 'SP001', 'spark_ops.set_lanes(3)' ],
	[ 'SP001', 'spark_ops.set_lanes(128)' ])
{
	is(($spark->try_sql("SELECT $_->[1]"))[0], $_->[0], "$_->[1]: $_->[0]");
}
is($spark->sql('SELECT spark_ops.set_lanes(1), spark_ops.lanes()'), '|1', 'one lane is one lane');
is($spark->sql("SELECT count(*) FROM pg_proc WHERE pronamespace IN ('spark'::regnamespace, 'spark_bus'::regnamespace, 'spark_ops'::regnamespace, 'spark_simulator'::regnamespace)"
	. " AND has_function_privilege('passer', oid, 'EXECUTE')"), '0', 'nobody executes what he was not granted');

# ---- not installed
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('bare', 'CREATE EXTENSION spark; CREATE FUNCTION h(m spark_bus.message) RETURNS void LANGUAGE sql AS \'\'');
for ("spark_bus.emit('a.b', '$some', '{}')", 'spark_bus.dispatch()', "spark_bus.subscribe('c', 'a.b', 'h')", "spark_bus.unsubscribe('c', 'a.b')",
	'spark_ops.bus_status()', 'spark_ops.dead_letters()', "spark_ops.retry_dead_letter('$some', 'one')")
{
	my ($status, undef, $said) = $node->psql('bare', "SELECT $_", extra_params => ['--set=VERBOSITY=verbose']);
	like($said, qr/ERROR:  SP009/, "before spark.install(): $_");
}
$spark->stop;
done_testing();
