# 014_schedules.pl
#		The promise of the bus under random schedules, against an oracle.
#
# Writers change versioned rows and emit (key, version) under the row's lock:
# they commit, roll back, use savepoints and exception blocks, prepare and
# commit later, stay open for long, at each isolation level.  Meanwhile workers
# are killed, sessions dispatch too, and the number of lanes changes.  At the
# end each consumer has heard of each key's versions as 1, 2, 3, .. without a
# gap, without a repeat, in that order, and of nothing that was rolled back.
#
# SPARK_SEED sets the seed, SPARK_SCHEDULES makes the run longer.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use IPC::Run ();
use POSIX ();
use Test::More;
use Time::HiRes qw(usleep);

use Spark;

my $seed = $ENV{SPARK_SEED} || int(rand(2**31));
my $length = $ENV{SPARK_SCHEDULES} || 1;
my $writers = 5;
my $keys = 12;
note("seed $seed");
srand($seed);

my $spark = Spark->start(conf => "restart_after_crash = on\nmax_prepared_transactions = 50\nspark.retry_base_delay = 20\nspark.dispatch_naptime = 100");

$spark->sql(<<'END');
CREATE ROLE author; SELECT spark_bus.grant_author('author');
CREATE TABLE thing (key uuid PRIMARY KEY, version int NOT NULL);
CREATE TABLE heard (place bigint GENERATED ALWAYS AS IDENTITY, consumer text NOT NULL, key uuid NOT NULL, version int NOT NULL);
CREATE TABLE mood (name text PRIMARY KEY, value int NOT NULL);
INSERT INTO mood VALUES ('fail', 0);
GRANT ALL ON thing, heard, mood TO author;

CREATE FUNCTION hear(consumer text, m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.heard (consumer, key, version) VALUES (consumer, (m).aggregate_id, ((m).payload->>'version')::int)
$$;
CREATE FUNCTION hear_first(m spark_bus.message) RETURNS void LANGUAGE sql AS $$ SELECT public.hear('first', m) $$;
-- This one stumbles now and then: what it could not handle comes again, in order.
CREATE FUNCTION hear_second(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.hear('second', m);
	IF random() * 100 < (SELECT value FROM public.mood) THEN
		RAISE EXCEPTION 'stumbled over %', (m).id;
	END IF;
END $$;

CREATE FUNCTION touch(k uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v int;
BEGIN
	UPDATE public.thing SET version = version + 1 WHERE key = k RETURNING version INTO v;
	PERFORM spark_bus.emit('shop.thing_changed', k, jsonb_build_object('version', v));
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO author;
END
$spark->sql("INSERT INTO thing SELECT gen_random_uuid(), 0 FROM generate_series(1, $keys)");
$spark->sql("SET ROLE author; SELECT spark_bus.subscribe('$_', 'shop.thing_changed', 'public.hear_$_', 1000)") for qw(first second);
my @keys = split(/\n/, $spark->sql('SELECT key FROM thing ORDER BY key'));

# One writer: a script of transactions for psql, which goes on after errors.
sub script_of
{
	my ($writer, $count) = @_;
	my @levels = ('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	my $script = "SET lock_timeout = '5s';\n";

	for my $n (1 .. $count)
	{
		my $touch = sub { "SELECT touch('" . $keys[rand @keys] . "');\n" };
		my $kind = int(rand(20));
		$script .= 'BEGIN ISOLATION LEVEL ' . $levels[rand @levels] . ";\n" . $touch->();
		$script .= $touch->() if rand() < 0.3;
		if ($kind < 3) { $script .= "ROLLBACK;\n"; next }
		if ($kind < 6) { $script .= "SAVEPOINT s;\n" . $touch->() . "ROLLBACK TO s;\n" . $touch->() }
		elsif ($kind < 8) { $script .= "DO \$\$ BEGIN PERFORM touch('$keys[rand @keys]'); RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END \$\$;\n" }
		elsif ($kind == 8) { $script .= 'SELECT pg_sleep(' . sprintf('%.3f', rand(0.3)) . ");\n" }
		elsif ($kind == 9) { $script .= join('', map { "SAVEPOINT s$_;\n" . $touch->() } 1 .. 20) }
		elsif ($kind == 10)
		{
			my $gid = "w${writer}_$n";
			my $end = rand() < 0.7 ? 'COMMIT' : 'ROLLBACK';
			$script .= "PREPARE TRANSACTION '$gid';\nSELECT pg_sleep(" . sprintf('%.3f', rand(0.1)) . ");\n$end PREPARED '$gid';\n";
			next;
		}
		$script .= "COMMIT;\n";
		$script .= "SELECT spark_bus.dispatch(20);\n" if $kind == 11;
	}
	return $script;
}

sub worker_pids
{
	return split(/\n/, $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type IN ('spark dispatcher', 'spark consumer') AND datname = 'postgres'"));
}

# Runs the writers; meanwhile does what is asked, one act after the other.
sub run_writers
{
	my ($count, @acts) = @_;
	my @children;

	for my $writer (1 .. $writers)
	{
		my $script = script_of($writer, $count);
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			# Errors are part of the schedule: a deadlock, a serialization failure.
			my ($out, $err);
			IPC::Run::run(['psql', '-XqAt', '-d', $spark->node->connstr('postgres'), '-f', '-'], '<', \$script, '>', \$out, '2>', \$err);
			POSIX::_exit(0);
		}
		push @children, $pid;
	}
	$_->() for @acts;
	waitpid($_, 0) for @children;
	return;
}

# The oracle: what was committed is in thing.version; each consumer has heard 1 .. version.
sub oracle_agrees
{
	my ($name) = @_;
	$spark->sql("SELECT 1 FROM pg_prepared_xacts") eq '' or die 'a prepared transaction was left';
	$spark->wait_until_drained;
	my $faults = $spark->sql(<<'END');
SELECT c.consumer, t.key, t.version, h.versions FROM thing t CROSS JOIN (VALUES ('first'), ('second')) c (consumer)
LEFT JOIN LATERAL (SELECT array_agg(version ORDER BY place) AS versions FROM heard
	WHERE key = t.key AND consumer = c.consumer) h ON true
WHERE COALESCE(h.versions, '{}') <> ARRAY(SELECT generate_series(1, t.version))
END
	my $count = $spark->sql('SELECT sum(version) FROM thing');
	is($faults, '', "$name: $count changes heard once, in order (seed $seed)");
	return;
}

my $kill = sub {
	my $name = shift;
	return sub {
		usleep(300_000);
		my @pids = worker_pids();
		kill('KILL', $pids[rand @pids]) if @pids;
	};
};
my $relane = sub {
	my $lanes = shift;
	return sub {
		# A consumer may still be busy with what was before the last change.
		$spark->wait_for_success("SELECT spark_ops.set_lanes($lanes)", "the log goes through $lanes lanes");
	};
};
my $terminate = sub { usleep(200_000); $spark->sql("SELECT pg_terminate_backend($_)") for worker_pids(); };

run_writers(40 * $length);
oracle_agrees('B1 B2 B3 B4 one lane, nothing killed');

run_writers(40 * $length, $terminate, $terminate);
oracle_agrees('B32 workers told to stop');

run_writers(30 * $length, $relane->(4));
oracle_agrees('B38 from one lane to four');
is($spark->sql('SELECT spark_ops.lanes()'), '4', 'there are four');
$spark->wait_for("SELECT count(*) = 4 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'", 'a dispatcher each');

$spark->sql("UPDATE mood SET value = 5");
run_writers(30 * $length, $relane->(2));
$spark->sql("UPDATE mood SET value = 0");
oracle_agrees('B38 B15 from four to two, with a handler that stumbles');

run_writers(30 * $length, $relane->(8), $terminate, $relane->(1));
oracle_agrees('B38 to eight and back to one, with workers told to stop');

run_writers(20 * $length, $kill->(), sub { $spark->wait_for_connection });
$spark->wait_for_connection;
$spark->sql("ROLLBACK PREPARED '$_'") for split(/\n/, $spark->sql('SELECT gid FROM pg_prepared_xacts'));
oracle_agrees('B25 a worker killed, and all its server with it');

run_writers(20 * $length, sub { usleep(400_000); $spark->node->stop('immediate'); $spark->node->start; });
$spark->sql("ROLLBACK PREPARED '$_'") for split(/\n/, $spark->sql('SELECT gid FROM pg_prepared_xacts'));
oracle_agrees('B25 B26 the server stopped at once');

is($spark->sql("SELECT count(*) FROM spark_ops.dead_letters()"), '0', 'no message is dead');
$spark->stop;
done_testing();
