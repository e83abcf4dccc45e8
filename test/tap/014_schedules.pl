# 014_schedules.pl
#		The promise of the bus under random schedules, against an oracle.
#
# Meanwhile workers are killed, and the number of lanes changes: all is played over
# one lane and over four (Schedules.pm says what the writers do, and what the
# oracle knows).
#
# SPARK_SEED sets the seed, SPARK_SCHEDULES makes the run longer.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Schedules;
use Spark;

my $seed = $ENV{SPARK_SEED} || int(rand(2**31));
my $length = $ENV{SPARK_SCHEDULES} || 1;
note("seed $seed");
srand($seed);

my $spark = Spark->start(conf => "restart_after_crash = on\nmax_prepared_transactions = 50\nspark.retry_base_delay = 20\nspark.dispatch_naptime = 100");

my $schedules = Schedules->new($spark);

sub worker_pids
{
	return split(/\n/, $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type IN ('spark dispatcher', 'spark consumer') AND datname = 'postgres'"));
}

sub oracle_agrees
{
	my ($name) = @_;
	my $faults = $schedules->faults;
	is($faults, '', "$name: " . $schedules->count . " changes heard once, in order (seed $seed)");
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
	return sub { $spark->set_lanes($lanes) };
};
my $terminate = sub { usleep(200_000); $spark->sql("SELECT pg_terminate_backend($_)") for worker_pids(); };

my $killed = sub {
	my ($lanes) = @_;
	$schedules->run(20 * $length, $kill->(), sub { $spark->wait_for_connection });
	$spark->wait_for_connection;
	$schedules->roll_back_prepared;
	return oracle_agrees("B25 a worker killed, and all its server with it, over $lanes");
};
my $stopped = sub {
	my ($lanes) = @_;
	$schedules->run(20 * $length, sub { usleep(400_000); $spark->node->stop('immediate'); $spark->node->start; });
	$schedules->roll_back_prepared;
	return oracle_agrees("B25 B26 the server stopped at once, over $lanes");
};
# One of them over one lane, the other over four.
my ($of_one, $of_four) = rand(2) < 1 ? ($killed, $stopped) : ($stopped, $killed);

$schedules->run(40 * $length);
oracle_agrees('B1 B2 B3 B4 one lane, nothing killed');

$schedules->run(20 * $length, $terminate, $terminate);
oracle_agrees('B32 workers told to stop');
$of_one->('one lane');

$schedules->run(30 * $length, $relane->(4));
oracle_agrees('B38 from one lane to four');
is($spark->sql('SELECT spark_ops.lanes()'), '4', 'there are four');
$spark->wait_for("SELECT count(*) = 4 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'", 'a dispatcher each');

$schedules->run(40 * $length, $terminate);
oracle_agrees('B1 B2 B3 B4 B32 over four lanes, with workers told to stop');
$of_four->('four lanes');

$spark->sql("UPDATE mood SET value = 5");
$schedules->run(30 * $length, $relane->(2));
$spark->sql("UPDATE mood SET value = 0");
oracle_agrees('B38 B15 from four to two, with a handler that stumbles');

$schedules->run(30 * $length, $relane->(8), $terminate, $relane->(1));
oracle_agrees('B38 to eight and back to one, with workers told to stop');

is($spark->sql("SELECT count(*) FROM spark_ops.dead_letters()"), '0', 'no message is dead');
$spark->stop;
done_testing();
