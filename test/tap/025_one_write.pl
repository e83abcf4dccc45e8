# 025_one_write.pl
#		What a batch touches is read once and written once, however many of its
#		messages touch it: the identity map of the unit of work.  Counted by the
#		server, in a session that dispatches.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;
use Town;

my $spark = Spark->start;
my $town = Town->new($spark);
my $owner = $town->person('owner');
my $donor = $town->person('donor', 10_000);
my $campaign = $town->campaign($owner, 'A well');
$spark->wait_until_drained;
$spark->serve('');

my $batches_sql = 'SELECT consumer, sum(gen) FROM (SELECT consumer, max(gen) AS gen FROM spark_common.cursor_log GROUP BY consumer, lane) c GROUP BY 1 ORDER BY 1';

# Dispatches once: how many messages; by table [scans, updates, inserts]; and by consumer how many batches.
sub dispatched
{
	my ($before, $messages, $tables, $after) = map { s/^\n//r } split /^=$/m, $spark->sql(<<"END");
$batches_sql;
BEGIN;
\\echo =
SELECT spark_bus.dispatch(10000);
\\echo =
SELECT schemaname || '.' || relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0), n_tup_upd, n_tup_ins FROM pg_stat_xact_user_tables;
COMMIT;
\\echo =
$batches_sql;
END
	my %before = map { split /\|/ } split /\n/, $before;
	my %after = map { split /\|/ } split /\n/, $after;
	return (messages => $messages =~ s/\n//r,
		(map { my ($table, @counts) = split /\|/; ($table =~ s/^spark_//r) => \@counts } split /\n/, $tables),
		map { ("batches of $_" => $after{$_} - $before{$_}) } keys %before);
}

# So many donations of one to another: what each step did to the tables.
sub donations
{
	my ($count, $name) = @_;
	$town->donate($donor, $campaign, 1, "$name $_") for 1 .. $count;
	my @steps;
	for (1 .. 5)
	{
		push @steps, { dispatched() };
		last if $steps[-1]{messages} == 0;
	}
	return @steps;
}

sub is_touched_once
{
	my ($count, $step, $table, $aggregates, $name) = @_;
	my ($scans, $updates) = @{ $step->{$table} // [ 0, 0, 0 ] };
	my $batches = $step->{'batches of ' . $table =~ s/\..*//r};
	cmp_ok($updates, '>=', $aggregates, "$name: $table is written");
	cmp_ok($updates, '<=', $aggregates * $batches, "$name: each row once a batch, of $count messages");
	# To lock it, and to write it.
	cmp_ok($scans, '<=', 2 * $aggregates * $batches, "$name: and is read as often");
	return;
}

for my $count (30, 90)
{
	my @steps = donations($count, "of $count");
	is($steps[0]{messages}, $count, "$count: requests for a transfer");
	is_touched_once($count, $steps[0], 'accounting.accounts', 2, 'S48: the accounts of donor and owner');
	is($steps[0]{'accounting.transfers'}[2], $count, "$count transfers");
	is_touched_once($count, $steps[1], 'crowdfunding.campaigns', 1, 'S48: the total of the campaign');
	is_touched_once($count, $steps[1], 'dashboard.overviews', 2, 'S48: what both see of the movements');
	is_touched_once($count, $steps[2], 'dashboard.overviews', 2, 'S48: what both see of the donations');
	is_touched_once($count, $steps[2], 'dashboard.campaigns', 1, 'S48: and of the campaign');
	is($steps[-1]{messages}, 0, 'and then nothing is left');
}
is($town->raised($campaign), '120000|120', 'S48: all are counted');
is($spark->broken_invariants, '', 'every invariant holds');
$spark->stop;
done_testing();
