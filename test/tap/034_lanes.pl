# 034_lanes.pl
#		The heart of the bus over four lanes, and who serves them: dispatchers that
#		come and go by a reload, and what happens to the others where one consumer
#		cannot go on, as somebody holds a lock.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;
use Town;

my $spark = Spark->start(conf => join("\n",
	'spark.retry_base_delay = 100',
	'spark.retry_max_delay = 1000'));
my $node = $spark->node;
$spark->sql('SELECT spark_ops.set_lanes(4)');
my $bus = Bus->new($spark);
my $town = Town->new($spark);

# ---- who serves which lane
$spark->sql(<<'END');
CREATE TABLE opened (account uuid, pid int);
CREATE FUNCTION note_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.opened VALUES (NEW.account_id, pg_backend_pid());
	RETURN NULL;
END $$;
CREATE TRIGGER note_opening AFTER INSERT ON spark_accounting.accounts FOR EACH ROW EXECUTE FUNCTION note_opening();
-- One more account in each of many keys.
CREATE FUNCTION open_many(first int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(spark_bus.emit('auth.signed_up', id, jsonb_build_object('account_id', id, 'username', 'number ' || n), 'account'))
	FROM generate_series(first, first + 39) n, LATERAL (SELECT format('00000000-0000-7000-8000-%s', lpad(n::text, 12, '0'))::uuid) AS k (id)
$$;
CREATE VIEW serving AS SELECT lane, pid FROM opened JOIN spark_common.outbox ON aggregateid = account
	WHERE type = 'auth.signed_up' GROUP BY lane, pid;
END
my $dispatchers = "SELECT count(*) = %d FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'";
my $first = 1;

# Everybody is served again: which lanes each process had, as '{0,2} {1,3}'.
sub lanes_by_process
{
	$spark->sql('TRUNCATE opened');
	$spark->sql("SELECT open_many($first)");
	$first += 40;
	$spark->wait_for('SELECT count(*) = 40 FROM opened');
	return $spark->sql("SELECT string_agg(lanes::text, ' ' ORDER BY lanes) FROM (SELECT array_agg(lane ORDER BY lane) AS lanes FROM serving GROUP BY pid) p");
}

$spark->wait_for(sprintf($dispatchers, 4), 'four lanes have four dispatchers');
is(lanes_by_process(), '{0} {1} {2} {3}', 'one each');
my $one_of_them = $spark->sql('SELECT pid FROM serving WHERE lane = 2');
$spark->sql("SELECT pg_terminate_backend($one_of_them)");
is(lanes_by_process(), '{0} {1} {2} {3}', 'one that has died is replaced');
for ([ 2, '{0,2} {1,3}' ], [ 1, '{0,1,2,3}' ], [ 3, '{0,3} {1} {2}' ], [ 4, '{0} {1} {2} {3}' ], [ 64, '{0} {1} {2} {3}' ])
{
	my ($count, $lanes) = @$_;
	$spark->set('spark.dispatchers', $count);
	$spark->wait_for(sprintf($dispatchers, $count > 4 ? 4 : $count), "spark.dispatchers = $count counts after a reload");
	is(lanes_by_process(), $lanes, 'each lane has one owner, and no owner more than his share');
}
is($spark->sql('SELECT count(*), count(DISTINCT account_id) FROM spark_accounting.accounts WHERE account_id::text LIKE \'00000000-0000-7000-8000-%\''),
	($first - 1) . '|' . ($first - 1), 'all were served once');

# ---- order, savepoints, strangers
$bus->listen($_, 'shop.sold', 3) for qw(one two);
my @keys = 1 .. 12;
for my $round (1 .. 3)
{
	$bus->author("SELECT shop.change('" . $bus->key($_) . "')") for @keys;
	$bus->author('BEGIN; ' . join('', map { "SELECT shop.change('" . $bus->key($_) . "');" } reverse @keys) . ' COMMIT');
}
for my $consumer (qw(one two))
{
	$bus->comes($consumer, $_, '1,2,3,4,5,6', "B1: in order within a key: $consumer, $_") for @keys;
}
is($spark->sql("SELECT count(DISTINCT lane) FROM spark_common.outbox WHERE type = 'shop.sold'"), '4', 'B1: through all lanes');
my $older = $bus->session;
$older->query_safe('BEGIN; SELECT pg_current_xact_id(); SAVEPOINT a;' . join('', map { "SELECT shop.change('" . $bus->key($_) . "');" } 21 .. 28)
	. 'ROLLBACK TO a');
$bus->author("SELECT shop.change('" . $bus->key($_) . "')") for 21 .. 28;
$bus->comes('one', $_, '1', "B5: an open transaction delays nobody: $_") for 21 .. 28;
$older->query_safe(join('', map { "SELECT shop.change('" . $bus->key($_) . "');" } 21 .. 28) . 'COMMIT');
$bus->comes('one', $_, '1,2', "B2: the later change of the older transaction comes second, what a savepoint took back never: $_") for 21 .. 28;
$older->quit;

# ---- poison, in each lane
$bus->breaks('two', $_) for 31 .. 34;
$bus->author('SELECT ' . join(', ', map { my $n = $_; map { $bus->emission('shop.sold', $_, $n) } 31 .. 42 } 1 .. 2));
$bus->comes('two', $_, '1,2', "B14: other keys go on: $_") for 35 .. 42;
$bus->status_becomes('two', '0 4 4', 'B14: each failed key waits by itself');
$bus->mend('two');
$spark->sql('SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()');
$bus->comes('two', $_, '1,2', "B15: mended, all come in order: $_") for 31 .. 34;

# ---- delayed ones, a crash, segments
$bus->author("SELECT spark_bus.emit('shop.sold', '" . $bus->key($_) . "', '{\"n\": 1}', deliver_at => clock_timestamp() + interval '300 ms')") for 51 .. 58;
$bus->author("SELECT shop.change('" . $bus->key($_) . "')") for 61 .. 68;
$node->restart('immediate');
$bus->comes('one', $_, '1', "B25: over a crash, what was delayed: $_") for 51 .. 58;
$bus->comes('one', $_, '1', "B25: over a crash, what was not: $_") for 61 .. 68;
$spark->sql("ALTER SYSTEM SET spark.segment_retention = 0; ALTER SYSTEM SET spark.segment_age = '1s'");
$node->reload;
$spark->wait_for("SELECT sum(pg_relation_size(oid)) = 0 FROM pg_class WHERE relnamespace = 'spark_common'::regnamespace AND relkind = 'r' AND relname ~ '^outbox_'",
	'B35: every lane is emptied when all was delivered');
$bus->author("SELECT shop.change('" . $bus->key($_) . "')") for 61 .. 68;
$bus->comes('one', $_, '1,2', "B1: and goes on: $_") for 61 .. 68;
$spark->sql('ALTER SYSTEM RESET spark.segment_retention; ALTER SYSTEM RESET spark.segment_age');
$node->reload;

# ---- donations over four lanes
my $owner = $town->person('owner');
my $donor = $town->person('donor', 1_000);
my $well = $town->campaign($owner, 'A well');
$town->comes($donor, donation => $_, 'confirmed', 'S45: a donation is confirmed') for map { $town->donate($donor, $well, $_, "donation $_") } 1 .. 4;
$town->books_are_right('S45: four lanes');

# ---- a stranger's lock on a table of one context: the others share its worker
$spark->set('spark.dispatchers', 1);
$spark->wait_for(sprintf($dispatchers, 1));
$spark->sql('TRUNCATE opened');

# Who sees what while accounting cannot go on; and afterwards, how it ended.
sub goes_on_without_accounting
{
	my ($name, $what, $detail) = @_;
	my $stranger = $node->background_psql('postgres', on_error_stop => 1);
	my $pid = $stranger->query_safe('SELECT pg_backend_pid()');

	$spark->wait_until_drained;
	my $before = $town->balance($owner) =~ s/\|.*//r;
	$stranger->query_safe("BEGIN; $what");
	my @donations = map { $town->donate($donor, $well, 1, "$name $_") } 1 .. 8;
	my $guest = $spark->sign_up("guest $name");
	$spark->wait_for("SELECT username = 'guest $name' FROM spark.dashboard()", "B16: $name: a sign-up is shown", $guest);
	$town->campaign($guest, 'Of a guest');
	$spark->wait_for('SELECT campaign_count = 1 FROM spark.dashboard()', "B16: $name: and a campaign", $guest);
	$spark->wait_for("SELECT NOT ok AND detail ~ 'accounting: process $pid holds $detail' FROM spark_ops.health() WHERE check_name = 'paused'",
		"B45: $name: health names the process");
	is($spark->sql("SELECT bool_and(paused_why ~ 'process $pid holds $detail') FROM spark_ops.bus_status() WHERE consumer = 'accounting'"), 't',
		"B45: $name: and so does bus_status()");
	is($spark->as($donor, "SELECT count(*) FROM spark.donations('$well', 500) WHERE status = 'pending'"), '8', "B16: $name: the donations wait all the while");
	$stranger->query_safe('ROLLBACK');
	$stranger->quit;
	$town->comes($donor, donation => $_, 'confirmed', "B16: $name: afterwards each is confirmed") for @donations;
	$spark->wait_until_drained;
	is($town->balance($owner), ($before + 8_000) . '|0', "B16: $name: and booked once");
	is($spark->sql("SELECT count(*) FROM opened WHERE account = '" . $town->id($guest) . "'"), '1', "B16: $name: the account of the guest is opened once");
	like($bus->health('paused'), qr/^t\|/, "B45: $name: health is content");
	return;
}
goes_on_without_accounting('a table', 'LOCK TABLE spark_accounting.accounts IN ACCESS EXCLUSIVE MODE', 'a lock on spark_accounting.accounts');
$town->books_are_right('B16: a table');

# ---- a stranger's lock on what the workers need between two consumers
# How many transactions were undone up to now, and the seconds of that look.
sub in_vain
{
	my ($times, $at) = split(/\|/, $spark->sql('SELECT xact_rollback, extract(epoch FROM clock_timestamp()) FROM pg_stat_database WHERE datname = current_database()'));
	return { times => $times, at => $at };
}

for my $table (qw(delayed subscription retry))
{
	my $stranger = $node->background_psql('postgres', on_error_stop => 1);
	my $pid = $stranger->query_safe('SELECT pg_backend_pid()');
	my $key = { delayed => 81, subscription => 82, retry => 83 }->{$table};

	$bus->author("SELECT spark_bus.emit('shop.sold', '" . $bus->key($key) . "', '{\"n\": 1}', deliver_at => clock_timestamp() + interval '1 s');"
		. " SELECT spark_bus.emit('shop.sold', '" . $bus->key($key + 10) . "', '{\"n\": 1}', deliver_at => clock_timestamp() + interval '2 s')");
	$stranger->query_safe("BEGIN; LOCK TABLE spark_common.$table IN ACCESS EXCLUSIVE MODE");
	my $vain = in_vain();
	my $guest = $spark->sign_up("guest of $table");
	my $donation = $town->donate($donor, $well, 1, "while $table is locked");
	if ($table ne 'retry')
	{
		$spark->wait_for("SELECT username = 'guest of $table' FROM spark.dashboard()", "B16: $table is locked: a sign-up is shown", $guest);
		$town->comes($donor, donation => $donation, 'confirmed', "B16: $table is locked: a donation is confirmed");
	}
	if ($table eq 'delayed')
	{
		$bus->emit('shop.sold', 80, 1);
		$bus->comes($_, 80, '1', "B16: $table is locked: what is not delayed comes ($_)") for qw(one two);
	}
	$spark->wait_for("SELECT NOT ok AND detail ~ 'process $pid holds a lock on spark_common.$table' FROM spark_ops.health() WHERE check_name = 'locks'",
		"B45: $table is locked: health names the process");
	if ($table eq 'subscription')
	{
		# Three workers read it, and rest for a second where they may not.
		my $tried = in_vain();
		cmp_ok($tried->{times} - $vain->{times}, '<=', 3 * ($tried->{at} - $vain->{at} + 2), "B16: $table is locked: it is looked at now and then, not in each turn");
		is($spark->sql("SELECT bool_and(pg_terminate_backend(pid, 180000)) FROM pg_stat_activity WHERE backend_type IN ('spark dispatcher', 'spark consumer')"),
			't', "B16: $table is locked: its readers end");
		my $newcomer = $spark->sign_up("newcomer, $table");
		$spark->wait_for("SELECT username = 'newcomer, $table' FROM spark.dashboard()", "B16: $table was locked before the worker started: a sign-up is shown", $newcomer);
		$town->comes($donor, donation => $town->donate($donor, $well, 1, "newcomer, $table"), 'confirmed',
			"B16: $table was locked before the worker started: a donation is confirmed");
	}
	$stranger->query_safe('ROLLBACK');
	$stranger->quit;
	$spark->wait_for("SELECT username = 'guest of $table' FROM spark.dashboard()", "B16: $table is free: a sign-up is shown", $guest);
	$town->comes($donor, donation => $donation, 'confirmed', "B16: $table is free: a donation is confirmed");
	for my $consumer (qw(one two))
	{
		$bus->comes($consumer, $_, '1', "B39: $table is free: what was delayed comes ($consumer)") for $key, $key + 10;
	}
}
$town->books_are_right('B16: tables of the bus');

# ---- a stranger's lock on what tells how things are
{
	my $stranger = $node->background_psql('postgres', on_error_stop => 1);
	my $pid = $stranger->query_safe('SELECT pg_backend_pid()');
	my $unread = "cannot be read: process $pid holds a lock on spark_common.";
	# Each is locked besides those before it: which rows cannot tell, and for which of them.
	my %of = (
		subscription => { map { $_ => 'subscription' } qw(backlog blocked paused worker) },
		outbox_0_0 => { rotation => 'outbox_0_0', map { $_ => 'subscription' } qw(backlog blocked paused worker) },
		lane_segment => { paused => 'subscription', worker => 'subscription', map { $_ => 'lane_segment' } qw(backlog blocked rotation) });
	# In a fresh session, which knows nothing yet; the limit is for who would hang.
	my $answers = sub {
		my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '60s'; $_[0]");
		return $err || $out;
	};

	$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.health() WHERE check_name <> 'node_simulated'");
	$stranger->query_safe('BEGIN');
	for my $table (qw(subscription outbox_0_0 lane_segment))
	{
		$stranger->query_safe("LOCK TABLE spark_common.$table IN ACCESS EXCLUSIVE MODE");
		is($answers->("SELECT check_name, detail FROM spark_ops.health() WHERE NOT ok AND detail ~ 'cannot be read' ORDER BY check_name"),
			join("\n", map { "$_|$unread$of{$table}{$_}" } sort keys %{ $of{$table} }), "B45: $table is locked: health answers, and says what it cannot read");
		like($answers->('SELECT spark_ops.metrics()'), qr/^spark_health_ok\{check="locks"\} [01]$/m, "B45: $table is locked: metrics() answers");
		like($answers->("SELECT count(*) FROM spark_ops.bus_status() WHERE consumer = 'accounting'"),
			$table eq 'lane_segment' ? qr/the state of the bus ${unread}lane_segment/ : qr/^4$/, "B45: $table is locked: bus_status() answers");
	}
	$spark->wait_for("SELECT NOT ok" . join('', map { " AND detail ~ 'process $pid holds a lock on spark_common.$_'" } keys %of)
		. " FROM spark_ops.health() WHERE check_name = 'locks'", 'B45: and row locks names the process for each');
	$stranger->query_safe('LOCK TABLE spark_common.installed IN ACCESS EXCLUSIVE MODE');
	is($answers->("SELECT ok, detail FROM spark_ops.health() WHERE check_name = 'paused'"), "f|${unread}installed",
		'B45: nothing can be read: health does not say that nobody is paused');
	$stranger->query_safe('ROLLBACK');
	$stranger->quit;
	$spark->wait_until_drained;
}

# ---- a session's open transaction that has dispatched
my $places = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = ";
my $session = $bus->session;
my $pid = $session->query_safe('SELECT pg_backend_pid()');
is($session->query_safe('BEGIN; SELECT spark_bus.dispatch(1)'), '0', 'B27: a session finds nothing to dispatch');
is($spark->sql($places . $pid), '0', 'B27: so it keeps nobody waiting');
my $bird = $spark->sign_up('early bird');
$spark->wait_for("SELECT username = 'early bird' FROM spark.dashboard()", 'B16: and all goes on', $bird);
$session->query_safe('COMMIT');

$spark->wait_until_drained;
$spark->serve('');
$bus->emit('shop.sold', 71, 1);
is($session->query_safe('BEGIN; SELECT spark_bus.dispatch(1)'), '1', 'B27: it handles one message');
is($spark->sql($places . $pid), '1', 'B27: and keeps the place of its consumer in its lane alone');
$spark->serve('postgres');
my $second = $spark->sign_up('second bird');
$spark->wait_for("SELECT username = 'second bird' FROM spark.dashboard()", 'B16: workers serve the others', $second);
$spark->wait_for("SELECT NOT ok AND detail ~ 'process $pid keeps consumer (one|two) waiting in lane \\d: its transaction, open for \\d+ s, has handled messages'"
	. ' AND detail ~ \'spark consumer (one|two) has waited \\d+ s for a lock that process ' . $pid . " holds' FROM spark_ops.health() WHERE check_name = 'locks'",
	'B45: health names the process that keeps a place, and who waits');
$session->query_safe('COMMIT');
$bus->comes($_, 71, '1', "B27: afterwards it has come once: $_") for qw(one two);
$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'locks'", 'B45: and health is content');

$spark->serve('');
$spark->sign_up('late bird');
is($session->query_safe('BEGIN; SELECT spark_bus.dispatch(1)'), '1', 'B27: it handles a message of a context');
$spark->serve('postgres');
$spark->wait_for("SELECT NOT ok AND detail ~ 'accounting: process $pid holds its place' FROM spark_ops.health() WHERE check_name = 'paused'",
	'B45: the context pauses, and health says for whom');
$bus->emit('shop.sold', 72, 1);
$bus->comes('one', 72, '1', 'B16: others go on');
my $owl = $spark->sign_up('owl');
$spark->wait_for("SELECT username = 'owl' FROM spark.dashboard()", 'B16: so do the contexts beside it', $owl);
$session->query_safe('COMMIT');
$session->quit;
$spark->wait_until_drained('B27: afterwards all is served');
is($spark->sql("SELECT count(*) = count(DISTINCT account) FROM opened"), 't', 'B27: once');
$town->books_are_right('B27: a session that dispatches');

# ---- a session's open transaction that has moved what was delayed
$spark->serve('');
$bus->author("SELECT spark_bus.emit('shop.sold', '" . $bus->key(74) . "', '{\"n\": 1}', deliver_at => clock_timestamp() + interval '100 ms')");
my $mover = $bus->session;
$pid = $mover->query_safe('SELECT pg_backend_pid()');
$spark->wait_for("SELECT count(*) = 1 FROM spark_common.delayed WHERE due < clock_timestamp()");
$mover->query_safe('BEGIN; SELECT spark_bus.dispatch(1)');
$spark->serve('postgres');
$bus->author("SELECT spark_bus.emit('shop.sold', '" . $bus->key(75) . "', '{\"n\": 1}', deliver_at => clock_timestamp() + interval '100 ms')");
$spark->wait_for("SELECT NOT ok AND detail ~ 'process $pid keeps delayed messages waiting: its transaction, open for \\d+ s, has moved some'"
	. " FROM spark_ops.health() WHERE check_name = 'locks'", 'B45: health names the process that keeps the place of the mover');
$mover->query_safe('COMMIT');
$mover->quit;
$bus->comes('one', $_, '1', "B39: afterwards what was delayed comes: $_") for 74, 75;
$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'locks'", 'B45: and health is content');

# ---- a slow context: the others of its worker wait for one call of it, and from then on for none
$spark->sql(<<'END');
CREATE TABLE gate (lane int);
CREATE TABLE vain (lane int);
CREATE FUNCTION keys_from(first int) RETURNS TABLE (account uuid, lane int) LANGUAGE sql AS $$
	SELECT aggregateid, lane FROM spark_common.outbox WHERE type = 'auth.signed_up'
		AND aggregateid BETWEEN format('00000000-0000-7000-8000-%s', lpad(first::text, 12, '0'))::uuid
		AND format('00000000-0000-7000-8000-%s', lpad((first + 39)::text, 12, '0'))::uuid
$$;
CREATE OR REPLACE FUNCTION note_opening() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	its_lane int := (SELECT lane FROM spark_common.outbox WHERE type = 'auth.signed_up' AND aggregateid = NEW.account_id);
BEGIN
	WHILE EXISTS (SELECT FROM public.gate WHERE lane = its_lane) LOOP
		PERFORM pg_sleep(0.02);
	END LOOP;
	IF EXISTS (SELECT FROM public.vain WHERE lane = its_lane) THEN
		PERFORM pg_sleep(1.2);
		RAISE 'in vain' USING ERRCODE = 'disk_full';
	END IF;
	INSERT INTO public.opened VALUES (NEW.account_id, pg_backend_pid());
	RETURN NULL;
END $$;
END
my $own_worker = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'spark context'";
my $asleep = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type IN (%s) AND wait_event = 'PgSleep'";

# Accounts are to be opened in all lanes.
sub open_in_all_lanes
{
	my $from = $first;

	$spark->sql("SELECT open_many($from)");
	$first += 40;
	return $from;
}

# The same, and lane 2 waits at the gate.
sub open_many_before_gate
{
	$spark->sql('INSERT INTO gate VALUES (2)');
	return open_in_all_lanes();
}

# How many of them are open, of those where that is so.
sub are_open
{
	my ($from, $where) = @_;
	return "SELECT count(*) = count(o.account) FROM keys_from($from) k LEFT JOIN opened o USING (account) WHERE $where";
}

sub becomes_slow
{
	my ($when) = @_;
	my $from = open_many_before_gate();

	$spark->wait_for(sprintf($asleep, "'spark dispatcher', 'spark context'") . " AND xact_start < clock_timestamp() - interval '1200 ms'");
	$spark->sql('DELETE FROM gate');
	$spark->wait_for($own_worker, "B16: $when: a context whose call was slow gets a worker of its own");
	$spark->wait_for(are_open($from, 'true'), "B16: $when: and all is done");
	return;
}

sub others_go_on
{
	my ($when) = @_;
	my $from = open_many_before_gate();

	$spark->wait_for(sprintf($asleep, "'spark context'"), "B16: $when: its next call is slow there");
	my $quick = $spark->sign_up("quick, $when");
	$spark->wait_for("SELECT username = 'quick, $when' FROM spark.dashboard()", "B16: $when: meanwhile a sign-up is shown", $quick);
	$town->campaign($quick, 'Of a quick one');
	$spark->wait_for('SELECT campaign_count = 1 FROM spark.dashboard()', "B16: $when: and a campaign", $quick);
	my $meanwhile = open_in_all_lanes();
	$spark->wait_for(are_open($meanwhile, 'lane <> 2'), "B16: $when: the other lanes of the slow context go on, too");
	is($spark->sql("SELECT count(*) FROM keys_from($from) JOIN opened USING (account) WHERE lane = 2"), '0', "B16: $when: all before that call has ended");
	my $own = $spark->sql(sprintf($asleep =~ s/count\(\*\) > 0/pid/r, "'spark context'"));
	$spark->sql('DELETE FROM gate');
	$spark->wait_for(are_open($_, 'true'), "B16: $when: and it ends") for $from, $meanwhile;
	return $own;
}

# No call ends but by the gate.
$spark->set('spark.handler_timeout', 3_600_000);
becomes_slow('one dispatcher');
my $own = others_go_on('one dispatcher');
$spark->sql("SELECT pg_terminate_backend($own)");
my $orphans = open_in_all_lanes();
$spark->wait_for(are_open($orphans, 'true'), 'B16: where its worker has ended, it is served all the same');
becomes_slow('once more');
$spark->set('spark.dispatchers', 4);
$spark->wait_for(sprintf($dispatchers, 4));
others_go_on('a dispatcher a lane');

# Work in vain is time that the others wait, too.
my $before = $spark->sql("SELECT coalesce(string_agg(pid::text, ','), '0') FROM pg_stat_activity WHERE backend_type = 'spark context'");
$spark->sql('INSERT INTO vain VALUES (1)');
my $tried = open_in_all_lanes();
$spark->wait_for("$own_worker AND pid NOT IN ($before)", 'B16: a context whose call was slow and is taken back gets a worker of its own');
$spark->sql('DELETE FROM vain');
$spark->wait_for(are_open($tried, 'true'), 'B16: and once it is not in vain any more, all is done');
$spark->wait_until_drained;
$town->books_are_right('B16: a slow context');
is($spark->sql("SELECT count(*) = count(DISTINCT account) FROM opened"), 't', 'B16: and each message was handled once');

$spark->stop;
done_testing();
