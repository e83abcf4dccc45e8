# 018_pressure.pl
#		Back-pressure: what a full log holds off, whom it does not, and that the
#		count of it is never wrong for long.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(conf => "spark.lane_soft_limit = 400\nspark.lane_hard_limit = 1000\nspark.dispatch_naptime = 200");
my $bus = Bus->new($spark);
my %token = map { $_ => $spark->sign_up($_) } qw(ann bob);
$spark->fund($token{ann}, 10_000);
my $campaign = $spark->as($token{bob}, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 100000)");
my $lanes = $spark->sql('SELECT spark_ops.lanes()');
# One key, so one lane, whatever their number.
my $key = $bus->key(1);
my $sql_emit = "spark_bus.emit('shop.noise', '$key', '{\"n\": 1}')";
my $number = 0;

# Messages that nobody wants fill a lane as well: they have to be passed by.
sub fill { my ($count) = @_; return "SELECT count($sql_emit) FROM generate_series(1, $count)"; }

# A command whose messages go through that very lane, or, with several, any.
sub donate
{
	$number++;
	return $spark->try_as($token{ann}, "SELECT donation_id FROM spark.donate('$campaign', 1, 'key $number')");
}

sub opens { my ($name) = @_; return $spark->wait_for_success("SELECT $sql_emit", $name); }

# ---- Soft
$spark->serve('');
is($bus->author(fill(399)), 399, 'below the soft limit');
is(($bus->health('backlog'))[0] =~ s/\|.*//r, 't', 'all is well');
my ($sqlstate, $said) = ('', '');
{
	my ($status, $out, $err) = $spark->node->psql('postgres', fill(100) . "; SELECT $sql_emit");
	is($status, 0, 'beyond it messages are taken');
	is(scalar(() = $err =~ /WARNING:  \d+ messages of lane \d+ wait for context \w+$/mg), 1, 'with one warning, not one a message');
	like($err, qr/^HINT:  .*spark_ops\.health/m, 'that says where to look');
}
like($bus->health('backlog'), qr/^f\|(4|5)\d\d messages of lane \d+ wait for \w+$/, 'B37 B45 and health shows it');

# ---- Hard
($sqlstate, $said) = $bus->try_author(fill(100_000));
is($sqlstate, 'SP008', 'B37 at the hard limit nobody emits');
like($said, qr/DETAIL:  1000 messages of lane \d+ wait for context \w+, and spark\.lane_hard_limit is 1000\./, 'and is told why');
like($said, qr/HINT:  Try again later/, 'and what to do');
is(($bus->try_author("SELECT $sql_emit"))[0], 'SP008', 'B37 what was rolled back counts until somebody looks');
is(($bus->try_author("SELECT spark_bus.emit('shop.later', '$key', '{}', deliver_at => now() + interval '1 hour')"))[0], '', 'what is due later is taken');
SKIP:
{
	skip 'the lane of a donation is any', 2 if $lanes > 1;
	is((donate())[0], 'SP008', 'B37 commands are refused');
	is($spark->as($token{ann}, 'SELECT available_sat FROM spark.balance()'), 10_000, 'and nothing of them stays');
}
is($spark->as($token{ann}, 'SELECT username FROM spark.account()'), 'ann', 'queries are not');
is($bus->author('SELECT spark_bus.dispatch()') >= 0 ? 1 : 0, 1, 'a session looks');
is(($bus->try_author("SELECT $sql_emit"))[0], '', 'B37 and what was rolled back counts no more');

# ---- Rolled back, again and again, with nobody looking
is(($bus->try_author('BEGIN; ' . fill(600) . '; ROLLBACK'))[0], '', 'six hundred that are rolled back');
$bus->author('SELECT spark_bus.dispatch()');
is(($bus->try_author('BEGIN; ' . fill(600) . '; ROLLBACK'))[0], '', 'and again');
$spark->serve('postgres');
$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'backlog'", 'B37 they do not leave the count wrong');

# ---- A paused context; handlers go on
$bus->handler('echo', "IF (m).payload->>'n' = '1' THEN PERFORM spark_bus.emit('shop.noise', '$key', '{\"n\": 2}') FROM generate_series(1, 50); END IF;");
$bus->subscribe('echo', 'shop.asked');
$bus->author("SELECT spark_bus.emit('shop.asked', '$key', '{\"n\": 0}')");
$bus->comes('echo', 1, '0', 'a consumer of a user follows');
$spark->sql(q{CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$;
	CREATE TRIGGER full_disk BEFORE INSERT ON spark_dashboard.overviews EXECUTE FUNCTION fill_disk()});
$spark->sql("SELECT spark_bus.emit('auth.signed_up', '$key', '{\"account_id\": \"$key\", \"username\": \"carol\"}')");
$spark->wait_for("SELECT NOT ok AND detail ~ 'dashboard: no space' FROM spark_ops.health() WHERE check_name = 'paused'", 'a context is paused');
$bus->author("SELECT spark_bus.emit('shop.asked', '$key', '{\"n\": 1}') FROM generate_series(1, 30)");
$spark->wait_for("SELECT count(*) = 30 FROM shop.seen WHERE consumer = 'echo' AND n = 1", 'B37 handlers emit beyond the hard limit');
is(($bus->try_author("SELECT $sql_emit"))[0], 'SP008', 'B37 and nobody else');
like($bus->health('backlog'), qr/^f\|1\d\d\d messages of lane \d+ wait for dashboard$/, 'health says for whom they wait');
is((split /\|/, $spark->sql("SELECT lag_messages, 0 FROM spark_ops.bus_status() WHERE consumer = 'accounting' ORDER BY lag_messages DESC LIMIT 1"))[0], 0, 'the other contexts have read on');

# ---- Over a restart, and in another database
$spark->node->restart('immediate');
is(($bus->try_author("SELECT $sql_emit"))[0], 'SP008', 'B37 right after a restart it is still known');
my $other = $spark->beside('other');
my $elsewhere = "spark_bus.emit('shop.noise', '$key', '{}')";
is(($other->try_sql("SELECT count($elsewhere) FROM generate_series(1, 900)"))[0], '', 'another database has a count of its own');
is(($other->try_sql("SELECT count($elsewhere) FROM generate_series(1, 900)"))[0], 'SP008', 'and a limit');
is($other->sql('SELECT spark_bus.dispatch()') >= 0 ? 1 : 0, 1, 'its log is read by hand');
is(($other->try_sql("SELECT count($elsewhere) FROM generate_series(1, 900)"))[0], '', 'B37 and takes messages again');

# ---- It drains
$spark->sql('DROP TRIGGER full_disk ON spark_dashboard.overviews');
opens('B37 once the context reads on, emits work again');
$spark->wait_until_drained('B37 the log drains');
is((donate())[0], '', 'B37 and commands work');
$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'backlog'", 'health is well again');

# A consumer that skips all of it notes its place now and then only.
$bus->author("SELECT spark_bus.unsubscribe('echo', 'shop.asked')");

# ---- Other numbers of lanes: the numbers jump, and nothing is in between
$spark->sql('SELECT spark_ops.set_lanes(' . 2 * $lanes . ')');
for (1 .. 3)
{
	opens('there is room in the lane') if $_ > 1;
	$bus->author(fill(800));
	$spark->wait_for("SELECT bool_and(pressure < 100) FROM (SELECT (regexp_match(detail, '^\\d+'))[1]::int AS pressure FROM spark_ops.health() WHERE check_name = 'backlog') b", 'read by all contexts');
}
$spark->wait_until_drained('in twice as many lanes');
$spark->wait_for_success('SELECT spark_ops.set_lanes(' . 4 * $lanes . ')', 'and twice as many again');
my $each = "SELECT count(spark_bus.emit('shop.noise', gen_random_uuid(), '{}')) FROM generate_series(1, 100)";
is(($bus->try_author($each))[0], '', 'no lane counts what was never there');
$spark->serve('');
is(($bus->try_author($each))[0], '', 'also with no worker');
$spark->node->restart;
is(($bus->try_author($each))[0], '', 'and after a restart');
$spark->dispatch;
is(($bus->try_author(fill(5000)))[0], 'SP008', 'B37 and each lane has its limit');

# ---- One transaction
my ($one, $large) = ("spark_bus.emit('shop.noise', gen_random_uuid(), '{}')", "spark_bus.emit('shop.noise', gen_random_uuid(), jsonb_build_object('a', repeat('x', 10000)))");
$spark->set('spark.lane_hard_limit', 0);
$spark->set('spark.transaction_max_messages', 100);
$spark->set('spark.transaction_max_size', 50);
$spark->wait_for("SELECT current_setting('spark.transaction_max_size') = '50kB' AND current_setting('spark.lane_hard_limit') = '0'");
is(($bus->try_author("BEGIN; SELECT count($one) FROM generate_series(1, 60); SELECT count($one) FROM generate_series(1, 40); COMMIT"))[0], '', 'B37 a transaction emits as many as it may');
($sqlstate, $said) = $bus->try_author("BEGIN; SELECT count($one) FROM generate_series(1, 60); SAVEPOINT s; SELECT count($one) FROM generate_series(1, 41); COMMIT");
is($sqlstate, 'SP010', 'B37 and no more');
like($said, qr/at most 100 messages.*\n.*HINT:  Commit, and emit the rest/s, 'B37 and is told what to do');
is(($bus->try_author("SELECT count($one) FROM generate_series(1, 80); SELECT count($one) FROM generate_series(1, 80)"))[0], '', 'B37 each transaction for itself');
is(($bus->try_author("BEGIN; SELECT count($large) FROM generate_series(1, 6); COMMIT"))[0], 'SP010', 'B37 nor larger ones than it may');
is(($bus->try_author("BEGIN; SELECT count($large) FROM generate_series(1, 5); COMMIT"))[0], '', 'B37 but so large');
$bus->handler('echo', "IF (m).payload->>'n' = '5' THEN PERFORM $one FROM generate_series(1, 200); END IF;");
$bus->subscribe('echo', 'shop.asked');
$bus->emit('shop.asked', 1, 5);
$spark->dispatch;
is($spark->sql("SELECT count(*) FROM shop.seen WHERE consumer = 'echo' AND n = 5"), '1', 'B37 handlers emit more');
$spark->set("spark.transaction_max_$_", 0) for qw(messages size);

# ---- Off
$spark->set('spark.lane_hard_limit', 0);
$spark->set('spark.lane_soft_limit', 0);
is(($bus->try_author(fill(5000)))[0], '', 'without limits all is taken');
is((split /\|/, $bus->health('backlog'))[0], 't', 'and nothing is said');

# ---- Message types that nobody wants any more make room for others
$bus->handler('many', '');
sub want
{
	my ($type) = @_;
	$bus->subscribe('many', $type);
	# The others as it is written down: a thousand calls take long.
	$spark->sql("INSERT INTO spark_common.subscription (consumer, message_type, kind, handler_schema, handler_name, role, max_attempts, ordering, when_dead, subscribed_at)"
		. " SELECT consumer, message_type || n, kind, handler_schema, handler_name, role, max_attempts, ordering, when_dead, subscribed_at"
		. " FROM spark_common.subscription, generate_series(1, 1100) n WHERE message_type = '$type'");
	$spark->dispatch;
	return;
}
want('shop.old');
like($bus->health('counts'), qr/^t\|\d+ of 1024 consumers and 11\d\d of 2048 message types/, 'a thousand types are counted');
$spark->sql("DELETE FROM spark_common.subscription WHERE message_type LIKE 'shop.old_%'");
$bus->author("SELECT spark_bus.unsubscribe('many', 'shop.old')");
want('shop.new');
$spark->dispatch;
like($bus->health('counts'), qr/^t\|\d+ of 1024 consumers and 11\d\d of 2048 message types/, 'then a thousand others, which had no room beside the first');
$bus->author("SELECT spark_bus.emit('shop.new7', '$key', '{\"n\": 1}')");
like($bus->status('many'), qr/^1 /, 'and what of them waits');

# ---- Databases that come and go: what is kept of them in shared memory is given back
$spark->set('spark.lane_hard_limit', 10);
$spark->set('spark.max_databases', 3);
$spark->node->restart;
my $counts = "FROM spark_ops.health() WHERE check_name = 'counts'";

# A copy of the other one, whose lane is full.
sub copy
{
	my ($name) = @_;
	$spark->sql("CREATE DATABASE $name TEMPLATE other");
	return Spark->around($spark->node, $name);
}

sub has_limit
{
	my ($database, $name) = @_;
	$database->wait_for("SELECT ok $counts", "B37 $name has a place");
	return is(($database->try_sql("SELECT count($elsewhere) FROM generate_series(1, 20)"))[0], 'SP008', 'B37 and a limit');
}

like($bus->health('counts'), qr/^t\|/, 'there is room for three databases');
for my $time (1 .. 4)
{
	has_limit(copy('passing'), "one that is made for the $time. time");
	$spark->sql('DROP DATABASE passing');
}
my ($passing, $further) = (copy('passing'), copy('further'));
has_limit($_, 'another one') for $passing, $other;
is($further->sql("SELECT ok, detail ~ 'more databases than spark.max_databases, 3; raise it' $counts"), 'f|t', 'for a fourth there is none, and health says so');
is(($further->try_sql("SELECT count($elsewhere) FROM generate_series(1, 20)"))[0], '', 'its emitters are not held off');
$spark->wait_for("SELECT pg_read_file('" . $spark->node->logfile . "') ~ 'counts and limits no messages of database \"further\"'", 'and the log says it');
$spark->sql('DROP DATABASE passing');
has_limit($further, 'as soon as one is dropped, it');
$spark->stop;
done_testing();
