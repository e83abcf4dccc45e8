# 041_faults.pl
#		Random payments and deposits while the node fails in every way it can and
#		the processes are killed under them: of each kind of node that the simulated
#		one passes for, and of a server that speaks each dialect.  In the end all
#		that was unknown is known, the money adds up, no hash was paid twice, and
#		nothing was given back that was paid; the node's own record is the witness.
#
#		SPARK_FAULTS			how many payments (270); ./dev campaign takes 10,000
#		SPARK_FAULTS_SEED		the seed of a run, as it was printed; else one by chance
#		SPARK_FAULTS_WORLDS		only worlds whose name fits this pattern
#		SPARK_FAULTS_AT_ONCE	so many worlds run beside each other (3)
use strict;
use warnings;

use Campaign;
use Campaign::Served;
use Campaign::Simulated;
use FaultNode;
use IO::Handle;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $payments = $ENV{SPARK_FAULTS} || 270;
my $seed = $ENV{SPARK_FAULTS_SEED} || (time() ^ ($$ << 8)) & 0x7fffffff;
my $at_once = $ENV{SPARK_FAULTS_AT_ONCE} || 3;
my @worlds = map { Campaign::Simulated->new($_) } qw(lnd cln lnbits eclair phoenixd);

push @worlds, map { Campaign::Served->new($_) } qw(lnd cln cln-socket lnbits) if FaultNode::lacks() eq '';
note(FaultNode::lacks()) if FaultNode::lacks() ne '';
@worlds = grep { $_->name =~ /$ENV{SPARK_FAULTS_WORLDS}/ } @worlds if $ENV{SPARK_FAULTS_WORLDS};
my $share = POSIX::ceil($payments / @worlds);
note("seed $seed, $payments payments; again by SPARK_FAULTS_SEED=$seed SPARK_FAULTS=$payments");

is(join(', ', Campaign::Simulated->forgotten), '', 'no fault of the simulated node is forgotten here');
is(join(', ', Campaign::Served->forgotten), '', 'nor one of the servers');

# One world in a process of its own, which writes down what it finds.
sub begin_world
{
	my ($number) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/tap';
	my $pid = fork() // die $!;

	return { file => $file, pid => $pid, name => $worlds[$number]->name } if $pid;
	open(my $tap, '>', $file) or die $!;
	$tap->autoflush;
	Test::More->builder->reset;
	Test::More->builder->$_($tap) for qw(output failure_output todo_output);
	Campaign->new(world => $worlds[$number], payments => $share, seed => $seed + $number)->run;
	done_testing();
	exit(0);
}

# Its findings as if they were made here.
sub report
{
	my ($world) = @_;
	my $count = 0;

	for (split(/\n/, -e $world->{file} ? slurp_file($world->{file}) : ''))
	{
		if (/^(not )?ok \d+ - (.*)/)
		{
			ok(!$1, "$world->{name}: $2");
			$count++;
		}
		note("$world->{name}: $1") if /^# (.+)/;
	}
	ok($count > 10 && $world->{status} == 0, "$world->{name}: ran to its end (seed $seed)");
	return;
}

my %running;
for my $number (0 .. $#worlds, (-1) x $at_once)
{
	if (keys %running >= $at_once || ($number < 0 && %running))
	{
		my $done = waitpid(-1, 0);
		$running{$done}{status} = $?;
		report(delete $running{$done});
	}
	next if $number < 0;
	my $world = begin_world($number);
	$running{ $world->{pid} } = $world;
}
done_testing();
