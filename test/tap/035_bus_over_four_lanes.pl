# 035_bus_over_four_lanes.pl
#		010_bus.pl once more, over four lanes: what the bus promises it promises with
#		any number of them.
use strict;
use warnings;

use FindBin;
# They want to be there before the run begins.
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

my $promises = "$FindBin::RealBin/010_bus.pl";

$ENV{SPARK_LANES} = 4;
-r $promises or die "$promises cannot be read";
do $promises;
die $@ if $@;
