# 072_long_session.pl
#		A session that emits in one transaction after the other grows neither in
#		memory nor in the time that each takes: what is registered, planned or kept
#		for a transaction is so once a session.
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
my $look = "SELECT sum(total_bytes) FILTER (WHERE name = 'TopMemoryContext'), sum(total_bytes), extract(epoch FROM clock_timestamp()) FROM pg_backend_memory_contexts;\n";
# The first slice warms the caches up.
my @rows = grep { /\|/ } split(/\n/, $spark->sql($look . "CALL emit_many($each);\n$look" x $slices));
my @looks = map { [ split(/\|/, $_) ] } @rows;

is(scalar(@looks), $slices + 1, "$count transactions of one session, in $slices slices");
note(sprintf('slice %d: %.1f us a transaction, TopMemoryContext %d, all %d bytes',
	$_, 1e6 * ($looks[$_][2] - $looks[ $_ - 1 ][2]) / $each, @{ $looks[$_] }[ 0, 1 ])) for 1 .. $slices;
is($spark->sql('SELECT count(*) FROM spark_common.outbox'), $count * 3 / 4 + $count / 8, 'what was committed is in the log');

# Sixteen bytes are the least that a transaction could leave behind.
cmp_ok($looks[-1][0] - $looks[1][0], '<', 0.9 * $count, 'B11 TopMemoryContext does not grow with the transactions');
cmp_ok($looks[-1][1] - $looks[1][1], '<', 0.9 * $count, 'B11 nor does all the memory of the session');
$spark->stop;
done_testing();
