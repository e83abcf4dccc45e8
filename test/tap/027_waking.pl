# 027_waking.pl
#		A commit wakes the workers at every moment: also while somebody else's
#		transaction is open, and while one of them waits for a lock, which resets its
#		latch.  They look by themselves once an hour here, so that who is not woken is
#		missed.
#
#		SPARK_LATENCIES is the number of messages whose times are taken, beside each.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

# The timer of a wait for a lock goes off later, and would wake the worker, too.
my $spark = Spark->start(conf => "deadlock_timeout = '10min'\nspark.handler_timeout = '1h'\nspark.max_depth = 10000");
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

# ---- B5, B16, B22: what others do delays nobody
#
# The same messages, in rounds: alone, and beside somebody who would hold them up.
# As nobody looks by himself, one that waited for anything would not come at all.
# What is judged besides is how long they take to their handler, by the median of
# the rounds against the median of the rounds alone, with a wide margin: on a busy
# machine the slowest of a round tells of the machine.  A long run is judged by
# what is required.
{
	my $is_long = defined $ENV{SPARK_LATENCIES};
	my $rounds = $is_long ? 5 + int($ENV{SPARK_LATENCIES} / 100) : 5;
	my $each = int(($ENV{SPARK_LATENCIES} || 150) / $rounds);
	my $turn = 0;

	$spark->sql(<<'END');
CREATE TABLE latency (beside text, round int, ms float8);
CREATE TABLE written (n int);
-- One message at a time, through both lanes, until its worker has heard it.
CREATE PROCEDURE measure(number int, keys uuid[], beside text, round int) LANGUAGE plpgsql AS $$
DECLARE
	emitted timestamptz;
	message uuid;
BEGIN
	FOR i IN 1 .. number LOOP
		message := spark_bus.emit('shop.timed', keys[i % 2 + 1], jsonb_build_object('n', i));
		emitted := clock_timestamp();
		COMMIT;
		WHILE NOT EXISTS (SELECT FROM shop.seen WHERE id = message) LOOP
			ASSERT clock_timestamp() < emitted + interval '60 s', 'nobody was woken';
			PERFORM pg_sleep(0.0005);
		END LOOP;
		INSERT INTO latency SELECT beside, round, 1000 * extract(epoch FROM at - emitted) FROM shop.seen WHERE id = message;
	END LOOP;
END $$;
CREATE INDEX ON shop.seen (id);
END
	$bus->author('CREATE TABLE shop.turning (consumer text)');
	my $again = sub { my ($consumer) = @_; return "IF m.type LIKE 'shop.round%' AND EXISTS (SELECT FROM shop.turning WHERE consumer = '$consumer')"
		. ' THEN PERFORM spark_bus.emit(m.type, m.aggregate_id, m.payload); END IF;' };
	$bus->handler('timed', $again->('timed'));
	$bus->handler('other', $again->('other'));
	$bus->handler('asleep', 'PERFORM pg_advisory_xact_lock(16);');
	$bus->subscribe(@$_) for [ 'timed', 'shop.timed' ], [ 'timed', 'shop.round.timed' ], [ 'other', 'shop.round.other' ], [ 'asleep', 'shop.asleep' ];
	$spark->sql('CREATE DATABASE strange');
	$spark->node->safe_psql('strange', 'CREATE TABLE written (n int)');
	my ($stranger, $neighbour, $keeper) = map { $spark->node->background_psql($_, on_error_stop => 1) } qw(strange postgres postgres);

	# [what is to be begun, what ends it, how many times as long messages may take, and what is required]
	my $turns = sub { my ($consumer) = @_; return "(SELECT count(*) FROM shop.seen WHERE consumer = '$consumer' AND type = 'shop.round.$consumer')" };
	my $loop = sub {
		my ($consumer) = @_;
		return [
			sub {
				# A key of its own each time, for the case that the last one has come to its end.
				$bus->author("DELETE FROM shop.seen WHERE type = 'shop.round.$consumer'; INSERT INTO shop.turning VALUES ('$consumer'); SELECT "
					. $bus->emission("shop.round.$consumer", 1000 + ++$turn, 0));
				$spark->wait_for('SELECT ' . $turns->($consumer) . ' > 3');
				return $spark->sql('SELECT ' . $turns->($consumer));
			},
			sub {
				my ($before) = @_;
				cmp_ok($spark->sql('SELECT ' . $turns->($consumer)), '>', $before, "B22 meanwhile $consumer has emitted to itself");
				$bus->author("DELETE FROM shop.turning WHERE consumer = '$consumer'");
				$bus->status_becomes($consumer, '0 0 0');
			},
			10, 2 ];
	};
	my %beside = (
		'B5 transactions of this and of another database that have written and are open' => [
			sub {
				$_->query_safe('BEGIN; INSERT INTO written VALUES (1)') for $stranger, $neighbour;
				$neighbour->query_safe('SELECT ' . $bus->emission('shop.unwanted', $key, 0));
			},
			sub { $_->query_safe('ROLLBACK') for $stranger, $neighbour },
			4, 1.2 ],
		'B16 a handler that does not come to an end' => [
			sub {
				$keeper->query_safe('SELECT pg_advisory_lock(16)');
				$bus->emit('shop.asleep', $key, 0);
				$spark->wait_for("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 16 AND NOT granted)");
			},
			sub {
				is($bus->status('asleep'), '1 0 0', 'B16 and it is at it still');
				$keeper->query_safe('SELECT pg_advisory_unlock(16)');
				$bus->status_becomes('asleep', '0 0 0');
			},
			4, 1.2 ],
		'B22 another handler that emits to itself for ever' => $loop->('other'),
		'B22 other messages of its own that it emits to itself for ever' => $loop->('timed'));
	my $measure = sub {
		my ($beside, $round) = @_;
		my $keys = "ARRAY['" . $bus->key($key) . "', '" . $bus->key($other) . "']::uuid[]";
		my ($sqlstate, $out) = $spark->try_sql("CALL measure($each, $keys, '$beside', $round)");
		diag($out) if $sqlstate ne '';
		return $sqlstate eq '';
	};
	my %come;
	for my $round (1 .. $rounds)
	{
		$come{alone} += $measure->('alone', $round);
		for my $what (sort keys %beside)
		{
			my ($begin, $end) = @{ $beside{$what} };
			my $state = $begin->();
			$come{$what} += $measure->($what, $round);
			$end->($state);
		}
	}
	my $percentile = sub {
		my ($beside, $part) = @_;
		return $spark->sql('SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p)::numeric, 2) FROM'
			. " (SELECT percentile_cont($part) WITHIN GROUP (ORDER BY ms) AS p FROM latency WHERE beside = '$beside' GROUP BY round) r");
	};
	my %alone = map { $_ => $percentile->('alone', $_) } 0.5, 0.99;
	is($come{alone}, $rounds, 'B28 each message wakes its worker');
	for my $what (sort keys %beside)
	{
		my (undef, undef, $margin, $required) = @{ $beside{$what} };
		my ($id, $words) = split(/ /, $what, 2);
		my $most = $is_long ? $required : $margin;

		is($come{$what}, $rounds, "$id all come as well beside $words");
		for my $part (0.5, 0.99)
		{
			my $ms = $percentile->($what, $part);
			cmp_ok($ms, '<=', $most * $alone{$part}, "$id beside $words: p" . 100 * $part . " $ms ms, alone $alone{$part} ms");
		}
	}
	$_->quit for $stranger, $neighbour, $keeper;
	$bus->author("SELECT spark_bus.unsubscribe('$_->[0]', '$_->[1]', true)") for [ 'timed', 'shop.timed' ], [ 'timed', 'shop.round.timed' ], [ 'other', 'shop.round.other' ], [ 'asleep', 'shop.asleep' ];
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
