# Ports.pm
#		Ports of loopback for what a test starts, and starts again.
#
#		my ($port, $other) = Ports::free(2);
#
# They lie below those that the system gives to whoever connects, so that a node
# that starts again finds its own still free.  A file for each says to the tests
# beside this one that it is taken.
package Ports;

use strict;
use warnings;

use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use File::Path qw(make_path);
use IO::Socket::INET;

sub free
{
	my ($count) = @_;
	my $taken = ($ENV{TESTDIR} // '/tmp') . '/ports';
	my @found;
	make_path($taken);
	while (@found < $count)
	{
		my $port = 10_000 + int(rand(22_000));
		next unless sysopen(my $mark, "$taken/$port", O_CREAT | O_EXCL | O_WRONLY);
		push @found, $port if IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);
	}
	return @found;
}

1;
