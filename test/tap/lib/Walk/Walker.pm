# Walker.pm
#		One client that does random things in a session of its own and writes
#		down what it asked for and what it was told.
#
# Every command is one that a client may send at any moment: good, bad, repeated,
# in a transaction that is rolled back, in the middle of a crash.  What can be
# judged by the answer alone is judged here; the rest is for Walk::Audit.
package Walk::Walker;

use strict;
use warnings;

use Walk::Journal;
use Walk::Session;

my $all_bitcoin_sat = 2_100_000_000_000_000;

# How often each is done, and by which of the subs below.
my @menu = (
	[ 22, 'donate' ], [ 7, 'donate_again' ], [ 3, 'donate_other_content' ], [ 8, 'donate_in_a_race' ],
	[ 3, 'donate_badly' ], [ 5, 'donate_all' ], [ 12, 'deposit' ], [ 3, 'deposit_again' ], [ 1, 'deposit_badly' ],
	[ 14, 'pay' ], [ 3, 'verify_deposit' ], [ 16, 'withdraw' ], [ 4, 'withdraw_again' ], [ 5, 'withdraw_any' ],
	[ 1, 'withdraw_badly' ], [ 4, 'withdraw_all' ], [ 3, 'change_script' ], [ 2, 'create_campaign' ],
	[ 1, 'sign_up' ], [ 6, 'look' ], [ 2, 'verify_books' ], [ 6, 'dispatch' ],
);
my @alone = qw(sign_up);					# not inside of a transaction

# Outcomes of a payment, each with options; many succeed.
my @outcomes = (
	([ undef, '{}' ]) x 6, ([ 'fail', '{"reason": "no_route"}' ]) x 3,
	[ 'succeed', '{"after_s": 1}' ], [ 'succeed', '{"fee_msat": 7777}' ], [ 'succeed', '{"fee_msat": 0}' ],
	[ 'fail', '{"after_s": 1}' ], [ 'fail', '{"reason": "fee_limit"}' ],
	(map { [ 'lost_reply', "{\"at\": \"$_\"}" ], [ 'lost_reply', "{\"at\": \"$_\", \"then\": \"fail\"}" ] } qw(ack read commit)),
	(map { [ 'unknown', "{\"lookup\": \"$_\", \"after_s\": 1}" ], [ 'unknown', "{\"lookup\": \"$_\", \"after_s\": 1, \"then\": \"fail\"}" ] }
		qw(unavailable not_found pending)),
	[ 'not_sent', '{"times": 1}' ], [ 'not_sent', '{"times": 2, "then": "fail"}' ], [ 'never_answer', '{}' ], [ 'stuck', '{}' ],
	[ 'bad_preimage', '{}' ], [ 'bad_reply', '{"fault": "http_500"}' ], [ 'bad_reply', '{"fault": "cut", "then": "fail"}' ],
);
# Failed, and paid after all: it freezes the account, which makes the walk poorer.
my $late_success = [ 'flip', '{"after_s": 1}' ];

# world: what all walkers know at the start of a round; see 040_random_walk.pl
sub new
{
	my ($class, %options) = @_;
	return bless {
		session => Walk::Session->new($options{connection}),
		journal => Walk::Journal->new($options{journal}),
		world => $options{world},
		name => $options{name},
		told => undef,			# in a transaction: what was told since it began
		isolation => undef,
		number => 0,
	}, $class;
}

sub walk
{
	my ($self, $count, $after_each) = @_;
	for (1 .. $count)
	{
		if (rand() < 0.22)
		{
			$self->transaction;
		}
		else
		{
			my $command = $self->choose;
			$self->{journal}->note('count', $command);
			$self->$command;
		}
		$after_each->();
	}
	$self->{session}->close;
	return;
}

sub choose
{
	my ($self) = @_;
	my $total = 0;
	$total += $_->[0] for @menu;
	my $left = rand($total);
	for (@menu)
	{
		return $_->[1] if ($left -= $_->[0]) < 0;
	}
	return $menu[0][1];
}

sub any { return $_[int(rand(@_))]; }
sub chance { return rand() < $_[0]; }
sub quote { my ($text) = @_; return 'NULL' if !defined $text; $text =~ s/'/''/g; return "'$text'"; }

sub new_key { my ($self) = @_; return "$self->{name}-" . ++$self->{number}; }
sub any_user { my ($self) = @_; return any(@{ $self->{world}{users} }); }
sub any_campaign { my ($self) = @_; return any(@{ $self->{world}{campaigns} }); }

# ---- asking

# undef where the connection broke; then nothing is known, or, before a commit,
# that nothing happened.
sub ask
{
	my ($self, $user, $sql) = @_;
	# In one: where the token is not set, nothing is asked in another's name.
	my $token = defined $user ? "SET spark.token = '$user->{token}' \\;\n" : '';
	return $self->{session}->ask("$token$sql");
}

sub broken
{
	my ($self, @words) = @_;
	$self->{journal}->note('broken', "$self->{name}: @words");
	return;
}

# True where it succeeded.  Anything but success and the SQLSTATEs given is a
# fault of spark's; a conflict only where somebody can have been in the way.
sub succeeds
{
	my ($self, $answer, $what, @refusals) = @_;
	return 0 if !defined $answer;
	my $sqlstate = $answer->{sqlstate};

	$self->{journal}->note('count', "$what: $sqlstate");
	return 1 if $sqlstate eq '00000';
	return 0 if grep { $_ eq $sqlstate } @refusals, '57014', '40P01';
	# A withdrawal may be overtaken by another one of its hash.
	return 0 if $sqlstate eq '40001' && ($what eq 'dispatch' || $what =~ /withdraw/ || ($self->{isolation} // '') =~ /SERIALIZABLE|REPEATABLE/);
	$self->broken("$what: $sqlstate $answer->{message}");
	return 0;
}

# It must be refused, with one of these.
sub is_refused
{
	my ($self, $answer, $what, @refusals) = @_;
	$self->succeeds($answer, $what, @refusals)
	  and $self->broken("$what was not refused: " . join('; ', @{ $answer->{rows} }));
	return;
}

# What a client was told counts from the commit on.
sub told
{
	my ($self, @fact) = @_;
	if (defined $self->{told})
	{
		push @{ $self->{told} }, \@fact;
	}
	else
	{
		$self->{journal}->note('done', @fact);
	}
	return;
}

# The answer of a command by itself was lost: it may have happened.
sub lost
{
	my ($self, $answer, @fact) = @_;
	$self->{journal}->note('maybe', @fact) if !defined $answer && !defined $self->{told};
	return;
}

sub asked { my ($self, @fact) = @_; $self->{journal}->note('asked', @fact); return; }

# ---- transactions

sub transaction
{
	my ($self) = @_;
	my $isolation = any('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	my $answer = $self->ask(undef, "BEGIN ISOLATION LEVEL $isolation");

	return if !defined $answer || $answer->{sqlstate} ne '00000';
	$self->{told} = [];
	$self->{isolation} = $isolation;
	my $goes_on = 1;
	for (1 .. 1 + int(rand(4)))
	{
		$goes_on = chance(0.3) ? $self->in_savepoint : $self->step;
		last if !$goes_on;
	}
	$self->end_transaction($goes_on && chance(0.65));
	return;
}

# One command; false where the transaction cannot go on.
sub step
{
	my ($self) = @_;
	my $command;
	do { $command = $self->choose } while (grep { $_ eq $command } @alone);
	return 1 if $command eq 'dispatch' && $self->{isolation} ne 'READ COMMITTED';
	$self->{journal}->note('count', "$command in a transaction");
	$self->$command;
	return 0 if !$self->{session}->is_open;
	my $answer = $self->{session}->ask('SELECT 1');
	return defined $answer && $answer->{sqlstate} eq '00000';
}

sub in_savepoint
{
	my ($self) = @_;
	my $answer = $self->{session}->ask('SAVEPOINT here');
	return 0 if !defined $answer || $answer->{sqlstate} ne '00000';

	my $before = @{ $self->{told} };
	my $good = $self->step;
	return 0 if !$self->{session}->is_open;
	if ($good && chance(0.5))
	{
		$answer = $self->{session}->ask('RELEASE SAVEPOINT here');
	}
	else
	{
		$answer = $self->{session}->ask('ROLLBACK TO SAVEPOINT here');
		$self->{journal}->note('undone', @$_) for splice(@{ $self->{told} }, $before);
	}
	return defined $answer && $answer->{sqlstate} eq '00000';
}

sub end_transaction
{
	my ($self, $commits) = @_;
	my $told = $self->{told};
	my $fate = 'undone';

	if ($self->{session}->is_open)
	{
		my $answer = $self->{session}->ask($commits ? 'COMMIT' : 'ROLLBACK');
		if ($commits)
		{
			$fate = !defined $answer ? 'maybe' : $self->succeeds($answer, 'commit') ? 'done' : 'undone';
		}
		# Cancelled before it began, the transaction is still there.
		while (defined $answer && $answer->{sqlstate} eq '57014')
		{
			$answer = $self->{session}->ask('ROLLBACK');
		}
	}
	$self->{journal}->note($fate, @$_) for @$told;
	$self->{told} = $self->{isolation} = undef;
	return;
}

# ---- donations

# Sends one; what it must be refused with, if with anything.
sub send_donation
{
	my ($self, $donor, $campaign, $sat, $key, $what, @refusals) = @_;
	my @content = ($donor->{id}, $campaign->{id}, $sat * 1000, $key);

	$self->asked('donation', @content);
	my $answer = $self->ask($donor, 'SELECT donation_id, campaign_id, donor_id, amount_sat, idempotency_key FROM spark.donate('
		. "'$campaign->{id}', $sat, " . quote($key) . ')');
	$self->lost($answer, 'donation', '', @content);
	return undef if !$self->succeeds($answer, $what, @refusals);
	my ($id, @shown) = split(/\|/, $answer->{rows}[0]);
	$self->broken("$what shows @shown instead of what was asked for: @content")
	  if "@shown" ne join(' ', $campaign->{id}, $donor->{id}, $sat, $key);
	$self->told('donation', $id, @content);
	return $id;
}

sub donor_and_campaign
{
	my ($self) = @_;
	my $campaign = $self->any_campaign;
	my @others = grep { $_->{id} ne $campaign->{owner} } @{ $self->{world}{users} };
	return (any(@others), $campaign);
}

sub donate
{
	my ($self) = @_;
	my ($donor, $campaign) = $self->donor_and_campaign;
	my $sat = chance(0.1) ? any(1_000_000_000, $all_bitcoin_sat) : 1 + int(rand(3000));
	my $key = $self->new_key;
	my $id = $self->send_donation($donor, $campaign, $sat, $key, 'donate');
	push @{ $self->{world}{donations} }, { donor => $donor, campaign => $campaign, sat => $sat, key => $key, id => $id }
	  if defined $id && !defined $self->{told};
	return;
}

sub donate_again
{
	my ($self) = @_;
	my $first = any(@{ $self->{world}{donations} }) or return;
	my $id = $self->send_donation(@$first{qw(donor campaign sat key)}, 'donate again');
	$self->broken("a repeated donation is $id, first it was $first->{id}") if defined $id && $id ne $first->{id};
	return;
}

sub donate_other_content
{
	my ($self) = @_;
	my $first = any(@{ $self->{world}{donations} }) or return;
	my ($campaign, $sat) = chance(0.5) ? ($first->{campaign}, $first->{sat} - 1 || 2) : ($self->any_campaign, $first->{sat});
	return if $campaign->{id} eq $first->{campaign}{id} && $sat == $first->{sat};
	my $answer = $self->ask($first->{donor}, "SELECT donation_id FROM spark.donate('$campaign->{id}', $sat, " . quote($first->{key}) . ')');
	$self->is_refused($answer, 'donate other content', 'SP005');
	return;
}

# Few keys, few contents, all walkers: who comes first decides.
sub donate_in_a_race
{
	my ($self) = @_;
	my $donor = $self->{world}{users}[ int(rand(2)) ];
	my $campaign = $self->{world}{campaigns}[ int(rand(2)) ];
	my $key = "race-$self->{world}{round}-" . int(rand(20));
	$self->send_donation($donor, $campaign, 1 + int(rand(2)), $key, 'donate in a race', 'SP005', 'SP301');
	return;
}

sub donate_badly
{
	my ($self) = @_;
	my ($donor, $campaign) = $self->donor_and_campaign;
	my $owner = (grep { $_->{id} eq $campaign->{owner} } @{ $self->{world}{users} })[0];
	my $key = quote($self->new_key);
	my ($code, $who, $arguments) = @{ any(
		[ 'SP001', $donor, "'$campaign->{id}', 0, $key" ], [ 'SP001', $donor, "'$campaign->{id}', -1, $key" ],
		[ 'SP001', $donor, "'$campaign->{id}', " . ($all_bitcoin_sat + 1) . ", $key" ],
		[ 'SP001', $donor, "'$campaign->{id}', NULL, $key" ], [ 'SP006', $donor, "'$campaign->{id}', 1, ''" ],
		[ 'SP002', $donor, "'$donor->{id}', 1, $key" ], [ 'SP301', $owner // $donor, "'$campaign->{id}', 1, $key" ]) };

	return if $code eq 'SP301' && !defined $owner;
	my $answer = $self->ask($who, "SELECT donation_id FROM spark.donate($arguments)");
	$self->is_refused($answer, 'donate badly', $code);
	return;
}

# All that is there, as others do at the same moment: one of them can have it.
sub donate_all
{
	my ($self) = @_;
	my ($donor, $campaign) = $self->donor_and_campaign;
	my $sat = $self->available_sat($donor) or return;
	$self->send_donation($donor, $campaign, $sat, $self->new_key, 'donate all');
	return;
}

# ---- deposits

sub send_deposit
{
	my ($self, $account, $sat, $key, $what) = @_;
	my @content = ($account->{id}, $sat * 1000, $key);

	$self->asked('deposit', @content);
	my $answer = $self->ask($account, "SELECT invoice_id, account_id, amount_msat FROM spark.deposit($sat, " . quote($key) . ')');
	$self->lost($answer, 'deposit', '', @content);
	return undef if !$self->succeeds($answer, $what);
	my ($id, @shown) = split(/\|/, $answer->{rows}[0]);
	$self->broken("$what shows @shown instead of @content") if "@shown" ne "$account->{id} " . $sat * 1000;
	$self->told('deposit', $id, @content);
	return $id;
}

sub deposit
{
	my ($self) = @_;
	my $account = $self->any_user;
	my $sat = 1 + int(rand(chance(0.1) ? 200_000 : 20_000));
	my $key = $self->new_key;
	my $id = $self->send_deposit($account, $sat, $key, 'deposit');
	push @{ $self->{world}{deposits} }, { account => $account, sat => $sat, key => $key, id => $id }
	  if defined $id && !defined $self->{told};
	return;
}

sub any_deposit
{
	my ($self) = @_;
	my $known = $self->{world}{deposits};
	# Mostly one of the latest: the others are paid.
	return chance(0.8) && @$known > 15 ? $known->[ -1 - int(rand(15)) ] : any(@$known);
}

sub deposit_again
{
	my ($self) = @_;
	my $first = $self->any_deposit or return;
	if (chance(0.3))
	{
		my $answer = $self->ask($first->{account}, 'SELECT invoice_id FROM spark.deposit(' . ($first->{sat} + 1) . ', ' . quote($first->{key}) . ')');
		$self->is_refused($answer, 'deposit other content', 'SP005');
		return;
	}
	my $id = $self->send_deposit(@$first{qw(account sat key)}, 'deposit again');
	$self->broken("a repeated deposit is $id, first it was $first->{id}") if defined $id && $id ne $first->{id};
	return;
}

sub deposit_badly
{
	my ($self) = @_;
	my $answer = $self->ask($self->any_user, 'SELECT invoice_id FROM spark.deposit(' . any(0, -1, 'NULL', $all_bitcoin_sat + 1) . ')');
	$self->is_refused($answer, 'deposit badly', 'SP001');
	return;
}

# Somebody outside pays an invoice: once, twice, late, more than asked for.
sub pay
{
	my ($self) = @_;
	my $deposit = $self->any_deposit or return;
	my $answer = $self->ask($deposit->{account}, "SELECT payment_request FROM spark.invoice('$deposit->{id}')");
	return if !$self->succeeds($answer, 'invoice', defined $self->{isolation} ? 'SP002' : ());
	my $request = $answer->{rows}[0] or return;
	my $msat = chance(0.2) ? int($deposit->{sat} * 1000 * (1 + rand())) : $deposit->{sat} * 1000;
	my $late = chance(0.3) ? 'true' : 'false';

	$self->asked('payment', $deposit->{id}, $msat);
	$answer = $self->ask(undef, "SELECT walk.pay('$request', $msat, $late)");
	$self->lost($answer, 'payment', $deposit->{id}, $msat);
	$self->told('payment', $deposit->{id}, $msat) if $self->succeeds($answer, 'pay', 'SP402', 'SP404');
	return;
}

sub verify_deposit
{
	my ($self) = @_;
	my $deposit = $self->any_deposit or return;
	my $answer = $self->ask($deposit->{account}, "SELECT verified.status FROM spark.invoice('$deposit->{id}') AS invoice,"
		. ' LATERAL spark.verify_deposit(invoice.payment_hash) AS verified WHERE invoice.payment_hash IS NOT NULL');
	$self->succeeds($answer, 'verify deposit', defined $self->{isolation} ? 'SP002' : ());
	return;
}

# ---- withdrawals

# sat: undef where the request names its amount
sub send_withdrawal
{
	my ($self, $account, $request, $sat, $fee_sat, $what, @refusals) = @_;

	# SP404, SP005: another walker has come upon the same invoice, for another
	# account or with another fee.
	push @refusals, 'SP404', 'SP005';
	$self->asked('withdrawal', $account->{id}, $request);
	my $answer = $self->ask($account, 'SELECT invoice_id, account_id, payment_hash, amount_msat FROM spark.withdraw('
		. join(', ', "'$request'", $sat // 'NULL', $fee_sat // 'NULL') . ')');
	$self->lost($answer, 'withdrawal', '', $request);
	return undef if !$self->succeeds($answer, $what, 'SP406', @refusals);
	my ($id, @content) = split(/\|/, $answer->{rows}[0]);
	$self->broken("$what shows account $content[0] instead of $account->{id}") if $content[0] ne $account->{id};
	$self->told('withdrawal', $id, @content, $request);
	return $id;
}

# An outside wallet's invoice, with what will become of its payment.
sub outside_invoice
{
	my ($self, $sat, $expiry) = @_;
	my ($outcome, $options) = @{ chance(0.006) ? $late_success : any(@outcomes) };
	my $answer = $self->ask(undef, 'SELECT walk.outside_invoice(' . join(', ', $sat // 'NULL', $expiry, quote($outcome), quote($options)) . ')');
	return $self->succeeds($answer, 'outside invoice') ? $answer->{rows}[0] : undef;
}

sub withdraw
{
	my ($self) = @_;
	my $account = $self->any_user;
	my $sat = chance(0.1) ? 1_000_000_000 : 1 + int(rand(3000));
	my $named = chance(0.9);
	my $fee_sat = chance(0.2) ? any(0, 1, 5, 1000) : undef;
	my $expires_soon = chance(0.03);
	my $request = $self->outside_invoice($named ? $sat : undef, $expires_soon ? any(1, 25) : any(34, 3600, 3600, 3600)) or return;
	my $id = $self->send_withdrawal($account, $request, $named ? undef : $sat, $fee_sat, 'withdraw', $expires_soon ? 'SP402' : ());
	push @{ $self->{world}{withdrawals} }, { account => $account, request => $request, named => $named, sat => $sat, fee_sat => $fee_sat }
	  if defined $id && !defined $self->{told};
	return;
}

sub withdraw_again
{
	my ($self) = @_;
	my $first = any(@{ $self->{world}{withdrawals} }) or return;
	# SP402: a new try of one that failed, too late.
	$self->send_withdrawal($first->{account}, $first->{request}, $first->{named} ? undef : $first->{sat}, $first->{fee_sat},
		'withdraw again', 'SP402');
	return;
}

# Any invoice there is: another's, one's own, one that was paid, one with a deposit behind it.
sub withdraw_any
{
	my ($self) = @_;
	my $answer = $self->ask(undef, sprintf("SELECT walk.request('%s', %d)", any('outside', 'node', 'node', 'node'), int(rand(25))));
	return if !$self->succeeds($answer, 'any request');
	my $request = $answer->{rows}[0] or return;
	$self->send_withdrawal($self->any_user, $request, undef, undef, 'withdraw any', 'SP402', 'SP403', 'SP405', 'SP408');
	return;
}

sub withdraw_badly
{
	my ($self) = @_;
	my $request = $self->outside_invoice(5, 3600) or return;
	my ($arguments, @codes) = @{ any([ "'lnbcrt1garbage'", 'SP400' ], [ "'$request', 5", 'SP403' ],
		[ "'$request', NULL, -1", 'SP001' ], [ "NULL", 'SP001' ], [ "'$request', -5", 'SP001' ]) };
	$self->is_refused($self->ask($self->any_user, "SELECT invoice_id FROM spark.withdraw($arguments)"), 'withdraw badly', @codes);
	return;
}

sub withdraw_all
{
	my ($self) = @_;
	my $account = $self->any_user;
	my $sat = ($self->available_sat($account) // 0) - any(0, 1, 10, 20);
	return if $sat < 1;
	my $request = $self->outside_invoice($sat, 3600) or return;
	$self->send_withdrawal($account, $request, undef, any(undef, 0, 1), 'withdraw all');
	return;
}

# The outside world changes its mind about a payment, whatever has become of it.
sub change_script
{
	my ($self) = @_;
	my ($outcome, $options) = @{ any(grep { defined $_->[0] } @outcomes) };
	my $answer = $self->ask(undef, sprintf('SELECT walk.change_script(%d, %s, %s)', int(rand(30)), quote($outcome), quote($options)));
	$self->succeeds($answer, 'change script');
	return;
}

# ---- the rest

sub create_campaign
{
	my ($self) = @_;
	my $owner = $self->any_user;
	my $again = chance(0.3) ? any(@{ $self->{world}{own_campaigns} }) : undef;
	my ($id, $goal) = (undef, 1 + int(rand(100_000)));

	($owner, $id, $goal) = @$again if defined $again;
	# Of the caller's making: then it can be repeated.
	$id //= sprintf('%08x-%04x-4%03x-8%03x-%012x', rand(2**32), rand(2**16), rand(2**12), rand(2**12), rand(2**48)) if chance(0.5);
	my $answer = $self->ask($owner, "SELECT campaign_id FROM spark.create_campaign('Walk', 'At random', $goal, " . quote($id) . ')');
	return if !$self->succeeds($answer, 'create campaign');
	$self->broken("campaign $id was made as $answer->{rows}[0]") if defined $id && $answer->{rows}[0] ne $id;
	$self->told('campaign', $answer->{rows}[0], $owner->{id});
	push @{ $self->{world}{own_campaigns} }, [ $owner, $id, $goal ] if defined $id && !defined $self->{told};
	return;
}

sub sign_up
{
	my ($self) = @_;
	my $name = 'walker-' . $self->new_key;
	my $answer = $self->ask(undef, "SELECT account_id FROM spark.register('$name', '$Spark::password')");
	return if !$self->succeeds($answer, 'register', 'SP007');
	my $id = $answer->{rows}[0];
	$self->told('account', $id, $name);
	$answer = $self->ask(undef, "SELECT access_token FROM spark.login('$name', '$Spark::password')");
	return if !$self->succeeds($answer, 'login', 'SP007');
	$self->{journal}->note('token', $id, $answer->{rows}[0]);
	return;
}

sub available_sat
{
	my ($self, $account) = @_;
	my $answer = $self->ask($account, 'SELECT posted_msat, reserved_msat, available_msat, available_sat FROM spark.balance()');
	return undef if !$self->succeeds($answer, 'balance');
	my ($posted, $reserved, $available, $sat) = split(/\|/, $answer->{rows}[0]);
	$self->broken("balance of $account->{id}: $answer->{rows}[0]")
	  if $available < 0 || $reserved < 0 || $available != $posted - $reserved || $sat != int($available / 1000);
	return $sat;
}

sub look
{
	my ($self) = @_;
	my $user = $self->any_user;
	my $campaign = $self->any_campaign;
	my $answer = $self->ask($user, any('SELECT campaign_count FROM spark.dashboard()', 'SELECT count(*) FROM spark.statement(500)',
		'SELECT count(*) FROM spark.invoices(500)', "SELECT count(*) FROM spark.donations('$campaign->{id}', 500)",
		'SELECT count(*) FROM spark.campaigns()', "SELECT raised_msat FROM spark.campaign('$campaign->{id}')",
		'SELECT (spark.balance()).available_msat'));
	$self->succeeds($answer, 'look');
	return;
}

# The books are right at any moment.
sub verify_books
{
	my ($self) = @_;
	my $answer = $self->ask(undef, 'SELECT count(*), string_agg(invariant || \': \' || detail, \'; \') FILTER (WHERE NOT ok) FROM spark_ops.verify()');
	return if !$self->succeeds($answer, 'verify books');
	$self->broken("the books, meanwhile: $answer->{rows}[0]") if $answer->{rows}[0] ne '14|';
	return;
}

sub dispatch
{
	my ($self) = @_;
	$self->succeeds($self->ask(undef, 'SELECT spark_bus.dispatch(' . any(1, 10, 1000) . ')'), 'dispatch');
	return;
}

1;
