# 028_seen.pl
#		What is seen from outside with more consumers than there are workers, and who
#		holds things up.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(conf => "max_worker_processes = 16\nspark.retry_base_delay = 50");
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
health_says('snapshot', 'true', "held by pid $pid \\(client backend\\) for \\d+ s: SELECT pg_backend_pid\\(\\) /\\* 4711 \\*/",
	'B45 health names the pid and the query that hold the oldest snapshot');
$reader->query_safe('COMMIT');
$reader->quit;

# ---- A missing worker
$spark->serve('');
health_says('worker', 'false', 'no dispatcher serves this database', 'B45 health misses the dispatcher');
$bus->author("SELECT count(spark_bus.emit(CASE WHEN n % 20 = 0 THEN 'shop.other' ELSE 'shop.lame' END, gen_random_uuid(), '{\"n\": 1}')) FROM generate_series(1, 9000) n");
my $lag = "SELECT sum(lag_messages), max(lag_seconds) > 0 FROM spark_ops.bus_status() WHERE consumer = 'lame'";
is($spark->sql($lag), '8550|t', 'X49 up to ten thousand behind it are counted');
$bus->author("SELECT count(spark_bus.emit('shop.other', '" . $bus->key(9) . "', '{\"n\": 1}')) FROM generate_series(1, 21000) n");
like($spark->sql($lag), qr/^(?:2[1-9]|3\d)\d\d\d\|t$/, 'X49 and beyond, the log is not read for it');
$spark->serve('postgres');
$spark->wait_for("SELECT detail !~ 'no dispatcher' FROM spark_ops.health() WHERE check_name = 'worker'", 'B45 until it is there');
$spark->wait_for("SELECT sum(lag_messages) = 0 FROM spark_ops.bus_status() WHERE consumer = 'lame'", 'and it catches up');
$spark->stop;
done_testing();
