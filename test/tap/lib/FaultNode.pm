# FaultNode.pm
#		A node that speaks as LND, Core Lightning or LNbits does and fails as told
#		(fault_node.py), and a spark that works with it.
#
#		my $node = FaultNode->start;						# LND over TLS, on ports of its own
#		my $other = FaultNode->start(dialect => 'cln');		# or cln-socket, lnbits
#		my $spark = Spark->start(conf => $node->settings);
#		$node->fault(send => 'reset', when => 'after');		# the next payment's reply is lost
#		my $outside = $node->outside(100_000);				# a payment request of somebody else
#		is($node->begun($outside->{payment_hash}), 1, 'paid once');
package FaultNode;

use strict;
use warnings;

use Digest::SHA qw(sha256);
use File::Basename;
use HTTP::Tiny;
use Invoice;
use JSON::PP;
use MIME::Base64;
use POSIX qw(WNOHANG);
use Ports;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = -x '/usr/bin/python3' ? '/usr/bin/python3' : 'python3';
my $made = 0;

# Why it cannot run here; '' where it can.
sub lacks
{
	return 'no python3 here: the tests with a node that fails were skipped' if system("$python -c 'import ssl' 2>/dev/null") != 0;
	return 'no openssl here: the tests with a node that fails were skipped' if system('openssl version >/dev/null 2>&1') != 0;
	return '';
}

# start(%options): dialect (lnd), tls (1, but for cln-socket)
sub start
{
	my ($class, %options) = @_;
	my $dialect = $options{dialect} // 'lnd';
	# The name of a socket must be short.
	my $self = bless {
		dialect => $dialect,
		folder => PostgreSQL::Test::Utils::tempdir_short(),
		tls => $options{tls} // $dialect ne 'cln-socket',
		http => HTTP::Tiny->new(timeout => 30),
	}, $class;

	($self->{port}) = Ports::free(1);
	umask(077);
	$self->{credential} = $self->{folder} . ($dialect eq 'lnd' ? '/macaroon' : '/credential');
	append_to_file($self->{credential}, $dialect eq 'lnd' ? "\x02\x01\x03lnd" . sha256("a macaroon of the tests $$") . 'canary'
		: unpack('H*', sha256("a key of the tests $$")) . "canary\n");
	$self->new_certificate if $self->{tls};
	$self->run;
	return $self;
}

sub folder { return $_[0]->{folder}; }

# How a fault echo_part, echo_upper, echo_base64 or echo_hex repeats the credential.
sub echoes
{
	my ($self) = @_;
	my $credential = slurp_file($self->{credential}) =~ s/\n\z//r;
	my $part = substr($self->{dialect} eq 'lnd' ? unpack('H*', $credential) : $credential, 5, 20);

	return ($part, uc($part), encode_base64($part, ''), join(' ', unpack('(H2)*', $part)));
}

sub new_certificate
{
	my ($self) = @_;
	my $folder = $self->{folder};

	unlink("$folder/cert", "$folder/key");
	system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $folder/key -out $folder/cert -days 9"
		. " -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost -batch 2>/dev/null") == 0
	  or die 'no certificate could be made';
	return;
}

# Runs it, at the port that it had before; what it knew is gone.
sub run
{
	my ($self) = @_;
	my $folder = $self->{folder};

	unlink("$folder/ports");
	$self->{pid} = fork() // die "no process: $!";
	if ($self->{pid} == 0)
	{
		$ENV{FAULT_NODE_PORT} = $self->{port};
		exec($python, dirname(__FILE__) . '/fault_node.py', $folder, $self->{dialect}, $self->{tls} ? ("$folder/cert", "$folder/key") : ()) or POSIX::_exit(1);
	}
	my $deadline = time() + 60;
	until (-s "$folder/ports")
	{
		die 'the node that fails did not start' if time() > $deadline || waitpid($self->{pid}, WNOHANG) > 0;
		select(undef, undef, undef, 0.05);
	}
	($self->{port}, $self->{strings}) = split(' ', slurp_file("$folder/ports"));
	return;
}

sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	kill('KILL', $self->{pid});
	waitpid($self->{pid}, 0);
	delete $self->{pid};
	return;
}

sub DESTROY { local $?; $_[0]->stop; return; }

sub url
{
	my ($self) = @_;
	return "unix://$self->{folder}/rpc" if $self->{dialect} eq 'cln-socket';
	return ($self->{tls} ? 'https' : 'http') . "://127.0.0.1:$self->{port}";
}

# Of a server that works with it.
sub settings
{
	my ($self) = @_;
	my $kind = $self->{dialect} =~ s/-.*//r;
	return join("\n", "spark.lightning_node = '$kind'", "spark.lightning_url = '" . $self->url . "'",
		$self->{tls} ? "spark.lightning_ca_file = '$self->{folder}/cert'" : '',
		$self->{dialect} eq 'cln-socket' ? '' : "spark.lightning_credential_file = '$self->{credential}'",
		'spark.lightning_timeout = 2', 'spark.lightning_not_found_delay = 1');
}

sub pull
{
	my ($self, $verb, %body) = @_;
	my $answer = $self->{http}->post("http://127.0.0.1:$self->{strings}/$verb", { content => encode_json(\%body) });

	die "the node that fails would not $verb: $answer->{content}" unless $answer->{success};
	return decode_json($answer->{content});
}

# fault(operation => name, %options): when (after, or before the node acts), times (1; 0: for ever), hash (of a payment or an invoice)
sub fault
{
	my ($self, $operation, $name, %options) = @_;
	return $self->pull('fault', operation => $operation, fault => $name, when => 'after', %options, times => 0 + ($options{times} // 1));
}

sub heal { my ($self) = @_; return $self->pull('heal'); }

# What of the node is the operator's own is not paid out: a payment that would take of it is not made, and stops
# withdrawals until an operator has seen it.
sub keeps_own_capital
{
	my ($self, $spark, $token) = @_;
	my $invoice = $self->outside(1200);
	my $has;

	$spark->sql('SELECT * FROM spark_ops.reconcile()');
	$has = $spark->sql('SELECT local_msat / 1000 FROM spark_bitcoin.audit');
	# Else the comparison that follows a reload would see that accounts and the operator cannot both have all of it.
	$spark->set('spark.solvency_tolerance', 1_000_000_000);
	$spark->wait_for("SELECT current_setting('spark.solvency_tolerance') = '1000000000'");
	$spark->set('spark.own_capital', $has);
	$spark->wait_for("SELECT current_setting('spark.own_capital') = '$has'");
	my $id = $spark->as($token, "SELECT invoice_id FROM spark.withdraw('$invoice->{request}')");
	$spark->wait_for("SELECT is_open AND reason LIKE '%would take of spark.own_capital%' FROM spark_bitcoin.breaker", 'L44 a payment that would take of own capital stops withdrawals');
	is($self->asked($invoice->{payment_hash}), 0, 'and is not made');
	$spark->set('spark.own_capital', 0);
	$spark->wait_for("SELECT current_setting('spark.own_capital') = '0'");
	$spark->set('spark.solvency_tolerance', 10_000);
	$spark->sql("SELECT spark_ops.close_breaker('seen')");
	return $spark->wait_for("SELECT (status, state) = ROW('paid', 'succeeded') FROM spark.invoice('$id')", 'with none of it, and the breaker closed, it is', $token);
}

# A payment request of somebody whom it can pay, once it knows him (later => 1: not yet):
# {request, payment_hash, preimage}.
sub outside
{
	my ($self, $sat, %options) = @_;
	my $invoice;

	$made++;
	$invoice = Invoice::make(amount => $sat * 10 . 'n', preimage => "outside $$ $made", secret => '2', expiry => $options{expiry} // 3600);
	$self->know($invoice, outcome => $options{outcome} // 'succeed') unless $options{later};
	return $invoice;
}

# From now on it can pay that one, or ends it so: hold, no_route, ..
sub know
{
	my ($self, $invoice, %options) = @_;
	return $self->pull('know', hash => $invoice->{payment_hash}, preimage => $invoice->{preimage}, %options);
}

# How often it began to pay that hash; how often it was asked to.
sub begun { my ($self, $hash) = @_; return $self->pull('payment', hash => $hash)->{begun} // 0; }
sub asked { my ($self, $hash) = @_; return scalar(grep { ($_->{hash} // '') eq $hash } @{ $self->pull('requests', operation => 'send') }); }

sub count { my ($self, $operation) = @_; return scalar(@{ $self->pull('requests', operation => $operation) }); }

1;
