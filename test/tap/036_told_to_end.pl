# 036_told_to_end.pl
#		B32: a worker that is told to end (SIGTERM) does, whatever it is doing: what it
#		waits for goes on for longer than a test has patience.  It is started again,
#		and nothing is lost or done twice.
use strict;
use warnings;

use FaultNode;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use Bus;
use Spark;

my $lightning = FaultNode::lacks() eq '' ? FaultNode->start : undef;
note(FaultNode::lacks()) unless $lightning;
my $spark = Spark->start(conf => join("\n", $lightning ? $lightning->settings : '',
	'wal_level = replica',
	'max_wal_senders = 2',
	"spark.handler_timeout = '1h'",
	'spark.lightning_timeout = 300',
	'spark.retry_base_delay = 100',
	'spark.retry_max_delay = 1000'));
my $bus = Bus->new($spark);
my $at_most = 60;		# seconds, on a machine with much else to do
my @seconds;

# Whoever is to sleep at a place takes the number of the place first, by which he is known.
my %place = (asleep => 1, busy => 2, locked => 3, probing => 4, context => 5, move => 6);
$bus->author('CREATE TABLE shop.places (number int); GRANT ALL ON shop.places TO PUBLIC; GRANT USAGE ON SCHEMA shop TO PUBLIC');
sub at_place
{
	my ($name, $act) = @_;
	return "IF EXISTS (SELECT FROM shop.places WHERE number = $place{$name}) THEN PERFORM pg_advisory_xact_lock(4711, $place{$name}); $act; END IF;";
}
my $sleeps = 'PERFORM pg_sleep(3600)';
$bus->handler('asleep', "IF (m.payload->>'n')::int = 3 THEN " . at_place('asleep', $sleeps) . ' END IF;');
$bus->handler('busy', "IF (m.payload->>'n')::int = 3 THEN " . at_place('busy', 'LOOP NULL; END LOOP') . ' END IF;');
$bus->handler('locked', "IF (m.payload->>'n')::int = 3 THEN " . at_place('locked', 'LOCK TABLE shop.kept') . ' END IF;');
# The first of them it is found out with that all fail.
$bus->handler('probing', "IF (m.payload->>'n')::int > 60 THEN " . at_place('probing', $sleeps) . ' END IF;');
$bus->listen('idle', 'shop.idle');
$bus->subscribe($_, "shop.$_") for qw(asleep busy locked probing);
$bus->author('CREATE TABLE shop.kept ()');
# What a context and the mover of delayed messages sleep in.
for ([ 'context', 'AFTER INSERT ON spark_accounting.accounts' ], [ 'move', 'BEFORE DELETE ON spark_common.delayed' ])
{
	my ($name, $when) = @$_;
	$spark->sql("CREATE FUNCTION sleep_at_$name() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN " . at_place($name, $sleeps)
		. " RETURN coalesce(NEW, OLD); END \$\$; CREATE TRIGGER sleep_at_$name $when FOR EACH ROW EXECUTE FUNCTION sleep_at_$name()");
}

# The process that has come there.
sub who_is_at
{
	my ($name) = @_;
	my $holder = "FROM pg_locks WHERE locktype = 'advisory' AND classid = 4711 AND objid = $place{$name} AND granted";
	$spark->wait_for("SELECT count(*) = 1 $holder");
	return $spark->sql("SELECT pid $holder");
}

sub tell_to_end
{
	my ($pid, $name) = @_;
	my $began = time();
	is($spark->sql("SELECT pg_terminate_backend($pid, 1000 * $at_most)"), 't', "B32 told to end, it is gone: $name");
	push @seconds, time() - $began;
	return;
}

# pid => kind
sub workers
{
	return map { split(/\|/) } split(/\n/, $spark->sql("SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type LIKE 'spark %'"));
}

sub are_back
{
	my ($name, $before, @gone) = @_;
	my %count;
	$count{$_}++ for values %$before;
	my $gone = join(', ', @gone);
	for my $kind (sort keys %{ { map { $before->{$_} => 1 } @gone } })
	{
		$spark->wait_for("SELECT count(*) = $count{$kind} FROM pg_stat_activity WHERE backend_type = '$kind' AND pid NOT IN ($gone)", "B32 started again, $name: $kind");
	}
	return;
}

# ---- idle
$bus->emit('shop.idle', 1, 1);
$bus->comes('idle', 1, '1');
$spark->wait_until_drained;
$spark->wait_for("SELECT count(*) = 7 + spark_ops.lanes() FROM pg_stat_activity WHERE backend_type LIKE 'spark %'", 'all workers are there');
my %idle = workers();
# The one that starts others last.
my @idle = sort { ($idle{$a} =~ /launcher/) <=> ($idle{$b} =~ /launcher/) || $a <=> $b } keys %idle;
tell_to_end($_, "an idle $idle{$_}") for @idle;
$bus->emit('shop.idle', 1, 2);
$bus->comes('idle', 1, '1,2', 'B32 what was emitted meanwhile comes');
are_back('idle', \%idle, @idle);

# ---- at work, each at a place of its own
my %pid;
my ($alice, $payment, $invoice);
if ($lightning)
{
	$alice = $spark->sign_up('alice');
	my $deposit = $spark->as($alice, 'SELECT invoice_id FROM spark.deposit(1000000)');
	$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$deposit')", undef, $alice);
	$lightning->pull('settle', hash => $spark->as($alice, "SELECT payment_hash FROM spark.invoice('$deposit')"));
	$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$deposit')", undef, $alice);
	$spark->wait_until_drained;
	$invoice = $lightning->outside(1000);
	$lightning->fault(send => 'silent', when => 'after', hash => $invoice->{payment_hash});
	$payment = $spark->as($alice, "SELECT invoice_id FROM spark.withdraw('$invoice->{request}')");
	for (my $deadline = time() + $Spark::patience; time() < $deadline && !$lightning->asked($invoice->{payment_hash});)
	{
		select(undef, undef, undef, 0.05);
	}
	is($lightning->asked($invoice->{payment_hash}), 1, 'a call of the node, which does not answer');
	$spark->wait_until_drained;
	$pid{call} = $spark->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'spark lightning'");
}
my $keeper = $bus->session;
$keeper->query_safe('BEGIN; LOCK TABLE shop.kept');
$bus->breaks('probing', undef);
$bus->author('BEGIN; ' . join('', map { 'SELECT ' . $bus->emission('shop.probing', 100 + $_, $_) . ';' } 1 .. 80) . 'COMMIT');
$spark->wait_for("SELECT NOT ok AND detail ~ 'probing: not today' FROM spark_ops.health() WHERE check_name = 'paused'", 'a consumer pauses');
$bus->author('INSERT INTO shop.places VALUES ' . join(', ', map { "($_)" } values %place));
$bus->author('SELECT ' . join(', ', map { my $type = $_; map { $bus->emission("shop.$type", 2, $_) } 1 .. 5 } qw(asleep busy locked)));
$pid{$_} = who_is_at($_) for qw(asleep busy locked probing);
my $account = $bus->key(4);
$spark->sql("SELECT spark_bus.emit('auth.signed_up', '$account', jsonb_build_object('account_id', '$account', 'username', 'bob'))");
$pid{context} = who_is_at('context');
$bus->author("SELECT spark_bus.emit('shop.idle', '" . $bus->key(3) . "', '{\"n\": 1}', deliver_at => clock_timestamp() + interval '10 ms')");
$pid{move} = who_is_at('move');
# On a slow machine a batch is cut before.
unlike($bus->seen($_, 2), qr/3/, "what is being handled is not committed: $_") for qw(asleep busy locked);
my %at_work = workers();
my %doing = (
	asleep => 'in the middle of a batch, in a handler that sleeps',
	busy => 'in a handler that turns round and round',
	locked => 'in a handler that waits for a lock',
	probing => 'as it looks whether others of its consumer succeed',
	context => 'in a handler of a context',
	move => 'as it moves what is due',
	call => 'while it waits for the node');
# Who is started again finds his place free.
$bus->author('DELETE FROM shop.places');
tell_to_end($pid{$_}, $doing{$_}) for sort keys %pid;
$keeper->query_safe('ROLLBACK');
$keeper->quit;
$bus->mend('probing');
are_back('at work', \%at_work, values %pid);
$bus->comes($_, 2, '1,2,3,4,5', "B32 $doing{$_}: its batch takes effect once, in order") for qw(asleep busy locked);
$spark->wait_for("SELECT count(*) >= 80 FROM shop.seen WHERE consumer = 'probing'");
$bus->comes('idle', 3, '1', "B32 $doing{move}: it comes once");
if ($lightning)
{
	$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$payment')", "B32 $doing{call}: it learns how that ended", $alice);
	is($lightning->begun($invoice->{payment_hash}), 1, 'B32 and it was paid once');
}

# ---- at a commit that no standby confirms
$spark->set('synchronous_standby_names', "'nobody'");
$bus->author('SET synchronous_commit = local; SELECT ' . $bus->emission('shop.idle', 5, 1));
my $waits = "FROM pg_stat_activity WHERE backend_type = 'spark consumer' AND wait_event = 'SyncRep'";
$spark->wait_for("SELECT count(*) > 0 $waits");
my %waiting = workers();
my @waiting = split(/\n/, $spark->sql("SELECT pid $waits"));
tell_to_end($_, 'while it waits for a standby') for @waiting;
$spark->sql('ALTER SYSTEM RESET synchronous_standby_names');
$spark->node->reload;
are_back('at a commit', \%waiting, @waiting);

# ---- the end
$bus->emit('shop.idle', $_, 9) for 1, 3, 5;
$bus->comes('idle', 1, '1,2,9');
$bus->comes('idle', $_, '1,9', 'B32 what was committed is not done again') for 3, 5;
$spark->wait_until_drained('B32 nothing is on its way, parked or dead');
is($spark->sql("SELECT count(*), count(DISTINCT key) FROM shop.seen WHERE consumer = 'probing'"), '80|80', "B32 $doing{probing}: all come once");
is($spark->sql("SELECT count(*) FROM spark_accounting.accounts WHERE account_id = '$account'"), '1', "B32 $doing{context}: its effect is there once");
is($spark->broken_invariants, '', 'every invariant holds');
note(sprintf('gone after %.2f s at the most, %.2f s in the middle', (sort { $a <=> $b } @seconds)[ -1, $#seconds / 2 ]));
$spark->stop;
done_testing();
