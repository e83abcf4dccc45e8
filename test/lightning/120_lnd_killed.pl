# 120_lnd_killed.pl
#		The node, the payee or we ourselves are killed before, during and after a
#		payment: it is never made twice, never forgotten, and never given back while
#		it can still come.
use strict;
use warnings;

use Hub;
use Nodes;
use PostgreSQL::Test::Utils;
use Test::More;

my $nodes = Nodes->start;
my $hub = Hub->start($nodes);
my $spark = $hub->spark;
my $alice = $hub->person('alice', 1_000_000);
my $spent = 0;
my $stuck = 0;

sub balance_is
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($hub->balance($alice), (1_000_000_000 - $spent) . "|$stuck", $name);
}

# A paid withdrawal takes what it has cost.
sub spend
{
	my ($id, $hash, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$spent += $hub->is_paid_once($alice, $id, $hash, $name);
	return;
}

# A payment of which nobody knows beforehand how it ends.  Killed at the wrong
# moment, LND itself may say for ever that one is in flight of which no channel
# knows: then it stays reserved, and that is right.

sub ends_as_the_payee_says
{
	my ($name, $request, $hash, $id) = @_;
	my $deadline = time() + 45;
	my $status;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	while (($status = $hub->shown($alice, $id, 'status')) eq 'pending' && time() < $deadline)
	{
		$hub->look_now($id);
		select(undef, undef, undef, 0.5);
	}
	if ($status eq 'pending')
	{
		my @held = map { @{ $_->{pending_htlcs} } } @{ $nodes->lncli('first', 'listchannels')->{channels} };
		my $said = $hub->payments_at('first', $hash);
		$stuck += $hub->shown($alice, $id, 'amount_msat + max_fee_msat');
		like($said, qr/^IN_FLIGHT/, "$name: LND does not know how it ended, it stays reserved");
		is(join(' ', grep { $_->{hash_lock} eq $hash } @held), '', '... of which no channel knows');
		return;
	}
	is($status, $hub->state_at('third', $hash) eq 'SETTLED' ? 'paid' : 'failed', "$name: it ends as the payee says: $status");
	$spent += $hub->shown($alice, $id, 'amount_msat + fee_msat') if $status eq 'paid';
	return;
}

# ---- killed before a payment: it waits
$nodes->kill('first');
$hub->comes_to_stand(0, 'L11 a node that is gone is missed');
my ($request, $hash) = $hub->outside('third', 1_000);
my ($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'pending', 'reserved', 'L20 a withdrawal waits for the node');
my $deposit = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(1000)');
is($hub->shown($alice, $deposit, 'status, payment_request IS NULL'), 'pending|t', 'and so does a deposit');
$nodes->run('first');
$nodes->wait_active('first');
spend($id, $hash, 'back again, the node pays');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$deposit')", 'and makes the invoice', $alice);

# ---- killed at the very moment: what it says after is what counts
for my $round (1 .. 3)
{
	my @payments = map { [$hub->outside('third', 100 + $_)] } 1 .. 4;
	$_->[2] = ($hub->withdraw($alice, $_->[0]))[0] for @payments;
	select(undef, undef, undef, 0.05 * $round);
	$nodes->kill('first');
	$nodes->run('first');
	$nodes->wait_active('first');
	ends_as_the_payee_says("L5 killed in round $round", @$_) for @payments;
}
balance_is('every payment is charged that was made, and no other');

# ---- killed during a payment: held by the payee
($request, $hash, my $preimage) = $hub->held('third', 2_000);
($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
$nodes->kill('first');
$hub->comes_to_stand(0, 'it is killed while a payment is held');
is($hub->shown($alice, $id, 'status'), 'pending', 'which stays pending');
$nodes->run('first');
$nodes->wait_active('first');
$hub->comes_to_stand(1, 'it comes back');
is($hub->shown($alice, $id, 'status'), 'pending', 'the payment is pending still');
$nodes->lncli('third', 'settleinvoice', $preimage);
$hub->look_now($id);
spend($id, $hash, 'the payee takes it: paid');

# ---- killed after the payee had it
($request, $hash, $preimage) = $hub->held('third', 3_000);
($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
$nodes->kill('first');
$nodes->lncli('third', 'settleinvoice', $preimage);
$hub->comes_to_stand(0, 'it is killed, and the payee takes the payment');
is($hub->shown($alice, $id, 'status'), 'pending', 'of which nobody can know here');
$nodes->run('first');
$nodes->wait_active('first');
spend($id, $hash, 'until the node is back');
balance_is('and charged once');

# ---- the server is killed while a payment is held
($request, $hash, $preimage) = $hub->held('third', 4_000);
($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
$spark->node->stop('immediate');
$nodes->lncli('third', 'settleinvoice', $preimage);
$spark->node->start;
$spark->wait_for_connection;
spend($id, $hash, 'L19, L42 killed ourselves, we ask and learn that it was paid');

# the same, many at once, at any moment
for my $round (1 .. 3)
{
	my @payments = map { [$hub->outside('third', 200 + $_)] } 1 .. 5;
	$_->[2] = ($hub->withdraw($alice, $_->[0]))[0] for @payments;
	select(undef, undef, undef, 0.1 * $round);
	$spark->node->stop('immediate');
	$spark->node->start;
	$spark->wait_for_connection;
	spend($_->[2], $_->[1], "L17 round $round: killed on the way, it is paid") for @payments;
}
balance_is('and each is charged once');

# ---- the payee is gone
($request, $hash) = $hub->outside('third', 450);
$nodes->kill('third');
($id) = $hub->withdraw($alice, $request);
$spark->wait_for("SELECT state <> 'reserved' FROM spark.invoice('$id')", undef, $alice);
$nodes->run('third');
$nodes->wait_active;
ends_as_the_payee_says('the payee was gone', $request, $hash, $id);
# For a while it would not even try that channel again.
$nodes->lncli($_, 'resetmc') for qw(first second);

# ---- the channel is closed by force while the payee holds a payment
($request, $hash, $preimage) = $hub->held('third', 300_000);
($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
my ($channel) = @{ $nodes->lncli('first', 'listchannels')->{channels} };
is(scalar(grep { $_->{hash_lock} eq $hash } @{ $channel->{pending_htlcs} }), 1, 'the payment is under way in a channel');
$nodes->lncli('first', 'closechannel', '--force', "--chan_point=$channel->{channel_point}");
$nodes->mine(1);
$nodes->until('the channel is gone', sub { !@{ $nodes->lncli('first', 'listchannels')->{channels} } });
$hub->look_now($id);
is($hub->shown($alice, $id, 'status'), 'pending', 'F9 after a forced close the payment is pending still');
is($hub->shown($alice, $id, "state IN ('submitting', 'in_flight', 'unknown')"), 't', '... and nobody calls it failed');
$nodes->lncli('third', 'settleinvoice', $preimage);
# What the payee has shown comes to us over the chain, or by what its neighbour still tells.
for (my $deadline = time() + 120; time() < $deadline && $hub->shown($alice, $id, 'status') eq 'pending';)
{
	$nodes->mine(1);
	select(undef, undef, undef, 0.5);
	$hub->look_now($id);
}
spend($id, $hash, 'F9 settled on the chain, it is paid');

balance_is('after all this, all is charged that was paid');
$hub->finish;
done_testing();
