# 029_twins.pl
#		The property test of the bus, tested: rules that look as good as the batch
#		rule, and are not, must fail it.
#
# The library here has broken twins (src/postgres/bus/twin.h), of which SPARK_TWIN
# names one; two more are made by SQL.  Each runs random schedules until the
# oracle finds a message lost, doubled or out of order, for a minute at most, and on
# a machine with much else to do for some rounds at least.  The rule itself runs
# through the same ones, and some more.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Schedules;
use Spark;

plan skip_all => 'the library with twins is made by ./dev test' unless $ENV{SPARK_POINTS};

my $seed = $ENV{SPARK_SEED} || int(rand(2**31));
my ($seconds, $least) = (60, 12);
note("seed $seed");

my $found = slurp_file($ENV{SPARK_CONF});
$found =~ s/dynamic_library_path = '/dynamic_library_path = '$ENV{SPARK_POINTS}:/ or die "no dynamic_library_path in $found";

# A server with that twin, and schedules on few keys.
my $servers = 0;
sub start
{
	my ($twin, $sql) = @_;
	local $ENV{SPARK_TWIN} = $twin;
	# A message that is passed over counts as not handled until the cursor is stored again: without retention, at once.
	my $spark = Spark->start(name => $twin . ++$servers, conf => join("\n", $found,
		'max_prepared_transactions = 50', 'spark.dispatch_naptime = 20', 'spark.retry_base_delay = 20',
		'spark.segment_retention = 0', 'autovacuum = off'));
	my $schedules = Schedules->new($spark, keys => 3);

	$spark->sql($sql) if defined $sql;
	return ($spark, $schedules);
}

# How many rounds of schedules it took; undef where the oracle has found nothing.
sub rounds_until_caught
{
	my ($schedules, $least, $most) = @_;
	my $deadline = time + $seconds;

	srand($seed);
	for my $round (1 .. $most)
	{
		$schedules->run(20);
		my ($fault) = split(/\n/, $schedules->faults);
		return ($round, $fault) if defined $fault;
		return if $round >= $least && time > $deadline;
	}
	return;
}

my $no_key = 'ALTER TABLE spark_common.cursor_log DROP CONSTRAINT cursor_log_pkey; CREATE INDEX ON spark_common.cursor_log (consumer, lane, gen)';
my $cached = 'ALTER SEQUENCE spark_common.outbox_0_seq CACHE 8';
my $longest = 1;

for (
	[ 'last_number', 'seq > last' ],
	[ 'listed_only', 'stragglers as listed in the snapshot alone' ],
	[ 'xmin_cutoff', 'nothing from the oldest running transaction on, by (xid, seq)' ],
	[ 'by_xid', 'a window by (xid, seq)' ],
	[ 'cached', 'a cached sequence', $cached ],
	[ 'no_place', 'a cursor without a fence', $no_key ])
{
	my ($twin, $words, $sql) = @$_;
	my ($spark, $schedules) = start($twin, $sql);
	my ($rounds, $fault) = rounds_until_caught($schedules, $least, 1000);

	ok($rounds, "B8 $twin is caught: $words (seed $seed)");
	note("in round $rounds: " . substr($fault, 0, 300)) if $rounds;
	$longest = $rounds if $rounds && $rounds > $longest;
	$spark->node->stop('immediate');
}

# Where workers and sessions take no turns, the key of the cursor is enough.
for ([ 'none', 'the rule itself' ], [ 'no_place', 'the rule with the key of the cursor as its only fence' ])
{
	my ($twin, $words) = @$_;
	my ($spark, $schedules) = start($twin);
	my (undef, $fault) = rounds_until_caught($schedules, 1, $longest + 2);

	is($fault, undef, "B8 B27 nothing is found where nothing is wrong: $words (seed $seed)");
	$spark->stop;
}
done_testing();
