# Campaign/Served.pm
#		A node behind a socket as a world of the campaign: it speaks one dialect
#		(fault_node.py), and its replies come to grief on the way.
package Campaign::Served;

use strict;
use warnings;

use FaultNode;

# What a reply can become, whenever it is lost; and what only a node says that has acted.
my @broken = qw(empty reset reset_in_body cut garbage garbage_body http_401 http_408 http_500 http_502 http_503 http_404 http_429 redirect
	endless_line endless_headers huge silent);
my @lies = qw(slow not_utf8 doubled other_hash bad_numbers wrong_preimage zero_preimage no_preimage);

sub new
{
	my ($class, $dialect) = @_;
	return bless { dialect => $dialect }, $class;
}

sub name { return "server as $_[0]{dialect}"; }

sub settings
{
	my ($self) = @_;

	$self->{node} = FaultNode->start(dialect => $self->{dialect});
	# All that it has is what was paid in.
	$self->{node}->pull('capital', msat => 0);
	return $self->{node}->settings;
}

sub may_be_late { return $_[0]{dialect} eq 'lnd'; }
sub is_believed_late { return !$_[0]->may_be_late; }

sub begin
{
	my ($self, $spark) = @_;

	$self->{spark} = $spark;
	$spark->sql('CREATE TABLE faults.executed (payment_hash text, direction text, amount_msat bigint, fee_msat bigint)');
	return;
}

sub fund
{
	my ($self, $token, $sat) = @_;
	my $spark = $self->{spark};
	my $invoice = $spark->as($token, "SELECT invoice_id FROM spark.deposit($sat)");

	$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$invoice')", undef, $token);
	$self->{node}->pull('settle', hash => $spark->as($token, "SELECT payment_hash FROM spark.invoice('$invoice')"));
	$spark->wait_for("SELECT status = 'paid' FROM spark.invoice('$invoice')", undef, $token);
	return;
}

sub pick { return $_[ int(rand(@_)) ]; }

# What goes wrong with one payment: on its way out, and when it is asked about.
sub spoil
{
	my ($self, $hash) = @_;
	my $node = $self->{node};

	if (rand() < 0.6)
	{
		my $before = rand() < 0.4;
		$node->fault(send => $before ? pick(@broken) : pick(@broken, @lies), when => $before ? 'before' : 'after', hash => $hash);
	}
	$node->fault(track => pick(@broken, @lies), hash => $hash) for 1 .. int(rand(3));
	return;
}

sub make
{
	my ($self, $count, $round, $people) = @_;
	my @rows;

	for my $number (1 .. $count)
	{
		my $outcome = pick(qw(succeed succeed succeed succeed no_route incorrect_payment_details timeout error hold), rand() < 0.3 ? 'flip' : 'succeed');
		my $invoice = $self->{node}->outside(1 + int(rand(5000)), outcome => $outcome, after_s => rand() < 0.5 ? 0 : rand(3));
		$self->spoil($invoice->{payment_hash});
		push @rows, "('$invoice->{request}', '$invoice->{payment_hash}', $round, " . $number % $people . ", '$outcome')";
	}
	$self->{node}->fault(create => pick(@broken, 'slow'), when => pick('before', 'after')) for 1 .. $count / 10;
	$self->{node}->fault(invoice => pick(@broken, @lies)) for 1 .. $count / 10;
	$self->{node}->fault(pick(qw(getinfo subscribe cancel balance payments invoices)) => pick(@broken)) for 1 .. $count / 20;
	return $self->{spark}->wait_for_success('INSERT INTO faults.requests VALUES ' . join(', ', @rows), "round $round: $count payments");
}

# Deposits whose invoice is there: in whole, in more, twice told, untold, inside, or not at all.
sub pay_deposits
{
	my ($self, $round, $people) = @_;
	my $spark = $self->{spark};
	my @open = split(/\n/, $spark->sql("SELECT payment_request, payment_hash, amount_msat FROM spark_bitcoin.deposits d WHERE state = 'open'"
		. ' AND NOT EXISTS (SELECT FROM faults.requests r WHERE r.payment_hash = d.payment_hash) ORDER BY created_at'));
	my $number = 0;

	for (@open)
	{
		my ($request, $hash, $msat) = split(/\|/);
		my $way = int(rand(6));
		$self->{node}->pull('settle', hash => $hash, msat => $msat + ($way % 2 ? int(rand($msat / 1000)) * 1000 : 0),
			missed => $way == 2 ? \1 : \0, again => $way == 3 ? 2 : 0) if $way < 4;
		$spark->sql("INSERT INTO faults.requests VALUES ('$request', '$hash', $round + 1, " . ++$number % $people . ", 'inside')") if $way == 4;
	}
	return;
}

sub decide_some { return; }

sub decide_all
{
	my ($self) = @_;

	$self->{node}->heal;
	return $self->{node}->pull('decide_held', outcomes => [ 'succeed', 'no_route', 'succeed' ]);
}

sub disasters
{
	my ($self) = @_;
	return (
		'the node is away' => sub { $self->{node}->pull('absent', seconds => 1) },
		'the node has no newest blocks' => sub { $self->{node}->pull('become', synced => \0); select(undef, undef, undef, 0.5); $self->{node}->pull('become') });
}

sub refresh
{
	my ($self) = @_;
	my $rows = join(', ', map { "('$_->[1]', '$_->[0]', $_->[2], $_->[3])" } @{ $self->{node}->pull('executed') });

	$self->{spark}->sql('TRUNCATE faults.executed' . ($rows ? "; INSERT INTO faults.executed VALUES $rows" : ''));
	return;
}

sub under_way { return $_[0]{node}->pull('under_way')->{count}; }

1;
