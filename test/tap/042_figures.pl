# 042_figures.pl
#		Figures that are times: of an idle machine, and only where they are asked
#		for by SPARK_FIGURES=1.  What makes them so is tested elsewhere, by order and
#		by counts (011, 012, 016, 027).
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

plan skip_all => 'times are measured where SPARK_FIGURES is set' unless $ENV{SPARK_FIGURES};

my $spark = Spark->start(conf => "spark.max_depth = 10000\nspark.transaction_max_messages = 0");
my $bus = Bus->new($spark);
$bus->listen($_, 'shop.sold') for qw(plain other);

# How long 400 messages take from their emit to their handler, 99 of 100, in milliseconds.
sub p99
{
	my ($consumer, $key) = @_;
	$bus->author(join('', map { 'SELECT ' . $bus->emission('shop.sold', $key, $_) . '; SELECT pg_sleep(0.01);' } 1 .. 400));
	$spark->wait_for("SELECT count(*) = 400 FROM shop.seen WHERE consumer = '$consumer' AND key = '" . $bus->key($key) . "'");
	my $ms = $spark->sql("SELECT round((extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY s.at - o.created_at)) * 1000)::numeric, 1)"
		. " FROM shop.seen s JOIN spark_common.outbox o USING (id) WHERE consumer = '$consumer' AND key = '" . $bus->key($key) . "'");
	note("$consumer, key $key: p99 $ms ms");
	return $ms;
}

# ---- B22: beside a handler that emits to itself for ever
my $quiet = p99('plain', 1);
my $round = $bus->key(2);
$bus->handler('plain', "IF m.aggregate_id = '$round' THEN PERFORM spark_bus.emit('shop.sold', m.aggregate_id, m.payload); END IF;");
$bus->emit('shop.sold', 2, 0);
my $looping = p99('plain', 3);
cmp_ok($looping, '<=', 2 * $quiet + 1, "B22 p99 beside an endless loop ($quiet, $looping ms)");
$bus->handler('plain');
$bus->status_becomes($_, '0 0 0') for qw(plain other);

# ---- B16: beside a handler of 60 s
$bus->handler('slow', "IF m.payload->>'n' = '1' THEN PERFORM pg_sleep(60); END IF;");
$bus->subscribe('slow', 'shop.slow');
$bus->emit('shop.slow', 4, 1);
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event = 'PgSleep'");
my $beside = p99('plain', 5);
cmp_ok($beside, '<=', 2 * $quiet + 1, "B16 p99 beside a handler of 60 s ($quiet, $beside ms)");
is($bus->status('slow'), '1 0 0', 'B16 which has not ended meanwhile');
$spark->wait_for("SELECT count(*) = 1 FROM spark_common.retry WHERE consumer = 'slow' AND attempts = 1 AND error_code = '57014'", 'B16 its limit ends it, and that is an attempt');
my $ended = $spark->sql("SELECT round(extract(epoch FROM r.first_failed_at - o.created_at)) FROM spark_common.retry r JOIN spark_common.outbox o USING (id)");
cmp_ok($ended, '>=', 30, "B16 after spark.handler_timeout, which is 30 s ($ended s)");
cmp_ok($ended, '<', 60, 'B16 which it takes once');
$bus->handler('slow');
$bus->comes('slow', 4, '1', 'B16 mended, it is handled');

# ---- B39: beside a backlog of 40,000 of the contexts
$bus->handler('bell', "PERFORM pg_sleep(0);");
$bus->subscribe('bell', 'shop.alarm');
$spark->sql("SELECT count(spark_bus.emit('auth.signed_up', id, jsonb_build_object('account_id', id, 'username', 'name' || n)))"
	. ' FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, 40000) AS n) people');
$bus->author("CREATE TABLE shop.due AS SELECT n, clock_timestamp() + n * interval '50 ms' AS due FROM generate_series(1, 60) n;"
	. " SELECT spark_bus.emit('shop.alarm', gen_random_uuid(), jsonb_build_object('n', n), deliver_at => due) FROM shop.due");
# And of just now, all the time.
$bus->author(join('', map { "SELECT spark_bus.emit('shop.alarm', gen_random_uuid(), jsonb_build_object('n', 0, 'at', clock_timestamp())); SELECT pg_sleep(0.05);" } 1 .. 100));
cmp_ok($spark->sql("SELECT max(lag_messages) FROM spark_ops.bus_status()"), '>', 1000, 'contexts are behind');
$spark->wait_for("SELECT count(*) = 60 FROM shop.seen WHERE consumer = 'bell' AND n > 0", 'B39 each comes');
is($spark->sql("SELECT count(*) FROM shop.due d JOIN shop.seen s ON s.consumer = 'bell' AND s.n = d.n"
	. " JOIN (shop.seen t JOIN spark_common.outbox o USING (id)) ON t.consumer = 'bell' AND t.n = 0 AND o.created_at > d.due + interval '1 s' AND t.place < s.place"),
	'0', 'B39 and before what was emitted a second after it was due');
my $late = $spark->sql("SELECT round((extract(epoch FROM max(s.at - d.due)) * 1000)::numeric) FROM shop.due d JOIN shop.seen s ON s.consumer = 'bell' AND s.n = d.n");
cmp_ok($late, '<=', 1000, "B39 no more than a second late ($late ms)");
is($spark->sql("SELECT count(*) FROM shop.due d JOIN shop.seen s ON s.consumer = 'bell' AND s.n = d.n WHERE s.at < d.due"), '0', 'B39 and never early');
$spark->stop;
done_testing();
