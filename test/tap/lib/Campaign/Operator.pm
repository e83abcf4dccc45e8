# Campaign/Operator.pm
#		What an operator does in the middle of a campaign: sets a limit, keeps the
#		node's money back, decides what hangs, pauses all and lets it go on.
#
#		my %acts = Campaign::Operator::acts($spark, $world);		# name => code, as disasters
#
# Whatever he does is true: he calls paid what the node has paid, and failed what
# it has never been sent.
package Campaign::Operator;

use strict;
use warnings;

sub rest { select(undef, undef, undef, 0.3 + rand(0.7)); return; }

# A setting of the server has that value for a moment.
sub for_a_moment
{
	my ($spark, $name, $value) = @_;

	for my $change ("SET $name = $value", "RESET $name")
	{
		$spark->wait_for_success("ALTER SYSTEM $change");
		$spark->wait_for_success('SELECT pg_reload_conf()');
		rest() if $change =~ /^SET/;
	}
	return;
}

# More than there is: nothing is paid meanwhile, and the breaker may open.
sub keep_capital
{
	my ($spark) = @_;

	for_a_moment($spark, 'spark.own_capital', 1_000_000_000);
	return $spark->wait_for_success("SELECT spark_ops.close_breaker('the campaign goes on')");
}

# Until the books, which may be a copy now, were compared with the node, nothing is sent to it:
# he sees to it that this comes to an end, in spite of the faults.
sub pause
{
	my ($spark) = @_;

	$spark->wait_for_success("SELECT spark_ops.pause_outside('the campaign')");
	rest();
	$spark->wait_for_success("SELECT spark_ops.resume_outside('the campaign goes on')");
	for (my $deadline = time() + 60; time() < $deadline; rest())
	{
		my ($sqlstate, $goes_on) = $spark->try_sql("SELECT ok FROM spark_ops.node_health() WHERE check_name = 'breaker'");
		last if $sqlstate eq '' && $goes_on eq 't';
	}
	return 1;
}

# The worker may be quicker: what is refused then was decided.
sub decide
{
	my ($spark, $world) = @_;
	my $decision = "SELECT spark_ops.decide_payment('%s', '%s', 'the record of the node', 'the campaign', %s, %s)";

	$world->refresh;
	my @paid = split(/\n/, $spark->sql("SELECT DISTINCT ON (w.payment_hash) invoice_id, w.payment_hash, p.fee_msat FROM spark_bitcoin.withdrawals w JOIN faults.executed p USING (payment_hash)"
			. " WHERE direction = 'out' AND state IN ('in_flight', 'unknown', 'needs_operator') LIMIT 3"));
	for (@paid)
	{
		my ($id, $hash, $fee) = split(/\|/);
		$spark->try_sql(sprintf($decision, $id, 'paid', "'" . $world->preimage($hash) . "'", $fee));
	}
	my @waiting = split(/\n/, $spark->sql("SELECT invoice_id FROM spark_bitcoin.withdrawals WHERE state = 'reserved' AND deposit_id IS NULL AND attempt_no > 0 LIMIT 2"));
	$spark->try_sql(sprintf($decision, $_, 'failed', 'NULL', 'NULL')) for @waiting;
	return;
}

sub acts
{
	my ($spark, $world) = @_;
	return (
		'an operator sets a low limit' => sub { for_a_moment($spark, 'spark.daily_limit_account', 1) },
		'an operator keeps the capital' => sub { keep_capital($spark) },
		'an operator decides what hangs' => sub { decide($spark, $world) },
		# What waits is doubted then; where only time makes that good, it would never be sent.
		$world->is_believed_late ? () : ('an operator pauses all' => sub { pause($spark) }));
}

1;
