# Campaign.pm
#		Random payments and deposits in one world, while its node fails in every way
#		and the processes are killed under them; and what must be true at the end.
#
#		my $campaign = Campaign->new(world => Campaign::Simulated->new('cln'), payments => 200, seed => 1);
#		$campaign->run;
#
# Every fault is played in every world that has it, in a run that is long enough:
# each world deals from a deck of its own (Campaign::Deck), and compares it with
# what its node knows.  What the worlds have:
#
#								simulator	server
#	outcomes of a payment		all words	success, failures, hold, flip
#	fee too high or negative	taken, told	told
#	transport, before and after	of payments	of every operation
#	lies about a payment		preimage	preimage, hash, numbers
#	invoices made wrong			yes			yes
#	receipts: more, less, held, let go, late, kept, told twice, never, out of order, inside
#								yes			more, less, late, told twice, never, out of order, inside
#	the node away, behind, another one, locked, pruned
#								yes			away, behind
#	processes killed			yes			yes
#	limits, capital, decisions	yes			yes			of an operator, in a long run
#	a pause of all				lnd, eclair	lnd			likewise
#
# A world is a node with whatever lies beyond it.  It says:
#	name, settings		for the server that works with it
#	begin(spark)		makes what it needs; its own record is faults.executed
#	fund(token, sat)	a deposit that nothing goes wrong with
#	make(count, round, people)	so many invoices to be paid, and what becomes of each, into faults.requests
#	pay_deposits(round, people)	some of those that wait, in every way
#	decide_some(round), decide_all	what hangs there has an end
#	disasters			name => code, beside those that befall the server
#	faults				the names of all that can go wrong here, beside the disasters
#	played				how often each did: name => count
#	refresh				brings faults.executed up to now
#	last_chance			plays what no round had the occasion for, once all is quiet
#	under_way			how many payments have no end there, or are still to come in
#	may_be_late			whether its kind takes its word back: paid after failed
#	preimage(hash)		of what it has paid
#	told_fees			a query of the hashes that it was sent, with the highest fee that it was told
#	is_believed_late	whether only time makes its "failed" or "not found" a verdict, or ends what waits for it
package Campaign;

use strict;
use warnings;

use Campaign::Deck;
use Campaign::Operator;
use POSIX ();
use PostgreSQL::Test::Utils;
use Spark;
use Test::More;

my $people = 4;
# So long, and in so many looks at everything, must nothing have come to an end.
my ($most_seconds, $most_passes) = (240, 5);
# With so many payments for each fault of its world, every one of them was played.
my $enough = 7;

# A hang costs a second; what the books lack in between is no reason to stop.
my $settings = <<'END_OF_SETTINGS';
restart_after_crash = on
log_statement = none
spark.dispatch_naptime = 50
spark.lightning_timeout = 1
spark.lightning_not_found_delay = 1
spark.solvency_tolerance = 2000000000
spark.fee_floor = 60
END_OF_SETTINGS

# new(%options): world, payments, seed, a_round (the most of one round)
sub new
{
	my ($class, %options) = @_;
	my $rounds = POSIX::ceil($options{payments} / ($options{a_round} // 200));
	return bless { happened => {}, %options, rounds => $rounds < 2 ? 2 : $rounds }, $class;
}

sub run
{
	my ($self) = @_;
	my $world = $self->{world};

	srand($self->{seed});
	my $spark = $self->{spark} = Spark->start(name => $world->name =~ s/\W/_/gr, conf => $world->settings . "\n$settings");
	$self->prepare;
	$self->round($_) for 1 .. $self->{rounds};
	$self->misfortunes;
	$self->crash;
	$self->progress('the faults are over; what is unknown is asked for');
	$self->settle;
	$self->judge;
	$self->tell;
	$self->progress(Test::More->builder->is_passing ? 'it adds up' : 'FAILED');
	$spark->stop;
	return;
}

sub prepare
{
	my ($self) = @_;
	my ($spark, $world) = @$self{qw(spark world)};

	$spark->sql(<<'END_OF_SQL');
CREATE SCHEMA faults;
CREATE TABLE faults.requests (request text PRIMARY KEY, payment_hash text, round int, payer int, outcome text, lied boolean DEFAULT false);
CREATE FUNCTION faults.pick(VARIADIC words text[]) RETURNS text LANGUAGE sql VOLATILE AS
	'SELECT words[1 + floor(random() * cardinality(words))::int]';
CREATE FUNCTION faults.seconds(most int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT floor(random() * (most + 1))::int';
GRANT USAGE ON SCHEMA faults TO client;
GRANT SELECT ON faults.requests TO client
END_OF_SQL
	$world->begin($spark);
	$self->{tokens} = [ map { $spark->sign_up("person-$_") } 1 .. $people ];
	$world->fund($_, 100_000_000) for @{ $self->{tokens} };
	$self->{disasters} = { $self->disasters };
	$self->{deck} = Campaign::Deck->new(keys %{ $self->{disasters} });
	return;
}

# For whoever waits for it: a line into the file that is shown to him.
sub progress
{
	my ($self, $text) = @_;
	return if !$ENV{SPARK_PROGRESS};
	append_to_file($ENV{SPARK_PROGRESS}, $self->{world}->name . ": $text\n");
	return;
}

sub is_long { my ($self) = @_; return $self->{payments} >= $enough * scalar(my @faults = $self->{world}->faults); }

# ---- the people: each a process that makes its calls one by one

sub start_person
{
	my ($self, $number, $round) = @_;
	my $spark = $self->{spark};
	my $pid = fork() // die $!;
	return $pid if $pid;

	my $deposits = POSIX::ceil($self->{a_round_now} / 12);
	my $calls = "SET spark.token = '$self->{tokens}[$number]';\n"
	  . "SELECT format('SELECT invoice_id FROM spark.withdraw(%L)', request) FROM faults.requests WHERE round = $round AND payer = $number ORDER BY payment_hash \\gexec\n"
	  # Some are asked for by two.
	  . "SELECT format('SELECT invoice_id FROM spark.withdraw(%L)', request) FROM faults.requests WHERE round = $round AND payer = ($number + 1) % $people AND payment_hash ~ '^[0-3]' ORDER BY payment_hash \\gexec\n"
	  . "SELECT format('SELECT invoice_id FROM spark.deposit(%s, %L)', 1 + n, 'r$round-' || n) FROM generate_series(1, $deposits) n \\gexec\n";
	# What is told at a crash is asked again: the same hash, the same key.
	$spark->node->psql('postgres', $calls, connstr => $spark->node->connstr('postgres') . ' user=client', on_error_stop => 0) for 1 .. 2;
	POSIX::_exit(0);
}

sub kill_one
{
	my ($self, $where) = @_;
	my $spark = $self->{spark};
	my ($sqlstate, $pid) = $spark->try_sql("SELECT pid FROM pg_stat_activity WHERE $where LIMIT 1");

	$spark->kill9($pid) if $sqlstate eq '' && $pid;
	$spark->wait_for_connection;
	return;
}

sub crash
{
	my ($self) = @_;
	$self->{spark}->node->stop('immediate');
	$self->{spark}->node->start;
	return;
}

sub disasters
{
	my ($self) = @_;
	return (
		'kill the lightning worker' => sub { $self->kill_one("backend_type = 'spark lightning'") },
		'kill the dispatcher' => sub { $self->kill_one("backend_type = 'spark dispatcher'") },
		'terminate the workers' => sub { $self->{spark}->try_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'spark %'") },
		'crash the server' => sub { $self->crash },
		$self->is_long ? Campaign::Operator::acts($self->{spark}, $self->{world}) : (),
		$self->{world}->disasters);
}

sub disaster
{
	my ($self) = @_;
	my $name = $self->{deck}->deal;

	$self->{disasters}{$name}->();
	$self->{happened}{$name}++;
	return;
}

# Those that no round had the time for.
sub misfortunes
{
	my ($self) = @_;
	return if !$self->is_long;
	$self->disaster while grep { !$self->{happened}{$_} } $self->{deck}->names;
	return;
}

# What was asked for and the node has not heard of yet: its faults are still to come.
# Where time alone proves what became of it, what went there before, or may have, waits until all is over.
sub untried
{
	my ($self) = @_;
	my $waits = $self->{world}->is_believed_late ? 'attempt_no = 0 AND NOT tried_before' : 'true';
	my ($sqlstate, $untried) = $self->{spark}->try_sql("SELECT (SELECT count(*) FROM spark_bitcoin.withdrawals WHERE state IN ('requested', 'reserved') AND deposit_id IS NULL AND $waits)"
			. " + (SELECT count(*) FROM spark_bitcoin.deposits WHERE state = 'intent')");

	# A server that is just down says nothing of what waits in it.
	return $self->{untried} = $sqlstate eq '' ? $untried : $self->{untried} // $self->{a_round_now};
}

sub round
{
	my ($self, $round) = @_;
	my ($spark, $world) = @$self{qw(spark world)};
	my $before = int($self->{payments} * ($round - 1) / $self->{rounds});
	my $count = $self->{a_round_now} = int($self->{payments} * $round / $self->{rounds}) - $before;

	# A late payment freezes its account; somebody has looked at it.
	$spark->wait_for_success('UPDATE spark_accounting.accounts SET version = version + 1, frozen_at = NULL, frozen_reason = NULL WHERE frozen_at IS NOT NULL',
		"round $round: accounts that were frozen are free");
	$spark->wait_for_success(sprintf('SELECT setseed(%s)', rand()));
	# Of some rounds, the deposits have run out before they are paid.
	my $expiry = $self->{rounds} > 2 && $round % 3 == 2 ? '3s' : '1h';
	$spark->wait_for_success("ALTER SYSTEM SET spark.invoice_expiry = '$expiry'");
	$spark->wait_for_success('SELECT pg_reload_conf()');
	$world->make($count, $round, $people);
	$self->progress("round $round of $self->{rounds}: payments " . ($before + 1) . ' to ' . ($before + $count) . " of $self->{payments}");
	my %running = map { $self->start_person($_, $round) => 1 } 0 .. $people - 1;
	# The longer it takes, the rarer are the disasters: a worker that is killed at once each time gets nowhere.
	for (my ($begun, $deadline) = (time(), time() + 30 + $count); %running || (time() < $deadline && $self->untried > $count / 10);)
	{
		my $done = %running ? waitpid(-1, POSIX::WNOHANG()) : 0;
		delete $running{$done} if $done > 0;
		select(undef, undef, undef, 0.2 + rand(1) + (time() - $begun) / 20);
		$self->disaster if rand() < 0.6;
	}
	$world->pay_deposits($round, $people);
	$world->played;
	$world->decide_some($round - 1);
	return;
}

# ---- all that was unknown becomes known

my $open = "FROM spark_bitcoin.withdrawals WHERE deposit_id IS NULL AND state NOT IN ('succeeded', 'failed', 'rejected')";
my $unbooked = "FROM faults.executed p WHERE direction = 'out' AND NOT EXISTS (SELECT FROM spark_bitcoin.withdrawals w"
  . " WHERE w.payment_hash = p.payment_hash AND w.state = 'succeeded')";
my $uncredited = "FROM faults.executed p WHERE direction = 'in' AND NOT EXISTS (SELECT FROM spark_bitcoin.deposits d"
  . " WHERE d.payment_hash = p.payment_hash AND d.state = 'settled') AND p.payment_hash IN (SELECT payment_hash FROM spark_bitcoin.deposits)";
my $left = "SELECT (SELECT count(*) $open) + (SELECT count(*) $unbooked) + (SELECT count(*) $uncredited)"
  . " + (SELECT count(*) FROM spark_bitcoin.withdrawals WHERE state NOT IN ('succeeded', 'failed', 'rejected'))"
  . " + (SELECT count(*) FROM spark_bitcoin.deposits WHERE state = 'intent')";

sub left
{
	my ($self) = @_;
	my $world = $self->{world};

	$world->refresh;
	return $world->under_way + $self->{spark}->sql($left);
}

# What that is, in a few words for each: the last of it that anybody sees may be a test's name.
sub what_is_left
{
	my ($self) = @_;
	my $outcome = '(SELECT min(outcome) FROM faults.requests r WHERE r.payment_hash = %s.payment_hash)';
	my $of = "concat_ws(' ', 'looked', look_count, 'next', extract(epoch FROM next_look_at - now())::int, alarm)";
	my @words = (
		"SELECT concat_ws(' ', 'withdrawal', state, 'attempt', attempt_no, 'made', tried_before, " . sprintf($outcome, 'w') . ", $of, node_words) FROM spark_bitcoin.withdrawals w"
		  . " WHERE state NOT IN ('succeeded', 'failed', 'rejected')",
		"SELECT concat_ws(' ', 'deposit', state, $of) FROM spark_bitcoin.deposits WHERE state = 'intent'",
		"SELECT concat_ws(' ', 'unbooked', " . sprintf($outcome, 'p') . ", (SELECT string_agg(state || ' ' || attempt_no, ',') FROM spark_bitcoin.withdrawals w WHERE w.payment_hash = p.payment_hash)) $unbooked",
		"SELECT concat_ws(' ', 'uncredited', (SELECT string_agg(state, ',') FROM spark_bitcoin.deposits d WHERE d.payment_hash = p.payment_hash)) $uncredited",
		"SELECT concat_ws(' ', 'health', check_name, detail) FROM spark_ops.node_health() WHERE NOT ok");

	return join('; ', map { s/\n/, /gr } grep { $_ ne '' } (map { $self->{spark}->sql($_) } @words), 'under way ' . $self->{world}->under_way);
}

# Two days go by, of which a node of this kind makes its words good.
sub let_time_pass
{
	my ($self) = @_;
	my $ago = join(', ', map { "$_ = $_ - interval '2 days'" } qw(created_at submitted_at submit_deadline expires_at));

	$self->{spark}->wait_for_success("UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = now(), $ago"
		. " WHERE state IN ('in_flight', 'unknown', 'needs_operator', 'reserved') AND expires_at > now()");
	return;
}

# One look at everything that is open, and some time in which what it has found is booked.
sub look_at_all
{
	my ($self) = @_;
	my ($spark, $world) = @$self{qw(spark world)};
	my $has_passed = 0;

	$world->decide_all;
	# It has every open payment, every one that failed and every open invoice looked up.
	$spark->sql('SELECT count(*) FROM spark_ops.reconcile()');
	for (my $until = time() + 5 + $self->{payments} / 100; $self->left ne '0' && time() < $until;)
	{
		select(undef, undef, undef, 0.2);
		next if $has_passed || !$world->is_believed_late || $world->under_way;
		$self->let_time_pass;
		$has_passed = 1;
	}
	return;
}

sub settle
{
	my ($self) = @_;
	my ($spark, $world) = @$self{qw(spark world)};
	my ($left, $least, $since, $passes, $begun) = (1, undef, undef, 0, time());

	# A machine with much else to do takes its time; what does not answer within it is asked again much later.
	$spark->set('spark.lightning_timeout', 10);
	# It is given up once nothing has come to its end for long, and in many looks.
	while ($left && ($passes < $most_passes || time() < $since + $most_seconds))
	{
		$self->look_at_all;
		$passes++;
		$left = $self->left;
		($least, $since, $passes) = ($left, time(), 0) if !defined $least || $left < $least;
	}
	my $words = $left ? ', but ' . $self->what_is_left : '';
	note('settled in ' . (time() - $begun) . ' s');
	is($left, 0, "all that was unknown became known (seed $self->{seed})$words");
	$spark->wait_until_drained;
	$world->last_chance if $self->is_long;
	return;
}

# ---- and the money adds up

my $lied = "FROM faults.requests r WHERE r.payment_hash = w.payment_hash AND r.lied";

sub judge
{
	my ($self) = @_;
	my ($spark, $world) = @$self{qw(spark world)};
	my $told = $world->told_fees;
	my %none = (
		'no hash was paid twice, none came in twice' =>
		  'SELECT count(*) FROM (SELECT FROM faults.executed GROUP BY payment_hash, direction HAVING count(*) > 1) AS twice',
		'nothing was given back that was paid' => "SELECT count(*) FROM faults.executed p JOIN spark_bitcoin.withdrawals w USING (payment_hash)"
		  . " WHERE direction = 'out' AND state = 'failed' AND NOT EXISTS (SELECT FROM spark_bitcoin.withdrawals o WHERE o.payment_hash = p.payment_hash AND o.state = 'succeeded')",
		'what the books call paid was paid, with that amount and fee' => "SELECT count(*) FROM spark_bitcoin.withdrawals w WHERE state = 'succeeded' AND deposit_id IS NULL AND NOT EXISTS"
		  . " (SELECT FROM faults.executed p WHERE p.payment_hash = w.payment_hash AND direction = 'out' AND p.amount_msat = w.amount_msat"
		  . " AND (p.fee_msat = w.fee_msat OR EXISTS (SELECT $lied)))",
		'every deposit was credited with what came in' => "SELECT count(*) FROM spark_bitcoin.deposits d LEFT JOIN faults.executed p ON p.payment_hash = d.payment_hash AND direction = 'in'"
		  . " WHERE d.state = 'settled' AND d.paid_by IS NULL AND d.received_msat IS DISTINCT FROM p.amount_msat",
		'nothing was called failed too early, unless the node itself did' => 'SELECT count(*) FROM spark_bitcoin.withdrawals w WHERE late'
		  . ($world->may_be_late ? " AND payment_hash NOT IN (SELECT payment_hash FROM faults.requests WHERE outcome = 'flip')" : ''),
		'what was paid after it had failed is late, with an alarm' => "SELECT count(*) FROM spark_bitcoin.withdrawals WHERE state = 'succeeded' AND failed_at IS NOT NULL AND NOT (late AND alarm IS NOT NULL)",
		'a fee above the highest one has an alarm' => "SELECT count(*) FROM spark_bitcoin.withdrawals WHERE state = 'succeeded' AND fee_msat > max_fee_msat AND alarm IS NULL",
		'the node was told the fee that is reserved' => "SELECT count(*) FROM ($told) AS told (payment_hash, max_fee_msat) WHERE NOT EXISTS (SELECT FROM spark_bitcoin.withdrawals w"
		  . ' WHERE w.payment_hash = told.payment_hash AND w.max_fee_msat = told.max_fee_msat)',
		'no message is dead' => 'SELECT count(*) FROM spark_ops.dead_letters()');

	is($spark->sql($none{$_}), '0', "$_ (seed $self->{seed})") for sort keys %none;
	# What it took beyond the highest fee, or kept, is the operator's loss, who has put nothing in: that figure is checked below.
	is($spark->sql("SELECT kind, payment_hash, books, node, detail FROM spark_ops.reconcile() WHERE kind <> 'solvency'"
			. " AND (payment_hash IS NULL OR payment_hash NOT IN (SELECT payment_hash FROM faults.requests WHERE lied))"),
		'', 'the books and the node agree about every hash of which the node does not lie');
	# What was booked as a fee on its word and never paid, it still has.
	is($spark->sql("SELECT local_msat + in_flight_msat - owed_msat - (SELECT coalesce(sum(w.fee_msat - p.fee_msat), 0) FROM spark_bitcoin.withdrawals w JOIN faults.executed p USING (payment_hash)"
			. " WHERE w.state = 'succeeded' AND p.direction = 'out' AND EXISTS (SELECT $lied)) FROM spark_bitcoin.audit"),
		$spark->sql("SELECT coalesce(sum(credits_posted_msat - debits_posted_msat), 0) FROM spark_accounting.accounts WHERE class IN ('operator', 'suspense')"),
		'the node has what is owed, to the millisatoshi, and what it lied about');
	is($spark->broken_invariants, '', 'every invariant holds');
	my $summary = $spark->sql("SELECT 'payments: ' || count(*) || ', paid ' || count(*) FILTER (WHERE state = 'succeeded') || ', of them late ' || count(*) FILTER (WHERE late) FROM spark_bitcoin.withdrawals"
			. " UNION ALL SELECT 'deposits: ' || count(*) || ', paid ' || count(*) FILTER (WHERE state = 'settled') || ', of them inside ' || count(paid_by) || ', late ' || count(*) FILTER (WHERE late) || ', refused for what the node made ' || count(*) FILTER (WHERE state = 'cancelled' AND alarm IS NOT NULL) FROM spark_bitcoin.deposits");
	note($summary);
	$self->progress($_) for split(/\n/, $summary);
	unlike(slurp_file($spark->node->logfile), qr/could not be (?:begun|written down|compared)/, 'no row, no answer and no audit was a fault');
	return;
}

# ---- which faults there were

sub tell
{
	my ($self) = @_;
	my $world = $self->{world};
	my %played = $world->played;
	my @missing = grep { !$played{$_} } $world->faults;

	note('happened: ' . join(', ', map { "$_ $self->{happened}{$_}" } sort keys %{ $self->{happened} }));
	note('played: ' . join(', ', map { "$_ " . ($played{$_} // 0) } sort { $a cmp $b } $world->faults));
	push @missing, grep { !$self->{happened}{$_} } $self->{deck}->names;
	is(join(', ', @missing), '', 'every fault of this world was played') if $self->is_long;
	return;
}

1;
