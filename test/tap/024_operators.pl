# 024_operators.pl
#		What operators do to the bus: find, retry, mend, drop, unblock, pause,
#		replay; and that each is put down with who and why.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;
use Town;

my $spark = Spark->start(conf => join("\n",
	'spark.retry_base_delay = 100',
	'spark.retry_max_delay = 400'));
my $bus = Bus->new($spark);
$spark->sql("CREATE ROLE operator LOGIN; SELECT spark_ops.grant_operator('operator')");

# As the operator: (SQLSTATE or '', output or error text).
sub try_operator
{
	my ($sql) = @_;
	my ($status, $out, $err) = $spark->node->psql($spark->{database}, $sql, extra_params => [ '-U', 'operator', '--set=VERBOSITY=verbose' ]);
	return (Spark::_sqlstate($status, $err), $status ? $err : $out);
}

sub operator
{
	my ($sql) = @_;
	my ($sqlstate, $out) = try_operator($sql);
	die "$sqlstate: $out" if $sqlstate;
	return $out;
}

sub refused
{
	my ($code, $sql, $said, $name) = @_;
	my ($sqlstate, $out) = try_operator($sql);
	is($sqlstate, $code, $name) or diag($out);
	like($out, $said, "$name: it says why");
	like($out, qr/^HINT:  \S/m, "$name: and what to do");
	return;
}

sub key { return "'" . $bus->key($_[0]) . "'"; }

# ---- which keys are blocked, and one that is opened without its message
$bus->listen('mill', 'shop.sold', 2);
$bus->breaks('mill', 1);
$bus->emit('shop.sold', 1, $_) for 1 .. 3;
$bus->emit('shop.sold', 2, 1);
$bus->comes('mill', 2, '1', 'B14: others go on');
$bus->status_becomes('mill', '0 2 1', 'B14: one is dead, two wait');
is(operator('SELECT consumer, aggregate_id, waiting, holds, state, type, error_code, error_message, due IS NULL FROM spark_ops.blocked_keys()'),
	'mill|' . $bus->key(1) . '|2|key|dead|shop.sold|P0001|not today|t', 'B45: the operator sees which key waits for what');
refused('SP002', "SELECT spark_ops.unblock_key('mill', " . key(2) . ", 'why')", qr/holds up/, 'B14: a key that nobody waits for cannot be opened');
refused('SP002', "SELECT spark_ops.unblock_key('miller', " . key(1) . ", 'why')", qr/consumer/, 'B14: nor one of an unknown consumer');
$bus->mend('mill');
is(operator("SELECT spark_ops.unblock_key('mill', " . key(1) . ", 'the rest is urgent')"), '1', 'B14: a key is opened');
$bus->comes('mill', 1, '2,3', 'B15: those behind go on in order, without the dead one');
$bus->status_becomes('mill', '0 0 1', 'B14: which stays dead');
is(operator("SELECT holds FROM spark_ops.dead_letters(of_consumer => 'mill')"), 'none', 'B14: and holds up nobody');
is(operator('SELECT count(*) FROM spark_ops.blocked_keys()'), '0', 'B45: nobody waits any more');
like($bus->health('blocked'), qr/^f\|1 messages are dead, and no other waits/, 'B45: health tells of it');
is(operator("SELECT spark_ops.retry_key('mill', " . key(1) . ", 'now it can')"), '1', 'B15: it can be retried later');
$bus->comes('mill', 1, '2,3,1', 'B15: and comes then');
refused('SP002', "SELECT spark_ops.retry_key('mill', " . key(1) . ", 'again')", qr/dead/, 'B15: what is not dead cannot be retried');

# ---- a key that is parked for long is tried at once
$spark->set('spark.retry_base_delay', "'1h'");
$spark->set('spark.retry_max_delay', "'1h'");
$spark->wait_for("SELECT current_setting('spark.retry_max_delay') = '1h'");
$bus->subscribe('mill', 'shop.sold', 5);
$bus->breaks('mill', 3);
$bus->emit('shop.sold', 3, $_) for 1 .. 3;
$bus->status_becomes('mill', '0 3 0', 'B14: parked for an hour');
is(operator("SELECT waiting, state, due > now() + interval '20 minutes' FROM spark_ops.blocked_keys()"), '2|parked|t', 'B45: the operator sees until when');
$bus->mend('mill');
is(operator("SELECT spark_ops.retry_key('mill', " . key(3) . ", 'mended')"), '1', 'B15: one waits for its time, two for it');
$bus->comes('mill', 3, '1,2,3', 'B15: all come at once, in order');

# ---- what fails together does not come back together
$bus->breaks('mill');
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.sold', $_, 1) } 10 .. 24));
$bus->status_becomes('mill', '0 15 0', 'B14: fifteen fail together');
is($spark->sql("SELECT bool_and(wait BETWEEN '29 min 59 s' AND '60 min 1 s'), count(DISTINCT wait), max(wait) - min(wait) > '5 min'"
	. " FROM (SELECT due - first_failed_at AS wait FROM spark_common.retry WHERE consumer = 'mill') w"),
	't|15|t', 'B14: and are due at times of their own, between the half and the whole of the wait');
$bus->mend('mill');
is(operator("SELECT spark_ops.retry_all('mill', 'mended')"), '15', 'B15: an operator has all of them tried now');
$bus->comes('mill', $_, '1', 'B15: and they come') for 10, 24;
$bus->status_becomes('mill', '0 0 0', 'B15: all of them');

# ---- many at once, in pages
$bus->handler('mill', "IF EXISTS (SELECT FROM shop.failing f WHERE f.consumer = 'mill') THEN"
	. " RAISE EXCEPTION 'number %', m.payload->>'n' USING ERRCODE = 'P000' || (1 + (m.payload->>'n')::int % 2); END IF;");
$bus->subscribe('mill', 'shop.sold', 1);
$bus->breaks('mill');
$bus->emit('shop.sold', 100 + $_, $_) for 1 .. 25;
$bus->status_becomes('mill', '0 0 25', 'B14: twenty-five are dead');
my (@pages, $after);
do
{
	my $page = operator("SELECT message_id, aggregate_id FROM spark_ops.dead_letters(10, 'mill', " . ($after // 'NULL') . ')');
	push @pages, scalar(my @rows = split /\n/, $page);
	($after) = map { "'$_'" } (split /\|/, $rows[-1] // '')[0] // ();
} while $pages[-1] == 10;
is("@pages", '10 10 5', 'S42: they are read in pages');
refused('SP002', "SELECT * FROM spark_ops.dead_letters(10, 'miller')", qr/consumer/, 'S42: of a consumer that there is');
refused('SP001', "SELECT * FROM spark_ops.dead_letters(10, NULL, $after)", qr/of_consumer/, 'S42: and behind a message of his');
$bus->mend('mill');
is(operator("SELECT string_agg(spark_ops.retry_all('mill', 'mended', 10)::text, ' ') FROM generate_series(1, 4)"), '10 10 5 0', 'S42: and retried in pages, until none is left');
$spark->wait_for("SELECT count(*) = 25 AND count(DISTINCT n) = 25 FROM shop.seen WHERE consumer = 'mill' AND key::text > " . key(100), 'B15: all come once');
$bus->status_becomes('mill', '0 0 0', 'B15: and nothing is left');
refused('SP002', "SELECT spark_ops.retry_all('miller', 'why')", qr/consumer/, 'S42: of no unknown consumer');

# ---- an operator pauses a consumer
refused('SP010', "SELECT spark_ops.resume_consumer('mill', 'why')", qr/not paused/, 'B18: what is not paused does not go on');
$bus->listen('brewer', 'shop.sold');
operator("SELECT spark_ops.pause_consumer('mill', 'the wheel is greased')");
$bus->emit('shop.sold', 200, $_) for 1 .. 3;
$bus->comes('brewer', 200, '1,2,3', 'B18: others go on');
is($bus->status('mill'), '3 0 0', 'B18: it handles nothing, and all stays in the log');
like($bus->health('paused'), qr/^f\|.*mill: paused by operator: the wheel is greased/, 'B45: health says who and why');
refused('SP010', "SELECT spark_ops.pause_consumer('mill', 'again')", qr/paused already/, 'B18: it is paused once');
$spark->node->restart('immediate');
$bus->emit('shop.sold', 201, 1);
$bus->comes('brewer', 201, '1', 'B18: after a crash');
is($bus->status('mill'), '4 0 0', 'B18: it is paused still');
is($bus->author('SELECT spark_bus.dispatch(100)'), '0', 'B18: nor does a session handle its messages');
$bus->emit('shop.sold', 202, $_) for 1 .. 3;
operator("SELECT spark_ops.resume_consumer('mill', 'greased')");
$bus->comes('mill', 200, '1,2,3', 'B18: it goes on where it stood');
$bus->comes('mill', 202, '1,2,3', 'B18: and nothing is lost');
like($bus->health('paused'), qr/^t\|/, 'B45: health is content');

# What is parked waits, too.
$spark->set('spark.retry_base_delay', '100');
$spark->set('spark.retry_max_delay', '100');
$spark->wait_for("SELECT current_setting('spark.retry_max_delay') = '100ms'");
$bus->subscribe('mill', 'shop.sold', 100);
$bus->breaks('mill', 203);
$bus->emit('shop.sold', 203, 1);
$bus->status_becomes('mill', '0 1 0', 'B18: one is parked');
operator("SELECT spark_ops.pause_consumer('mill', 'again')");
$bus->mend('mill');
$bus->emit('shop.sold', 204, 1);
$bus->comes('brewer', 204, '1', 'B18: while it is paused');
$spark->wait_for("SELECT due < now() FROM spark_common.retry WHERE consumer = 'mill'", 'B18: its time comes');
is($bus->seen('mill', 203), '', 'B18: but it is not tried');
operator("SELECT spark_ops.resume_consumer('mill', 'again')");
$bus->comes('mill', 203, '1', 'B18: until it may');

# ---- replay: by time, by message, into one consumer
my $began = $spark->sql('SELECT clock_timestamp()');
$bus->emit('shop.sold', 300 + $_ % 3, $_) for 1 .. 9;
my @ids = split /\n/, $spark->sql("SELECT id FROM spark_common.outbox WHERE type = 'shop.sold' AND created_at > '$began' ORDER BY created_at");
$bus->comes($_, 301, '1,4,7', "before the replay: $_") for qw(mill brewer);
$bus->status_becomes('mill', '0 0 0', 'all is handled');
is(operator("SELECT spark_ops.replay('mill', 'the book was lost', since => '$began')"), '9', 'replay: nine come again');
$bus->emit('shop.sold', 301, 10);
for ([ 300, '3,6,9,3,6,9' ], [ 301, '1,4,7,1,4,7,10' ], [ 302, '2,5,8,2,5,8' ])
{
	$bus->comes('mill', $_->[0], $_->[1], "replay: key $_->[0] again in its order, before what is new");
}
$bus->comes('brewer', 301, '1,4,7,10', 'replay: into that consumer alone');
$bus->status_becomes('mill', '0 0 0', 'replay: and then it is done');
my $tail = operator("SELECT spark_ops.replay('mill', 'from the fifth on', message_id => '$ids[4]')");
is($tail, '6', 'replay: from a message on') if ($ENV{SPARK_LANES} // 1) == 1;
$bus->comes('mill', 302, '2,5,8,2,5,8,5,8', 'replay: that message and those behind it');
is(operator("SELECT spark_ops.replay('mill', 'nothing', since => $_)"), '0', 'replay: of what is to come, nothing') for "now() + interval '1 day'", "'294276-12-31'";

cmp_ok(operator("BEGIN; SELECT spark_ops.replay('mill', 'all there is', since => 'epoch'); ROLLBACK"), '>=', 10, 'replay: from the beginning of all time');

# A type that is subscribed only now.
$bus->emit('shop.closed', 310, 1);
$bus->subscribe('mill', 'shop.closed');
my $closed = $spark->sql("SELECT id FROM spark_common.outbox WHERE type = 'shop.closed'");
is(operator("SELECT spark_ops.replay('mill', 'it was not subscribed', message_id => '$closed')"), '1',
	'replay: a type that was subscribed later comes, too');
$bus->comes('mill', 310, '1', 'replay: for the first time');

# What must not be replayed.
refused('SP010', "SELECT spark_ops.replay('$_', 'why', since => '$began')", qr/context of spark.*money/, "replay: not of $_") for qw(accounting bitcoin crowdfunding dashboard);
refused('SP001', "SELECT spark_ops.replay('mill', 'why')", qr/since and message_id/, 'replay: from some moment on');
refused('SP001', "SELECT spark_ops.replay('mill', 'why', '$began', '$ids[0]')", qr/since and message_id/, 'replay: from one moment on');
refused('SP002', "SELECT spark_ops.replay('mill', 'why', message_id => gen_random_uuid())", qr/no such message/, 'replay: of a message that the log has');
refused('SP002', "SELECT spark_ops.replay('miller', 'why', since => '$began')", qr/consumer/, 'replay: of no unknown consumer');
$bus->breaks('mill', 320);
$bus->emit('shop.sold', 320, 1);
$bus->status_becomes('mill', '0 1 0', 'replay: one is parked');
refused('SP010', "SELECT spark_ops.replay('mill', 'why', since => '$began')", qr/parked or dead/, 'replay: not while one is parked: it would come twice');
$bus->mend('mill');
$bus->comes('mill', 320, '1', 'replay: then it may again');

# Killed in the middle, and with the log rotating: each once more, none twice.
$bus->author('SELECT count(' . $bus->emission('shop.sold', 330, 1) . ') FROM generate_series(1, 1)');
my $counted = $spark->sql('SELECT clock_timestamp()');
$bus->author("SELECT count(spark_bus.emit('shop.sold', ('00000000-0000-7000-8000-0000000004' || lpad((n % 50)::text, 2, '0'))::uuid,"
	. " jsonb_build_object('n', n))) FROM generate_series(1, 2000) n");
my $mine = "FROM shop.seen WHERE consumer = 'mill' AND key::text LIKE '%0000000004__'";
$spark->wait_for("SELECT count(*) = 2000 $mine", 'replay: two thousand were handled');
$bus->status_becomes('mill', '0 0 0', 'replay: all of them');
# The wheel turns slowly, so that it is under way.
$bus->handler('mill', 'PERFORM pg_sleep(0.002);');
is(operator("SELECT spark_ops.replay('mill', 'with a crash in between', since => '$counted')"), '2000', 'replay: all come again');
$spark->set('spark.segment_age', 1);
$spark->set('spark.segment_retention', 1);
$spark->wait_for("SELECT count(*) BETWEEN 2100 AND 3800 $mine", 'replay: it is in the middle');
$spark->node->stop('immediate');
$spark->node->start;
$bus->handler('mill');
$spark->wait_for("SELECT count(*) = 2000 AND bool_and(c = 2) FROM (SELECT n, count(*) AS c $mine GROUP BY n) t", 'replay: over a crash of the server, each came once more');
is($spark->sql("SELECT count(*) FROM (SELECT key, n, place, lag(n) OVER (PARTITION BY key ORDER BY place) AS before $mine) t WHERE n <= before"),
	'50', 'replay: and of each key the order turned back once');
$bus->status_becomes('mill', '0 0 0', 'replay: and it is done');

$spark->wait_for("SELECT bool_or(pg_relation_size('spark_common.outbox_0_' || s) = 0) AND NOT EXISTS (SELECT FROM spark_common.outbox WHERE id = '$ids[0]')"
	. ' FROM generate_series(0, 2) s', 'B35: the log is emptied of it only then');
$spark->set($_, 600) for 'spark.segment_age', 'spark.segment_retention';

# After a change of lanes, what was before it cannot be put in order.
$counted = $spark->sql('SELECT clock_timestamp()');
$bus->emit('shop.sold', 340, 1);
$bus->comes('mill', 340, '1', 'one lane');
$bus->status_becomes('mill', '0 0 0', 'one lane: all is handled');
operator("SELECT spark_ops.set_lanes(2, 'a busy week')");
$bus->emit('shop.sold', 340 + $_, 1) for 1 .. 8;
$bus->comes('mill', 340 + $_, '1', 'two lanes') for 1, 8;
$spark->wait_for("SELECT sum(lag_messages) = 0 FROM spark_ops.bus_status() WHERE consumer = 'mill'", 'two lanes: all is handled');
refused('SP010', "SELECT spark_ops.replay('mill', 'why', since => '$counted')", qr/number of lanes/, 'replay: not across a change of lanes');
my $first = $spark->sql("SELECT id FROM spark_common.outbox WHERE type = 'shop.sold' AND aggregateid = " . key(341));
is(operator("SELECT spark_ops.replay('mill', 'in both lanes', message_id => '$first')"), '8', 'replay: of both lanes');
$bus->comes('mill', 340 + $_, '1,1', "B38: replay in two lanes: key $_") for 1 .. 8;

# ---- money: an operator may pause and go on, mend and retry, and nothing is counted twice
my $town = Town->new($spark);
my $owner = $town->person('owner');
my $donor = $town->person('donor', 100);
my $campaign = $town->campaign($owner, 'A mill');
$spark->wait_until_drained;
operator("SELECT spark_ops.pause_consumer('accounting', 'the books are read')");
my $donation = $town->donate($donor, $campaign, 40, 'a key');
$spark->wait_for("SELECT sum(lag_messages) = 1 FROM spark_ops.bus_status() WHERE consumer = 'accounting'", 'B18: a context that is paused handles nothing');
is($spark->as($donor, "SELECT status FROM spark.donation('$donation')"), 'pending', 'B18: a donation waits');
operator("SELECT spark_ops.resume_consumer('accounting', 'they were read')");
$town->comes($donor, donation => $donation, 'confirmed', 'B18: and is confirmed when it goes on');
$town->books_are_right('B18: paused and resumed');

# ---- operators against a busy worker
my @sessions = map { $spark->node->background_psql($spark->{database}, on_error_stop => 0, extra_params => [ '-U', 'operator' ]) } 1 .. 2;
$bus->listen('busy', 'shop.ground', 1000);
for my $round (1 .. 20)
{
	$bus->breaks('busy', 350 + $round % 5);
	$bus->emit('shop.ground', 350 + $_, $round) for 0 .. 4;
	$bus->mend('busy') if $round % 2;
	for my $session (@sessions)
	{
		$session->query_safe("SELECT spark_ops.retry_all('busy', 'round $round')");
		$session->query("SELECT spark_ops.pause_consumer('busy', 'round $round'); SELECT spark_ops.resume_consumer('busy', 'round $round');");
	}
}
$bus->mend('busy');
$spark->sql("SELECT spark_ops.resume_consumer('busy', 'at last')") if $spark->sql("SELECT count(*) FROM spark_common.paused");
$bus->comes('busy', 350 + $_, join(',', 1 .. 20), "X80: operators against a busy worker: key $_ comes once and in order") for 0 .. 4;
$_->quit for @sessions;

# ---- who and why
is(operator("SELECT string_agg(DISTINCT operator, ',') FROM spark_ops.operations(10000) WHERE operator <> 'postgres'"), 'operator', 'S42: each is put down with who');
is(operator("SELECT string_agg(DISTINCT action, ',') FROM spark_ops.operations(10000)"),
	'pause_consumer,replay,resume_consumer,retry_all,retry_key,set_lanes,unblock_key', 'S42: and what');
is(operator("SELECT reason, consumer, after->>'messages' FROM spark_ops.operations(10000) WHERE action = 'unblock_key'"), 'the rest is urgent|mill|1', 'S42: and why');
is(operator("SELECT reason, after->>'lanes' FROM spark_ops.operations(10000) WHERE action = 'set_lanes' ORDER BY at DESC LIMIT 1"), 'a busy week|2', 'S42: also of the lanes');
is(operator("SELECT count(*) FROM spark_ops.operations(10000) WHERE reason IS NULL"), '0', 'S42: nothing is done without a reason');
is(operator("SELECT after->>'messages' FROM spark_ops.operations(10000) WHERE reason = 'the book was lost'"), '9', 'S42: and how many messages it was about');
is(operator('SELECT bool_and(before) FROM (SELECT at <= lag(at) OVER () AS before FROM spark_ops.operations(50)) t'), 't', 'S42: the newest first');

is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
