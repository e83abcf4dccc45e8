# 110_lnd.pl
#		Deposits and withdrawals over real channels: what comes in is credited, what
#		goes out is charged with its true fee, what fails is given back, and what a
#		payee holds stays reserved until he decides.
use strict;
use warnings;

use Hub;
use Invoice;
use Nodes;
use PostgreSQL::Test::Utils;
use Test::More;

my $nodes = Nodes->start;
my $hub = Hub->start($nodes, conf => "spark.lightning_timeout = 3");
my $spark = $hub->spark;

is($spark->sql('SELECT backend, network, node_id FROM spark_bitcoin.node'), 'lnd|regtest|' . $nodes->public_key('first'), 'L11 the node is recorded as what it is');

# ---- deposits
my $alice = $hub->person('alice');
my $bob = $hub->person('bob');
my ($id, $request, $hash) = $hub->deposit($alice, 500_000);
my $seen = $nodes->lncli('third', 'decodepayreq', $request);
is("$seen->{destination} $seen->{num_satoshis} $seen->{payment_hash}", $nodes->public_key('first') . " 500000 $hash", 'L31 the payment request is the node\'s own, over the amount');
is($hub->shown($alice, $id, 'status, state'), 'pending|open', 'unpaid it is pending');
$hub->pays('third', $request);
$hub->comes($alice, $id, 'paid', 'settled', 'L33 paid over two channels it is credited');
is($hub->shown($alice, $id, 'received_msat, preimage IS NULL'), '500000000|f', 'with what came, and the proof');
is($hub->balance($alice), '500000000|0', 'to the millisatoshi');

# ---- more than was asked for
($id, $request, $hash) = $hub->deposit($bob, 1_000);
is($hub->pays_as_it_likes('third', $request, 1_500), 'SUCCEEDED', 'somebody pays more than he was asked for');
$hub->comes($bob, $id, 'paid', 'settled', 'L35 paid with more than was asked for, a deposit is credited');
is($hub->shown($bob, $id, 'amount_msat, received_msat'), '1000000|1500000', 'with what came');

# ---- late and never
$spark->set('spark.invoice_expiry', "'2s'");
$spark->wait_for("SELECT current_setting('spark.invoice_expiry') = '2s'");
my ($never) = $hub->deposit($alice, 7);
$hub->comes($alice, $never, 'expired', 'expired', 'S17 what nobody pays expires');
$spark->set('spark.invoice_expiry', "'1h'");

# ---- what was paid while spark was away
($id, $request, $hash) = $hub->deposit($alice, 2_000);
$spark->node->stop('immediate');
$hub->pays('third', $request);
$spark->node->start;
$spark->wait_for_connection;
$hub->comes($alice, $id, 'paid', 'settled', 'L42 a deposit that was paid meanwhile is credited after a start');
is($hub->balance($alice), '502000000|0', 'L34 once');
$hub->books_are_right('after deposits');

# ---- withdrawals
($request, $hash) = $hub->outside('second', 10_000);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'paid', 'succeeded', 'a withdrawal to a neighbour is paid');
is($hub->shown($alice, $id, 'amount_msat, fee_msat'), '10000000|0', 'for nothing');
is($hub->state_at('second', $hash), 'SETTLED', 'and the payee has it');
is($hub->shown($alice, $id, "encode(sha256(decode(preimage, 'hex')), 'hex')"), $hash, 'L2 the proof fits');
is($hub->balance($alice), '492000000|0', 'what was reserved for fees is free again');

($request, $hash) = $hub->outside('third', 20_000);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'paid', 'succeeded', 'a withdrawal over two channels is paid');
my ($fee) = $hub->payments_at('first', $hash) =~ /^SUCCEEDED ([0-9]+)$/;
cmp_ok($fee, '>', 0, 'the router took a fee');
is($hub->shown($alice, $id, 'fee_msat'), $fee, 'L22 which is charged as it was, to the millisatoshi');
is($hub->balance($alice), (472_000_000 - $fee) . '|0', 'beside the amount');
is(($hub->withdraw($alice, $request))[0], $id, 'L15 the same payment request is the same withdrawal');
is($hub->payments_at('first', $hash), "SUCCEEDED $fee", 'and is paid once');
$hub->books_are_right('after withdrawals');

# an amount that the payee leaves open
($request, $hash) = $hub->outside('third', 0);
is(($spark->try_as($alice, "SELECT * FROM spark.withdraw('$request')"))[0], 'SP403', 'L14 without an amount nothing is paid');
($id) = $hub->withdraw($alice, $request, ', 1234');
$hub->comes($alice, $id, 'paid', 'succeeded', 'L14 a request without amount is paid with ours');
is($hub->shown($alice, $id, 'amount_msat'), '1234000', 'and with no other');

# ---- failures
my $before = $hub->balance($alice);
($request, $hash) = $hub->outside('third', 300);
$nodes->lncli('third', 'cancelinvoice', $hash);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'failed', 'failed', 'L23 a payment that the payee refuses fails');
is($hub->shown($alice, $id, 'reason'), 'payment_refused', 'and says so');

my $nowhere = Invoice::make(amount => '3u', preimage => 'of nobody', secret => '5' x 64);
($id) = $hub->withdraw($alice, $nowhere->{request});
$hub->comes($alice, $id, 'failed', 'failed', 'one without a route fails');
is($hub->shown($alice, $id, 'reason'), 'payment_refused', 'and says so');

($request, $hash) = $hub->outside('third', 300);
($id) = $hub->withdraw($alice, $request, ', NULL, 0');
$hub->comes($alice, $id, 'failed', 'failed', 'L22 no fee above what was allowed is paid: it fails');
is($hub->payments_at('first', $hash) =~ /SUCCEEDED/, '', 'and nothing was paid');
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'paid', 'succeeded', 'L26 with a higher limit the same request is paid');
my ($with_fee) = $hub->shown($alice, $id, 'amount_msat + fee_msat');
is($hub->balance($alice), ($before =~ s/\|0//r) - $with_fee . '|0', 'every reserve of a failed one is given back');

# somebody else has paid it
($request, $hash) = $hub->outside('third', 400);
$hub->pays('second', $request);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'failed', 'failed', 'what somebody else has paid fails');
$hub->books_are_right('after failures');

# ---- held by the payee, longer than any patience of ours
$before = $hub->balance($alice);
($request, $hash, my $preimage) = $hub->held('third', 5_000);
($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
my ($other_request, $other_hash, $other_preimage) = $hub->held('third', 6_000);
my ($other) = $hub->withdraw($alice, $other_request);
$hub->is_held('third', $other_hash);
$hub->comes($alice, $_, 'pending', 'in_flight', 'a held payment is pending') for $id, $other;
$spark->wait_for("SELECT submitted_at < now() - interval '6 seconds' FROM spark_bitcoin.withdrawals WHERE invoice_id = '$other'");
is($hub->shown($alice, $_, 'status'), 'pending', 'L5 and stays so past every timeout') for $id, $other;
is($hub->balance($alice) =~ /\|([0-9]+)$/ && $1 >= 11_000_000, 1, 'with its money reserved');
is($spark->sql("SELECT count(*) FROM spark_ops.reconcile() WHERE kind = 'solvency'"), '0', 'L44 what is held is still ours: the node lacks nothing');
my $in_flight = $spark->sql('SELECT in_flight_msat FROM spark_bitcoin.audit');
is($in_flight, $nodes->lncli('first', 'channelbalance')->{unsettled_remote_balance}{msat}, 'as LND says what has left its side and not arrived');
ok($in_flight >= 11_000_000 && $in_flight <= 11_000_000 + 200_000, 'which is both amounts with their fees');
my ($meanwhile) = $hub->withdraw($alice, ($hub->outside('second', 11))[0]);
$hub->comes($alice, $meanwhile, 'paid', 'succeeded', 'others are paid meanwhile');
$nodes->lncli('third', 'settleinvoice', $preimage);
$nodes->lncli('third', 'cancelinvoice', $other_hash);
$hub->look_now($_) for $id, $other;
$hub->comes($alice, $id, 'paid', 'succeeded', 'taken by the payee it is paid');
$hub->comes($alice, $other, 'failed', 'failed', 'let go by him it is given back');
$hub->books_are_right('after held payments');

# ---- from one person to another: the node is not asked to pay itself
$before = $hub->balance($alice);
my ($inside, $own, $own_hash) = $hub->deposit($bob, 3_000);
is(($spark->try_as($bob, "SELECT * FROM spark.withdraw('$own')"))[0], 'SP408', 'L16 nobody pays himself');
my $forged = Invoice::make(amount => '30u', payment_hash => $own_hash, secret => '7' x 64);
is(($spark->try_as($alice, "SELECT * FROM spark.withdraw('$forged->{request}')"))[0], 'SP404', 'L16 a look-alike with a hash of ours is refused');
($id) = $hub->withdraw($alice, $own);
$hub->comes($alice, $id, 'paid', 'succeeded', 'L37 an invoice of another account is paid inside');
$hub->comes($bob, $inside, 'paid', 'settled', 'and is a deposit there');
is($hub->state_at('first', $own_hash), 'CANCELED', 'L16 the node\'s own invoice was cancelled');
is($hub->payments_at('first', $own_hash), '', 'and no payment made');
is($hub->balance($bob), '4500000|0', 'the payee has all of it');
is($hub->balance($alice), ($before =~ s/\|0//r) - 3_000_000 . '|0', 'the payer paid no fee');
isnt(eval { $hub->pays('third', $own)->{status} } // 'refused', 'SUCCEEDED', 'nobody outside can pay it any more');

# the other way round: outside was quicker
($inside, $own, $own_hash) = $hub->deposit($bob, 4_000);
$hub->pays('third', $own);
$hub->comes($bob, $inside, 'paid', 'settled', 'a deposit is paid outside');
isnt(($spark->try_as($alice, "SELECT * FROM spark.withdraw('$own')"))[0], '', 'L37 and cannot be paid inside, too');

# ---- what the node did without us
my $differences = 'SELECT coalesce(string_agg(kind || \' \' || coalesce(payment_hash, \'\'), \', \' ORDER BY kind), \'\') FROM spark_ops.reconcile()';
is($spark->sql($differences), '', 'L43 books and node agree');
my (undef, $by_hand) = my @by_hand = $hub->outside('third', 77);
$hub->pays('first', $by_hand[0]);
my ($taken, $taken_hash) = $hub->outside('first', 88);
$hub->pays('third', $taken);
is($spark->sql($differences), "invoice_unknown $taken_hash, payment_unknown $by_hand", 'L43 what its operator paid and took by hand is listed');

is($spark->sql('SELECT ok FROM spark_ops.node_health() WHERE check_name = \'solvency\''), 't', 'L44 the node has what is owed');
my $owed = $spark->sql("SELECT sum(credits_posted_msat - debits_posted_msat) FROM spark_ops.trial_balance() WHERE account_class = 'user'");
cmp_ok($nodes->lncli('first', 'channelbalance')->{local_balance}{msat}, '>=', $owed, 'indeed');

$hub->balance($alice);
is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
is($spark->sql('SELECT count(*) FROM spark_bitcoin.withdrawals WHERE late'), '0', 'no payment came after it had failed');
my $log = slurp_file($spark->node->logfile);
my $secret = unpack('H*', $hub->macaroon('first'));
unlike($log, qr/$secret/i, 'L58 no secret is in the log');
$spark->stop;
$nodes->stop;
done_testing();
