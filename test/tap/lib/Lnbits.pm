# Lnbits.pm
#		A real LNbits on top of the first of real nodes (Nodes.pm), with one wallet.
#
#		my $lnbits = Lnbits->start($nodes);				# a few seconds
#		$lnbits->{url}, $lnbits->{wallet}{inkey}, $lnbits->{wallet}{adminkey}
#		$lnbits->call(GET => '/api/v1/wallet', $lnbits->{wallet}{inkey});
#		$lnbits->stop; $lnbits->run;					# the same again
package Lnbits;

use strict;
use warnings;

use File::Path qw(make_path);
use Hub;
use JSON::PP;
use Nodes;
use Ports;
use PostgreSQL::Test::Utils;
use Test::More;

# The folder of the installed packages, or undef.
sub installed
{
	my $installed = $ENV{SPARK_LNBITS};
	return $installed && -d "$installed/lnbits" ? $installed : undef;
}

# start(nodes, %options): sat (in the wallet, 1,000,000)
sub start
{
	my ($class, $nodes, %options) = @_;
	my $self = bless { nodes => $nodes, installed => installed(), folder => "$nodes->{folder}/lnbits" }, $class;
	my ($port) = Ports::free(1);

	@$self{qw(port url)} = ($port, "http://127.0.0.1:$port");
	make_path("$self->{folder}/data/logs", "$self->{folder}/data/extensions");
	symlink("$self->{installed}/lnbits", "$self->{folder}/lnbits") or die "no link: $!";	# it looks for its pages there
	$self->run;
	$self->found_wallet($options{sat} // 1_000_000);
	return $self;
}

sub run
{
	my ($self) = @_;
	my $nodes = $self->{nodes};
	my %settings = (
		PYTHONPATH => $self->{installed},
		PYTHONDONTWRITEBYTECODE => 1,
		HOME => $self->{folder},
		LNBITS_BACKEND_WALLET_CLASS => 'LndRestWallet',
		LND_REST_ENDPOINT => $nodes->url('first') . '/',
		LND_REST_CERT => $nodes->certificate('first'),
		LND_REST_MACAROON => Nodes::hex_of($nodes->macaroon('first')),
		LNBITS_DATA_FOLDER => './data',
		LNBITS_EXTENSIONS_PATH => './data',
		LNBITS_RATE_LIMIT_NO => 1_000_000,
		LNBITS_PRICE_AGGREGATOR_ENABLED => 'false',
		LNBITS_EXCHANGE_RATE_PROVIDERS => '[]',
		LNBITS_EXTENSIONS_MANIFESTS => '[]',
		LNBITS_WASM_EXTENSIONS_MANIFESTS => '[]');
	# Its own starter leaves a process behind; and its link to the packages stands in the folder that it is started in.
	$nodes->spawn('lnbits', 'sh', '-c', 'cd "$0" && exec "$@"', $self->{folder}, 'env', (map { "$_=$settings{$_}" } sort keys %settings),
		$ENV{SPARK_PYTHON} // '/usr/bin/python3', '-m', 'uvicorn', 'lnbits.__main__:app', '--host', '127.0.0.1', '--port', $self->{port});
	# Without an operator it leads everybody to the page that makes one.
	$nodes->until('LNbits answers', sub { $self->call(GET => '/api/v1/health')->{status} =~ /^(?:200|307)$/ });
	return;
}

sub found_wallet
{
	my ($self, $sat) = @_;
	my $secret = 'correct horse battery staple';
	my $token = $self->call(PUT => '/api/v1/auth/first_install', undef,
		{ username => 'operator', password => $secret, password_repeat => $secret })->{json}{access_token} // die 'LNbits has no operator';
	$self->{wallet} = $self->call(POST => '/api/v1/account', undef, { name => 'spark' })->{json};
	my $paid = $self->call(PUT => '/users/api/v1/balance', undef, { id => $self->{wallet}{id}, amount => $sat }, "Authorization: Bearer $token");
	die "LNbits gives the wallet nothing: $paid->{body}" if $paid->{status} != 200;
	return;
}

# The settings that connect spark to it, by the keys of its wallet in a file of ours.
sub settings
{
	my ($self) = @_;
	my $keys = Hub::kept_secret({ nodes => $self->{nodes} }, 'lnbits.keys', join('', map { "$_\n" } @{ $self->{wallet} }{qw(adminkey inkey)}));
	return "spark.lightning_timeout = 8\nspark.lightning_node = 'lnbits'\nspark.lightning_url = '$self->{url}'\n"
		. "spark.lightning_ca_file = ''\nspark.lightning_credential_file = '$keys'";
}

# One call: {status, body, json}.
sub call
{
	my ($self, $method, $path, $key, $body, @headers) = @_;
	push @headers, "X-Api-Key: $key" if defined $key;
	open(my $out, '-|', 'curl', '--silent', '--max-time', 30, '--request', $method, '--write-out', '\n%{http_code}',
		(map { ('--header', $_) } @headers), (defined $body ? ('--header', 'Content-Type: application/json', '--data-binary', encode_json($body)) : ()),
		$self->{url} . $path) or die "curl does not start: $!";
	my $text = do { local $/; <$out> } // '';
	close($out);
	my ($said, $status) = $text =~ /^(.*)\n([0-9]+)$/s;
	return { status => $status // 0, body => $said // '', json => scalar eval { decode_json($said) } };
}

sub kill
{
	my ($self) = @_;
	$self->{nodes}->end('lnbits', 'KILL');
	return;
}

sub stop
{
	my ($self) = @_;
	$self->{nodes}->end('lnbits', 'TERM');
	return;
}

1;
