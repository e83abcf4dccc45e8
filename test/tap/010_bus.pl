# 010_bus.pl
#		The bus in a running server: what commits comes once and in order, what
#		does not never comes; nothing waits for a stranger; what fails is parked,
#		dies, is mended; servers and workers are killed in between.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(conf => join("\n",
	'max_prepared_transactions = 10',
	'track_commit_timestamp = on',
	'spark.retry_base_delay = 100',
	'spark.retry_max_delay = 1000'));
my $node = $spark->node;
my $bus = Bus->new($spark);

$bus->listen($_, 'shop.sold', 4) for qw(one two three);

# ---- a transaction leaves both or neither
$bus->author('BEGIN; SELECT shop.change(\'' . $bus->key(1) . '\'); ROLLBACK');
$bus->author('BEGIN; SELECT shop.change(\'' . $bus->key(1) . '\'); COMMIT');
$bus->comes('one', 1, '1', 'S41: what commits leaves its message');
is($spark->sql('SELECT count(*) FROM spark_common.outbox WHERE type = \'shop.sold\''), '1', 'S41: what is rolled back leaves none');
is(($bus->try_author('SELECT shop.change(\'' . $bus->key(1) . '\'), 1 / 0'))[0], '22012', 'S41: a statement that fails after its last write');
is($spark->sql('SELECT (SELECT n FROM shop.stock), (SELECT count(*) FROM spark_common.outbox WHERE type = \'shop.sold\')'),
	'1|1', 'S41: leaves neither state nor message');
is(($spark->try_as(undef, "SELECT spark.register('nobody', '$Spark::password'); SELECT 1 / 0"))[0], '22012', 'S41: a command, alone in its statement');
is(($spark->try_as(undef, "BEGIN; SELECT spark.register('ghost', '$Spark::password'); SELECT 1 / 0; COMMIT"))[0], '22012', 'S41: a command of an aborted transaction');
is($spark->sql("SELECT (SELECT string_agg(username, ',') FROM spark_auth.accounts), (SELECT count(*) FROM spark_common.outbox WHERE type = 'auth.signed_up')"),
	'nobody|1', 'S41: state and message of the committed one alone');

# ---- savepoints
my $second = $bus->key(2);
$bus->author(<<"END");
BEGIN;
SELECT shop.change('$second');
SAVEPOINT a; SELECT shop.change('$second'); SELECT shop.change('$second'); ROLLBACK TO a;
SELECT shop.change('$second');
SAVEPOINT b; SELECT shop.change('$second'); RELEASE b;
DO \$\$ BEGIN PERFORM shop.change('$second'); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END \$\$;
SELECT shop.change('$second');
COMMIT;
END
$bus->comes('one', 2, '1,2,3,4', 'B3: a savepoint rolled back takes its messages along, those around it stay in order');
my $nest = join('', map { "SAVEPOINT s$_; SELECT shop.change('$second');" } 1 .. 100);
$bus->author("BEGIN; $nest ROLLBACK TO s51; COMMIT");
$bus->comes('two', 2, join(',', 1 .. 54), 'B3: a hundred nested ones, half of them rolled back');

# ---- isolation levels
my $level_key = 10;
for my $level ('READ UNCOMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	$bus->author("BEGIN ISOLATION LEVEL $level; SELECT shop.change('" . $bus->key(++$level_key) . "'); COMMIT");
	$bus->comes('one', $level_key, '1', "B1: emitted at $level, it comes");
}
is(($bus->try_author('BEGIN READ ONLY; SELECT shop.change(\'' . $bus->key(11) . '\')'))[0], '25006', 'B1: nothing is emitted in a read-only transaction');

# ---- the batch rule: two snapshots
my $older = $bus->session;
my $newer = $bus->session;
$older->query_safe('BEGIN; SELECT pg_current_xact_id()');
$newer->query_safe("BEGIN; SELECT pg_current_xact_id(); SELECT shop.change('" . $bus->key(7) . "'); COMMIT");
$bus->comes('one', 7, '1', 'B2: nobody waits for the older transaction');
$older->query_safe("SELECT shop.change('" . $bus->key(7) . "'); COMMIT");
$bus->comes('one', 7, '1,2', 'B2: the later change has the lower xid and comes second');

$older->query_safe("BEGIN; SELECT shop.change('" . $bus->key(8) . "')");
$bus->emit('shop.sold', 9, $_) for 1 .. 3;
$bus->comes('one', 9, '1,2,3', 'B5: an open transaction that has emitted delays no other message');
is($bus->status('one'), '0 0 0', 'B5: nor does it count as lag');
$older->query_safe('COMMIT');
$bus->comes($_, 8, '1', "B2: of lower sequence but committed later, it is not skipped (consumer $_)") for qw(one two three);

$older->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id(), count(*) FROM shop.stock');
$bus->author("SELECT shop.change('" . $bus->key(7) . "')");
$older->query("SELECT shop.change('" . $bus->key(7) . "')");
like($older->{stderr}, qr/could not serialize/, 'B2: above READ COMMITTED the later one is refused');
$older->{stderr} = '';
$older->query_safe('ROLLBACK');
$bus->comes('one', 7, '1,2,3', 'B2: and leaves no message');

# A stranger: open long, in this database and in another.
$node->safe_psql('postgres', 'CREATE DATABASE strange');
my $stranger = $node->background_psql('strange', on_error_stop => 0);
$stranger->query_safe('CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1); SELECT pg_current_xact_id()');
$older->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id(), count(*) FROM shop.stock');
for my $n (1 .. 5)
{
	$bus->author("SELECT shop.change('" . $bus->key(20) . "') FROM generate_series(1, 50)");
	$bus->comes('three', 20, join(',', 1 .. 50 * $n), "B5: round $n passes by strangers with old snapshots");
}
like($bus->health('snapshot'), qr/^t\|held by pid \d+ \(client backend\)/, 'B45: health names the holder of the oldest snapshot');
$older->query_safe("SELECT spark_bus.emit('shop.sold', '" . $bus->key(21) . "', jsonb_build_object('n', n)) FROM generate_series(1, 500) n; COMMIT");
$bus->comes('two', 21, join(',', 1 .. 500), 'B6: what it emits at its end comes whole and in order');
$stranger->query_safe('ROLLBACK');
$_->quit for $stranger, $older, $newer;

# ---- who asks, and who emits in a handler
$bus->handler('relay', "PERFORM spark_bus.emit('shop.sent', m.aggregate_id, m.payload);");
$bus->subscribe('relay', 'shop.sold');
$bus->listen('sent', 'shop.sent');
my $first = $bus->emit('shop.sold', 30, 1);
$bus->comes('sent', 30, '1', 'a handler emits');
is($spark->sql("SELECT correlation = '$first', causation IS NULL FROM shop.seen WHERE id = '$first' AND consumer = 'relay'"), 't|t',
	'emitted outside a handler: it is its own correlation, without a cause');
is($spark->sql("SELECT correlation = '$first', causation = '$first', id <> '$first' FROM shop.seen WHERE consumer = 'sent' AND key = '" . $bus->key(30) . '\''), 't|t|t',
	'emitted in a handler: the correlation of the handled one, and its id as the cause');
is($spark->sql("SELECT depth FROM spark_common.outbox WHERE type = 'shop.sent' AND aggregateid = '" . $bus->key(30) . '\''), '1', 'one hop from its outside cause');

# ---- prepared transactions
$bus->author("BEGIN; SELECT shop.change('" . $bus->key(40) . "'); PREPARE TRANSACTION 'kept'");
$bus->author("BEGIN; SELECT shop.change('" . $bus->key(41) . "'); PREPARE TRANSACTION 'lost'");
$bus->emit('shop.sold', 42, 1);
$bus->comes('one', 42, '1', 'B4: prepared transactions delay no other');
like($bus->health('prepared'), qr/^f\|.*kept, lost/, 'B45: health names prepared transactions');
$node->restart;
$bus->emit('shop.sold', 42, 2);
$bus->comes('one', 42, '1,2', 'B4: nor after a restart');
is($bus->seen('one', 40), '', 'B4: what is prepared is not delivered');
$bus->author("COMMIT PREPARED 'kept'");
$bus->comes($_, 40, '1', "B4: COMMIT PREPARED wakes nobody, the poll finds it (consumer $_)") for qw(one relay);
$bus->author("ROLLBACK PREPARED 'lost'");
$bus->emit('shop.sold', 42, 3);
$bus->comes('one', 42, '1,2,3', 'B4: later ones come');
is($bus->seen('one', 41), '', 'B4: ROLLBACK PREPARED is never delivered');
like($bus->health('prepared'), qr/^t\|/, 'B45: and then health is content');

# ---- a poison message
$bus->breaks('two', 50);
$bus->emit('shop.sold', 50, $_) for 1 .. 3;
$bus->emit('shop.sold', 51, 1);
$bus->comes('two', 51, '1', 'B14: messages of other keys go on');
$bus->comes($_, 50, '1,2,3', "S49: of three listeners two have run (consumer $_)") for qw(one three);
is($bus->seen('two', 50), '', 'S49: the failing one has not');
$bus->status_becomes('two', '0 2 1', 'S42: after its last attempt it is a dead letter, the others of its key wait');
is($spark->sql("SELECT consumer, type, aggregate_id = '" . $bus->key(50) . "', payload->>'n', attempts, error_code, error_message, first_failed_at < died_at FROM spark_ops.dead_letters()"),
	'two|shop.sold|t|1|4|P0001|not today|t', 'S42: with its error and its attempts');
is($spark->sql('SELECT error_detail LIKE \'%"n": 1%\', error_context LIKE \'%spark consumer "two" handling shop.sold%\' FROM spark_common.dead_letter'), 't|t', 'S42: with detail and context');
is($spark->sql('SELECT count(*), count(due), bool_and(attempts = 0) FROM spark_common.retry WHERE consumer = \'two\''), '2|0|t', 'S46: those behind it are not tried');
is($bus->status('one') . '/' . $bus->status('three'), '0 0 0/0 0 0', 'S49: the other two have nothing parked');
like($bus->health('blocked'), qr/^f\|1 keys wait .*two/, 'B45: health tells of the blocked key');
is($spark->sql("SELECT DISTINCT last_error FROM spark_ops.bus_status() WHERE consumer = 'two' AND last_error IS NOT NULL"), 'not today', 'bus_status tells the last error');

# ---- an operator mends
my $dead = $spark->sql('SELECT message_id FROM spark_ops.dead_letters()');
$bus->emit('shop.sold', 50, 4);
$bus->status_becomes('two', '0 3 1', 'S46: a later one of a dead key waits too');
$node->restart('immediate');
$spark->sql("SELECT spark_ops.retry_dead_letter('$dead', 'two')");
$bus->status_becomes('two', '0 3 1', 'S42: retried and failed again, it dies again');
is($spark->sql('SELECT attempts FROM spark_ops.dead_letters()'), '4', 'S42: its attempts began at 0 again');
$bus->mend('two');
$spark->sql("SELECT spark_ops.mend_dead_letter('$dead', 'two', '{\"n\": 100}', 'a typing error')");
$bus->comes('two', 50, '100,2,3,4', 'B15: mended, it comes before those behind it, over a restart');
is($spark->sql('SELECT string_agg(concat_ws(\' \', operator, action, consumer, reason, before->>\'n\', after->>\'n\'), \', \' ORDER BY at) FROM spark_common.operator_log WHERE consumer IS NOT NULL'),
	'postgres retry two no reason given 1, postgres mend two a typing error 1 100', 'S42: recorded with who and why, before and after');
$bus->status_becomes('two', '0 0 0', 'S42: nothing is left');

$bus->breaks('three', 60);
$bus->emit('shop.sold', 60, $_) for 1 .. 3;
$bus->status_becomes('three', '0 2 1', 'S42: another one dies');
$dead = $spark->sql('SELECT message_id FROM spark_ops.dead_letters()');
$spark->sql('CREATE ROLE olga LOGIN; SELECT spark_ops.grant_operator(\'olga\')');
$bus->mend('three');
$node->safe_psql('postgres', "SELECT spark_ops.drop_dead_letter('$dead', 'three', 'sold by mistake')", extra_params => [ '-U', 'olga' ]);
$bus->comes('three', 60, '2,3', 'B15: dropped, its key opens and the others follow in order');
is($spark->sql('SELECT operator, action, reason FROM spark_common.operator_log ORDER BY at DESC LIMIT 1'), 'olga|drop|sold by mistake', 'S42: the operator is named');

# ---- growing delay, and order behind a message that waits for its retry
$bus->listen('slow', 'shop.slow', 20);
$bus->breaks('slow', 61);
$bus->emit('shop.slow', 61, $_) for 1 .. 2;
my %delays;
while (($delays{attempts} // 0) < 4)
{
	my ($attempts, $delay) = split /\|/, $spark->sql("SELECT attempts, round(extract(epoch FROM due - pg_xact_commit_timestamp(xmin)) * 1000)"
		. " FROM spark_common.retry WHERE consumer = 'slow' AND attempts > 0");
	%delays = (%delays, attempts => $attempts, $attempts < 2 ? 'first' : 'last' => $delay) if defined $attempts;
}
cmp_ok($delays{last}, '>', 100, 'S42 B14: the fourth delay is longer than the first can be');
cmp_ok($delays{last}, '<=', 1000, 'S42 B14: and no longer than spark.retry_max_delay');
$bus->emit('shop.slow', 62, 1);
$bus->comes('slow', 62, '1', 'S46: others flow while it waits for its retry');
is($bus->seen('slow', 61), '', 'S46: nothing of its key overtakes');
$bus->mend('slow');
$bus->comes('slow', 61, '1,2', 'S46: in the order of the changes, once it can be handled');
$bus->status_becomes('slow', '0 0 0', 'S42: and nothing is left');

# ---- what cannot be understood
my $strange = $bus->key(70);
my @bad = (
	[ 'accounting.request_transfer', '{"amount_msat": "much"}', 'a command with wrong fields' ],
	[ 'accounting.request_transfer', '{}', 'a command without its fields' ],
	[ 'auth.signed_up', '{"username": {"deep": [[[[[[]]]]]]}}', 'an event with wrong fields' ],
	[ 'accounting.pickle', '{"__class__": "os.system", "args": ["true"]}', 'a command of unknown type' ]);
my $in_log = $spark->sql('SELECT count(*) FROM spark_common.outbox');
for ('accounting.pickle', 'auth.signed_upp', 'dashboard', 'bitcoin.')
{
	my ($sqlstate, $said) = $spark->try_sql("SELECT spark_bus.emit('$_', '$strange', '{}')");
	is($sqlstate, 'SP001', "S43: a type that no context of spark has is refused: $_");
	like($said, qr/names no message.*\Q$_\E/s, 'and named');
}
is($spark->sql("SELECT count(*) - $in_log FROM spark_common.outbox"), '0', 'S43: and nothing of them is in the log');
for (@bad)
{
	my ($type, $payload, $name) = @$_;
	if ($type eq 'accounting.pickle')
	{
		# As a later version may have left it there.
		$spark->sql("INSERT INTO spark_common.outbox_0_0 (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, destination, depth, created_at)"
			. " SELECT nextval('spark_common.outbox_0_seq'), pg_current_xact_id(), gen_random_uuid(), 'accounting', '$strange', '$type', '$payload', 1, gen_random_uuid(), 'accounting', 0, now()");
	}
	else
	{
		$spark->sql("SELECT spark_bus.emit('$type', '$strange', '$payload')");
	}
	$spark->wait_for("SELECT count(*) >= 1 AND bool_and(attempts = 1 AND error_code = 'SP001') FROM spark_ops.dead_letters() WHERE type = '$type' AND aggregate_id = '$strange'",
		"S43: $name becomes a dead letter of its listener at once (D10)");
	$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'tested') FROM spark_ops.dead_letters()");
	$spark->wait_for('SELECT sum(dead + parked) = 0 FROM spark_ops.bus_status()');
}
$spark->sql("INSERT INTO spark_common.outbox_0_0 (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, destination, depth, created_at)"
	. " SELECT nextval('spark_common.outbox_0_seq'), pg_current_xact_id(), gen_random_uuid(), 'account', '$strange', 'auth.signed_up', '{\"username\": \"x\"}', 99, gen_random_uuid(), NULL, 0, now()");
$spark->wait_for("SELECT count(*) > 0 FROM spark_ops.dead_letters() WHERE type = 'auth.signed_up'", 'S51: an unknown schema version becomes a dead letter (D22)');
my $alice = $spark->sign_up('alice');
$spark->wait_for('SELECT username = \'alice\' FROM spark.dashboard()', 'S43: others go on meanwhile', $alice);
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'tested') FROM spark_ops.dead_letters()");
$spark->wait_until_drained('S43: and all is well again');
is($spark->sql("SELECT count(*) FROM spark_common.outbox WHERE jsonb_typeof(payload) <> 'object' OR schemaversion < 1 OR type IS NULL"), '0',
	'S51: every payload is a JSON object with a schema version');

# ---- the fence: a second worker on the same batch
my $rival = $node->background_psql('postgres', on_error_stop => 0);
$rival->query_safe("BEGIN; LOCK TABLE shop.failing IN ACCESS EXCLUSIVE MODE; INSERT INTO spark_common.cursor_log"
	. " SELECT consumer, lane, gen + 1, s1, q1, n1, s2, q2, n2, pos, now() FROM spark_common.cursor_log WHERE consumer = 'slow' ORDER BY gen DESC LIMIT 1");
$bus->emit('shop.slow', 80, 1);
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event_type = 'Lock' AND wait_event = 'relation'");
$rival->query_safe('COMMIT');
$bus->comes('slow', 80, '1', 'B27: two workers forced onto one batch: one fails on the key of the cursor, the effect is single');
$rival->quit;

# ---- wide transaction ids
$node->stop;
command_ok([ 'pg_resetwal', '--epoch=7', '-D', $node->data_dir ], 'the cluster is made to have used up six times 2^32 transactions');
$node->start;
$bus->emit('shop.sold', 90, $_) for 1 .. 3;
$bus->comes($_, 90, '1,2,3', "B7: snapshots above 2^32 (consumer $_)") for qw(one two);
cmp_ok($spark->sql('SELECT pg_snapshot_xmax(s1) FROM spark_common.cursor_log WHERE consumer = \'one\' ORDER BY gen DESC LIMIT 1'), '>', 7 * 2**32, 'B7: are kept whole');
$bus->author("SELECT shop.change('" . $bus->key(7) . "')");
$bus->comes('one', 7, '1,2,3,4', 'B7: an old key goes on');

# ---- the end
$spark->wait_until_drained('all is drained');
is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
