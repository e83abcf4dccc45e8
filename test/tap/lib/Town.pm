# Town.pm
#		What people of the tests do again and again, in words of the trade.
#
#		my $town = Town->new($spark);
#		my $bob = $town->person('bob', 100);			# signed up, 100 sat on his account: his token
#		my $well = $town->campaign($alice, 'A well');
#		my ($donation) = $town->donate($bob, $well, 100, 'a key');
#		$town->comes($bob, donation => $donation, 'confirmed');
#		is($town->balance($bob), '0|0', 'all given');	# posted and reserved, in msat
#
# Role client, as which people call, may here also act for the outside world,
# dispatch and read the operator's pages: so that a crowd of clients can.
package Town;

use strict;
use warnings;

use Crowd;
use Invoice;
use Test::More;

our @levels = ('read committed', 'repeatable read', 'serializable');

sub new
{
	my ($class, $spark) = @_;

	$spark->sql("SELECT spark_bus.grant_author('client'), spark_ops.grant_operator('client');"
		. ' GRANT USAGE ON SCHEMA spark_simulator TO client;'
		. ' GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA spark_simulator TO client');
	return bless { spark => $spark }, $class;
}

sub crowd { return Crowd->new($_[0]{spark}); }

sub person
{
	my ($self, $name, $sat) = @_;
	my $token = $self->{spark}->sign_up($name);
	$self->{spark}->fund($token, $sat) if $sat;
	return $token;
}

sub id
{
	my ($self, $token) = @_;
	return $self->{spark}->as($token, 'SELECT spark.whoami()');
}

sub campaign
{
	my ($self, $owner, $title, $goal) = @_;
	$goal //= 1_000_000;
	return $self->{spark}->as($owner, "SELECT campaign_id FROM spark.create_campaign('$title', 'Of the tests', $goal)");
}

sub raised
{
	my ($self, $campaign) = @_;
	return $self->{spark}->as(undef, "SELECT raised_msat, donation_count FROM spark.campaign('$campaign')");
}

# The donation's id; dies where it is refused.
sub donate
{
	my ($self, $donor, $campaign, $sat, $key) = @_;
	return $self->{spark}->as($donor, "SELECT donation_id FROM spark.donate('$campaign', $sat, '$key')");
}

# Nothing on its way, then: posted|reserved in msat.
sub balance
{
	my ($self, $token) = @_;
	$self->{spark}->wait_until_drained;
	return $self->{spark}->as($token, 'SELECT posted_msat, reserved_msat FROM spark.balance()');
}

# A deposit whose invoice is there: (id, payment request, payment hash).
sub deposit
{
	my ($self, $token, $sat) = @_;
	my $id = $self->{spark}->as($token, "SELECT invoice_id FROM spark.deposit($sat)");
	$self->{spark}->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$id')", undef, $token);
	return ($id, split(/\|/, $self->{spark}->as($token, "SELECT payment_request, payment_hash FROM spark.invoice('$id')")));
}

# An invoice of the outside wallet, its hash told before anybody pays it:
# (payment request, payment hash).
sub outside
{
	my ($self, $sat) = @_;
	my $request = $self->{spark}->sql("SELECT spark_simulator.make_invoice($sat)");
	return ($request, $self->{spark}->sql("SELECT payment_hash FROM spark_bitcoin.simulator_invoices WHERE payment_request = '$request'"));
}

# The same over any number of msat, which nobody can ask the outside wallet for.
sub outside_msat
{
	my ($self, $msat) = @_;
	$self->outside(1);			# from its first invoice on, it has a key
	my $secret = $self->{spark}->sql("SELECT secret_key FROM spark_bitcoin.simulator_keys WHERE name = 'outside'");
	my $invoice = Invoice::make(amount => "${msat}0p", secret => $secret, preimage => "for $msat");
	$self->{spark}->sql('INSERT INTO spark_bitcoin.simulator_invoices (payment_hash, owner, preimage, payment_request,'
		. ' amount_msat, memo, created_at, expires_at, bound_at)'
		. " VALUES ('$invoice->{payment_hash}', 'outside', '$invoice->{preimage}', '$invoice->{request}',"
		. " $msat, '', now(), now() + interval '1 hour', now())");
	return ($invoice->{request}, $invoice->{payment_hash});
}

sub withdraw
{
	my ($self, $token, $request) = @_;
	return $self->{spark}->as($token, "SELECT invoice_id FROM spark.withdraw('$request')");
}

sub script
{
	my ($self, $hash, $outcome, $options) = @_;
	$options //= '{}';
	$self->{spark}->sql("SELECT spark_simulator.script('$hash', '$outcome', '$options')");
	return;
}

# Waits until that donation or invoice has that status; with a name it is a test.
sub comes
{
	my ($self, $token, $what, $id, $status, $name) = @_;
	return $self->{spark}->wait_for("SELECT status = '$status' FROM spark.$what('$id')", $name, $token);
}

# How often the node was asked to pay that hash, and how often it did.
sub asked_and_paid
{
	my ($self, $hash) = @_;
	return $self->{spark}->sql("SELECT (SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE payment_hash = '$hash'),"
		. " (SELECT count(*) FROM spark_simulator.payments(100000) WHERE payment_hash = '$hash' AND direction = 'out')");
}

# How many messages of that type the log holds, of one aggregate or of all.
sub messages
{
	my ($self, $type, $id) = @_;
	my $of = defined $id ? " AND aggregateid = '$id'" : '';
	return $self->{spark}->sql("SELECT count(*) FROM spark_common.outbox WHERE type = '$type'$of");
}

# What users own is what came in, less what went out; and every invariant holds.
sub books_are_right
{
	my ($self, $name) = @_;
	my $spark = $self->{spark};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$spark->wait_until_drained;
	is($spark->sql("SELECT (SELECT coalesce(sum(credits_posted_msat - debits_posted_msat), 0) FROM spark_ops.trial_balance() WHERE account_class = 'user')"
			. " - (SELECT coalesce(sum(CASE direction WHEN 'in' THEN amount_msat ELSE -amount_msat - fee_msat END), 0) FROM spark_simulator.payments(100000))")
		. $spark->broken_invariants, '0', "$name: the books are right");
	return;
}

1;
