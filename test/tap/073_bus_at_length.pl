# 073_bus_at_length.pl
#		What a message costs is the same after many as after few: under a snapshot
#		that is held, out of a long backlog, when a transaction commits late behind a
#		multitude of others, when a multitude is due at last, and after a day's work.
#		Counted in buffers, bytes and rows; and, with a wide margin, in what the session
#		had a processor for.  No worker looks after these books, so that nobody else is
#		counted.
#
# SPARK_MESSAGES makes it longer: the requirements speak of 1000000; SPARK_DELAYED
# is the number of those that are due.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use List::Util qw(sum);
use Test::More;

use Spark;

my $many = $ENV{SPARK_MESSAGES} || 100_000;
my $wave = $many / 50;
my $delayed = $ENV{SPARK_DELAYED} || $many / 5;
my $spark = Spark->start(worker => 0, install => 0, conf => join("\n", 'autovacuum = off', 'synchronous_commit = off', 'max_wal_size = 4GB',
	'max_parallel_workers_per_gather = 0', 'jit = off', 'spark.lane_soft_limit = 0', 'spark.lane_hard_limit = 0',
	'spark.segment_retention = 0', 'spark.retry_base_delay = 10', 'spark.dispatch_batch_size = 100'));

$spark->sql("SELECT * FROM spark.install('{accounting}')");
$spark->sql(<<'END');
CREATE TABLE heard (place bigint GENERATED ALWAYS AS IDENTITY, number int NOT NULL);
CREATE FUNCTION hear(m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.heard (number) VALUES ((m.payload->>'number')::int)
$$;
CREATE FUNCTION ignore(m spark_bus.message) RETURNS void LANGUAGE sql AS '';
-- Each fails at first, and is parked.
CREATE FUNCTION stumble(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM spark_common.retry WHERE consumer = 'clumsy' AND id = m.id) THEN
		RAISE 'stumbled';
	END IF;
END $$;
SELECT spark_bus.subscribe('ear', 'shop.rung', 'public.hear');
SELECT spark_bus.subscribe('rest', 'shop.sold', 'public.ignore');
SELECT spark_bus.subscribe('clumsy', 'shop.dropped', 'public.stumble', 100);
CREATE PROCEDURE sell(number int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. number LOOP
		PERFORM spark_bus.emit('shop.sold', gen_random_uuid(), '{"n": 1}');
		IF i % 100 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION ring(first int, last int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(spark_bus.emit('shop.rung', '00000000-0000-7000-8000-000000000007', jsonb_build_object('number', n))) FROM generate_series(first, last) n
$$;
END

# One session dispatches all, so that nothing is counted that is done once a session.
my $session = $spark->node->background_psql('postgres', on_error_stop => 1);
$session->set_query_timer_restart;

# What the session has had a processor for, in nanoseconds; where the kernel does not count that, by the clock.
my $processor = "SELECT coalesce(nullif(split_part(pg_read_file('/proc/self/schedstat', 0, 100, true), ' ', 1)::numeric, 0), 1e9 * extract(epoch FROM clock_timestamp()))::bigint";

# What so many messages cost: { buffers, processor }; in calls that psql has the patience for.
sub dispatch
{
	my ($most) = @_;
	my $slice = $most < 100_000 ? $most : 100_000;
	my $began = $session->query_safe($processor);
	my $buffers = 0;
	for (my $done = 0; $done < $most; $done += $slice)
	{
		my $plan = $session->query_safe("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT spark_bus.dispatch($slice)");
		$buffers += $_ for map { $plan =~ /"Shared $_ Blocks": (\d+)/ } qw(Hit Read);
	}
	return { buffers => $buffers, processor => $session->query_safe($processor) - $began };
}

sub memory { return $session->query_safe('SELECT sum(total_bytes) FROM pg_backend_memory_contexts'); }

sub per_message { my ($messages, @costs) = @_; return sprintf('%.3f', sum(map { $_->{buffers} } @costs) / $messages); }

# Microseconds a message, in the middle of those waves.
sub in_the_middle
{
	my ($messages, @costs) = @_;
	return sprintf('%.2f', (sort { $a <=> $b } map { 1e-3 * $_->{processor} / $messages } @costs)[ $#costs / 2 ]);
}

$spark->sql("CALL sell($wave)");
dispatch($wave) for 1 .. 2;

# ---- B9: six waves under one snapshot
{
	my $holder = $spark->node->background_psql('postgres', on_error_stop => 1);
	my @costs;
	$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM heard');
	for (1 .. 6)
	{
		$spark->sql("CALL sell($wave)");
		push @costs, per_message($wave, dispatch($wave));
	}
	cmp_ok($costs[-1], '<=', 1.3 * $costs[0], "B9 under a held snapshot the last sixth costs what the first did: @costs buffers a message");
	$holder->query_safe('COMMIT');
	$holder->quit;
	$spark->sql('VACUUM');
}

# ---- B10: a backlog, short and long; who wants nothing of it passes it in one of the calls
{
	my @short = map { $spark->sql("CALL sell($wave)"); dispatch($wave) } 1 .. 5;
	$spark->sql("CALL sell($many)");
	my $before = memory();
	my @long = map { dispatch($wave) } 1 .. 50;
	my ($short, $long) = (per_message(5 * $wave, @short), per_message($many, @long));
	cmp_ok($long, '<=', 1.2 * $short, "B10 of a backlog of $many a message costs what it costs of one of $wave: $long and $short buffers");
	($short, $long) = map { in_the_middle($wave, @$_) } \@short, \@long;
	cmp_ok($long, '<=', 2 * $short, "B10 and no more of the processor: $long and $short us");
	cmp_ok(memory() - $before, '<', 500_000, 'B10 the memory of the session does not grow by it');
	is($spark->sql("SELECT sum(lag_messages) FROM spark_ops.bus_status() WHERE consumer = 'rest'"), '0', 'all are handled');
}

# ---- B6: a transaction that began before many others, and commits behind them
{
	my (%cost, %time);
	my ($short, $long) = ($many / 10, $many);
	for my $others ($short, $long)
	{
		my $late = $others / 10;
		my $first = $spark->sql('SELECT coalesce(max(number), 0) + 1 FROM heard');
		my $half = $first + $late / 2;
		my $writer = $spark->node->background_psql('postgres', on_error_stop => 1);
		$writer->query_safe("BEGIN; SELECT ring($first, $half - 1)");
		$spark->sql("CALL sell($others)");
		dispatch($others);
		is($spark->sql("SELECT sum(lag_messages) FROM spark_ops.bus_status() WHERE consumer = 'rest'"), '0', "B6 $others pass by an open transaction");
		$writer->query_safe("SELECT ring($half, $first + $late - 1); COMMIT");
		$writer->quit;
		my $cost = dispatch(2 * $late);
		$cost{$others} = per_message($late, $cost);
		$time{$others} = in_the_middle($late, $cost);
		is($spark->sql("SELECT count(*), count(DISTINCT number), min(number), bool_and(in_order) FROM"
			. " (SELECT number, number > lag(number, 1, 0) OVER (ORDER BY place) AS in_order FROM heard WHERE number >= $first) h"),
			"$late|$late|$first|t", "B6 then its $late come, whole and in order");
	}
	cmp_ok($cost{$long}, '<=', 1.3 * $cost{$short}, "B6 in linear time: $cost{$short} and $cost{$long} buffers a message");
	cmp_ok($time{$long}, '<=', 2 * $time{$short}, "B6 and $time{$short} and $time{$long} us of the processor");
}

# ---- B39: many that are due, under a snapshot that is held
for my $apart ('1 ms', '0')
{
	my $holder = $spark->node->background_psql('postgres', on_error_stop => 1);
	my $prefix = $apart eq '0' ? '01a00000-0001' : '01a00000-0000';
	# Their ids grow, as those of emitted ones do.
	my $wait = sub {
		$spark->sql("INSERT INTO spark_common.delayed SELECT format('%s-7000-8000-%s', '$prefix', lpad(to_hex(n), 12, '0'))::uuid, now() - interval '1 hour' + n * interval '$apart', 'shop', gen_random_uuid(), 'shop.alarm',"
			. " '{}', 1, gen_random_uuid(), NULL, NULL, 0, 'postgres', now() FROM generate_series(1, $_[0]) AS n");
	};
	my $left = sub { return $spark->sql('SELECT count(*) FROM spark_common.delayed') };

	$wait->(3 * $wave);
	my @free = map { dispatch($wave) } 1 .. 3;
	is($left->(), 0, 'B39 what is due is moved');
	$spark->sql('VACUUM spark_common.delayed');
	$wait->($delayed);
	$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM heard');
	my $tenth = $delayed / 10;
	my @held = map { dispatch($tenth) } 1 .. 10;
	is($left->(), 0, "B39 under a held snapshot, too: $delayed, $apart apart");
	my ($free, $held, $last) = (per_message(3 * $wave, @free), per_message($delayed, @held), per_message($tenth, $held[-1]));
	cmp_ok($held, '<=', 2 * $free, "B39 at twice the cost at most: $held buffers a move, without the snapshot $free");
	cmp_ok($last, '<=', 2 * $free, "B39 to the last of them: $last buffers");
	($free, $held) = (in_the_middle($wave, @free), in_the_middle($tenth, @held[ -3 .. -1 ]));
	cmp_ok($held, '<=', 2 * $free, "B39 and of the processor: $held us a move, without the snapshot $free us");
	$holder->query_safe('COMMIT');
	$holder->quit;
	$spark->sql('VACUUM spark_common.delayed');
}

# ---- B13: a day: the log, the ledger of cursors, retries and the catalog end as they were at its half
{
	my %size;
	for my $part (1 .. 8)
	{
		$spark->sql("CALL sell($wave); SELECT count(spark_bus.emit('shop.dropped', gen_random_uuid(), '{}')) FROM generate_series(1, 10)");
		dispatch(2 * $wave);
		$spark->wait_for("SELECT spark_bus.dispatch() >= 0 AND sum(lag_messages + parked) = 0 FROM spark_ops.bus_status()");
		# As its own minutes, and autovacuum, would.
		$spark->sql("UPDATE spark_common.lane_segment SET since = since - interval '1 hour'; UPDATE spark_common.cursor_log SET at = at - interval '1 hour'");
		$spark->sql("SELECT spark_ops.rotate(); VACUUM");
		dispatch(1);
		$size{$part} = { map { split(/\|/) } split(/\n/, $spark->sql(<<'END')) };
SELECT what, sum(pg_total_relation_size(t)) FROM (VALUES ('log', 'outbox_0_0'), ('log', 'outbox_0_1'), ('log', 'outbox_0_2'),
	('cursors', 'cursor_log'), ('retries', 'retry'), ('retries', 'dead_letter'), ('trials', 'trial')) AS v (what, name),
	to_regclass('spark_common.' || name) AS t GROUP BY what
UNION ALL SELECT 'rows of cursors', count(*) FROM spark_common.cursor_log
UNION ALL SELECT 'rows of retries', count(*) FROM spark_common.retry
UNION ALL SELECT 'catalog', pg_total_relation_size('pg_class')
END
	}
	cmp_ok($size{8}{$_}, '<=', 1.2 * $size{4}{$_} + 8192, "B13 after a day, $_: $size{4}{$_} at its half, $size{8}{$_} at its end") for sort keys %{ $size{4} };
	cmp_ok($size{8}{'rows of cursors'}, '<=', 4 * 200, 'B13 of each cursor some two hundred steps are kept at most');
}

$session->quit;
$spark->stop;
done_testing();
