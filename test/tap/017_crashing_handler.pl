# 017_crashing_handler.pl
#		A handler that crashes the server: after three crashes at most its message
#		is dead, and all others are handled once, in order.  A process that is
#		killed by somebody else makes no dead letter.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(conf => join("\n",
	'restart_after_crash = on',
	'spark.retry_base_delay = 100',
	'spark.retry_max_delay = 1000'));
my $bus = Bus->new($spark);

# The shell's parent is the process that handles the message.
$spark->sql(<<'END_OF_SQL');
CREATE FUNCTION public.crash() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID; cat';
END $$;
END_OF_SQL
$bus->author(<<'END_OF_SQL');
CREATE TABLE shop.poison (key uuid, n int);
CREATE TABLE shop.held (key uuid);
END_OF_SQL
my $crashes = "IF EXISTS (SELECT FROM shop.poison p WHERE p.key = m.aggregate_id AND p.n = (m.payload->>'n')::int) THEN"
  . ' PERFORM public.crash(); END IF;';
my $waits = 'WHILE EXISTS (SELECT FROM shop.held h WHERE h.key = m.aggregate_id) LOOP PERFORM pg_sleep(0.02); END LOOP;';

$bus->listen('calm', 'shop.sold');
$bus->handler('fatal', "$crashes $waits");
$bus->subscribe('fatal', 'shop.sold');

sub crashes
{
	my $log = slurp_file($spark->node->logfile);
	my $count = () = $log =~ /was terminated by signal 9/g;
	return $count;
}

# The server may crash of it before it has answered: then it is committed all the same.
sub author_before_a_crash
{
	my ($sql) = @_;
	eval { $bus->author($sql); 1 } or $@ =~ /connection/ or die $@;
	$spark->wait_for_connection;
	return;
}

sub emit_all
{
	my ($keys, $most) = @_;
	author_before_a_crash('SELECT ' . join(', ', map { my $n = $_; map { $bus->emission('shop.sold', $_, $n) } @$keys } 1 .. $most));
	return;
}

sub poison
{
	my ($key, $n) = @_;
	$bus->author("INSERT INTO shop.poison VALUES ('" . $bus->key($key) . "', $n)");
	return;
}

# Of these keys, each has had 1 .. most at both consumers, in order; the poisoned ones at the calm one.
sub all_but
{
	my ($poisoned, $keys, $most, $name) = @_;
	my $all = join(',', 1 .. $most);
	my %poisoned = map { $_ => 1 } @$poisoned;
	my @wrong = grep { $bus->seen('calm', $_) ne $all || (!$poisoned{$_} && $bus->seen('fatal', $_) ne $all) } @$keys;
	is("@wrong", '', $name);
	return;
}

# "lag parked dead" of the two, over all lanes.
sub becomes
{
	my ($consumer, $what, $name) = @_;
	return $spark->wait_for("SELECT concat_ws(' ', sum(lag_messages), sum(parked), sum(dead)) = '$what'"
		. " FROM spark_ops.bus_status() WHERE consumer = '$consumer'", $name);
}

sub settles
{
	my ($dead, $name) = @_;
	becomes('fatal', $dead, $name);
	becomes('calm', '0 0 0', 'nobody else is concerned');
	$spark->wait_for('SELECT count(*) = 0 FROM spark_common.trial', 'no trial is left');
	return;
}

my $base = 0;
for my $lanes (1, 4)
{
	my @keys = map { $base + $_ } 1 .. 12;
	my ($bad, $late, $slow) = @keys[4, 5, 6];
	my $before;

	$base += 100;
	$spark->wait_for_success("SELECT spark_ops.set_lanes($lanes)", "the log has $lanes lanes");

	# ---- in the log
	$before = crashes();
	poison($bad, 2);
	emit_all(\@keys, 3);
	settles('0 1 1', "B21 the message that crashes the server is dead, the next of its key behind it ($lanes lanes)");
	cmp_ok(crashes() - $before, '<=', 3, 'B21 after three crashes at most');
	cmp_ok(crashes() - $before, '>', 0, 'B21 it has crashed');
	all_but([$bad], \@keys, 3, 'B21 all others are handled once, in order');
	is($bus->seen('fatal', $bad), '1', 'B21 and of its key what was before it');
	is($spark->sql('SELECT error_code FROM spark_ops.dead_letters()'), '57P02', 'B21 the dead letter says why');
	$bus->author('DELETE FROM shop.poison');
	$spark->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
	settles('0 0 0', 'B21 once mended it can be retried');
	is($bus->seen('fatal', $bad), '1,2,3', 'B21 and its key goes on');

	# ---- at a retry
	$before = crashes();
	$bus->breaks('fatal', $late);
	$bus->emit('shop.sold', $late, 4);
	becomes('fatal', '0 1 0', 'a message is parked');
	author_before_a_crash("BEGIN; INSERT INTO shop.poison VALUES ('" . $bus->key($late) . "', 4); DELETE FROM shop.failing; COMMIT");
	settles('0 0 1', 'B21 it is dead where it crashes the server at a retry');
	cmp_ok(crashes() - $before, '<=', 3, 'B21 after three crashes at most');
	$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'gone') FROM spark_ops.dead_letters()");
	$bus->author('DELETE FROM shop.poison');
	settles('0 0 0', 'it is gone');

	# ---- killed from outside: before it is handled with care, and then once more
	my $sleeping = "(SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event = 'PgSleep')";
	$bus->author("INSERT INTO shop.held VALUES ('" . $bus->key($slow) . "')");
	emit_all([ $slow, grep { $_ != $slow } @keys ], 1);
	$spark->wait_for("SELECT $sleeping > 0");
	while ($spark->sql('SELECT coalesce(max(crashes), 0) FROM spark_common.trial') == 0)
	{
		# It is awake now and then.
		my $pid;

		until ($pid) { $pid = $spark->sql("SELECT $sleeping"); }
		kill('KILL', $pid);
		$spark->wait_for("SELECT $sleeping <> $pid");
	}
	pass('B21 the message that was at work is a suspect');
	$bus->author('DELETE FROM shop.held');
	settles('0 0 0', 'B21 and is handled: a stray kill makes no dead letter');
	is($bus->seen('fatal', $slow), '1,2,3,1', 'B21 once');
	is($spark->sql("SELECT count(*) FROM (SELECT id FROM shop.seen GROUP BY id, consumer HAVING count(*) > 1) twice"), '0', 'nothing took effect twice');
}

# ---- behind one that never succeeds: found while others are tried
$spark->wait_for_success('SELECT spark_ops.set_lanes(1)', 'the log has one lane');
{
	my ($short, $bad, $good) = map { $base + $_ } 1 .. 3;
	my $before = crashes();

	$bus->breaks('fatal', $short, '53200');
	poison($bad, 1);
	emit_all([ $short, $bad, $good ], 1);
	settles('0 1 1', 'B21 behind a message that fails for a shortage: dead, and the one before it set aside');
	cmp_ok(crashes() - $before, '<=', 3, 'B21 after three crashes at most');
	cmp_ok(crashes() - $before, '>', 0, 'B21 it has crashed');
	is($spark->sql("SELECT error_code FROM spark_ops.dead_letters() WHERE aggregate_id = '" . $bus->key($bad) . "'"), '57P02', 'B21 the dead letter says why');
	is($spark->sql('SELECT attempts, error_code FROM spark_common.retry'), '0|53200', 'B19 the shortage is no attempt');
	is($bus->seen('fatal', $good), '1', 'B21 and what is behind both is handled');
	$bus->author('DELETE FROM shop.poison; DELETE FROM shop.failing');
	$spark->sql("SELECT spark_ops.retry_dead_letter(message_id, consumer) FROM spark_ops.dead_letters()");
	settles('0 0 0', 'B21 once mended both are handled');
	all_but([], [ $short, $bad, $good ], 1, 'B21 once');
}

is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
