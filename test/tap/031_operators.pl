# 031_operators.pl
#		What the worker finds out by itself about the books and the node, and what
#		operators do about it: reconciliation, the breaker, a payment that hangs, a
#		node that is another one.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $frida_id;					# whose account is frozen
my $spark = Spark->start(conf => "spark.lightning_timeout = 2\nspark.lightning_not_found_delay = 1\nspark.solvency_tolerance = 100");
my $alice = $spark->sign_up('alice');
my $bob = $spark->sign_up('bob');
$spark->sql("CREATE ROLE operator; SELECT spark_ops.grant_operator('operator')");

sub withdraw
{
	my ($token, $sat, $outcome, $options) = @_;
	my $request = $spark->sql("SELECT spark_simulator.make_invoice($sat)");
	if (defined $outcome)
	{
		my $filter = sprintf('{"amount_msat": %d000', $sat) . ($options ? ", $options}" : '}');
		$spark->sql("SELECT spark_simulator.script('*', '$outcome', '$filter')");
	}
	return (split(/\|/, $spark->as($token, "SELECT invoice_id, payment_hash FROM spark.withdraw('$request')")), $request);
}

sub shows
{
	my ($id, $expected, $name, $token) = @_;
	return $spark->wait_for("SELECT (status, state) = ROW$expected FROM spark.invoice('$id')", $name, $token // $alice);
}

# As if what is reserved would be looked at in an hour only.
sub put_off
{
	my ($id) = @_;
	return "UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() + interval '1 hour' WHERE invoice_id = '$id'";
}

sub reconcile { return $spark->sql("SET ROLE operator; SELECT kind, payment_hash FROM spark_ops.reconcile()"); }
sub health { my ($row) = @_; return $spark->sql("SELECT ok FROM spark_ops.health() WHERE check_name = '$row'"); }
sub frozen_account { my ($columns) = @_; return $spark->sql("SET ROLE operator; SELECT $columns FROM spark_ops.frozen_accounts() WHERE account_id = '$frida_id'"); }
sub preimage_of { my ($hash) = @_; return $spark->sql("SELECT preimage FROM spark_bitcoin.simulator_invoices WHERE payment_hash = '$hash'"); }

# ---- L67: the books get another node, and come back
$spark->fund($alice, 100);
my $real = $spark->sql('SELECT node_id FROM spark_bitcoin.node');
my $other = '02' . 'ab' x 32;
my ($gone, $gone_hash) = withdraw($alice, 10, 'fail');
shows($gone, "('failed', 'failed')", 'a payment fails');
my $all = $spark->sql('SELECT spark_simulator.make_invoice(99)');
shows($spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$all', NULL, 1)"), "('paid', 'succeeded')", 'all that there is leaves');
$spark->set('spark.invoice_expiry', 1);
$spark->wait_for("SELECT current_setting('spark.invoice_expiry') = '1s'");
my $unpaid = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(20)');
shows($unpaid, "('expired', 'expired')", 'an invoice is not paid in time');
my ($unpaid_request, $unpaid_hash) = split(/\|/, $spark->as($alice, "SELECT payment_request, payment_hash FROM spark.invoice('$unpaid')"));
$spark->set('spark.invoice_expiry', 3600);
$spark->wait_until_drained;
# A node that says nothing of use about it leaves it open.
$spark->sql("UPDATE spark_bitcoin.deposits SET version = version + 1, state = 'open', held = true, next_look_at = now() + interval '1 day' WHERE invoice_id = '$unpaid'");
is(($spark->try_sql("SET ROLE operator; SELECT spark_ops.change_node('$other', 'moved')"))[0], 'SP010', 'L67 no node is left that holds a payment');
$spark->sql("UPDATE spark_bitcoin.deposits SET version = version + 1, held = false WHERE invoice_id = '$unpaid'");
isnt($spark->sql('SELECT settled_cursor FROM spark_bitcoin.node_state'), '0', 'L39 what the node hints of is read up to somewhere');
$spark->sql("SET ROLE operator; SELECT spark_ops.change_node('$other', 'moved')");
$spark->wait_for('SELECT settled_cursor = 0 FROM spark_bitcoin.node_state', 'L39 and of another node from its beginning');
is($spark->as($alice, "SELECT status FROM spark.invoice('$unpaid')"), 'expired', 'L67 an invoice that has run out keeps no node, and is expired');
like(reconcile(), qr/^invoice_left\|$unpaid_hash\npayment_left\|$gone_hash$/m, 'L36 what the old node can still do is listed');
is($spark->sql("SELECT string_agg(DISTINCT node, ',') FROM spark_ops.reconcile() WHERE kind LIKE '%_left'"), $real, 'with that node');
is($spark->sql('SELECT count(DISTINCT node_account_id) FROM (SELECT node_account_id FROM spark_bitcoin.node'
	. ' UNION ALL SELECT node_account_id FROM spark_bitcoin.former_nodes) both_of_them'), '2', 'each node has its mirror');
$spark->sql("SET ROLE operator; SELECT spark_ops.change_node('$real', 'back')");
is($spark->sql('SELECT count(*) FROM spark_bitcoin.former_nodes')
	. $spark->sql("SELECT count(*) FROM spark_bitcoin.node n JOIN spark_bitcoin.deposits d USING (node_account_id) WHERE invoice_id = '$unpaid'"),
	'11', 'which it gets back');
$spark->sql("SELECT spark_simulator.pay('$unpaid_request', late => true)");
shows($unpaid, "('paid', 'settled')", 'L36 and what came in late meanwhile is found and credited');
is($spark->sql("SELECT node FROM spark_ops.reconcile() WHERE kind LIKE '%_left'"), '', 'then nothing is left behind');
$spark->fund($alice, 1_000_000);
$spark->fund($bob, 50_000);
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT posted_msat FROM spark.balance()'), 1_000_020_000, 'and nothing is lost');

# ---- L43: nothing differs
my ($paid, $paid_hash) = withdraw($alice, 100);
shows($paid, "('paid', 'succeeded')", 'a payment is made');
$spark->wait_until_drained;
is(reconcile(), '', 'L43 the books and the node agree');
is($spark->sql('SELECT problem IS NULL AND owed_msat = local_msat + in_flight_msat AND shortfall_msat = 0 FROM spark_bitcoin.audit'),
	't', 'L44 to the millisatoshi');
is(health($_), 't', "$_ is well") for qw(reconciliation solvency breaker);

# ---- L43: what the node knows and the books do not, and the other way round
my $foreign = 'ab' x 32;
$spark->sql("INSERT INTO spark_bitcoin.simulator_payments (payment_hash, attempt, amount_msat, max_fee_msat, memo, called_at, refusals,"
	. " created_at, bound_at, closed, succeeded, ended_at, fee_msat, failure)"
	. " VALUES ('$foreign', 1, 50000, 0, '', now(), 0, now(), now(), true, true, now(), 0, 'none')");
is(reconcile(), "payment_unknown|$foreign\nsolvency|" =~ s/(.*)\n(.*)/$2\n$1/r, 'L43 a payment that no withdrawal asked for is listed, and what the node lacks');
is(health('reconciliation') . health('solvency') . health('breaker'), 'fft', 'health says so; so little is tolerated');
$spark->sql("UPDATE spark_bitcoin.simulator_payments SET fee_msat = 7000 WHERE payment_hash = '$paid_hash'");
like(reconcile(), qr/^payment_amount\|$paid_hash$/m, 'L43 another fee is listed');
$spark->sql("UPDATE spark_bitcoin.simulator_payments SET fee_msat = 1000 WHERE payment_hash = '$paid_hash'");
$spark->sql("CREATE TABLE public.aside AS SELECT * FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$paid_hash';"
	. " DELETE FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$paid_hash'");
like(reconcile(), qr/^payment_missing\|$paid_hash$/m, 'L43 one that the node does not list is listed');
$spark->sql('INSERT INTO spark_bitcoin.simulator_payments SELECT * FROM public.aside');
$spark->sql("UPDATE spark_bitcoin.simulator_invoices SET received_msat = received_msat + 1 WHERE settled_at IS NOT NULL AND amount_msat = 50000000");
like(reconcile(), qr/^invoice_amount\|/m, 'L43 another receipt is listed');
$spark->sql("UPDATE spark_bitcoin.simulator_invoices SET received_msat = received_msat - 1 WHERE settled_at IS NOT NULL AND amount_msat = 50000000");
$spark->sql("DELETE FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$foreign'");
is(reconcile(), '', 'L43 what is put right is gone from the list');

# ---- L44: the breaker; what is reserved between two accounts leaves no node, and stands in for nothing that it lacks
my $pledge = $spark->sql('SELECT gen_random_uuid()');
my $of_pledge = "'idempotency_key', 'pledge', 'purpose', 'donation', 'from_account_id', '" . $spark->as($alice, 'SELECT spark.whoami()') . "'";
$spark->sql("SELECT spark_bus.emit('accounting.request_transfer', '$pledge', jsonb_build_object($of_pledge, 'to_account_id', '"
	. $spark->as($bob, 'SELECT spark.whoami()') . "', 'amount_msat', 600000, 'pending', true), 'transfer')");
$spark->wait_for('SELECT reserved_msat = 600000 FROM spark.balance()', 'a reserve for another account is held', $alice);
$spark->sql("INSERT INTO spark_bitcoin.simulator_payments (payment_hash, attempt, amount_msat, max_fee_msat, memo, called_at, refusals,"
	. " created_at, bound_at, closed, succeeded, ended_at, fee_msat, failure)"
	. " VALUES ('$foreign', 1, 500000, 0, '', now(), 0, now(), now(), true, true, now(), 0, 'none')");
like(reconcile(), qr/^solvency\|$/m, 'L44 the node lacks more than is tolerated');
is(health('breaker'), 'f', 'L44 withdrawals stop, and health says so');
$spark->sql("SELECT spark_bus.emit('accounting.void_transfer', '$pledge', jsonb_build_object($of_pledge, 'reason', 'called off'), 'transfer')");
$spark->wait_for('SELECT reserved_msat = 0 FROM spark.balance()', undef, $alice);
my ($waits) = withdraw($alice, 200);
shows($waits, "('pending', 'reserved')", 'L44 a withdrawal is taken and waits');
like(reconcile(), qr/^solvency\|$/m, 'L44 what waits was not sent, and hides nothing of what is lacking');
is($spark->sql('SELECT shortfall_msat FROM spark_bitcoin.audit'), '500000', 'L44 nor a part of it');
$spark->fund($bob, 1000);
pass('L44 deposits go on');
is($spark->as($alice, "SELECT state FROM spark.invoice('$waits')"), 'reserved', 'nothing is paid meanwhile');
is(($spark->try_sql("SET ROLE operator; SELECT spark_ops.close_breaker('')"))[0], 'SP001', 'closing it asks for a reason');
$spark->sql("SET ROLE operator; SELECT spark_ops.close_breaker('I paid that myself')");
shows($waits, "('paid', 'succeeded')", 'L44 closed by an operator, withdrawals go on');
is($spark->sql("SELECT operator || '|' || reason || '|' || (before ->> 'node_lacks_msat') FROM spark_common.operator_log WHERE action = 'close_breaker'"),
	'operator|I paid that myself|500000', 'and it is recorded');
like(reconcile(), qr/^solvency\|$/m, 'what is lacking is still listed');
is(health('breaker'), 't', 'but it is known and opens nothing again');
$spark->sql("UPDATE spark_bitcoin.simulator_payments SET amount_msat = 700000 WHERE payment_hash = '$foreign'");
reconcile();
is(health('breaker'), 'f', 'L44 more than that does');
$spark->sql("DELETE FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$foreign'");
reconcile();
is(health('breaker') . health('solvency'), 'ft', 'it stays open until an operator closes it');
$spark->sql("SELECT spark_ops.close_breaker('the money is back')");
$spark->sql("SELECT spark_ops.open_breaker('maintenance')");
($waits) = withdraw($alice, 201);
my ($given_up, $given_up_hash) = withdraw($alice, 202);
my ($given_back) = withdraw($alice, 203);
$spark->wait_until_drained;
shows($_, "('pending', 'reserved')", 'an operator can open it, too') for $waits, $given_up, $given_back;
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, created_at = created_at - interval '25 hours' WHERE invoice_id = '$waits'");
like($spark->sql("SELECT ok || detail FROM spark_ops.health() WHERE check_name = 'unknown_payments'"), qr/^false.* 1 not sent for over a day/,
	'L26 health shows what is not sent for so long');

# ---- L27: what is reserved was never sent, and an operator can give it back
my $reserved = $spark->as($alice, 'SELECT reserved_msat FROM spark.balance()');
my ($refused, $why) = $spark->try_sql("SELECT spark_ops.change_node('$other', 'the node has gone for good')");
is($refused, 'SP010', 'the node is not changed while something is reserved');
$spark->sql("SET ROLE operator; SELECT spark_ops.decide_payment('$given_back', 'failed', 'it was not sent', 'the breaker stays open')");
shows($given_back, "('failed', 'failed')", 'L27 an operator ends one that waits behind the breaker');
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT reserved_msat FROM spark.balance()'), $reserved - 213_000, 'and its reserve is back');
my $session = $spark->node->background_psql('postgres', on_error_stop => 1);
$session->query_safe("BEGIN; SELECT spark_ops.decide_payment('$given_up', 'failed', 'it was not sent', 'a slow operator')");
$spark->sql(put_off($waits));
$spark->sql("SELECT spark_ops.close_breaker('done')");
shows($waits, "('paid', 'succeeded')", 'and close it: what has waited is paid at once');
is($spark->as($alice, "SELECT state FROM spark.invoice('$given_up')"), 'reserved', 'L27 the worker passes by what is being decided');
$session->query_safe('COMMIT');
$session->quit;
shows($given_up, "('failed', 'failed')", 'L27 and never sends it');
is($spark->sql("SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$given_up_hash'")
	. $spark->sql("SELECT attempt_no FROM spark_bitcoin.withdrawals WHERE invoice_id = '$given_up'"), '00', 'the node has never heard of it');
$spark->sql("SELECT spark_ops.open_breaker('to be compared first')");
($waits) = withdraw($alice, 204);
shows($waits, "('pending', 'reserved')", 'L46 where the books are to be compared first, it waits', $alice);
$spark->sql('BEGIN; ' . put_off($waits) . '; UPDATE spark_bitcoin.breaker SET is_open = false, reason = NULL, opened_at = NULL, audit_first = true; COMMIT');
shows($waits, "('paid', 'succeeded')", 'L46 until they have been, and no longer', $alice);

# ---- L25, E10: a node that changes its word when the user has asked again
my ($first, $hash, $request) = withdraw($bob, 300, 'flip', '"after_s": 20, "call": 1');
shows($first, "('failed', 'failed')", 'L25 the node calls a payment failed', $bob);
my $second = $spark->as($bob, "SELECT invoice_id FROM spark.withdraw('$request')");
shows($second, "('pending', 'reserved')", 'L26 asked again it rests', $bob);
$spark->wait_for("SELECT attempt_no > 0 FROM spark_bitcoin.withdrawals WHERE invoice_id = '$second'", 'then it is sent, for the node sticks to its word');
shows($second, "('paid', 'succeeded')", 'L25 both are paid in the end', $bob)
  if $spark->wait_for("SELECT count(*) = 2 FROM spark_simulator.payments() WHERE payment_hash = '$hash'", 'the node has paid it twice');
like(reconcile(), qr/^paid_twice\|$hash$/m, 'L43 a hash that was paid twice is found');
$spark->wait_until_drained;
is($spark->sql("SELECT string_agg(state || ' ' || late, ', ' ORDER BY created_at) FROM spark_bitcoin.withdrawals WHERE payment_hash = '$hash'"),
	'succeeded true, succeeded false', 'E10 the second payment is booked as a late one');
like($spark->sql("SELECT alarm FROM spark_bitcoin.withdrawals WHERE invoice_id = '$first'"), qr/paid a hash twice/, 'with an alarm');
isnt($spark->sql("SELECT frozen_reason FROM spark_accounting.accounts WHERE frozen_at IS NOT NULL"), '', 'E10 and the account is frozen');
is(reconcile(), '', 'L43 then the books and the node agree again');
is($spark->sql('SELECT owed_msat = local_msat + in_flight_msat FROM spark_bitcoin.audit'), 't', 'to the millisatoshi');

# ---- needs_operator: verdict, evidence, reason
my ($hangs, $hanging_hash) = withdraw($alice, 400, 'stuck', '"as": "no_htlc"');
shows($hangs, "('pending', 'in_flight')", 'a payment hangs');
is(($spark->try_sql("SELECT spark_ops.decide_payment('$hangs', 'failed', 'none', 'too early')"))[0], 'SP010', 'L23 nobody calls it failed while the node has it');
$spark->sql("CREATE TABLE public.hidden AS SELECT * FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hanging_hash';"
	. " DELETE FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hanging_hash'");
is(reconcile(), "payment_missing|$hanging_hash", 'L43 what the node had, and knows no more, is listed');
$spark->sql('INSERT INTO spark_bitcoin.simulator_payments SELECT * FROM public.hidden');
is(reconcile(), '', 'L43 until it does again');
shows($hangs, "('pending', 'in_flight')", 'and it still hangs');
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, submitted_at = submitted_at - interval '15 days', next_look_at = now() WHERE invoice_id = '$hangs'");
shows($hangs, "('pending', 'needs_operator')", 'L28 after 2,016 blocks it needs an operator');
is($spark->as($alice, 'SELECT reserved_msat FROM spark.balance()'), '410000', 'and its reserve is held');
is($spark->sql("SET ROLE operator; SELECT (array_agg(invoice_id))[1] = '$hangs', (array_agg(payment_hash))[1] = '$hanging_hash', (array_agg(alarm))[1] LIKE '%longer than one can be%' FROM spark_ops.open_payments()"),
	't|t|t', 'L27 an operator finds it, with hash and alarm, before all others');
is(($spark->try_sql("SELECT spark_ops.decide_payment('$hangs', 'paid', 'none', 'no proof')"))[0], 'SP001', 'L2 paid needs a proof');
is(($spark->try_sql("SELECT spark_ops.decide_payment('$hangs', 'paid', 'none', 'no proof', repeat('ab', 32))"))[0], 'SP001', 'L2 that fits');
$spark->sql("SET ROLE operator; SELECT spark_ops.decide_payment('$hangs', 'failed', 'the channel was closed in block 900000', 'the payee has nothing')");
shows($hangs, "('failed', 'failed')", 'the operator calls it failed');
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT reserved_msat FROM spark.balance()'), '0', 'and the reserve is back');
is($spark->sql("SELECT operator || '|' || reason || '|' || (after ->> 'verdict') || '|' || (after ->> 'evidence') || '|' || (before ->> 'state')"
	. " FROM spark_common.operator_log WHERE action = 'decide_payment' AND message_id = '$hangs'"),
	'operator|the payee has nothing|failed|the channel was closed in block 900000|needs_operator', 'recorded with verdict, evidence and reason');
$spark->sql("SELECT spark_simulator.script('$hanging_hash', 'succeed')");
shows($hangs, "('paid', 'succeeded')", 'L25 paid after all it is booked as late');

($hangs, $hanging_hash) = withdraw($bob, 1, 'stuck', '"as": "initiated"');
$spark->wait_until_drained;
is($spark->as($bob, "SELECT status, reason FROM spark.invoice('$hangs')"), 'rejected|account_frozen', 'a frozen account withdraws nothing')
  or diag($spark->sql("SELECT * FROM spark_bitcoin.withdrawals WHERE invoice_id = '$hangs'"));

# ---- L25, E10: a late success of what was spent meanwhile, and the way back
my $frida = $spark->sign_up('frida');
$frida_id = $spark->as($frida, 'SELECT spark.whoami()');
$spark->fund($frida, 100);
my ($returns) = withdraw($frida, 60, 'flip', '"after_s": 86400');
shows($returns, "('failed', 'failed')", 'L25 a payment fails', $frida);
my ($spent) = withdraw($frida, 85);
shows($spent, "('paid', 'succeeded')", 'and what it was asked for with is spent', $frida);
$spark->sql("SELECT spark_simulator.script(payment_hash, 'succeed') FROM spark_bitcoin.withdrawals WHERE invoice_id = '$returns'");
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$returns'");
shows($returns, "('paid', 'succeeded')", 'L25 then it turns out to be paid', $frida);
$spark->wait_until_drained;
my $left = $spark->as($frida, 'SELECT available_msat FROM spark.balance()');
is($left, 0, 'E10 the account pays what it has');
is(frozen_account('late_payments, late_msat + uncovered_msat >= 60000, uncovered_msat BETWEEN 44000 AND 55000'), '1|t|t', 'E10 suspense the rest');
is(health('frozen') . health('late_payments'), 'ff', 'health says both');
my $late_hash = $spark->as($frida, "SELECT payment_hash FROM spark.invoice('$returns')");
is(frozen_account("reason LIKE '%$returns%$late_hash%'"), 't', 'with the withdrawal, and the hash to look up at the node');
$spark->fund($frida, 50);
my $refused_request = $spark->sql('SELECT spark_simulator.make_invoice(20)');
my $kept_back = $spark->as($frida, "SELECT invoice_id FROM spark.withdraw('$refused_request')");
shows($kept_back, "('rejected', 'rejected')", 'what comes in meanwhile stays', $frida);
is($spark->as($frida, "SELECT reason FROM spark.invoice('$kept_back')"), 'account_frozen', 'SP206 and the caller hears why');
is(($spark->try_sql("SET ROLE operator; SELECT spark_ops.unfreeze_account('$frida_id', ' ')"))[0], 'SP001', 'unfreezing asks for a reason');
$spark->sql("SET ROLE operator; SELECT spark_ops.unfreeze_account('$frida_id', 'the payee has sent it back')");
is($spark->sql("SELECT operator || '|' || reason || '|' || (before ->> 'available_msat') || '|' || (before ->> 'frozen_because' LIKE '%$returns%')"
	. " FROM spark_common.operator_log WHERE action = 'unfreeze_account' AND message_id = '$frida_id'"),
	'operator|the payee has sent it back|50000|true', 'it is recorded with who and why, and what had frozen it');
is(($spark->try_sql("SELECT spark_ops.unfreeze_account('$frida_id', 'again')"))[0], 'SP010', 'once');
is(frozen_account('late_payments'), '', 'the list has it no more');
$kept_back = $spark->as($frida, "SELECT invoice_id FROM spark.withdraw('$refused_request')");
shows($kept_back, "('paid', 'succeeded')", 'the account pays again, also what was refused before', $frida);
$spark->sql("SELECT spark_ops.unfreeze_account(account_id, 'seen') FROM spark_ops.frozen_accounts()");
is(health('frozen') . health('late_payments'), 'tt', 'with the last of them health is well');

my $carol = $spark->sign_up('carol');
$spark->fund($carol, 10_000);
($hangs, $hanging_hash) = withdraw($carol, 500, 'stuck', '"as": "initiated"');
shows($hangs, "('pending', 'in_flight')", 'another one hangs', $carol);
$spark->sql("SELECT spark_ops.decide_payment('$hangs', 'paid', 'the payee showed the preimage', 'he has the money', '" . preimage_of($hanging_hash) . "', 2000)");
shows($hangs, "('paid', 'succeeded')", 'with the proof it is paid', $carol);
$spark->wait_until_drained;
is($spark->as($carol, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), (10_000_000 - 502_000) . '|0', 'and charged with its fee');
is(($spark->try_sql("SELECT spark_ops.decide_payment('$hangs', 'paid', 'x', 'x', '" . preimage_of($hanging_hash) . "')"))[0], 'SP010', 'L21 once');
$spark->sql("SELECT spark_simulator.script('$hanging_hash', 'succeed', '{\"fee_msat\": 2000}')");

# ---- L11: another node answers; reading goes on
my ($open, $open_hash) = withdraw($carol, 600, 'stuck', '"as": "part"');
shows($open, "('pending', 'in_flight')", 'a payment is under way', $carol);
my $deposit = $spark->as($carol, 'SELECT invoice_id FROM spark.deposit(700)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$deposit')", undef, $carol);
my $own_request = $spark->as($carol, "SELECT payment_request FROM spark.invoice('$deposit')");
$spark->sql("UPDATE spark_bitcoin.node SET node_id = '$other'");
my $between = $spark->as($carol, 'SELECT invoice_id FROM spark.deposit(701)');
$spark->wait_for("SELECT NOT ok AND detail LIKE 'another node%' FROM spark_ops.node_health() WHERE check_name = 'node'", 'L11 another node is found out, without a restart');
is($spark->as($carol, "SELECT payment_request IS NULL FROM spark.invoice('$between')"), 't', 'L67 from that moment on the one that was left is asked for nothing');
shows($open, "('pending', 'needs_operator')", 'L11 what it was not told to pay needs an operator', $carol);
my ($not_paid) = withdraw($carol, 601);
shows($not_paid, "('pending', 'reserved')", 'L11 and nothing is paid', $carol);
like($spark->sql('SELECT kind, detail FROM spark_ops.reconcile()'), qr/^not_asked\|another node/m, 'reconcile() says why it cannot');
$spark->sql("SELECT spark_simulator.pay('$own_request')");
my ($proven, $proven_hash) = ($open, $open_hash);
$spark->sql("SELECT spark_simulator.script('$proven_hash', 'succeed')");
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$proven'");
shows($proven, "('paid', 'succeeded')", 'L11 reading goes on: a proof counts whoever gives it', $carol);
is($spark->as($carol, "SELECT status FROM spark.invoice('$deposit')"), 'pending', 'a receipt of another node is none of ours');
is(($spark->try_sql("SELECT spark_ops.change_node('$real', 'back')"))[0], 'SP010', 'L67 the books do not change their node while it has money');
$spark->sql("UPDATE spark_bitcoin.node SET node_id = '$real'");
shows($not_paid, "('paid', 'succeeded')", 'L11 the node is back, and all goes on', $carol);
shows($between, "('pending', 'open')", 'L67 as does what was asked for meanwhile', $carol);
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$deposit')", 'L34 the deposit is credited, after the change of identity', $carol);
$spark->wait_until_drained;
is($spark->sql("SELECT count(*) FROM spark_accounting.transfers WHERE purpose = 'deposit' AND idempotency_key = (SELECT payment_hash FROM spark_bitcoin.deposits WHERE invoice_id = '$deposit')"),
	'1', 'once');

# ---- L23, L26: what an operator calls failed, of a node whose own "failed" is no proof yet
$spark->set('spark.simulator_mode', 'cln');
$spark->wait_for("SELECT current_setting('spark.simulator_mode') = 'cln'");
my ($doubted, $doubted_hash, $doubted_request) = withdraw($carol, 602, 'flip', '"after_s": 86400');
shows($doubted, "('pending', 'unknown')", 'L23 between two tries such a node says failed, and nobody believes it', $carol);
$spark->sql("UPDATE spark_bitcoin.node SET node_id = '$other'");
$spark->wait_for("SELECT NOT ok AND detail LIKE 'another node%' FROM spark_ops.node_health() WHERE check_name = 'node'");
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$doubted'");
shows($doubted, "('pending', 'needs_operator')", 'another node answers', $carol);
$spark->sql("SELECT spark_ops.decide_payment('$doubted', 'failed', 'the node has gone', 'it will not come back')");
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, node_reference = NULL WHERE invoice_id = '$doubted'");
$spark->sql("UPDATE spark_bitcoin.node SET node_id = '$real'");
my $once_more = $spark->as($carol, "SELECT invoice_id FROM spark.withdraw('$doubted_request')");
shows($once_more, "('pending', 'reserved')", 'and the first one is back when it is asked for again', $carol);
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$once_more'");
$spark->wait_for("SELECT look_count > 2 OR attempt_no > 0 FROM spark_bitcoin.withdrawals WHERE invoice_id = '$once_more'");
is($spark->sql("SELECT attempt_no FROM spark_bitcoin.withdrawals WHERE invoice_id = '$once_more'"), '0', 'L26 it is asked what became of it, and nothing is sent');
isnt($spark->sql("SELECT earlier_reference FROM spark_bitcoin.withdrawals WHERE invoice_id = '$once_more'"), '', 'L24 and the name of the record that the node told is written down');
my $call_paid = "SELECT spark_ops.decide_payment('$doubted', 'paid', 'the payee has it twice', 'he says so', '" . preimage_of($doubted_hash) . "'";
is(($spark->try_sql("$call_paid)"))[0], 'SP010', 'L25 the first one is not called paid while the other waits for that very payment');
$spark->sql("SELECT spark_simulator.script('$doubted_hash', 'succeed')");
shows($once_more, "('paid', 'succeeded')", 'L26 what is made late is what was asked for again', $carol);
is($spark->sql("SELECT count(*) FROM spark_simulator.payments() WHERE payment_hash = '$doubted_hash'"), '1', 'once');
is(($spark->try_sql("$call_paid)"))[0], 'SP010', 'L25 the preimage of a payment that is booked proves no second one');
my $booked_record = $spark->sql("SELECT node_reference FROM spark_bitcoin.withdrawals WHERE invoice_id = '$once_more'");
is(($spark->try_sql("$call_paid, node_record => '$booked_record')"))[0], 'SP010', 'nor does the record of the booked one');
is(($spark->try_sql("$call_paid, node_record => ' ')"))[0], 'SP001', 'nor none');
like($spark->sql("BEGIN; $call_paid, node_record => 'record of the other node');"
	. " SELECT state || ' ' || late || ' ' || paid_beside || ' ' || node_reference FROM spark_bitcoin.withdrawals WHERE invoice_id = '$doubted'; ROLLBACK"),
	qr/succeeded true true record of the other node/, 'L25 with another record of a node an operator can call the first one paid, too');
# ---- L44: what an operator calls paid is looked up no more, and leaves the node all the same
my $surplus = 'SELECT local_msat + in_flight_msat - owed_msat FROM spark_bitcoin.audit';
$spark->set('spark.simulator_mode', 'lnbits');		# of which nobody hears that a payment has moved
$spark->wait_for("SELECT current_setting('spark.simulator_mode') = 'lnbits'");
reconcile();
my $before = $spark->sql($surplus);
my ($called, $called_hash) = withdraw($carol, 603, 'stuck', '"as": "initiated"');
shows($called, "('pending', 'in_flight')", 'a payment hangs', $carol);
$spark->sql("SELECT spark_ops.decide_payment('$called', 'paid', 'the payee showed the preimage', 'he has the money', '" . preimage_of($called_hash) . "', 1000)");
$spark->sql("SELECT spark_simulator.script('$called_hash', 'succeed')");
$spark->wait_for("SELECT count(*) = 1 FROM spark_simulator.payments() WHERE payment_hash = '$called_hash'", 'it is called paid, and the node makes it');
$spark->wait_until_drained;
reconcile();
is($spark->sql($surplus), $before, 'L44 the node has as much less as the books, though nobody has looked that payment up');
$spark->set('spark.simulator_mode', 'lnd');
$spark->wait_for("SELECT current_setting('spark.simulator_mode') = 'lnd'");

# ---- amounts that are set: whole satoshi, of any size that there is
for my $wrong (qw(2100000000000001 -1 1.5 '1e6' '' '7_sat'))
{
	is(($spark->try_sql("ALTER SYSTEM SET $_ = $wrong"))[0], '22023', "$_ cannot be $wrong")
	  for qw(spark.daily_limit_account spark.own_capital);
}
$spark->set($_, 2100000000000000) for qw(spark.daily_limit_account spark.daily_limit_all);
$spark->wait_for("SELECT current_setting('spark.daily_limit_all') = '2100000000000000'", 'but all bitcoin that there is');

# ---- T16: the limits of a day
$spark->set('spark.daily_limit_account', 1500);
$spark->wait_for("SELECT current_setting('spark.daily_limit_account') = '1500'");
my $erin = $spark->sign_up('erin');
$spark->fund($erin, 10_000);
my ($within) = withdraw($erin, 100);
shows($within, "('paid', 'succeeded')", 'T16 within the limit of a day it is paid', $erin);
my ($over) = withdraw($erin, 1450);
shows($over, "('rejected', 'rejected')", 'T16 what goes beyond it is rejected', $erin);
is($spark->as($erin, "SELECT reason FROM spark.invoice('$over')"), 'limit_exceeded', 'with its reason');
# What has waited for days counts while it waits, and on the day on which it leaves; once.
my ($waited, $waited_hash) = withdraw($erin, 500, 'stuck');
$spark->wait_for("SELECT count(*) = 1 FROM spark_accounting.transfers WHERE from_invoice_id = '$waited'", 'one is under way');
my $asked_for = "UPDATE spark_accounting.transfers SET created_at = created_at %s interval '3 days' WHERE from_invoice_id = '$waited' AND form = 'pending'";
$spark->sql(sprintf($asked_for, '-'));
($over) = withdraw($erin, 880);
shows($over, "('rejected', 'rejected')", 'T16 what was reserved days ago counts, as long as it waits', $erin);
$spark->sql("SELECT spark_simulator.script('$waited_hash', 'succeed')");
shows($waited, "('paid', 'succeeded')", 'it is paid', $erin);
($over) = withdraw($erin, 889);
shows($over, "('rejected', 'rejected')", 'T16 and then, as it leaves today', $erin);
my ($fails) = withdraw($erin, 860, 'fail');
shows($fails, "('failed', 'failed')", 'T16 but only once: what fits beside it is let through', $erin);
my ($again) = withdraw($erin, 870);
shows($again, "('paid', 'succeeded')", 'T16 and what fails gives its room back', $erin);
$spark->sql(sprintf($asked_for, '+'));
$spark->set('spark.daily_limit_account', 0);

# Many at once, of many accounts, at the edge of the limit of all.
my @crowd = map { $spark->sign_up("many$_") } 1 .. 6;
$spark->fund($_, 1000) for @crowd;
$spark->wait_until_drained;
$spark->set_lanes(4);
my $edge = $spark->sql("SELECT (reserved_msat + (SELECT sum(m) FROM unnest(gone_msat) m))::bigint / 1000 + 1 + 3 * 110"
	. " FROM spark_accounting.outflows WHERE account_id = '00000000-0000-7000-8001-000000000003'");
$spark->set('spark.daily_limit_all', $edge);
$spark->wait_for("SELECT current_setting('spark.daily_limit_all') = '$edge'");
my @at_once = map { (withdraw($_, 100))[0] } @crowd;
$spark->wait_until_drained;
is($spark->sql("SELECT state, count(*) FROM spark_bitcoin.withdrawals WHERE invoice_id IN ('" . join("','", @at_once) . "')"
	. " AND state = 'rejected' GROUP BY state"), 'rejected|3', 'T16 of six in four lanes at the limit of all, three are let through');
$spark->set_lanes(1);
$spark->set('spark.daily_limit_all', 1);
$spark->wait_for("SELECT current_setting('spark.daily_limit_all') = '1'");
($over) = withdraw($carol, 1);
shows($over, "('rejected', 'rejected')", 'T16 and beyond the limit of all', $carol);
$spark->set('spark.daily_limit_all', 0);
$spark->wait_for("SELECT current_setting('spark.daily_limit_all') = '0'");

# ---- L40: what the node keeps of a receipt; L7, E10: a fee above what was allowed
my $kept = $spark->as($carol, 'SELECT invoice_id FROM spark.deposit(900)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$kept')", undef, $carol);
$spark->sql("SELECT spark_simulator.script(payment_hash, 'receive', '{\"kept_msat\": 5000}') FROM spark_bitcoin.deposits WHERE invoice_id = '$kept'");
$spark->wait_for("SELECT status = 'paid' AND received_msat = 900000 FROM spark.invoice('$kept')", 'L40 what came is credited in whole', $carol);
my ($dear) = withdraw($carol, 50, 'succeed', '"over_msat": 3000');
shows($dear, "('paid', 'succeeded')", 'a payment whose fee is above its cap is paid', $carol);
$spark->wait_until_drained;
is($spark->sql("SELECT string_agg(purpose || ' ' || amount_msat, ', ' ORDER BY purpose) FROM spark_accounting.transfers t JOIN spark_accounting.accounts a"
		. " ON a.account_id = t.debit_account_id WHERE class = 'operator'"), 'excess 3000, receive_fee 5000', 'L7 L40 the operator bears both');
is($spark->as($carol, "SELECT fee_msat, max_fee_msat FROM spark.invoice('$dear')"), '13000|10000', 'L7 the fee shows as it was');
is($spark->as($carol, "SELECT amount_msat FROM spark.statement(1)"), '-10000', 'L7 and the user pays no more than he agreed to');
like($spark->sql("SELECT alarm FROM spark_bitcoin.withdrawals WHERE invoice_id = '$dear'"), qr/higher fee/, 'L7 with an alarm');
is(reconcile(), 'solvency|', 'L44 what the operator owes is what the node lacks');

# ---- own capital stays in the node, whatever the books say
my $has = $spark->sql('SELECT (local_msat + in_flight_msat) / 1000 FROM spark_bitcoin.audit');
$spark->set('spark.solvency_tolerance', 2_000_000);
$spark->set('spark.own_capital', $has - 100);
$spark->wait_for("SELECT current_setting('spark.own_capital') = '" . ($has - 100) . "'");
my ($small) = withdraw($carol, 41);
shows($small, "('paid', 'succeeded')", 'what leaves the capital alone is paid', $carol);
my ($large) = withdraw($carol, 61);
$spark->wait_for("SELECT is_open AND reason LIKE '%71000 msat with its highest fee would take of spark.own_capital%' FROM spark_bitcoin.breaker",
	'L44 a payment that would take of it is not made, and stops withdrawals');
shows($large, "('pending', 'reserved')", 'it waits, its money reserved', $carol);
is(health('breaker'), 'f', 'health says so');
$spark->fund($carol, 10);
pass('deposits go on');
$spark->set('spark.own_capital', 0);
$spark->wait_for("SELECT current_setting('spark.own_capital') = '0'");
$spark->set('spark.solvency_tolerance', 100);
$spark->wait_for("SELECT current_setting('spark.solvency_tolerance') = '100'");
reconcile();
$spark->sql("SELECT spark_ops.close_breaker('it was too much')");
shows($large, "('paid', 'succeeded')", 'with less of it, and the breaker closed, it is paid', $carol);
$spark->set('spark.own_capital', $has);
$spark->wait_for("SELECT current_setting('spark.own_capital') = '$has'");
like($spark->sql("SELECT kind || ' ' || books FROM spark_ops.reconcile()"), qr/^solvency .*own capital ${has}000 msat/m, 'L44 the comparison counts it, too');
is(health('breaker') . health('solvency'), 'ff', 'and stops withdrawals before any is asked for');
$spark->set('spark.own_capital', 5_000_000_000);
$spark->wait_for("SELECT current_setting('spark.own_capital') = '5000000000'");
like($spark->sql("SELECT kind || ' ' || books FROM spark_ops.reconcile()"), qr/^solvency .*own capital 5000000000000 msat/m, 'L44 however much it is');
$spark->set('spark.own_capital', 0);
$spark->wait_for("SELECT current_setting('spark.own_capital') = '0'");
reconcile();
$spark->sql("SELECT spark_ops.close_breaker('seen')");

# ---- L46: books that are a copy, and have forgotten a payment
$spark->sql("SELECT spark_ops.pause_outside('restored')");
my ($copied) = withdraw($carol, 53);
shows($copied, "('pending', 'reserved')", 'L46 in a copy it looks as if nothing was sent', $carol);
is(($spark->try_sql("SELECT spark_ops.decide_payment('$copied', 'failed', 'reserved', 'in vain')"))[0], 'SP010', 'L46 which nobody gives back');
$spark->sql("INSERT INTO spark_bitcoin.simulator_payments (payment_hash, attempt, amount_msat, max_fee_msat, memo, called_at, refusals,"
	. " created_at, bound_at, closed, succeeded, ended_at, fee_msat, failure)"
	. " VALUES ('$foreign', 1, 1000, 0, '', now(), 0, now(), now(), true, true, now(), 0, 'none')");
$spark->sql("SELECT spark_ops.resume_outside('restored')");
my ($gap) = withdraw($carol, 51);
$spark->wait_for("SELECT is_open FROM spark_bitcoin.breaker", 'L46 a copy that has forgotten a payment pays nothing');
shows($gap, "('pending', 'reserved')", 'what is asked for waits', $carol);
$spark->sql("DELETE FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$foreign'");
$spark->sql("SELECT spark_ops.close_breaker('the payment is known')");
shows($_, "('paid', 'succeeded')", 'L46 until an operator has looked', $carol) for $gap, $copied;
$spark->sql("SELECT spark_ops.pause_outside('restored'); SELECT spark_ops.resume_outside('restored')");
($gap) = withdraw($carol, 52);
shows($gap, "('paid', 'succeeded')", 'L46 one that has forgotten nothing pays when that is known', $carol);
$spark->sql("BEGIN; SELECT spark_ops.pause_outside('restored'); SELECT spark_ops.resume_outside('restored'); COMMIT");
($gap) = withdraw($carol, 50);
shows($gap, "('paid', 'succeeded')", 'L46 also where the worker has not noticed the pause', $carol);

# ---- L39: losing the cursor is harmless
$spark->node->stop('immediate');
$spark->node->start;
$spark->wait_for('SELECT count(*) >= 0 FROM spark_bitcoin.node_state');
$spark->sql('UPDATE spark_bitcoin.node_state SET settled_cursor = 0');
$spark->node->stop('immediate');
$spark->node->start;
$spark->fund($carol, 800);
is($spark->broken_invariants, '', 'L39 every event comes again, and every invariant holds');
is(reconcile(), 'solvency|', 'L42 after two crashes the books and the node agree about every hash');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
$spark->stop;
done_testing();
