# 001_story.pl
#		The whole story, with a running worker: two people sign up, one opens a
#		campaign, the other deposits, donates and withdraws; dashboards, ledger
#		and the outside world agree to the millisatoshi.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start;

# ---- two people
my $alice = $spark->sign_up('Alice');
my $bob = $spark->sign_up('bob');
is($spark->as($alice, 'SELECT username FROM spark.account()'), 'alice', 'names are lower-cased');
isnt($spark->as($alice, 'SELECT spark.whoami()'), $spark->as($bob, 'SELECT spark.whoami()'), 'two people are two accounts');
is($spark->as(undef, 'SELECT spark.whoami()'), '', 'without a token nobody calls');
is(($spark->try_as(undef, 'SELECT * FROM spark.balance()'))[0], 'SP003', 'nobody has no balance');

# ---- a campaign
my $campaign = $spark->as($alice, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water for the village', 50000)");
like($campaign, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'ids are of version 7');
is($spark->as($bob, "SELECT owner_username, goal_sat, raised_sat, goal_reached, status FROM spark.campaign('$campaign')"),
	'alice|50000|0|f|open', 'the campaign is seen by others');

# ---- a deposit
is(($spark->try_as($bob, "SELECT * FROM spark.donate('$campaign', 1000, 'too early')"))[0], '', 'a donation is taken before the money is there');
$spark->wait_for("SELECT count(*) = 1 FROM spark.donations('$campaign') WHERE status = 'rejected' AND reason IN ('insufficient_funds', 'account_unknown')",
	'and rejected by the ledger', $bob);

my $invoice = $spark->as($bob, "SELECT invoice_id FROM spark.deposit(100000, 'first')");
is($spark->as($bob, "SELECT invoice_id FROM spark.deposit(100000, 'first')"), $invoice, 'the same key gives the same invoice');
is(($spark->try_as($bob, "SELECT * FROM spark.deposit(100001, 'first')"))[0], 'SP005', 'with other content it is an error');
$spark->wait_for("SELECT payment_request LIKE 'lnbcrt%' FROM spark.invoice('$invoice')", 'the node makes the invoice', $bob);
is($spark->as($bob, "SELECT status, state FROM spark.invoice('$invoice')"), 'pending|open', 'it waits to be paid');

my $request = $spark->as($bob, "SELECT payment_request FROM spark.invoice('$invoice')");
my $preimage = $spark->sql("SELECT spark_simulator.pay('$request')");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$invoice')", 'the payment is seen', $bob);
is($spark->as($bob, "SELECT preimage = '$preimage', encode(sha256(decode(preimage, 'hex')), 'hex') = payment_hash, received_msat, state FROM spark.invoice('$invoice')"),
	't|t|100000000|settled', 'with its proof');
$spark->wait_for('SELECT posted_msat = 100000000 FROM spark.balance()', 'the balance follows', $bob);
is(($spark->try_sql("SELECT spark_simulator.pay('$request')"))[0], 'SP404', 'an invoice is paid once');

# ---- a donation
my $donation = $spark->as($bob, "SELECT donation_id FROM spark.donate('$campaign', 30000, 'for the well')");
is($spark->as($bob, "SELECT donation_id FROM spark.donate('$campaign', 30000, 'for the well')"), $donation, 'a repeated donation is the same one');
$spark->wait_for("SELECT status = 'confirmed' FROM spark.donation('$donation')", 'the donation is confirmed', $bob);
$spark->wait_for("SELECT raised_msat = 30000000 AND raised_sat = 30000 AND donation_count = 1 AND NOT goal_reached FROM spark.campaign('$campaign')",
	'the total moves', $alice);
is(($spark->try_as($alice, "SELECT * FROM spark.donate('$campaign', 1, 'own')"))[0], 'SP301', 'owners do not donate to themselves');
is($spark->as($alice, "SELECT count(*) FROM spark.donations('$campaign')"), '2', 'the owner sees every donation');
is(($spark->try_as(undef, "SELECT * FROM spark.donations('$campaign')"))[0], 'SP003', 'nobody sees none');

# ---- a withdrawal
my $outside = $spark->sql("SELECT spark_simulator.make_invoice(20000, 'wallet')");
my $withdrawal = $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$outside')");
is($spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$outside')"), $withdrawal, 'the payment hash is the key');
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$withdrawal')", 'the withdrawal is paid', $alice);
is($spark->as($alice, "SELECT kind, state, amount_msat, fee_msat, encode(sha256(decode(preimage, 'hex')), 'hex') = payment_hash FROM spark.invoice('$withdrawal')"),
	'withdrawal|succeeded|20000000|1000|t', 'with fee and proof');
$spark->wait_until_drained('nothing is left on its way');
is($spark->as($alice, 'SELECT posted_msat, reserved_msat, incoming_msat, available_msat, available_sat FROM spark.balance()'),
	'9999000|0|0|9999000|9999', 'what is left: donation, less withdrawal, less fee');

# ---- a refusal gives everything back
$outside = $spark->sql('SELECT spark_simulator.make_invoice(99999)');
$withdrawal = $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$outside')");
$spark->wait_for("SELECT status = 'rejected' AND reason = 'insufficient_funds' FROM spark.invoice('$withdrawal')",
	'nobody withdraws what is not there', $alice);
is($spark->as($alice, 'SELECT available_msat FROM spark.balance()'), '9999000', 'and nothing is lost by it');

# ---- the books
is($spark->as($alice, 'SELECT balance_msat, available_msat, reserved_msat, campaign_count, raised_msat, donated_msat FROM spark.dashboard()'),
	'9999000|9999000|0|1|30000000|0', "alice's dashboard");
is($spark->as($bob, 'SELECT balance_msat, available_msat, reserved_msat, campaign_count, raised_msat, donated_msat FROM spark.dashboard()'),
	'70000000|70000000|0|0|0|30000000', "bob's dashboard");
is($spark->as($alice, "SELECT campaigns->0->>'campaign_id' = '$campaign', (campaigns->0->>'raised_msat')::bigint, jsonb_array_length(campaigns) FROM spark.dashboard()"),
	't|30000000|1', 'her campaign is in it');
for ([ 'alice', $alice ], [ 'bob', $bob ])
{
	my ($name, $token) = @$_;
	is($spark->as($token, "SELECT sum(amount_msat) FILTER (WHERE state = 'posted') = (SELECT posted_msat FROM spark.balance()) FROM spark.statement(500)"),
		't', "the posted lines of ${name}'s statement add up to the balance");
}
is($spark->sql('SELECT sum(debits_posted_msat) = sum(credits_posted_msat), sum(debits_pending_msat), sum(credits_pending_msat) FROM spark_ops.trial_balance()'),
	't|0|0', 'the trial balance is even and nothing is pending');
is($spark->sql("SELECT credits_posted_msat - debits_posted_msat FROM spark_ops.trial_balance() WHERE account_class = 'user'"),
	'79999000', 'users own what came in, less what went out');
is($spark->sql("SELECT sum(CASE direction WHEN 'in' THEN amount_msat ELSE -amount_msat - fee_msat END), count(*) FROM spark_simulator.payments()"),
	'79999000|2', 'the outside world saw the same');
is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message died');

# ---- it outlives the server
$spark->node->restart('immediate');
is($spark->as($bob, 'SELECT available_sat FROM spark.balance()'), '70000', 'after a crash all is as it was');
$spark->as($bob, "SELECT * FROM spark.donate('$campaign', 20000, 'after the crash')");
$spark->wait_for("SELECT goal_reached AND raised_sat = 50000 FROM spark.campaign('$campaign')", 'and goes on: the goal is reached', $bob);
$spark->wait_until_drained;
is($spark->broken_invariants, '', 'every invariant still holds');

$spark->stop;
done_testing();
