# 061_down.pl
#		Every command is accepted while the worker, or the node, is down, and
#		finishes when it is back.  Also before the node was ever met.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(worker => 0);
my $id = qr/^[0-9a-f-]{36}$/;

sub set_up_anew
{
	my ($setting, $value) = @_;
	$spark->node->append_conf('postgresql.conf', "$setting = '$value'");
	$spark->node->restart;
	return;
}

# What each of the commands answers now, as columns of one line.
sub deposit { return $spark->as($_[0], "SELECT status, state, payment_request IS NULL FROM spark.deposit($_[1], '$_[2]')"); }
sub withdraw { return $spark->as($_[0], "SELECT status, state FROM spark.withdraw('$_[1]')"); }
sub donate { return $spark->as($_[0], "SELECT status FROM spark.donate('$_[1]', $_[2], '$_[3]')"); }

# The deposit of that key is paid by the outside wallet.
sub have_paid
{
	my ($token, $key) = @_;
	my $mine = "FROM spark.invoices(500) WHERE idempotency_key = '$key'";
	$spark->wait_for("SELECT payment_request IS NOT NULL $mine", "the invoice of deposit $key is made", $token);
	$spark->sql('SELECT spark_simulator.pay(\'' . $spark->as($token, "SELECT payment_request $mine") . '\')');
	$spark->wait_for("SELECT status = 'paid' $mine", "deposit $key is paid", $token);
	return;
}

# ---- no worker, and no node was ever met
my $alice = $spark->sign_up('alice');
my $bob = $spark->sign_up('bob');
my $campaign = $spark->as($alice, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 1000)");
like($campaign, $id, 'without a worker people sign up, log in and open campaigns');
is($spark->sql('SELECT count(*) FROM spark_bitcoin.node'), '0', 'no node is known');
is(deposit($bob, 5000, 'first'), 'pending|intent|t', 'a deposit is accepted');
is(donate($bob, $campaign, 100, 'early'), 'pending', 'a donation is accepted');
my $request = $spark->sql('SELECT spark_simulator.make_invoice(200)');
is(withdraw($bob, $request), 'pending|requested', 'a withdrawal is accepted before the node was ever met');
is(withdraw($bob, $request), 'pending|requested', 'and is the same one when it is repeated');
is($spark->as($bob, 'SELECT posted_msat FROM spark.balance()'), '0', 'there is nothing on the account yet');
is($spark->as($bob, 'SELECT username, balance_msat FROM spark.dashboard()'), '|0', 'nor on the dashboard');

set_up_anew('spark.databases', 'postgres');
$spark->wait_for("SELECT status = 'rejected' FROM spark.donations('$campaign')", 'the worker comes: the donation is decided', $bob);
$spark->wait_for("SELECT status = 'rejected' FROM spark.invoices(500) WHERE kind = 'withdrawal'", 'and so is the withdrawal', $bob);
have_paid($bob, 'first');
$spark->wait_until_drained('all is handled');
is($spark->as($bob, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), '5000000|0', 'the deposit is credited');
is($spark->as($bob, 'SELECT username, balance_msat FROM spark.dashboard()'), 'bob|5000000', 'and shown');
is($spark->sql('SELECT count(DISTINCT node_account_id) FROM (SELECT node_account_id FROM spark_bitcoin.node'
	. ' UNION ALL SELECT node_account_id FROM spark_bitcoin.withdrawals) AS mirrors'), '1', 'the ledger knows one mirror of the node, early or late');

# ---- no worker again, with money on the account
set_up_anew('spark.databases', '');
my $carol = $spark->sign_up('carol');
like($spark->as($carol, "SELECT campaign_id FROM spark.create_campaign('A roof', 'Wood', 500)"), $id, 'a campaign is opened');
$request = $spark->sql('SELECT spark_simulator.make_invoice(300)');
is(deposit($bob, 6000, 'second'), 'pending|intent|t', 'a deposit is accepted');
is(withdraw($bob, $request), 'pending|requested', 'a withdrawal is accepted');
is(donate($bob, $campaign, 400, 'later'), 'pending', 'a donation is accepted');
set_up_anew('spark.databases', 'postgres');
$spark->wait_for("SELECT status = 'confirmed' FROM spark.donations('$campaign') WHERE idempotency_key = 'later'", 'the donation is confirmed', $bob);
$spark->wait_for("SELECT status = 'paid' FROM spark.invoices(500) WHERE payment_request = '$request'", 'the withdrawal is paid', $bob);
have_paid($bob, 'second');
$spark->wait_for("SELECT username = 'carol' AND campaign_count = 1 FROM spark.dashboard()", 'the newcomer has her dashboard', $carol);
$spark->wait_until_drained;
my $left = 5_000_000 + 6_000_000 - 400_000 - 300_000 - 1000;
is($spark->as($bob, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), "$left|0", 'to the millisatoshi');

# ---- a worker, and a node that is down
my @requests = map { $spark->sql("SELECT spark_simulator.make_invoice($_)") } 10, 20;
set_up_anew('spark.lightning_node', 'lnd');
$spark->wait_for("SELECT NOT ok FROM spark_ops.node_health() WHERE check_name = 'node'", 'the node is down, and health says so');
my $dave = $spark->sign_up('dave');
like($spark->as($dave, "SELECT campaign_id FROM spark.create_campaign('A door', 'Iron', 500)"), $id, 'people come and open campaigns');
is(deposit($bob, 7000, 'third'), 'pending|intent|t', 'a deposit is accepted');
is(withdraw($bob, $requests[0]), 'pending|requested', 'a withdrawal is accepted');
is(donate($bob, $campaign, 50, 'third'), 'pending', 'a donation is accepted');
$spark->wait_for("SELECT status = 'confirmed' FROM spark.donations('$campaign') WHERE idempotency_key = 'third'", 'and confirmed: it needs no node', $bob);
$spark->wait_for("SELECT state = 'reserved' FROM spark.invoices(500) WHERE payment_request = '$requests[0]'", 'the withdrawal is reserved', $bob);
is($spark->as($bob, "SELECT state FROM spark.invoices(500) WHERE idempotency_key = 'third'"), 'intent', 'the deposit waits for its invoice');
is(withdraw($bob, $requests[1]), 'pending|requested', 'another withdrawal is accepted');
set_up_anew('spark.lightning_node', 'simulator');
$spark->wait_for("SELECT count(*) = 2 FROM spark.invoices(500) WHERE status = 'paid' AND payment_request IN ('$requests[0]', '$requests[1]')",
	'the node is back: both are paid', $bob);
have_paid($bob, 'third');
$spark->wait_until_drained;
$left += 7_000_000 - 50_000 - 10_000 - 20_000 - 2000;
is($spark->as($bob, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), "$left|0", 'to the millisatoshi');
is($spark->sql("SELECT count(*) FROM spark_simulator.payments() WHERE direction = 'out'"), '3', 'each was paid once');
is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message died');

$spark->stop;
done_testing();
