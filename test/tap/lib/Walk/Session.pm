# Session.pm
#		One psql kept open, spoken to over pipes.
#
#		my $session = Walk::Session->new($connection_string);
#		my $answer = $session->ask('SELECT 1');		# {sqlstate => '00000', rows => ['1'], message => ''}
#
# Where the connection broke before an answer came, ask() returns undef: nobody
# knows whether the statement took effect.  The next ask() connects anew, with
# patience, as a server that was killed comes back in its own time.
package Walk::Session;

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use IPC::Open2;

our $patience = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 180;

my $end_of_answer = 'end-of-answer';

sub new
{
	my ($class, $connection, $greeting) = @_;
	return bless { connection => $connection, greeting => $greeting // 'SELECT 1', buffer => '' }, $class;
}

# Until a server answers; dies where none does.
sub connect
{
	my ($self) = @_;
	my $deadline = time() + $patience;

	while (1)
	{
		$self->_start;
		my $answer = $self->_exchange($self->{greeting});
		return if defined $answer && $answer->{sqlstate} eq '00000';
		$self->close;
		die "no server after $patience s" if time() > $deadline;
		select(undef, undef, undef, 0.05);
	}
}

sub _start
{
	my ($self) = @_;
	local $SIG{PIPE} = 'IGNORE';
	open(my $stderr, '>&', \*STDERR) or die $!;
	open(STDERR, '>', '/dev/null') or die $!;
	my $started = eval {
		$self->{pid} = open2($self->{from}, $self->{to}, 'psql', '--no-psqlrc', '--quiet', '--no-align', '--tuples-only',
			'--dbname', $self->{connection});
		1;
	};
	open(STDERR, '>&', $stderr) or die $!;
	die "psql cannot be started: $@" if !$started;
	$self->{buffer} = '';
	return;
}

sub is_open { return defined $_[0]->{pid}; }

sub close
{
	my ($self) = @_;
	return if !defined $self->{pid};
	CORE::close($self->{to});
	CORE::close($self->{from});
	waitpid(delete $self->{pid}, 0);
	return;
}

# Statements without their last semicolon; the SQLSTATE is that of the last one.
sub ask
{
	my ($self, $sql) = @_;
	$self->connect if !$self->is_open;
	my $answer = $self->_exchange($sql);
	if (defined $answer && $answer->{sqlstate} eq 'stuck')
	{
		kill('TERM', $self->{pid});
		$self->close;
	}
	$self->close if !defined $answer;
	return $answer;
}

# The rows, where nothing but success will do.
sub rows
{
	my ($self, $sql) = @_;
	my $answer = $self->ask($sql);
	die "connection lost asking: $sql" if !defined $answer;
	die "$answer->{sqlstate} $answer->{message} asking: $sql" if $answer->{sqlstate} ne '00000';
	return @{ $answer->{rows} };
}

sub _exchange
{
	my ($self, $sql) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $request = "$sql;\n\\echo $end_of_answer :SQLSTATE :LAST_ERROR_MESSAGE\n";

	syswrite($self->{to}, $request) or return undef;
	my $deadline = time() + $patience;
	my $waiting = IO::Select->new($self->{from});
	my $end = qr/^\Q$end_of_answer\E (\S*) ?(.*)\n/m;
	while ($self->{buffer} !~ $end)
	{
		return { sqlstate => 'stuck', rows => [], message => "no answer after $patience s to: $sql" }
			if time() > $deadline;
		next if !$waiting->can_read(1);
		sysread($self->{from}, $self->{buffer}, 65536, length $self->{buffer}) or return undef;
	}
	my ($sqlstate, $message) = $self->{buffer} =~ $end;
	my $rows = substr($self->{buffer}, 0, $-[0]);
	$self->{buffer} = '';
	# The server has gone, and psql is about to notice.
	return undef if $sqlstate eq '' || $sqlstate =~ /^(?:57P0|08)/;
	return { sqlstate => $sqlstate, rows => [ split(/\n/, $rows) ], message => $sqlstate eq '00000' ? '' : $message };
}

1;
