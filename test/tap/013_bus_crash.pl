# 013_bus_crash.pl
#		Random writers, workers that are ended and killed, servers that stop in
#		every way: each committed message takes effect once at each consumer, in the
#		order of its key, and no aborted one ever.  Part of it goes over one lane, the
#		other over four: which, says the seed.
#
# SPARK_SEED sets the seed, SPARK_LANES the lanes of all.
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $seed = $ENV{SPARK_SEED} || time;
my $spark = Spark->start(conf => join("\n",
	'restart_after_crash = on',
	'max_prepared_transactions = 50',
	'synchronous_commit = off',
	'autovacuum = off',
	'spark.retry_base_delay = 100'));
my $node = $spark->node;
my $bus = Bus->new($spark);

$bus->listen($_, 'shop.sold') for qw(one two);

my $lanes = $ENV{SPARK_LANES} || 1;
my $served = $lanes;	# lanes that have been, and stay
my @lanes = $ENV{SPARK_LANES} ? ($lanes) : $seed % 2 ? (1, 4) : (4, 1);

# From now on over another number of lanes: what the next part is called, then.
sub over_next_lanes
{
	my ($name) = @_;

	push @lanes, shift @lanes;
	$spark->set_lanes($lanes[-1]) if $lanes[-1] != $lanes;
	$lanes = $lanes[-1];
	$served = $lanes if $served < $lanes;
	return "$name, over $lanes " . ($lanes == 1 ? 'lane' : 'lanes');
}

sub worker { return $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'spark $_[0]' ORDER BY pid LIMIT 1"); }

# The server has gone down under us and is up again.
sub wait_until_up
{
	$spark->wait_for('SELECT true');
	$spark->wait_for("SELECT count(*) = $served + 3 FROM pg_stat_activity WHERE backend_type IN ('spark dispatcher', 'spark consumer', 'spark lightning')");
	return;
}

# ---- random writers
my %schedule = (
	commit => [ 5, 'SELECT shop.change(:key);' ],
	rollback => [ 2, 'BEGIN; SELECT shop.change(:key); ROLLBACK;' ],
	savepoint => [ 2, 'BEGIN; SAVEPOINT a; SELECT shop.change(:key); ROLLBACK TO a; SELECT shop.change(:key); SAVEPOINT b; SELECT shop.change(:key); RELEASE b; COMMIT;' ],
	long => [ 2, "BEGIN; SELECT pg_current_xact_id();\n\\sleep 20 ms\nSELECT shop.change(:key);\n\\sleep 5 ms\nCOMMIT;" ],
	repeatable => [ 1, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT shop.change(:key); COMMIT;' ],
	serializable => [ 1, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT shop.change(:key); COMMIT;' ],
	prepared => [ 1, "BEGIN; SELECT shop.change(:key); PREPARE TRANSACTION 'p:client_id';\n\\sleep 10 ms\nCOMMIT PREPARED 'p:client_id';" ],
	unprepared => [ 1, "BEGIN; SELECT shop.change(:key); PREPARE TRANSACTION 'p:client_id'; ROLLBACK PREPARED 'p:client_id';" ]);
my $folder = PostgreSQL::Test::Utils::tempdir();
my @scripts;
for my $name (sort keys %schedule)
{
	my ($weight, $sql) = @{ $schedule{$name} };
	my $key = "('00000000-0000-7000-8000-' || lpad(:k::text, 12, '0'))::uuid";
	append_to_file("$folder/$name.sql", "\\set k random(1, 9)\n" . join('', map { s/; (?=[A-Z])/;\n/gr } $sql =~ s/:key/$key/gr) . "\n");
	push @scripts, "--file=$folder/$name.sql\@$weight";
}

sub writers
{
	my ($transactions) = @_;
	my ($out, $err) = ('', '');
	$seed++;
	note("seed $seed");
	my $run = IPC::Run::start(
		[ 'pgbench', '--no-vacuum', '--client=6', '--jobs=2', "--transactions=$transactions", '--max-tries=20', "--random-seed=$seed",
			@scripts, '-h', $node->host, '-p', $node->port, '-U', $bus->{role}, $spark->{database} ],
		'>', \$out, '2>', \$err);
	return { run => $run, err => \$err };
}

sub written { return "(SELECT coalesce(sum(n), 0) FROM shop.stock)"; }

sub settle
{
	my ($name) = @_;
	for my $gid (split /\n/, $spark->sql('SELECT gid FROM pg_prepared_xacts'))
	{
		$spark->sql("COMMIT PREPARED '$gid'");
	}
	$spark->wait_for('SELECT (SELECT count(*) FROM shop.seen WHERE consumer IN (\'one\', \'two\')) >= 2 * ' . written(), "$name: all have come");
	$spark->wait_until_drained;
	is($spark->sql(<<'END'), '', "$name: each once at each consumer, in the order of its key");
SELECT string_agg(concat_ws(' ', c.consumer, s.key, s.n, 'but seen', a.seen), '; ')
FROM shop.stock s CROSS JOIN (VALUES ('one'), ('two')) c (consumer)
CROSS JOIN LATERAL (SELECT coalesce(array_agg(n ORDER BY place), '{}') AS seen FROM shop.seen x WHERE x.consumer = c.consumer AND x.key = s.key) a
WHERE a.seen <> ARRAY(SELECT generate_series(1, s.n))
END
	return;
}

my $run;
for (1, 2)
{
	my $name = over_next_lanes('B1: random writers');
	$run = writers(60);
	$run->{run}->finish;
	settle($name);
}

# ---- workers are asked to end, again and again
my $over = over_next_lanes('B32: workers ended under load');
$run = writers(300);
for (1 .. 6)
{
	my $kind = $_ % 3 ? 'consumer' : 'dispatcher';
	my $pid = worker($kind);
	next if $pid eq '';
	$spark->sql("SELECT pg_terminate_backend($pid)");
	$spark->wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", "B32: a $kind that is asked to end is gone");
	$spark->wait_for("SELECT count(*) >= 1 FROM pg_stat_activity WHERE backend_type = 'spark $kind'");
}
$run->{run}->finish;
settle($over);

# ---- kill -9 under load: the server starts anew by itself
for my $kind ('consumer', 'dispatcher')
{
	my $name = over_next_lanes("B25: kill -9 of a $kind under load");
	my $before = $spark->sql('SELECT ' . written());
	$run = writers(100000);
	$spark->wait_for('SELECT ' . written() . " > $before + 100");
	my $pid = worker($kind);
	$spark->kill9($pid) if $pid ne '';
	$run->{run}->finish;
	wait_until_up();
	settle($name);
}

# ---- the server stops under load, with synchronous_commit off
for my $mode ('immediate', 'fast')
{
	my $name = over_next_lanes("B26: $mode stop under load");
	my $before = $spark->sql('SELECT ' . written());
	$run = writers(100000);
	$spark->wait_for('SELECT ' . written() . " > $before + 100");
	$node->stop($mode);
	$run->{run}->finish;
	$node->start;
	settle($name);
}

# ---- in the middle of a batch
my $key = 100;
my $pause = 'PERFORM pg_advisory_xact_lock_shared(4711);';
for my $how ('kill', 'kill the postmaster', 'immediate', 'fast', 'terminate')
{
	$key++;
	note(over_next_lanes("in the middle of a batch: $how"));
	my $holder = $node->background_psql('postgres', on_error_stop => 0);
	$bus->handler('one', "IF (m.payload->>'n')::int = 3 THEN $pause END IF;");
	$holder->query_safe('SELECT pg_advisory_lock(4711)');
	$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.sold', $key, $_) } 1 .. 5));
	$spark->wait_for("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted");
	my $pid = $spark->sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted");
	# On a slow machine a batch is cut before; after a crash each message is one.
	unlike($bus->seen('one', $key), qr/3/, "S50: what is being handled is not committed ($how)");
	if ($how eq 'kill')
	{
		$spark->kill9($pid);
		wait_until_up();
	}
	elsif ($how eq 'kill the postmaster')
	{
		$node->kill9;
		# Its children, who notice by themselves, have to be gone first.
		my $deadline = time() + $Spark::patience;
		until ($node->start(fail_ok => 1) || time() > $deadline)
		{
			$node->{_pid} = undef;		# it took the file of the dead one for its own
			select(undef, undef, undef, 0.1);
		}
	}
	elsif ($how eq 'terminate')
	{
		$spark->sql("SELECT pg_terminate_backend($pid)");
		$spark->wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'B32: a worker in a handler that waits is gone, too');
		$holder->query_safe('SELECT pg_advisory_unlock(4711)');
	}
	else
	{
		$node->restart($how);
	}
	$bus->comes('one', $key, '1,2,3,4,5', "S50, B25: ended in the middle of a batch ($how), each takes effect once");
	$bus->comes('two', $key, '1,2,3,4,5', "S50: and at the others ($how)");
	eval { $holder->quit };
}

# ---- a session and the worker on one log
$bus->handler('one');
$run = writers(60);
for (1 .. 20)
{
	my ($sqlstate) = $bus->try_author('SELECT spark_bus.dispatch()');
	like($sqlstate, qr/^(|40P01|40001)$/, 'S45: dispatch beside the worker') if $sqlstate ne '';
}
$run->{run}->finish;
settle('S45: sessions and workers on one log');

# ---- idle
# The transaction ids, the bytes of WAL and the transactions that some turns of the workers take, and their seconds.
sub idle
{
	my $state = "SELECT pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn() - '0/0', extract(epoch FROM clock_timestamp()), xact_commit"
	  . " FROM pg_stat_database WHERE datname = 'postgres'";
	my @before = split(/\|/, $spark->sql($state));
	$spark->wait_for("SELECT xact_commit > $before[3] + " . ($ENV{SPARK_IDLE_TURNS} || 60) . " FROM pg_stat_database WHERE datname = 'postgres'");
	my @after = split(/\|/, $spark->sql($state));
	return map { $after[$_] - $before[$_] } 0 .. 3;
}

$spark->wait_until_drained;
# Who has nothing to do with the last of the log stores his place once a minute: here at once.
$spark->set('spark.segment_retention', '0');
my @idle;
for (1 .. 20)
{
	@idle = idle();
	last if $idle[0] == 0 && $idle[1] == 0;
}
@idle = idle();
is("$idle[0] and $idle[1]", '0 and 0', 'B12: idle, they use up no transaction id and no byte of WAL');
cmp_ok($idle[3], '<', 40 * $served * ($idle[2] / 0.2 + 2), "B12: and look once a spark.dispatch_naptime ($idle[3] transactions in $idle[2] s)");

is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'B21: stray kills made no dead letter');
is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
