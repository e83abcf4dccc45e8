# 054_standby.pl
#		Copies of the whole cluster: a streaming standby that answers queries and
#		takes over, a base backup that goes back to an earlier moment, a publication
#		and a slot beside the work (X28, X29, X30, X44, B31, B34, B44, T30).
use strict;
use warnings;

use IPC::Run ();

use PostgreSQL::Test::Utils;
use Test::More;

use Server;
use Spark;

my $spark = Spark->start(name => 'primary', database => 'shop', conf => <<'END');
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
hot_standby = on
spark.lightning_not_found_delay = 1
max_prepared_transactions = 5
END
my $primary = $spark->node;
$primary->append_conf('pg_hba.conf', "local replication all trust\n");
$primary->reload;

# ---- B44: a publication of everything stands in nobody's way, a slot sees each emit once
$spark->sql('CREATE PUBLICATION everything FOR ALL TABLES');
$spark->sql("SELECT format('CREATE PUBLICATION outbox FOR TABLE %s WITH (publish = ''insert'')', string_agg('spark_common.' || relname, ', '))"
	. " FROM pg_class WHERE relname ~ '^outbox_[0-9]+_[0-9]+\$' \\gexec");
$spark->sql("SELECT pg_create_logical_replication_slot('router', 'pgoutput')");
$spark->sql(<<'END');
CREATE TABLE public.counted (message_id uuid, n int);
CREATE FUNCTION public.count_it(message spark_bus.message) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO public.counted VALUES (message.id, (message.payload->>'n')::int) $$;
SELECT spark_bus.subscribe('counter', 'shop.sold', 'public.count_it');
END
my $alice = $spark->sign_up('alice');
my $bob = $spark->sign_up('bob');
$spark->fund($alice, 100_000);
my $campaign = $spark->as($bob, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 50000)");

sub withdraw
{
	my ($where, $sat) = @_;
	my $request = $where->sql("SELECT spark_simulator.make_invoice($sat)");
	my ($id, $hash) = split(/\|/, $where->as($alice, "SELECT invoice_id, payment_hash FROM spark.withdraw('$request')"));
	return { id => $id, hash => $hash };
}

sub is_paid
{
	my ($where, $withdrawal, $name) = @_;
	return $where->wait_for("SELECT status = 'paid' FROM spark.invoice('$withdrawal->{id}')", $name, $alice);
}

is_paid($spark, withdraw($spark, 100), 'B44 with a publication of all tables everything works');
$spark->sql("SELECT spark_bus.emit('shop.sold', gen_random_uuid(), jsonb_build_object('n', n)) FROM generate_series(1, 10) n");
$spark->wait_for('SELECT count(*) = 10 FROM public.counted', 'also for authors');

# What a router reads: [kind, relation, { column => value }] a message of pgoutput, and the columns of each relation.
sub decoded
{
	my ($slot, $publication) = @_;
	my (%columns, @changes);
	my $read = "SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('$slot', NULL, NULL, 'proto_version', '1', 'publication_names', '$publication')";
	my %type = split /[|\n]/, $spark->sql('SELECT oid, typname FROM pg_type WHERE typnamespace = \'pg_catalog\'::regnamespace');

	for my $message (map { pack 'H*', $_ } split /\n/, $spark->sql($read))
	{
		my ($kind, $rest) = (substr($message, 0, 1), substr($message, 1));
		if ($kind eq 'R')
		{
			my ($relation, $schema, $name, undef, $count, $more) = unpack 'N Z* Z* C n a*', $rest;
			$columns{$relation} = [];
			for (1 .. $count)
			{
				(undef, my $column, my $oid, undef, $more) = unpack 'C Z* N N a*', $more;
				push @{ $columns{$relation} }, "$column $type{$oid}";
			}
		}
		elsif ($kind eq 'I')
		{
			my ($relation, undef, $count, $more) = unpack 'N a n a*', $rest;
			my %value;
			for my $column (map { s/ .*//r } @{ $columns{$relation} })
			{
				(my $is, $more) = unpack 'a a*', $more;
				($value{$column}, $more) = unpack 'N/a a*', $more if $is eq 't';
			}
			push @changes, [ $kind, $relation, \%value ];
		}
		elsif ($kind !~ /^[BCYO]$/)
		{
			push @changes, [$kind];
		}
	}
	return (\@changes, \%columns);
}

my $key = '00000000-0000-7000-8000-000000000007';
$spark->sql("SELECT spark_bus.emit('shop.traced', '$key', '{\"n\": 11, \"deep\": [true, null]}', aggregate_type => 'shop.shelf')");
$spark->sql("BEGIN; SAVEPOINT a; SELECT spark_bus.emit('shop.sold', '$key', '{\"n\": -1}'); ROLLBACK TO a; COMMIT");
$spark->sql("BEGIN; SELECT spark_bus.emit('shop.sold', '$key', '{\"n\": -2}'); ROLLBACK");
# Every segment is emptied, and used again.
$spark->set("spark.$_->[0]", $_->[1]) for [ segment_age => 1 ], [ segment_retention => 0 ];
$spark->wait_for("SELECT spark_ops.rotate() >= 0 AND NOT EXISTS (SELECT FROM spark_common.outbox WHERE type IN ('shop.sold', 'shop.traced'))", 'B44 the log is emptied');
$spark->set("spark.$_->[0]", $_->[1]) for [ segment_age => 3600 ], [ segment_retention => 600 ];
my ($changes, $columns) = decoded('router', 'outbox');
is(join(' ', sort keys %{ { map { $_->[0] => 1 } @$changes } }), 'I', 'B44 a slot of pgoutput sees inserts and nothing else, no TRUNCATE');
is(join('; ', sort keys %{ { map { join(', ', @$_) => 1 } values %$columns } }),
	'seq int8, xid xid8, id uuid, aggregatetype text, aggregateid uuid, type text, payload jsonb, schemaversion int4, correlationid uuid,'
	. ' causationid uuid, traceparent text, tracestate text, destination text, depth int2, origin text, headers jsonb, created_at timestamptz',
	'B44 the columns that a router expects, with their types, the same in each segment');
my @sold = map { $_->[2] } grep { $_->[2]{type} eq 'shop.sold' } @$changes;
is(join(' ', sort { $a <=> $b } map { $_->{payload} =~ /^\{"n": (-?\d+)\}$/ ? $1 : $_->{payload} } @sold), '1 2 3 4 5 6 7 8 9 10', 'B44 each emit once, and none that was rolled back');
is(scalar(keys %{ { map { $_->{id} => 1 } @sold } }), 10, 'B44 each by an id of its own');
my ($traced) = map { $_->[2] } grep { $_->[2]{type} eq 'shop.traced' } @$changes;
is(join('|', map { $traced->{$_} // 'NULL' } qw(aggregatetype aggregateid payload schemaversion causationid destination depth)),
	"shop.shelf|$key|{\"n\": 11, \"deep\": [true, null]}|1|NULL|NULL|0", 'B44 a message as it was emitted');
like($traced->{id}, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'B44 with a uuid of version 7');
$spark->sql("SELECT pg_drop_replication_slot('router')");

# ---- B45: slots and standbys have no time, but a distance
sub pass_transactions { return $spark->sql('SELECT pg_current_xact_id();' x 60); }

sub holds_snapshot
{
	my ($what, $name) = @_;
	$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'snapshot'", "$name: not yet");
	$spark->set('spark.snapshot_max_transactions', 50);
	pass_transactions();
	$spark->wait_for("SELECT NOT ok AND detail ~ '^held by $what, [1-9]\\d+ transactions ago\$' FROM spark_ops.health() WHERE check_name = 'snapshot'", "$name: named, and a fault");
	like($spark->sql('SELECT spark_ops.metrics()'), qr/^spark_oldest_snapshot_transactions [1-9]\d+$/m, "$name: and measured");
	return $spark->set('spark.snapshot_max_transactions', 1_000_000);
}
$spark->sql("SELECT pg_create_logical_replication_slot('stands', 'pgoutput')");
holds_snapshot('slot stands \\(nobody uses it\\)', 'B45 a logical slot');
$spark->sql("SELECT pg_drop_replication_slot('stands')");

# ---- X44, X30: a streaming standby
my $request = $spark->sql('SELECT spark_simulator.make_invoice(10)');
$primary->backup('base');
my $standby_node = Server->new('standby');
$standby_node->init_from_backup($primary, 'base', has_streaming => 1);
$standby_node->append_conf('postgresql.conf', "recovery_min_apply_delay = 0\nhot_standby_feedback = on\nwal_receiver_status_interval = 1\n");
$standby_node->start;
my $standby = Spark->around($standby_node, 'shop');
$primary->wait_for_catchup($standby_node, 'replay', $primary->lsn('insert'));

for my $query ('spark.version()', 'spark.whoami()', 'spark.account()', 'spark.campaigns()', "spark.campaign('$campaign')", "spark.donations('$campaign')",
	'spark.invoices()', 'spark.balance()', 'spark.statement()', 'spark.dashboard()')
{
	is($standby->as($alice, "SELECT md5(string_agg(t::text, ',')) FROM $query t"), $spark->as($alice, "SELECT md5(string_agg(t::text, ',')) FROM $query t"),
		"X30 $query answers on a standby as on the primary");
}
is($standby->sql("SELECT count(*) FILTER (WHERE ok), count(*) FROM spark_ops.verify()"), '14|14', 'X30 the books verify on a standby');
is($standby->sql('SELECT count(*) > 0 FROM spark_ops.trial_balance()'), 't', 'X30 so does the trial balance');
is($standby->sql("SELECT NOT ok AND detail LIKE '%standby%' FROM spark_ops.health() WHERE check_name = 'worker'"), 't', 'X44 health answers, and says why no worker runs');
is(($standby->try_sql("SELECT * FROM $_"))[0], '', "X30 $_ answers") for qw(spark_ops.bus_status() spark_ops.dead_letters() spark_ops.blocked_keys() spark_ops.operations() spark_simulator.payments());
my $nobody = '00000000-0000-7000-8000-000000000000';
for my $command ("spark.create_campaign('A', '', 1)", "spark.donate('$campaign', 1, 'x')", 'spark.deposit(1)', "spark.withdraw('$request')",
	"spark.verify_deposit('" . ('0' x 64) . "')", "spark.login('alice', '$Spark::password')", "spark.register('carol', '$Spark::password')")
{
	is(($standby->try_as($alice, "SELECT * FROM $command"))[0], '25006', "X30 $command is refused: read only");
}
for my $command ('spark.install()', "spark.grant_api('anon', 'member')", "spark_bus.emit('a.b', '$nobody', '{}')", 'spark_bus.dispatch()',
	"spark_bus.subscribe('a', 'a.b', 'public.count_it')", "spark_bus.unsubscribe('counter', 'shop.sold')", "spark_ops.resume_outside('x')",
	"spark_ops.retry_dead_letter('$nobody', 'counter')", "spark_ops.retry_key('counter', '$nobody', 'x')", "spark_ops.retry_all('counter', 'x')",
	"spark_ops.unblock_key('counter', '$nobody', 'x')", "spark_ops.pause_consumer('counter', 'x')", "spark_ops.replay('counter', 'x', now())", "spark_simulator.make_invoice(1)", "spark_bus.grant_author('member')", "spark_ops.grant_operator('member')")
{
	is(($standby->try_sql("SELECT * FROM $command"))[0], '25006', "X30 $command is refused: read only");
}
is($standby->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'spark%'"), '0', 'X44 no worker runs on a standby');

is(($standby->try_as(undef, "SELECT * FROM spark.deposit(1)"))[0], 'SP003', 'nobody is nobody there too');

# ---- B45: a standby whose query needs old rows, without a slot and with one
my $reader = $standby_node->background_psql('shop', on_error_stop => 1);
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM spark_common.installed');
$spark->wait_for('SELECT backend_xmin IS NOT NULL FROM pg_stat_replication', 'the standby says what it needs');
holds_snapshot('standby standby', 'B45 a standby');
$primary->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('keeper')");
$standby_node->append_conf('postgresql.conf', "primary_slot_name = 'keeper'\n");
$standby_node->reload;
$spark->wait_for("SELECT active AND xmin IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'keeper'", 'the same by a slot');
holds_snapshot('slot keeper', 'B45 a slot of a standby');
$reader->quit;

# ---- X28, B31: the standby is synchronous, the primary dies under load, the standby takes over
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$primary->reload;
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'", 'the standby is synchronous');
my $sent = 10;
my @withdrawals;
for my $round (1 .. 5)
{
	$spark->sql("SELECT spark_bus.emit('shop.sold', gen_random_uuid(), jsonb_build_object('n', n)) FROM generate_series($sent + 1, $sent + 20) n");
	$sent += 20;
	push @withdrawals, withdraw($spark, 100 + $round);
	$spark->as($alice, "SELECT 1 FROM spark.donate('$campaign', $round, 'round $round')");
}
# Clients that note what was acknowledged: psql shows a row when its statement is committed.
my @clients = map {
	my $file = $primary->basedir . "/client$_";
	my $first = 1000 * $_;
	append_to_file("$file.sql", join('', map { "SELECT $_ FROM spark_bus.emit('shop.sold', gen_random_uuid(), '{\"n\": $_}');\n" } $first + 1 .. $first + 999));
	append_to_file($file, '');
	{ said => $file, run => IPC::Run::start([ 'psql', '-XqAt', '-d', $primary->connstr('shop'), '-f', "$file.sql" ], '>', $file, '2>', "$file.err") }
} 1 .. 4;
sub acknowledged { return split(/\n/, slurp_file($_[0]{said})); }
for (my $deadline = time() + $Spark::patience; time() < $deadline && grep { acknowledged($_) < 10 } @clients;)
{
	select(undef, undef, undef, 0.02);
}
$primary->stop('immediate');
$_->{run}->finish for @clients;
my @acknowledged = map { acknowledged($_) } @clients;
cmp_ok(scalar(@acknowledged), '>=', 40, 'B31 the primary went under load, ' . @acknowledged . ' messages were acknowledged to the last');
is($standby->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'spark%'"), '0', 'B31 and before the promotion no worker runs on the standby');
$standby_node->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
$standby_node->promote;
my $sent_or_acknowledged = join(', ', map { "($_)" } 1 .. $sent, @acknowledged);
$standby->wait_for("SELECT count(*) = 0 FROM (VALUES $sent_or_acknowledged) AS s (n) WHERE n NOT IN (SELECT n FROM public.counted)",
	'X28 X44 B31 once promoted it handles all that was acknowledged');
$standby->wait_until_drained;
is($standby->sql('SELECT count(*) - count(DISTINCT n) FROM public.counted'), '0', 'X28 B31 each once');
cmp_ok($standby->sql('SELECT count(*) FROM public.counted'), '<=', $sent + @acknowledged + @clients, 'B31 and what nobody had an answer for is one a client at most');
is_paid($standby, $_, 'X28 every withdrawal is paid') for @withdrawals;
is($standby->sql("SELECT count(*), count(DISTINCT payment_hash) FROM spark_simulator.payments() WHERE direction = 'out'"), '6|6', 'X29 each once');
$standby->wait_for("SELECT donation_count = 5 FROM spark.campaign('$campaign')", 'every donation is confirmed');
$standby->wait_until_drained('nothing is left');
is($standby->broken_invariants, '', 'X28 the books verify');
is($standby->sql("SELECT ok FROM spark_ops.health() WHERE check_name = 'node'"), 't', 'X44 a promoted standby acts outside: it is the one that took over');

# ---- B34, X29, T30: a base backup goes back to before a payout, its configuration pauses it
my $source = $standby_node;
$standby->serve();
my $payout = withdraw($standby, 200);
$standby->dispatch;
is($standby->as($alice, "SELECT state FROM spark.invoice('$payout->{id}')"), 'reserved', 'a payout is reserved');
$source->backup('before_payout');
$standby->serve('shop');
is_paid($standby, $payout, 'and paid after the backup');
my $world = $source->basedir . '/world.sql';
$source->command_ok([ 'pg_dump', '--data-only', '--table=spark_bitcoin.simulator_*', '-f', $world, 'shop' ], 'what the outside world knows is kept');
$standby->stop;

my $back_node = Server->new('back');
$back_node->init_from_backup($source, 'before_payout');
unlink($back_node->data_dir . '/standby.signal');
$back_node->append_conf('postgresql.conf', "spark.outside = off\nspark.databases = 'shop'\n");
$back_node->append_conf('postgresql.auto.conf', "spark.databases = 'shop'\n");
$back_node->start;
my $back = Spark->around($back_node, 'shop');
$back->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'", 'a backup works inside');
$back->as($alice, "SELECT 1 FROM spark.donate('$campaign', 10, 'after the restore')");
$back->wait_for("SELECT donation_count = 6 FROM spark.campaign('$campaign')", 'its books move');
is($back->sql("SELECT ok, detail FROM spark_ops.health() WHERE check_name = 'node'"), 'f|nothing outside is done: spark.outside is off', 'X29 spark.outside = off pauses it, health says so');
is($back->as($alice, "SELECT state FROM spark.invoice('$payout->{id}')"), 'reserved', 'T30 the payout is not sent');
$back->sql('TRUNCATE ' . $back->sql("SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'spark_bitcoin' AND tablename LIKE 'simulator_%'"));
$back_node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'shop', '-f', $world ], 'the outside world has moved on');
is(($back->try_sql("SELECT spark_ops.resume_outside('restored to before the payout')"))[0], 'SP010', 'it is not resumed while the setting is off');
$back->sql("SELECT spark_ops.pause_outside('restored to before the payout')");
$back->set('spark.outside', 'on');
is($back->sql("SELECT ok FROM spark_ops.health() WHERE check_name = 'node'"), 'f', 'X29 an operator has paused it for longer than the setting');
$back->sql("SELECT spark_ops.resume_outside('looked at the node')");
is_paid($back, $payout, 'T30 the payout is found at the node');
is($back->sql("SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$payout->{hash}'"), '1', 'T30 X29 L46 and not made again');
$back->wait_until_drained;
is($back->broken_invariants, '', 'the books verify');

$back_node->stop;
done_testing();
