# 035_dialects.pl
#		What 032 and 033 show at length with LND, in short with the others: Core
#		Lightning over clnrest and over its socket, and LNbits.  Replies that break at
#		each byte, events that come twice, late, never or behind the next one.  And
#		what a real Core Lightning said (test/fixtures/cln), said again on the wire.
use strict;
use warnings;

use Beside;
use FaultNode;
use PostgreSQL::Test::Utils;
use Spark;
use Test::More;

plan skip_all => FaultNode::lacks() if FaultNode::lacks() ne '';

my @broken = qw(empty reset reset_in_body cut garbage garbage_body http_500 http_502 http_404 redirect slow endless_line huge silent not_utf8 doubled);
my ($dialect, $node, $spark, $alice);

sub deposit { my ($sat) = @_; return $spark->as($alice, "SELECT invoice_id FROM spark.deposit($sat)"); }
sub withdraw { my ($invoice) = @_; return $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$invoice->{request}')"); }

sub shows
{
	my ($id, $expected, $name) = @_;
	return $spark->wait_for("SELECT (status, state) = ROW$expected FROM spark.invoice('$id')", $name, $alice);
}

sub hash_of_open
{
	my ($id) = @_;
	$spark->wait_for("SELECT state = 'open' FROM spark.invoice('$id')", undef, $alice);
	return $spark->as($alice, "SELECT payment_hash FROM spark.invoice('$id')");
}

# Looks again at once at what is open.
sub look
{
	my ($table, @ids) = @_;
	my $list = join(', ', map { "'$_'" } @ids);
	return $spark->sql("UPDATE spark_bitcoin.$table SET version = version + 1, next_look_at = now() WHERE invoice_id IN ($list) AND next_look_at > now()");
}

# Looks until nothing is left that was to break down about those hashes.
sub look_until_broken
{
	my ($table, %hash_of) = @_;
	my @left = keys %hash_of;

	for (my $deadline = time() + $Spark::patience; @left && time() < $deadline; select(undef, undef, undef, 0.1))
	{
		my %pending = map { ($_->{hash} // '') => 1 } @{ $node->pull('pending_faults') };
		@left = grep { $pending{ $hash_of{$_} } } @left;
		look($table, @left) if @left;
	}
	return scalar(@left);
}

# ---- what everybody does

sub start
{
	($dialect) = @_;
	$node = FaultNode->start(dialect => $dialect);
	$spark = Spark->start(name => $dialect =~ s/\W/_/gr, conf => $node->settings);
	$alice = $spark->sign_up('alice');
	my $funds = deposit(10_000_000);
	$node->pull('settle', hash => hash_of_open($funds));
	shows($funds, "('paid', 'settled')", 'L33 a deposit comes in');
	return;
}

sub invoices_break_down
{
	my @ids;

	$node->fault(create => $_, when => 'after') for @broken;
	push @ids, deposit(5000) for @broken;
	my %hashes = map { hash_of_open($_) => 1 } @ids;
	is(scalar(keys %hashes), scalar(@broken), 'L30 what broke on the way is one invoice each in the end');
	is(scalar(grep { $_->{operation} eq 'create' } @{ $node->pull('pending_faults') }), 0, 'each of them broke');
	return;
}

sub settlements_break_down
{
	my @lies = qw(other_hash wrong_preimage zero_preimage no_preimage bad_numbers less);
	my %hash_of = map { my $id = deposit(7000); $id => hash_of_open($id) } @broken, @lies;
	my @ids = sort keys %hash_of;
	my $posted = $spark->as($alice, 'SELECT posted_msat FROM spark.balance()');

	my %fault_of = map { $ids[$_] => (@broken, @lies)[$_] } 0 .. $#ids;
	$node->fault(invoice => $fault_of{$_}, hash => $hash_of{$_}) for @ids;
	is(look_until_broken('deposits', %hash_of), 0, 'each look at an invoice broke, or lied');
	$spark->wait_until_drained;
	is($spark->as($alice, 'SELECT posted_msat FROM spark.balance()'), $posted, 'L33 and nothing is credited');
	# Told twice, late behind the next one, and not at all.
	my $number = 0;
	for (@ids)
	{
		my $way = $number++ % 4;
		$node->pull('settle', hash => $hash_of{$_}, again => $way == 1 ? 2 : 0, reordered => $way == 2 ? \1 : \0, missed => $way == 3 ? \1 : \0);
	}
	$spark->wait_for("SELECT count(*) = " . @ids . " FROM spark_bitcoin.deposits WHERE state = 'settled' AND amount_msat = 7000000", 'L38 once it is true each is credited, however it was told');
	$spark->wait_until_drained;
	is($spark->as($alice, 'SELECT posted_msat FROM spark.balance()'), $posted + 7_000_000 * @ids, 'L34 once');
	return;
}

sub payments_break_down
{
	my %after = map { $_ => $node->outside(1000) } @broken;
	my %before = map { $_ => $node->outside(2000) } qw(empty reset reset_in_body cut garbage http_502 silent);

	for ([ 'after', \%after ], [ 'before', \%before ])
	{
		my ($when, $invoices) = @$_;
		$node->fault(send => $_, when => $when, hash => $invoices->{$_}{payment_hash}) for sort keys %$invoices;
		$invoices->{$_}{id} = withdraw($invoices->{$_}) for sort keys %$invoices;
	}
	for (sort keys %after)
	{
		shows($after{$_}{id}, "('paid', 'succeeded')", "L5 $_ after the node began: paid in the end");
		is($node->begun($after{$_}{payment_hash}) . $node->asked($after{$_}{payment_hash}), '11', 'L1 asked for once and begun once');
	}
	for (sort keys %before)
	{
		if ($dialect eq 'lnbits')
		{
			shows($before{$_}{id}, "('paid', 'succeeded')", "L29 $_ before it began: asked for again when it did not know it twice");
			is($node->begun($before{$_}{payment_hash}), 1, 'L1 and begun once');
			next;
		}
		$spark->wait_for("SELECT look_count > 0 AND state = 'unknown' FROM spark_bitcoin.withdrawals WHERE invoice_id = '$before{$_}{id}'", "L29 $_ before it began: unknown while parts may still leave");
		is($node->asked($before{$_}{payment_hash}), 1, 'L1 and not asked for again');
	}
	return;
}

sub looks_break_down
{
	my @looks = (@broken, qw(other_hash wrong_preimage zero_preimage no_preimage bad_numbers));
	my %invoice = map { $_ => $node->outside(3000, outcome => 'hold') } @looks;
	my %hash_of;

	for (@looks)
	{
		$node->fault(track => $_, hash => $invoice{$_}{payment_hash});
		$hash_of{ $invoice{$_}{id} = withdraw($invoice{$_}) } = $invoice{$_}{payment_hash};
	}
	is(look_until_broken('withdrawals', %hash_of), 0, 'L21 each look at a payment broke, or lied');
	is($spark->sql("SELECT count(*) FROM spark_bitcoin.withdrawals WHERE amount_msat = 3000000 AND state NOT IN ('unknown', 'in_flight', 'submitting')"), '0', 'and changed nothing');
	$node->pull('decide', hash => $_, status => 'SUCCEEDED') for values %hash_of;
	look('withdrawals', keys %hash_of);
	shows($invoice{$_}{id}, "('paid', 'succeeded')", "it is paid when the node says so, after $_") for @looks;
	is(join(' ', map { $node->asked($_) } values %hash_of), join(' ', map { 1 } @looks), 'L1 each was sent once');
	return;
}

# The node, or somebody before it, says again what it was told in confidence: a part of it, and in another form.
sub credential_is_repeated
{
	my @echoes = map { "echo_$_" } qw(part upper base64 hex);
	my %invoice = map { $_ => $node->outside(3500, outcome => 'hold') } @echoes;
	my %hash_of;

	for (@echoes)
	{
		$node->fault(track => $_, hash => $invoice{$_}{payment_hash});
		$hash_of{ $invoice{$_}{id} = withdraw($invoice{$_}) } = $invoice{$_}{payment_hash};
	}
	is(look_until_broken('withdrawals', %hash_of), 0, 'L58 each look at a payment was answered with a part of the credential');
	$node->fault(getinfo => 'echo_part', times => 0);
	$spark->node->reload;
	$spark->wait_for("SELECT NOT ok AND detail LIKE '%left out: the node repeats%' FROM spark_ops.node_health() WHERE check_name = 'node'",
		'L58 what a node says with a part of the credential in it is left out');
	$node->heal;
	$spark->wait_for("SELECT detail NOT LIKE '%left out%' FROM spark_ops.node_health() WHERE check_name = 'node'", 'and when it has none, it is heard again');
	$node->pull('decide', hash => $_, status => 'SUCCEEDED') for values %hash_of;
	look('withdrawals', keys %hash_of);
	shows($invoice{$_}{id}, "('paid', 'succeeded')", "and the payment is paid, after $_") for @echoes;
	$spark->wait_until_drained;
	$spark->sql('CHECKPOINT');
	is(join(' ', $spark->files_with($node->echoes)), '', 'L58 X36 no part of it is in any file of the server');
	return;
}

sub finish
{
	$node->heal;
	$spark->wait_until_drained;
	is($spark->broken_invariants, '', 'the books add up');
	is($node->count('redirected'), 0, 'L50 no redirect was followed');
	my $log = slurp_file($spark->node->logfile);
	unlike($log, qr/PANIC|TRAP|was terminated by signal/, 'nothing crashed');
	unlike($log, qr/canary/, 'X36 the credential is not in the log');
	$spark->stop;
	$node->stop;
	return;
}

# ---- what a real Core Lightning said

sub says { my ($operation, $recording, %options) = @_; return $node->fault($operation => 'recorded', recording => $recording, %options); }

sub recordings_of_payments
{
	# What it was asked, how that ends at the node, what it says to xpay and of listpays: what the books say.
	my @told = (
		[ 'paid', 'succeed', 'pay_settled', undef, "('paid', 'succeeded')" ],
		[ 'paid before', 'succeed', 'pay_again', 'listpays_done', "('paid', 'succeeded')" ],
		[ 'refused by the payee', 'no_route', 'pay_refused', 'listpays_failed', "('failed', 'failed')", 'payment_refused' ],
		[ 'no capacity', 'no_route', 'pay_no_capacity', 'listpays_unknown', "('failed', 'failed')", 'payment_refused' ],
		[ 'expired', 'no_route', 'pay_expired', 'listpays_unknown', "('failed', 'failed')", 'payment_request_expired' ],
		[ 'of another chain', 'no_route', 'pay_wrong_chain', 'listpays_unknown', "('failed', 'failed')", 'payment_request_malformed' ],
		[ 'held', 'hold', 'pay_while_held', 'listpays_held', "('pending', 'in_flight')" ],
		[ 'tried again', 'succeed', 'pay_while_held', 'listpays_after_a_retry', "('paid', 'succeeded')" ]);

	for (@told)
	{
		my ($what, $outcome, $sent, $listed, $expected, $reason) = @$_;
		my $invoice = $node->outside(4000, outcome => $outcome);
		says(send => $sent, hash => $invoice->{payment_hash});
		says(track => $listed, hash => $invoice->{payment_hash}) if $listed;
		my $id = withdraw($invoice);
		shows($id, $expected, "L81 recorded, $what: $sent" . ($listed ? " and $listed" : ''));
		is($spark->as($alice, "SELECT reason FROM spark.invoice('$id')"), $reason, 'with its reason') if $reason;
		is($node->asked($invoice->{payment_hash}), 1, 'L1 and sent once');
		next if $outcome ne 'hold';
		$node->pull('decide', hash => $invoice->{payment_hash}, status => 'SUCCEEDED');
		look('withdrawals', $id);
		shows($id, "('paid', 'succeeded')", 'and paid when it was let go');
	}
	return;
}

sub recordings_of_invoices
{
	says(create => 'invoice');
	my $plain = deposit(6000);
	my $plain_hash = hash_of_open($plain);
	pass('L81 recorded: an invoice is made');
	says(create => 'invoice_label_taken');
	my $again = deposit(6001);
	my $again_hash = hash_of_open($again);
	is(scalar(grep { $_->{operation} eq 'created' } @{ $node->pull('requests') }) > 0, 1, 'L81 recorded: where the label is taken, the invoice is found by it');
	says(invoice => 'listinvoices_held', hash => $plain_hash);
	is(look_until_broken('deposits', $plain => $plain_hash), 0, 'L81 recorded: a held invoice is looked at');
	is($spark->as($alice, "SELECT status FROM spark.invoice('$plain')"), 'pending', 'and stays open');
	says(subscribe => 'wait_timed_out', when => 'before');
	$node->pull('settle', hash => $again_hash, missed => \1);
	says(invoice => 'listinvoices_paid', hash => $again_hash);
	look('deposits', $again);
	shows($again, "('paid', 'settled')", 'L81 recorded: a paid one is credited');
	is($spark->as($alice, "SELECT received_msat FROM spark.invoice('$again')"), 6_001_000, 'with its amount');
	says(payments => 'documented_page_of_payments');
	like($spark->sql("SELECT string_agg(kind || ' ' || payment_hash, ', ') FROM spark_ops.reconcile()") . join(' ', map { $_->{operation} } @{ $node->pull('pending_faults') }),
		qr/payment_unknown/, 'L43 the page of its documents is read: payments that nobody here asked for');
	return;
}

sub in_short
{
	my ($which) = @_;

	start($which);
	invoices_break_down();
	settlements_break_down();
	payments_break_down();
	looks_break_down();
	if ($which ne 'lnbits')
	{
		recordings_of_payments();
		recordings_of_invoices();
	}
	credential_is_repeated() if $which ne 'cln-socket';
	$node->keeps_own_capital($spark, $alice);
	finish();
	return;
}

Beside::run(3, least => 60, tests => [ map { my $which = $_; [ $which => sub { in_short($which); } ] } qw(cln cln-socket lnbits) ]);
done_testing();
