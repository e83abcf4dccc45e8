# Audit.pm
#		Looks at the books in one snapshot in which no message is on its way, and
#		sums them up anew from the raw rows of each context, from what the outside
#		world saw and from what the clients were told.
#
#		my $audit = Walk::Audit->new($session, $facts);
#		$audit->take;				# waits until nothing is on its way, reads everything
#		my @problems = $audit->problems(final => 1);
#
# Nothing here asks spark what is right: only spark_ops.verify() is spark's own
# opinion, beside the others.
package Walk::Audit;

use strict;
use warnings;

use Walk::Session;

my $drained = 'SELECT coalesce(bool_and(lag_messages = 0 AND parked = 0), false), coalesce(sum(dead), 0), coalesce(sum(handled), 0), '
  . "coalesce(string_agg(consumer || ' ' || lag_messages || ' ' || parked || ' ' || coalesce(last_error, ''), '; ')"
  . ' FILTER (WHERE lag_messages + parked + dead > 0), \'\') FROM spark_ops.bus_status()';

# What is read: a table each, by the columns that are looked at.
my %tables = (
	accounts => [ 'spark_accounting.accounts', qw(account_id class debits_posted_msat credits_posted_msat debits_pending_msat
		  credits_pending_msat frozen_reason) ],
	transfers => [ 'spark_accounting.transfers', qw(transfer_id debit_account_id credit_account_id amount_msat form purpose
		  idempotency_key pending_id) ],
	users => [ 'spark_auth.accounts', qw(account_id username) ],
	campaigns => [ 'spark_crowdfunding.campaigns', qw(campaign_id owner_id raised_msat donation_count) ],
	donations => [ 'spark_crowdfunding.donations', qw(donation_id campaign_id donor_id owner_id idempotency_key amount_msat status reason) ],
	deposits => [ 'spark_bitcoin.deposits', qw(invoice_id account_id idempotency_key amount_msat state payment_hash received_msat paid_by) ],
	withdrawals => [ 'spark_bitcoin.withdrawals', qw(invoice_id account_id payment_hash payment_request amount_msat max_fee_msat
		  fee_msat state deposit_id payee_id late) ],
	payments => [ 'spark_simulator.payments(1000000)', qw(payment_hash direction amount_msat fee_msat) ],
	overviews => [ 'spark_dashboard.overviews', qw(account_id posted_msat reserved_msat raised_msat donated_msat campaign_count) ],
	movements => [ 'spark_dashboard.movements', qw(transfer_id state amount_msat) ],
	scripts => [ 'spark_bitcoin.simulator_scripts', qw(payment_hash outcome) ],
	heard => [ 'walk.heard', qw(type aggregate_id message_id amount_msat) ],
	invariants => [ 'spark_ops.verify()', qw(invariant ok detail) ],
);

my %is_open = map { $_ => 1 } qw(reserved submitting in_flight unknown needs_operator);

sub new
{
	my ($class, $session, $facts) = @_;
	return bless { session => $session, facts => $facts, problems => [] }, $class;
}

# Reads all tables in a snapshot in which every message has been handled.  What
# waits is told as it is now, not as the snapshot has it: so nothing waits before
# it was taken nor after, and nothing was handled in between.
# The last disaster may not be over yet.
sub take
{
	my ($self) = @_;
	my $deadline = time() + $Walk::Session::patience;

	while (!eval { $self->_take($deadline); 1 })
	{
		die $@ if $@ !~ /^connection lost/ || time() > $deadline;
	}
	return;
}

sub _take
{
	my ($self, $deadline) = @_;
	my $session = $self->{session};

	while (1)
	{
		my @before = $self->_state_of_bus;
		$session->rows('BEGIN ISOLATION LEVEL REPEATABLE READ');
		$session->rows('SELECT 1');
		my @after = $self->_state_of_bus;
		my ($is_drained, $dead, $handled, $words) = @after;
		my $is_still = $is_drained eq 't' && $before[0] eq 't' && $before[2] == $handled;
		if ($is_still || $dead > 0 || time() > $deadline)
		{
			$self->{not_drained} = $words if !$is_still || $dead > 0;
			last;
		}
		$session->rows('ROLLBACK');
		select(undef, undef, undef, 0.05);
	}
	$self->{rows}{$_} = $self->_read(@{ $tables{$_} }) for keys %tables;
	$session->rows('ROLLBACK');
	return;
}

sub _state_of_bus
{
	my ($self) = @_;
	return split(/\|/, ($self->{session}->rows($drained))[0], 4);
}

sub _read
{
	my ($self, $from, @columns) = @_;
	my @rows;

	for ($self->{session}->rows('SELECT ' . join(', ', map { "replace(coalesce($_\::text, ''), '|', ' ')" } @columns) . " FROM $from"))
	{
		my %row;
		@row{@columns} = split(/\|/, $_, -1);
		push @rows, \%row;
	}
	return \@rows;
}

sub rows { my ($self, $table) = @_; return @{ $self->{rows}{$table} }; }

sub problem
{
	my ($self, @words) = @_;
	push @{ $self->{problems} }, join('', @words);
	return;
}

sub is_equal
{
	my ($self, $got, $expected, @what) = @_;
	$self->problem(@what, ": $got, not $expected") if $got ne $expected;
	return;
}

# final: nothing is open any more, by the wish of whoever calls.
sub problems
{
	my ($self, %options) = @_;

	$self->problem("messages are left: $self->{not_drained}") if defined $self->{not_drained};
	$self->is_equal(scalar($self->rows('invariants')), 14, 'invariants');
	$self->problem("$_->{invariant}: $_->{detail}") for grep { $_->{ok} ne 'true' } $self->rows('invariants');
	$self->sum_ledger;
	$self->sum_users;
	$self->compare_with_outside($options{final});
	$self->look_at_donations;
	$self->look_at_followers;
	$self->look_at_claims;
	return @{ $self->{problems} };
}

# ---- the ledger by its rows alone

sub sum_ledger
{
	my ($self) = @_;
	my (%sum, %end, %ends);

	for ($self->rows('transfers'))
	{
		next if $_->{pending_id} eq '';
		$end{ $_->{pending_id} } = $_;
		$self->problem("transfer $_->{pending_id} ends twice") if $ends{ $_->{pending_id} }++;
	}
	for ($self->rows('transfers'))
	{
		my ($form, $msat) = @$_{qw(form amount_msat)};
		$self->problem("transfer $_->{transfer_id} of $msat") if $msat <= 0;
		next if $form eq 'void' || $form eq 'pending' && $end{ $_->{transfer_id} };
		my $column = $form eq 'pending' ? 'pending' : 'posted';
		$sum{ $_->{debit_account_id} }{"debits_${column}_msat"} += $msat;
		$sum{ $_->{credit_account_id} }{"credits_${column}_msat"} += $msat;
	}
	for my $account ($self->rows('accounts'))
	{
		my $sums = delete $sum{ $account->{account_id} } // {};
		$self->is_equal($account->{$_}, $sums->{$_} // 0, "$_ of account $account->{account_id} against its transfers")
		  for grep { /_msat$/ } keys %$account;
		$account->{balance} = $account->{credits_posted_msat} - $account->{debits_posted_msat};
		$self->problem("account $account->{account_id} has overdrawn")
		  if $account->{class} =~ /user|fee/ && $account->{balance} - $account->{debits_pending_msat} < 0;
	}
	$self->problem("transfers of an account that is not there: $_") for keys %sum;
	$self->{end} = \%end;
	return;
}

# ---- what each user must have, by donations, deposits and withdrawals

sub sum_users
{
	my ($self) = @_;
	my (%has, %reserved);
	my $late = $self->sum_late;

	for (grep { $_->{state} eq 'settled' } $self->rows('deposits'))
	{
		$has{ $_->{account_id} } += $_->{received_msat};
	}
	for (grep { $_->{status} eq 'confirmed' } $self->rows('donations'))
	{
		$has{ $_->{donor_id} } -= $_->{amount_msat};
		$has{ $_->{owner_id} } += $_->{amount_msat};
	}
	for my $withdrawal ($self->rows('withdrawals'))
	{
		my $account = $withdrawal->{account_id};
		if ($withdrawal->{state} eq 'succeeded')
		{
			$has{$account} -= $withdrawal->{late} eq 'true' ? $late->{ $withdrawal->{invoice_id} }{user} // 0
			  : $withdrawal->{amount_msat} + $withdrawal->{fee_msat};
		}
		elsif ($is_open{ $withdrawal->{state} })
		{
			$reserved{$account} += $withdrawal->{amount_msat} + $withdrawal->{max_fee_msat};
		}
		elsif ($withdrawal->{state} eq 'requested')
		{
			$self->problem("withdrawal $withdrawal->{invoice_id} has no answer of the ledger");
		}
	}
	for my $account (grep { $_->{class} eq 'user' } $self->rows('accounts'))
	{
		my $id = $account->{account_id};
		$self->is_equal($account->{balance}, delete $has{$id} // 0, "what $id has");
		$self->is_equal($account->{debits_pending_msat}, delete $reserved{$id} // 0, "what is reserved of $id");
	}
	$self->problem("an account without a row: $_") for keys %has, keys %reserved;
	return;
}

# Payments that had failed and came after all: who paid for each.
sub sum_late
{
	my ($self) = @_;
	my %late = map { $_->{invoice_id} => { user => 0, all => 0 } } grep { $_->{late} eq 'true' } $self->rows('withdrawals');
	my %class = map { $_->{account_id} => $_->{class} } $self->rows('accounts');
	my %flips = map { $_->{payment_hash} => 1 } grep { $_->{outcome} eq 'flip' } $self->rows('scripts');

	for (grep { $_->{form} eq 'direct' && $late{ $_->{idempotency_key} } } $self->rows('transfers'))
	{
		my $sums = $late{ $_->{idempotency_key} };
		next if ($class{ $_->{credit_account_id} } // '') ne 'node';
		$sums->{all} += $_->{amount_msat};
		$sums->{user} += $_->{amount_msat} if $class{ $_->{debit_account_id} } eq 'user';
	}
	for (grep { $_->{late} eq 'true' } $self->rows('withdrawals'))
	{
		$self->problem("withdrawal $_->{invoice_id} was called failed too early") if !$flips{ $_->{payment_hash} };
		$self->is_equal($late{ $_->{invoice_id} }{all}, $_->{amount_msat} + $_->{fee_msat}, "what was booked of late withdrawal $_->{invoice_id}");
	}
	return \%late;
}

# ---- the outside world is the witness

sub compare_with_outside
{
	my ($self, $final) = @_;
	my (%in, %out);
	my $node = 0;

	for ($self->rows('payments'))
	{
		my $seen = $_->{direction} eq 'in' ? \%in : \%out;
		$self->problem("PAID TWICE: hash $_->{payment_hash}, $_->{direction}\n", $self->history($_->{payment_hash}))
		  if $seen->{ $_->{payment_hash} };
		$seen->{ $_->{payment_hash} } = $_;
	}
	for (grep { $_->{state} eq 'settled' && $_->{paid_by} eq '' } $self->rows('deposits'))
	{
		my $payment = delete $in{ $_->{payment_hash} };
		$self->is_equal($_->{received_msat}, defined $payment ? $payment->{amount_msat} : 'nothing', "what came in by deposit $_->{invoice_id}");
		$node += $_->{received_msat};
	}
	for (grep { $_->{state} eq 'succeeded' && $_->{deposit_id} eq '' } $self->rows('withdrawals'))
	{
		my $payment = delete $out{ $_->{payment_hash} };
		$self->is_equal("$_->{amount_msat} $_->{fee_msat}", defined $payment ? "$payment->{amount_msat} $payment->{fee_msat}" : 'nothing',
			"what went out by withdrawal $_->{invoice_id}");
		$node -= $_->{amount_msat} + $_->{fee_msat};
	}
	for ($self->rows('accounts'))
	{
		$self->is_equal(-$_->{balance}, $node, 'what the ledger says that the node has') if $_->{class} eq 'node';
	}
	$self->look_at_unbooked(\%in, \%out, $final);
	return;
}

# All that is known of a payment, in words.
sub history
{
	my ($self, $hash) = @_;
	return join("\n", map { $self->{session}->rows("SELECT '$_', t.* FROM spark_bitcoin.$_ AS t WHERE payment_hash = '$hash'") }
		  qw(withdrawals simulator_payments simulator_scripts));
}

# What has happened outside and is not booked: only while something is open.
sub look_at_unbooked
{
	my ($self, $in, $out, $final) = @_;
	my %withdrawals;

	push @{ $withdrawals{ $_->{payment_hash} } }, $_ for $self->rows('withdrawals');
	for (values %$out)
	{
		my @of_hash = @{ $withdrawals{ $_->{payment_hash} } // [] };
		$self->problem("PAID FOR NOTHING: hash $_->{payment_hash}") if !@of_hash;
		# A late success is only found when the node is asked again.
		$self->problem("the payment of hash $_->{payment_hash} is not booked: ", join(', ', map { $_->{state} } @of_hash))
		  if $final || !grep { $is_open{ $_->{state} } || $_->{state} eq 'failed' } @of_hash;
	}
	if ($final)
	{
		$self->problem("NOT CREDITED: hash $_") for keys %$in;
		$self->problem("withdrawal $_->{invoice_id} is still $_->{state}") for grep { $is_open{ $_->{state} } } $self->rows('withdrawals');
		$self->problem("deposit $_->{invoice_id} has no invoice") for grep { $_->{state} eq 'intent' } $self->rows('deposits');
	}
	return;
}

# ---- donations, campaigns and their transfers

sub look_at_donations
{
	my ($self) = @_;
	my (%transfer, %raised, %count);

	$transfer{"$_->{debit_account_id} $_->{idempotency_key}"} = $_ for grep { $_->{purpose} eq 'donation' } $self->rows('transfers');
	for ($self->rows('donations'))
	{
		my $moved = delete $transfer{"$_->{donor_id} $_->{idempotency_key}"};
		my $expected = $_->{status} eq 'confirmed' ? "$_->{owner_id} $_->{amount_msat}" : 'nothing';
		$self->is_equal(defined $moved ? "$moved->{credit_account_id} $moved->{amount_msat}" : 'nothing', $expected,
			"what donation $_->{donation_id}, $_->{status}, has moved");
		$self->problem("donation $_->{donation_id} is undecided") if $_->{status} eq 'pending';
		next if $_->{status} ne 'confirmed';
		$raised{ $_->{campaign_id} } += $_->{amount_msat};
		$count{ $_->{campaign_id} }++;
	}
	$self->problem("transfer $_->{transfer_id} is no donation's") for values %transfer;
	for ($self->rows('campaigns'))
	{
		my $id = $_->{campaign_id};
		$self->is_equal("$_->{raised_msat} $_->{donation_count}", join(' ', $raised{$id} // 0, $count{$id} // 0), "the total of campaign $id");
	}
	return;
}

# ---- who listens: the dashboard, and a consumer of the test's own

sub look_at_followers
{
	my ($self) = @_;
	my (%shown, %raised, %donated, %heard);

	$shown{ $_->{account_id} } = $_ for $self->rows('overviews');
	for (grep { $_->{status} eq 'confirmed' } $self->rows('donations'))
	{
		$raised{ $_->{owner_id} } += $_->{amount_msat};
		$donated{ $_->{donor_id} } += $_->{amount_msat};
	}
	for (grep { $_->{class} eq 'user' } $self->rows('accounts'))
	{
		my $id = $_->{account_id};
		my $overview = $shown{$id} // {};
		$self->is_equal(join(' ', map { $overview->{$_} // 'nothing' } qw(posted_msat reserved_msat raised_msat donated_msat)),
			join(' ', $_->{balance}, $_->{debits_pending_msat}, $raised{$id} // 0, $donated{$id} // 0), "the dashboard of $id");
	}
	for ($self->rows('heard'))
	{
		$self->problem("message $_->{message_id}, $_->{type}, was heard twice") if $heard{ $_->{type} }{ $_->{message_id} }++;
	}
	my %expected = (
		'crowdfunding.donation_confirmed' => scalar(grep { $_->{status} eq 'confirmed' } $self->rows('donations')),
		'crowdfunding.donation_rejected' => scalar(grep { $_->{status} eq 'rejected' } $self->rows('donations')),
		'crowdfunding.donation_created' => scalar($self->rows('donations')),
		'crowdfunding.campaign_created' => scalar($self->rows('campaigns')),
		'accounting.deposit_succeeded' => scalar(grep { $_->{state} eq 'settled' && $_->{paid_by} eq '' } $self->rows('deposits')),
		'accounting.withdraw_succeeded' => scalar(grep { $_->{state} eq 'succeeded' && $_->{deposit_id} eq '' } $self->rows('withdrawals')),
		'auth.signed_up' => scalar($self->rows('users')),
	);
	$expected{'walk.echo'} = $expected{'crowdfunding.donation_confirmed'};
	$self->is_equal(scalar(keys %{ $heard{$_} // {} }), $expected{$_}, "messages $_ heard") for sort keys %expected;
	return;
}

# ---- what the clients asked for and were told

# Of each kind: the row as the journals name it, by its id.
sub _claimed_rows
{
	my ($self) = @_;
	my %request = map { $_->{invoice_id} => $_ } $self->rows('deposits');
	my %paid = map { $_->{payment_hash} => $_ } grep { $_->{direction} eq 'in' } $self->rows('payments');
	my %payments = map { $_ => join("\t", $paid{ $request{$_}{payment_hash} }{amount_msat}) }
	  grep { $paid{ $request{$_}{payment_hash} } } keys %request;

	return {
		donation => { map { $_->{donation_id} => join("\t", @$_{qw(donor_id campaign_id amount_msat idempotency_key)}) } $self->rows('donations') },
		deposit => { map { $_->{invoice_id} => join("\t", @$_{qw(account_id amount_msat idempotency_key)}) } $self->rows('deposits') },
		withdrawal => { map { $_->{invoice_id} => join("\t", @$_{qw(account_id payment_hash amount_msat payment_request)}) } $self->rows('withdrawals') },
		campaign => { map { $_->{campaign_id} => $_->{owner_id} } $self->rows('campaigns') },
		account => { map { $_->{account_id} => $_->{username} } $self->rows('users') },
		payment => \%payments,
	};
}

sub look_at_claims
{
	my ($self) = @_;
	my $facts = $self->{facts};
	my $rows = $self->_claimed_rows;

	for my $kind (sort keys %{ $facts->{done} })
	{
		my $done = $facts->{done}{$kind};
		$self->is_equal($rows->{$kind}{$_} // 'LOST', $done->{$_}, "acknowledged $kind $_") for sort keys %$done;
	}
	for my $kind (sort keys %{ $facts->{undone} })
	{
		for my $id (sort keys %{ $facts->{undone}{$kind} })
		{
			my $content = $facts->{undone}{$kind}{$id};
			my ($last) = $content =~ /([^\t]*)$/;
			next if !exists $rows->{$kind}{$id} || exists $facts->{done}{$kind}{$id};
			next if grep { $facts->{maybe}{$kind}{$_} } $id, $content, $last;
			$self->problem("$kind $id was rolled back, and is there");
		}
	}
	for my $kind (qw(donation deposit))
	{
		$facts->{asked}{$kind}{ $rows->{$kind}{$_} } or $self->problem("nobody has asked for $kind $_") for sort keys %{ $rows->{$kind} };
	}
	for ($self->rows('withdrawals'))
	{
		$facts->{asked}{withdrawal}{"$_->{account_id}\t$_->{payment_request}"} or $self->problem("nobody has asked for withdrawal $_->{invoice_id}");
	}
	for (sort keys %{ $rows->{payment} })
	{
		$facts->{asked}{payment}{"$_\t$rows->{payment}{$_}"} or $self->problem("nobody has paid for deposit $_");
	}
	return;
}

# For the statistics: how many of each there are.
sub census
{
	my ($self) = @_;
	my %census;

	$census{"donation $_->{status}"}++ for $self->rows('donations');
	$census{ "deposit $_->{state}" . ($_->{paid_by} ne '' ? ' inside' : '') }++ for $self->rows('deposits');
	$census{ "withdrawal $_->{state}" . ($_->{deposit_id} ne '' ? ' inside' : $_->{late} eq 'true' ? ' late' : '') }++ for $self->rows('withdrawals');
	return \%census;
}

1;
