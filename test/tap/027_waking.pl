# 027_waking.pl
#		A commit wakes the workers at every moment: also while somebody else's
#		transaction is open, and while one of them waits for a lock, which resets its
#		latch.  They look by themselves once an hour here, so that who is not woken is
#		missed.
#
#		SPARK_LATENCIES is the number of messages whose times are noted.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

# The timer of a wait for a lock goes off later, and would wake the worker, too.
my $spark = Spark->start(conf => "deadlock_timeout = '10min'");
my $bus = Bus->new($spark);

$spark->sql('SELECT spark_ops.set_lanes(2)');
$bus->listen('plain', 'shop.done');

# A key of each lane: a worker comes to the first lane first.
sub key_of
{
	my ($lane) = @_;
	for my $key (1 .. 100)
	{
		$bus->emit('shop.unwanted', $key, 0);
		return $key if $spark->sql("SELECT count(*) FROM spark_common.outbox_$lane WHERE aggregateid = '" . $bus->key($key) . "'");
	}
	die "no key of lane $lane";
}
my $key = key_of(0);
my $other = key_of(1);
$spark->wait_until_drained;

# Longer than a test has patience.
$spark->set('spark.dispatch_naptime', "'1h'");
$bus->emit('shop.done', $key, 1);
$bus->comes('plain', $key, '1', 'B28 a commit wakes the worker');

# ---- B5: nobody waits for a stranger, who has written and does not end
{
	my $many = $ENV{SPARK_LATENCIES} || 200;
	$spark->sql(<<'END');
CREATE TABLE latency (open bool, ms float8);
CREATE TABLE written (n int);
-- One message at a time, until its worker has heard it.
CREATE PROCEDURE measure(number int, which uuid, open bool) LANGUAGE plpgsql AS $$
DECLARE
	emitted timestamptz;
	message uuid;
BEGIN
	FOR i IN 1 .. number LOOP
		message := spark_bus.emit('shop.timed', which, jsonb_build_object('n', i));
		emitted := clock_timestamp();
		COMMIT;
		WHILE NOT EXISTS (SELECT FROM shop.seen WHERE id = message) LOOP
			ASSERT clock_timestamp() < emitted + interval '60 s', 'nobody was woken';
			PERFORM pg_sleep(0.0005);
		END LOOP;
		INSERT INTO latency SELECT open, 1000 * extract(epoch FROM at - emitted) FROM shop.seen WHERE id = message;
	END LOOP;
END $$;
CREATE INDEX ON shop.seen (id);
END
	$bus->listen('timed', 'shop.timed');
	$spark->sql('CREATE DATABASE strange');
	$spark->node->safe_psql('strange', 'CREATE TABLE written (n int)');
	my $measure = sub {
		my ($open) = @_;
		my ($sqlstate, $out) = $spark->try_sql("CALL measure($many / 2, '" . $bus->key($key) . "', $open)");
		is($sqlstate, '', "B5 each of " . $many / 2 . " messages wakes its worker, " . ($open eq 'true' ? 'while transactions that have written are open' : 'while nobody else works'))
		  or diag($out);
	};
	for (1 .. 2)
	{
		$measure->('false');
		my @open = map { $spark->node->background_psql($_, on_error_stop => 1) } 'strange', 'postgres';
		$_->query_safe('BEGIN; INSERT INTO written VALUES (1)') for @open;
		$open[1]->query_safe('SELECT ' . $bus->emission('shop.unwanted', $key, 0));
		$measure->('true');
		$_->query_safe('ROLLBACK') for @open;
		$_->quit for @open;
	}
	$bus->author("SELECT spark_bus.unsubscribe('timed', 'shop.timed')");
	note("B5 p50 and p99 in ms: $_") for split(/\n/, $spark->sql("SELECT CASE WHEN open THEN 'beside open transactions' ELSE 'alone' END,"
		. ' round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 2), round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 2) FROM latency GROUP BY open'));
}

for my $n (2 .. 4)
{
	my $locker = $spark->node->background_psql('postgres', on_error_stop => 1);

	# Rolled back, it wakes nobody, but the second lane is looked into.
	$bus->author('BEGIN; SELECT ' . $bus->emission('shop.unwanted', $other, 0) . '; ROLLBACK');
	$locker->query_safe('BEGIN; LOCK TABLE ' . join(', ', map { "spark_common.outbox_1_$_" } 0 .. 2) . ' IN ACCESS EXCLUSIVE MODE');
	# Wakes all, with nothing to do in the first lane; and then it waits in the second.
	$bus->subscribe('plain', 'shop.done');
	$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event_type = 'Lock'");
	$bus->emit('shop.done', $key, $n);
	$locker->query_safe('COMMIT');
	$locker->quit;
	$bus->comes('plain', $key, join(',', 1 .. $n), "B28 also one that waits for a lock of another lane just then: $n");
}
$spark->stop;
done_testing();
