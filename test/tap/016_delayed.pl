# 016_delayed.pl
#		Messages that are due later: never early, seldom late, and taken back in time
#		or not at all.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(conf => "spark.dispatch_naptime = 300\nspark.max_depth = 5");

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
	IF n < 12 THEN
		PERFORM spark_bus.emit('shop.again', (m).aggregate_id, jsonb_build_object('number', n + 1),
			deliver_at => clock_timestamp() + interval '20 ms');
	END IF;
END $$;
CREATE FUNCTION ring_at(n int, due timestamptz) RETURNS uuid LANGUAGE sql AS $$
	SELECT spark_bus.emit('shop.alarm', '018f0000-0000-7000-8000-000000000001', jsonb_build_object('number', n, 'wanted', due), deliver_at => due)
$$;
SET ROLE author;
SELECT spark_bus.subscribe('bell', 'shop.alarm', 'public.ring');
SELECT spark_bus.subscribe('bell', 'shop.again', 'public.again');
END

my $as_author = 'SET ROLE author; ';

# ---- B39: when
$spark->sql("$as_author SELECT ring_at(n, clock_timestamp() + n * interval '100 ms') FROM generate_series(1, 20) n");
$spark->sql("$as_author SELECT ring_at(0, clock_timestamp() - interval '1 hour')");
is($spark->sql("SELECT sum(lag_messages) FROM spark_ops.bus_status() WHERE consumer = 'bell' AND lag_messages > 1") || 0, '0', 'what waits is no lag');
$spark->wait_for('SELECT count(*) = 21 FROM rung', 'B39 each rings');
is($spark->sql('SELECT count(*) FROM rung WHERE number > 0 AND at < wanted'), '0', 'B39 none too early');
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

# ---- A handler that calls itself back goes on for ever
$spark->sql("$as_author SELECT spark_bus.emit('shop.again', gen_random_uuid(), '{\"number\": 1}')");
# The first twelve of before are there, too.
$spark->wait_for('SELECT count(*) = 2 FROM rung WHERE number = 12', 'a message may beget its successor more often than spark.max_depth');

# ---- Many, over a restart, and by a session
$spark->sql("$as_author SELECT count(ring_at(1000, clock_timestamp() + interval '1 s')) FROM generate_series(1, 5000)");
$spark->node->restart;
$spark->wait_for('SELECT count(*) = 5000 FROM rung WHERE number = 1000', 'B39 five thousand at once, over a restart');
$spark->serve('');
$spark->sql("$as_author SELECT ring_at(2000, clock_timestamp() + interval '50 ms')");
$spark->wait_for("SELECT spark_bus.dispatch() >= 0 AND EXISTS (SELECT FROM rung WHERE number = 2000)", 'dispatch() handles what is due, too');
is($spark->sql("SELECT count(*) FROM spark_ops.dead_letters()"), '0', 'no message is dead');
$spark->stop;
done_testing();
