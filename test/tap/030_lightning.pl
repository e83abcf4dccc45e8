# 030_lightning.pl
#		Deposits and withdrawals against a node that fails in every way it can:
#		whatever it says or does not say, a payment is made once, charged once, and
#		given back only when it cannot come any more.  The outside world is the
#		witness.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(conf => "spark.lightning_timeout = 2\nspark.lightning_not_found_delay = 1");
my $alice = $spark->sign_up('alice');
my $bob = $spark->sign_up('bob');
$spark->fund($alice, 1_000_000);

my $fee = 1000;		# msat, of a payment without script
my $spent = 0;

# Of an outside invoice: the withdrawal's id and its hash.
sub withdraw
{
	my ($sat, $outcome, $options) = @_;
	my $request = $spark->sql("SELECT spark_simulator.make_invoice($sat)");
	if (defined $outcome)
	{
		# The hash is known once it was decoded: a script for every payment of that amount comes first.
		my $filter = sprintf('{"amount_msat": %d000', $sat) . ($options ? ", $options}" : '}');
		$spark->sql("SELECT spark_simulator.script('*', '$outcome', '$filter')");
	}
	return split(/\|/, $spark->as($alice, "SELECT invoice_id, payment_hash FROM spark.withdraw('$request')"));
}

sub shows
{
	my ($id, $expected, $name) = @_;
	return $spark->wait_for("SELECT (status, state) = ROW$expected FROM spark.invoice('$id')", $name, $alice);
}

sub payments_of
{
	my ($hash) = @_;
	return $spark->sql("SELECT count(*) FROM spark_simulator.payments() WHERE payment_hash = '$hash' AND direction = 'out'");
}

sub balance_is
{
	my ($name) = @_;
	$spark->wait_until_drained;
	return is($spark->as($alice, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), (1_000_000_000 - $spent) . '|0', $name);
}

# ---- the node and its books
is($spark->sql('SELECT count(*), min(network), min(backend) FROM spark_bitcoin.node'), '1|regtest|simulator', 'the node is recorded once');
$spark->wait_for("SELECT bool_and(ok = (check_name <> 'node_simulated')) FROM spark_ops.node_health()", 'all is well but that it is simulated');

# ---- L62: its requests are real ones, of a key of its own
my $own = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(77)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$own')", undef, $alice);
$own = $spark->as($alice, "SELECT payment_request FROM spark.invoice('$own')");
is($spark->sql("SELECT left('$own', 6), network, amount_msat, payee = (SELECT node_id FROM spark_bitcoin.node) FROM spark.decode_invoice('$own')"),
	'lnbcrt|regtest|77000|t', 'L62 a deposit is asked for by a BOLT 11 request that the node has signed');
my $outside = $spark->sql('SELECT spark_simulator.make_invoice(77)');
is($spark->sql("SELECT payee = (SELECT public_key FROM spark_bitcoin.simulator_keys WHERE name = 'outside') AND payee <> (SELECT node_id FROM spark_bitcoin.node) FROM spark.decode_invoice('$outside')"),
	't', 'L62 and what it pays was signed by the outside wallet');

# ---- S33: failures are final
my ($id, $hash) = withdraw(101, 'fail', '"reason": "no_route"');
shows($id, "('failed', 'failed')", 'S33 a failed payment is failed');
is($spark->as($alice, "SELECT reason FROM spark.invoice('$id')"), 'payment_refused', 'with its reason');
balance_is('and the reserve is back');
my $request = $spark->as($alice, "SELECT payment_request FROM spark.invoice('$id')");
$spark->sql("SELECT spark_simulator.script('$hash', 'succeed')");
my $again = $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$request')");
isnt($again, $id, 'asked again it is a new row');
shows($again, "('paid', 'succeeded')", 'which is paid');
is(payments_of($hash), '1', 'once');
$spent += 101_000 + $fee;
balance_is('and charged once');

# ---- S34: what the node does not say is no verdict
my %open = (
	'its reply lost after the acknowledgement' => [110, 'lost_reply', '"at": "ack"'],
	'its reply lost on reading' => [111, 'lost_reply', '"at": "read"'],
	'its reply lost after the commit' => [112, 'lost_reply', '"at": "commit"'],
	'the connection refused twice' => [113, 'not_sent', '"times": 2'],
	'lookups unavailable at first' => [114, 'unknown', '"lookup": "unavailable", "after_s": 3'],
	'lookups that know nothing at first' => [115, 'unknown', '"lookup": "not_found", "after_s": 3'],
	'lookups that say pending at first' => [116, 'unknown', '"lookup": "pending", "after_s": 3'],
	'an empty reply' => [117, 'bad_reply', '"fault": "empty"'],
	'an HTTP 500' => [118, 'bad_reply', '"fault": "http_500"'],
	'a payment that takes its time' => [119, 'succeed', '"after_s": 3'],
	'L24 the failure of an earlier try shown in its place' => [109, 'stale', '"after_s": 3'],
	'L29 acknowledged, and unknown for a while' => [108, 'unknown', '"reply": "ack", "lookup": "not_found", "after_s": 3'],
);
my %rows = map { $_ => [withdraw(@{$open{$_}})] } sort keys %open;
for my $what (sort keys %open)
{
	($id, $hash) = @{$rows{$what}};
	shows($id, "('paid', 'succeeded')", "S34 $what: paid");
	is(payments_of($hash), '1', 'and once');
	$spent += $open{$what}[0] * 1000 + $fee;
}
balance_is('S38 amounts and fees are charged, every reserve is gone');

# and where it says at last that nothing was paid, everything is given back
my %lost = (
	'a lost reply, then a failure' => [160, 'lost_reply', '"at": "ack", "then": "fail"'],
	'unknown, then a failure' => [161, 'unknown', '"lookup": "pending", "then": "fail", "after_s": 2'],
	'an HTTP 503, then a failure' => [162, 'bad_reply', '"fault": "http_503", "then": "fail"'],
	'a failure that takes its time' => [163, 'fail', '"after_s": 2'],
);
%rows = map { $_ => [withdraw(@{$lost{$_}})] } sort keys %lost;
for my $what (sort keys %lost)
{
	($id, $hash) = @{$rows{$what}};
	shows($id, "('failed', 'failed')", "S34 $what: failed");
	is(payments_of($hash), '0', 'and never paid');
}
balance_is('S34 every reserve is given back, nothing is charged');

# ---- L2: success without proof is none
my @unproven = map { [withdraw(120, 'bad_preimage', "\"kind\": \"$_\"")] } qw(wrong zero missing);
shows($_->[0], "('pending', 'unknown')", 'L2 without a good preimage it stays reserved') for @unproven;
is($spark->sql("SELECT ok FROM spark_ops.node_health() WHERE check_name = 'unknown_payments'"), 'f', 'and health says so');
for (@unproven)
{
	$spark->sql("SELECT spark_simulator.script('$_->[1]', 'succeed')");
	$spent += 120_000 + $fee;
}
shows($_->[0], "('paid', 'succeeded')", 'until the proof is there') for @unproven;

# ---- what the outside world does is seen at once, however rare looks have become
for ([ 125, 'stuck', '"as": "no_htlc"' ], [ 126, 'unknown', '"lookup": "pending", "after_s": 86400' ])
{
	my ($sat, $outcome, $options) = @$_;
	my ($open, $open_hash) = withdraw($sat, $outcome, $options);
	shows($open, "('pending', 'in_flight')", "$outcome: the payment is under way");
	# A moment that no look of the worker's own can come before.
	$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, look_count = 1000, submitted_at = submitted_at - interval '2 hours',"
		. " next_look_at = now() + interval '1 hour' WHERE invoice_id = '$open'");
	$spark->wait_for("SELECT next_look_at > now() + interval '8 minutes' FROM spark_bitcoin.withdrawals WHERE invoice_id = '$open'");
	$spark->sql("SELECT spark_simulator.script('$open_hash', 'succeed')");
	shows($open, "('paid', 'succeeded')", 'L28 and paid as soon as another script says so');
	$spent += $sat * 1000 + $fee;
}

# ---- a look that was begun before an audit, and ends in it, puts nothing off
my ($put_off, $put_off_hash) = withdraw(127, 'flip', '"after_s": 86400');
shows($put_off, "('failed', 'failed')", 'a payment fails that the node may still make');
$spark->sql("SELECT spark_simulator.script('$put_off_hash', 'never_answer')");
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$put_off'");
my $looks = $spark->sql("SELECT look_count FROM spark_bitcoin.withdrawals WHERE invoice_id = '$put_off'");
$spark->wait_for("SELECT look_count > $looks FROM spark_bitcoin.withdrawals WHERE invoice_id = '$put_off'");
is(($spark->try_sql("SET statement_timeout = '${Spark::patience}s'; SELECT count(*) FROM spark_ops.reconcile()"))[0], '', 'L42 while it is being asked about, an audit begins, asks again and ends');
$spark->sql("SELECT spark_simulator.script('$put_off_hash', 'fail')");
$spark->wait_for("SELECT closed FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$put_off_hash'");

# ---- one that hangs holds nothing up, and survives every crash
($id, $hash) = withdraw(130, 'never_answer');
shows($id, "('pending', 'unknown')", 'S34 a node that never answers leaves it unknown');
is($spark->as($alice, "SELECT state, created_at BETWEEN now() - interval '1 hour' AND now(), amount_msat, max_fee_msat, reason IS NULL,"
		. " amount_msat + max_fee_msat = (SELECT reserved_msat FROM spark.balance()) FROM spark.invoices(1)"),
	'unknown|t|130000|10000|t|t', 'L27 its owner sees the state, since when, what is reserved, and the cap');
is($spark->sql("SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hash' AND created_at IS NOT NULL"), '1',
	'L63 the node has committed what it never answered');
my ($other) = withdraw(131);
shows($other, "('paid', 'succeeded')", 'others are paid meanwhile');
$spent += 131_000 + $fee;
is($spark->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spark lightning' AND xact_start < now() - interval '1 second'"),
	'0', 'X23 L18 no transaction is open while the node is waited for');
$spark->node->stop('immediate');
$spark->node->start;
shows($id, "('pending', 'unknown')", 'after a crash it is still unknown');
is($spark->sql("SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hash'"), '1', 'L63 and the node still has it, once');
($other) = withdraw(132);
shows($other, "('paid', 'succeeded')", 'L42 and others are paid after it was asked about once');
$spent += 132_000 + $fee;
$spark->sql("SELECT spark_simulator.script('$hash', 'succeed')");
shows($id, "('paid', 'succeeded')", 'it is paid when the node says so');
$spent += 130_000 + $fee;
balance_is('and charged once');

# ---- S35: killed between the payment and the commit of its outcome
for my $round (1 .. 3)
{
	my @paid = map { [withdraw(139 + $round)] } 1 .. 10;
	$spark->node->stop('immediate');
	$spark->node->start;
	shows($_->[0], "('paid', 'succeeded')", undef) for @paid;
	$spent += 10 * ((139 + $round) * 1000 + $fee);
	balance_is("S35 crash $round: every payment is charged once");
}
is($spark->sql("SELECT count(*) FROM (SELECT FROM spark_simulator.payments(10000) WHERE direction = 'out' GROUP BY payment_hash HAVING count(*) > 1) AS twice"),
	'0', 'S35 and nothing was paid twice');

# ---- L25: failed, and then paid after all
($id, $hash) = withdraw(150, 'flip', '"after_s": 2');
shows($id, "('failed', 'failed')", 'L25 a payment fails');
shows($id, "('paid', 'succeeded')", 'and turns out to be paid');
is($spark->sql("SELECT late FROM spark_bitcoin.withdrawals WHERE invoice_id = '$id'"), 't', 'late');
is(payments_of($hash), '1', 'once');
$spark->wait_until_drained;

# ---- L25: what turns out to be paid while a client's open transaction asks for it again holds up nobody
my $erin = $spark->sign_up('erin');
$spark->fund($erin, 1000);
$request = $spark->sql('SELECT spark_simulator.make_invoice(151)');
$spark->sql(q(SELECT spark_simulator.script('*', 'flip', '{"amount_msat": 151000, "after_s": 86400}')));
($id, $hash) = split(/\|/, $spark->as($erin, "SELECT invoice_id, payment_hash FROM spark.withdraw('$request')"));
$spark->wait_for("SELECT status = 'failed' FROM spark.invoice('$id')", 'L25 a payment fails', $erin);
my $client = $spark->node->background_psql('postgres', on_error_stop => 1);
$client->query_safe("SET spark.token = '$erin'");
$client->query_safe("BEGIN; SELECT state FROM spark.withdraw('$request')");
$spark->sql("SELECT spark_simulator.script('$hash', 'succeed')");
my $looked = $spark->sql("SELECT look_count FROM spark_bitcoin.withdrawals WHERE invoice_id = '$id'");
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$id'");
$spark->wait_for("SELECT look_count > $looked FROM spark_bitcoin.withdrawals WHERE invoice_id = '$id'", 'L25 the node is asked about it again');
my $beside = $spark->sql('SELECT spark_simulator.make_invoice(152)');
$beside = $spark->as($erin, "SELECT invoice_id FROM spark.withdraw('$beside')");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$beside')", 'and another payment is made while the client keeps his transaction open', $erin);
is($spark->as($erin, "SELECT status FROM spark.invoice('$id')"), 'failed', 'which is in the way of this one alone');
$client->query_safe('ROLLBACK');
$client->quit;
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$id'");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$id')", 'L25 nothing is lost: then it is booked', $erin);
is(payments_of($hash), '1', 'once');
$spark->wait_until_drained;

# ---- L16, L37: paid inside
my $carol = $spark->sign_up('carol');
my $dave = $spark->sign_up('dave');
$spark->fund($carol, 10_000);
my $inside = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(4000)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$inside')", undef, $dave);
$request = $spark->as($dave, "SELECT payment_request FROM spark.invoice('$inside')");
is(($spark->try_as($dave, "SELECT * FROM spark.withdraw('$request')"))[0], 'SP408', 'S32 nobody pays himself');
$id = $spark->as($carol, "SELECT invoice_id FROM spark.withdraw('$request')");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$id')", 'S32 an invoice of another account is paid inside', $carol);
is($spark->as($carol, "SELECT received_msat, fee_msat, max_fee_msat, preimage IS NULL FROM spark.invoice('$id')"), '4000000|0|0|t', 'without a fee');
is($spark->as($dave, "SELECT status, state, received_msat, fee_msat, preimage IS NULL FROM spark.invoice('$inside')"), 'paid|settled|4000000|0|t', 'and is a deposit of the payee');
$spark->wait_until_drained;
is($spark->as($carol, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), '6000000|0', 'the payer is debited');
is($spark->as($dave, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), '4000000|0', 'the payee is credited');
is($spark->as($carol, "SELECT kind, amount_msat, invoice_id = '$id' FROM spark.statement(1)"), 'withdrawal|-4000000|t', 'the payer sees a withdrawal');
is($spark->as($dave, "SELECT kind, amount_msat, invoice_id = '$inside' FROM spark.statement(1)"), 'deposit|4000000|t', 'the payee a deposit');
is(($spark->try_sql("SELECT spark_simulator.pay('$request')"))[0], 'SP404', 'nobody outside can pay it any more');

# many at once, from outside and from inside
my @both;
for (1 .. 10)
{
	my $deposit = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(10)');
	$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$deposit')", undef, $dave);
	push @both, [$deposit, $spark->as($dave, "SELECT payment_request FROM spark.invoice('$deposit')")];
}
for (@both)
{
	my $withdrawal = $spark->as($carol, "SELECT invoice_id FROM spark.withdraw('$_->[1]')");
	my ($refused) = $spark->try_sql("SELECT spark_simulator.pay('$_->[1]')");
	push @$_, $withdrawal, $refused;
}
my $from_carol = 0;
for (@both)
{
	my ($deposit, undef, $withdrawal, $refused) = @$_;
	$spark->wait_for("SELECT status IN ('paid', 'failed') FROM spark.invoice('$withdrawal')", undef, $carol);
	$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$deposit')", undef, $dave);
	my $status = $spark->as($carol, "SELECT status FROM spark.invoice('$withdrawal')");
	$from_carol += $status eq 'paid';
	is($status, $refused eq '' ? 'failed' : 'paid', "L37 paid " . ($refused eq '' ? 'outside' : 'inside') . ' and not twice');
}
$spark->wait_until_drained;
is($spark->as($dave, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), '4100000|0', 'the payee is credited once for each');
is($spark->as($carol, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), (6_000_000 - 10_000 * $from_carol) . '|0', 'the payer paid for his');

# ---- L11, L16: nobody has heard that the invoice was cancelled, and before its name is asked for again another node stands there
$inside = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(50)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$inside')", undef, $dave);
$request = $spark->as($dave, "SELECT payment_request FROM spark.invoice('$inside')");
$spark->sql(q(SELECT spark_simulator.script('*', 'node', '{"as": "another"}')));
($id) = $spark->sql("SET spark.token = '$carol'; BEGIN; SELECT invoice_id FROM spark.withdraw('$request');"
	. " UPDATE spark_bitcoin.withdrawals SET version = version + 1, look_count = 1 WHERE payment_request = '$request'; COMMIT") =~ /([0-9a-f-]{36})/;
$spark->sql("SELECT spark_simulator.pay('$request')");
$spark->wait_for("SELECT NOT ok AND detail LIKE 'another node%' FROM spark_ops.node_health() WHERE check_name = 'node'", 'L11 another node is found out');
$spark->wait_until_drained;
is($spark->as($carol, "SELECT state FROM spark.invoice('$id')"), 'reserved', 'L16 what it does not know was not cancelled');
$spark->sql(q(SELECT spark_simulator.script('*', 'node', '{"as": "well"}')));
$spark->wait_for("SELECT reason = 'payment_request_used' FROM spark.invoice('$id')", 'L37 it was paid outside', $carol);
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$inside')", 'and is a deposit', $dave);
$spark->wait_until_drained;
is($spark->as($dave, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), '4150000|0', 'L34 once');

# ---- what a kind of node can never pay is not taken on
my $whole = $spark->sql('SELECT spark_simulator.make_invoice(1000)');
my $open_one = $spark->sql('SELECT spark_simulator.make_invoice(NULL)');
my $of_dave = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(3)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$of_dave')", undef, $dave);
$of_dave = $spark->as($dave, "SELECT payment_request FROM spark.invoice('$of_dave')");
$spark->set('spark.lightning_node', 'lnbits');
$spark->wait_for("SELECT current_setting('spark.lightning_node') = 'lnbits'");
is(($spark->try_as($carol, "SELECT * FROM spark.withdraw('$open_one', 7)"))[0], 'SP405', 'L14 LNbits pays no request without an amount');
is(($spark->try_as($carol, "SELECT * FROM spark.withdraw('$of_dave')"))[0], 'SP405', 'L16 and, as it cancels none, no invoice of another account here');
is($spark->as($carol, "SELECT status FROM spark.withdraw('$whole')"), 'pending', 'whole satoshi outside it does pay');
$spark->sql('ALTER SYSTEM RESET spark.lightning_node');
$spark->node->reload;
$spark->wait_for("SELECT current_setting('spark.lightning_node') = 'simulator'");
$spark->wait_until_drained;

# ---- S17, L35: late and more than asked
my $late = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(100)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$late')", undef, $dave);
$request = $spark->as($dave, "SELECT payment_request FROM spark.invoice('$late')");
is($spark->as($dave, "SELECT status FROM spark.verify_deposit((spark.invoice('$late')).payment_hash)"), 'pending', 'S13 unpaid is pending');
is(($spark->try_as($carol, "SELECT * FROM spark.verify_deposit('" . $spark->as($dave, "SELECT payment_hash FROM spark.invoice('$late')") . "')"))[0], 'SP002', 'S16 and the owner\'s own');
$spark->sql("SELECT spark_simulator.pay('$request', 150000)");
$spark->wait_for("SELECT status = 'paid' AND received_msat = 150000 FROM spark.invoice('$late')", 'L35 what came is credited', $dave);

$spark->node->append_conf('postgresql.conf', 'spark.invoice_expiry = 2');
$spark->node->reload;
$spark->wait_for("SELECT current_setting('spark.invoice_expiry') = '2s'");
$late = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(100)');
$spark->wait_for("SELECT status = 'expired' FROM spark.invoice('$late')", 'S17 an unpaid invoice expires', $dave);
$request = $spark->as($dave, "SELECT payment_request FROM spark.invoice('$late')");
is(($spark->try_as($carol, "SELECT * FROM spark.withdraw('$request')"))[0], 'SP402', 'and cannot be paid inside');
$spark->sql("SELECT spark_simulator.pay('$request', late => true)");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$late')", 'S17 paid late it is credited', $dave);
$spark->wait_until_drained;
is($spark->as($dave, 'SELECT posted_msat FROM spark.balance()'), '4400000', 'to the millisatoshi');

# ---- how the whole node is
$spark->sql(q(SELECT spark_simulator.script('*', 'node', '{"as": "pruned"}')));
$spark->wait_for("SELECT coalesce(bool_or(NOT ok AND detail LIKE '%forgets payments%'), false) FROM spark_ops.node_health()", 'L45 a node that forgets payments is told of');
$request = $spark->sql('SELECT spark_simulator.make_invoice(1)');
$id = $spark->as($carol, "SELECT invoice_id FROM spark.withdraw('$request')");
$spark->wait_for("SELECT state = 'reserved' FROM spark.invoice('$id')", undef, $carol);
$spark->wait_until_drained;
is($spark->as($carol, "SELECT state FROM spark.invoice('$id')"), 'reserved', 'L45 and pays nothing');
for my $as (qw(down locked syncing another))
{
	$spark->sql(qq(SELECT spark_simulator.script('*', 'node', '{"as": "$as"}')));
	$spark->wait_for("SELECT bool_or(NOT ok AND check_name = 'node') FROM spark_ops.node_health()", "L66 health says so of a node that is $as");
}
is($spark->as($carol, "SELECT state FROM spark.invoice('$id')"), 'reserved', 'L11 nothing is paid by any of them');
$spark->sql(q(SELECT spark_simulator.script('*', 'node', '{"as": "well"}')));
$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$id')", 'L66 and it goes on when the node is well', $carol);

# ---- the invoice that the node shows is another one
for my $wrong (qw(amount payee network junk))
{
	$spark->sql(qq(SELECT spark_simulator.script('*', 'make', '{"wrong": "$wrong", "amount_msat": 61000}')));
	$id = $spark->as($dave, 'SELECT invoice_id FROM spark.deposit(61)');
	$spark->wait_for("SELECT state = 'cancelled' FROM spark.invoice('$id')", "L31 an invoice with another $wrong is not shown", $dave);
	is($spark->as($dave, "SELECT payment_request IS NULL FROM spark.invoice('$id')"), 't', 'to anybody');
}

# ---- L67: the simulated node and real money
$spark->node->append_conf('postgresql.conf', "spark.lightning_network = 'mainnet'");
$spark->node->reload;
$spark->wait_for("SELECT NOT ok FROM spark_ops.node_health() WHERE check_name = 'node'", 'L67 on mainnet the simulated node stands still');
$request = $spark->sql('SELECT spark_simulator.make_invoice(1)');
is(($spark->try_as($carol, "SELECT * FROM spark.withdraw('$request')"))[0], 'SP401', 'and regtest is another network');
$spark->node->append_conf('postgresql.conf', "spark.lightning_network = 'regtest'\nspark.lightning_node = 'cln'");
$spark->node->reload;
$spark->wait_for("SELECT NOT ok AND detail LIKE '%spark.lightning_url is not set%' FROM spark_ops.node_health() WHERE check_name = 'node'", 'a node whose address is not set is named');
$spark->node->append_conf('postgresql.conf', "spark.lightning_node = 'simulator'");
$spark->node->reload;
$spark->wait_for("SELECT ok FROM spark_ops.node_health() WHERE check_name = 'node'", 'and it goes on');

# ---- L11: another node answers
$spark->sql("UPDATE spark_bitcoin.node SET node_id = '02' || repeat('ab', 32)");
$spark->node->restart;
$spark->wait_for("SELECT NOT ok AND detail LIKE 'another node%' FROM spark_ops.node_health() WHERE check_name = 'node'", 'L11 another node is found out');
$request = $spark->sql('SELECT spark_simulator.make_invoice(77)');
($id) = $spark->as($carol, "SELECT invoice_id FROM spark.withdraw('$request')");
$spark->wait_for("SELECT state = 'reserved' FROM spark.invoice('$id')", 'a withdrawal is reserved', $carol);
$spark->wait_until_drained;
is($spark->as($carol, "SELECT state FROM spark.invoice('$id')"), 'reserved', 'and not paid');

is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql("SELECT count(*) FROM spark_ops.dead_letters()"), '0', 'no message is dead');
my $log = slurp_file($spark->node->logfile);
unlike($log, qr/could not be (?:begun|written down)/, 'no row and no answer was a fault');
like($log, qr/WARNING:  the Lightning node is simulated/, 'L67 a start warns of the simulated node');
$spark->stop;
done_testing();
