# 016_delayed.pl
#		Messages that are due later: never early, seldom late, and taken back in time
#		or not at all.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(conf => "spark.dispatch_naptime = 300\nspark.max_depth = 5\nmax_prepared_transactions = 5");

$spark->sql(<<'END');
CREATE ROLE author; SELECT spark_bus.grant_author('author');
CREATE ROLE stranger; SELECT spark_bus.grant_author('stranger');
CREATE TABLE rung (place bigint GENERATED ALWAYS AS IDENTITY, number int NOT NULL, wanted timestamptz NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT ALL ON rung TO author;
CREATE FUNCTION ring(m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.rung (number, wanted) VALUES (((m).payload->>'number')::int, ((m).payload->>'wanted')::timestamptz)
$$;
CREATE FUNCTION again(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
DECLARE n int := ((m).payload->>'number')::int;
BEGIN
	INSERT INTO public.rung (number, wanted) VALUES (n, clock_timestamp());
	FOR i IN 1 .. CASE (m).type WHEN 'shop.twice' THEN 2 ELSE 1 END LOOP
		PERFORM spark_bus.emit((m).type, gen_random_uuid(), jsonb_build_object('number', n + 1),
			deliver_at => clock_timestamp() + CASE (m).type WHEN 'shop.daily' THEN interval '1 day' ELSE interval '10 ms' END);
	END LOOP;
END $$;
CREATE FUNCTION in_a_minute(m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	SELECT spark_bus.emit('shop.minutely', gen_random_uuid(), '{}', deliver_at => due + interval '1 minute')
	FROM unnest(ARRAY[now(), clock_timestamp()]) due
$$;
CREATE FUNCTION ring_at(n int, due timestamptz) RETURNS uuid LANGUAGE sql AS $$
	SELECT spark_bus.emit('shop.alarm', '018f0000-0000-7000-8000-000000000001', jsonb_build_object('number', n, 'wanted', due), deliver_at => due)
$$;
SET ROLE author;
SELECT spark_bus.subscribe('bell', 'shop.alarm', 'public.ring');
SELECT spark_bus.subscribe('bell', 'shop.' || type, 'public.again') FROM unnest('{again,twice,daily}'::text[]) type;
SELECT spark_bus.subscribe('bell', 'shop.minutely', 'public.in_a_minute');
END

my $as_author = 'SET ROLE author; ';

# ---- B39: when; told by somebody who looks at the clock once an interval, on the same machine
$spark->sql(<<'END');
CREATE TABLE tick (at timestamptz);
CREATE PROCEDURE tick() LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT count(*) < 21 FROM rung) LOOP
		INSERT INTO tick VALUES (clock_timestamp());
		COMMIT;
		PERFORM pg_sleep(0.3);
	END LOOP;
END $$;
END
my $clock = $spark->node->background_psql('postgres', on_error_stop => 1);
$clock->query_until(qr/begins/, "\\echo begins\nCALL tick();\n");
$spark->wait_for('SELECT count(*) > 0 FROM tick');
$spark->sql("$as_author SELECT ring_at(n, clock_timestamp() + n * interval '100 ms') FROM generate_series(1, 20) n");
$spark->sql("$as_author SELECT ring_at(0, clock_timestamp() - interval '1 hour')");
is($spark->sql("SELECT sum(lag_messages) FROM spark_ops.bus_status() WHERE consumer = 'bell' AND lag_messages > 1") || 0, '0', 'what waits is no lag');
$spark->wait_for('SELECT count(*) = 21 FROM rung', 'B39 each rings');
is($spark->sql('SELECT count(*) FROM rung WHERE number > 0 AND at < wanted'), '0', 'B39 none too early');
# A machine that stalls stalls both; one who is lazy of his own accord is late by the other's worst gap.
is($spark->sql("SELECT count(*) FROM rung, (SELECT max(gap) AS gap FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM tick) t) worst"
	. " WHERE number > 0 AND at > wanted + interval '1 s' + 4 * gap"), '0', 'B39 and all within a second, but for what the machine itself has stalled');
my ($middle, $most) = split(/\|/, $spark->sql('SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ticks), percentile_disc(0.9) WITHIN GROUP (ORDER BY ticks) FROM'
	. ' (SELECT (SELECT count(*) FROM tick WHERE tick.at BETWEEN rung.wanted AND rung.at) AS ticks FROM rung WHERE number > 0) r'));
cmp_ok($middle, '<=', 1, 'B39 but within the next look of somebody who looks once an interval, in the middle');
cmp_ok($most, '<=', 3, 'B39 and mostly soon after');
$clock->quit;
is($spark->sql("BEGIN; DO \$\$ BEGIN PERFORM ring_at(99, '294276-12-31'); END \$\$; SELECT count(*) FROM spark_common.delayed WHERE due > '200000-01-01'; ROLLBACK"),
	'1', 'B39 the end of all days is not before today');
is($spark->sql('SELECT count(*) FROM (SELECT number, lag(number) OVER (ORDER BY place) AS before FROM rung WHERE number > 0) r WHERE before > number'), '0',
	'those of one key in the order of their times');
is($spark->sql('SELECT count(*) FROM spark_common.delayed'), '0', 'and none waits');

# ---- Taken back
my $id = $spark->sql("$as_author SELECT ring_at(100, clock_timestamp() + interval '1 hour')");
is(($spark->try_sql("SET ROLE stranger; SELECT spark_bus.cancel('$id')"))[0], 'SP004', 'another cannot take it back');
is($spark->sql("$as_author SELECT spark_bus.cancel('$id')"), 't', 'B39 its author can');
is($spark->sql("$as_author SELECT spark_bus.cancel('$id')"), 'f', 'once');
my $soon = $spark->sql("$as_author SELECT ring_at(101, clock_timestamp() + interval '10 ms')");
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 101');
is($spark->sql("$as_author SELECT spark_bus.cancel('$soon')"), 'f', 'B39 but not when it has rung');
$spark->sql("$as_author BEGIN; SELECT ring_at(102, clock_timestamp() + interval '10 ms'); ROLLBACK");
is($spark->sql("SELECT count(*) FROM spark_common.delayed"), '0', 'what is rolled back does not wait');
is(($spark->try_sql("$as_author SELECT ring_at(1, 'infinity')"))[0], 'SP001', 'a time that never comes is refused');
is(($spark->try_sql("$as_author SELECT spark_bus.cancel(NULL)"))[0], 'SP001', 'and so is no id');

# ---- One that took long to commit lies below what was taken since
my $slow = $spark->node->background_psql('postgres', on_error_stop => 1);
$slow->query_safe("BEGIN; $as_author SELECT ring_at(200, clock_timestamp() + interval '100 ms')");
$spark->sql("$as_author SELECT ring_at(201, clock_timestamp() + interval '500 ms')");
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 201', 'a later one rings first');
$slow->query_safe('COMMIT');
$slow->quit;
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 200', 'B39 and the late one, too');

# ---- A handler that calls itself back soon is contained, as if it were at once
my $times = sub { return $spark->sql('SELECT count(*) FROM rung WHERE number = ' . $_[0]) };
sub dead
{
	return "(SELECT count(*) FROM spark_ops.dead_letters(1000) WHERE payload->>'number' LIKE '$_[0]')";
}
$spark->sql("$as_author SELECT spark_bus.emit('shop.again', gen_random_uuid(), '{\"number\": 3000}')");
$spark->wait_for('SELECT ' . dead('3006') . ' = 1', 'B22 a message that begets its successor a moment later is dead after spark.max_depth hops');
is(join(' ', map { $times->($_) } 3000 .. 3006), '1 1 1 1 1 1 0', 'B22 and until then each is handled, and no further one');
$spark->sql("$as_author SELECT spark_bus.emit('shop.twice', gen_random_uuid(), '{\"number\": 4000}')");
$spark->wait_for('SELECT ' . dead('4006') . ' = 64', 'B22 one that begets two of them ends so, too');
is(join(' ', map { $times->($_) } 4000 .. 4006), '1 2 4 8 16 32 0', 'B22 having doubled that often');
is($spark->sql('SELECT count(*) FROM spark_common.delayed'), '0', 'B22 and nothing is left');
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'seen') FROM spark_ops.dead_letters(1000)");
# But one that waits for long may go on for ever: its day is over when the test says so.
$spark->sql("$as_author SELECT spark_bus.emit('shop.daily', gen_random_uuid(), '{\"number\": 5000}')");
for my $day (5001 .. 5008)
{
	$spark->wait_for("SELECT count(*) = 1 FROM spark_common.delayed WHERE payload->>'number' = '$day'");
	$spark->sql("UPDATE spark_common.delayed SET due = now() WHERE payload->>'number' = '$day'");
}
$spark->wait_for('SELECT count(*) = 9 FROM rung WHERE number BETWEEN 5000 AND 5008', 'B22 a timer that waits a minute or longer goes on, oftener than spark.max_depth');
$spark->sql('DELETE FROM spark_common.delayed');
# Just a minute, of a clock that was read before emit() reads its own.
$spark->sql("$as_author SELECT spark_bus.emit('shop.minutely', gen_random_uuid(), '{}')");
$spark->wait_for('SELECT count(*) = 2 FROM spark_common.delayed', 'a handler calls itself back in just a minute');
is($spark->sql('SELECT sum(depth) FROM spark_common.delayed'), '0', 'B22 which is long enough, from now() and from the clock');
$spark->sql('DELETE FROM spark_common.delayed');

# ---- Beside a context that waits for a lock of somebody: another worker moves what is due
my $rude = $spark->node->background_psql('postgres', on_error_stop => 1);
$rude->query_safe('BEGIN; LOCK TABLE spark_dashboard.overviews');
my $person = "'018f0000-0000-7000-8000-00000000000a'";
$spark->sql("SELECT spark_bus.emit('auth.signed_up', $person, jsonb_build_object('account_id', $person, 'username', 'late'))");
$spark->wait_for("SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher' AND wait_event_type = 'Lock'", 'a dispatcher waits');
$spark->sql("$as_author SELECT ring_at(300, clock_timestamp() + interval '100 ms')");
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 300', 'B39 what is due comes all the same');
$rude->query_safe('COMMIT');
$rude->quit;

# ---- Many, over a restart, and by a session
# From there on all consumers share the one dispatcher, for want of worker slots.
$spark->node->append_conf('postgresql.conf', "max_worker_processes = 3\nmax_logical_replication_workers = 0");
$spark->sql("$as_author SELECT count(ring_at(1000, clock_timestamp() + interval '1 s')) FROM generate_series(1, 5000)");
$spark->node->restart;
$spark->wait_for('SELECT count(*) = 5000 FROM rung WHERE number = 1000', 'B39 five thousand at once, over a restart');
# ---- What appears long after it was due comes at once
# Right after its start a worker has looked at all, and does so again after a minute: so this one waits.
my $hour = "INSERT INTO spark_common.delayed SELECT gen_random_uuid(), now() - interval '1 hour', 'shop', gen_random_uuid(), 'shop.alarm',"
	. " jsonb_build_object('number', 1700, 'wanted', clock_timestamp()), 1, gen_random_uuid(), NULL, NULL, 0, 'author', now()";
$spark->sql("$hour; BEGIN; SELECT spark_bus.cancel(id) FROM spark_common.delayed WHERE payload->>'number' = '1700'; ROLLBACK");
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 1700', 'B39 taken back an hour after it was due, and not after all, it comes');
is($spark->sql("SELECT count(*) FROM rung WHERE number = 1700 AND at > wanted + interval '30 s'"), '0', 'B39 and not with the look of every minute');
# In a part of a transaction that is rolled back, and in a prepared one: nobody who took it back is there any more.
sub an_hour_late
{
	my ($number) = @_;
	# Who has moved what is due now looks no further back than a minute.
	$spark->sql("$as_author SELECT ring_at($number + 100, clock_timestamp() + interval '10 ms')");
	$spark->wait_for("SELECT count(*) = 1 FROM rung WHERE number = $number + 100");
	$spark->sql($hour =~ s/1700/$number/r);
	return "SELECT spark_bus.cancel(id) FROM spark_common.delayed WHERE payload->>'number' = '$number'";
}
$spark->sql('BEGIN; SAVEPOINT part; ' . an_hour_late(1703) . '; ROLLBACK TO part; COMMIT');
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 1703', 'B39 so it does where a part of the transaction is rolled back');
$spark->sql('BEGIN; ' . an_hour_late(1705) . "; PREPARE TRANSACTION 'taking'; ROLLBACK PREPARED 'taking'");
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 1705', 'B39 or one that was prepared');
is($spark->sql("SELECT count(*) FROM rung WHERE number IN (1703, 1705) AND at > wanted + interval '30 s'"), '0', 'B39 neither with the look of every minute');
# The same of a transaction that took longer than a minute, where there is the time for that.
if ($ENV{SPARK_PATIENT})
{
	my $long = $spark->node->background_psql('postgres', on_error_stop => 1);
	$long->query_safe("BEGIN; $as_author SELECT ring_at(1701, clock_timestamp() + interval '10 ms')");
	$spark->wait_for("SELECT clock_timestamp() > xact_start + interval '65 s' FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%1701%'");
	$spark->sql("$as_author SELECT ring_at(1702, clock_timestamp())");
	$long->query_safe('COMMIT');
	my $committed = $spark->sql('SELECT clock_timestamp()');
	$long->quit;
	$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 1701', 'B39 committed a minute after it was due it comes');
	is($spark->sql("SELECT count(*) FROM rung WHERE number = 1701 AND at > '$committed'::timestamptz + interval '20 s'"), '0', 'B39 at once');
}
# ---- Beside a backlog: what is due comes between two turns of who is behind
$spark->sql(<<'END');
CREATE TABLE pulled (at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT ALL ON pulled TO author;
CREATE FUNCTION pull(m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	SELECT pg_sleep(0.002); INSERT INTO public.pulled DEFAULT VALUES
$$;
SET ROLE author;
SELECT spark_bus.subscribe('mule', 'shop.load', 'public.pull');
SELECT count(spark_bus.emit('shop.load', gen_random_uuid(), '{}')) FROM generate_series(1, 40000);
END
$spark->wait_for("SELECT detail LIKE '%mule%' FROM spark_ops.health() WHERE check_name = 'worker' AND NOT ok", 'two consumers share a worker') unless $ENV{SPARK_LANES};
$spark->wait_for('SELECT EXISTS (SELECT FROM pulled)', 'one of them is far behind');
$spark->sql("$as_author SELECT ring_at(1500 + n, clock_timestamp() + n * interval '100 ms') FROM generate_series(1, 5) n");
$spark->wait_for('SELECT count(*) = 5 FROM rung WHERE number BETWEEN 1501 AND 1505', 'B39 the other is called in time');
# A turn takes a fifth of a second, which is a hundred of these and no more, however slow the machine.
cmp_ok($spark->sql('SELECT max(passed) FROM (SELECT (SELECT count(*) FROM pulled p WHERE p.at BETWEEN r.wanted AND r.at) AS passed FROM rung r'
	. ' WHERE number BETWEEN 1501 AND 1505) l'), '<=', 500, 'B39 before many of the forty thousand have passed');
cmp_ok($spark->sql("SELECT lag_messages FROM spark_ops.bus_status() WHERE consumer = 'mule' ORDER BY 1 DESC LIMIT 1"), '>', 1000, 'who are still behind');
$spark->sql("$as_author SELECT spark_bus.unsubscribe('mule', 'shop.load')");

# ---- Too many: seen, and in the end refused, also to handlers, whose consumer waits for room
$spark->set('spark.delayed_soft_limit', 50);
$spark->set('spark.delayed_hard_limit', 100);
my $delayed = "FROM spark_ops.health() WHERE check_name = 'delayed'";
$spark->wait_for("SELECT ok $delayed", 'few messages wait');
$spark->sql("$as_author SELECT count(ring_at(1, now() + interval '1 day')) FROM generate_series(1, 60)");
$spark->sql("$as_author SELECT spark_bus.emit('shop.other', gen_random_uuid(), '{}', deliver_at => now() + interval '1 day')");
$spark->wait_for("SELECT NOT ok AND detail ~ '^about 6\\d messages wait until they are due; of the next 6\\d, 60 are shop.alarm, emitted by author;' $delayed", 'B45 many are too many, and whose they are is said');
like($spark->sql('SELECT spark_ops.metrics()'), qr/^spark_delayed_messages 6\d$/m, 'as it is to who collects figures');
$spark->sql("$as_author SELECT count(ring_at(1, now() + interval '1 day')) FROM generate_series(1, 60)");
my ($refused, $why) = $spark->try_sql("$as_author SELECT ring_at(1, now() + interval '1 day')");
is($refused, 'SP008', 'B37 at the hard limit nobody delays another one');
like($why, qr/About 12\d messages wait until they are due, and spark\.delayed_hard_limit is 100\./, 'and is told why');
is(($spark->try_sql("$as_author SELECT spark_bus.emit('shop.other', gen_random_uuid(), '{}')"))[0], '', 'what is due at once is taken');
$spark->sql("$as_author SELECT spark_bus.emit('shop.daily', gen_random_uuid(), '{\"number\": 6000}')");
$spark->wait_for("SELECT NOT ok AND detail ~ 'bell: .*too many messages are waiting' FROM spark_ops.health() WHERE check_name = 'paused'", 'B37 a handler that would delay one has its consumer wait');
is($times->(6000) . $spark->sql('SELECT sum(parked + dead) FROM spark_ops.bus_status()'), '00', 'and is not blamed');
$spark->sql('DELETE FROM spark_common.delayed');
$spark->wait_for('SELECT count(*) = 1 FROM rung WHERE number = 6000', 'B37 it goes on once there is room');
$spark->wait_for("SELECT ok $delayed", 'and all is well');

# ---- By hand: rolled back, they are due again
$spark->serve('');
$spark->sql("INSERT INTO spark_common.delayed SELECT gen_random_uuid(), now() - n * interval '1 hour', 'shop', gen_random_uuid(), 'shop.alarm',"
	. " jsonb_build_object('number', 1600 + n, 'wanted', now()), 1, gen_random_uuid(), NULL, NULL, 0, 'author', now() FROM generate_series(1, 2) n");
is($spark->sql('BEGIN; SELECT spark_bus.dispatch(); ROLLBACK; SELECT spark_bus.dispatch(); SELECT spark_bus.dispatch()'), "2\n2\n2", 'what is rolled back is still due, however long it has been');
is($spark->sql('SELECT count(*) FROM rung WHERE number IN (1601, 1602)'), '2', 'and comes');
$spark->sql("$as_author SELECT ring_at(2000, clock_timestamp() + interval '50 ms')");
$spark->wait_for("SELECT spark_bus.dispatch() >= 0 AND EXISTS (SELECT FROM rung WHERE number = 2000)", 'dispatch() handles what is due, too');
is($spark->sql("SELECT count(*) FROM spark_ops.dead_letters()"), '0', 'no message is dead');
$spark->stop;
done_testing();
