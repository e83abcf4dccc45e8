# 037_clock.pl
#		A clock that is set back: workers go by the clock as it is, and do not rest
#		until it is again where it was.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start;
my $bus = Bus->new($spark);
$bus->listen('bell', 'shop.alarm');

# The server gets its time from a library that takes so many seconds off.
my $clock_file = $spark->node->basedir . '/clock';
sub set_back { my ($seconds) = @_; open my $file, '+<', $clock_file or die $!; syswrite $file, pack('q', $seconds); close $file; return; }
append_to_file($clock_file, pack('q', 0));
append_to_file("$clock_file.c", <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
static volatile long *behind;
__attribute__((constructor)) static void
begin(void)
{
	int			file = open(getenv("SPARK_CLOCK"), O_RDONLY);
	void	   *map = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);

	behind = map == MAP_FAILED ? NULL : map;
}
int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	static int	(*real) (struct timeval *, void *);
	int			result;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "gettimeofday");
	result = real(now, zone);
	if (behind != NULL)
		now->tv_sec -= *behind;
	return result;
}
END
system_or_bail('cc', '-shared', '-fPIC', '-o', "$clock_file.so", "$clock_file.c", '-ldl');
$spark->stop;
{
	local $ENV{SPARK_CLOCK} = $clock_file;
	local $ENV{LD_PRELOAD} = "$clock_file.so";
	$spark->node->start;
}

sub ring_soon
{
	my ($n) = @_;
	return $bus->author("SELECT spark_bus.emit('shop.alarm', '" . $bus->key($n) . "', '{\"n\": $n}', deliver_at => clock_timestamp() + interval '100 ms')");
}
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer'", 'the bell has a worker');
ring_soon(1);
$bus->comes('bell', 1, '1', 'B39 it rings by the clock as it was');
my $noon = $spark->sql('SELECT clock_timestamp()');
set_back(3600);
is($spark->sql("SELECT clock_timestamp() < '$noon'"), 't', 'the clock is set back by an hour');
ring_soon(2);
$bus->comes('bell', 2, '2', 'B39 and by the clock as it is');
$spark->stop;
done_testing();
