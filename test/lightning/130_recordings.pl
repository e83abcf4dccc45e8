# 130_recordings.pl
#		What LND says over REST, exchange by exchange, is what the recordings in
#		test/fixtures/lnd say, by which the adapter is tested without a node.
use strict;
use warnings;

use Digest::SHA qw(sha256 sha256_hex);
use Invoice;
use Nodes;
use PostgreSQL::Test::Utils;
use Recorder;
use Test::More;

my $nodes = Nodes->start;
my $fixtures = $ENV{SPARK_FIXTURES} // do { require File::Basename; File::Basename::dirname(__FILE__) . '/../fixtures' };
my ($version) = $nodes->lncli('first', 'getinfo')->{version} =~ /^(\S+)/;
my $recorder = Recorder->new($nodes, 'first', "$fixtures/lnd", of => "lnd $version");
my $made = 0;

sub outside { my ($name, $sat, @more) = @_; my $it = $nodes->lncli($name, 'addinvoice', "--amt=$sat", @more); return @$it{qw(payment_request r_hash)}; }
sub url64 { my ($hex) = @_; return Nodes::base64(pack('H*', $hex)) =~ tr{+/}{-_}r; }
sub preimage { $made++; return sha256("preimage $made of these recordings"); }

sub pay
{
	my ($name, $request, %options) = @_;
	my $body = { payment_request => $request, fee_limit_msat => $options{fee} // '100000', timeout_seconds => $options{give_up} // 10,
		no_inflight_updates => JSON::PP::false, $options{amount} ? (amt_msat => $options{amount}) : () };
	delete @options{qw(fee give_up amount)};
	return $recorder->exchange("pay_$name", POST => '/v2/router/send', $body, %options);
}

sub track
{
	my ($name, $hash, %options) = @_;
	return $recorder->exchange("track_$name", GET => '/v2/router/track/' . url64($hash) . '?no_inflight_updates=false', undef, %options);
}

# ---- who it is
$recorder->exchange('state', GET => '/v1/state', undef, headers => []);
$recorder->exchange('getinfo', GET => '/v1/getinfo');
$recorder->exchange('getinfo_wrong_macaroon', GET => '/v1/getinfo', undef, headers => ['Grpc-Metadata-Macaroon: ' . Nodes::hex_of($nodes->macaroon('third'))]);
$recorder->exchange('getinfo_no_macaroon', GET => '/v1/getinfo', undef, headers => []);
$recorder->exchange('balance', GET => '/v1/balance/channels');
$recorder->exchange('unknown_endpoint', GET => '/v1/no-such-thing');

# ---- invoices
my $preimage = preimage();
my $hash = sha256_hex($preimage);
my $body = { value_msat => '250000', memo => 'A recording', expiry => '3600', r_preimage => Nodes::base64($preimage) };
my $request = JSON::PP::decode_json($recorder->exchange('invoice_create', POST => '/v1/invoices', $body)->{lines}[0]{text})->{payment_request};
$recorder->exchange('invoice_create_again', POST => '/v1/invoices', $body);
$recorder->exchange('invoice_create_bad', POST => '/v1/invoices', { value_msat => '-5' });
$recorder->exchange('invoice_open', GET => "/v1/invoice/$hash");
$recorder->exchange('invoice_open_v2', GET => '/v2/invoices/lookup?payment_hash=' . url64($hash));
$recorder->exchange('invoice_unknown', GET => '/v1/invoice/' . '0' x 63 . '1');
$recorder->exchange('invoice_unknown_v2', GET => '/v2/invoices/lookup?payment_hash=' . url64('0' x 63 . '1'));
$nodes->lncli('third', 'payinvoice', '--force', '--json', '--timeout=20s', $request);
$recorder->exchange('invoice_settled', GET => "/v1/invoice/$hash");
$recorder->exchange('invoice_settled_v2', GET => '/v2/invoices/lookup?payment_hash=' . url64($hash));
$recorder->exchange('cancel_settled', POST => '/v2/invoices/cancel', { payment_hash => Nodes::base64(pack('H*', $hash)) });
my $other = sha256_hex($preimage = preimage());
$recorder->talk(POST => '/v1/invoices', { %$body, r_preimage => Nodes::base64($preimage) });
$recorder->exchange('cancel', POST => '/v2/invoices/cancel', { payment_hash => Nodes::base64(pack('H*', $other)) });
$recorder->exchange('cancel_again', POST => '/v2/invoices/cancel', { payment_hash => Nodes::base64(pack('H*', $other)) });
$recorder->exchange('cancel_unknown', POST => '/v2/invoices/cancel', { payment_hash => Nodes::base64(pack('H*', '0' x 63 . '1')) });
$recorder->exchange('invoice_canceled', GET => "/v1/invoice/$other");
$recorder->exchange('invoice_canceled_v2', GET => '/v2/invoices/lookup?payment_hash=' . url64($other));
$recorder->exchange('invoices', GET => '/v1/invoices?num_max_invoices=10&index_offset=0');
$recorder->exchange('invoices_reversed', GET => '/v1/invoices?num_max_invoices=2&reversed=true');
# A stream that has what was settled since, and then waits.
$recorder->talk(POST => '/v1/invoices', { %$body, r_preimage => Nodes::base64(preimage()) });
my $second = JSON::PP::decode_json($recorder->talk(POST => '/v1/invoices', { %$body, r_preimage => Nodes::base64(preimage()) })->{lines}[0]{text})->{payment_request};
$nodes->lncli('third', 'payinvoice', '--force', '--json', '--timeout=20s', $second);
$recorder->exchange('subscribe', GET => '/v1/invoices/subscribe?settle_index=1', undef, seconds => 3);

# ---- payments
my ($outside, $outside_hash) = outside('third', 1_000);
pay('settled', $outside);
pay('again', $outside);
track('settled', $outside_hash);
pay('malformed', 'lnbcrt1junk');
my ($old, $old_hash) = outside('third', 1_000, '--expiry=1');
select(undef, undef, undef, 2.5);
pay('expired', $old);
track('unknown', $old_hash);
my $nowhere = Invoice::make(amount => '3u', preimage => 'nobody of these recordings', secret => '5' x 64);
pay('no_route', $nowhere->{request});
track('failed', $nowhere->{payment_hash});
my ($dear) = outside('third', 1_000);
pay('fee_limit', $dear, fee => '0');
my ($refused, $refused_hash) = outside('third', 1_000);
$nodes->lncli('third', 'cancelinvoice', $refused_hash);
pay('refused', $refused);
pay('no_funds', (outside('third', 9_500_000))[0]);
my ($own) = outside('first', 1_000);
pay('own', $own);
my ($amountless) = outside('third', 0);
pay('no_amount', $amountless);
pay('amount_given', $amountless, amount => '5000');

# held by the payee, then taken; held, then let go
for my $outcome (qw(taken released))
{
	my $secret = preimage();
	my $held_hash = sha256_hex($secret);
	my $held = $nodes->lncli('third', 'addholdinvoice', $held_hash, '--amt=2000')->{payment_request};
	pay("held_$outcome", $held, seconds => 30, meanwhile => sub {
		$nodes->until('it is held', sub { $nodes->lncli('third', 'lookupinvoice', $held_hash)->{state} eq 'ACCEPTED' });
		if ($outcome eq 'taken')
		{
			track('in_flight', $held_hash, seconds => 2);
			pay('while_in_flight', $held);
			$nodes->lncli('third', 'settleinvoice', unpack('H*', $secret));
		}
		else
		{
			$nodes->lncli('third', 'cancelinvoice', $held_hash);
		}
	});
}
$recorder->exchange('payments', GET => '/v1/payments?include_incomplete=true&max_payments=10&omit_hops=true');

# an invoice of its own that holds: what came is not taken yet
my $held_secret = preimage();
my $held_hash = sha256_hex($held_secret);
my $held = $nodes->lncli('first', 'addholdinvoice', $held_hash, '--amt=2000')->{payment_request};
my $payer = $nodes->spawn('payer', "$nodes->{programs}/lncli", '--network=regtest', "--lnddir=$nodes->{nodes}{third}{folder}",
	"--rpcserver=127.0.0.1:$nodes->{nodes}{third}{rpc}", 'payinvoice', '--force', '--json', $held);
$nodes->until('it is held', sub { $nodes->lncli('first', 'lookupinvoice', $held_hash)->{state} eq 'ACCEPTED' });
$recorder->exchange('invoice_held', GET => "/v1/invoice/$held_hash");
$nodes->lncli('first', 'settleinvoice', unpack('H*', $held_secret));
$nodes->quit('payer');

# ---- the node dies within a reply
my $dying = preimage();
my $dying_request = $nodes->lncli('third', 'addholdinvoice', sha256_hex($dying), '--amt=2000')->{payment_request};
pay('killed', $dying_request, seconds => 30, meanwhile => sub { $nodes->kill('first') });
$recorder->exchange('gone', GET => '/v1/state', undef, headers => []);

# ---- the wallet is locked
$nodes->run('first', locked => 1);
$nodes->until('its wallet is locked', sub { $nodes->lncli('first', 'state')->{state} eq 'LOCKED' });
$recorder->exchange('state_locked', GET => '/v1/state', undef, headers => []);
$recorder->exchange('getinfo_locked', GET => '/v1/getinfo');
track('locked', $outside_hash);
$recorder->exchange('invoice_locked', GET => "/v1/invoice/$hash");
$nodes->stop;
done_testing();
