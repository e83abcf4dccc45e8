# 022_flat_cost.pl
#		D20, S28: what a donation, its effect and the pages about it cost is the same
#		beside ten and beside a hundred thousand others.  Counted in buffers that were
#		touched and in rows that were written, never in time.  The same of messages
#		that are due later (B39).  No worker looks after these books, so that nobody
#		else is counted.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $many = 100_000;
my $waiting = $ENV{SPARK_DELAYED} || $many;		# messages that are due later; SPARK_DELAYED=1000000
my $spark = Spark->start(worker => 0, conf => "autovacuum = off\nmax_parallel_workers_per_gather = 0");
my ($donor, $owner) = map { $spark->sign_up($_) } 'donor', 'owner';
my ($donor_id, $owner_id) = map { $spark->as($_, 'SELECT spark.whoami()') } $donor, $owner;
my $campaign = $spark->as($owner, "SELECT campaign_id FROM spark.create_campaign('A well', '', 1)");

$spark->sql('GRANT USAGE ON SCHEMA spark_bus TO client; GRANT EXECUTE ON FUNCTION spark_bus.dispatch(int) TO client');

sub dispatch
{
	1 while $spark->sql('SELECT spark_bus.dispatch()') > 0;
	return;
}

sub credit
{
	my ($number) = @_;
	$spark->sql("SELECT spark_bus.emit('accounting.deposit', gen_random_uuid(), jsonb_build_object('account_id', '$donor_id', 'idempotency_key', repeat('$number', 64),"
		. " 'amount_msat', 1000000000000, 'node_account_id', '00000000-0000-7000-8000-000000000001', 'invoice_id', gen_random_uuid()), 'deposit')");
	return dispatch();
}

sub explained { return "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) $_[0]"; }

# The buffers that a statement touches in a session that has run its like before.
sub buffers
{
	my ($token, $like, $sql) = @_;
	return buffers_of($spark->as($token, "$like;\n" . explained($sql)));
}

sub buffers_of
{
	my ($plan) = @_;
	my ($hit) = $plan =~ /"Shared Hit Blocks": (\d+)/;
	my ($read) = $plan =~ /"Shared Read Blocks": (\d+)/;
	return $hit + $read;
}

my @tables = map { "spark_$_" } qw(crowdfunding.campaigns crowdfunding.donations accounting.accounts accounting.transfers
	dashboard.overviews dashboard.campaigns dashboard.movements dashboard.counted_donations);
my $key = 0;

# Messages that wait, for a day and more; or that are due.
sub waiting
{
	my ($count, $due) = @_;
	return "INSERT INTO spark_common.delayed SELECT gen_random_uuid(), $due + n * interval '1 s', 'shop', gen_random_uuid(), 'shop.alarm',"
	  . " '{}', 1, gen_random_uuid(), NULL, NULL, 0, 'author', now() FROM generate_series(1, $count) AS n";
}
my $due = waiting(10, "now() - interval '1 hour'");

# What one more donation costs, all told: buffers a statement, and rows written.
sub costs
{
	my %cost;
	my $donate = sub { return "SELECT donation_id FROM spark.donate('$campaign', 10, 'key " . ++$key . "')" };
	my $donation = $spark->as($donor, $donate->());
	dispatch();

	$cost{'donate()'} = buffers($donor, $donate->(), $donate->());
	dispatch();
	$cost{'donation()'} = buffers($donor, ("SELECT FROM spark.donation('$donation')") x 2);
	$cost{'donations()'} = buffers($owner, ("SELECT FROM spark.donations('$campaign')") x 2);
	$cost{'donations() of a donor'} = buffers($donor, ("SELECT FROM spark.donations('$campaign')") x 2);
	$cost{'campaign()'} = buffers($donor, ("SELECT FROM spark.campaign('$campaign')") x 2);
	$cost{'dashboard()'} = buffers($owner, ('SELECT FROM spark.dashboard()') x 2);
	$cost{'statement()'} = buffers($owner, ('SELECT FROM spark.statement()') x 2);
	$cost{'balance()'} = buffers($owner, ('SELECT FROM spark.balance()') x 2);

	$cost{'a look for what is due'} = buffers($donor, ('SELECT spark_bus.dispatch()') x 2);
	$cost{'moving ten that are due'} = buffers_of($spark->sql("$due; SELECT spark_bus.dispatch(); $due; " . explained('SELECT spark_bus.dispatch()')));

	# Its effect in the ledger, the campaign and the dashboards: the session has
	# dispatched one donation before.
	$spark->as($donor, $donate->());
	$cost{'its effect'} = buffers($donor, "SELECT spark_bus.dispatch(); COMMIT; BEGIN; " . $donate->() . '; COMMIT', 'SELECT spark_bus.dispatch()');
	dispatch();

	# Rows by their transactions: of one donation, from its command to the end.
	my $from = $spark->sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
	$spark->as($donor, $donate->());
	dispatch();
	for my $table (@tables)
	{
		$cost{"rows of $table"} = $spark->sql("SELECT count(*) FROM $table WHERE xmin::text::bigint >= $from");
	}
	return %cost;
}

dispatch();
credit(1);
$spark->as($donor, "SELECT count(*) FROM generate_series(1, 10) AS n, LATERAL spark.donate('$campaign', 1, 'first ' || n)");
dispatch();
$spark->sql(waiting(10, "now() + interval '1 day'"));
$spark->sql('VACUUM (ANALYZE)');
# Who made his plans while few were waiting.
my $early = $spark->node->background_psql('postgres', on_error_stop => 1);
$early->query_safe('SELECT spark_bus.dispatch()') for 1 .. 8;
my $early_look = buffers_of($early->query_safe(explained('SELECT spark_bus.dispatch()')));
my %few = costs();

is($few{'rows of spark_crowdfunding.donations'}, 1, 'S28 a donation is one row');
is($few{'rows of spark_crowdfunding.campaigns'}, 1, 'and one of its campaign');
is($few{'rows of spark_accounting.transfers'}, 1, 'D20 an entry of the ledger is one row');
is($few{'rows of spark_accounting.accounts'}, 2, 'and one of each of the two accounts');

# As many more, as if each had been given: with its transfer and its line.
$spark->sql(<<"END");
CREATE TABLE given AS SELECT gen_random_uuid() AS donation_id, gen_random_uuid() AS transfer_id, n,
	now() - interval '1 day' - n * interval '1 second' AS at FROM generate_series(1, $many) AS n;
INSERT INTO spark_crowdfunding.donations (donation_id, version, campaign_id, donor_id, owner_id, idempotency_key, amount_msat, status, created_at, decided_at)
	SELECT donation_id, 2, '$campaign', '$donor_id', '$owner_id', 'given ' || n, 1000, 'confirmed', at, at FROM given;
INSERT INTO spark_accounting.transfers (transfer_id, debit_account_id, credit_account_id, amount_msat, sequence, created_at, form, purpose, kind, idempotency_key, seal, campaign_id)
	SELECT transfer_id, '$donor_id', '$owner_id', 1000, 1000000 + n, at, 'direct', 'donation', 'donation', 'given ' || n, sha256('seal'), '$campaign' FROM given;
INSERT INTO spark_dashboard.movements (transfer_id, version, state, amount_msat, payer_id, payer_kind, payee_id, payee_kind, campaign_id, created_at, posted_at)
	SELECT transfer_id, 1, 'posted', 1000, '$donor_id', 'donation', '$owner_id', 'donation', '$campaign', at, at FROM given;
INSERT INTO spark_dashboard.counted_donations SELECT donation_id, '$campaign', 1000 FROM given;
UPDATE spark_crowdfunding.campaigns SET raised_msat = raised_msat + 1000 * $many, donation_count = donation_count + $many;
END
$spark->sql(waiting($waiting, "now() + interval '1 day'"));
cmp_ok(buffers_of($early->query_safe(explained('SELECT spark_bus.dispatch()'))), '<=', $early_look + 60, "B39 beside $waiting that wait, a session looks by index that began beside ten");
$early->quit;
$spark->sql('VACUUM (ANALYZE)');
my %more = costs();

for my $what (sort keys %few)
{
	if ($what =~ /^rows/)
	{
		is($more{$what}, $few{$what}, "S28 D20 beside $many: $what");
		next;
	}
	# An index of a hundred thousand is two pages deeper than one of ten: that is all
	# that may come for each that is read.
	cmp_ok($more{$what}, '<=', $few{$what} + 100, "S28 D20 beside $many: $what costs the same ($few{$what}, $more{$what} buffers)");
}

$spark->stop;
done_testing();
