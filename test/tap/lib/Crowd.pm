# Crowd.pm
#		Many clients at one moment, for TAP tests: each is a process of its own with
#		a psql of its own, as a person's client would have.
#
#		my @told = Crowd->new($spark)->at_once(20, sub {
#			my ($client, $number) = @_;
#			$client->sign_in($bob);
#			$client->isolate('serializable');
#			my ($sqlstate, $answer) = $client->call("SELECT ...");
#			$client->tell("$sqlstate $answer");			# a line for the test
#		});
#
# All begin together: nobody calls before everybody is connected and has said so
# by ready(), or began to call.  call() repeats what SQLSTATE 40001 and 40P01 ask
# to repeat, as a client must; try() does not.
package Crowd;

use strict;
use warnings;

use IO::Handle;
use POSIX ();

sub new
{
	my ($class, $spark) = @_;
	return bless { spark => $spark }, $class;
}

# Runs what($client, $number) in that many processes; the lines they told, sorted
# by process.  Dies where one of them died.
sub at_once
{
	my ($self, $count, $what) = @_;
	my (@crowd, @told, $failed);

	pipe(my $starts, my $start) or die "pipe: $!";
	for my $number (0 .. $count - 1)
	{
		pipe(my $from, my $to) or die "pipe: $!";
		defined(my $pid = fork) or die "fork: $!";
		if ($pid == 0)
		{
			close($start);
			close($from);
			$to->autoflush(1);
			my $good = eval { $what->(Crowd::Client->new($self->{spark}, $starts, $to), $number); 1 };
			print $to 'died ', $@ =~ s/\n/ /gr, "\n" unless $good;
			POSIX::_exit(0);	# leaves the server to the process that started it
		}
		close($to);
		push @crowd, { pid => $pid, from => $from };
	}
	close($starts);
	for (@crowd)
	{
		my $from = $_->{from};
		$_->{early} = <$from>;
	}
	close($start);			# whoever waits for it goes on
	for my $one (@crowd)
	{
		my $from = $one->{from};
		while (defined(my $line = $one->{early} // <$from>))
		{
			delete $one->{early};
			$failed = $line if $line =~ /^died /;
			push @told, $1 if $line =~ /^told (.*)/;
		}
		waitpid($one->{pid}, 0);
	}
	die "one of $count clients $failed" if defined $failed;
	return @told;
}

package Crowd::Client;

use strict;
use warnings;

use IPC::Open2;

my $end = 'end-of-answer';

sub new
{
	my ($class, $spark, $starts, $to) = @_;
	my $node = $spark->node;
	my $self = bless { starts => $starts, to => $to, level => 'read committed', repeats => 0 }, $class;

	$self->{pid} = open2(my $answers, my $orders, 'sh', '-c', 'exec psql "$@" 2>&1', '-',
		'--no-psqlrc', '--no-align', '--tuples-only', '--quiet',
		$node->connstr($spark->{database}) . ' user=client');
	@$self{qw(answers orders)} = ($answers, $orders);
	$orders->autoflush(1);
	return $self;
}

# One line of SQL: (SQLSTATE or '', what psql said).
sub _exchange
{
	my ($self, $sql) = @_;
	my ($answers, $orders) = @$self{qw(answers orders)};
	my $out = '';

	print $orders "$sql;\n\\echo $end :SQLSTATE\n";
	while (defined(my $line = <$answers>))
	{
		if ($line =~ /^$end (\S+)/)
		{
			chomp($out);
			return ($1 eq '00000' ? '' : $1, $out);
		}
		$out .= $line;
	}
	die "psql ended during $sql: $out";
}

sub sign_in
{
	my ($self, $token) = @_;
	$self->_exchange("SET spark.token = '$token'");
	return;
}

sub isolate
{
	my ($self, $level) = @_;
	$self->{level} = $level;
	$self->_exchange("SET default_transaction_isolation = '$level'");
	return;
}

# Waits for everybody else.
sub ready
{
	my ($self) = @_;
	return if $self->{begun}++;
	my ($starts, $to) = @$self{qw(starts to)};
	$self->_exchange('SELECT 1');
	print $to "ready\n";
	my $nothing = <$starts>;
	return;
}

# Once: (SQLSTATE or '', answer).
sub try
{
	my ($self, $sql) = @_;
	$self->ready;
	return $self->_exchange($sql);
}

# Until it is not asked to be repeated: (SQLSTATE or '', answer).
sub call
{
	my ($self, $sql) = @_;
	while (1)
	{
		my ($sqlstate, $out) = $self->try($sql);
		return ($sqlstate, $out) if $sqlstate !~ /^(?:40001|40P01)$/;
		die "still $sqlstate after 1000 repetitions of $sql" if ++$self->{repeats} > 1000;
	}
}

# A line for the test that called at_once().
sub tell
{
	my ($self, $line) = @_;
	my $to = $self->{to};
	print $to "told $line\n";
	return;
}

1;
