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

use Beside;
use Campaign;
use Campaign::Served;
use Campaign::Simulated;
use FaultNode;
use POSIX ();
use Test::More;

my $payments = $ENV{SPARK_FAULTS} || 270;
my $seed = $ENV{SPARK_FAULTS_SEED} || (time() ^ ($$ << 8)) & 0x7fffffff;
my $at_once = $ENV{SPARK_FAULTS_AT_ONCE} || 3;
my @worlds = map { Campaign::Simulated->new($_) } qw(lnd cln lnbits eclair phoenixd);

push @worlds, map { Campaign::Served->new($_) } qw(lnd cln cln-socket lnbits) if FaultNode::lacks() eq '';
@worlds = grep { $_->name =~ /$ENV{SPARK_FAULTS_WORLDS}/ } @worlds if $ENV{SPARK_FAULTS_WORLDS};
my $share = POSIX::ceil($payments / @worlds);
note("seed $seed, $payments payments; again by SPARK_FAULTS_SEED=$seed SPARK_FAULTS=$payments");

is(join(', ', Campaign::Simulated->forgotten), '', 'no fault of the simulated node is forgotten here');
is(join(', ', Campaign::Served->forgotten), '', 'nor one of the servers');
SKIP: { skip('the worlds of the servers: ' . FaultNode::lacks(), 1) if FaultNode::lacks() ne ''; pass('there is a server for each dialect'); }

my @tests;
for my $number (0 .. $#worlds)
{
	push @tests, [ $worlds[$number]->name => sub { Campaign->new(world => $worlds[$number], payments => $share, seed => $seed + $number)->run; } ];
}
Beside::run($at_once, least => 10, tests => \@tests);
done_testing();
