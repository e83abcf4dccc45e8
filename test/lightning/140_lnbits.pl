# 140_lnbits.pl
#		A real LNbits over a real lnd: deposits, withdrawals with their fee, refusals,
#		a payee who holds, LNbits away, its word on failures, another wallet.
use strict;
use warnings;

use Hub;
use Lnbits;
use Nodes;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'LNbits is not installed' unless Lnbits::installed();

my $nodes = Nodes->start;
my $lnbits = Lnbits->start($nodes);
my ($admin, $invoice_key) = @{ $lnbits->{wallet} }{qw(adminkey inkey)};
my $hub = Hub->start($nodes, conf => $lnbits->settings);
my $spark = $hub->spark;

like($spark->sql("SELECT detail FROM spark_ops.node_health() WHERE check_name = 'node'"), qr/for small sums only/, 'health says what LNbits is good for');
is($spark->sql('SELECT backend, network, node_id, wallet FROM spark_bitcoin.node'),
	'lnbits|regtest|' . $nodes->public_key('first') . "|$lnbits->{wallet}{id}", 'L11 the wallet is recorded with the node that makes its invoices');

# ---- deposits
my $alice = $hub->person('alice');
my ($id, $request, $hash) = $hub->deposit($alice, 100_000);
$hub->pays('third', $request);
$hub->comes($alice, $id, 'paid', 'settled', 'L33 a deposit is credited');
is($hub->shown($alice, $id, 'received_msat, preimage IS NULL'), '100000000|f', 'with what came, and the proof');
is($hub->balance($alice), '100000000|0', 'L34 once');

# ---- withdrawals
($request, $hash) = $hub->outside('third', 10_000);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'paid', 'succeeded', 'a withdrawal over two channels is paid');
my ($fee) = $hub->payments_at('first', $hash) =~ /^SUCCEEDED ([0-9]+)$/;
is($hub->shown($alice, $id, 'fee_msat'), $fee, 'L22 with the fee that lnd paid');
is($hub->balance($alice), (90_000_000 - $fee) . '|0', 'and no more');
is($hub->shown($alice, $id, "encode(sha256(decode(preimage, 'hex')), 'hex')"), $hash, 'L2 the proof fits');
$hub->books_are_right('after withdrawals');

# ---- what it sets aside is more than what was reserved here
($request, $hash) = $hub->outside('third', 10_000);
($id) = $hub->withdraw($alice, $request, ', NULL, 1');
$hub->comes($alice, $id, 'failed', 'failed', 'L10 where LNbits may pay a higher fee than was reserved, it is not asked to');
is($hub->shown($alice, $id, 'reason'), 'fee_limit_too_low', 'and the reason says so');
is($hub->payments_at('first', $hash), '', 'lnd heard nothing of it');

# ---- held by the payee, past every timeout
my $before = $hub->balance($alice);
($request, $hash, my $preimage) = $hub->held('third', 5_000);
($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
$hub->comes($alice, $id, 'pending', 'in_flight', 'L5 a held payment is pending');
is($hub->balance($alice) =~ /\|([0-9]+)$/ && $1 >= 5_000_000, 1, 'with its money reserved');
$nodes->lncli('third', 'settleinvoice', $preimage);
$nodes->until('the payee has it', sub { $hub->state_at('third', $hash) eq 'SETTLED' });
$hub->look_now($id);
$hub->comes($alice, $id, 'paid', 'succeeded', 'taken by the payee it is paid');

# ---- LNbits is away
$lnbits->stop;
($request, $hash) = $hub->outside('third', 700);
($id) = $hub->withdraw($alice, $request);
$hub->comes_to_stand(0, 'health sees that nobody answers', '%does not answer%');
$lnbits->run;
$hub->comes_to_stand(1, 'and that somebody does again');
$hub->look_now($id);
$hub->comes($alice, $id, 'paid', 'succeeded', 'L20 what nobody was asked for is asked for later');
is($hub->payments_at('first', $hash) =~ /^SUCCEEDED [0-9]+$/, 1, 'once');
$hub->books_are_right('after LNbits was away');

# ---- its word that a payment failed is weak
($request, $hash) = $hub->outside('third', 300);
$nodes->lncli('third', 'cancelinvoice', $hash);
$before = $hub->balance($alice);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'pending', 'unknown', 'L23 what LNbits calls failed stays unknown');
$hub->look_now($id);
$spark->wait_for("SELECT next_look_at > now() FROM spark_bitcoin.withdrawals WHERE invoice_id = '$id'");
is($hub->shown($alice, $id, 'status, state'), 'pending|unknown', 'also after it was asked again');
isnt($hub->balance($alice), $before, 'and its money reserved');

# ---- another wallet of the same LNbits
my $other = $lnbits->call(POST => '/api/v1/account', undef, { name => 'another' })->{json};
Hub::kept_secret({ nodes => $nodes }, 'lnbits.keys', "$other->{adminkey}\n");
$spark->node->reload;
$hub->comes_to_stand(0, 'L11 with the keys of another wallet nothing is paid', '%another node answers%');
($request, $hash) = $hub->outside('third', 500);
($id) = $hub->withdraw($alice, $request);
# ---- and keys of two: what one has paid would be asked of the other
Hub::kept_secret({ nodes => $nodes }, 'lnbits.keys', "$admin\n$other->{inkey}\n");
$spark->node->reload;
$hub->comes_to_stand(0, 'L23 with keys of two wallets nothing is paid', '%the invoice key is of another wallet than the admin key%');
Hub::kept_secret({ nodes => $nodes }, 'lnbits.keys', "$admin\n$invoice_key\n");
is($hub->payments_at('first', $hash), '', 'lnd was not asked');
$spark->node->reload;
$hub->comes_to_stand(1, 'with the first keys it goes on');
$hub->look_now($id);
$hub->comes($alice, $id, 'paid', 'succeeded', 'and pays');

is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
my $log = slurp_file($spark->node->logfile);
unlike($log, qr/$admin|$invoice_key|$other->{adminkey}|$other->{inkey}/, 'L58 no key is in the log');
$spark->stop;
$lnbits->stop;
$nodes->stop;
done_testing();
