# 026_crash_matrix.pl
#		Ended at each step, with the server or alone: nothing is lost, nothing takes
#		effect twice, each key keeps its order.
#
# The library here has points (src/postgres/test_point.h), before and after each
# step that the bus takes, in a worker, in a client's backend, and in a session
# that dispatches by hand.  Every point of the source has to be in this matrix.
#
# At each of them there is kill -9 of the process, kill -9 of the postmaster, and
# an immediate stop of the server with synchronous_commit on and off.  As all of
# these bring the whole server down, many databases share one such end: in each a
# process is held at another point.  Then the server starts anew, and each
# database works off what is left and is compared with what was committed there.
#
# Every process is killed at each point of its own.  Of the other three ends each
# has one, by the seed (SPARK_SEED), and with SPARK_MATRIX=all has them all; some
# points, which take longer to come to, are only then there.
use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;
use Workload;

plan skip_all => 'the library with points is made by ./dev test' unless $ENV{SPARK_POINTS};

# Who comes there: a worker, the backend of a client, a session that dispatches
# by hand.  And, of the points of a commit, after which step.
my @points = (
	# emit
	[ 'insert', 'worker backend session' ], [ 'inserted', 'worker backend session' ],
	(map { [ $_, 'backend', 'inserted' ] } qw(commit committed woken)),
	# a batch
	(map { [ $_, 'worker session' ] } qw(snapshot snapshot_taken fetched handle handled cursor_stored trim trimmed)),
	(map { [ $_, 'worker', 'cursor_stored' ], [ $_, 'session', 'remembered' ] } qw(commit committed woken)),
	(map { [ $_, 'worker', 'cursor_stored' ] } qw(work_commit work_committed)),
	(map { [ $_, 'worker session' ] } qw(batch_committed remembered)),
	# a message that fails, and its retry
	(map { [ $_, 'worker session' ] } qw(park parked park_again parked_again unpark unparked)),
	(map { [ $_->[0], 'worker', $_->[1] ] } map { [ 'work_commit', $_ ], [ 'work_committed', $_ ] } qw(parked_again unparked)),
	# after a crash each message is announced
	(map { [ $_, 'worker' ] } qw(announce announced)),
	(map { [ $_, 'worker', 'announced' ] } qw(work_commit work_committed)),
	# a delayed message moves into the log
	(map { [ $_, 'worker session' ] } qw(move moved)),
	(map { [ $_, 'worker', 'moved' ] } qw(work_commit commit committed woken work_committed)),
	# rotation
	(map { [ $_, 'worker session' ] } qw(leave left truncate truncated)),
	(map { [ $_->[0], 'worker', $_->[1] ] } map { [ 'work_commit', $_ ], [ 'work_committed', $_ ] } qw(left truncated)),
	# another number of lanes
	(map { [ $_, 'backend' ] } qw(change_lanes lanes_changed)),
	(map { [ $_, 'backend', 'lanes_changed' ] } qw(commit committed woken)),
	(map { [ $_, 'worker session' ] } qw(enter_epoch epoch_entered)),
	(map { [ $_, 'worker', 'epoch_entered' ] } qw(work_commit work_committed)),
	# a slow context gets a worker of its own, which ends when all has been quick for a while
	[ 'worker_given', 'worker' ],
	(map { [ $_, 'worker', undef, 'heavy' ] } qw(give_worker own_worker_starts own_worker_ends)));

my $seed = $ENV{SPARK_SEED} || int(rand(2**31));
my @acts = (
	[ 'kill', 'B25', 'killed' ],
	[ 'stop', 'B25', 'the server stopped at once' ],
	[ 'lose', 'B26', 'the server stopped at once, with synchronous_commit off' ],
	[ 'orphan', 'B25', 'the postmaster killed' ]);

my $found = slurp_file($ENV{SPARK_CONF});
$found =~ s/dynamic_library_path = '/dynamic_library_path = '$ENV{SPARK_POINTS}:/ or die 'no dynamic_library_path in ' . $found;
my ($served, $by_hand) = (10, 5);		# databases that workers serve, and others
my $spark = Spark->start(database => 'model', worker => 0, conf => join("\n", $found,
	'restart_after_crash = on',
	'log_statement = none',
	'shared_buffers = 32MB',
	'max_worker_processes = 100',
	'autovacuum = off',
	'spark.dispatch_naptime = 1000',
	'spark.dispatch_batch_size = 3',
	'spark.segment_age = 1',
	'spark.segment_retention = 0',
	'spark.retry_base_delay = 20'), install => 0);
my $node = $spark->node;
$spark->sql("CREATE ROLE author; SELECT * FROM spark.install('{auth,accounting,crowdfunding,dashboard}')");
Workload->prepare($spark);
my %databases = (served => [ map { place("served$_", 0) } 1 .. $served ], session => [ map { place("hand$_", 1) } 1 .. $by_hand ]);
my @databases = map { @$_ } values %databases;
$spark->set('spark.databases', join(', ', map { "'$_->{name}'" } @{ $databases{served} }));
# From now on workers are careful, as after a crash.
$node->restart('immediate');

sub place
{
	my ($name, $is_by_hand) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE model");
	my $there = Spark->around($node, $name);
	my $oid = $there->sql('SELECT oid FROM pg_database WHERE datname = current_database()');
	return { name => $name, spark => $there, workload => Workload->new($there, $is_by_hand), armed => $node->data_dir . "/spark_test_point.$oid" };
}

# What leads to that point, again and again until somebody is there.
sub work_towards
{
	my ($case, $place) = @_;
	my $step = $case->{step} // $case->{point};
	my $work = $place->{workload}->work(many => $step =~ /^trim/);

	$work = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND datname = current_database();\n$work" if $step =~ /^announce/;
	$work .= "SELECT spark_ops.set_lanes(3 - spark_ops.lanes());\n" if $step =~ /lanes|epoch/;
	$work = "UPDATE spark_common.lane_segment SET since = since - interval '1 minute';\n$work" if $step =~ /^(leave|left|truncate)/;
	# A worker needs a moment.
	$work .= "SELECT pg_sleep(0.1);\n" if $case->{who} eq 'worker';
	return ($step =~ /worker/ ? "INSERT INTO slow DEFAULT VALUES;\n" : '') . "$work\\set held f\nSELECT pg_stat_file('$place->{armed}', true) IS NULL AS held \\gset\n\\if :held\n\\q\n\\endif\n" x 300;
}

sub arm
{
	my ($case, $place) = @_;
	my $victim = $case->{who} eq 'worker' ? 'worker' : 'backend';
	my $file = "$place->{armed}.new";

	# Renamed, so that nobody reads half of it.
	append_to_file($file, "$case->{point} $victim " . ($case->{step} // '-') . "\n");
	rename($file, $place->{armed}) or die "rename: $!";
	return;
}

# Another process, as what is to wait at the point would wait here, too.
sub work_aside
{
	my ($case, $place) = @_;
	my $pid = fork() // die "fork: $!";

	return $pid if $pid != 0;
	# The server may go first; and no END block may run here.
	eval { $node->psql($place->{name}, work_towards($case, $place), on_error_stop => 0, timeout => $Spark::patience); 1 } or note($@);
	POSIX::_exit(0);
}

# The process that waits at the point of that place.
sub held_at
{
	my ($place) = @_;
	my ($pid) = map { /\.(\d+)$/ } glob("$place->{armed}.[0-9]*");
	return $pid;
}

sub wait_until
{
	my ($deadline, $is_so) = @_;
	until ($is_so->())
	{
		return 0 if time() > $deadline;
		select(undef, undef, undef, 0.02);
	}
	return 1;
}

my %ends = (
	kill => sub {
		my ($deadline, @pids) = @_;
		my $offset = -s $node->logfile;
		kill('KILL', @pids);
		# The postmaster has seen it, and all others are gone.
		wait_until($deadline, sub { slurp_file($node->logfile, $offset) =~ /all server processes terminated; reinitializing/ });
	},
	stop => sub { $node->stop('immediate'); $node->start; },
	orphan => sub {
		my ($deadline) = @_;
		$node->kill9;
		# Its children notice by themselves, and have to be gone first.
		wait_until($deadline, sub { $node->{_pid} = undef; $node->start(fail_ok => 1) });
	});
$ends{lose} = $ends{stop};

# Each case in a database of its own, up to the same end of the server.
sub strike
{
	my ($act, %cases) = @_;
	my ($how, $id, $words) = @$act;
	my $deadline = time() + $Spark::patience;
	local $ENV{PGOPTIONS} = $how eq 'lose' ? '-c synchronous_commit=off' : '';
	my @struck = map { my $kind = $_; map { [ $cases{$kind}[$_], $databases{$kind}[$_] ] } 0 .. $#{ $cases{$kind} } } sort keys %cases;

	arm(@$_) for @struck;
	my @pids = map { work_aside(@$_) } @struck;
	wait_until($deadline, sub { !grep { !held_at($_->[1]) } @struck });
	my %held = map { $_->[1]{name} => held_at($_->[1]) } @struck;
	$ends{$how}->($deadline + $Spark::patience, grep { defined } values %held);
	waitpid($_, 0) for @pids;
	unlink(glob("$_->[1]{armed}*")) for @struck;
	$spark->wait_for_connection;
	delete $ENV{PGOPTIONS};
	for (@struck)
	{
		my ($case, $place) = @$_;
		my $name = "$id $case->{who} at $case->{point}" . (defined $case->{step} ? " after $case->{step}" : '') . ", $words (seed $seed)";
		is(join('; ', ($held{ $place->{name} } ? () : 'nobody came there'), $place->{workload}->faults_once_settled || ()), '', $name);
	}
	return;
}

# ---- the matrix is whole
my %in_matrix = map { $_->[0] => 1 } @points;
is(join(' ', sort keys %in_matrix), join(' ', split(/\n/, slurp_file("$ENV{SPARK_POINTS}/names"))), 'B25 every point of the source is in the matrix');

my $all = ($ENV{SPARK_MATRIX} // '') eq 'all';
my @cases = map { my ($point, $comers, $step) = @$_; map { { point => $point, who => $_, step => $step } } split(/ /, $comers) } grep { $all || !$_->[3] } @points;
$cases[$_]{end} = ($seed + $_) % 3 + 1 for 0 .. $#cases;
for my $number (0 .. $#acts)
{
	my @mine = grep { $all || $number == 0 || $_->{end} == $number } @cases;
	my @served = grep { $_->{who} ne 'session' } @mine;
	my @session = grep { $_->{who} eq 'session' } @mine;
	strike($acts[$number], served => [ splice(@served, 0, $served) ], session => [ splice(@session, 0, $by_hand) ]) while @served || @session;
}
is($_->{spark}->broken_invariants, '', "every invariant holds in $_->{name}") for @databases;
$node->stop;
done_testing();
