# Client.pm
#		One session with a server, spoken to over its socket, without a process to
#		start for it.
#
#		my $client = Client->connect($node, 'postgres', user => 'client');		# dies where none answers
#		my ($status, $out, $err) = $client->run('SELECT 1; SELECT 2');		# as psql would end and say
#		$client->close;		# when this returns, the server's process has gone
#
# What comes back is what `psql -XAtq -f -` writes: each statement is sent by
# itself, a row is a line of its columns between bars, and the status is 0, 3
# after an error and 2 where the connection broke.  What psql does on its own
# (commands after a backslash, data for COPY) only psql can: see statements().
# A session keeps nothing between statements but what they set; it must not be
# used on both sides of a fork.
package Client;

use strict;
use warnings;

use IO::Socket ();

my $protocol = 3 << 16;

# What a script consists of, as far as it matters where a statement ends.
# Strings beside each other are as good as one with a quote in it.
my $comment = qr{--[^\n]*|/\*.*?\*/}s;
my $quoted = qr{[eE]'[^'\\]*(?:\\.[^'\\]*)*'|'[^']*'|"[^"]*"|\$((?:[A-Za-z_]\w*)?)\$.*?\$\g{-1}\$}s;
my $word = qr{[A-Za-z_\x80-\xff][\w\$\x80-\xff]*|[^A-Za-z_\x80-\xff'"\$;()\\/-]+}s;

# The statements of a script, an array; undef where only psql can run it.
sub statements
{
	my ($script) = @_;
	my ($depth, $begin, @found) = (0, 0);

	# A body that is no string has semicolons of its own.
	return undef if $script =~ /\bBEGIN\s+ATOMIC\b/i;
	while ($script =~ /\G(?:$comment|$quoted|$word|(.))/gs)
	{
		my $sign = $2 // next;
		return undef if $sign eq '\\' || $sign eq "'" || $sign eq '"';
		$depth += $sign eq '(' ? 1 : $sign eq ')' ? -1 : 0;
		next unless $sign eq ';' && $depth <= 0;
		push @found, substr($script, $begin, pos($script) - $begin);
		$begin = pos($script);
	}
	push @found, substr($script, $begin);
	return [ grep { /[^\s;]/ } @found ];
}

# Options: user, application
sub connect
{
	my ($class, $node, $database, %options) = @_;
	my $self = bless { socket => $node->raw_connect, buffer => '' }, $class;
	my %said = (
		user => $options{user} // scalar(getpwuid($>)),
		database => $database,
		application_name => $ENV{PGAPPNAME} // 'client',
		$ENV{PGOPTIONS} ? (options => $ENV{PGOPTIONS}) : ());
	my $greeting = pack('N(Z*)*x', $protocol, %said);

	$self->_send(pack('N', 4 + length $greeting) . $greeting);
	my ($status, undef, $err) = $self->_answer;
	return $self if $status == 0;
	$self->close;
	die "connection to database $database failed: $err\n";
}

# A script, until one of its statements fails: (status, output, errors).
# Options: verbose (errors with SQLSTATE and place), go_on (after an error)
sub run
{
	my ($self, $script, %options) = @_;
	my ($out, $err) = ('', '');

	utf8::encode($script) if utf8::is_utf8($script);
	$self->{verbose} = $options{verbose};
	for my $statement (@{ statements($script) // die "only psql can run: $script" })
	{
		$self->_send('Q' . pack('NZ*', 5 + length $statement, $statement));
		my ($status, $output, $errors) = $self->_answer;
		$out .= $output;
		$err .= $errors;
		return ($status, $out, $err) if $status == 2 || ($status && !$options{go_on});
	}
	return (0, $out, $err);
}

sub close
{
	my ($self) = @_;
	my $socket = delete $self->{socket} or return;

	local $SIG{PIPE} = 'IGNORE';
	# The end of the stream is the end of the process behind it.
	1 while syswrite($socket, 'X' . pack('N', 4)) && sysread($socket, my $rest, 65536);
	CORE::close($socket);
	return;
}

sub DESTROY { local ($?, $!, $@); my ($self) = @_; CORE::close($self->{socket}) if $self->{socket}; return; }

sub _send
{
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';

	while (length $bytes)
	{
		my $sent = syswrite($self->{socket}, $bytes);
		next if !defined $sent && $!{EINTR};
		# Who has gone may have said why.
		last if !defined $sent;
		substr($bytes, 0, $sent, '');
	}
	return;
}

# The next message: its type and what it holds; nothing where the stream ended.
sub _message
{
	my ($self) = @_;

	while (1)
	{
		if (length $self->{buffer} >= 5)
		{
			my ($type, $length) = unpack('aN', $self->{buffer});
			if (length $self->{buffer} > $length)
			{
				my $body = substr($self->{buffer}, 5, $length - 4);
				substr($self->{buffer}, 0, $length + 1, '');
				return ($type, $body);
			}
		}
		my $got = sysread($self->{socket}, $self->{buffer}, 1 << 18, length $self->{buffer});
		next if !defined $got && $!{EINTR};
		return if !$got;
	}
}

# All that is said until the server is ready for more.
sub _answer
{
	my ($self) = @_;
	my ($status, $out, $err) = (0, '', '');

	while (my ($type, $body) = $self->_message)
	{
		if ($type eq 'D') { $out .= _row($body); }
		elsif ($type eq 'd') { $out .= $body; }
		elsif ($type eq 'E' || $type eq 'N')
		{
			$err .= $self->_complaint($body, $type eq 'E');
			$status = 3 if $type eq 'E';
		}
		elsif ($type eq 'G') { $self->_send('f' . pack('NZ*', 5, '')); }
		elsif ($type eq 'R' && unpack('N', $body)) { return (2, '', "the server wants a password\n"); }
		elsif ($type eq 'Z') { return ($status, $out, $err); }
	}
	return (2, $out, $err . "server closed the connection unexpectedly\n");
}

# A line of output; a row without columns is none.
sub _row
{
	my ($body) = @_;
	my $count = unpack('n', $body) or return '';
	my ($at, @columns) = (2);

	for (1 .. $count)
	{
		my $length = unpack('l>', substr($body, $at, 4));
		$at += 4;
		push @columns, $length < 0 ? '' : substr($body, $at, $length);
		$at += $length if $length > 0;
	}
	return join('|', @columns) . "\n";
}

sub _complaint
{
	my ($self, $body, $is_error) = @_;
	my %field = map { substr($_, 0, 1) => substr($_, 1) } grep { length } split(/\0/, $body);
	my @lines = "$field{S}:  " . ($self->{verbose} ? "$field{C}: " : '') . $field{M};

	push @lines, "DETAIL:  $field{D}" if defined $field{D};
	push @lines, "HINT:  $field{H}" if defined $field{H};
	push @lines, "QUERY:  $field{q}" if defined $field{q};
	push @lines, "CONTEXT:  $field{W}" if defined $field{W} && $is_error;
	if ($self->{verbose})
	{
		push @lines, "SCHEMA NAME:  $field{s}" if defined $field{s};
		push @lines, "TABLE NAME:  $field{t}" if defined $field{t};
		push @lines, "COLUMN NAME:  $field{c}" if defined $field{c};
		push @lines, "CONSTRAINT NAME:  $field{n}" if defined $field{n};
		push @lines, "LOCATION:  $field{R}, $field{F}:$field{L}" if defined $field{F};
	}
	return join("\n", @lines) . "\n";
}

1;
