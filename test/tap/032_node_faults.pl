# 032_node_faults.pl
#		Withdrawals by a node that breaks down in every way a connection can: each
#		is begun once at the node and no more, what is not known stays reserved, and
#		what was never begun is begun in the end.  The node counts; it would pay a
#		hash as often as it is asked.
use strict;
use warnings;

use FaultNode;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Utils;
use Spark;
use Test::More;
use Time::HiRes;

plan skip_all => FaultNode::lacks() if FaultNode::lacks() ne '';

my $node = FaultNode->start;
# What nobody insists on to be written down is lost with a crash.
my $spark = Spark->start(conf => $node->settings . "\nsynchronous_commit = off\nrestart_after_crash = on\n");
my $alice = $spark->sign_up('alice');

# A deposit that the node says was paid: the invoice's id and its hash.
sub deposit
{
	my ($sat, %settle) = @_;
	my $id = $spark->as($alice, "SELECT invoice_id FROM spark.deposit($sat)");
	$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$id')", undef, $alice);
	my $hash = $spark->as($alice, "SELECT payment_hash FROM spark.invoice('$id')");
	$node->pull('settle', hash => $hash, %settle);
	return ($id, $hash);
}

sub shows
{
	my ($id, $expected, $name) = @_;
	return $spark->wait_for("SELECT (status, state) = ROW$expected FROM spark.invoice('$id')", $name, $alice);
}

sub withdraw
{
	my ($invoice) = @_;
	return $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$invoice->{request}')");
}

sub until_asked
{
	my ($invoice) = @_;
	for (my $deadline = time() + 60; time() < $deadline; select(undef, undef, undef, 0.05))
	{
		return if $node->asked($invoice->{payment_hash}) > 0;
	}
	return fail('the node is asked to pay');
}

$spark->wait_for("SELECT count(*) = 1 FROM spark_bitcoin.node WHERE backend = 'lnd' AND network = 'regtest'", 'L11 the node is recorded');
my ($funds) = deposit(50_000_000);
shows($funds, "('paid', 'settled')", 'L33 a deposit comes in over TLS');
$spark->wait_until_drained;
my $balance = 50_000_000_000;

# The worker and how many descriptors it has open.
sub worker
{
	my $pid = $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'spark lightning'");
	return ($pid, scalar(my @open = glob("/proc/$pid/fd/*")));
}
my ($worker, $descriptors) = worker();

# ---- the reply to a payment is lost, after the node has begun and before
my @faults = qw(empty reset reset_in_body cut garbage garbage_body http_500 http_503 http_502 http_404 http_429 redirect slow
	endless_line huge endless_headers silent not_utf8 doubled other_hash bad_numbers);
my %sent;
my $sat = 1000;
for my $when ('after', 'before')
{
	for my $fault (@faults)
	{
		# What a node says of a payment that it never began is another test.
		next if $when eq 'before' && $fault =~ /^(?:not_utf8|doubled|other_hash|bad_numbers|slow)$/;
		my $invoice = $node->outside(++$sat);
		$node->fault(send => $fault, when => $when, hash => $invoice->{payment_hash});
		$sent{"$fault, $when"} = { invoice => $invoice, id => withdraw($invoice), sat => $sat, when => $when };
	}
}
for my $what (sort keys %sent)
{
	my $one = $sent{$what};
	if ($what eq 'http_500, before')
	{
		# The node itself refused, and does not know it afterwards: that is a proof.
		shows($one->{id}, "('failed', 'failed')", '3.4 refused by the node and unknown to it: failed');
		is($node->begun($one->{invoice}{payment_hash}) . $node->asked($one->{invoice}{payment_hash}), '01', 'L3 and never sent again');
		next;
	}
	shows($one->{id}, "('paid', 'succeeded')", "L5 $what the node began: paid in the end");
	is($node->begun($one->{invoice}{payment_hash}), 1, 'L1 and begun once');
	my $asked = $node->asked($one->{invoice}{payment_hash});
	is($asked, $one->{when} eq 'after' ? 1 : 2, $one->{when} eq 'after' ? 'asked for once' : 'L29 asked for again only after the node did not know it');
	$balance -= $one->{sat} * 1000 + 1000;
}
is($node->count('redirected'), 0, 'L50 no redirect was followed');
my ($worker_now, $descriptors_now) = worker();
is($worker_now, $worker, 'X24 the worker has lived through all of it');
cmp_ok($descriptors_now, '<=', $descriptors + 16, 'and has not gathered descriptors');
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), "$balance|0", 'charged once each, and nothing is reserved');

# ---- nobody listens: nothing was sent, and it is no verdict
$node->stop;
my $unsent = $node->outside(2000, later => 1);
my $id = withdraw($unsent);
$spark->wait_for("SELECT bool_or(NOT ok AND detail LIKE '%does not answer%') FROM spark_ops.node_health()", 'health says that nobody answers');
is($spark->as($alice, "SELECT status, state FROM spark.invoice('$id')"), 'pending|reserved', 'L20 what was not sent stays reserved');
$node->run;
$node->know($unsent);
shows($id, "('paid', 'succeeded')", 'and is paid when the node is back');
is($node->begun($unsent->{payment_hash}), 1, 'once');
$balance -= 2000 * 1000 + 1000;

# ---- the worker dies while the reply is awaited
my $held = $node->outside(3000, outcome => 'hold');
$id = withdraw($held);
$spark->wait_for("SELECT state IN ('submitting', 'in_flight', 'unknown') FROM spark.invoice('$id')", undef, $alice);
$spark->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'spark lightning'");
shows($id, "('pending', 'in_flight')", 'X15 L19 a payment whose submitter was ended is looked up');
$spark->node->stop('immediate');
$spark->node->start;
$spark->wait_for_connection;
shows($id, "('pending', 'in_flight')", 'X25 after a crash, too');
is($node->asked($held->{payment_hash}), 1, 'L17 and never sent again');
is($spark->sql("SELECT count(*) FROM spark_ops.reconcile() WHERE kind = 'solvency'"), '0', 'L44 what it holds is still ours: the node lacks nothing');
is($spark->sql('SELECT in_flight_msat FROM spark_bitcoin.audit'), 3000 * 1000 + 1000, 'and is told to be in flight, with its fee');
$node->pull('decide', hash => $held->{payment_hash}, status => 'SUCCEEDED');
shows($id, "('paid', 'succeeded')", 'it is paid when the node says so');
is($node->begun($held->{payment_hash}), 1, 'once');
$balance -= 3000 * 1000 + 1000;

# ---- nothing takes a payment that is being sent from its sender but the end of that
my $timeout = $spark->sql('SHOW spark.lightning_timeout');
$spark->set('spark.lightning_timeout', 300);
$spark->wait_for("SELECT current_setting('spark.lightning_timeout') = '5min'");
my $sending = $node->outside(3100, outcome => 'hold');
$node->fault(send => 'silent', when => 'after', hash => $sending->{payment_hash});
# Nobody writes the log down by the way.
my $writer = $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
kill('STOP', $writer);
$id = withdraw($sending);
until_asked($sending);
$spark->node->reload;
is($spark->sql("SELECT count(*) FROM spark_ops.reconcile() WHERE kind = 'not_asked'"), '0', 'the settings are read again, and books and node compared');
is($spark->as($alice, "SELECT state FROM spark.invoice('$id')"), 'submitting', 'L19 meanwhile it is still being sent');
kill($_, $writer) for 'QUIT', 'CONT';
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'walwriter' AND pid <> $writer");
shows($id, "('pending', 'in_flight')", 'L47 that it was sent is known after a crash, although synchronous_commit is off');
is($node->asked($sending->{payment_hash}), 1, 'and it is not sent again');
$node->pull('decide', hash => $sending->{payment_hash}, status => 'SUCCEEDED');
shows($id, "('paid', 'succeeded')", 'it is paid when the node says so');
$balance -= 3100 * 1000 + 1000;

# ---- an error and a signal in the middle of calls
($worker, $descriptors) = worker();
for my $round (1 .. 3)
{
	my $said = () = slurp_file($spark->node->logfile) =~ /relation "spark_bitcoin.node" does not exist/g;
	my @under_way = map { $node->outside(3200 + $_, outcome => 'hold') } 1 .. 4;
	$node->fault(send => 'silent', when => 'after', hash => $_->{payment_hash}) for @under_way;
	$_->{id} = withdraw($_) for @under_way;
	until_asked($_) for @under_way;
	$spark->sql('ALTER TABLE spark_bitcoin.node RENAME TO node_aside');
	$spark->node->reload;
	for (my $deadline = time() + 60; time() < $deadline; select(undef, undef, undef, 0.1))
	{
		last if $said < (() = slurp_file($spark->node->logfile) =~ /relation "spark_bitcoin.node" does not exist/g);
	}
	$spark->sql('ALTER TABLE spark_bitcoin.node_aside RENAME TO node');
	$node->pull('decide', hash => $_->{payment_hash}, status => 'SUCCEEDED') for @under_way;
	shows($_->{id}, "('paid', 'succeeded')", 'L48 what an error has ended is looked up') for @under_way;
	is(join(' ', map { $node->asked($_->{payment_hash}) } @under_way), '1 1 1 1', 'and sent once');
	$balance -= $_ for map { (3200 + $_) * 1000 + 1000 } 1 .. 4;
}
($worker_now, $descriptors_now) = worker();
is($worker_now, $worker, 'L48 the worker has lived through errors in the middle of calls');
cmp_ok($descriptors_now, '<=', $descriptors + 8, 'L49 and has given back what they held');
$spark->set('spark.lightning_timeout', "'$timeout'");
$spark->wait_for("SELECT current_setting('spark.lightning_timeout') = '$timeout'");

# ---- a node that is slow keeps the worker from nothing: what comes while its call is open is served
$spark->set('spark.lightning_timeout', 300);
my $slow = $node->outside(3100);
$node->fault(send => 'silent', hash => $slow->{payment_hash});
my $slow_id = withdraw($slow);
until_asked($slow);
is($node->asked($slow->{payment_hash}), 1, 'a call is open that nobody answers for five minutes');
my @waits;
for my $number (1 .. 10)
{
	my $prompt = $node->outside(3100 + $number);
	my $began = Time::HiRes::time();
	my $prompt_id = withdraw($prompt);
	$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$prompt_id')", undef, $alice);
	my ($request) = grep { ($_->{hash} // '') eq $prompt->{payment_hash} } @{ $node->pull('requests', operation => 'send') };
	push @waits, 1000 * ($request->{at} - $began);
	$balance -= (3100 + $number) * 1000 + 1000;
}
is($spark->as($alice, "SELECT state FROM spark.invoice('$slow_id')"), 'submitting', 'the latch is answered during a call: ten others were woken for, begun and paid while it was open');
note(sprintf('from the call of spark.withdraw to the byte that reached the node, while another call was open: %.0f ms in the middle of ten, %.0f at the least',
	(sort { $a <=> $b } @waits)[5], (sort { $a <=> $b } @waits)[0]));
($worker) = worker();
# SIGUSR1 is the server's: what it asks for by that is done, here a line in the log.
$spark->sql("SELECT pg_log_backend_memory_contexts($worker)");
for (my $deadline = time() + 60; time() < $deadline && slurp_file($spark->node->logfile) !~ /logging memory contexts of PID $worker\b/;)
{
	select(undef, undef, undef, 0.05);
}
like(slurp_file($spark->node->logfile), qr/logging memory contexts of PID $worker\b/, 'L61 SIGUSR1 reaches the server, also during a call');
# SIGHUP reloads and is no end.
$spark->set('spark.fee_floor', 11);
$spark->wait_for("SELECT setting = '11' FROM pg_settings WHERE name = 'spark.fee_floor'");
my $after_reload = withdraw($node->outside(3050));
shows($after_reload, "('paid', 'succeeded')", 'L61 after SIGHUP it goes on');
$balance -= 3050 * 1000 + 1000;
is((worker())[0], $worker, 'L61 as the same process');
# SIGTERM ends it, and the call with it.
$spark->sql("SELECT pg_terminate_backend($worker)");
$spark->wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker", 'L61 SIGTERM ends it at once, five minutes before that call would end');
$spark->set('spark.lightning_timeout', 2);
shows($slow_id, "('paid', 'succeeded')", 'and what was begun is looked up');
is($node->begun($slow->{payment_hash}), 1, 'and was begun once');
$balance -= 3100 * 1000 + 1000;

# ---- lookups that break down say nothing
my $later = $node->outside(4000, outcome => 'hold');
my @broken = qw(empty reset cut garbage_body http_500 http_404 http_502 redirect huge other_hash);
$node->fault(track => $_, hash => $later->{payment_hash}) for @broken;
$id = withdraw($later);
$spark->wait_for("SELECT state = 'in_flight' FROM spark.invoice('$id')", undef, $alice);
my $left = @broken;
for (my $deadline = time() + 120; $left && time() < $deadline;)
{
	$left = grep { ($_->{hash} // '') eq $later->{payment_hash} } @{ $node->pull('pending_faults') };
	$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$id' AND next_look_at > now() + interval '1 second'");
	select(undef, undef, undef, 0.3);
}
is($left, 0, 'L21 every lookup that was to break down did');
is($spark->as($alice, "SELECT status FROM spark.invoice('$id')"), 'pending', 'L21 a lookup that fails changes nothing');
$node->pull('decide', hash => $later->{payment_hash}, status => 'FAILED', reason => 'FAILURE_REASON_TIMEOUT');
$spark->sql("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now() WHERE invoice_id = '$id'");
shows($id, "('failed', 'failed')", 'one that answers ends it');
is($node->asked($later->{payment_hash}), 1, 'L3 a failed one is not tried again unasked');
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), "$balance|0", 'and what was reserved is free again');

# ---- a comparison tells nothing about which the node was asked and has not answered yet
my $meanwhile = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(7000)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$meanwhile')", undef, $alice);
my $meanwhile_hash = $spark->as($alice, "SELECT payment_hash FROM spark.invoice('$meanwhile')");
$node->fault($_ => 'late') for qw(balance payments);
my $balances = $node->count('balance');
my $comparing = fork() // die $!;
if ($comparing == 0)
{
	my $told = $spark->sql("SELECT string_agg(concat_ws(' ', kind, books, node), ', ') FROM spark_ops.reconcile() WHERE payment_hash = '$meanwhile_hash'");
	diag($told) if $told ne '';
	POSIX::_exit($told ne '');
}
for (my $deadline = time() + 60; $node->count('balance') == $balances && time() < $deadline;) { select(undef, undef, undef, 0.02); }
$node->fault(invoice => 'late', hash => $meanwhile_hash, times => 3);
$node->pull('settle', hash => $meanwhile_hash, missed => \1);
waitpid($comparing, 0);
is($? >> 8, 0, 'L43 what has come in since everything was looked up is looked up once more, and the answer awaited, before it is told');
shows($meanwhile, "('paid', 'settled')", 'it is credited');
$balance += 7_000_000;

# ---- refusals before anything began
for ([ 'no_route', 'payment_refused' ], [ 'insufficient_balance', 'payment_refused' ], [ 'incorrect_payment_details', 'payment_refused' ])
{
	my ($outcome, $reason) = @$_;
	$id = withdraw($node->outside(5000, outcome => $outcome));
	shows($id, "('failed', 'failed')", "3.4 $outcome is final");
	is($spark->as($alice, "SELECT reason FROM spark.invoice('$id')"), $reason, 'with its reason');
}
$spark->wait_until_drained;
is($spark->as($alice, 'SELECT posted_msat, reserved_msat FROM spark.balance()'), "$balance|0", 'and costs nothing');
is($spark->broken_invariants, '', 'the books add up');
is($spark->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spark lightning' AND backend_xmin IS NOT NULL AND xact_start < now() - interval '2 seconds'"), '0',
	'X23 no transaction was left open');
my $log = slurp_file($spark->node->logfile);
unlike($log, qr/PANIC|TRAP|was terminated by signal (?!9)/, 'nothing crashed');
my $macaroon = unpack('H*', slurp_file($node->folder . '/macaroon'));
unlike($log, qr/\Q$macaroon\E|canary/, 'X36 the macaroon is not in the log');

# ---- and what nobody may know is written down nowhere: not in a table, not in a message, not in the log of writes
$id = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(6000)');
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$id')", undef, $alice);
my $unpaid_hash = $spark->as($alice, "SELECT payment_hash FROM spark.invoice('$id')");
my $unpaid = $node->pull('invoice', hash => $unpaid_hash)->{preimage};
for my $echo (qw(echo_part echo_upper echo_base64 echo_hex))
{
	$node->fault(getinfo => $echo, times => 0);
	$spark->node->reload;
	$spark->wait_for("SELECT NOT ok AND detail LIKE '%left out: the node repeats%' FROM spark_ops.node_health() WHERE check_name = 'node'", "L58 $echo: a part of the macaroon is left out");
	$node->heal;
	$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.node_health() WHERE check_name = 'node'");
}
$spark->wait_until_drained;
$spark->sql('CHECKPOINT');
is(join(' ', $spark->files_with($node->echoes)), '', 'L58 X36 no part of it is in any file of the server');
isnt(join(' ', $spark->files_with($unpaid_hash)), '', 'the hash of an unpaid invoice is found in what the server has written');
for ([ 'its preimage', $unpaid ], [ 'the macaroon', $macaroon ])
{
	my ($name, $hex) = @$_;
	my $bytes = pack('H*', $hex);
	is(join(' ', $spark->files_with($hex, uc($hex), $bytes, encode_base64($bytes, ''))), '', "L41 X36 $name is in no file of the server");
}
$spark->stop;
done_testing();
