# 033_lying_node.pl
#		A node that lies: about payments, invoices, amounts, fees and itself.  No
#		money moves by a lie, and an operator hears of it.  And a node that is not
#		the one it should be, or that may not be asked: what is wrong is said with
#		its remedy, and no secret with it.
use strict;
use warnings;

use FaultNode;
use PostgreSQL::Test::Utils;
use Spark;
use Test::More;

plan skip_all => FaultNode::lacks() if FaultNode::lacks() ne '';

my $node = FaultNode->start;
my $spark = Spark->start(conf => $node->settings . "\nspark.lightning_create_deadline = 60");
my $alice = $spark->sign_up('alice');
my $folder = $node->folder;

sub shows
{
	my ($id, $expected, $name) = @_;
	return $spark->wait_for("SELECT (status, state) = ROW$expected FROM spark.invoice('$id')", $name, $alice);
}

sub ask_deposit
{
	my ($sat) = @_;
	return $spark->as($alice, "SELECT invoice_id FROM spark.deposit($sat)");
}

# One that the node has made: its id and its hash.
sub open_deposit
{
	my ($sat) = @_;
	my $id = ask_deposit($sat);
	$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$id')", undef, $alice);
	return ($id, $spark->as($alice, "SELECT payment_hash FROM spark.invoice('$id')"));
}

sub withdraw
{
	my ($invoice) = @_;
	return $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$invoice->{request}')");
}

sub balance_is
{
	my ($expected, $name) = @_;
	$spark->wait_until_drained;
	return is($spark->as($alice, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), $expected, $name);
}

sub alarm_of
{
	my ($table, $id) = @_;
	return $spark->sql("SELECT coalesce(alarm, '') FROM spark_bitcoin.$table WHERE invoice_id = '$id'");
}

sub health_says
{
	my ($words, $name) = @_;
	return $spark->wait_for("SELECT coalesce(bool_or(NOT ok AND detail LIKE '%$words%'), false) FROM spark_ops.node_health()", $name);
}

# Looks again at once at what is open.
sub look
{
	my ($table, $id) = @_;
	return $spark->sql("UPDATE spark_bitcoin.$table SET version = version + 1, next_look_at = now() WHERE invoice_id = '$id' AND next_look_at > now()");
}

# ---- invoices that are not what was asked for
for my $lie (qw(other_amount other_network other_memo junk_invoice other_invoice))
{
	my $made = $node->count('create');
	$node->fault(create => $lie, times => 1);
	my $id = ask_deposit(5000);
	if ($lie eq 'other_invoice')
	{
		# It is asked again, and the right one is there.
		shows($id, "('pending', 'open')", "L31 $lie is not taken, the right one is");
		next;
	}
	shows($id, "('failed', 'cancelled')", "L31 an invoice with $lie is refused");
	isnt(alarm_of('deposits', $id), '', 'with an alarm');
}
$node->fault(create => $_) for qw(empty http_500);
my ($id, $hash) = open_deposit(5000);
is($node->pull('invoice', hash => $hash)->{msat}, 5_000_000, 'L30 what broke on the way is the same invoice in the end');
is($spark->as($alice, "SELECT count(DISTINCT payment_hash) FROM spark.invoice('$id')"), '1', 'and one');

# ---- an invoice that the node takes for none
my $refused = ask_deposit(20_000_000_000_000);
shows($refused, "('failed', 'cancelled')", 'a deposit of more than the node takes is refused');
is($spark->as($alice, "SELECT reason FROM spark.invoice('$refused')"), 'payment_refused', 'for another reason than that nobody answers');
like($spark->sql("SELECT node_words FROM spark_bitcoin.deposits WHERE invoice_id = '$refused'"), qr/too large, max is 100000 BTC/, 'and the books have the words of the node');

# ---- settled, says the node
my %untrue = map { $_ => [ open_deposit(7000) ] } qw(wrong_preimage other_hash bad_numbers cut garbage_body huge not_utf8);
for my $lie (sort keys %untrue)
{
	my ($deposit, $of) = @{ $untrue{$lie} };
	$node->pull('settle', hash => $of, missed => 1) if $lie eq 'bad_numbers' || $lie eq 'other_hash';
	$node->fault(invoice => $lie, hash => $of, times => 0);
	look('deposits', $deposit);
}
my ($less, $less_hash) = open_deposit(8000);
$node->pull('settle', hash => $less_hash, msat => 1);
look('deposits', $less);
$spark->wait_for("SELECT alarm IS NOT NULL FROM spark_bitcoin.deposits WHERE invoice_id = '$less'", 'L35 less than was asked for raises an alarm');
$spark->wait_for("SELECT alarm IS NOT NULL FROM spark_bitcoin.deposits WHERE invoice_id = '$untrue{wrong_preimage}[0]'", 'L33 settled without the right preimage raises an alarm');
is($spark->as($alice, "SELECT status FROM spark.invoice('$untrue{$_}[0]')"), 'pending', "L33 $_ settles nothing") for sort keys %untrue;
balance_is('0|0', 'and nothing is credited');
$node->heal;
for my $lie (sort keys %untrue)
{
	my ($deposit, $of) = @{ $untrue{$lie} };
	$node->pull('settle', hash => $of, again => 3);
	look('deposits', $deposit);
	shows($deposit, "('paid', 'settled')", "once it is true it is credited, after $lie");
}
balance_is(7 * 7_000_000 . '|0', 'L34 once each, however often it was told');
my ($over, $over_hash) = open_deposit(50_000_000);
$node->pull('settle', hash => $over_hash, msat => 60_000_000_000);
shows($over, "('paid', 'settled')", 'L35 more than was asked for is credited');
my $balance = 7 * 7_000_000 + 60_000_000_000;
balance_is("$balance|0", 'as it came');

# ---- paid, says the node
my %lies;
for my $lie (qw(other_hash wrong_preimage zero_preimage no_preimage bad_numbers not_utf8 huge))
{
	my $invoice = $node->outside(9000, outcome => 'hold');
	$node->fault(send => $lie, hash => $invoice->{payment_hash});
	$node->fault(track => $lie, hash => $invoice->{payment_hash}, times => 0);
	$lies{$lie} = { invoice => $invoice, id => withdraw($invoice) };
}
for my $lie (sort keys %lies)
{
	$spark->wait_for("SELECT look_count > 0 FROM spark_bitcoin.withdrawals WHERE invoice_id = '$lies{$lie}{id}'");
	look('withdrawals', $lies{$lie}{id});
	shows($lies{$lie}{id}, "('pending', 'unknown')", "L2 $lie is no payment, and no failure");
	is($node->asked($lies{$lie}{invoice}{payment_hash}), 1, 'L1 and sent once');
}
isnt(alarm_of('withdrawals', $lies{$_}{id}), '', "L2 $_ raises an alarm") for qw(wrong_preimage zero_preimage no_preimage);
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT posted_msat FROM spark.balance()'), $balance, 'no money moves');
$node->heal;
for my $lie (sort keys %lies)
{
	$node->pull('decide', hash => $lies{$lie}{invoice}{payment_hash}, status => 'SUCCEEDED');
	look('withdrawals', $lies{$lie}{id});
	shows($lies{$lie}{id}, "('paid', 'succeeded')", "once it is true it is paid, after $lie");
	$balance -= 9_000_000 + 1000;
}
for my $lie (qw(negative_fee huge_fee))
{
	my $invoice = $node->outside(9000);
	my $cap = 90_000;			# of a hundredth
	$node->fault(send => $lie, hash => $invoice->{payment_hash});
	$id = withdraw($invoice);
	shows($id, "('paid', 'succeeded')", "L7 $lie: the payment stands");
	isnt(alarm_of('withdrawals', $id), '', 'with an alarm');
	my $charged = $spark->as($alice, "SELECT fee_msat BETWEEN 0 AND $cap FROM spark.invoice('$id')");
	$spark->wait_until_drained;
	my ($posted) = split(/\|/, $spark->as($alice, 'SELECT posted_msat, reserved_msat FROM spark.balance()'));
	cmp_ok($balance - $posted, '<=', 9_000_000 + $cap, 'and costs no more than was reserved');
	cmp_ok($balance - $posted, '>=', 9_000_000, 'and no less than its amount');
	$balance = $posted;
}
is($spark->broken_invariants, '', 'the books add up');

# ---- the macaroon may ask about payments and make none
my $forbidden = $node->outside(9100);
$node->fault(send => 'forbidden', when => 'before', hash => $forbidden->{payment_hash}, times => 0);
$id = withdraw($forbidden);
health_says('does not let this credential pay; withdrawals wait: permission denied', 'L20 a credential that may not pay: health says so');
$spark->wait_for("SELECT attempt_no > 1 FROM spark_bitcoin.withdrawals WHERE invoice_id = '$id'", 'it is tried again');
is($spark->as($alice, "SELECT status FROM spark.invoice('$id')"), 'pending', 'and nothing has failed');
$node->heal;
shows($id, "('paid', 'succeeded')", 'with the right to pay it is paid');
is($node->begun($forbidden->{payment_hash}), 1, 'once');
$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.node_health() WHERE check_name = 'node'", 'and health is content');

# ---- nor may it do all the rest
my ($unseen, $unseen_hash) = open_deposit(60);
$node->fault($_ => 'forbidden', when => 'before', times => 0) for qw(create invoice track payments);
ask_deposit(61);
$spark->sql("UPDATE spark_bitcoin.deposits SET version = version + 1, next_look_at = now() WHERE invoice_id = '$unseen'");
$spark->wait_for("SELECT NOT ok AND detail LIKE '%not let this credential make invoices; deposits wait: permission denied%'"
	. " AND detail LIKE '%look invoices up; what comes in is not credited: permission denied%' FROM spark_ops.node_health() WHERE check_name = 'node'",
	'a credential that may not make invoices, nor look them up: health says so');
like($spark->sql('SELECT detail FROM spark_ops.reconcile()'), qr/the node did not tell its payments: permission denied/, 'nor list payments: reconcile() says so');
$node->pull('capital', msat => -15_000_000);
like($spark->sql('SELECT detail FROM spark_ops.reconcile()'), qr/the node did not tell its payments/, 'what it has done is not compared');
is($spark->sql("SELECT is_open AND reason LIKE 'the node lacks %' FROM spark_bitcoin.breaker"), 't', 'L44 what it has is, with what is owed: it stops withdrawals');
$node->pull('capital', msat => 100_000_000_000);
$spark->sql("SELECT spark_ops.close_breaker('it has it again')");
$node->heal;
open_deposit(62);
$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.node_health() WHERE check_name = 'node'", 'and health is content');

# ---- another node answers
my $paid = $node->outside(100);
$node->pull('become', identity => '03' . 'ab' x 32);
health_says('another node', 'L11 health says that another node answers');
$id = withdraw($paid);
is($node->asked($paid->{payment_hash}), 0, 'nothing is asked of it to pay');
$node->pull('become', synced => JSON::PP::false);
health_says('not ready: it does not know the newest blocks yet', 'a node that is behind is not ready, and health says why');
is($node->asked($paid->{payment_hash}), 0, 'and pays nothing');
$node->pull('become');
shows($id, "('paid', 'succeeded')", 'the right one pays it');
is($node->asked($paid->{payment_hash}), 1, 'once');

# ---- what is the operator's own stays in it
$node->keeps_own_capital($spark, $alice);

# ---- it has another certificate
rename("$folder/cert", "$folder/cert.old");
rename("$folder/key", "$folder/key.old");
$node->new_certificate;
rename("$folder/cert", "$folder/cert.new");
$node->stop;
system("cp $folder/cert.new $folder/cert");
$node->run;
system("cp $folder/cert.old $folder/cert");
health_says('SSL', 'L55 one whose certificate is another is not talked to, and health says why');
my $untrusted = $node->outside(101);
$id = withdraw($untrusted);
$spark->wait_for("SELECT state = 'reserved' FROM spark.invoice('$id')", undef, $alice);
is($node->count('send') + $node->count('create'), 0, 'nothing was sent to it');
system("cp $folder/cert.new $folder/cert");
shows($id, "('paid', 'succeeded')", 'once the file is renewed it is, without a reload');

# ---- credentials and the connection in one text
my $thumbprint = `openssl x509 -in $folder/cert -noout -fingerprint -sha256` =~ s/.*=//sr =~ s/\s//gr;
my $text = 'type=lnd-rest;server=' . $node->url . "/;macaroonfilepath=$folder/macaroon;certthumbprint=";
$spark->set('spark.lightning_connection', "'$text" . ('00' x 32) . "'");
health_says('SSL', 'L55 a thumbprint of another certificate is refused');
$spark->set('spark.lightning_connection', "'$text$thumbprint'");
$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.node_health() WHERE check_name = 'node'", 'the right one is not');
my $by_text = $node->outside(102);
shows(withdraw($by_text), "('paid', 'succeeded')", 'and pays');
my $pin = `openssl x509 -in $folder/cert -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64` =~ s/\s//gr;
$spark->set('spark.lightning_connection', "'" . ($text =~ s/certthumbprint=/pinnedpublickey=sha256\/\/$pin/r) . "'");
my $by_pin = $node->outside(103);
shows(withdraw($by_pin), "('paid', 'succeeded')", 'L55 so does a pinned key');
$spark->set('spark.lightning_connection', "'" . ($text =~ s/certthumbprint=/pinnedpublickey=sha256\/\/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=/r) . "'");
health_says('SSL', 'and another key is refused');
$spark->set('spark.lightning_connection', "'type=lnd-rest;server=" . $node->url . ";macaroon=0201036c6e64'");
health_says('a secret stands in the text itself', 'L58 a secret in the text is refused');
$spark->set('spark.lightning_connection', "'type=eclair;server=" . $node->url . "'");
health_says('names no type of node', 'a type that is not known is refused');
$spark->set('spark.lightning_connection', "''");
chmod(0640, "$folder/macaroon");
$spark->node->reload;
health_says('group and others must have no access', 'L58 a file that others can read is refused, with the remedy');
chmod(0600, "$folder/macaroon");
$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.node_health() WHERE check_name = 'node'", 'and taken when it is put right');
append_to_file("$folder/macaroon2", "\x02" . 'x' x 60);
$spark->set('spark.lightning_credential_file', "'$folder/macaroon2'");
health_says('signature mismatch', 'a macaroon that the node refuses: health has its words');
$spark->set('spark.lightning_credential_file', "'$folder/none'");
health_says('could not be opened', 'a file that is not there is refused');
$spark->set('spark.lightning_credential_file', "'$folder/macaroon'");
my $last = $node->outside(104);
shows(withdraw($last), "('paid', 'succeeded')", 'with the right one it pays again');

is($node->asked($_->{payment_hash}), 1, 'L1 each was sent once') for $untrusted, $by_text, $by_pin, $last;
is($spark->broken_invariants, '', 'the books add up');
my $log = slurp_file($spark->node->logfile);
unlike($log, qr/PANIC|TRAP|was terminated by signal/, 'nothing crashed');
my $macaroon = unpack('H*', slurp_file("$folder/macaroon"));
unlike($log, qr/\Q$macaroon\E|canary/, 'X36 the macaroon is not in the log');
$spark->stop;
done_testing();
