# 028_seen.pl
#		What is seen from outside with more consumers than there are workers, and who
#		holds things up.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(conf => "max_worker_processes = 16\nspark.retry_base_delay = 50\nmax_prepared_transactions = 320\nrestart_after_crash = on");
my $bus = Bus->new($spark);
my $count = 150;

sub health_says
{
	my ($check, $ok, $what, $name) = @_;
	return $spark->wait_for("SELECT ok = $ok AND detail ~ '$what' FROM spark_ops.health() WHERE check_name = '$check'", $name);
}

# ---- Many consumers
# Each sees under the one name of their handler.
$bus->handler('many');
$bus->author("SELECT spark_bus.subscribe('many' || n, 'shop.sold', 'shop.many') FROM generate_series(1, $count) n");
$bus->emit('shop.sold', 1, 1);
$spark->wait_for("SELECT count(*) = $count FROM shop.seen", 'each of many hears it');
$spark->wait_for("SELECT count(*) = $count FROM spark_ops.bus_status() WHERE consumer ~ '^many' AND handled = 1 AND rate_per_second > 0 AND batch_size = 1",
	'X49 each is counted, however many there are');
health_says('worker', 'false', 'raise max_worker_processes: .*many150', 'B45 health names those without a worker of their own');
for my $time ('once', 'twice')
{
	my $lightning = $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'spark lightning'");
	$spark->sql("SELECT pg_terminate_backend($lightning)");
	$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark lightning' AND pid <> $lightning",
		"the Lightning worker that has ended $time gets its slot back, however many wait for one");
}
$bus->author(<<'END_OF_SQL');
CREATE FUNCTION shop.lame(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$;
SELECT spark_bus.subscribe('many150', 'shop.sold', 'shop.lame');
END_OF_SQL
$bus->emit('shop.sold', 1, 2);
$spark->wait_for("SELECT bool_and(paused_why = 'no space' AND lag_messages = 1 AND lag_seconds > 0) FROM spark_ops.bus_status() WHERE consumer = 'many150' AND lag_messages > 0",
	'B45 bus_status() says why the last of them waits, how many messages and how long');
health_says('paused', 'false', 'many150: no space', 'B45 and so does health');
$bus->author("SELECT spark_bus.subscribe('many150', 'shop.sold', 'shop.many')");
$spark->wait_for("SELECT count(*) = 2 * $count FROM shop.seen", 'mended, it goes on');
$bus->author("SELECT spark_bus.unsubscribe('many' || n, 'shop.sold') FROM generate_series(1, $count - 1) n");
$bus->author("SELECT spark_bus.subscribe('new' || n, 'shop.new', 'shop.many') FROM generate_series(1, 3) n");
is($spark->sql("SELECT sum(handled) FROM spark_ops.bus_status() WHERE consumer ~ '^new'"), '0', 'who comes anew begins at 0');

# ---- Blocked keys
$bus->listen('lame', 'shop.lame', 1);
$bus->breaks('lame', $_) for 7, 8;
$bus->emit('shop.lame', $_, 1) for 7, 7, 8, 9;
$spark->wait_for("SELECT sum(dead) = 2 AND sum(parked) = 1 AND sum(blocked_keys) = 2 FROM spark_ops.bus_status() WHERE consumer = 'lame'",
	'B45 bus_status() counts the keys that are blocked');
health_says('blocked', 'false', 'keys wait behind failed messages, of consumer lame', 'B45 and health names the consumer');

# ---- Who holds the oldest snapshot
my $reader = $spark->node->background_psql('postgres', on_error_stop => 1);
$reader->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT\n 4711 AS frozen");
my $pid = $reader->query_safe('SELECT pg_backend_pid() /* 4711 */');
$bus->emit('shop.sold', 1, 3);
health_says('snapshot', 'true', "held by pid $pid \\(client backend\\) for \\d+ s, \\d+ transactions ago: SELECT pg_backend_pid\\(\\) /\\* 4711 \\*/",
	'B45 health names the pid and the query that hold the oldest snapshot');
$spark->set('spark.snapshot_max_age', 1);
health_says('snapshot', 'false', "held by pid $pid .* for \\d+ s, \\d+ transactions ago: SELECT", 'B45 and after a time that is a fault');
$spark->set('spark.snapshot_max_age', 3600);
$reader->query_safe('COMMIT');
$reader->quit;

# ---- A missing worker
$spark->serve('');
health_says('worker', 'false', 'no dispatcher serves this database', 'B45 health misses the dispatcher');
$bus->author("SELECT count(spark_bus.emit(CASE WHEN n % 20 = 0 THEN 'shop.other' ELSE 'shop.lame' END, gen_random_uuid(), '{\"n\": 1}')) FROM generate_series(1, 9000) n");
my $lag = "SELECT sum(lag_messages), max(lag_seconds) > 0 FROM spark_ops.bus_status() WHERE consumer = 'lame'";
is($spark->sql($lag), '8550|t', 'X49 those behind it that it wants are counted');
$bus->author("SELECT count(spark_bus.emit('shop.other', '" . $bus->key(9) . "', '{\"n\": 1}')) FROM generate_series(1, 21000) n");
is($spark->sql($lag), '8550|t', 'X49 and no other, however many');
$spark->serve('postgres');
$spark->wait_for("SELECT detail !~ 'no dispatcher' FROM spark_ops.health() WHERE check_name = 'worker'", 'B45 until it is there');
$spark->wait_for("SELECT sum(lag_messages) = 0 FROM spark_ops.bus_status() WHERE consumer = 'lame'", 'and it catches up');

# ---- Everything from shared memory: no table of the bus is read but those that say what there is,
# a row a context, a subscription, a lane.
my $tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_stat_xact_user_tables WHERE schemaname = 'spark_common'"
	. " AND coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0 AND relname <> ALL ('{installed,settings,subscription,lane_epoch,lane_segment}')";

# Seen by the transaction itself, behind what was done just before it.
sub read_by
{
	my ($function, $before) = @_;
	return (split /\n/, $spark->sql(($before // 'SELECT') . "; BEGIN; SELECT count(*) FROM spark_ops.$function(); $tables; COMMIT"), -1)[2] // '';
}

sub reads_nothing
{
	my ($name) = @_;
	my $deadline = time() + 60;
	my $read;

	do
	{
		$read = join ' ', grep { $_ ne '' } map { read_by($_) } qw(bus_status health metrics);
	} while ($read ne '' && time() < $deadline);
	return is($read, '', $name);
}

# What the tables say, by their own words: what is in the log and not delivered, what is parked, dead, blocked.
my $lanes = $spark->sql('SELECT spark_ops.lanes()');
my $truth = <<'END_OF_SQL';
WITH c AS (SELECT DISTINCT ON (consumer, lane) * FROM spark_common.cursor_log ORDER BY consumer, lane, gen DESC),
w AS (SELECT consumer, message_type FROM spark_common.subscription)
SELECT string_agg(format('%s/%s: %s %s %s %s', consumer, lane,
	(SELECT count(*) FROM spark_common.outbox m JOIN w ON w.consumer = c.consumer WHERE m.lane = c.lane AND m.type = w.message_type
		AND NOT pg_visible_in_snapshot(xid, s1) AND NOT (s2 IS NOT NULL AND seq <= pos AND pg_visible_in_snapshot(xid, s2))),
	(SELECT count(*) FROM spark_common.retry r WHERE (r.consumer, r.lane) = (c.consumer, c.lane)),
	(SELECT count(*) FROM spark_common.dead_letter d WHERE (d.consumer, d.lane) = (c.consumer, c.lane)),
	(SELECT count(DISTINCT aggregateid) FROM (SELECT consumer, lane, aggregateid, holds FROM spark_common.retry
		UNION ALL SELECT consumer, lane, aggregateid, holds FROM spark_common.dead_letter) h
		WHERE (h.consumer, h.lane) = (c.consumer, c.lane) AND holds <> 'none')), ', ' ORDER BY consumer, lane)
FROM c WHERE consumer IN (SELECT consumer FROM w)
END_OF_SQL
my $told = "SELECT string_agg(format('%s/%s: %s %s %s %s', consumer, lane, lag_messages, parked, dead, blocked_keys), ', ' ORDER BY consumer, lane)"
	. ' FROM spark_ops.bus_status() WHERE consumer IN (SELECT consumer FROM spark_common.subscription)';

# Between the two questions a consumer that is not paused may have handled something.
sub agrees
{
	my ($name) = @_;
	my $deadline = time() + 60;
	my ($is_told, $is_true);

	do { ($is_told, $is_true) = ($spark->sql($told), $spark->sql($truth)) } while ($is_told ne $is_true && time() < $deadline);
	return is($is_told, $is_true, $name);
}

sub tells_the_truth
{
	my ($name) = @_;
	reads_nothing("X49 $name: nothing is read");
	return agrees("X49 $name: bus_status() tells what the tables hold");
}

$spark->sql("SELECT spark_ops.pause_consumer('new1', 'let it wait')");
tells_the_truth('with messages dead and keys blocked');
like($bus->health('blocked'), qr/^f\|\d+ keys wait behind failed messages, of consumer lame/, 'B45 health still names them');
like($bus->health('paused'), qr/^f\|new1: paused by /, 'B45 and who is paused, by whom');

# Whoever is paused, and goes on, has as much waiting as before: nobody counts it anew.
my $tables_read = '';
for my $round (1 .. 10)
{
	$tables_read .= read_by('bus_status', "SELECT spark_ops.${_}_consumer('new1', 'round $round')") for 'resume', 'pause';
}
unlike($tables_read, qr/retry|dead_letter|cursor|outbox/, 'X49 a pause makes nothing unknown');

# Random work: what is rolled back, by savepoints too, what operators do, what is done by hand.
srand($ENV{SPARK_SEED} // 4711);
$bus->subscribe('lame', 'shop.more', 3);
$bus->author("SELECT spark_bus.subscribe('new1', 'shop.lame', 'shop.many')");
$bus->author('INSERT INTO shop.failing SELECT \'lame\', format(\'00000000-0000-7000-8000-%s\', lpad(n::text, 12, \'0\'))::uuid, \'P0001\' FROM generate_series(100, 110) n');
my $letter = "(SELECT id FROM spark_common.dead_letter WHERE consumer = 'lame' ORDER BY id LIMIT 1 OFFSET %d)";
for my $step (1 .. 40)
{
	my $key = 95 + int rand 20;
	my $emits = join '; ', map { 'SELECT ' . $bus->emission((qw(shop.lame shop.more shop.new shop.sold))[int rand 4], 95 + int rand 20, 1) } 0 .. int rand 4;
	my $id = sprintf $letter, int rand 5;
	my $act = int rand 10;
	if    ($act < 3) { $bus->author($emits); }
	elsif ($act < 4) { $bus->author("BEGIN; $emits; ROLLBACK"); }
	elsif ($act < 6) { $bus->author("BEGIN; $emits; SAVEPOINT a; $emits; SAVEPOINT b; $emits; RELEASE b; ROLLBACK TO a; $emits; COMMIT"); }
	elsif ($act < 7) { $spark->try_sql("SELECT spark_ops.retry_dead_letter($id, 'lame', 'again')"); }
	elsif ($act < 8) { $spark->try_sql("SELECT spark_ops.drop_dead_letter($id, 'lame', 'away')"); }
	elsif ($act < 9) { $spark->try_sql("BEGIN; SAVEPOINT a; SELECT spark_ops.drop_dead_letter($id, 'lame', 'away'); ROLLBACK TO a; SELECT spark_ops.unblock_key('lame', '" . $bus->key($key) . "', 'go'); COMMIT"); }
	else             { $spark->try_sql("BEGIN; $emits; SELECT spark_bus.dispatch(); ROLLBACK"); }
}
$spark->wait_for("SELECT sum(lag_messages) = 0 AND (SELECT bool_and(due > now() OR due IS NULL) FROM spark_common.retry) IS NOT false FROM spark_ops.bus_status() WHERE consumer = 'lame'", 'all is looked at');
$spark->sql("SELECT spark_ops.pause_consumer('lame', 'to compare')");
tells_the_truth('after random work');

# What waits, too; and what a prepared transaction has emitted, once it is committed.
$bus->author("SELECT count(spark_bus.emit('shop.lame', gen_random_uuid(), '{\"n\": 1}')) FROM generate_series(1, 50)");
tells_the_truth('with messages that wait');
$bus->author("BEGIN; SELECT " . $bus->emission('shop.lame', 3, 1) . "; PREPARE TRANSACTION 'later'");
agrees('X49 a prepared transaction changes nothing');
$spark->set('spark.snapshot_max_age', 1);
health_says('snapshot', 'false', 'held by prepared later for \\d+ s, \\d+ transactions ago$', 'B45 but health names it as the holder of the oldest snapshot');
$spark->set('spark.snapshot_max_age', 3600);
$bus->author("COMMIT PREPARED 'later'");
agrees('X49 until it is committed');
tells_the_truth('and from then on');

# Three hundred of them, some with savepoints, one with more types than are kept of one.
my $kinds = 5000;
my $prepare = join ' ', map {
	my $emit = 'SELECT ' . $bus->emission((qw(shop.lame shop.new))[$_ % 2], $_, 1) . ';';
	"BEGIN; $emit SAVEPOINT a; $emit " . ($_ % 3 ? 'RELEASE a' : 'ROLLBACK TO a') . "; PREPARE TRANSACTION 'many$_';"
} 1 .. 300;
sub end_prepared
{
	my ($act, @which) = @_;
	$spark->sql(join ' ', map { "$act PREPARED 'many$_';" } @which);
	return;
}
$bus->author($prepare);
$bus->author("BEGIN; SELECT count(spark_bus.emit('shop.kind' || n, gen_random_uuid(), '{\"n\": 1}')) FROM generate_series(1, $kinds) n; SELECT "
	. $bus->emission('shop.lame', 3, 1) . "; PREPARE TRANSACTION 'kinds'");
tells_the_truth('with 301 prepared transactions');
end_prepared('COMMIT', 1 .. 100);
agrees('X49 a hundred are committed');
is(read_by('bus_status'), '', 'X49 and nothing is read for that');
end_prepared('ROLLBACK', 101 .. 150);
tells_the_truth('and fifty rolled back');
$spark->sql("COMMIT PREPARED 'kinds'");
agrees('X49 one of many types is committed');
tells_the_truth('and is counted');

# A crash takes all of it.
my $victim = $spark->node->background_psql('postgres', on_error_stop => 0);
$spark->kill9($victim->query_safe('SELECT pg_backend_pid()'));
$spark->wait_for_success("SELECT count(*) FROM spark_ops.bus_status()", 'the server is back');
tells_the_truth('after a crash');
end_prepared('COMMIT', 151 .. 250);
agrees('X49 a hundred that were prepared before it are committed');
is(read_by('bus_status'), '', 'X49 and nothing is read for those');
end_prepared('ROLLBACK', 251 .. 300);
tells_the_truth('and the last of them rolled back');
$spark->sql("SELECT spark_ops.resume_consumer('lame', 'compared')");
$spark->wait_for("SELECT sum(lag_messages) = 0 FROM spark_ops.bus_status() WHERE consumer = 'lame'", 'and it goes on');
$spark->stop;

# ---- No slot for the Lightning worker: who can be done without leaves one to it
sub runs_besides
{
	my ($there, $worker, $name) = @_;
	my $kinds = join(', ', map { "spark $_" } sort 'dispatcher', 'launcher', $worker);
	return $there->wait_for("SELECT string_agg(backend_type, ', ' ORDER BY backend_type COLLATE \"C\") = '$kinds' FROM pg_stat_activity WHERE backend_type LIKE 'spark %'", $name);
}

sub leaves_slot_to_lightning
{
	my ($worker, $works) = @_;
	my $there = Spark->start(name => $worker, conf => "max_worker_processes = 3\nmax_logical_replication_workers = 0", install => 0);

	$there->sql("SELECT * FROM spark.install('{auth,accounting,crowdfunding,dashboard}')");
	$works->($there, 1, "a $worker does its work");
	runs_besides($there, $worker, "B16 the worker of a $worker gets the last slot");
	$there->sql('SELECT * FROM spark.install()');
	runs_besides($there, 'lightning', 'B16 which it leaves to the Lightning worker as soon as there is one');
	$works->($there, 2, "and the $worker goes on without");
	runs_besides($there, 'lightning', 'B16 and does not take it back');
	$there->stop;
	return;
}

leaves_slot_to_lightning('context', sub {
	my ($there, $number, $name) = @_;
	my $account = $bus->key($number);

	$there->sql(<<'END_OF_SQL') if $number == 1;
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.2); RETURN NULL; END $$;
CREATE TRIGGER be_slow AFTER INSERT ON spark_accounting.accounts FOR EACH ROW EXECUTE FUNCTION be_slow();
END_OF_SQL
	$there->sql("SELECT spark_bus.emit('auth.signed_up', '$account', jsonb_build_object('account_id', '$account', 'username', 'number $number'))");
	$there->wait_for("SELECT count(*) = 1 FROM spark_accounting.accounts WHERE account_id = '$account'", $name);
});
my $alone;
leaves_slot_to_lightning('consumer', sub {
	my ($there, $number, $name) = @_;

	if ($number == 1)
	{
		$alone = Bus->new($there);
		$alone->listen('alone', 'shop.sold');
	}
	$alone->emit('shop.sold', $number, 1);
	$alone->comes('alone', $number, '1', $name);
});
done_testing();
