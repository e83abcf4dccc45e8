# Campaign/Simulated.pm
#		The simulated node as a world of the campaign: as one kind of node, with
#		every outcome that a script knows.
package Campaign::Simulated;

use strict;
use warnings;

sub new
{
	my ($class, $kind) = @_;
	return bless { kind => $kind }, $class;
}

sub name { return "simulator as $_[0]{kind}"; }

sub settings { return "spark.simulator_mode = '$_[0]{kind}'"; }

sub may_be_late { return $_[0]{kind} !~ /^(?:cln|lnbits)$/; }
# Of one that cancels no invoice, what is to be paid inside waits for its end, too.
sub is_believed_late { return $_[0]{kind} =~ /^(?:cln|lnbits|phoenixd)$/; }

sub begin
{
	my ($self, $spark) = @_;

	$self->{spark} = $spark;
	$spark->sql(<<'END');
CREATE VIEW faults.executed AS SELECT payment_hash, direction, amount_msat, fee_msat FROM spark_simulator.payments(1000000);
CREATE FUNCTION faults.reason() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT faults.pick('no_route', 'fee_limit', 'expired', 'refused_by_payee', 'no_funds', 'bad_invoice', 'gave_up', 'canceled', 'other') $$;
CREATE FUNCTION faults.options(outcome text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT CASE outcome
		WHEN 'succeed' THEN jsonb_build_object('after_s', faults.seconds(1), 'within_s', 2, 'seed', faults.seconds(1000), 'fee_msat', floor(random() * 20001)::int)
		WHEN 'lie' THEN jsonb_build_object('after_s', faults.seconds(2), 'fee_msat', 0, 'told_fee_msat', -5000)
		WHEN 'fail' THEN jsonb_build_object('after_s', faults.seconds(2), 'reason', faults.reason())
		WHEN 'lost_reply' THEN jsonb_build_object('at', faults.pick('ack', 'read', 'commit'), 'then', faults.pick('succeed', 'fail'), 'after_s', faults.seconds(2))
		WHEN 'unknown' THEN jsonb_build_object('lookup', faults.pick('unavailable', 'not_found', 'pending'), 'then', faults.pick('succeed', 'fail'), 'after_s', faults.seconds(3),
			'reply', faults.pick('lost', 'ack'))
		WHEN 'stale' THEN jsonb_build_object('then', faults.pick('succeed', 'fail'), 'after_s', faults.seconds(3), 'reason', faults.reason())
		WHEN 'not_sent' THEN jsonb_build_object('times', 1 + faults.seconds(2), 'then', faults.pick('succeed', 'fail'))
		WHEN 'stuck' THEN jsonb_build_object('as', faults.pick('no_htlc', 'initiated', 'part'))
		WHEN 'flip' THEN jsonb_build_object('after_s', faults.seconds(4))
		WHEN 'bad_preimage' THEN jsonb_build_object('kind', faults.pick('wrong', 'zero', 'missing'))
		WHEN 'bad_reply' THEN jsonb_build_object('then', faults.pick('succeed', 'fail'), 'fault', faults.pick('empty', 'reset', 'http_401', 'http_408', 'http_500',
			'http_502', 'http_503', 'redirect', 'garbage', 'cut', 'doubled_keys', 'wrong_types', 'huge', 'endless', 'slow', 'silent', 'late'))
		ELSE '{}' END $$;

-- So many invoices to be paid, and what will become of each; some of those that the node itself makes are wrong.
CREATE FUNCTION faults.make(count int, round int, people int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE new_request text; hash text; word text;
BEGIN
	PERFORM spark_simulator.script('*', 'make', jsonb_build_object('call', 1 + faults.seconds(12), 'wrong', faults.pick('hash', 'amount', 'payee', 'network', 'junk')));
	FOR i IN 1 .. count LOOP
		new_request := spark_simulator.make_invoice(1 + floor(random() * 5000)::int, '', 3600);
		SELECT payment_hash INTO STRICT hash FROM spark_bitcoin.simulator_invoices WHERE payment_request = new_request;
		word := faults.pick('succeed', 'succeed', 'succeed', CASE WHEN random() < 0.3 THEN 'lie' ELSE 'succeed' END, 'fail', 'fail', 'lost_reply', 'lost_reply', 'unknown', 'unknown', 'stale', 'not_sent', 'stuck',
			CASE WHEN random() < 0.3 THEN 'flip' ELSE 'not_sent' END, 'bad_preimage', 'bad_reply', 'bad_reply', CASE WHEN random() < 0.3 THEN 'never_answer' ELSE 'succeed' END);
		PERFORM spark_simulator.script(hash, CASE word WHEN 'lie' THEN 'succeed' ELSE word END, faults.options(word));
		INSERT INTO faults.requests VALUES (new_request, hash, round, i % people, word);
	END LOOP;
END $$;

-- Deposits whose invoice is there are paid: in whole, in more, late, twice told, untold, held first, inside, or not at all.
CREATE FUNCTION faults.pay_deposits(round int, people int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE one record; way int; number int := 0;
BEGIN
	FOR one IN SELECT d.* FROM spark_bitcoin.deposits d JOIN spark_bitcoin.simulator_invoices i USING (payment_hash)
		WHERE d.state = 'open' AND i.settled_at IS NULL AND i.canceled_at IS NULL AND NOT EXISTS (SELECT FROM faults.requests r WHERE r.payment_hash = d.payment_hash)
	LOOP
		way := floor(random() * 6);
		number := number + 1;
		IF way = 0 THEN
			PERFORM spark_simulator.pay(one.payment_request, NULL, true);
		ELSIF way = 1 THEN
			PERFORM spark_simulator.pay(one.payment_request, one.amount_msat + floor(random() * one.amount_msat)::bigint, true);
		ELSIF way < 4 THEN
			PERFORM spark_simulator.script(one.payment_hash, 'receive', jsonb_build_object('after_s', faults.seconds(2), 'held_s', faults.seconds(1),
				'received_msat', one.amount_msat + floor(random() * one.amount_msat)::bigint,
				'then', faults.pick('succeed', 'succeed', 'fail'), 'events', faults.pick('once', 'twice', 'missed', 'reordered', 'gap', 'index_0')));
		ELSIF way = 4 THEN
			INSERT INTO faults.requests VALUES (one.payment_request, one.payment_hash, round + 1, number % people, 'inside');
		END IF;
	END LOOP;
END $$
END
	return;
}

sub fund
{
	my ($self, $token, $sat) = @_;
	return $self->{spark}->fund($token, $sat);
}

sub make
{
	my ($self, $count, $round, $people) = @_;
	return $self->{spark}->wait_for_success(sprintf('SELECT setseed(%s); SELECT faults.make(%d, %d, %d)', rand(), $count, $round, $people), "round $round: $count payments");
}

sub pay_deposits
{
	my ($self, $round, $people) = @_;
	return $self->{spark}->wait_for_success("SELECT faults.pay_deposits($round, $people)", "round $round: what comes in");
}

# What hung is decided by the outside in the end; not all of it at once.
sub decide_some
{
	my ($self, $round) = @_;
	return $self->{spark}->wait_for_success("SELECT spark_simulator.script(payment_hash, faults.pick('succeed', 'fail')) FROM faults.requests WHERE round = $round"
		. " AND outcome IN ('stuck', 'bad_preimage', 'never_answer') AND random() < 0.9", "round $round: what hung is decided");
}

sub decide_all
{
	my ($self) = @_;
	return $self->{spark}->sql("SELECT spark_simulator.script('*', 'node'); SELECT spark_simulator.script(payment_hash, faults.pick('succeed', 'fail'))"
		. ' FROM (SELECT DISTINCT payment_hash FROM spark_bitcoin.simulator_payments WHERE NOT closed) undecided');
}

# The whole node is in a bad way for a second.
sub disasters
{
	my ($self) = @_;
	return map { my $as = $_; ("the node is $as" => sub { $self->{spark}->try_sql("SELECT spark_simulator.script('*', 'node', '{\"as\": \"$as\", \"after_s\": 1, \"skew_s\": 2}')") }) }
	  qw(down locked syncing another);
}

sub refresh { return; }

sub under_way
{
	my ($self) = @_;
	return $self->{spark}->sql('SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE created_at IS NOT NULL AND NOT closed');
}

1;
