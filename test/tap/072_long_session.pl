# 072_long_session.pl
#		A session that emits in one transaction after the other grows neither in
#		memory nor in the time that each takes: what is registered, planned or kept
#		for a transaction is so once a session.
#
# Time is what the session had a processor for, as the kernel counts it: what else
# goes on here is not in it.
#
# SPARK_EMITS is the number of transactions: B11 speaks of 1000000.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $count = $ENV{SPARK_EMITS} || 100_000;
my $slices = 10;
my $spark = Spark->start(worker => 0, conf => join("\n", 'fsync = off', 'synchronous_commit = off', 'autovacuum = off', 'max_wal_size = 4GB',
	'spark.lane_soft_limit = 0'));

# Plain ones, some in savepoints, some that fail in one, some rolled back.
$spark->sql(<<'END');
CREATE PROCEDURE emit_many(number int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. number LOOP
		PERFORM spark_bus.emit('shop.sold', gen_random_uuid(), '{"n": 1}');
		IF i % 4 = 1 THEN
			BEGIN
				PERFORM spark_bus.emit('shop.sold', gen_random_uuid(), '{"n": 2}');
				IF i % 8 = 1 THEN
					RAISE 'no';
				END IF;
			EXCEPTION WHEN raise_exception THEN
				NULL;
			END;
		END IF;
		IF i % 4 = 2 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
END $$;
END

my $each = $count / $slices;
# Nanoseconds; where the kernel does not count them, by the clock.
my $processor = "coalesce(nullif(split_part(pg_read_file('/proc/self/schedstat', 0, 100, true), ' ', 1)::numeric, 0), 1e9 * extract(epoch FROM clock_timestamp()))";
my $look = "SELECT sum(total_bytes) FILTER (WHERE name = 'TopMemoryContext'), sum(total_bytes), $processor FROM pg_backend_memory_contexts;\n";
# The first slice warms the caches up.
my @rows = grep { /\|/ } split(/\n/, $spark->sql($look . "CALL emit_many($each);\n$look" x $slices));
my @looks = map { [ split(/\|/, $_) ] } @rows;

is(scalar(@looks), $slices + 1, "$count transactions of one session, in $slices slices");
my @times = map { 1e-3 * ($looks[$_][2] - $looks[ $_ - 1 ][2]) / $each } 1 .. $slices;
note(sprintf('slice %d: %.1f us a transaction, TopMemoryContext %d, all %d bytes', $_, $times[ $_ - 1 ], @{ $looks[$_] }[ 0, 1 ])) for 1 .. $slices;
is($spark->sql('SELECT count(*) FROM spark_common.outbox'), $count * 3 / 4 + $count / 8, 'what was committed is in the log');

# A block is the least that it grows by.
cmp_ok($looks[-1][0] - $looks[1][0], '<', 8192, "B11 TopMemoryContext does not grow in $count transactions ($looks[1][0], $looks[-1][0] bytes)");
cmp_ok($looks[-1][1] - $looks[1][1], '<', 65536, "B11 nor does all the memory of the session ($looks[1][1], $looks[-1][1] bytes)");

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ]; }
my ($early, $late) = map { sprintf('%.1f', $_) } median(@times[ 1 .. 3 ]), median(@times[ -3 .. -1 ]);
cmp_ok($late, '<=', 2 * $early, "B11 each takes as long as before: at first $early us, at last $late us of the processor");
cmp_ok($times[-1], '<=', 2 * $times[1], sprintf('B11 of the last tenth %.1f us, of the second %.1f us', $times[-1], $times[1]));
$spark->stop;
done_testing();
