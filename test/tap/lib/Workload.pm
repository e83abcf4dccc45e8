# Workload.pm
#		A database in which something of everything happens that the bus does, and
#		an oracle that knows what must have come of it.
#
#		my $workload = Workload->new($spark, $by_hand);	# tables, handlers, an account
#		$spark->sql($workload->work);						# some of everything
#		is($workload->faults_once_settled, '', ..);
#
# Where no worker serves the database it is worked by hand: both dispatch, too.
#
# Versioned rows are changed, and consumer first hears of each change and echoes
# it; second hears of both, and stumbles now and then.  Delayed messages strike
# first.  The ledger books deposits to one account, and is slow when it is told to.  What was committed stands
# in thing, due and deposited; what came of it in heard, struck and the ledger.
package Workload;

use strict;
use warnings;

use Spark;

my $payee = '00000000-0000-7000-8000-00000000000a';

sub new
{
	my ($class, $spark, $by_hand) = @_;
	return bless { spark => $spark, by_hand => $by_hand }, $class;
}

# What a database needs before; the roles are the server's.
sub prepare
{
	my ($class, $spark) = @_;

	$spark->sql(<<"END");
SELECT spark_bus.grant_author('author');
CREATE TABLE thing (key uuid PRIMARY KEY, version int NOT NULL);
CREATE TABLE heard (place bigint GENERATED ALWAYS AS IDENTITY, consumer text NOT NULL, key uuid NOT NULL, version int NOT NULL);
CREATE TABLE due (id uuid NOT NULL);
CREATE TABLE struck (id uuid NOT NULL);
CREATE TABLE deposited (id uuid NOT NULL);
INSERT INTO thing SELECT gen_random_uuid(), 0 FROM generate_series(1, 4);
GRANT ALL ON thing, heard, struck TO author;

CREATE FUNCTION hear(consumer text, m spark_bus.message) RETURNS void LANGUAGE sql AS \$\$
	INSERT INTO public.heard (consumer, key, version) VALUES (consumer, m.aggregate_id, (m.payload->>'version')::int)
\$\$;
CREATE FUNCTION hear_first(m spark_bus.message) RETURNS void LANGUAGE sql AS \$\$
	SELECT public.hear('first', m), spark_bus.emit('shop.echoed', m.aggregate_id, m.payload)
\$\$;
CREATE FUNCTION hear_second(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM public.hear(CASE m.type WHEN 'shop.echoed' THEN 'echo' ELSE 'second' END, m);
	IF random() < 0.2 THEN
		RAISE EXCEPTION 'stumbled over %', m.id;
	END IF;
END \$\$;
CREATE FUNCTION strike(m spark_bus.message) RETURNS void LANGUAGE sql AS \$\$ INSERT INTO public.struck VALUES (m.aggregate_id) \$\$;

CREATE FUNCTION touch(k uuid) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE v int;
BEGIN
	UPDATE public.thing SET version = version + 1 WHERE key = k RETURNING version INTO v;
	PERFORM spark_bus.emit('shop.thing_changed', k, jsonb_build_object('version', v));
END \$\$;
CREATE FUNCTION delay(k uuid) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO public.due VALUES (k);
	PERFORM spark_bus.emit('shop.struck', k, '{}', deliver_at => clock_timestamp() + interval '20 ms');
END \$\$;
CREATE FUNCTION deposit(id uuid) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO public.deposited VALUES (id);
	PERFORM spark_bus.emit('accounting.deposit', id, jsonb_build_object('account_id', '$payee', 'amount_msat', 1000, 'invoice_id', id,
		'idempotency_key', encode(sha256(id::text::bytea), 'hex'), 'node_account_id', '00000000-0000-7000-8000-000000000001'), 'deposit');
END \$\$;

-- With a row in slow, the ledger is slow once.
CREATE TABLE slow ();
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	DELETE FROM public.slow;
	IF FOUND THEN
		PERFORM pg_sleep(1.2);
	END IF;
	RETURN NULL;
END \$\$;
CREATE TRIGGER be_slow AFTER INSERT ON spark_accounting.transfers FOR EACH STATEMENT EXECUTE FUNCTION be_slow();

CREATE FUNCTION is_settled() RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN
	IF EXISTS (SELECT FROM spark_common.delayed) THEN
		RETURN false;
	END IF;
	RETURN (SELECT bool_and(lag_messages = 0 AND parked = 0) FROM spark_ops.bus_status());
END \$\$;
CREATE PROCEDURE settle(by_hand boolean, patience interval) LANGUAGE plpgsql AS \$\$
DECLARE
	begun timestamptz := clock_timestamp();
BEGIN
	WHILE NOT is_settled() AND clock_timestamp() < begun + patience LOOP
		COMMIT;
		IF by_hand THEN
			PERFORM spark_bus.dispatch(100000);
		ELSE
			PERFORM pg_sleep(0.03);
		END IF;
		COMMIT;
	END LOOP;
END \$\$;
CREATE FUNCTION faults() RETURNS text LANGUAGE sql AS \$\$
	SELECT concat_ws('; ', CASE WHEN NOT is_settled() THEN 'it is not drained' END,
		(SELECT string_agg(concat_ws(' ', c.consumer, t.key, t.version, 'but heard', h.versions), ', ')
		 FROM thing t CROSS JOIN (VALUES ('first'), ('second'), ('echo')) c (consumer)
		 CROSS JOIN LATERAL (SELECT coalesce(array_agg(version ORDER BY place), '{}') AS versions FROM heard
			WHERE key = t.key AND heard.consumer = c.consumer) h
		 WHERE h.versions <> ARRAY(SELECT generate_series(1, t.version))),
		(SELECT 'struck once was not ' || string_agg(DISTINCT id::text, ', ')
		 FROM (SELECT id FROM due FULL JOIN struck USING (id) GROUP BY id HAVING count(due.id) <> 1 OR count(struck.id) <> 1) s),
		(SELECT 'deposited and not booked: ' || string_agg(id::text, ', ')
		 FROM deposited WHERE encode(sha256(id::text::bytea), 'hex') NOT IN (SELECT idempotency_key FROM spark_accounting.transfers)),
		(SELECT 'booked: ' || credits_posted_msat FROM spark_accounting.accounts
		 WHERE account_id = '$payee' AND credits_posted_msat <> 1000 * (SELECT count(*) FROM deposited)),
		(SELECT 'dead: ' || string_agg(error_message, ', ') FROM spark_ops.dead_letters()))
\$\$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO author;
SELECT spark_bus.emit('auth.signed_up', '$payee', jsonb_build_object('account_id', '$payee'::uuid, 'username', 'payee'));
END
	$spark->sql("SET ROLE author; SELECT spark_bus.subscribe('$_->[0]', '$_->[1]', 'public.$_->[2]', 1000)")
	  for [ 'first', 'shop.thing_changed', 'hear_first' ], [ 'first', 'shop.struck', 'strike' ],
	  [ 'second', 'shop.thing_changed', 'hear_second' ], [ 'second', 'shop.echoed', 'hear_second' ];
	return;
}

# Some of everything, each in a transaction of its own.
sub work
{
	my ($self, %options) = @_;
	my $more = $options{many} ? "SELECT touch(key) FROM thing, generate_series(1, 20) ORDER BY key;\n" : '';
	my $dispatch = $self->{by_hand} ? "SELECT spark_bus.dispatch(20);\nSELECT spark_ops.rotate();\n" : '';

	return "${more}SELECT touch(key) FROM thing ORDER BY key;\nSELECT delay(gen_random_uuid());\nSELECT deposit(gen_random_uuid());\n$dispatch";
}

sub faults_once_settled
{
	my ($self) = @_;
	my $by_hand = $self->{by_hand} ? 'true' : 'false';
	return $self->{spark}->sql("CALL settle($by_hand, '$Spark::patience s'); SELECT faults()");
}

1;
