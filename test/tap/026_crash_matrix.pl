# 026_crash_matrix.pl
#		Killed at each step, with the server or alone: nothing is lost, nothing takes
#		effect twice, each key keeps its order.
#
# The library here has points (src/postgres/test_point.h): a backend or a worker
# is killed at one, or the server is stopped while one waits there.  Then the
# server starts anew, drains, and is compared with what was committed.
#
# The server is stopped at once, with synchronous_commit on or off, or loses its
# postmaster.  SPARK_MATRIX=all does all of that at every point; else each point
# has its victims killed, and every third one of the others in turn.
use strict;
use warnings;

use POSIX ();

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

plan skip_all => 'the library with points is made by ./dev test' unless $ENV{SPARK_POINTS};

my $both = [ 'worker', 'backend' ];
my @points = (
	[ 'insert', ['backend'] ], [ 'inserted', ['backend'] ],
	[ 'commit', ['backend'] ], [ 'committed', ['backend'] ], [ 'woken', ['backend'] ],
	[ 'snapshot', $both ], [ 'snapshot_taken', $both ], [ 'fetched', $both ],
	[ 'handle', $both ], [ 'handled', $both ], [ 'cursor_stored', $both ],
	[ 'batch_committed', ['worker'] ], [ 'remembered', ['worker'] ],
	[ 'park', ['worker'] ], [ 'parked', ['worker'] ], [ 'unpark', ['worker'] ], [ 'unparked', ['worker'] ],
	[ 'trim', ['worker'] ], [ 'trimmed', ['worker'] ],
	[ 'move', ['worker'] ], [ 'moved', ['worker'] ],
	[ 'truncate', ['worker'] ], [ 'truncated', ['worker'] ],
	[ 'change_lanes', ['backend'] ], [ 'lanes_changed', ['backend'] ],
	[ 'enter_epoch', ['worker'] ], [ 'epoch_entered', ['worker'] ]);

my %by_hand = map { $_ => 1 } qw(snapshot snapshot_taken fetched handle handled cursor_stored);

my $found = slurp_file($ENV{SPARK_CONF});
$found =~ s/dynamic_library_path = '/dynamic_library_path = '$ENV{SPARK_POINTS}:/ or die 'no dynamic_library_path in ' . $found;
my $spark = Spark->start(conf => join("\n", $found,
	'restart_after_crash = on',
	'spark.dispatch_naptime = 50',
	'spark.dispatch_batch_size = 3',
	'spark.segment_age = 1',
	'spark.segment_retention = 0',
	'spark.retry_base_delay = 20'));
my $armed = $spark->node->data_dir . '/spark_test_point';

$spark->sql(<<'END_OF_SQL');
CREATE ROLE author; SELECT spark_bus.grant_author('author');
CREATE TABLE thing (key uuid PRIMARY KEY, version int NOT NULL);
CREATE TABLE heard (place bigint GENERATED ALWAYS AS IDENTITY, consumer text NOT NULL, key uuid NOT NULL, version int NOT NULL);
CREATE TABLE due (id uuid PRIMARY KEY);
CREATE TABLE struck (id uuid NOT NULL);
INSERT INTO thing SELECT gen_random_uuid(), 0 FROM generate_series(1, 4);
GRANT ALL ON thing, heard, due, struck TO author;

CREATE FUNCTION hear(consumer text, m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.heard (consumer, key, version) VALUES (consumer, m.aggregate_id, (m.payload->>'version')::int)
$$;
CREATE FUNCTION hear_first(m spark_bus.message) RETURNS void LANGUAGE sql AS $$ SELECT public.hear('first', m) $$;
-- This one stumbles now and then.
CREATE FUNCTION hear_second(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.hear('second', m);
	IF random() < 0.3 THEN
		RAISE EXCEPTION 'stumbled over %', m.id;
	END IF;
END $$;
CREATE FUNCTION strike(m spark_bus.message) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.struck VALUES (m.aggregate_id) $$;

CREATE FUNCTION touch(k uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v int;
BEGIN
	UPDATE public.thing SET version = version + 1 WHERE key = k RETURNING version INTO v;
	PERFORM spark_bus.emit('shop.thing_changed', k, jsonb_build_object('version', v));
END $$;
CREATE FUNCTION delay(k uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.due VALUES (k);
	PERFORM spark_bus.emit('shop.struck', k, '{}', deliver_at => clock_timestamp() + interval '20 ms');
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO author;
END_OF_SQL
$spark->sql("SET ROLE author; SELECT spark_bus.subscribe('$_->[0]', '$_->[1]', '$_->[2]', 1000)")
  for [ 'first', 'shop.thing_changed', 'public.hear_first' ], [ 'second', 'shop.thing_changed', 'public.hear_second' ],
  [ 'clock', 'shop.struck', 'public.strike' ];

my $write = join(' ', map { "SELECT touch(key) FROM thing ORDER BY key; SELECT delay(gen_random_uuid());" } 1 .. 3);
my $lanes = 1;

# Something of everything: written, dispatched by hand, delayed, and the lanes changed.
sub act
{
	my ($point) = @_;

	$spark->try_sql($write);
	$spark->try_sql('SELECT spark_bus.dispatch(20)');
	if ($point =~ /lanes|epoch/)
	{
		my ($sqlstate) = $spark->try_sql('SELECT spark_ops.set_lanes(' . (3 - $lanes) . ')');
		$lanes = 3 - $lanes if $sqlstate eq '';
	}
	return;
}

sub oracle_agrees
{
	my ($name) = @_;

	$spark->wait_for_connection;
	$spark->wait_until_drained;
	$spark->wait_for('SELECT count(*) = 0 FROM spark_common.delayed');
	$spark->wait_until_drained;
	is($spark->sql(<<'END_OF_SQL'), '', $name);
SELECT c.consumer, t.key, t.version, h.versions FROM thing t CROSS JOIN (VALUES ('first'), ('second')) c (consumer)
LEFT JOIN LATERAL (SELECT array_agg(version ORDER BY place) AS versions FROM heard
	WHERE key = t.key AND consumer = c.consumer) h ON true
WHERE COALESCE(h.versions, '{}') <> ARRAY(SELECT generate_series(1, t.version))
UNION ALL
SELECT 'clock', COALESCE(d.id, s.id), 1, NULL FROM due d FULL JOIN struck s ON s.id = d.id
GROUP BY d.id, s.id HAVING d.id IS NULL OR s.id IS NULL OR count(*) > 1
END_OF_SQL
	return;
}

my %acts = (
	kill => 'killed',
	stop => 'and the server stopped at once',
	lose => 'and the server stopped at once, with synchronous_commit off',
	orphan => 'and the postmaster killed');

sub arm
{
	my ($point, $victim, $act) = @_;
	my $file = "$armed.new";
	# Renamed, so that nobody reads half of it.
	append_to_file($file, "$point $victim $act\n");
	rename($file, $armed) or die "rename: $!";
	return;
}

# Acts in another process, as what is to wait at the point would wait here, too.
sub act_aside
{
	my ($point, $deadline) = @_;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		# The server may go first; and no END block may run here.
		eval { act($point) while -e $armed && time() < $deadline; 1 } or note($@);
		POSIX::_exit(0);
	}
	select(undef, undef, undef, 0.02) while -e $armed && time() < $deadline;
	return $pid;
}

# The postmaster has seen that a child was killed, and all others are gone.
sub begins_anew
{
	my ($offset, $deadline) = @_;
	until (slurp_file($spark->node->logfile, $offset) =~ /all server processes terminated; reinitializing/)
	{
		return 0 if time() > $deadline;
		select(undef, undef, undef, 0.02);
	}
	return 1;
}

# The children of a postmaster that was killed notice by themselves, and have to be gone first.
sub start_again
{
	my ($deadline) = @_;
	my $node = $spark->node;
	until ($node->start(fail_ok => 1) || time() > $deadline)
	{
		$node->{_pid} = undef;		# it took the file of the dead one for its own
		select(undef, undef, undef, 0.1);
	}
	return;
}

sub strike
{
	my ($point, $victim, $act) = @_;
	my $deadline = time() + $Spark::patience;
	my $name = ($act eq 'lose' ? 'B26' : 'B25') . " $victim at $point, $acts{$act}";
	my $by_hand = $victim eq 'backend' && $by_hand{$point};

	# Else the workers are quicker.
	$spark->serve if $by_hand;
	$spark->set('synchronous_commit', 'off') if $act eq 'lose';
	arm($point, $victim, $act eq 'kill' ? 'kill' : 'wait');
	if ($act eq 'kill')
	{
		my $offset = -s $spark->node->logfile;
		while (-e $armed && time() < $deadline) { act($point); }
		# Else the postmaster may notice only while the answer is looked at.
		fail("$name: the server began anew") unless begins_anew($offset, $deadline);
	}
	else
	{
		my $pid = act_aside($point, $deadline);
		$act eq 'orphan' ? $spark->node->kill9 : $spark->node->stop('immediate');
		waitpid($pid, 0);
		start_again($deadline + $Spark::patience);
	}
	fail("$name: it came there") if unlink($armed);
	$spark->wait_for_connection;
	$spark->set('synchronous_commit', 'on') if $act eq 'lose';
	$spark->serve('postgres') if $by_hand;
	$lanes = $spark->sql('SELECT spark_ops.lanes()');
	oracle_agrees($name);
	return;
}

my $count = 0;
my @others = qw(stop lose orphan);
my $all = ($ENV{SPARK_MATRIX} // '') eq 'all';
for my $case (@points)
{
	my ($point, $victims) = @$case;
	for my $victim (@$victims)
	{
		strike($point, $victim, 'kill');
		my @acts = $all ? @others : $count % 3 == 0 ? $others[$count / 3 % 3] : ();
		strike($point, $victim, $_) for @acts;
		$count++;
	}
}
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
