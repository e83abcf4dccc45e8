# 150_lnbits_down.pl
#		LNbits that is killed, whose lnd is gone, or that has too little: it says
#		"pending" of what it never sent, and nothing at all of what is held, so money
#		stays reserved until it is proven how a payment ended.
use strict;
use warnings;

use Hub;
use Lnbits;
use Nodes;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'LNbits is not installed' unless Lnbits::installed();

my $nodes = Nodes->start;
my $lnbits = Lnbits->start($nodes, sat => 10);
my $admin = $lnbits->{wallet}{adminkey};
my $hub = Hub->start($nodes, conf => $lnbits->settings);
my $spark = $hub->spark;
my $alice = $hub->person('alice', 50_000);

# Asked again and again until the payment has ended.
sub ends
{
	my ($id, $status, $state, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$nodes->until($name, sub { $hub->look_now($id); $hub->shown($alice, $id, 'status') ne 'pending' });
	return is($hub->shown($alice, $id, 'status, state'), "$status|$state", $name);
}

# ---- killed while a payment is held
my ($request, $hash, $preimage) = $hub->held('third', 5_000);
my ($id) = $hub->withdraw($alice, $request);
$hub->is_held('third', $hash);
$lnbits->kill;
$hub->comes_to_stand(0, 'LNbits is killed while a payment is held');
is($hub->shown($alice, $id, 'status'), 'pending', 'L5 which stays pending');
$nodes->lncli('third', 'settleinvoice', $preimage);
$lnbits->run;
ends($id, 'paid', 'succeeded', 'L42 back again, LNbits says that it was paid');
like($hub->payments_at('first', $hash), qr/^SUCCEEDED [0-9]+$/, 'and it was, once');

# ---- killed just when it is asked to pay
for my $round (1 .. 2)
{
	($request, $hash) = $hub->outside('third', 200 + $round);
	($id) = $hub->withdraw($alice, $request);
	select(undef, undef, undef, 0.1 * $round);
	$lnbits->kill;
	$lnbits->run;
	$hub->look_now($id);
	$spark->wait_for("SELECT state NOT IN ('reserved', 'submitting') FROM spark.invoice('$id')", undef, $alice);
	my $paid = $hub->state_at('third', $hash) eq 'SETTLED';
	$nodes->until('it is known', sub { $hub->look_now($id); ($hub->shown($alice, $id, 'status') eq 'paid') == $paid || ($paid = $hub->state_at('third', $hash) eq 'SETTLED') && 0 });
	is($hub->shown($alice, $id, 'status'), $paid ? 'paid' : 'pending', 'killed in round ' . $round . ($paid ? ', what was paid is charged' : ', what was not paid stays reserved'));
	unlike($hub->payments_at('first', $hash), qr/SUCCEEDED.*SUCCEEDED/, 'and nothing is paid twice');
}

# ---- its lnd is gone: LNbits would say "pending" of what it never sent, so it is not asked to
$nodes->kill('first');
($request, $hash) = $hub->outside('third', 300);
($id) = $hub->withdraw($alice, $request);
# Tried in vain once or more, or not at all, as the worker may have seen it before.
$spark->wait_for("SELECT state = 'reserved' AND NOT (SELECT ok FROM spark_ops.health() WHERE check_name = 'node') FROM spark_bitcoin.withdrawals"
	. " WHERE invoice_id = '$id'", 'L20 with its lnd gone, a withdrawal waits, and health says why');
is($hub->shown($alice, $id, 'status'), 'pending', 'L23 and nothing is given back');
like($hub->balance($alice), qr/\|[1-9][0-9]+$/, 'its money stays reserved');
is($hub->state_at('third', $hash), 'OPEN', 'nothing was paid');
$nodes->run('first');
$nodes->wait_active('first');
ends($id, 'paid', 'succeeded', 'L11 it is paid once LNbits shows whose node it stands on');
like($hub->payments_at('first', $hash), qr/^SUCCEEDED [0-9]+$/, '... once');

# ---- it has less than spark has promised
my ($all) = $hub->outside('third', 40_000);
my $drained = $lnbits->call(POST => '/api/v1/payments', $admin, { out => JSON::PP::true, bolt11 => $all });
is($drained->{status}, 201, 'its operator takes most of what is in the wallet');
($request, $hash) = $hub->outside('third', 20_000);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'failed', 'failed', 'L23 a withdrawal that it has no money for fails at once');
is($hub->payments_at('first', $hash), '', 'its lnd was not asked');
is(scalar(grep { /^solvency / } split(/\n/, $spark->sql("SELECT kind || ' ' || coalesce(detail, '') FROM spark_ops.reconcile()"))), 1, 'L44 what the wallet lacks is listed');

is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
$spark->stop;
$lnbits->stop;
$nodes->stop;
done_testing();
