# Hub.pm
#		spark on the first of real nodes (Nodes.pm), and what its people do there.
#
#		my $hub = Hub->start($nodes);					# a server with spark, connected, recognised
#		my $alice = $hub->person('alice', 50_000);		# signed up; so many sat came in over the channels
#		my ($id, $hash) = $hub->withdraw($alice, $request);
#		$hub->comes($alice, $id, 'paid', 'succeeded', 'what it tests');
#		is($hub->balance($alice), '0|0', 'posted and reserved, in msat');
package Hub;

use strict;
use warnings;

use Digest::SHA;
use JSON::PP;
use Nodes;
use PostgreSQL::Test::Utils;
use Spark;
use Test::More;

# start(nodes, %options): conf (more settings, which win)
sub start
{
	my ($class, $nodes, %options) = @_;
	my $self = bless { nodes => $nodes, deposited => 0, withdrawn => 0 }, $class;
	# What the node was not asked about in time is asked again soon: nothing here waits for a minute.
	my @settings = ("spark.lightning_timeout = 5", "spark.lightning_not_found_delay = 1", $self->settings('first'), $options{conf} // ());
	$self->{spark} = Spark->start(name => $options{name} // 'hub', conf => join("\n", @settings));
	$self->comes_to_stand(1, 'the node is taken up');
	return $self;
}

sub spark { return $_[0]{spark}; }

# A copy of a file that only its owner reads, as spark demands it of a secret.
sub kept_secret
{
	my ($self, $name, $content) = @_;
	my $file = "$self->{nodes}{folder}/$name";
	my $mask = umask(077);
	unlink($file);
	append_to_file($file, $content);
	umask($mask);
	return $file;
}

# All that spark asks of lnd, and nothing else: a macaroon with these rights is enough.
our @rights = map { "uri:$_" } (map { "/lnrpc.Lightning/$_" } qw(GetInfo AddInvoice LookupInvoice SubscribeInvoices ListInvoices ListPayments ChannelBalance)),
	'/routerrpc.Router/SendPaymentV2', '/routerrpc.Router/TrackPaymentV2', '/invoicesrpc.Invoices/CancelInvoice';

# The macaroon that spark has of that node.
sub macaroon
{
	my ($self, $name) = @_;
	return $self->{macaroons}{$name} //= pack('H*', $self->{nodes}->lncli($name, 'bakemacaroon', @rights)->{said});
}

# The settings that connect spark to that node.
sub settings
{
	my ($self, $name) = @_;
	my $nodes = $self->{nodes};
	my $macaroon = $self->kept_secret("$name.macaroon", $self->macaroon($name));
	my $url = $nodes->url($name);
	my $certificate = $nodes->certificate($name);
	return "spark.lightning_node = 'lnd'\nspark.lightning_network = 'regtest'\nspark.lightning_url = '$url'\n"
		. "spark.lightning_ca_file = '$certificate'\nspark.lightning_credential_file = '$macaroon'";
}

# Waits until spark stands with its node like that: 1 works, 0 stands still, with such words.
sub comes_to_stand
{
	my ($self, $ok, $name, $words) = @_;
	my $like = defined $words ? "detail LIKE '$words'" : 'true';
	# Of LNbits health always has something to say, also while it works.
	my $wanted = $ok ? "ready AND (ok OR backend = 'lnbits')" : "NOT ok AND $like";
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $good = $self->{spark}->wait_for("SELECT $wanted FROM spark_ops.node_health(), spark_bitcoin.node_state WHERE check_name = 'node'", $name);
	diag($self->{spark}->sql('SELECT * FROM spark_ops.node_health()')) unless $good;
	return $good;
}

# Signed up, with so many satoshi that came over the channels: the token.
sub person
{
	my ($self, $name, $sat) = @_;
	my $token = $self->{spark}->sign_up($name);
	$self->fund($token, $sat) if $sat;
	return $token;
}

# Asks for a deposit: (id, payment request, payment hash).
sub deposit
{
	my ($self, $token, $sat) = @_;
	my $spark = $self->{spark};
	my $id = $spark->as($token, "SELECT invoice_id FROM spark.deposit($sat)");
	$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$id')", undef, $token);
	return ($id, split(/\|/, $spark->as($token, "SELECT payment_request, payment_hash FROM spark.invoice('$id')")));
}

# A deposit that the third node has paid, seen by spark.
sub fund
{
	my ($self, $token, $sat) = @_;
	my ($id, $request) = $self->deposit($token, $sat);
	$self->pays('third', $request);
	$self->{spark}->wait_for("SELECT status = 'paid' FROM spark.invoice('$id')", undef, $token);
	$self->{spark}->wait_until_drained;
	return $id;
}

# That node pays: what it says of the payment.
sub pays
{
	my ($self, $name, $request, @words) = @_;
	return $self->{nodes}->lncli($name, 'payinvoice', '--force', '--json', '--timeout=20s', @words, $request);
}

# That node pays a request with an amount of its own choice: how that ended.  lncli
# would have it look up what the payee understands, in an announcement that can come
# seconds after that of his channels; until then it knows no way to pay him.
sub pays_as_it_likes
{
	my ($self, $name, $request, $sat) = @_;
	my $seen = $self->{nodes}->lncli($name, 'decodepayreq', $request);
	my %bytes = (dest => 'destination', payment_hash => 'payment_hash', payment_addr => 'payment_addr');
	my $payment = { amt => "$sat", fee_limit_sat => '100', final_cltv_delta => $seen->{cltv_expiry} + 0, timeout_seconds => 20,
		dest_features => [ map { $_ + 0 } keys %{ $seen->{features} } ], no_inflight_updates => JSON::PP::true,
		map { ($_ => Nodes::base64(pack('H*', $seen->{ $bytes{$_} }))) } keys %bytes };
	my $said = $self->{nodes}->rest($name, POST => '/v2/router/send', $payment, seconds => 60);
	my $result = eval { JSON::PP::decode_json($said->{body})->{result} } // die "$name: $said->{status} $said->{body}";
	return $result->{status} eq 'FAILED' ? $result->{failure_reason} : $result->{status};
}

# An invoice of that node: (payment request, payment hash).
sub outside
{
	my ($self, $name, $sat, @words) = @_;
	my $made = $self->{nodes}->lncli($name, 'addinvoice', "--amt=$sat", @words);
	return ($made->{payment_request}, $made->{r_hash});
}

# An invoice whose payee holds what comes until it is told: (payment request, payment hash, preimage).
sub held
{
	my ($self, $name, $sat) = @_;
	my $preimage = unpack('H*', join('', map { chr(int(rand(256))) } 1 .. 32));
	my $hash = Digest::SHA::sha256_hex(pack('H*', $preimage));
	my $made = $self->{nodes}->lncli($name, 'addholdinvoice', $hash, "--amt=$sat");
	return ($made->{payment_request}, $hash, $preimage);
}

# How an invoice stands at that node, as it says.
sub state_at
{
	my ($self, $name, $hash) = @_;
	return $self->{nodes}->lncli($name, 'lookupinvoice', $hash)->{state};
}

# Waits until the payee holds it.
sub is_held
{
	my ($self, $name, $hash) = @_;
	return $self->{nodes}->until("$hash is held", sub { $self->state_at($name, $hash) eq 'ACCEPTED' });
}

# (id, payment hash)
sub withdraw
{
	my ($self, $token, $request, $more) = @_;
	return split(/\|/, $self->{spark}->as($token, "SELECT invoice_id, payment_hash FROM spark.withdraw('$request'" . ($more // '') . ')'));
}

sub comes
{
	my ($self, $token, $id, $status, $state, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $good = $self->{spark}->wait_for("SELECT status = '$status' AND state = '$state' FROM spark.invoice('$id')", $name, $token);
	diag($self->{spark}->as($token, "SELECT * FROM spark.invoice('$id')")) unless $good;
	return $good;
}

# That withdrawal is paid, and the node has made the payment once: what it has cost, in msat.
sub is_paid_once
{
	my ($self, $token, $id, $hash, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->comes($token, $id, 'paid', 'succeeded', $name);
	like($self->payments_at('first', $hash), qr/^(?:FAILED [0-9]+, )*SUCCEEDED [0-9]+$/, '... and once');
	return $self->shown($token, $id, 'amount_msat + fee_msat');
}

sub shown
{
	my ($self, $token, $id, $columns) = @_;
	return $self->{spark}->as($token, "SELECT $columns FROM spark.invoice('$id')");
}

# Asks about a payment now, however rare looks have become.
sub look_now
{
	my ($self, $id) = @_;
	$self->{spark}->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$id' AND next_look_at > now()");
	return;
}

sub balance
{
	my ($self, $token) = @_;
	$self->{spark}->wait_until_drained;
	return $self->{spark}->as($token, 'SELECT posted_msat, reserved_msat FROM spark.balance()');
}

# What that node has paid with this hash: 'STATUS fee' of each attempt it keeps.
sub payments_at
{
	my ($self, $name, $hash) = @_;
	my @payments = grep { $_->{payment_hash} eq $hash } @{ $self->{nodes}->lncli($name, 'listpayments', '--include_incomplete')->{payments} };
	return join(', ', map { "$_->{status} $_->{fee_msat}" } @payments);
}

# The last test of a file: all adds up, no message is dead; then all ends.
sub finish
{
	my ($self) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->books_are_right('at the end');
	is($self->{spark}->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
	$self->{spark}->stop;
	$self->{nodes}->stop;
	return;
}

# Every user's money is what the node took in for us less what it gave out, and every invariant holds.
sub books_are_right
{
	my ($self, $name) = @_;
	my $spark = $self->{spark};
	my $nodes = $self->{nodes};
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$spark->wait_until_drained;
	my ($in, $out) = (0, 0);
	$in += $_->{amt_paid_msat} for grep { $_->{state} eq 'SETTLED' } @{ $nodes->lncli('first', 'listinvoices', '--max_invoices=10000')->{invoices} };
	$out += $_->{value_msat} + $_->{fee_msat} for grep { $_->{status} eq 'SUCCEEDED' } @{ $nodes->lncli('first', 'listpayments')->{payments} };
	is($spark->sql("SELECT coalesce(sum(credits_posted_msat - debits_posted_msat), 0) FROM spark_ops.trial_balance() WHERE account_class = 'user'"),
		$in - $out, "$name: users own what the node took in less what it gave out");
	is($spark->broken_invariants, '', "$name: every invariant holds");
	return;
}

1;
