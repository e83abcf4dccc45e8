# 051_dump_restore.pl
#		A live database is dumped in the middle of its work and restored elsewhere:
#		in another cluster, whose transaction ids mean nothing to the log, and in
#		the same one.  Everything that was on its way takes effect once in each
#		copy; nothing outside is done by a copy before an operator says so, and then
#		it asks the node first (X48, X29, L46, B34, T30).
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $live = Spark->start(name => 'live', database => 'shop', conf => <<'END');
spark.retry_base_delay = 100
spark.lightning_not_found_delay = 1
spark.lightning_timeout = 1
max_prepared_transactions = 5
END
my $dump = $live->node->basedir . '/shop.dump';
my $plain = $live->node->basedir . '/shop.sql';

sub roles
{
	my ($spark) = @_;
	return $spark->sql('CREATE ROLE author LOGIN');
}

sub as_author
{
	my ($spark, $sql) = @_;
	return $spark->node->safe_psql($spark->{database}, $sql,
		connstr => $spark->node->connstr($spark->{database}) . ' user=author');
}

sub diary
{
	my ($spark, $where) = @_;
	return $spark->sql('SELECT count(*), count(DISTINCT message_id) FROM public.diary WHERE ' . ($where // 'true'));
}

# ---- a life: people, money, an author's consumers; half the way in one lane, half in four
roles($live);
$live->sql(<<'END');
SELECT spark_bus.grant_author('author');
CREATE TABLE public.diary (consumer text, message_id uuid, key uuid, number int, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE public.mood (fails boolean);
INSERT INTO public.mood VALUES (true);
GRANT SELECT, INSERT ON public.diary, public.mood TO author;
GRANT CREATE ON SCHEMA public TO author;
END
as_author($live, <<'END');
CREATE FUNCTION public.note(message spark_bus.message) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO public.diary VALUES ('notes', message.id, message.aggregate_id, (message.payload->>'n')::int) $$;
CREATE FUNCTION public.note_moody(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (message.payload->>'n')::int IN (1, 1001) AND (SELECT fails FROM public.mood) THEN
		RAISE EXCEPTION 'not in the mood';
	END IF;
	INSERT INTO public.diary VALUES (message.type, message.id, message.aggregate_id, (message.payload->>'n')::int);
END $$;
SELECT spark_bus.subscribe('notes', 'shop.sold', 'public.note');
SELECT spark_bus.subscribe('moody', 'shop.returned', 'public.note_moody');
SELECT spark_bus.subscribe('strict', 'shop.checked', 'public.note_moody', 1);
SELECT spark_bus.subscribe('ledger', 'shop.entered', 'public.note_moody', ordering => 'lane');
SELECT spark_bus.subscribe('ledger', 'shop.amended', 'public.note_moody');
END
my $alice = $live->sign_up('alice');
my $bob = $live->sign_up('bob');
$live->fund($alice, 1_000_000);
my $campaign = $live->as($bob, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 50000)");
$live->as($alice, "SELECT 1 FROM spark.donate('$campaign', 1000, 'one')");

sub withdraw
{
	my ($sat, $outcome) = @_;
	my $request = $live->sql("SELECT spark_simulator.make_invoice($sat)");
	$live->sql("SELECT spark_simulator.script('*', '$outcome', '{\"amount_msat\": ${sat}000}')") if $outcome;
	my ($id, $hash) = split(/\|/, $live->as($alice, "SELECT invoice_id, payment_hash FROM spark.withdraw('$request')"));
	return { id => $id, hash => $hash, sat => $sat };
}

sub state_of
{
	my ($spark, $withdrawal) = @_;
	return $spark->as($alice, "SELECT status, state FROM spark.invoice('$withdrawal->{id}')");
}

my %w = (paid => withdraw(101), stuck => withdraw(102, 'stuck'), silent => withdraw(103, 'never_answer'));
$live->wait_for("SELECT state = '$w{$_->[0]}{state}' OR state = '$_->[1]' FROM spark.invoice('$w{$_->[0]}{id}')", undef, $alice)
  for [ paid => 'succeeded' ], [ stuck => 'in_flight' ], [ silent => 'unknown' ];
my $open = $live->as($bob, 'SELECT invoice_id FROM spark.deposit(555)');
my $paid_unseen = $live->as($bob, 'SELECT invoice_id FROM spark.deposit(777)');
$live->wait_for("SELECT state = 'open' FROM spark.invoice('$_')", undef, $bob) for $open, $paid_unseen;

# Numbers n of one key, in their order.
my $key = '00000000-0000-7000-8000-00000000000';
sub emit
{
	my ($spark, $type, $number, $key_digit) = @_;
	return as_author($spark, "SELECT spark_bus.emit('$type', '$key$key_digit', '{\"n\": $number}')");
}

$live->sql('SELECT spark_ops.set_lanes(4)');
emit($live, 'shop.returned', $_, 1) for 1 .. 3;		# the first fails, the others wait behind it
emit($live, 'shop.returned', $_, 2) for 4 .. 5;		# another key flows
emit($live, 'shop.checked', $_, 3) for 1001 .. 1002;	# dead at once, and one behind
$live->wait_for("SELECT count(*) = 2 FROM public.diary WHERE consumer = 'shop.returned'", 'some are parked');
$live->wait_for('SELECT count(*) = 1 FROM spark_ops.dead_letters()', 'one is dead');

# One transaction emits early and commits late: behind the cursor.
my $straggler = $live->node->background_psql('shop', on_error_stop => 1);
$straggler->query_safe("BEGIN; SELECT spark_bus.emit('shop.sold', '${key}4', '{\"n\": 100}')");
emit($live, 'shop.sold', $_, 5) for 201 .. 205;
$live->wait_for("SELECT count(*) = 5 FROM public.diary WHERE consumer = 'notes'", 'others are handled while one transaction is open');

# A prepared one is in no dump.
$live->sql("BEGIN; SELECT spark_bus.emit('shop.sold', '${key}6', '{\"n\": 300}'); PREPARE TRANSACTION 'later'");

# ---- from here on nobody works it off
$live->serve();
$straggler->query_safe('COMMIT');
$straggler->quit;
emit($live, 'shop.sold', $_, 5) for 206 .. 230;
$w{reserved} = withdraw(104);
$live->dispatch;
is(state_of($live, $w{reserved}), 'pending|reserved', 'a withdrawal is reserved and not sent');
is(diary($live, "consumer = 'notes'"), '31|31', 'B3 stragglers are handled once');
$live->sql('TRUNCATE public.diary');
$w{requested} = withdraw(105);
emit($live, 'shop.sold', $_, 5) for 231 .. 260;
emit($live, 'shop.sold', 400, 7);
$live->as($alice, "SELECT 1 FROM spark.donate('$campaign', 2000, 'two')");
as_author($live, "SELECT spark_bus.emit('shop.sold', '${key}8', '{\"n\": 700}', deliver_at => clock_timestamp() + interval '5 seconds')");
my $intent = $live->as($bob, 'SELECT invoice_id FROM spark.deposit(888)');
$live->sql('SELECT spark_simulator.pay(payment_request) FROM spark_bitcoin.deposits WHERE invoice_id = ' . "'$paid_unseen'");
# Of which some wait for all before them in their lane.
as_author($live, "SELECT spark_bus.emit(CASE WHEN n % 3 = 0 THEN 'shop.amended' ELSE 'shop.entered' END, (left('$key', -1) || lpad((20 + n / 4 % 8)::text, 2, '0'))::uuid, jsonb_build_object('n', 2000 + n)) FROM generate_series(1, 60) n");
my $lane_of_key = $live->sql("SELECT jsonb_object_agg(aggregateid, lane) FROM spark_common.outbox WHERE type IN ('shop.entered', 'shop.amended')");
my $on_the_way = $live->sql('SELECT count(*) FROM spark_common.undelivered');

sub run_tool
{
	my ($spark, @command) = @_;
	$spark->node->command_ok([ @command ], join(' ', (split(m{/}, $command[0]))[-1], 'works'));
	return;
}

run_tool($live, 'pg_dump', '-Fc', '-f', $dump, 'shop');
run_tool($live, 'pg_dump', '-f', $plain, 'shop');
$live->sql("ROLLBACK PREPARED 'later'");

sub outside_acts
{
	my ($spark) = @_;
	return $spark->sql('SELECT count(*), coalesce(sum(amount_msat), 0) FROM spark_simulator.payments()')
	  . '|' . $spark->sql('SELECT count(*) FROM spark_bitcoin.simulator_payments')
	  . '|' . $spark->sql("SELECT count(*) FROM spark_bitcoin.simulator_invoices WHERE owner = 'node'");
}
my $outside_at_dump = outside_acts($live);

# The node's check in health.
sub node_says
{
	my ($spark) = @_;
	return $spark->sql("SELECT detail FROM spark_ops.health() WHERE check_name = 'node'");
}

# ---- the copy: restored while its worker already looks for it
sub check_copy
{
	my ($copy, $what) = @_;

	$copy->wait_for("SELECT count(*) >= 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher' AND datname = current_database()",
		"$what: a worker serves the copy");
	$copy->wait_for("SELECT bool_and(lag_messages = 0) FROM spark_ops.bus_status()", "$what: the log drains");
	$copy->wait_for("SELECT count(*) >= 32 FROM public.diary WHERE consumer = 'notes'", "$what: B34 what was undelivered is handled, what was delayed too");
	is(diary($copy, "consumer = 'notes'"), '32|32', "$what: B34 each once");
	is($copy->sql("SELECT string_agg(number::text, ' ' ORDER BY at, number) = string_agg(number::text, ' ' ORDER BY number) FROM public.diary WHERE key = '${key}5'"),
		't', "$what: in the order of their key");
	$copy->wait_for("SELECT count(*) = 60 FROM public.diary WHERE consumer IN ('shop.entered', 'shop.amended')", "$what: what is in the order of its lane comes");
	is($copy->sql("SELECT count(*) FROM (SELECT number, lag(number) OVER (PARTITION BY ('$lane_of_key'::jsonb)->>key::text ORDER BY at, number) AS before FROM public.diary WHERE consumer IN ('shop.entered', 'shop.amended')) d WHERE before > number"),
		'0', "$what: B34 and in that order, whatever their keys");
	is($copy->sql("SELECT count(*) FROM public.diary WHERE number = 300"), '0', "$what: B4 what was only prepared is not in it");
	is($copy->sql("SELECT count(*) FROM spark_ops.dead_letters() WHERE consumer = 'strict'"), '1', "$what: the dead letter is there");
	$copy->wait_for("SELECT donation_count = 2 FROM spark.campaign('$campaign')", "$what: the donation on its way is confirmed");
	is(state_of($copy, $w{reserved}), 'pending|reserved', "$what: X48 what was reserved is not sent");
	$copy->wait_for("SELECT state = 'reserved' FROM spark_bitcoin.withdrawals WHERE invoice_id = '$w{requested}{id}'",
		"$what: X48 what was requested is reserved and not sent");
	like(node_says($copy), qr/copy.*resume_outside/, "$what: X48 health says that it is paused and what to do");
	is(outside_acts($copy), $outside_at_dump, "$what: X48 nothing was done outside");
	is($copy->broken_invariants, '', "$what: X83 the books verify");
	is($copy->sql("SELECT string_agg(detail, '; ') FROM spark_ops.health() WHERE NOT ok AND check_name IN ('preload', 'worker', 'paused', 'versions', 'rotation', 'backlog')"),
		'', "$what: health has nothing else against it");

	# new work, while it is paused
	emit($copy, 'shop.sold', 500, 5);
	$copy->wait_for("SELECT count(*) = 1 FROM public.diary WHERE number = 500", "$what: B34 new messages are handled");
	$copy->sql('UPDATE public.mood SET fails = false');
	$copy->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
	$copy->wait_for("SELECT count(*) = 3 FROM public.diary WHERE key = '${key}1'", "$what: the parked ones follow");
	is($copy->sql("SELECT string_agg(number::text, ' ' ORDER BY at, number) FROM public.diary WHERE key = '${key}1'"), '1 2 3', "$what: B15 in order");
	$copy->wait_for("SELECT count(*) = 2 FROM public.diary WHERE key = '${key}3'", "$what: the dead one and what was behind it too");
	$copy->wait_until_drained("$what: nothing is left");
	is($copy->sql('SELECT count(*) - count(DISTINCT (consumer, message_id)) FROM public.diary'), '0', "$what: B34 nothing took effect twice");
	return;
}

sub check_resumed
{
	my ($copy, $what) = @_;

	is(($copy->try_sql("SELECT spark_ops.resume_outside('')"))[0], 'SP001', "$what: resuming asks for a reason");
	$copy->sql("SELECT spark_ops.resume_outside('the old one is gone')");
	is($copy->sql("SELECT action, operator, reason FROM spark_common.operator_log ORDER BY at DESC LIMIT 1"),
		'resume_outside|' . $copy->sql('SELECT current_user') . '|the old one is gone', "$what: it is recorded");
	$copy->wait_for("SELECT state = 'succeeded' FROM spark_bitcoin.withdrawals WHERE invoice_id = '$w{$_}{id}'",
		"$what: X48 resumed, the $_ withdrawal is paid")
	  for qw(reserved requested);
	$copy->wait_for("SELECT status = 'paid' FROM spark.invoice('$paid_unseen')", "$what: a deposit paid meanwhile is seen", $bob);
	$copy->wait_for("SELECT state = 'open' FROM spark.invoice('$intent')", "$what: an invoice that was asked for is made", $bob);
	is($copy->sql('SELECT count(*) FROM (SELECT FROM spark_simulator.payments() GROUP BY payment_hash HAVING count(*) > 1) t'),
		'0', "$what: X29 nothing was paid twice");
	$copy->sql("SELECT spark_simulator.script('$w{$_}{hash}', 'succeed')") for qw(stuck silent);
	$copy->wait_for("SELECT count(*) = 5 FROM spark_bitcoin.withdrawals WHERE state = 'succeeded'", "$what: what was open ends");
	$copy->wait_until_drained;
	is($copy->sql('SELECT count(*), count(DISTINCT payment_hash) FROM spark_simulator.payments() WHERE direction = ' . "'out'"),
		'5|5', "$what: each withdrawal went out once");
	is($copy->broken_invariants, '', "$what: X83 the books verify");
	unlike(node_says($copy), qr/copy/, "$what: health has nothing against it any more");
	return;
}

my $other = Spark->start(name => 'other', extension => 0, worker => 0, conf => <<'END');
spark.databases = 'copy'
spark.retry_base_delay = 100
spark.lightning_not_found_delay = 1
spark.lightning_timeout = 1
END
roles($other);
# Make the other cluster younger than the log: its transaction ids are lower.
cmp_ok($other->sql('SELECT pg_current_xact_id()'), '<', $live->sql('SELECT pg_current_xact_id()'), 'the other cluster is younger');
my $copy = Spark->around($other->node, 'copy');
$other->sql('CREATE DATABASE copy');
run_tool($copy, 'pg_restore', '-d', 'copy', $dump);
is($copy->sql("SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'spark%'"), $live->sql("SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'spark%'"), 'X83 every table is there');
is($copy->sql("SELECT has_function_privilege('member', 'spark.balance()', 'EXECUTE'), has_function_privilege('author', 'spark_bus.dispatch(int)', 'EXECUTE')"),
	't|t', 'X57 grants come along');
check_copy($copy, 'in another cluster');
my $log = slurp_file($other->node->logfile);
is(() = $log =~ /makes the log of another cluster its own/g, 1, 'the log was made its own once');
unlike($log, qr/(?:pg_restore|\]) (?:ERROR|FATAL|PANIC):/, 'restore and workers were in nobody\'s way');

# ---- both are alive: the live one goes on meanwhile
$live->serve('shop');
$live->wait_for("SELECT state = 'succeeded' FROM spark_bitcoin.withdrawals WHERE invoice_id = '$w{$_}{id}'",
	"the live one pays the $_ withdrawal") for qw(reserved requested);
is(outside_acts($copy), $outside_at_dump, 'the copy still does nothing outside');

# The outside world is one: what the live one's node has done is what the copy's node knows.
my $world = $live->node->basedir . '/world.sql';
run_tool($live, 'pg_dump', '--data-only', '--table=spark_bitcoin.simulator_*', '-f', $world, 'shop');
$copy->sql('TRUNCATE ' . $copy->sql("SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'spark_bitcoin' AND tablename LIKE 'simulator_%'"));
$copy->node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'copy', '-f', $world ], 'the copy meets the same outside world');
$live->serve();
my $paid_before = $copy->sql("SELECT count(*) FROM spark_simulator.payments() WHERE direction = 'out'");
check_resumed($copy, 'in another cluster');
is($copy->sql("SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE payment_hash IN ('$w{reserved}{hash}', '$w{requested}{hash}')"),
	'2', 'T30 what the live one had paid was looked up, not paid again');

# ---- in the same cluster, by a plain script: transaction ids keep their meaning
$live->serve('shop2');
$live->sql('CREATE DATABASE shop2');
my $second = Spark->around($live->node, 'shop2');
$live->node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'shop2', '-f', $plain ], 'a plain dump is restored beside the live one');
check_copy($second, 'in the same cluster');
check_resumed($second, 'in the same cluster');

# ---- a template's copy
$second->serve();
$live->sql('CREATE DATABASE shop3 TEMPLATE shop2');
my $third = Spark->around($live->node, 'shop3');
$live->serve('shop3');
emit($third, 'shop.sold', 600, 5);
$third->wait_for("SELECT count(*) = 1 FROM public.diary WHERE number = 600", "a template's copy works");
# ---- rows alone, emptied and restored by hand beside a worker: nobody has counted that
my $letters = $live->node->basedir . '/letters.dump';
my $strict = "FROM spark_ops.bus_status() WHERE consumer = 'strict'";
$third->sql('UPDATE public.mood SET fails = true');
emit($third, 'shop.checked', 1001, 9);
$third->wait_for("SELECT sum(dead) = 1 $strict", 'one is dead');
run_tool($third, 'pg_dump', '--data-only', '--table=spark_common.dead_letter', '-Fc', '-f', $letters, 'shop3');
$third->sql('TRUNCATE spark_common.dead_letter');
$third->wait_for("SELECT sum(dead) = 0 AND sum(blocked_keys) = 0 $strict", 'B45 what was emptied by hand is counted anew');
run_tool($third, 'pg_restore', '--data-only', '--jobs=2', '-d', 'shop3', $letters);
$third->wait_for("SELECT sum(dead) = 1 AND sum(blocked_keys) = 1 $strict", 'B45 and so is what was restored');
$third->sql("UPDATE public.mood SET fails = false; SELECT spark_ops.drop_dead_letter(message_id, consumer, 'seen') FROM spark_ops.dead_letters()");
like(node_says($third), qr/resume_outside/, "B34 a template's copy does nothing outside either");
$third->set('spark.outside', 'off');
is(($third->try_sql("SELECT spark_ops.resume_outside('no')"))[0], 'SP010', 'spark.outside = off is above it');
$third->set('spark.outside', 'on');
$third->wait_for("SELECT spark_ops.resume_outside('it is wanted') IS NOT NULL", 'and it can be resumed');
$third->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'node'", 'and works with its node');
is($third->broken_invariants, '', 'its books verify');

# ---- B33: dumps under load, each a state of its own
$third->serve();
$live->sql('CREATE DATABASE busy TEMPLATE shop3');
my $busy = Spark->around($live->node, 'busy');
$busy->sql('TRUNCATE public.diary; CREATE TABLE public.sales (n int)');
$live->serve('busy');
my $sale = $live->node->basedir . '/sale.sql';
append_to_file($sale, <<"END");
\\set n random(1, 1000000)
\\set k random(1, 9)
BEGIN;
INSERT INTO public.sales VALUES (:n);
SELECT spark_bus.emit('shop.sold', uuid_in(('${key}' || :k)::cstring), jsonb_build_object('n', :n));
COMMIT;
END
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '600', '-R', '100', '-f', $sale, '-h', $live->node->host, '-p', $live->node->port, 'busy' ], '>', '/dev/null', '2>', '/dev/null');
my @dumps;
for my $round (1 .. 3)
{
	my $before = $busy->sql('SELECT count(*) FROM public.sales');
	$busy->wait_for("SELECT count(*) > $before + 50 FROM public.sales");
	push @dumps, $live->node->basedir . "/busy$round.dump";
	run_tool($live, 'pg_dump', '-Fc', '-f', $dumps[-1], 'busy');
}
# Not INT, which whoever was started in the background may ignore.
$load->signal('TERM');
$load->finish;
$busy->serve();
for my $round (1 .. 3)
{
	$other->serve();
	$other->sql("CREATE DATABASE drained$round");
	my $drained = Spark->around($other->node, "drained$round");
	run_tool($drained, 'pg_restore', $round == 2 ? '--jobs=3' : '--jobs=1', '-d', "drained$round", $dumps[$round - 1]);
	$other->serve("drained$round");
	$drained->wait_until_drained("B33 dump $round under load drains");
	is($drained->sql("SELECT (SELECT count(*) FROM public.sales), (SELECT count(*) - count(DISTINCT message_id) FROM public.diary), (SELECT count(*) FROM public.sales) > 50"),
		$drained->sql("SELECT count(*) FROM public.diary WHERE consumer = 'notes'") . '|0|t', "B33 dump $round: what was sold is noted, once");
}

$other->stop;
$live->stop;
done_testing();
