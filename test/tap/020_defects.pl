# 020_defects.pl
#		The defects of the systems that spark follows, each provoked as it was there
#		and shown closed, with the figures of its first observation.  D10 and D22
#		are of the bus and are tested with it, D24 is one of unit tests and is tested
#		there.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Invoice;
use Spark;
use Town;

my $spark = Spark->start(conf => 'spark.lightning_timeout = 3');
my $town = Town->new($spark);
my $owner = $town->person('owner');

# What the ledger told, beside what the log keeps.
$spark->sql('CREATE TABLE heard (type text, aggregate_id uuid, payload jsonb);'
	. ' CREATE FUNCTION hear(message spark_bus.message) RETURNS void LANGUAGE sql AS'
	. " 'INSERT INTO public.heard VALUES (message.type, message.aggregate_id, message.payload)'");
$spark->sql("SELECT spark_bus.subscribe('witness', type, 'public.hear') FROM unnest(ARRAY["
	. "'accounting.transfer_succeeded', 'accounting.transfer_rejected', 'accounting.withdraw_voided',"
	. "'accounting.withdraw_succeeded', 'accounting.deposit_succeeded', 'crowdfunding.donation_confirmed']) AS type");

sub heard
{
	my ($type, $id) = @_;
	return $spark->sql("SELECT count(*) FROM heard WHERE type = '$type' AND aggregate_id = '$id'");
}

# ---- D1: one key, three owners
my $round = 0;
for my $level (@Town::levels)
{
	$round++;
	my @owners = map { $town->person("owner $round.$_") } 1 .. 3;
	my @campaigns = map { $town->campaign($_, 'Of three') } @owners;
	my $donor = $town->person("donor $round", 100);
	my @told = $town->crowd->at_once(3, sub {
		my ($client, $number) = @_;
		$client->sign_in($donor);
		$client->isolate($level);
		my ($sqlstate) = $client->call("SELECT * FROM spark.donate('$campaigns[$number]', 100, 'one key')");
		$client->tell("got $sqlstate");
	});
	is(join(', ', sort @told), 'got , got SP005, got SP005', "D1 S20 $level: one key for three owners lands once");
	is($town->balance($donor), '0|0', 'the donor paid once');
	my @got = sort { $a <=> $b } map { $town->balance($_) =~ s/\|0$//r } @owners;
	is("@got", '0 0 100000', 'and one owner got it');
	is(join(' ', sort map { $town->raised($_) } @campaigns), '0|0 0|0 100000|1', 'which his campaign counts');
}

# ---- D2: two donors, one key, one campaign
for my $level (@Town::levels)
{
	$round++;
	my $well = $town->campaign($owner, "A well of $level");
	my @donors = map { $town->person("donor $round.$_", 100) } 1 .. 2;
	my @told = $town->crowd->at_once(2, sub {
		my ($client, $number) = @_;
		$client->sign_in($donors[$number]);
		$client->isolate($level);
		$client->tell(join(' ', $client->call("SELECT donation_id FROM spark.donate('$well', 100, 'same key')")));
	});
	isnt($told[0], $told[1], "D2 S21 $level: the keys of two donors never meet");
	is(join(' ', map { $town->balance($_) } @donors), '0|0 0|0', 'both are debited');
	is($town->raised($well), '200000|2', 'both are counted');
}

# ---- D3: a donation of nothing is no licence to withdraw
{
	my $thief = $town->person('thief');
	my $well = $town->campaign($owner, 'A well with a thief');
	my ($request, $hash) = $town->outside(5000);
	my $before = $town->messages('accounting.request_transfer');
	is(($spark->try_as($thief, "SELECT * FROM spark.donate('$well', 0, '$hash')"))[0], 'SP001', 'D3 a donation of 0 is refused');
	is($town->messages('accounting.request_transfer'), $before, 'and asks for nothing');
	my $id = $town->withdraw($thief, $request);
	$town->comes($thief, invoice => $id, 'rejected', 'D3 S30 and a withdrawal without a balance is rejected');
	is($spark->as($thief, "SELECT reason FROM spark.invoice('$id')"), 'insufficient_funds', 'for want of funds');
	is($town->balance($thief), '0|0', 'nothing moved');
	is($town->asked_and_paid($hash), '0|0', 'and the node saw nothing');

	# Even where the key has been used with money.
	$spark->fund($thief, 10);
	my $donation = $town->donate($thief, $well, 1, $hash);
	$town->comes($thief, donation => $donation, 'confirmed');
	$id = $town->withdraw($thief, $request);
	$town->comes($thief, invoice => $id, 'rejected', 'D3 S22 a donation with the hash as its key opens nothing either');
	is($town->asked_and_paid($hash), '0|0', 'and the node saw nothing');
}

# ---- D4: signs
{
	my $donor = $town->person('taker', 200);
	my $well = $town->campaign($owner, 'A well to take from');
	my $before = $town->balance($owner);
	for my $sat (-120, 0, 'NULL')
	{
		is(($spark->try_as($donor, "SELECT * FROM spark.donate('$well', $sat, 'sign')"))[0], 'SP001', "D4 S23 donating $sat is refused");
		is(($spark->try_as($donor, "SELECT * FROM spark.deposit($sat)"))[0], 'SP001', "D4 so is depositing $sat");
		is(($spark->try_as($donor, "SELECT * FROM spark.create_campaign('A well', '', $sat)"))[0], 'SP001', "D4 and a goal of $sat");
	}
	my $open = $spark->sql('SELECT spark_simulator.make_invoice(NULL)');
	is(($spark->try_as($donor, "SELECT * FROM spark.withdraw('$open', $_)"))[0], 'SP001', "D4 and withdrawing $_") for -1, 0;

	# The ledger does not rely on who asks.
	my ($from, $to) = ($town->id($donor), $town->id($owner));
	for my $msat (-120_000, 0)
	{
		my $key = $spark->sql('SELECT gen_random_uuid()');
		$spark->sql("SELECT spark_bus.emit('accounting.request_transfer', '$key', jsonb_build_object('idempotency_key', 'by hand $msat',"
			. " 'from_account_id', '$from', 'to_account_id', '$to', 'amount_msat', $msat, 'purpose', 'donation'), 'transfer')");
		$spark->wait_for("SELECT EXISTS (SELECT FROM heard WHERE type = 'accounting.transfer_rejected' AND aggregate_id = '$key' AND payload->>'reason' = 'invalid_argument')"
			. " OR EXISTS (SELECT FROM spark_ops.dead_letters() WHERE aggregate_id = '$key')", "D4 the ledger refuses $msat once more");
		$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'provoked') FROM spark_ops.dead_letters() WHERE aggregate_id = '$key'");
	}
	is($town->balance($donor), '200000|0', 'nobody took anything');
	is($town->balance($owner), $before, 'from nobody');
}

# ---- D5: another's deposit invoice, paid inside and outside at once
{
	my $issuer = $town->person('issuer');
	my $payer = $town->person('payer', 1000);
	my @deposits = map { [$town->deposit($issuer, 50)] } 1 .. 8;
	my @told = $town->crowd->at_once(2, sub {
		my ($client, $number) = @_;
		$client->sign_in($payer);
		for (@deposits)
		{
			my ($id, $request) = @$_;
			my ($sqlstate, $out) = $client->call($number == 0
				? "SELECT 'asked', '$id', invoice_id FROM spark.withdraw('$request')"
				: "SELECT 'paid', '$id' FROM (SELECT spark_simulator.pay('$request')) AS done");
			$client->tell($sqlstate eq '' ? $out : "refused|$id|$sqlstate");
		}
	});
	my $inside = 0;
	my %asked = map { /^asked\|(\S+)\|(\S+)/ ? ($1 => $2) : () } @told;
	for (@deposits)
	{
		my ($id) = @$_;
		my ($outside) = grep { /^paid\|$id/ } @told;
		$town->comes($issuer, invoice => $id, 'paid', 'D5 the issuer is paid, ' . ($outside ? 'from outside' : 'inside'));
		next if !$asked{$id};
		$spark->wait_for("SELECT status IN ('paid', 'failed', 'rejected') FROM spark.invoice('$asked{$id}')", undef, $payer);
		my $status = $spark->as($payer, "SELECT status FROM spark.invoice('$asked{$id}')");
		is($status eq 'paid', !$outside, "D5 and the payer's withdrawal is $status");
		$inside++ if $status eq 'paid';
	}
	is($town->balance($issuer), '400000|0', 'D5 S32 the issuer is credited once for each, by either way');
	is($town->balance($payer), (1_000_000 - 50_000 * $inside) . '|0', 'and the caller is debited for his, nobody else');
}
$town->books_are_right('D1 to D5');

# ---- D6: the node fails for good
{
	my $payer = $town->person('unlucky', 1000);
	my ($request, $hash) = $town->outside(500);
	$town->script($hash, 'fail', '{"reason": "no_route"}');
	my $id = $town->withdraw($payer, $request);
	$town->comes($payer, invoice => $id, 'failed', 'D6 S33 a payment that the node fails is failed');
	is($town->balance($payer), '1000000|0', 'the reserve is back in full');
	$spark->wait_for("SELECT count(*) = 1 FROM heard WHERE type = 'accounting.withdraw_voided' AND aggregate_id = '$id'", 'and the ledger told so');
	is($town->asked_and_paid($hash), '1|0', 'the node was asked once and paid nothing');
}

# ---- D7: the node pays after the client has given up waiting
{
	my $payer = $town->person('patient', 1000);
	my ($request, $hash) = $town->outside(500);
	$town->script($hash, 'never_answer');
	my $id = $town->withdraw($payer, $request);
	$spark->wait_for("SELECT state = 'unknown' AND status = 'pending' FROM spark.invoice('$id')", 'D7 without an answer it is unknown', $payer);
	is($town->balance($payer), '1000000|510000', 'and stays reserved');
	$town->script($hash, 'succeed');
	$town->comes($payer, invoice => $id, 'paid', 'D7 S34 a look-up finds it paid');
	is($town->balance($payer), '499000|0', 'it is charged');
	is($town->asked_and_paid($hash), '1|1', 'once');
}

# ---- D8: 100 donations of 1 sat from 20 sessions at once
for my $level (@Town::levels)
{
	my $donor = $town->person("hasty $level", 100);
	my $well = $town->campaign($owner, "Of small change, $level");
	my @told = $town->crowd->at_once(20, sub {
		my ($client, $number) = @_;
		$client->sign_in($donor);
		$client->isolate($level);
		$client->tell(join(' ', $client->call("SELECT donation_id FROM spark.donate('$well', 1, 'coin $number.$_')"))) for 1 .. 5;
	});
	is(scalar(grep { /^ [0-9a-f-]{36}$/ } @told), 100, "D8 S48 $level: 100 of 100 are acknowledged");
	$spark->wait_for("SELECT count(*) = 100 FROM spark.donations('$well', 500) WHERE status = 'confirmed'", 'each of them is confirmed', $donor);
	is($town->balance($donor), '0|0', 'the balance is 0');
	is($town->raised($well), '100000|100', 'the total is 100');
	is($spark->sql("SELECT count(*) FROM heard WHERE type = 'crowdfunding.donation_confirmed' AND payload->>'campaign_id' = '$well'"),
		'100', 'and everybody who listens has heard of each once');
}

# ---- D9: 60 withdrawals, two dispatching sessions and the worker
{
	my $payer = $town->person('busy', 60 * 120);
	my @invoices = map { [$town->outside(100)] } 1 .. 60;
	my @told = $town->crowd->at_once(8, sub {
		my ($client, $number) = @_;
		$client->sign_in($payer);
		if ($number < 6)
		{
			$client->tell(join(' ', $client->call("SELECT invoice_id FROM spark.withdraw('$_->[0]')"))) for @invoices[map { 6 * $_ + $number } 0 .. 9];
			return;
		}
		for (my $left = 1, my $deadline = time() + $Spark::patience; $left && time() < $deadline;)
		{
			my ($sqlstate, $out) = $client->call('SELECT spark_bus.dispatch()');
			die "dispatching: $sqlstate $out" if $sqlstate ne '';
			(undef, $out) = $client->call("SELECT count(*) FROM spark.invoices(500) WHERE kind = 'withdrawal' AND status = 'paid'");
			$left = $out < 60;
		}
	});
	is(scalar(grep { /^ [0-9a-f-]{36}$/ } @told), 60, 'D9 60 withdrawals are taken');
	$spark->wait_for("SELECT count(*) = 60 FROM spark.invoices(500) WHERE kind = 'withdrawal' AND status = 'paid'", 'D9 S45 all are paid', $payer);
	is($spark->sql("SELECT count(*), count(DISTINCT payment_hash) FROM spark_bitcoin.simulator_payments WHERE payment_hash IN ('"
			. join("', '", map { $_->[1] } @invoices) . "')"), '60|60', 'the node was asked once for each');
	is($spark->sql("SELECT max(attempt_no) FROM spark_bitcoin.withdrawals WHERE account_id = '" . $town->id($payer) . "'"), '1', 'in one attempt each');
	is($spark->sql("SELECT count(*), count(DISTINCT payment_hash) FROM spark_simulator.payments(100000) WHERE payment_hash IN ('"
			. join("', '", map { $_->[1] } @invoices) . "')"), '60|60', 'and paid each once');
	is($town->balance($payer), 60 * 19_000 . '|0', 'each is charged once, with its fee');
	is($spark->sql("SELECT count(*), count(DISTINCT aggregate_id) FROM heard WHERE type = 'accounting.withdraw_succeeded'"
			. " AND payload->>'account_id' = '" . $town->id($payer) . "'"), '60|60', 'and told once');
}

# ---- D11: a sign-up while the node takes its time over a payment
{
	my $payer = $town->person('waiting', 1000);
	my ($request, $hash) = $town->outside(500);
	$spark->set('spark.lightning_timeout', "'300s'");
	$spark->wait_for("SELECT current_setting('spark.lightning_timeout') = '5min'");
	$town->script($hash, 'never_answer');
	my $id = $town->withdraw($payer, $request);
	my $hangs = "SELECT state = 'submitting' FROM spark.invoice('$id')";
	$spark->wait_for($hangs, 'D11 the node is asked to pay and does not answer', $payer);
	$spark->wait_for("SELECT count(*) = 1 FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hash'");

	my $guest = $spark->sign_up('guest');
	$spark->wait_for("SELECT username = 'guest' FROM spark.dashboard()", 'D11 S44 meanwhile somebody signs up', $guest);
	$spark->wait_for("SELECT count(*) = 1 FROM spark_accounting.accounts WHERE account_id = '" . $town->id($guest) . "'", 'and has an account in the ledger');
	my $well = $town->campaign($guest, 'A well of a guest');
	$town->comes($payer, donation => $town->donate($payer, $well, 100, 'meanwhile'), 'confirmed', 'D11 S44 a donation is booked');
	$spark->wait_for("SELECT raised_msat = 100000 FROM spark.campaign('$well')", 'and counted');
	$spark->fund($guest, 10);
	is($spark->as($guest, 'SELECT available_sat FROM spark.balance()'), '110', 'and a deposit of another is credited');
	is($spark->as($payer, $hangs), 't', 'D11 all while that call is still waited for');

	$town->script($hash, 'succeed');
	$town->comes($payer, invoice => $id, 'paid', 'it ends when the node answers');
	is($town->asked_and_paid($hash), '1|1', 'asked once, paid once');
	$spark->set('spark.lightning_timeout', "'3s'");
	$spark->wait_for("SELECT current_setting('spark.lightning_timeout') = '3s'");
}
$town->books_are_right('D6 to D11');

# ---- D12: nothing is refused in silence
{
	my $donor = $town->person('poor', 10);
	my $well = $town->campaign($owner, 'A dear well');
	my $donation = $town->donate($donor, $well, 11, 'too much');
	$town->comes($donor, donation => $donation, 'rejected', 'D12 S25 a donation over the balance is rejected');
	is($spark->as($donor, "SELECT reason FROM spark.donation('$donation')"), 'insufficient_funds', 'and says why');
	is($town->balance($donor), '10000|0', 'nothing moved');
	is(($spark->try_as($owner, "SELECT * FROM spark.donate('$well', 1, 'own')"))[0], 'SP301', 'D12 S24 one to the own campaign is an error');
}

# ---- D13: rejected, topped up, asked again
{
	my $payer = $town->person('late', 100);
	my ($request, $hash) = $town->outside(500);
	my $first = $town->withdraw($payer, $request);
	$town->comes($payer, invoice => $first, 'rejected', 'D13 a withdrawal over the balance is rejected');
	$spark->fund($payer, 1000);
	my $second = $town->withdraw($payer, $request);
	isnt($second, $first, 'D13 S36 after a top-up it is a new row');
	$town->comes($payer, invoice => $second, 'paid', 'which ends paid');
	is($spark->as($payer, "SELECT status, reason FROM spark.invoice('$first')"), 'rejected|insufficient_funds', 'the first stays rejected');
	is($town->balance($payer), '599000|0', 'one debit');
	is($town->asked_and_paid($hash), '1|1', 'one payment');
}

# ---- D14: parts of a satoshi, and no amount
{
	my $payer = $town->person('exact', 1000);
	my ($request, $hash) = $town->outside_msat(999);
	my $id = $town->withdraw($payer, $request);
	$town->comes($payer, invoice => $id, 'paid', 'D14 S37 an invoice of 999 msat is paid');
	is($spark->as($payer, "SELECT amount_msat, fee_msat FROM spark.invoice('$id')"), '999|1000', 'and charged as 999 msat, with its fee');
	is($town->balance($payer), '998001|0', 'to the millisatoshi');
	my $open = $spark->sql('SELECT spark_simulator.make_invoice(NULL)');
	is(($spark->try_as($payer, "SELECT * FROM spark.withdraw('$open')"))[0], 'SP403', 'D14 an invoice without amount asks for one');
	$id = $spark->as($payer, "SELECT invoice_id FROM spark.withdraw('$open', 100)");
	$town->comes($payer, invoice => $id, 'paid', 'D14 with one it is paid');
	is($town->balance($payer), '897001|0', 'and charged');
}

# ---- D15: a route that takes a fee
{
	my $payer = $town->person('far', 10_000);
	my ($request, $hash) = $town->outside(2000);
	$town->script($hash, 'succeed', '{"fee_msat": 17345, "after_s": 1}');
	my $id = $town->withdraw($payer, $request);
	$spark->wait_for("SELECT reserved_msat = 2020000 FROM spark.balance()", 'D15 S38 amount and highest fee are reserved', $payer);
	$town->comes($payer, invoice => $id, 'paid', 'D15 it is paid');
	is($spark->as($payer, "SELECT amount_msat, fee_msat, max_fee_msat FROM spark.invoice('$id')"), '2000000|17345|20000', 'what it took is recorded');
	is($spark->sql("SELECT max_fee_msat FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hash'"), '20000', 'the node was told the highest fee');
	is($town->balance($payer), '7982655|0', 'the fee is charged, the rest is back');
	is($spark->as($payer, "SELECT kind, state, amount_msat FROM spark.statement() WHERE invoice_id = '$id' ORDER BY kind"),
		"fee|posted|-17345\nwithdrawal|posted|-2000000", 'and has a line of its own');
}
$town->books_are_right('D12 to D15, counters are the sums of rows');

# ---- D16: two campaigns
{
	my $busy = $town->person('twice');
	my @two = map { $town->campaign($busy, $_) } 'The first', 'The second';
	$spark->wait_until_drained;
	is($spark->as($busy, 'SELECT campaign_count, jsonb_array_length(campaigns), raised_msat FROM spark.dashboard()'), '2|2|0', 'D16 S39 the owner of two campaigns sees two');
	my $donor = $town->person('giver', 30);
	$town->donate($donor, $two[0], 10, 'first');
	$town->donate($donor, $two[1], 20, 'second');
	$spark->wait_until_drained;
	is($spark->as($busy, "SELECT campaign_count, raised_msat, (SELECT string_agg(own->>'title' || ' ' || (own->>'raised_msat'), ', ' ORDER BY own->>'title')"
			. ' FROM jsonb_array_elements(campaigns) AS own) FROM spark.dashboard()'),
		'2|30000|The first 10000, The second 20000', 'and what each has raised');
}

# ---- D17: names in any case; no difference between an unknown name and a wrong password
{
	$town->person('Ursula');
	like($spark->log_in('URSULA'), qr/^ey/, 'D17 URSULA logs in as ursula');
	my @said = map { ($spark->try_as(undef, "SELECT * FROM spark.login('$_', 'not the password at all')"))[1] =~ s/^psql:[^ ]* //r } 'ursula', 'nobody of that name';
	like($said[0], qr/SP101/, 'D17 S4 a wrong password is refused');
	is($said[1], $said[0], 'and an unknown name in the very same words');
}

# ---- D18: numbers of more than 31 bits
{
	my $rich = $town->person('rich');
	my $well = $town->campaign($rich, 'A deep well', 2_147_483_648);
	is($spark->as(undef, "SELECT goal_sat FROM spark.campaign('$well')"), '2147483648', 'D18 S9 a goal of 2^31 sat is shown as it is');
	is(($spark->try_as($rich, "SELECT * FROM spark.create_campaign('A pit', '', -1)"))[0], 'SP001', 'D18 one of -1 is refused');
	my $whale = $town->person('whale', 2_200_000_000);
	is($town->balance($whale), '2200000000000|0', 'D18 a balance may be over 21.47 bitcoin');
	my $donation = $town->donate($whale, $well, 2_147_483_648, 'all at once');
	$town->comes($whale, donation => $donation, 'confirmed', 'D18 and be given');
	is($spark->as(undef, "SELECT raised_sat, goal_reached FROM spark.campaign('$well')"), '2147483648|t', 'to the satoshi');
	is($town->balance($rich), '2147483648000|0', 'and is got');
}

# ---- D19: verify_deposit without end
{
	my $asker = $town->person('asker');
	my $stranger = $town->person('stranger');
	my ($id, $request, $hash) = $town->deposit($asker, 100);
	my $before = $town->messages('bitcoin.verify_invoice');
	my $thousand = "DO \$\$ DECLARE refused int := 0; BEGIN FOR i IN 1 .. 1000 LOOP BEGIN PERFORM spark.verify_deposit('$hash');"
		. " EXCEPTION WHEN SQLSTATE '%s' THEN refused := refused + 1; END; END LOOP; ASSERT refused = 1000, refused || ' were refused'; END \$\$";
	is(($spark->try_as(undef, sprintf($thousand, 'SP003')))[0], '', 'D19 1,000 calls by nobody are refused');
	is(($spark->try_as($stranger, sprintf($thousand, 'SP002')))[0], '', 'D19 and 1,000 by another account');
	is($town->messages('bitcoin.verify_invoice'), $before, 'with no message, so with no look-up');
	$town->crowd->at_once(4, sub {
		my ($client) = @_;
		$client->sign_in($asker);
		for (1 .. 250)
		{
			my ($sqlstate, $out) = $client->call("SELECT status FROM spark.verify_deposit('$hash')");
			die "$sqlstate $out" if $sqlstate ne '' || $out ne 'pending';
		}
	});
	# The time of a message is that of its writing, a little behind that of the decision: hence two more.
	is($spark->sql("SELECT count(*) <= extract(epoch FROM max(created_at) - min(created_at)) + 2"
			. " FROM spark_common.outbox WHERE type = 'bitcoin.verify_invoice' AND aggregateid = '$id'"),
		't', 'D19 S16 1,000 by its owner, from four sessions, ask for one look a second');
	cmp_ok($town->messages('bitcoin.verify_invoice', $id), '>=', 1, 'one at least');
	$spark->sql("SELECT spark_simulator.pay('$request')");
	$town->comes($asker, invoice => $id, 'paid', 'D19 it is paid');
	is($town->balance($asker), '100000|0', 'and credited');
	is($town->messages('accounting.deposit', $id), '1', 'by one message');
}

# ---- D20: what does not change is not written
{
	my $donor = $town->person('once', 100);
	my $well = $town->campaign($owner, 'A quiet well');
	my $donation = $town->donate($donor, $well, 10, 'quiet');
	$town->comes($donor, donation => $donation, 'confirmed');
	$spark->wait_until_drained;
	my $rows = "SELECT (SELECT xmin::text || ' ' || version FROM spark_crowdfunding.campaigns WHERE campaign_id = '$well'),"
		. " (SELECT xmin::text || ' ' || version FROM spark_crowdfunding.donations WHERE donation_id = '$donation'),"
		. " (SELECT xmin::text || ' ' || version FROM spark_accounting.accounts WHERE account_id = '" . $town->id($donor) . "')";
	my $before = $spark->sql($rows);
	is($town->donate($donor, $well, 10, 'quiet'), $donation, 'D20 a repeated donation');
	my $key = $spark->sql("SELECT aggregateid FROM spark_common.outbox WHERE type = 'accounting.request_transfer' AND aggregateid = '$donation'");
	$spark->sql("SELECT spark_bus.emit(type, aggregateid, payload, aggregatetype) FROM spark_common.outbox WHERE type = 'accounting.request_transfer' AND aggregateid = '$key'");
	$spark->wait_until_drained;
	is($spark->sql($rows), $before, 'D20 S47 and a request handled twice load accounts, campaign and donation, and write none of them');
}

# ---- D21: a crash between the node's payment and the commit
{
	my $payer = $town->person('crashed', 1000);
	my ($request, $hash) = $town->outside(300);
	# Not by a reload, which the worker may hear of too late.
	$spark->sql("ALTER SYSTEM SET spark.lightning_timeout = '60s'");
	$spark->node->restart;
	$town->script($hash, 'bad_reply', '{"fault": "silent"}');
	my $id = $town->withdraw($payer, $request);
	$spark->wait_for("SELECT w.state = 'submitting' AND p.payment_hash IS NOT NULL FROM spark_bitcoin.withdrawals w LEFT JOIN spark_simulator.payments() p USING (payment_hash)"
		. " WHERE invoice_id = '$id'", 'D21 the node has paid, spark does not know');
	$spark->node->stop('immediate');
	$spark->node->start;
	$town->comes($payer, invoice => $id, 'paid', 'D21 S35 after the crash it is looked up');
	is($town->asked_and_paid($hash), '1|1', 'and was asked for and paid once');
	is($town->balance($payer), '699000|0', 'and charged once');
}

# ---- D23: a transfer from an account to itself
{
	my $self = $town->person('self', 100);
	my $id = $town->id($self);
	my $key = $spark->sql('SELECT gen_random_uuid()');
	$spark->sql("SELECT spark_bus.emit('accounting.request_transfer', '$key', jsonb_build_object('idempotency_key', 'to myself',"
		. " 'from_account_id', '$id', 'to_account_id', '$id', 'amount_msat', 50000, 'purpose', 'donation'), 'transfer')");
	$spark->wait_for("SELECT count(*) = 1 FROM heard WHERE type = 'accounting.transfer_rejected' AND aggregate_id = '$key'"
		. " AND payload->>'reason' = 'invalid_argument'", 'D23 a transfer from an account to itself is rejected');
	is($town->balance($self), '100000|0', 'and moves nothing');
	is(($spark->try_sql("INSERT INTO spark_accounting.transfers SELECT (t).* FROM (SELECT t, debit_account_id FROM spark_accounting.transfers t"
			. " WHERE credit_account_id = '$id' LIMIT 1) AS one, LATERAL (SELECT (jsonb_populate_record(t, jsonb_build_object('transfer_id', gen_random_uuid(),"
			. " 'debit_account_id', '$id', 'idempotency_key', 'by hand'))).*) AS changed"))[0] ne '', 1, 'nor does the table take one');
}

$town->books_are_right('D16 to D23');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message died');

$spark->stop;
done_testing();
