# 015_rotation.pl
#		Segments of the log are emptied when everybody has left them behind, and
#		never before.
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(conf => join("\n", 'max_prepared_transactions = 10', "spark.segment_size = '64kB'",
	'spark.segment_age = 1s', 'spark.segment_retention = 0', 'spark.dispatch_naptime = 50'));

$spark->sql(<<'END');
CREATE TABLE heard (number int PRIMARY KEY);
CREATE FUNCTION hear(m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.heard VALUES (((m).payload->>'number')::int)
$$;
SELECT spark_bus.subscribe('ear', 'shop.rung', 'public.hear');
CREATE FUNCTION ring(first int, last int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(spark_bus.emit('shop.rung', gen_random_uuid(), jsonb_build_object('number', n)))
	FROM generate_series(first, last) n
$$;
END

my $in_log = 'SELECT count(*) FROM spark_common.outbox';
my $written_to = 'SELECT segment FROM spark_common.lane_segment WHERE lane = 0';
my $last = 0;
my $lanes = $spark->sql('SELECT spark_ops.lanes()');

# Rings that often, each time in a transaction of its own.
sub ring
{
	my ($times, $each) = @_;
	for (1 .. $times)
	{
		$spark->sql("SELECT ring($last + 1, $last + $each)");
		$last += $each;
	}
	return;
}

sub all_heard
{
	my ($name) = @_;
	$spark->wait_until_drained;
	return is($spark->sql("SELECT count(*), max(number) FROM heard"), "$last|$last", $name);
}

# ---- In turn, and empty again
ring(3, 2000);
all_heard('what passes over segments is heard once');
$spark->wait_for("SELECT ($in_log) = 0", 'and the log is empty again, of what was handled');
ok($spark->sql("SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relname ~ '^outbox_0_[0-9]\$'") <= 8192 * 300, 'no segment is large');

# ---- B35: who emitted long ago
$spark->sql("BEGIN; SELECT ring(1000001, 1000001); PREPARE TRANSACTION 'slow'");
my $reader = $spark->node->background_psql('postgres', on_error_stop => 1);
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$reader->query_safe('SELECT count(*) FROM heard');
ring(2, 1500) for 1 .. 3;
$spark->wait_until_drained;
$reader->query_safe('SELECT ring(1000002, 1000002)');
$reader->query_safe('COMMIT');
$reader->quit;
$spark->wait_for("UPDATE spark_common.lane_segment SET since = since - interval '1 hour'; SELECT detail LIKE '%cannot be emptied: prepared transaction slow holds a lock on it%' FROM spark_ops.health() WHERE check_name = 'rotation' AND NOT ok",
	'B45 health names a prepared transaction that keeps the log from being emptied');
$spark->sql("COMMIT PREPARED 'slow'");
$spark->wait_for('SELECT count(*) = 2 FROM heard WHERE number > 1000000', 'B35 B4 a prepared emitter, and one of an old snapshot, lose nothing by rotation');
$spark->sql('DELETE FROM heard WHERE number > 1000000');
all_heard('nor does anybody else');

# ---- B45: a consumer that stands still
$spark->sql('ALTER FUNCTION hear(spark_bus.message) RENAME TO deaf');
# More than one segment holds: the one written to is left, and the next is not emptied.
my $first = $spark->sql($written_to);
for (1 .. 100)
{
	ring(1, 1500);
	last if $spark->sql($written_to) ne $first;
}
$spark->wait_for("SELECT ok = false FROM spark_ops.health() WHERE check_name = 'paused'", 'a consumer without handler is paused');
cmp_ok($spark->sql($in_log), '>=', 1500, 'and what it has not heard stays in the log');
# Each time, as another segment may have become the one written to just then.
$spark->wait_for("UPDATE spark_common.lane_segment SET since = since - interval '1 hour'; SELECT detail LIKE '%consumer ear has not delivered it%' FROM spark_ops.health() WHERE check_name = 'rotation' AND NOT ok",
	'B45 health names who keeps the log from being emptied');
$spark->sql('ALTER FUNCTION deaf(spark_bus.message) RENAME TO hear');
all_heard('it hears all of it once it can');
$spark->wait_for("SELECT ($in_log) = 0", 'and then the log is empty');

# ---- B33: a dump in the middle of it
# Somebody rings all the while, and notes what he has rung; each copy has to hear what was rung when it was taken.
$spark->sql(<<'END');
CREATE TABLE rung (number int PRIMARY KEY);
CREATE TABLE enough ();
CREATE PROCEDURE ring_on(number int) LANGUAGE plpgsql AS $$
BEGIN
	WHILE to_regclass('public.enough') IS NOT NULL LOOP
		INSERT INTO rung SELECT n FROM generate_series(number, number + 19) n;
		PERFORM ring(number, number + 19);
		COMMIT;
		number := number + 20;
		PERFORM pg_sleep(0.002);
	END LOOP;
END $$;
END
$spark->sql('DELETE FROM heard');
# A dump has a moment between its snapshot and its locks.
$spark->set('spark.segment_retention', '2');
my $dumps = $ENV{SPARK_DUMPS} || 5;
my @dumps = map { $spark->node->basedir . "/dump$_" } 1 .. $dumps;
my $ringing = IPC::Run::start([ 'psql', '-XqAt', '-d', $spark->node->connstr('postgres'), '-c', "CALL ring_on($last + 1)" ], '>', \my $said, '2>', \my $wrong);
for my $dump (@dumps)
{
	my $before = $spark->sql($written_to);
	$spark->wait_for("SELECT ($written_to) <> $before");
	my ($out, $err) = run_command([ 'pg_dump', '-d', $spark->node->connstr('postgres'), '-f', $dump ]);
	is($err, '', 'B33 a dump while it is rung and rotated');
}
$spark->sql('DROP TABLE enough');
$ringing->finish;
is($wrong, '', 'it was rung all the while');
my $agree = 'SELECT count(*) > 0 AND count(*) = count(r.number) AND count(*) = count(h.number) FROM rung r FULL JOIN heard h USING (number)';
$spark->wait_until_drained;
is($spark->sql($agree), 't', 'B33 and nothing is lost by it');
$last = $spark->sql('SELECT max(number) FROM rung');

# The copies, which begin to work as soon as they are there.
my @copies = map { "copy$_" } 1 .. $dumps;
$spark->sql("CREATE DATABASE $_") for @copies;
$spark->set('spark.databases', join(', ', map { "'$_'" } 'postgres', @copies));
for my $number (0 .. $#copies)
{
	my $copy = Spark->around($spark->node, $copies[$number]);
	$spark->node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $spark->node->connstr($copies[$number]), '-f', $dumps[$number] ], 'B33 the dump is restored');
	$copy->wait_for("SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND datname = current_database()");
	$copy->wait_until_drained;
	is($copy->sql($agree), 't', 'B33 the copy hears what had been rung, each once');
	my $before = $copy->sql($written_to);
	$copy->sql("INSERT INTO rung SELECT generate_series($last + 1, $last + 1000); SELECT ring($last + 1, $last + 1000)");
	$copy->wait_for("SELECT ($written_to) <> $before AND ($in_log) = 0", 'B33 and rotates');
	$copy->wait_until_drained;
	is($copy->sql($agree), 't', 'with what is rung there');
	$copy->serve(grep { $_ ne $copies[$number] } 'postgres', @copies[ $number .. $#copies ]);
	$spark->sql("DROP DATABASE $copies[$number]");
}
$spark->set('spark.segment_retention', '0');

is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');

# ---- B36: one that is gone for good
is(($spark->try_sql("SELECT spark_ops.resync('ear', 'why not')"))[0], 'SP010', 'who is not detached cannot begin anew');
$spark->set('spark.subscriber_max_lag', '3');
$spark->sql('ALTER FUNCTION hear(spark_bus.message) RENAME TO deaf');
my $missed = $last + 1;
for (1 .. 600)
{
	ring(1, 300);
	last if $spark->sql('SELECT count(*) FROM spark_common.detached') > 0;
}
$spark->wait_for("SELECT detail LIKE '%ear: it is detached%' FROM spark_ops.health() WHERE check_name = 'paused' AND NOT ok", 'B36 health names who was detached');
$spark->wait_for("SELECT count(*) FILTER (WHERE pg_relation_size('spark_common.outbox_0_' || s) > 0) <= 1 FROM generate_series(0, 2) s", 'B36 and the log is emptied');
is($spark->sql("SELECT count(*) FROM spark_common.operator_log WHERE action = 'detach' AND consumer = 'ear'"), '1', 'the gap is recorded');
$spark->sql('ALTER FUNCTION deaf(spark_bus.message) RENAME TO hear');
# However slow the machine is.
$spark->set('spark.subscriber_max_lag', '0');
$spark->sql("SELECT spark_ops.resync('ear', 'it is mended, and has read the books')");
ring(1, 10);
$spark->wait_for("SELECT max(number) = $last FROM heard", 'B36 it hears what comes from now on');
is($spark->sql("SELECT count(*) FROM heard WHERE number = $missed"), '0', 'and nothing of what it has missed');

# ---- B36: one that an operator has paused is not gone, however long he takes
$spark->set('spark.subscriber_max_lag', '3600');
$spark->sql("SELECT spark_ops.pause_consumer('ear', 'its author is asked')");
my $age = "UPDATE spark_common.cursor_log SET at = at - interval '2 hours' WHERE at > now() - interval '1 hour'";
$missed = $last + 1;
$spark->sql($age);
for (1 .. 20)
{
	ring(1, 300);
	$spark->sql('SELECT spark_ops.rotate()');
}
is($spark->sql('SELECT count(*) FROM spark_common.detached'), '0', 'B36 one that is paused is not detached');
$spark->sql("SELECT spark_ops.resume_consumer('ear', 'its author has said so')");
$spark->wait_for("SELECT count(DISTINCT number) = $last - $missed + 1 FROM heard WHERE number >= $missed", 'B36 it hears all when it goes on');
$spark->sql(<<'END');
CREATE FUNCTION lose(m spark_bus.message) RETURNS void LANGUAGE sql AS '';
SELECT spark_bus.subscribe('gone', 'shop.rung', 'public.lose');
ALTER FUNCTION lose(spark_bus.message) RENAME TO lost;
END
# What it has not heard is of just now: before that, there was nothing to hear.
for (1 .. 20)
{
	$spark->sql("$age AND consumer = 'gone'");
	ring(1, 300);
	$spark->sql('SELECT spark_ops.rotate()');
}
is($spark->sql('SELECT count(*) FROM spark_common.detached'), '0', 'B36 one that had nothing to hear for long has its time from then on');

# As if a consumer had stood still in a lane for so long, with messages there.
sub stood_still
{
	my ($consumer, $lane, $long) = @_;
	my $then = "clock_timestamp() - interval '$long'";
	$spark->sql(join(';', "UPDATE spark_common.cursor_log SET at = $then WHERE consumer = '$consumer' AND lane = $lane",
		map { "UPDATE spark_common.outbox_${lane}_$_ SET created_at = $then" } 0 .. 2));
	return;
}

for (1 .. 100)
{
	ring(1, 300);
	stood_still('gone', $_, '2 hours') for 0 .. $lanes - 1;
	$spark->sql('SELECT spark_ops.rotate()');
	last if $spark->sql('SELECT count(*) FROM spark_common.detached') > 0;
}
is($spark->sql("SELECT string_agg(consumer, ' ') FROM spark_common.detached"), 'gone', 'B36 who stands still by himself is');
is($spark->sql("SELECT operator IS NOT NULL, reason ~ 'subscriber_max_lag', (before->>'heard_until')::timestamptz < now() - interval '1 hour' FROM spark_ops.operations() WHERE consumer = 'gone'"),
	't|t|t', 'B36 which is recorded with who and why, and until when it had heard');
$spark->sql("SELECT spark_bus.unsubscribe('gone', 'shop.rung')");

# ---- B36: one that goes on in other lanes stands still in its own
$spark->wait_for_success('SELECT spark_ops.set_lanes(' . 2 * $lanes . ')', 'there are more lanes');
$spark->sql(<<'END');
CREATE TABLE poison (number int);
CREATE FUNCTION half_hear(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	IF EXISTS (SELECT FROM public.poison WHERE number = ((m).payload->>'number')::int) THEN RAISE EXCEPTION 'poison'; END IF;
END $$;
SELECT spark_bus.subscribe('half', 'shop.rung', 'public.half_hear', 1, ordering => 'lane');
END
$spark->sql('INSERT INTO poison VALUES (' . ($last + 1) . ')');
ring(1, 300);
$spark->wait_for("SELECT count(*) = 1 FROM spark_ops.dead_letters(of_consumer => 'half')", 'a dead letter holds up a lane');
my $lane = $spark->sql("SELECT lane FROM spark_ops.bus_status() WHERE consumer = 'half' AND dead = 1");
$spark->set('spark.segment_retention', '0');
sub until_said
{
	my ($long, $done) = @_;
	for (1 .. 60)
	{
		ring(1, 300);
		stood_still('half', $lane, $long);
		$spark->sql('SELECT spark_ops.rotate()');
		last if $done->();
	}
	return $done->();
}
ok(until_said('40 minutes', sub { slurp_file($spark->node->logfile) =~ /spark consumer "half" stands still and keeps lane $lane of the log/ }), 'B36 half of its time before, an alarm is in the log');
is($spark->sql('SELECT count(*) FROM spark_common.detached'), '0', 'B36 and it is not detached yet');
$spark->wait_for("UPDATE spark_common.lane_segment SET since = since - interval '1 hour'; SELECT detail ~ 'outbox_${lane}_. cannot be emptied: consumer half has not delivered it, and is detached at 20' FROM spark_ops.health() WHERE check_name = 'rotation' AND NOT ok",
	'B36 and health says when it will be');
ok(until_said('2 hours', sub { $spark->sql('SELECT count(*) FROM spark_common.detached') > 0 }), 'B36 then it is, though it goes on in other lanes');
is($spark->sql("SELECT string_agg(consumer, ' ') FROM spark_common.detached"), 'half', 'B36 and nobody else');
$spark->wait_for_success('SELECT spark_ops.set_lanes(' . 4 * $lanes . ')', 'the lanes are changed beside one that is detached');
is($spark->sql("SELECT count(*) FROM spark_common.cursor_log WHERE consumer = 'half'"), '0', 'B36 which brings it back to none of them');
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'it was poison') FROM spark_ops.dead_letters()");
$spark->sql('TRUNCATE poison');
$spark->sql("SELECT spark_ops.resync('half', 'it is mended')");
ring(1, 10);
$spark->wait_until_drained('B36 an operator does, and it hears what comes');
is($spark->sql("SELECT sum(handled) >= 10 FROM spark_ops.bus_status() WHERE consumer = 'half'"), 't', 'B36 in all lanes');
$spark->sql('ALTER SYSTEM RESET spark.subscriber_max_lag');
$spark->sql('SELECT pg_reload_conf()');
$spark->wait_for("SELECT current_setting('spark.subscriber_max_lag') = '7d'", 'B36 unless it is said otherwise, that is after a week: nobody pins the log for ever');
$spark->stop;
done_testing();
