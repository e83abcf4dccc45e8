# 041_faults.pl
#		Random payments and deposits while the node fails in every way it can and
#		the processes are killed under them.  In the end all that was unknown is
#		known, the money adds up, no hash was paid twice, and nothing was given back
#		that was paid.  The outside world is the witness.
#
#		SPARK_FAULTS			how many payments (400); ./dev campaign takes 10,000
#		SPARK_FAULTS_SEED		the seed of a run, as it was printed; else one by chance
use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $payments = $ENV{SPARK_FAULTS} || 400;
my $a_round = 200;
my $rounds = POSIX::ceil($payments / $a_round);
my $seed = $ENV{SPARK_FAULTS_SEED} || (time() ^ ($$ << 8)) & 0x7fffffff;

srand($seed);
note("seed $seed, $payments payments; again by SPARK_FAULTS_SEED=$seed SPARK_FAULTS=$payments");

# A hang costs a second; what the books lack in between is no reason to stop.
my $spark = Spark->start(conf => <<'END');
restart_after_crash = on
log_statement = none
spark.dispatch_naptime = 50
spark.lightning_timeout = 1
spark.lightning_not_found_delay = 1
spark.solvency_tolerance = 2000000000
spark.fee_floor = 20
END
my @people = map { $spark->sign_up("person-$_") } 0 .. 5;
$spark->fund($_, 100_000_000) for @people;

# ---- the outside world, in SQL
$spark->sql(<<'END');
CREATE SCHEMA faults;
CREATE TABLE faults.requests (request text PRIMARY KEY, payment_hash text, round int, payer int, outcome text);
CREATE FUNCTION faults.pick(VARIADIC words text[]) RETURNS text LANGUAGE sql VOLATILE AS
	'SELECT words[1 + floor(random() * cardinality(words))::int]';
CREATE FUNCTION faults.seconds(most int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT floor(random() * (most + 1))::int';
CREATE FUNCTION faults.reason() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT faults.pick('no_route', 'fee_limit', 'expired', 'refused_by_payee', 'no_funds', 'bad_invoice', 'gave_up', 'canceled', 'other') $$;
CREATE FUNCTION faults.options(outcome text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT CASE outcome
		WHEN 'succeed' THEN jsonb_build_object('after_s', faults.seconds(2), 'fee_msat', floor(random() * 20001)::int)
		WHEN 'fail' THEN jsonb_build_object('after_s', faults.seconds(2), 'reason', faults.reason())
		WHEN 'lost_reply' THEN jsonb_build_object('at', faults.pick('ack', 'read', 'commit'), 'then', faults.pick('succeed', 'fail'), 'after_s', faults.seconds(2))
		WHEN 'unknown' THEN jsonb_build_object('lookup', faults.pick('unavailable', 'not_found', 'pending'), 'then', faults.pick('succeed', 'fail'), 'after_s', faults.seconds(3))
		WHEN 'not_sent' THEN jsonb_build_object('times', 1 + faults.seconds(2), 'then', faults.pick('succeed', 'fail'))
		WHEN 'stuck' THEN jsonb_build_object('as', faults.pick('no_htlc', 'initiated', 'part'))
		WHEN 'flip' THEN jsonb_build_object('after_s', faults.seconds(4))
		WHEN 'bad_preimage' THEN jsonb_build_object('kind', faults.pick('wrong', 'zero', 'missing'))
		WHEN 'bad_reply' THEN jsonb_build_object('then', faults.pick('succeed', 'fail'), 'fault', faults.pick('empty', 'reset', 'http_401', 'http_408', 'http_500',
			'http_502', 'http_503', 'redirect', 'garbage', 'cut', 'doubled_keys', 'wrong_types', 'huge', 'endless', 'slow', 'silent', 'late'))
		ELSE '{}' END $$;

-- So many invoices to be paid, and what will become of each.
CREATE FUNCTION faults.make(count int, round int, people int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE new_request text; hash text; word text;
BEGIN
	FOR i IN 1 .. count LOOP
		new_request := spark_simulator.make_invoice(1 + floor(random() * 5000)::int, '', 3600);
		SELECT payment_hash INTO STRICT hash FROM spark_bitcoin.simulator_invoices WHERE payment_request = new_request;
		word := faults.pick('succeed', 'succeed', 'succeed', 'fail', 'fail', 'lost_reply', 'lost_reply', 'unknown', 'unknown', 'not_sent', 'stuck',
			CASE WHEN random() < 0.2 THEN 'flip' ELSE 'not_sent' END, 'bad_preimage', 'bad_reply', 'bad_reply', CASE WHEN random() < 0.3 THEN 'never_answer' ELSE 'succeed' END);
		PERFORM spark_simulator.script(hash, word, faults.options(word));
		INSERT INTO faults.requests VALUES (new_request, hash, round, i % people, word);
	END LOOP;
END $$;

-- Deposits whose invoice is there are paid: in whole, in more, late, twice told, untold, inside, or not at all.
CREATE FUNCTION faults.pay_deposits(round int, people int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE one record; way int; number int := 0;
BEGIN
	FOR one IN SELECT d.*, row_number() OVER () AS no FROM spark_bitcoin.deposits d JOIN spark_bitcoin.simulator_invoices i USING (payment_hash)
		WHERE d.state = 'open' AND i.settled_at IS NULL AND i.canceled_at IS NULL AND NOT EXISTS (SELECT FROM faults.requests r WHERE r.payment_hash = d.payment_hash)
	LOOP
		way := floor(random() * 6);
		number := number + 1;
		IF way = 0 THEN
			PERFORM spark_simulator.pay(one.payment_request, NULL, true);
		ELSIF way = 1 THEN
			PERFORM spark_simulator.pay(one.payment_request, one.amount_msat + floor(random() * one.amount_msat)::bigint, true);
		ELSIF way < 4 THEN
			PERFORM spark_simulator.script(one.payment_hash, 'receive', jsonb_build_object('after_s', faults.seconds(3),
				'received_msat', one.amount_msat + floor(random() * one.amount_msat)::bigint, 'events', faults.pick('once', 'twice', 'missed', 'reordered')));
		ELSIF way = 4 THEN
			INSERT INTO faults.requests VALUES (one.payment_request, one.payment_hash, round + 1, number % people, 'inside');
		END IF;
	END LOOP;
END $$;
GRANT USAGE ON SCHEMA faults TO client;
GRANT SELECT ON ALL TABLES IN SCHEMA faults TO client
END

# ---- the people: each a process that makes its calls one by one

sub start_person
{
	my ($number, $round) = @_;
	my $pid = fork() // die $!;
	return $pid if $pid;

	my $deposits = int($a_round / 12);
	my $calls = "SET spark.token = '$people[$number]';\n"
	  . "SELECT format('SELECT invoice_id FROM spark.withdraw(%L)', request) FROM faults.requests WHERE round = $round AND payer = $number ORDER BY payment_hash \\gexec\n"
	  . "SELECT format('SELECT invoice_id FROM spark.deposit(%s, %L)', 1 + n, 'r$round-' || n) FROM generate_series(1, $deposits) n \\gexec\n";
	# What is told at a crash is asked again: the same hash, the same key.
	$spark->node->psql('postgres', $calls, connstr => $spark->node->connstr('postgres') . ' user=client', on_error_stop => 0) for 1 .. 2;
	POSIX::_exit(0);
}

my %disasters = (
	'kill the lightning worker' => sub { kill_one("backend_type = 'spark lightning'") },
	'kill the dispatcher' => sub { kill_one("backend_type = 'spark dispatcher'") },
	'terminate the workers' => sub { $spark->try_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'spark %'") },
	'crash the server' => \&crash,
);

sub kill_one
{
	my ($where) = @_;
	my ($sqlstate, $pid) = $spark->try_sql("SELECT pid FROM pg_stat_activity WHERE $where LIMIT 1");
	kill('KILL', $pid) if $sqlstate eq '' && $pid;
	$spark->wait_for_connection;
	return;
}

sub crash
{
	$spark->node->stop('immediate');
	$spark->node->start;
	return;
}

my %happened;
for my $round (1 .. $rounds)
{
	# A late payment freezes its account; somebody has looked at it.
	$spark->wait_for_success('UPDATE spark_accounting.accounts SET version = version + 1, frozen_at = NULL, frozen_reason = NULL WHERE frozen_at IS NOT NULL',
		"round $round: accounts that were frozen are free");
	my $count = $round < $rounds ? $a_round : $payments - $a_round * ($rounds - 1);
	$spark->wait_for_success(sprintf('SELECT setseed(%s); SELECT faults.make(%d, %d, %d)', rand(), $count, $round, scalar(@people)), "round $round: $count payments");
	my %running = map { start_person($_, $round) => 1 } 0 .. $#people;
	while (%running)
	{
		my $done = waitpid(-1, POSIX::WNOHANG());
		delete $running{$done} if $done > 0;
		last if !%running;
		select(undef, undef, undef, 0.2 + rand(1));
		my $name = (sort keys %disasters)[ int(rand(keys %disasters)) ];
		next if rand() < 0.5;
		$disasters{$name}->();
		$happened{$name}++;
	}
	$spark->wait_for_success("SELECT faults.pay_deposits($round, " . scalar(@people) . ')', "round $round: what comes in");
	# What hung is decided by the outside in the end; not all of it at once.
	$spark->wait_for_success("SELECT spark_simulator.script(payment_hash, faults.pick('succeed', 'fail')) FROM faults.requests WHERE round = $round - 1"
		. " AND outcome IN ('stuck', 'bad_preimage', 'never_answer') AND random() < 0.9", "round $round: what hung before is decided");
}
crash();

# ---- all that was unknown becomes known
my $open = "FROM spark_bitcoin.withdrawals WHERE deposit_id IS NULL AND state NOT IN ('succeeded', 'failed', 'rejected')";
my $under_way = 'FROM spark_bitcoin.simulator_payments WHERE created_at IS NOT NULL AND NOT closed';
my $unbooked = "FROM spark_simulator.payments(1000000) p WHERE direction = 'out' AND NOT EXISTS (SELECT FROM spark_bitcoin.withdrawals w"
  . " WHERE w.payment_hash = p.payment_hash AND w.state = 'succeeded')";
my $uncredited = "FROM spark_simulator.payments(1000000) p WHERE direction = 'in' AND NOT EXISTS (SELECT FROM spark_bitcoin.deposits d"
  . " WHERE d.payment_hash = p.payment_hash AND d.state = 'settled')";
my $left = "SELECT (SELECT count(*) $open) + (SELECT count(*) $under_way) + (SELECT count(*) $unbooked) + (SELECT count(*) $uncredited)"
  . " + (SELECT count(*) FROM spark_bitcoin.withdrawals WHERE state NOT IN ('succeeded', 'failed', 'rejected'))"
  . " + (SELECT count(*) FROM spark_bitcoin.deposits WHERE state = 'intent')";
for my $try (1 .. 10)
{
	$spark->sql("SELECT spark_simulator.script(payment_hash, faults.pick('succeed', 'fail')) FROM (SELECT payment_hash $open"
		. ($try > 1 ? " UNION SELECT payment_hash $under_way" : '') . ') undecided');
	# It has every open payment, every one that failed and every open invoice looked up.
	$spark->sql('SELECT count(*) FROM spark_ops.reconcile()');
	my $until = time() + 5 + $payments / 100;
	select(undef, undef, undef, 0.2) while $spark->sql($left) ne '0' && time() < $until;
	last if $spark->sql($left) eq '0';
}
is($spark->sql($left), '0', "all that was unknown became known (seed $seed)")
  or diag($spark->sql("SELECT state, count(*), min(alarm) FROM spark_bitcoin.withdrawals GROUP BY 1; SELECT count(*) $under_way; SELECT count(*) $unbooked; SELECT count(*) $uncredited;"
		. ' SELECT state, count(*) FROM spark_bitcoin.deposits GROUP BY 1'));
$spark->wait_until_drained;

# ---- and the money adds up
is($spark->sql("SELECT count(*) FROM (SELECT FROM spark_simulator.payments(1000000) GROUP BY payment_hash, direction HAVING count(*) > 1) AS twice"),
	'0', 'no hash was paid twice, none came in twice');
is($spark->sql("SELECT count(*) FROM spark_simulator.payments(1000000) p JOIN spark_bitcoin.withdrawals w USING (payment_hash)"
		. " WHERE direction = 'out' AND state = 'failed' AND NOT EXISTS (SELECT FROM spark_bitcoin.withdrawals o WHERE o.payment_hash = p.payment_hash AND o.state = 'succeeded')"),
	'0', 'nothing was given back that was paid');
is($spark->sql("SELECT count(*) FROM spark_bitcoin.withdrawals w WHERE state = 'succeeded' AND deposit_id IS NULL AND NOT EXISTS"
		. " (SELECT FROM spark_simulator.payments(1000000) p WHERE p.payment_hash = w.payment_hash AND direction = 'out' AND p.amount_msat = w.amount_msat AND p.fee_msat = w.fee_msat)"),
	'0', 'what the books call paid was paid, with that amount and fee');
is($spark->sql("SELECT count(*) FROM spark_bitcoin.deposits d LEFT JOIN spark_simulator.payments(1000000) p ON p.payment_hash = d.payment_hash AND direction = 'in'"
		. " WHERE d.state = 'settled' AND d.paid_by IS NULL AND d.received_msat IS DISTINCT FROM p.amount_msat"),
	'0', 'every deposit was credited with what came in');
is($spark->sql("SELECT count(*) FROM spark_bitcoin.withdrawals w WHERE late AND payment_hash NOT IN (SELECT payment_hash FROM faults.requests WHERE outcome = 'flip')"),
	'0', 'nothing was called failed too early, unless the node itself did');
is($spark->sql("SELECT kind, payment_hash, books, node, detail FROM spark_ops.reconcile()"), '', 'the books and the node agree about every hash');
is($spark->sql('SELECT local_msat + in_flight_msat - owed_msat FROM spark_bitcoin.audit'),
	$spark->sql("SELECT coalesce(sum(credits_posted_msat - debits_posted_msat), 0) FROM spark_accounting.accounts WHERE class IN ('operator', 'suspense')"),
	'the node has what is owed, to the millisatoshi');
is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message is dead');
note($spark->sql("SELECT 'payments: ' || count(*) || ', paid ' || count(*) FILTER (WHERE state = 'succeeded') || ', of them late ' || count(*) FILTER (WHERE late) FROM spark_bitcoin.withdrawals"
		. " UNION ALL SELECT 'deposits: ' || count(*) || ', paid ' || count(*) FILTER (WHERE state = 'settled') || ', of them inside ' || count(paid_by) FROM spark_bitcoin.deposits"));
note(join(', ', map { "$_ $happened{$_} times" } sort keys %happened));
my $log = slurp_file($spark->node->logfile);
unlike($log, qr/could not be (?:begun|written down|compared)/, 'no row, no answer and no audit was a fault');
$spark->stop;
done_testing();
