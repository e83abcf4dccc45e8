# 070_plans.pl
#		No call and no turn of a worker reads more of the books than it needs:
#		on books of some thousand rows a table, each statement of spark is
#		watched, and each part of its plan that reads a table must read it by an
#		index, and few rows.
#
# Left out are what an operator asks of the whole (verify, trial balance,
# health, the comparison with the node, its witness) and tables of a handful of rows.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $rows = 8_000;
my $most_rows = 600;			# a page of 500, and one more
my %small = map { $_ => 1 } qw(installed settings subscription node node_state simulator_keys simulator_scripts);

my $spark = Spark->start(conf => <<'END');
shared_preload_libraries = 'spark, auto_explain'
session_preload_libraries = ''
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_verbose = on
auto_explain.log_format = json
auto_explain.log_min_duration = -1
autovacuum = off
spark.dispatch_naptime = 2000
jit = off
END

my $alice = $spark->sign_up('alice');
my $bob = $spark->sign_up('bob');
$spark->fund($bob, 1_000_000);
my $campaign = $spark->as($alice, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 50000)");
$spark->as($bob, "SELECT * FROM spark.donate('$campaign', 1000, 'before')");
$spark->wait_until_drained;

fill();
watch();
people_call();
operators_call();
$spark->stop;

my $plans = plans();
cmp_ok(scalar(@$plans), '>', 80, 'many statements were watched');
my %seen;
look_at($_->{Plan}, $_->{'Query Text'}) for @$plans;
is(join("\n", sort keys %seen), '', 'each reads what it reads by an index, and no more than it needs');

done_testing();

# Half of everything is of alice or bob, so that what is theirs is many rows too.
sub fill
{
	my $ids = $spark->sql("SELECT string_agg(account_id::text, ' ' ORDER BY username) FROM spark_auth.accounts");
	my ($alice_id, $bob_id) = split(' ', $ids);
	my $node = $spark->sql('SELECT node_account_id FROM spark_bitcoin.node');
	my $owner = "CASE WHEN i % 4 = 0 THEN '$alice_id' WHEN i % 4 = 1 THEN '$bob_id' ELSE gen_random_uuid() END";
	my $other = "CASE WHEN i % 4 = 1 THEN '$alice_id' WHEN i % 4 = 0 THEN '$bob_id' ELSE gen_random_uuid() END";
	my $in = "FROM generate_series(1, $rows) i";
	my $then = "now() - i * interval '1 minute'";
	my $hash = "encode(sha256(i::text::bytea), 'hex')";

	$spark->sql(<<"END");
INSERT INTO spark_auth.accounts SELECT gen_random_uuid(), 1, 'name' || i, 'none', $then $in;
INSERT INTO spark_crowdfunding.creators SELECT account_id, 1, username FROM spark_auth.accounts ON CONFLICT DO NOTHING;
INSERT INTO spark_crowdfunding.campaigns
	SELECT gen_random_uuid(), 1, $owner, 'title', '', 1000, 'open', 0, 0, false, $then $in;
INSERT INTO spark_crowdfunding.donations
	SELECT gen_random_uuid(), 1, CASE WHEN i % 2 = 0 THEN '$campaign' ELSE gen_random_uuid() END,
		CASE WHEN i % 3 = 0 THEN '$bob_id' ELSE gen_random_uuid() END, '$alice_id', 'key' || i, 1000, 'confirmed', NULL, $then, now() $in;
INSERT INTO spark_accounting.accounts
	SELECT account_id, 1, 0, 0, 0, 0, 0, now(), NULL, true, false, 'user', decode(repeat('00', 32), 'hex'), NULL FROM spark_auth.accounts
	ON CONFLICT DO NOTHING;
INSERT INTO spark_accounting.transfers (transfer_id, debit_account_id, credit_account_id, amount_msat, sequence, created_at, form, purpose,
		kind, idempotency_key, seal)
	SELECT gen_random_uuid(), $owner, $other, 1000, i + 10, $then, CASE WHEN i % 3 = 0 THEN 'pending' ELSE 'direct' END, 'donation',
		'donation', 'key' || i, decode(repeat('00', 32), 'hex') $in;
INSERT INTO spark_accounting.transfers (transfer_id, debit_account_id, credit_account_id, amount_msat, sequence, created_at, form, purpose,
		kind, idempotency_key, seal)
	SELECT gen_random_uuid(), '$bob_id', '$node', 1000, i + 100000, now() - i * interval '10 seconds', 'direct', 'fee', 'fee', 'fee' || i,
		decode(repeat('00', 32), 'hex') $in;
INSERT INTO spark_accounting.outflows SELECT account_id, 1, 0, now(), array_fill(0::bigint, '{25}') FROM spark_accounting.accounts;
INSERT INTO spark_accounting.rejections
	SELECT $owner, $other, 1000, NULL, $then, 'direct', 'donation', 'no' || i, 'insufficient_funds' $in;
INSERT INTO spark_bitcoin.deposits (invoice_id, version, account_id, amount_msat, expiry_seconds, created_at, state, payment_hash,
		payment_request, expires_at, node_account_id, held, late, look_count, next_look_at)
	SELECT gen_random_uuid(), 1, $owner, 1000, 3600, $then, 'expired', $hash, 'x', now(), '$node', false, false, 1,
		CASE WHEN i % 2 = 0 THEN now() + i * interval '1 hour' END $in;
INSERT INTO spark_bitcoin.withdrawals (invoice_id, version, account_id, node_account_id, payment_hash, payment_request, amount_msat,
		amount_given, max_fee_msat, expires_at, created_at, tried_before, state, fee_msat, late, attempt_no, give_up_seconds, look_count,
		submitted_at, settled_at, preimage, failed_at, reason)
	SELECT gen_random_uuid(), 1, $owner, '$node', $hash, 'x', 1000, false, 10, now(), $then, false,
		CASE WHEN i % 2 = 0 THEN 'failed' ELSE 'succeeded' END, 0, false, 1, 60, 1, $then,
		CASE WHEN i % 2 = 1 THEN $then END, CASE WHEN i % 2 = 1 THEN $hash END,
		CASE WHEN i % 2 = 0 THEN $then - interval '30 days' END, CASE WHEN i % 2 = 0 THEN 'payment_refused' END $in;
INSERT INTO spark_bitcoin.looks SELECT gen_random_uuid(), $then $in;
INSERT INTO spark_bitcoin.simulator_invoices (payment_hash, owner, preimage, payment_request, amount_msat, memo, created_at, expires_at,
		settled_at, received_msat, announced_at, event_at, bound_at)
	SELECT encode(sha256(('s' || i)::bytea), 'hex'), 'node', $hash, 'x', 1000, '', $then, now(), $then, 1000, $then, $then, $then $in;
INSERT INTO spark_bitcoin.simulator_payments
	SELECT encode(sha256(('p' || i)::bytea), 'hex'), 1, 1000, 10, '', $then, 0, $then, NULL, $then, true, true, $then, 0, 'none' $in;
INSERT INTO spark_bitcoin.simulator_events SELECT 1000 + i, encode(sha256(('e' || i)::bytea), 'hex'), $then $in;
INSERT INTO spark_dashboard.overviews SELECT account_id, 1, username, 0, 0, 0, 0, 0 FROM spark_auth.accounts ON CONFLICT DO NOTHING;
INSERT INTO spark_dashboard.campaigns SELECT gen_random_uuid(), 1, $owner, 'title', 'open', 1000, 0, 0, $then $in;
INSERT INTO spark_dashboard.movements
	SELECT gen_random_uuid(), 1, 'posted', 1000, $owner, 'donation', NULL, $other, 'donation', NULL, NULL, $then, $then $in;
INSERT INTO spark_dashboard.counted_donations SELECT gen_random_uuid(), gen_random_uuid(), 1000 $in;
INSERT INTO spark_common.outbox_0_0 (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth, created_at)
	SELECT nextval('spark_common.outbox_0_seq'), pg_current_xact_id(), gen_random_uuid(), 'nothing', gen_random_uuid(), 'nobody.wants', '{}', 1,
		gen_random_uuid(), 0, $then $in;
INSERT INTO spark_common.retry (consumer, lane, seq, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth,
		created_at, holds, attempts, due, first_failed_at, error_message)
	SELECT 'somebody', 0, i, gen_random_uuid(), 'nothing', gen_random_uuid(), 'nobody.wants', '{}', 1, gen_random_uuid(), 0, $then, 'key', 1,
		now() + interval '1 day', now(), 'no' $in;
INSERT INTO spark_common.dead_letter
	SELECT consumer, lane, seq, gen_random_uuid(), aggregatetype, gen_random_uuid(), type, payload, schemaversion, correlationid, causationid,
		traceparent, depth, created_at, holds, attempts, due, error_code, error_message, error_detail, error_context, first_failed_at, created_at
	FROM spark_common.retry;
ANALYZE;
END
	$spark->wait_for('SELECT bool_and(q1 >= last_value) FROM spark_common.outbox_0_seq,'
		. ' (SELECT DISTINCT ON (consumer) q1 FROM spark_common.cursor_log ORDER BY consumer, gen DESC) c');
	return;
}

# Generic plans are those that a long session and a worker come to.
sub watch
{
	$spark->sql("ALTER SYSTEM SET plan_cache_mode = 'force_generic_plan'; ALTER SYSTEM SET auto_explain.log_min_duration = 0");
	$spark->node->restart;			# the worker's first turn is watched too
	$spark->wait_for("SELECT ok FROM spark_ops.health() WHERE check_name = 'node'");
	return;
}

sub people_call
{
	my $carol = $spark->sign_up('carol');

	$spark->as($carol, 'SELECT * FROM spark.account(); SELECT * FROM spark.balance()');
	my $own = $spark->as($carol, "SELECT campaign_id FROM spark.create_campaign('A bridge', 'Over the river', 50000)");
	for my $list ('campaigns(%s)', "donations('$campaign', %s)", 'invoices(%s)', 'statement(%s)')
	{
		my $id = { c => 'campaign_id', d => 'donation_id', i => 'invoice_id', s => 'transfer_id' }->{ substr($list, 0, 1) };

		for my $who ($alice, $bob, $carol)
		{
			my $last = (split(/\n/, $spark->as($who, "SELECT $id FROM spark." . sprintf($list, 'limit_ => 50'))))[-1];
			$spark->as($who, "SELECT count(*) FROM spark." . sprintf($list, "limit_ => 500, after => '$last'")) if defined $last;
		}
	}
	$spark->as($bob, "SELECT * FROM spark.campaign('$campaign')");
	my $donation = $spark->as($bob, "SELECT donation_id FROM spark.donate('$own', 1000, 'bridge')");
	$spark->as($bob, "SELECT * FROM spark.donation('$donation')");
	$spark->fund($carol, 10_000);
	my $invoice = $spark->as($carol, 'SELECT invoice_id FROM spark.deposit(1000)');
	$spark->wait_for("SELECT payment_hash IS NOT NULL FROM spark.invoice('$invoice')", undef, $carol);
	my $hash = $spark->as($carol, "SELECT payment_hash FROM spark.invoice('$invoice')");
	$spark->as($carol, "SELECT * FROM spark.verify_deposit('$hash')");
	my $inside = $spark->as($carol, "SELECT payment_request FROM spark.invoice('$invoice')");
	my $outside = $spark->sql("SELECT spark_simulator.make_invoice(2000, 'wallet')");
	for my $request ($outside, $inside)
	{
		my $withdrawal = $spark->as($bob, "SELECT invoice_id FROM spark.withdraw('$request')");
		$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$withdrawal')", undef, $bob);
	}
	$spark->as($_, 'SELECT * FROM spark.dashboard()') for $alice, $bob, $carol;
	$spark->wait_for("SELECT bool_and(lag_messages = 0) FROM spark_ops.bus_status()");
	return;
}

sub operators_call
{
	$spark->sql('SELECT * FROM spark_ops.dead_letters()');
	my $dead = $spark->sql('SELECT id FROM spark_common.dead_letter LIMIT 1');
	$spark->sql('CREATE FUNCTION handle(message spark_bus.message) RETURNS void LANGUAGE sql AS $$ SELECT $$');
	$spark->sql("SELECT spark_bus.subscribe('somebody', 'nobody.wants', 'handle')");
	$spark->sql("SELECT spark_ops.drop_dead_letter('$dead', 'somebody', 'test')");
	$dead = $spark->sql('SELECT id FROM spark_common.dead_letter LIMIT 1');
	$spark->sql("SELECT spark_ops.retry_dead_letter('$dead', 'somebody')");
	$spark->sql("SELECT spark_bus.emit('nobody.wants', gen_random_uuid(), '{}')");
	$spark->sql('SELECT spark_bus.dispatch()');
	return;
}

# Every plan in the log.
sub plans
{
	my $log = slurp_file($spark->node->logfile);
	my @plans;

	push @plans, decode_json($1) while $log =~ /plan:\n((?:\t.*\n)+)/g;
	return \@plans;
}

sub look_at
{
	my ($node, $query) = @_;
	my $table = $node->{'Relation Name'};
	my $read = (($node->{'Actual Rows'} // 0) + ($node->{'Rows Removed by Filter'} // 0)) * ($node->{'Actual Loops'} // 0);

	if (defined $table && ($node->{Schema} // '') =~ /^spark_/ && !$small{$table} && is_of_spark($query))
	{
		my $where = "$node->{'Node Type'} of $node->{Schema}.$table: $query";

		$seen{$where} = 1 if $node->{'Node Type'} eq 'Seq Scan' && $read > 100;
		$seen{"$read rows: $where"} = 1 if $read > $most_rows;
	}
	look_at($_, $query) for @{ $node->{Plans} // [] };
	return;
}

# Not what this test itself asks, nor what looks at everything on purpose.
sub is_of_spark
{
	my ($query) = @_;
	return $query !~ m{^/\* audit \*/} && $query !~ /bool_and\(lag|FROM spark_common\.dead_letter LIMIT|DISTINCT consumer/ && $query !~ /^SELECT \(SELECT pg_catalog\.count/;
}
