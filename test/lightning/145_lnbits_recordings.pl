# 145_lnbits_recordings.pl
#		What LNbits says over a real lnd, exchange by exchange, is what the recordings
#		in test/fixtures/lnbits say.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Basename;
use Invoice;
use JSON::PP;
use Lnbits;
use Nodes;
use PostgreSQL::Test::Utils;
use Recorder;
use Test::More;

plan skip_all => 'LNbits is not installed' unless Lnbits::installed();

my $nodes = Nodes->start;
my $lnbits = Lnbits->start($nodes);
my ($admin, $invoice_key) = @{ $lnbits->{wallet} }{qw(adminkey inkey)};
my $recorder = Recorder->new($nodes, 'first', dirname(__FILE__) . '/../fixtures/lnbits', of => 'LNbits 1.6.2 on lnd', url => $lnbits->{url},
	headers => ["X-Api-Key: $admin"]);
my $payments = '/api/v1/payments';

sub outside { my ($sat) = @_; my $it = $nodes->lncli('third', 'addinvoice', "--amt=$sat"); return @$it{qw(payment_request r_hash)}; }
sub pay { my ($name, $request, %options) = @_; return $recorder->exchange("pay_$name", POST => $payments, { out => JSON::PP::true, bolt11 => $request }, %options); }
sub look { my ($name, $hash, %options) = @_; return $recorder->exchange("look_$name", GET => "$payments/$hash", undef, %options); }

# ---- the wallet
$recorder->exchange('wallet', GET => '/api/v1/wallet');
$recorder->exchange('wallet_invoice_key', GET => '/api/v1/wallet', undef, headers => ["X-Api-Key: $invoice_key"]);
$recorder->exchange('wallet_wrong_key', GET => '/api/v1/wallet', undef, headers => ['X-Api-Key: ' . '0' x 32]);
$recorder->exchange('wallet_no_key', GET => '/api/v1/wallet', undef, headers => []);

# ---- invoices
my $made = decode_json($recorder->exchange('create', POST => $payments,
	{ out => JSON::PP::false, unit => 'sat', amount => 250, memo => 'A recording', expiry => 3600 })->{lines}[0]{text});
$recorder->exchange('create_nothing', POST => $payments, { out => JSON::PP::false, unit => 'sat', amount => 0 });
look('open', $made->{payment_hash});
look('unknown', '0' x 63 . '1');
$nodes->lncli('third', 'payinvoice', '--force', '--json', '--timeout=20s', $made->{bolt11});
$nodes->until('LNbits has seen it', sub { $lnbits->call(GET => "$payments/$made->{payment_hash}", $admin)->{json}{paid} });
look('settled', $made->{payment_hash});
my $other = $lnbits->call(POST => '/api/v1/account', undef, { name => 'another' })->{json};
look('of_another', $made->{payment_hash}, headers => ["X-Api-Key: $other->{adminkey}"]);

# ---- payments
my ($request, $hash) = outside(1_000);
$recorder->exchange('fee_reserve', GET => "$payments/fee-reserve?invoice=$request");
pay('invoice_key', $request, headers => ["X-Api-Key: $invoice_key"]);
pay('no_funds', $request, headers => ["X-Api-Key: $other->{adminkey}"]);
pay('settled', $request);
look('sent', $hash);
pay('again', $request);
pay('malformed', 'lnbcrt1junk');
my $nowhere = Invoice::make(amount => '3u', preimage => 'nobody of these recordings', secret => '5' x 64);
pay('no_route', $nowhere->{request});
look('no_route', $nowhere->{payment_hash});
pay('no_route_again', $nowhere->{request});
($request, $hash) = outside(500);
$nodes->lncli('third', 'cancelinvoice', $hash);
pay('refused', $request);
look('refused', $hash);
my ($amountless) = outside(0);
pay('no_amount', $amountless);

# held by the payee for longer than LNbits waits
my $preimage = join('', map { sprintf('%02x', int(rand(256))) } 1 .. 32);
my $held_hash = sha256_hex(pack('H*', $preimage));
my $held = $nodes->lncli('third', 'addholdinvoice', $held_hash, '--amt=2000')->{payment_request};
pay('held', $held);
look('held', $held_hash);
pay('while_held', $held);
$nodes->lncli('third', 'settleinvoice', $preimage);
$nodes->until('LNbits has seen it', sub { $lnbits->call(GET => "$payments/$held_hash", $admin)->{json}{paid} });
look('taken', $held_hash);
$recorder->exchange('list', GET => "$payments/paginated?limit=10&offset=0&sortby=created_at&direction=asc");

# ---- its lnd is gone
$nodes->kill('first');
($request, $hash) = outside(300);
pay('lnd_gone', $request);
look('lnd_gone', $hash);
$recorder->exchange('create_lnd_gone', POST => $payments, { out => JSON::PP::false, unit => 'sat', amount => 250, memo => 'A recording', expiry => 3600 });
$lnbits->stop;
$nodes->stop;
done_testing();
