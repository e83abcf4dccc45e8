# 027_waking.pl
#		A commit wakes the workers at every moment, also while one of them waits for
#		a lock: that wait resets its latch.
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
