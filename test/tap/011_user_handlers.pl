# 011_user_handlers.pl
#		Handlers of others, with a running worker: who may subscribe what, where a
#		consumer starts and ends, what a handler may do and what is left of it, and
#		what becomes of the others when one fails, loops, sleeps or is missing.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;
use Town;

my $spark = Spark->start(lanes => 'some', conf => join("\n",
	'spark.retry_base_delay = 100',
	'spark.retry_max_delay = 1000',
	'spark.handler_timeout = 1000',
	'deadlock_timeout = 200'));
my $node = $spark->node;
my $bus = Bus->new($spark);
my $database = $spark->{database};

sub refused
{
	my ($code, $sql, $name) = @_;
	my ($sqlstate, $said) = $bus->try_author($sql);
	is($sqlstate, $code, $name) or diag($said);
	return;
}

# ---- who may subscribe what
$bus->listen('first', 'shop.sold');
$spark->sql("CREATE ROLE passer LOGIN; GRANT USAGE ON SCHEMA shop TO passer");
is(($node->psql($database, "SELECT spark_bus.emit('a.b', gen_random_uuid(), '{}')", extra_params => [ '-U', 'passer' ]))[0], 3, 'who is no author may not even emit');
$spark->sql("SELECT spark_bus.grant_author('passer'), spark_bus.grant_author('passer')");
is($node->safe_psql($database, "SELECT spark_bus.emit('a.b', gen_random_uuid(), '{}') IS NOT NULL", extra_params => [ '-U', 'passer' ]), 't', 'an author may');
for my $type ('accounting.request_transfer', 'auth.signed_up', 'bitcoin.invented', 'accounting')
{
	refused('SP004', "SELECT spark_bus.emit('$type', gen_random_uuid(), '{}')", "an author does not emit $type");
}

$bus->author(<<'END');
CREATE FUNCTION shop.nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION shop.other(text) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION shop.more(spark_bus.message, text DEFAULT '') RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION shop.number(spark_bus.message) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION shop.many(spark_bus.message) RETURNS SETOF void LANGUAGE sql AS '';
CREATE PROCEDURE shop.proc(spark_bus.message) LANGUAGE sql AS '';
END
refused('SP001', "SELECT spark_bus.subscribe('c', 'shop.x', 'shop.$_')", "$_ is of a wrong signature") for qw(nothing other more number many proc);
refused('42883', "SELECT spark_bus.subscribe('c', 'shop.x', 'shop.absent')", 'a function must be there');
refused('SP001', "SELECT spark_bus.subscribe('c', 'shop.x', 0::regproc)", 'a number that is no function');
$spark->sql('CREATE SCHEMA closed; CREATE FUNCTION closed.f(m spark_bus.message) RETURNS void LANGUAGE sql AS \'\'');
refused('SP004', "SELECT spark_bus.subscribe('c', 'shop.x', (SELECT oid::regproc FROM pg_proc WHERE proname = 'f' AND pronamespace = 'closed'::regnamespace))",
	'what the caller may not execute is no handler of his');
for (
	[ 'SP001', "NULL, 'shop.x', 'shop.first'", 'no consumer' ], [ 'SP001', "'', 'shop.x', 'shop.first'", 'an empty consumer' ],
	[ 'SP001', "repeat('x', 64), 'shop.x', 'shop.first'", 'a consumer with too long a name' ],
	[ 'SP001', "'c', NULL, 'shop.first'", 'no type' ], [ 'SP001', "'c', '', 'shop.first'", 'an empty type' ],
	[ 'SP001', "'c', 'shop.x', NULL", 'no handler' ], [ 'SP001', "'c', 'shop.x', 'shop.first', NULL", 'no attempts' ],
	[ 'SP001', "'c', 'shop.x', 'shop.first', 0", 'zero attempts' ], [ 'SP001', "'c', 'shop.x', 'shop.first', 3, NULL", 'no kind' ],
	[ 'SP001', "'c', 'shop.x', 'shop.first', 3, 'query'", 'an unknown kind' ],
	[ 'SP010', "'accounting', 'shop.x', 'shop.first'", 'the name of a context' ],
	[ 'SP010', "'c', 'accounting.request_transfer', 'shop.first'", 'a command of a context as an event' ],
	[ 'SP010', "'c', 'accounting.request_transfer', 'shop.first', 3, 'command'", 'a second handler of a command of a context' ],
	[ 'SP010', "'c', 'auth.signed_up', 'shop.first', 3, 'command'", 'an event of a context as a command' ],
	[ 'SP010', "'c', 'shop.sold', 'shop.first', 3, 'command'", 'an event of others as a command' ],
	[ 'SP010', "'first', 'shop.sold', 'shop.first', 3, 'command'", 'its own event as a command' ])
{
	refused($_->[0], "SELECT spark_bus.subscribe($_->[1])", "subscribe: $_->[2]");
}
$bus->handler($_) for qw(taker rival);
$bus->author("SELECT spark_bus.subscribe('taker', 'shop.order', 'shop.taker', kind => 'command')");
refused('SP010', "SELECT spark_bus.subscribe('rival', 'shop.order', 'shop.rival', kind => 'command')", 'a command has one handler');
refused('SP010', "SELECT spark_bus.subscribe('rival', 'shop.order', 'shop.rival')", 'and is no event');
$bus->author("SELECT spark_bus.subscribe('taker', 'shop.order', 'shop.taker', kind => 'command')");
$bus->emit('shop.order', 1, 1);
$bus->comes('taker', 1, '1', 'a command comes to its handler');
is($spark->sql("SELECT destination FROM spark_common.outbox WHERE type = 'shop.order'"), 'taker', 'and is addressed to it');
$spark->sql('GRANT EXECUTE ON FUNCTION shop.first TO passer');
my ($sqlstate) = $spark->try_sql("SET SESSION AUTHORIZATION passer; SELECT spark_bus.subscribe('first', 'shop.x', 'shop.first')");
is($sqlstate, 'SP004', 'another role adds nothing to a consumer');
($sqlstate) = $spark->try_sql("SET SESSION AUTHORIZATION passer; SELECT spark_bus.unsubscribe('first', 'shop.sold')");
is($sqlstate, 'SP004', 'and takes nothing away');

# ---- where a consumer starts
$bus->emit('shop.started', 2, 1);
my $open = $bus->session;
my $frozen = $bus->session;
$open->query_safe('BEGIN; SELECT ' . $bus->emission('shop.started', 2, 9));
$frozen->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$bus->emit('shop.started', 2, 2);
$bus->handler($_) for qw(starter icy thawed);
$bus->author("SELECT spark_bus.subscribe('thawed', 'shop.started', 'shop.thawed')");
my $frozen_later = $bus->session;
$frozen_later->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$bus->author("SELECT spark_bus.unsubscribe('thawed', 'shop.started')");
$frozen_later->query_safe("SELECT spark_bus.subscribe('thawed', 'shop.started', 'shop.thawed'); COMMIT");
$frozen_later->quit;
$bus->author('BEGIN; SELECT ' . $bus->emission('shop.started', 2, 3) . "; SELECT spark_bus.subscribe('starter', 'shop.started', 'shop.starter'); SELECT "
	. $bus->emission('shop.started', 2, 4) . '; COMMIT');
$frozen->query_safe("SELECT spark_bus.subscribe('icy', 'shop.started', 'shop.icy'); COMMIT");
$bus->emit('shop.started', 2, 5);
$bus->comes('starter', 2, '3,4,5', 'B3: a new consumer starts with what commits together with its subscribe, or after');
$open->query_safe('COMMIT');
$bus->comes('starter', 2, '3,4,5,9', 'also with what was emitted before and commits after');
$bus->comes('icy', 2, '5,9', 'subscribed with an old snapshot, too, it starts now');
$bus->comes('thawed', 2, '3,4,5,9', 'also one that another has unsubscribed since that snapshot');
$bus->emit('shop.later', 2, 6);
$bus->author("SELECT spark_bus.subscribe('starter', 'shop.later', 'shop.starter')");
$bus->emit('shop.later', 2, 7);
$bus->comes('starter', 2, '3,4,5,9,7', 'a type added later comes from where the consumer then is');
$_->quit for $open, $frozen;

# What must see who reads what now does not go by an old snapshot: who ends so would leave a cursor behind.
refused('25001', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT spark_bus.unsubscribe('icy', 'shop.started')", 'nobody unsubscribes with an old snapshot');

# ---- replaced, and ended
$bus->handler('better');
$bus->author("SELECT spark_bus.subscribe('first', 'shop.sold', 'shop.better')");
$bus->emit('shop.sold', 3, 1);
$bus->comes('better', 3, '1', 'subscribed again, the handler is replaced');
is($bus->seen('first', 3), '', 'by the new one alone');
$bus->author("SELECT spark_bus.subscribe('first', 'shop.sold', 'shop.first', 2)");
refused('SP002', "SELECT spark_bus.unsubscribe('nobody', 'shop.sold')", 'unsubscribe: an unknown consumer');
refused('SP002', "SELECT spark_bus.unsubscribe('first', 'shop.x')", 'unsubscribe: an unknown type');
refused('SP001', "SELECT spark_bus.unsubscribe(NULL, 'shop.x')", 'unsubscribe: no consumer');
refused('SP001', "SELECT spark_bus.unsubscribe('first', NULL)", 'unsubscribe: no type');
refused('SP010', "SELECT spark_bus.unsubscribe('accounting', 'auth.signed_up')", 'unsubscribe: a context');
$bus->author("SELECT spark_bus.subscribe('first', 'shop.kept', 'shop.first', 2)");
$bus->breaks('first', 4);
$bus->emit('shop.sold', 4, 1);
$bus->status_becomes('first', '0 0 1', 'replaced with fewer attempts, it dies after those');
$bus->emit('shop.kept', 4, 2);
$bus->emit('shop.sold', 4, 3);
$bus->status_becomes('first', '0 2 1', 'B15: two wait behind');
refused('SP010', "SELECT spark_bus.unsubscribe('first', 'shop.sold')", 'unsubscribe is refused while messages are parked or dead');
$bus->mend('first');
$bus->author("SELECT spark_bus.unsubscribe('first', 'shop.sold', discard => true, reason => 'the shop is closed')");
is($spark->sql("SELECT operator, consumer, reason, before FROM spark_common.operator_log WHERE action = 'discard'"),
	'author|first|the shop is closed|{"dead": 1, "type": "shop.sold", "parked": 1}', 'which is recorded with who and why');
$bus->comes('first', 4, '2', 'unless they are discarded, and that opens the key to the others');
$bus->status_becomes('first', '0 0 0', 'nothing is left');
$bus->emit('shop.sold', 4, 4);
$bus->emit('shop.kept', 4, 5);
$bus->comes('first', 4, '2,5', 'what is not subscribed any more does not come');

# A command on its way when its handler goes: the consumer has another type still.
$bus->author("SELECT spark_bus.subscribe('taker', 'shop.note', 'shop.taker')");
$bus->author('BEGIN; SELECT ' . $bus->emission('shop.order', 5, 1) . "; SELECT spark_bus.unsubscribe('taker', 'shop.order'); COMMIT");
$bus->emit('shop.note', 5, 2);
$bus->comes('taker', 5, '2', 'a command that was addressed to a consumer is not its own once it has unsubscribed');
$bus->author("SELECT spark_bus.unsubscribe('taker', 'shop.note')");
$spark->wait_for("SELECT NOT EXISTS (SELECT FROM spark_ops.bus_status() WHERE consumer = 'taker')", 'the last type gone, the consumer is gone');
for my $round (1 .. 3)
{
	$bus->author("SELECT spark_bus.subscribe('taker', 'shop.note', 'shop.taker')");
	$bus->emit('shop.note', 6, $round);
	$bus->comes('taker', 6, join(',', 1 .. $round), "it comes and goes: round $round");
	$bus->author("SELECT spark_bus.unsubscribe('taker', 'shop.note')");
}

# ---- as whom, and what is left of it
$bus->listen('plain', 'shop.done', 3);
$bus->emit('shop.done', 10, 1);
$bus->comes('plain', 10, '1');
is($spark->sql("SELECT role, path FROM shop.seen WHERE consumer = 'plain'"), 'author|public, pg_temp', 'a handler runs as its role, with search_path public');
$spark->sql(<<'END');
CREATE TABLE shop.paths (path text);
CREATE FUNCTION shop.note_path() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO shop.paths VALUES (current_setting(''search_path'')); RETURN NEW; END';
CREATE TRIGGER note_path BEFORE INSERT ON spark_common.retry FOR EACH ROW EXECUTE FUNCTION shop.note_path()
END
$bus->listen('lost', 'shop.done', 3);
$bus->breaks('lost', 9);
$bus->emit('shop.done', 9, 1);
$spark->wait_for('SELECT EXISTS (SELECT FROM shop.paths)', 'its worker parks what fails');
is($spark->sql('SELECT DISTINCT path FROM shop.paths'), 'pg_catalog, pg_temp', 'spark itself looks nothing up there, in the same worker');
$spark->sql('DROP FUNCTION shop.note_path() CASCADE');
$bus->author("SELECT spark_bus.unsubscribe('lost', 'shop.done', discard => true, reason => 'found')");
$spark->sql("GRANT USAGE ON SCHEMA spark_ops TO author; GRANT EXECUTE ON FUNCTION spark_ops.replay TO author");
my @naughty = (
	[ 'SET work_mem = \'77MB\'', '', 'SET' ], [ 'SET LOCAL work_mem = \'77MB\'', '', 'SET LOCAL' ],
	[ 'PERFORM set_config(\'work_mem\', \'77MB\', false)', '', 'set_config' ],
	[ 'SET transaction_read_only = on', '25006', 'SET transaction_read_only' ],
	[ 'SET ROLE passer', '42501', 'SET ROLE' ], [ 'SET SESSION AUTHORIZATION author', '42501', 'SET SESSION AUTHORIZATION' ],
	[ 'RESET ROLE', '42501', 'RESET ROLE' ],
	[ 'CREATE TEMP TABLE mine (a int)', '42501', 'a temporary table' ], [ 'EXECUTE \'PREPARE p AS SELECT 1\'', '42501', 'PREPARE' ],
	[ 'COMMIT', '2D000', 'COMMIT' ], [ 'ROLLBACK', '2D000', 'ROLLBACK' ], [ 'EXECUTE \'LISTEN x\'', '(42501|0A000)', 'LISTEN' ],
	[ 'PERFORM spark_bus.dispatch()', 'SP010', 'dispatch' ], [ "PERFORM spark_bus.unsubscribe('plain', 'shop.done')", 'SP010', 'unsubscribe' ],
	[ "PERFORM spark_ops.replay('plain', 'again', since => now() - interval '1 hour')", 'SP010', 'replay' ],
	[ 'PERFORM 1 / 0', '22012', 'an error of its own' ], [ 'LOOP NULL; END LOOP', '57014', 'an endless loop' ],
	[ 'PERFORM pg_sleep(60)', '57014', 'a long sleep' ]);
my $key = 10;
for (@naughty)
{
	my ($act, $code, $name) = @$_;
	$key++;
	$bus->handler('plain', "IF (m.payload->>'n')::int = 1 THEN $act; END IF;");
	$bus->emit('shop.done', $key, $_) for 1 .. 2;
	$bus->emit('shop.done', 1000 + $key, 2);
	$bus->comes('plain', 1000 + $key, '2', "B23: $name in a handler: others go on");
	if ($code eq '')
	{
		$bus->comes('plain', $key, '1,2', "B23: $name is its own affair");
	}
	else
	{
		$bus->status_becomes('plain', '0 1 1', "B23: $name ends in a dead letter");
		like($spark->sql("SELECT error_code FROM spark_ops.dead_letters()"), qr/^$code$/, "B23: with $code");
		$bus->handler('plain');
		$spark->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
		$bus->comes('plain', $key, '1,2', 'B15: mended, both come in order');
	}
	$bus->status_becomes('plain', '0 0 0');
}
$bus->handler('plain', "IF current_setting('work_mem') = '77MB' THEN RAISE 'it leaks'; END IF;");
$bus->emit('shop.done', 40, 1);
$bus->comes('plain', 40, '1', 'B23: no setting of one call reaches the next');
$bus->handler('plain', 'SET work_mem = \'77MB\'; IF (m.payload->>\'n\')::int = 2 THEN PERFORM pg_advisory_lock(4711); END IF;');
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.done', 41, $_) } 1 .. 3));
$bus->comes('plain', 41, '1,2,3');
$spark->wait_for("SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711)", 'B23: no advisory lock outlives the call for long');
is(($bus->try_author('SELECT 1'))[0], '', 'B23: the server lives');

# What one call leaves open is not in the way of the next.
$bus->handler('plain', q{DECLARE own CURSOR FOR SELECT 1; BEGIN OPEN own; END;});
my $before_cursors = -s $node->logfile;
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.done', 42, $_) } 1 .. 5));
$bus->comes('plain', 42, '1,2,3,4,5', 'B23: a cursor that is left open ends with its call');
unlike(slurp_file($node->logfile, $before_cursors), qr/attempt \d+ of spark consumer "plain" failed/, 'B23: and none of the others fails of it');

# What its role may see is said by the policies, as in a session of that role.
$spark->sql(<<'END');
CREATE TABLE shop.shelf (owner text, moved boolean); ALTER TABLE shop.shelf ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.shelf USING (owner = current_user); GRANT ALL ON shop.shelf TO author;
INSERT INTO shop.shelf VALUES ('author'), ('passer');
END
$bus->handler('plain', 'UPDATE shop.shelf SET moved = true;');
$bus->emit('shop.done', 43, 1);
$bus->comes('plain', 43, '1', 'B23: a handler works with tables that have policies');
is($spark->sql('SELECT owner, moved FROM shop.shelf ORDER BY owner'), "author|t\npasser|", 'B23: which hold for its role, as in a session');

# Deferred constraints, which would run as the worker.
$bus->author(<<'END');
CREATE TABLE shop.parent (id int PRIMARY KEY);
CREATE TABLE shop.child (id int, parent int REFERENCES shop.parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION shop.who() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.parent VALUES (99); RETURN NEW; END $$;
CREATE TABLE shop.trapped (id int);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON shop.trapped DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.who();
END
$key = 50;
for my $act ('INSERT INTO shop.child VALUES (1, 4711)', 'INSERT INTO shop.trapped VALUES (1)')
{
	$key++;
	$bus->handler('plain', "IF (m.payload->>'n')::int = 1 THEN $act; END IF;");
	$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.done', $_, $_ - $key + 1) } $key .. $key + 100));
	$spark->wait_for("SELECT count(*) = 100 FROM shop.seen WHERE consumer = 'plain' AND key BETWEEN '" . $bus->key($key + 1) . "' AND '" . $bus->key($key + 100) . '\'',
		'B17: a deferred constraint or trigger: of a hundred others none is parked');
	$bus->status_becomes('plain', '0 0 1', 'B17: only its message is');
	is($spark->sql('SELECT error_code FROM spark_ops.dead_letters()'), '42501', 'B17: with 42501');
	$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'tested') FROM spark_ops.dead_letters()");
	$key += 100;
}
is($spark->sql('SELECT count(*) FROM shop.parent'), '0', 'B23: nothing of it ran');

# ---- missing
my $number = 0;
sub pauses
{
	my ($break, $mend, $why, $name) = @_;
	$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.done', 300, ++$number) } 1 .. 2));
	$bus->comes('plain', 300, join(',', 1 .. $number));
	$spark->sql($break);
	$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.done', 300, ++$number) } 1 .. 2));
	$bus->emit('shop.kept', 300, $number);
	$bus->comes('first', 300, join(',', map { 2 + 4 * $_ + 2 } 0 .. ($number / 4 - 1)), "B18: $name: others never notice");
	$spark->wait_for("SELECT NOT ok AND detail ~ 'plain: $why' FROM spark_ops.health() WHERE check_name = 'paused'", "B18: $name: health says why the consumer pauses");
	is($bus->status('plain'), '2 0 0', "B18: $name: nothing is parked, the cursor stays");
	$spark->sql($mend);
	$bus->comes('plain', 300, join(',', 1 .. $number), "B18: $name: it goes on by itself");
	$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'paused'", 'B18: and health is content');
	return;
}
$bus->handler('plain');
my $definition = $spark->sql("SELECT pg_get_functiondef('shop.plain'::regproc)");
pauses('DROP FUNCTION shop.plain', "$definition; ALTER FUNCTION shop.plain OWNER TO author", 'function shop.plain', 'a dropped handler');
pauses('REVOKE EXECUTE ON FUNCTION shop.plain FROM author, PUBLIC', 'GRANT EXECUTE ON FUNCTION shop.plain TO author', 'role author may not call', 'a revoked right');

# A role that is gone: a consumer of another role's.
$spark->sql("GRANT INSERT ON shop.seen TO passer; GRANT USAGE ON SEQUENCE shop.seen_place_seq TO passer;"
	. " CREATE FUNCTION shop.guest(m spark_bus.message) RETURNS void LANGUAGE sql AS \$\$ INSERT INTO shop.seen (consumer, key, n) VALUES ('guest', m.aggregate_id, (m.payload->>'n')::int) \$\$;"
	. " SET SESSION AUTHORIZATION passer; SELECT spark_bus.subscribe('guest', 'shop.done', 'shop.guest')");
$spark->sql('ALTER ROLE passer RENAME TO gone');
$bus->emit('shop.done', 301, 1);
$bus->comes('plain', 301, '1', 'B18: a role that is gone: others never notice');
$spark->wait_for("SELECT NOT ok AND detail ~ 'guest: role passer is missing' FROM spark_ops.health() WHERE check_name = 'paused'", 'B18: health names the role');
is($bus->status('guest'), '1 0 0', 'B18: nothing is parked');
refused('SP004', "SELECT spark_bus.unsubscribe('guest', 'shop.done', true)", 'B18: nor can any other author end it');
refused('SP004', "SELECT spark_bus.subscribe('guest', 'shop.done', 'shop.plain')", 'B18: or take it over');
$spark->sql('ALTER ROLE gone RENAME TO passer');
$bus->comes('guest', 301, '1', 'B18: it goes on by itself');
$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'paused'", 'B18: and health is content');

# ---- all fail for one reason
sub in_batches
{
	my ($consumer, $from, $to) = @_;
	return "(SELECT count(DISTINCT key) FROM shop.seen WHERE consumer = '$consumer' AND key BETWEEN '" . $bus->key($from) . "' AND '" . $bus->key($to) . "')";
}
$bus->listen('bulk', 'shop.bulk');
$bus->breaks('bulk', undef);
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.bulk', $_, 1) } 400 .. 479));
$spark->wait_for("SELECT NOT ok AND detail ~ 'bulk: not today' FROM spark_ops.health() WHERE check_name = 'paused'", 'B20: all messages fail for one reason: the consumer pauses');
$bus->emit('shop.done', 302, 1);
$bus->comes('plain', 302, '1', 'B20: others go on');
$spark->wait_for("SELECT max(due) > (SELECT max(first_failed_at) + interval '3 s' FROM spark_common.retry WHERE consumer = 'bulk') FROM spark_common.retry WHERE consumer = 'bulk'",
	'B20: it looks again');
is($spark->sql("SELECT sum(parked) <= 20, sum(lag_messages) >= 60, sum(dead) FROM spark_ops.bus_status() WHERE consumer = 'bulk'"), 't|t|0', 'B20: at most 20 are parked');
$bus->mend('bulk');
$spark->wait_for('SELECT 80 = ' . in_batches('bulk', 400, 479), 'B20: mended, it goes on by itself and handles all');
$bus->status_becomes('bulk', '0 0 0', 'B20: and nothing is left');

# Many bad ones in a row, but others behind them are good.
$bus->subscribe('bulk', 'shop.bulk', 3);
$bus->breaks('bulk', $_) for 500 .. 549;
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.bulk', $_, 1) } 500 .. 559));
$spark->wait_for('SELECT 10 = ' . in_batches('bulk', 500, 559), 'B14: fifty bad ones in a row do not bar the way for ever');
$bus->mend('bulk');
$spark->wait_for("SELECT bool_and(lag_messages + parked = 0) FROM spark_ops.bus_status() WHERE consumer = 'bulk'");
$spark->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
$spark->wait_for('SELECT 60 = ' . in_batches('bulk', 500, 559), 'B14: mended, these come too');
$bus->status_becomes('bulk', '0 0 0');

# So many keys at once: broken, and with one message of that number each.
sub keys_between { return "(SELECT ('00000000-0000-7000-8000-' || lpad(k::text, 12, '0'))::uuid AS key FROM generate_series($_[0], $_[1]) k) keys"; }
sub break_keys { return "INSERT INTO shop.failing SELECT 'bulk', key, 'P0001' FROM " . keys_between(@_); }
sub emit_keys { my ($n, @between) = @_; return "SELECT count(spark_bus.emit('shop.bulk', key, '{\"n\": $n}')) FROM " . keys_between(@between); }

# Twenty that fail alike, one more behind each, all in one window.
$bus->author('BEGIN; ' . break_keys(600, 619) . '; ' . emit_keys(1, 600, 619) . '; ' . emit_keys(2, 600, 619) . '; COMMIT');
$bus->status_becomes('bulk', '0 20 20', 'B14: twenty heads that fail alike are counted to their death, those behind wait');
is($spark->sql("SELECT string_agg(DISTINCT attempts::text, ',') FROM spark_common.dead_letter WHERE consumer = 'bulk'"), '3', 'B14: after all their attempts');
$bus->emit('shop.bulk', 620, 1);
$bus->comes('bulk', 620, '1', 'B14: and a good key of a later window comes');
$bus->mend('bulk');
$spark->sql("SELECT spark_ops.retry_all('bulk', 'mended')");
$bus->comes('bulk', $_, '1,2', "B15: mended, both come in order ($_)") for 600, 619;
$bus->status_becomes('bulk', '0 0 0', 'B15: and nothing is left');

# As many as a window may have: none is blamed until another succeeds, in its lane.
$bus->subscribe('bulk', 'shop.bulk', 1);
$bus->author('BEGIN; ' . break_keys(1000, 2199) . '; ' . emit_keys(1, 1000, 2199) . '; COMMIT');
$spark->wait_for("SELECT NOT ok AND detail ~ 'bulk: not today' FROM spark_ops.health() WHERE check_name = 'paused'", 'B20: twelve hundred fail alike: the consumer pauses');
cmp_ok($spark->sql("SELECT sum(parked + dead) FROM spark_ops.bus_status() WHERE consumer = 'bulk'"), '<=', 20, 'B20: and at most 20 are blamed');
$bus->author(emit_keys(1, 2200, 2239));
$spark->wait_for('SELECT 40 = ' . in_batches('bulk', 2200, 2239), 'B14: good keys of a later window come');
$bus->status_becomes('bulk', '0 0 1200', 'B14: each of the others is dead for itself');
$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'paused'", 'B20: and the consumer does not pause');
$bus->mend('bulk');
$bus->author("SELECT spark_bus.unsubscribe('bulk', 'shop.bulk', true)");

# ---- for the environment, or for a rival: no message is blamed
for my $code ('53100', '58030', 'XX001')
{
	$number++;
	$bus->breaks('plain', undef, $code);
	$bus->emit('shop.done', 303, $number);
	$spark->wait_for("SELECT NOT ok AND detail ~ 'plain: not today' FROM spark_ops.health() WHERE check_name = 'paused'", "B19: $code is of the environment: the consumer pauses");
	is($bus->status('plain'), '1 0 0', 'B19: no message is blamed');
	$bus->mend('plain');
	$bus->status_becomes('plain', '0 0 0', 'B19: afterwards it goes on');
}
my $times = 0;
for my $code ('40001', '40P01', '55P03')
{
	my $log = -s $node->logfile;
	$bus->author('CREATE SEQUENCE shop.tries');
	$bus->handler('plain', "IF nextval('shop.tries') <= 4 THEN RAISE EXCEPTION 'a rival' USING ERRCODE = '$code'; END IF;");
	$bus->author('SELECT ' . $bus->emission('shop.done', 304, ++$times));
	$bus->comes('plain', 304, join(',', 1 .. $times), "B24: $code four times in a row is tried again at once");
	unlike(slurp_file($node->logfile, $log), qr/(attempt \d+ of spark consumer "plain" failed|sets a message aside)/, "B24: and $code is no attempt");
	$bus->handler('plain');
	$bus->author('DROP SEQUENCE shop.tries');
}

# The same at the retry of a context's message: two failures of its own, in the batch and alone, then a rival.
$spark->sql(<<'END');
CREATE SEQUENCE public.openings;
CREATE FUNCTION public.fail_opening() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	opening bigint := nextval('public.openings');
BEGIN
	IF opening <= 2 THEN
		RAISE 'not yet';
	ELSIF opening <= 6 THEN
		RAISE 'a rival' USING ERRCODE = '40001';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER fail_opening BEFORE INSERT ON spark_accounting.accounts FOR EACH ROW EXECUTE FUNCTION public.fail_opening();
END
my $before_opening = -s $node->logfile;
$spark->sign_up('retried');
$spark->wait_for('SELECT last_value = 7 FROM public.openings', "B24: a context's message that was parked is tried again at once, too");
$spark->wait_until_drained;
$spark->sql('DROP TRIGGER fail_opening ON spark_accounting.accounts');
like(slurp_file($node->logfile, $before_opening), qr/attempt 1 of spark consumer "accounting" failed/, 'B24: its own failure is an attempt');
unlike(slurp_file($node->logfile, $before_opening), qr/attempt 2 of spark consumer "accounting" failed/, 'B24: and that of a rival is none');

# ---- one message that always fails for what is no message's fault holds up its key alone
my %code_of = (700 => '40001', 701 => '40P01', 702 => '55P03', 703 => '53100', 704 => '53200', 705 => '53300', 706 => '53400', 707 => '58030', 708 => 'XX001');
$bus->subscribe('bulk', 'shop.bulk', 3);
$bus->breaks('bulk', $_, $code_of{$_}) for keys %code_of;
$bus->author('BEGIN; ' . emit_keys(1, 700, 748) . '; ' . emit_keys(2, 700, 748) . '; COMMIT');
$bus->comes('bulk', 709, '1,2', 'B19 B24: a message that always fails in a class of its own: other keys go on');
$bus->status_becomes('bulk', '0 16 2', 'B19 B24: the keys of such messages wait');
for my $key (sort keys %code_of)
{
	my ($attempts, $table, $name) = $code_of{$key} =~ /^40/ ? (3, 'dead_letter', 'that goes on and on is an attempt') : (0, 'retry', 'is never counted');
	is($spark->sql("SELECT attempts, error_code FROM spark_common.$table WHERE consumer = 'bulk' AND error_code IS NOT NULL"
		. " AND aggregateid = '" . $bus->key($key) . "'"), "$attempts|$code_of{$key}", "B19 B24: $code_of{$key} $name");
}
$bus->mend('bulk');
$spark->sql("SELECT spark_ops.retry_all('bulk', 'mended')");
$bus->comes('bulk', $_, '1,2', "B19 B24: mended, both come in order ($code_of{$_})") for sort keys %code_of;
$bus->status_becomes('bulk', '0 0 0', 'B19 B24: and nothing is left');

# All of them alike: it is the consumer.
$bus->breaks('bulk', undef, '40001');
$bus->author(emit_keys(1, 760, 799));
$spark->wait_for("SELECT NOT ok AND detail ~ 'bulk: not today' FROM spark_ops.health() WHERE check_name = 'paused'", 'B20 B24: all keys fail for a rival, again and again: the consumer pauses');
cmp_ok($spark->sql("SELECT sum(parked + dead) FROM spark_ops.bus_status() WHERE consumer = 'bulk'"), '<=', 20, 'B20 B24: and at most 20 are blamed');
$bus->mend('bulk');
$spark->wait_for("SELECT sum(lag_messages + parked) = 0 FROM spark_ops.bus_status() WHERE consumer = 'bulk'", 'B20 B24: it goes on by itself');
$spark->sql("SELECT spark_ops.retry_all('bulk', 'mended')");
$spark->wait_for('SELECT 40 = ' . in_batches('bulk', 760, 799), 'B20 B24: and all are handled');

# Of a lock that somebody holds for long, the others know nothing.
$bus->author("INSERT INTO shop.stock VALUES ('" . $bus->key(750) . "', 0)");
$bus->handler('bulk', "PERFORM FROM shop.stock WHERE key = m.aggregate_id FOR UPDATE NOWAIT;");
my $keeper = $bus->session;
$keeper->query_safe("BEGIN; UPDATE shop.stock SET n = 1 WHERE key = '" . $bus->key(750) . "'");
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.bulk', $_, 1) } 750, 751));
$bus->comes('bulk', 751, '1', 'B24: a row that a user holds locked holds up its key alone');
$bus->status_becomes('bulk', '0 1 0', 'B24: which is set aside');
$keeper->query_safe('COMMIT');
$bus->comes('bulk', 750, '1', 'B24: and goes on once he lets go');
$keeper->quit;

# ---- a handler that will not be stopped
$spark->set('spark.handler_timeout', '200');
$bus->handler('plain', "IF m.aggregate_id = '" . $bus->key(315)
	. "' THEN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END IF;");
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.done', $_, 1) } 314, 315, 317));
my $asleep = "(SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event = 'PgSleep')";
# In one look: a moment later it may be gone already.
my $stubborn;
for (my $deadline = time() + 180; time() < $deadline && !$stubborn;)
{
	$stubborn = $spark->sql("SELECT $asleep");
}
$spark->wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $stubborn)", 'B16: a handler that catches its cancelling goes with its worker');
$bus->comes('plain', $_, '1', "B16: other keys go on ($_)") for 314, 317;
$bus->status_becomes('plain', '0 0 1', 'B16: each time is an attempt, and the last one its death');
is($spark->sql('SELECT error_code, attempts FROM spark_ops.dead_letters()'), '57014|3', 'B16: with 57014');
is($bus->seen('plain', 315), '', 'B16: and no effect');
$bus->handler('plain');
$spark->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
$bus->comes('plain', 315, '1', 'B16: once mended, its message is handled');
$bus->status_becomes('plain', '0 0 0');

# ---- messages that run to the limit at each attempt, and are due again before the others are: by attempts, not by a clock
$spark->set('spark.handler_timeout', '400');
$spark->set('spark.retry_max_delay', '100');
$bus->author('CREATE SEQUENCE shop.tries; CREATE TABLE shop.tried (key uuid, before int, after int)');
$bus->handler('tardy', "IF m.payload ? 'before' THEN INSERT INTO shop.tried SELECT m.aggregate_id, (m.payload->>'before')::int, last_value FROM shop.tries;"
	. " ELSE PERFORM nextval('shop.tries'); PERFORM pg_sleep(60); END IF;");
$bus->subscribe('tardy', 'shop.tardy', 40);
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.tardy', $_, 1) } 320 .. 322));
$bus->status_becomes('tardy', '0 3 0', 'B14: three keys whose handler runs to its limit');
for ([ 323, 'they' ], [ 324, 'after a crash they' ])
{
	my ($key, $who) = @$_;
	$node->restart('immediate') if $key == 324;
	$bus->author("SELECT spark_bus.emit('shop.tardy', '" . $bus->key($key) . "', jsonb_build_object('before', last_value)) FROM shop.tries");
	$spark->wait_for("SELECT count(*) = 1 FROM shop.tried WHERE key = '" . $bus->key($key) . "'", "B14: $who do not keep another key waiting");
	cmp_ok($spark->sql("SELECT after - before FROM shop.tried WHERE key = '" . $bus->key($key) . "'"), '<=', 6, "B14: $who are tried in turns with it");
}
is($bus->status('tardy'), '0 3 0', 'B14: and they have attempts left');
$bus->author("SELECT spark_bus.unsubscribe('tardy', 'shop.tardy', true); DROP SEQUENCE shop.tries");
$spark->sql('ALTER SYSTEM RESET spark.retry_max_delay');

$spark->sql("ALTER SYSTEM SET spark.handler_timeout = '120s'");
$spark->sql('SELECT pg_reload_conf()');
$bus->author("INSERT INTO shop.stock VALUES ('" . $bus->key(601) . "', 0), ('" . $bus->key(602) . "', 0)");
$bus->handler('plain', "UPDATE shop.stock SET n = n + 1 WHERE key = '" . $bus->key(601) . "'; PERFORM pg_advisory_xact_lock(1);"
	. " UPDATE shop.stock SET n = n + 1 WHERE key = '" . $bus->key(602) . "';");
my $user = $bus->session;
$user->query_safe("BEGIN; SELECT pg_advisory_xact_lock(1); UPDATE shop.stock SET n = n + 1 WHERE key = '" . $bus->key(602) . "'");
$bus->emit('shop.done', 305, 1);
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event_type = 'Lock' AND wait_event = 'advisory'");
$user->query("UPDATE shop.stock SET n = n + 1 WHERE key = '" . $bus->key(601) . "'; COMMIT");
$bus->comes('plain', 305, '1', 'B24: a deadlock between a batch and a user ends');
is($bus->status('plain'), '0 0 0', 'B24: with no attempt counted');
is($spark->sql("SELECT n FROM shop.stock WHERE key = '" . $bus->key(602) . "'") - ($user->{stderr} =~ /deadlock/ ? 0 : 1), '1', 'B24: and one effect');
$user->quit;

# ---- endless loops of messages
$bus->handler('loop', "PERFORM spark_bus.emit('shop.loop', m.aggregate_id, jsonb_build_object('n', (m.payload->>'n')::int + 1));");
$bus->subscribe('loop', 'shop.loop');
$bus->emit('shop.loop', 306, 1);
$spark->wait_for("SELECT count(*) = 1 FROM spark_ops.dead_letters() WHERE consumer = 'loop' AND attempts = 1", 'B22: a handler that emits to itself for ever ends in a dead letter');
is($spark->sql("SELECT max(n) FROM shop.seen WHERE consumer = 'loop'"), '101', 'B22: after a hundred hops');

# While it goes on, others of its consumer have their turn: by its hops, not by a clock.
my $round = $bus->key(318);
$spark->set('spark.max_depth', 10000);
$bus->handler('loop', "IF m.aggregate_id = '$round' THEN PERFORM spark_bus.emit('shop.loop', m.aggregate_id, jsonb_build_object('n', (m.payload->>'n')::int + 1)); END IF;");
my $hops = "(SELECT coalesce(max(n), 0) FROM shop.seen WHERE consumer = 'loop' AND key = '$round')";
# Until the worker has heard of the setting.
for (1 .. 100)
{
	$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'tested') FROM spark_ops.dead_letters()");
	$bus->author("DELETE FROM shop.seen WHERE consumer = 'loop'");
	$bus->emit('shop.loop', 318, 1);
	$spark->wait_for("SELECT $hops > 150 OR EXISTS (SELECT FROM spark_ops.dead_letters())");
	last if $spark->sql("SELECT $hops") > 150;
}
$bus->author('CREATE TABLE shop.turns (key uuid, hops int);'
	. join('', map { 'SELECT ' . $bus->emission('shop.loop', $_, 0) . "; INSERT INTO shop.turns VALUES ('" . $bus->key($_) . "', $hops);" } 800 .. 839));
$bus->comes('loop', 839, '0', 'B22: others of that consumer come meanwhile');
$spark->wait_for("SELECT count(*) = 40 FROM shop.seen s JOIN shop.turns t USING (key) WHERE consumer = 'loop'", 'B22: all of them');
is($spark->sql("SELECT count(*) FROM shop.turns t JOIN shop.seen s ON s.key = t.key AND s.consumer = 'loop'"
	. " WHERE EXISTS (SELECT FROM shop.seen h WHERE h.consumer = 'loop' AND h.key = '$round' AND h.n >= t.hops + 5 AND h.place < s.place)"),
	'0', 'B22: each before the loop has gone round five times more');
$bus->handler('loop');
$spark->sql('ALTER SYSTEM RESET spark.max_depth');
$spark->sql('SELECT pg_reload_conf()');
$spark->wait_for("SELECT sum(lag_messages) = 0 FROM spark_ops.bus_status() WHERE consumer = 'loop'");
$bus->author("SELECT spark_bus.unsubscribe('loop', 'shop.loop', true)");

# ---- slow
$bus->handler('slow', 'PERFORM pg_advisory_xact_lock(2);');
$bus->subscribe('slow', 'shop.done');
my $holder = $bus->session;
$holder->query_safe('BEGIN; SELECT pg_advisory_xact_lock(2)');
$bus->handler('plain');
$bus->emit('shop.done', 307, $_) for 1 .. 3;
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event_type = 'Lock'", 'S44: a handler hangs');
$bus->comes($_, 307, '1,2,3', "B16: it delays no other consumer ($_)") for qw(plain guest);
my $anna = $spark->sign_up('anna');
$spark->wait_for('SELECT username = \'anna\' FROM spark.dashboard()', 'S44: nor a sign-up', $anna);
$holder->query_safe('COMMIT');
$bus->comes('slow', 307, '1,2,3', 'B16: and ends');
$holder->quit;

# ---- waking
# Longer than a test has patience.
$spark->set('spark.dispatch_naptime', "'1h'");
for my $n (1 .. 3)
{
	$bus->emit('shop.done', 308, $n);
	$bus->comes('plain', 308, join(',', 1 .. $n), "B28: a commit wakes the worker: $n");
	$bus->author('BEGIN; SAVEPOINT a; SELECT ' . $bus->emission('shop.done', 309, $n) . '; RELEASE a; SAVEPOINT b; SELECT '
		. $bus->emission('shop.done', 309, 7) . '; ROLLBACK TO b; COMMIT');
	$bus->comes('plain', 309, join(',', 1 .. $n), "B28: also for what a subtransaction has emitted: $n");
}
$spark->sql('ALTER SYSTEM RESET spark.dispatch_naptime');
$spark->sql('SELECT pg_reload_conf()');
# Rows that nobody announced.
$bus->emit('shop.done', 310, 1);
$bus->comes('plain', 310, '1');
$spark->sql("INSERT INTO spark_common.outbox_0_0 (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth, created_at)"
	. " SELECT nextval('spark_common.outbox_0_seq'), pg_current_xact_id(), gen_random_uuid(), 'shop', '" . $bus->key(310) . "', 'shop.done', '{\"n\": 2}', 1, gen_random_uuid(), 0, now()");
$bus->comes('plain', 310, '1,2', 'B28: a lost wake-up is covered by the poll');

# ---- errors are shown whole, in whole characters
$bus->handler('plain', "IF m.aggregate_id = '" . $bus->key(311) . "' THEN RAISE EXCEPTION '%', repeat('\x{e9}', 300); END IF;" =~ s/\x{e9}/\xc3\xa9/r);
$bus->emit('shop.done', 311, 1);
$bus->status_becomes('plain', '0 0 1');
is($spark->sql("SELECT bool_or(last_error = repeat(U&'\\00e9', 127)), (SELECT error_message = repeat(U&'\\00e9', 300) FROM spark_ops.dead_letters()) FROM spark_ops.bus_status() WHERE consumer = 'plain'"),
	't|t', 'a long message is cut between characters');
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'tested') FROM spark_ops.dead_letters()");

# ---- the extension goes and comes again
$bus->handler('plain');
my $functions = $spark->sql("SELECT string_agg(pg_get_functiondef(p.oid), ';' ORDER BY p.oid) FROM pg_proc p WHERE pronamespace = 'shop'::regnamespace"
	. " AND proname IN ('perhaps_fail', 'see', 'plain')");
$bus->emit('shop.done', 312, 1);
$bus->comes('plain', 312, '1');
$spark->sql('DROP EXTENSION spark CASCADE');
$spark->sql('CREATE EXTENSION spark; SELECT spark.install()');
$spark->sql("SELECT spark_bus.grant_author('author')");
$bus->emit('shop.done', 312, 2);
$spark->wait_for("SELECT NOT ok AND detail ~ 'plain: function shop.plain' FROM spark_ops.health() WHERE check_name = 'paused'", 'B30: dropped with the extension: subscriptions stay, consumers pause');
$spark->sql($functions);
$bus->comes('plain', 312, '1,2', 'B30: until the functions are there again');

# ---- workers are few
$spark->stop;
my $narrow = Spark->start(name => 'narrow', conf => 'max_worker_processes = 5');
$bus = Bus->new($narrow);
$bus->listen($_, 'shop.sold') for qw(one two three);
$bus->emit('shop.sold', 1, 1);
$bus->comes($_, 1, '1', "without worker slots consumers share the dispatcher ($_)") for qw(one two three);
$narrow->wait_for("SELECT NOT ok AND detail ~ 'max_worker_processes.*(one|two|three)' FROM spark_ops.health() WHERE check_name = 'worker'", 'and health says so');

# They come last, and one after the other; what they are slow with is left when the rest is done.
my $town = Town->new($narrow);
my ($owner, $donor) = ($town->person('owner'), $town->person('donor', 100));
my $well = $town->campaign($owner, 'A well');
$narrow->wait_until_drained;
my @sharing = split(/,/, ($narrow->sql("SELECT detail FROM spark_ops.health() WHERE check_name = 'worker'") =~ /of their own are (.*)/)[0] =~ s/ //gr);
cmp_ok(scalar(@sharing), '>=', 2, 'B16: two consumers or more share the dispatcher');
$bus->handler($_, 'PERFORM pg_sleep(0.1);') for @sharing;
$bus->author("SELECT count(spark_bus.emit('shop.sold', '" . $bus->key(2) . "', jsonb_build_object('n', n))) FROM generate_series(1, 600) n");
$narrow->wait_for("SELECT count(*) > 0 FROM shop.seen WHERE consumer = '$_' AND key = '" . $bus->key(2) . "'", "B16: each has its turn ($_)") for @sharing;
$town->comes($donor, donation => $town->donate($donor, $well, 1, 'meanwhile'), 'confirmed', 'B16: slow consumers without a worker hold up no donation');
$narrow->sql("SELECT spark_bus.emit('shop.bell', '" . $bus->key(3) . "', '{}', deliver_at => clock_timestamp() + interval '10 ms')");
$narrow->wait_for('SELECT count(*) = 0 FROM spark_common.delayed', 'B16: nor what is delayed');
is($narrow->sql("SELECT bool_and(seen < 600) FROM (SELECT count(*) AS seen FROM shop.seen WHERE consumer IN ('"
		. join("', '", @sharing) . "') AND key = '" . $bus->key(2) . "' GROUP BY consumer) s"), 't', 'B16: they are at it still');
$bus->handler($_) for @sharing;
$bus->comes($_, 2, join(',', 1 .. 600), "B16: and come to their end, in order ($_)") for @sharing;
$narrow->stop;
done_testing();
