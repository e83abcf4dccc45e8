# 023_order.pl
#		What waits while a message fails, and when it is dead: as its type says, for
#		handlers of others by subscribe(), for those of spark by the definition of
#		the message.
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

# A consumer of shop.sold with that policy, which has that many attempts.
sub listens
{
	my ($consumer, $ordering, $when_dead, $attempts) = @_;
	$bus->handler($consumer);
	$bus->author("SELECT spark_bus.subscribe('$consumer', 'shop.sold', 'shop.$consumer', $attempts,"
		. " ordering => '$ordering', when_dead => '$when_dead')");
	return;
}

sub holds
{
	my ($consumer) = @_;
	return $spark->sql('SELECT string_agg(holds, \',\' ORDER BY holds) FROM (SELECT consumer, holds FROM spark_common.retry'
		. " UNION ALL SELECT consumer, holds FROM spark_common.dead_letter) w WHERE consumer = '$consumer'");
}

# ---- of users: key and block
listens('strict', 'key', 'block', 3);
listens('loose', 'none', 'block', 3);
listens('patient', 'key', 'skip', 3);
listens('once', 'key', 'skip', 1);
listens('stopped', 'lane', 'block', 3);
listens('strolling', 'lane', 'skip', 3);
my @all = qw(strict loose patient once stopped strolling);
$bus->emit('shop.sold', 1, 1);
$bus->comes($_, 1, '1', "B14: $_ hears") for @all;

# Only the second message of key 1 fails, at all of them.
$bus->author("CREATE TABLE shop.poison (consumer text, key uuid, n int); INSERT INTO shop.poison SELECT c, '"
	. $bus->key(1) . "', 2 FROM unnest('{" . join(',', @all) . "}'::text[]) c");
$bus->handler($_, "IF EXISTS (SELECT FROM shop.poison p WHERE p.consumer = '$_' AND p.key = m.aggregate_id"
	. " AND p.n = (m.payload->>'n')::int) THEN RAISE EXCEPTION 'poison' USING ERRCODE = 'P0001'; END IF;") for @all;
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.sold', 1, $_) } 2 .. 4) . ', ' . $bus->emission('shop.sold', 2, 1));

$bus->status_becomes('strict', '0 2 1', 'B14: key, block: those behind it wait for an operator');
$bus->comes('strict', 2, '1', 'B14: other keys go on');
is($bus->seen('strict', 1), '1', 'B15: and nothing overtakes');
$bus->comes('loose', 1, '1,3,4', 'B14: none: only the message itself waits');
$bus->status_becomes('loose', '0 0 1', 'B14: none: dead, it is alone');
is(holds('loose'), 'none', 'B14: and holds up nothing');
$bus->comes('loose', 2, '1', 'B14: none: other keys go on');
$bus->comes('patient', 1, '1,3,4', 'B15: key, skip: those behind it go on, in order, once it is dead');
$bus->status_becomes('patient', '0 0 1', 'B15: key, skip: it alone is dead');
$bus->comes('once', 1, '1,3,4', 'B15: key, skip: dead at once, it stops nothing');
# With more lanes than one, key 2 may be in another.
my $same_lane = ($ENV{SPARK_LANES} // 1) == 1;
$bus->status_becomes('stopped', '3 0 1', 'B14: lane, block: all behind it stay in the log') if $same_lane;
is($bus->seen('stopped', 1), '1', 'B14: lane, block: nothing of its key is handled');
is($bus->seen('stopped', 2), '', 'B14: lane, block: nor of another key in the lane') if $same_lane;
$bus->comes('strolling', 1, '1,3,4', 'B15: lane, skip: all go on once it is dead');
$bus->comes('strolling', 2, '1', 'B15: lane, skip: those of other keys, too');
like($bus->health('blocked'), qr/^f\|2 keys wait/, 'B45: health counts what others wait for, and nothing else');

# ---- the poison is gone, and an operator has the dead ones tried again
$bus->author('DELETE FROM shop.poison');
$spark->sql('SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()');
$bus->comes($_, 1, '1,2,3,4', "B15: $_: mended, all come in order") for qw(strict stopped);
$bus->comes($_, 1, '1,3,4,2', "B15: $_: mended, it comes after those that have gone on") for qw(loose patient once strolling);
$bus->comes('stopped', 2, '1', 'B15: and the lane goes on');
$bus->status_becomes($_, '0 0 0', "B15: $_: nothing is left") for @all;
like($bus->health('blocked'), qr/^t\|/, 'B45: health is content');

# ---- a lane that is held up, and a change of the number of lanes
$bus->breaks('stopped', 9);
$bus->emit('shop.sold', 9, 1);
$spark->wait_for("SELECT sum(dead) = 1 FROM spark_ops.bus_status() WHERE consumer = 'stopped'", 'B38: a lane is held up');
$spark->sql('SELECT spark_ops.set_lanes(2 * spark_ops.lanes())');
$bus->emit('shop.sold', 9, $_) for 2 .. 3;
$bus->comes('patient', 9, '1,2,3', 'B38: with other lanes, others go on');
is($bus->seen('stopped', 9), '', 'B38: who is held up does not');
is(($spark->try_sql('SELECT spark_ops.set_lanes(2 * spark_ops.lanes())'))[0], 'SP010', 'B38: and the lanes are not changed again');
$bus->mend('stopped');
$spark->sql("SELECT spark_ops.retry_all('stopped', 'mended')");
$bus->comes('stopped', 9, '1,2,3', 'B38: mended, all come in order');

# ---- a message of order none does not wait behind others of its key
$bus->author("SELECT spark_bus.subscribe('loose', 'shop.counted', 'shop.loose', 3)");
$bus->breaks('loose', 5);
$bus->emit('shop.counted', 5, 1);
$bus->status_becomes('loose', '0 0 1', 'B14: a message of order key is dead');
$bus->mend('loose');
$bus->emit('shop.sold', 5, 2);
$bus->comes('loose', 5, '2', 'B14: one of order none passes it');
$bus->emit('shop.counted', 5, 3);
$bus->status_becomes('loose', '0 1 1', 'B15: one of order key waits');
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'over') FROM spark_ops.dead_letters()");
$bus->comes('loose', 5, '2,3', 'B15: until it is dropped');

# ---- twenty of one key that fail alike count each for itself where nothing orders them
$bus->breaks('loose');
$bus->author('SELECT ' . join(', ', map { $bus->emission('shop.sold', 6, $_) } 1 .. 60));
$spark->wait_for("SELECT NOT ok AND detail ~ 'loose: not today' FROM spark_ops.health() WHERE check_name = 'paused'",
	'B20: all messages of one key fail, and nothing orders them: the consumer pauses');
cmp_ok($spark->sql("SELECT parked + dead FROM spark_ops.bus_status() WHERE consumer = 'loose'"), '<=', 25, 'B20: before many are blamed');
$bus->mend('loose');
$spark->wait_for('SELECT count(DISTINCT n) = 60 AND count(*) = 60 FROM shop.seen WHERE consumer = \'loose\' AND key = \'' . $bus->key(6) . '\'',
	'B20: mended, all come once');

# ---- of spark: a transfer that cannot be booked stops no other donation to the same owner
my $town = Town->new($spark);
my $owner = $town->person('owner');
my ($donor, $other) = map { $town->person($_, 1_000) } qw(donor other);
my $campaign = $town->campaign($owner, 'A well');
$spark->wait_until_drained;
# However long that takes, its attempts must last: they grow apart.
$spark->set('spark.retry_max_delay', '60000');
$spark->wait_for("SELECT current_setting('spark.retry_max_delay') = '1min'");
$spark->sql('ALTER TABLE spark_accounting.transfers ADD CONSTRAINT poison CHECK (amount_msat <> 13000)');
my $before = $town->donate($donor, $campaign, 5, 'before');
my $poisoned = $town->donate($donor, $campaign, 13, 'poisoned');
my @after = map { $town->donate($_->[0], $campaign, $_->[1], $_->[2]) } [ $donor, 6, 'after' ], [ $other, 7, 'of another' ];
$town->comes($donor, donation => $_, 'confirmed', 'S43: before and after a poisoned transfer, donations to the same owner are confirmed') for $before, $after[0];
$town->comes($other, donation => $after[1], 'confirmed', 'S43: and of other donors');
$spark->wait_for("SELECT count(*) = 1 FROM spark_common.retry WHERE consumer = 'accounting' AND attempts > 1"
	. " AND type = 'accounting.request_transfer' AND aggregateid = '$poisoned'", 'S43: the poisoned one alone waits, and is tried again');
is($spark->sql("SELECT count(*) FROM spark_common.retry WHERE aggregateid <> '$poisoned'"), '0', 'S43: nothing else does');
is($spark->as($donor, "SELECT status FROM spark.donation('$poisoned')"), 'pending', 'S43: nobody is told a wrong end of it');
is($spark->sql("SELECT string_agg(invariant, ',') FROM spark_ops.verify() WHERE NOT ok"), '', 'S43: and the books are right');
$spark->sql('ALTER TABLE spark_accounting.transfers DROP CONSTRAINT poison');
$spark->sql("SELECT spark_ops.retry_all('accounting', 'mended')");
$town->comes($donor, donation => $poisoned, 'confirmed', 'S43: mended, it is confirmed, too');
is($town->balance($owner), '31000|0', 'S43: and the owner has all of it');
$town->books_are_right('S43: a poisoned transfer');

# ---- of spark: what is order-free by its definition does not wait for its key
$spark->sql('ALTER TABLE spark_dashboard.movements ADD CONSTRAINT poison CHECK (amount_msat <> 17000)');
my $unseen = $town->donate($donor, $campaign, 17, 'unseen');
$town->comes($donor, donation => $unseen, 'confirmed', 'S43: a read model that fails holds up nobody else');
$spark->wait_for("SELECT count(*) = 1 FROM spark_common.retry WHERE consumer = 'dashboard' AND type = 'accounting.transfer_succeeded'",
	'S43: it cannot show the movement');
$spark->wait_for("SELECT raised_msat = 48000 FROM spark.dashboard()", 'S43: but counts the donation, which nothing orders', $owner);
$spark->sql('ALTER TABLE spark_dashboard.movements DROP CONSTRAINT poison');
$spark->sql("SELECT spark_ops.retry_all('dashboard', 'mended')");
$spark->wait_for("SELECT balance_msat = 48000 FROM spark.dashboard()", 'S43: mended, it shows both', $owner);

# ---- of spark: one dispatcher for several lanes, of which all but one fail
$spark->set('spark.retry_max_delay', '400');
$spark->set('spark.dispatchers', 1);
$spark->sql("SELECT spark_ops.pause_consumer('dashboard', 'so that all comes at once')");
$town->campaign($owner, "Well $_") for 1 .. 80;
$spark->sql(<<'END');
CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'P0001'; END $$;
CREATE TABLE shop.wells AS SELECT aggregateid, lane < spark_ops.lanes() - 1 AS fails FROM spark_common.outbox
	WHERE type = 'crowdfunding.campaign_created' AND payload->>'title' LIKE 'Well %';
CREATE FUNCTION shop.fails(id uuid) RETURNS boolean LANGUAGE sql AS 'SELECT fails FROM shop.wells WHERE aggregateid = id';
GRANT SELECT ON shop.wells TO PUBLIC;
CREATE TRIGGER poison BEFORE INSERT ON spark_dashboard.campaigns FOR EACH ROW WHEN (shop.fails(NEW.campaign_id)) EXECUTE FUNCTION shop.refuse();
SELECT spark_ops.resume_consumer('dashboard', 'all is there');
END
my $shown = "SELECT bool_and(fails <> (campaign_id IS NOT NULL))"
	. ' FROM shop.wells LEFT JOIN spark_dashboard.campaigns ON campaign_id = aggregateid';
$spark->wait_for("SELECT NOT ok AND detail ~ 'dashboard: not today' FROM spark_ops.health() WHERE check_name = 'paused'", 'B20: of one dispatcher, all lanes but one fail: the context pauses');
$spark->wait_for($shown, 'B20: and what is in the other lane is handled');
$spark->sql('DROP TRIGGER poison ON spark_dashboard.campaigns');
$spark->wait_for('SELECT count(campaign_id) = 80 FROM shop.wells LEFT JOIN spark_dashboard.campaigns ON campaign_id = aggregateid', 'B20: mended, all is handled');

# ---- of spark: a dispatcher a lane: what one says of its lane, another does not take back for its own
if ($spark->sql('SELECT spark_ops.lanes()') == 2)
{
	$spark->set('spark.dispatchers', 0);
	$spark->wait_for("SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'");
	# So many campaigns come at once, of which those in lane 0 fail.
	my $come = sub {
		my ($count) = @_;
		$spark->sql("SELECT spark_ops.pause_consumer('dashboard', 'so that all comes at once')");
		$spark->sql('TRUNCATE shop.wells');
		$town->campaign($owner, "Spring $_") for 1 .. $count;
		$spark->sql("INSERT INTO shop.wells SELECT aggregateid, lane = 0 FROM spark_common.outbox"
			. " WHERE type = 'crowdfunding.campaign_created' AND payload->>'title' LIKE 'Spring %'");
		$spark->sql("SELECT spark_ops.resume_consumer('dashboard', 'all is there')");
	};
	$spark->sql('CREATE TRIGGER poison BEFORE INSERT ON spark_dashboard.campaigns FOR EACH ROW WHEN (shop.fails(NEW.campaign_id)) EXECUTE FUNCTION shop.refuse()');
	$come->(80);
	my $paused = "SELECT NOT ok AND detail ~ 'dashboard: not today' FROM spark_ops.health() WHERE check_name = 'paused'";
	my $handled = "SELECT handled FROM spark_ops.bus_status() WHERE consumer = 'dashboard' AND lane = 1";
	$spark->wait_for($paused, 'B20: of two dispatchers, one pauses');
	for my $round (1 .. 2)
	{
		my $before = $spark->sql($handled);
		$come->(20);
		$spark->wait_for("SELECT handled > $before FROM ($handled) h", 'B20: the other one goes on');
		is($spark->sql($paused), 't', 'B45: and health still says of the first that it pauses');
	}
	$spark->sql('DROP TRIGGER poison ON spark_dashboard.campaigns');
	$spark->wait_until_drained('B20: mended, all is handled');
	like($bus->health('paused'), qr/^t\|/, 'B45: and health is content');
}

is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
