# Recorder.pm
#		Exchanges with a node over HTTP as they were on the wire, kept in files from
#		which tests without a node replay them (test/fixtures/README.md).
#
#		my $recorder = Recorder->new($nodes, 'first', "$fixtures/lnd");
#		$recorder->exchange('getinfo', GET => '/v1/getinfo');
#
# Each exchange is compared with the file of its name: same status, same end,
# same fields of the same types, so that a new version of a node that speaks
# otherwise is noticed.  With SPARK_RECORD=<folder> the files are written there
# instead.
package Recorder;

use strict;
use warnings;

use File::Path qw(make_path);
use JSON::PP;
use POSIX;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $json = JSON::PP->new->canonical->pretty->utf8;
my %ends = (0 => 'closed', 28 => 'waiting', 18 => 'cut', 52 => 'cut', 56 => 'cut');

# new(nodes, name of the node, folder of the files, %options): url, headers (curl's), of (what it is)
sub new
{
	my ($class, $nodes, $name, $folder, %options) = @_;
	return bless { nodes => $nodes, name => $name, folder => $folder, %options }, $class;
}

# exchange(name, method, path, body, %options): seconds (of patience), headers
# (instead of the usual), meanwhile (code called once the first line is there).
# What came: {status, headers, lines, end}.
sub exchange
{
	my ($self, $name, $method, $path, $body, %options) = @_;
	my $got = $self->talk($method, $path, $body, %options);
	my $recording = { request => { method => $method, path => $path, defined $body ? (body => $body) : () }, of => $self->{of}, %$got };

	if ($ENV{SPARK_RECORD})
	{
		my $folder = "$ENV{SPARK_RECORD}/" . ($self->{folder} =~ s{.*/}{}r);
		make_path($folder);
		unlink("$folder/$name.json");
		append_to_file("$folder/$name.json", $json->encode($recording));
		pass("$name is recorded");
	}
	else
	{
		my $kept = eval { $json->decode(slurp_file("$self->{folder}/$name.json")) } // {};
		is(_summary($recording), _summary($kept), "L81 $name is as it was recorded") or diag($json->encode($recording));
	}
	return $got;
}

sub talk
{
	my ($self, $method, $path, $body, %options) = @_;
	my $nodes = $self->{nodes};
	my @headers = @{ $options{headers} // $self->{headers} // ['Grpc-Metadata-Macaroon: ' . Nodes::hex_of($nodes->macaroon($self->{name}))] };
	my @trust = $self->{url} ? () : ('--cacert', $nodes->certificate($self->{name}));
	my @command = ('curl', '--silent', '--no-buffer', '--include', '--http1.1', '--max-time', $options{seconds} // 20, @trust,
		'--request', $method, (map { ('--header', $_) } @headers),
		(defined $body ? ('--header', 'Content-Type: application/json', '--data-binary', $json->encode($body)) : ()),
		($self->{url} // $nodes->url($self->{name})) . $path);
	my $began = Time::HiRes::time();
	my ($text, @lines) = ('');
	my ($status, %headers);

	open(my $out, '-|', @command) or die "curl does not start: $!";
	while (sysread($out, my $part, 65536))
	{
		$text .= $part;
		if (!$status && $text =~ s/^HTTP\S+ ([0-9]{3})[^\n]*\n(.*?)\r\n\r\n//s)
		{
			$status = $1;
			%headers = map { my ($key, $value) = /^([^:]+): *(.*)/; (lc($key) => $value) } split(/\r\n/, $2);
		}
		next unless $status;
		push @lines, { after_ms => int(1000 * (Time::HiRes::time() - $began)), text => $1 } while $text =~ s/^([^\n]*\n)//;
		(delete $options{meanwhile})->() if @lines && $options{meanwhile};
	}
	close($out);
	push @lines, { after_ms => int(1000 * (Time::HiRes::time() - $began)), text => $text } if $text ne '';
	delete $headers{date};
	delete $headers{'content-length'};
	return { status => ($status // 0) + 0, headers => \%headers, lines => \@lines, end => $ends{ $? >> 8 } // 'none' };
}

# What must stay the same of an exchange: status, end, and the fields of its first and last line.
sub _summary
{
	my ($recording) = @_;
	my @lines = @{ $recording->{lines} // [] };
	my @ends = @lines > 1 ? @lines[ 0, -1 ] : @lines;
	return join("\n", $recording->{status} // 'no recording', $recording->{end} // '',
		map { my $value = eval { JSON::PP->new->utf8->allow_nonref->decode($_->{text}) }; ('--', _fields('', $value)) } @ends);
}

# Each field's path and type.  What stands in lists and below names that are data varies.
sub _fields
{
	my ($path, $value) = @_;
	return map { _fields("$path.$_", $value->{$_}) } sort keys %$value if ref($value) eq 'HASH' && $path !~ /features$|custom_records$/;
	return "$path []" if ref($value) eq 'ARRAY';
	return "$path {}" if ref($value) eq 'HASH';
	return "$path " . (JSON::PP::is_bool($value) ? 'bool' : !defined $value ? 'null' : $value =~ /^-?[0-9]+$/ ? 'number' : $value =~ /^[A-Z_]+$/ ? $value : 'text');
}

1;
