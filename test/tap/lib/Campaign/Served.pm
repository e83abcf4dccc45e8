# Campaign/Served.pm
#		A node behind a socket as a world of the campaign: it speaks one dialect
#		(fault_node.py), and its replies come to grief on the way, whatever it was
#		asked, before it has acted and afterwards; or it lies.
package Campaign::Served;

use strict;
use warnings;

use Campaign::Deck;
use FaultNode;
use File::Basename;
use PostgreSQL::Test::Utils;

# What a reply can become, whenever it is lost; what only a node says that has acted; and what it says of invoices.
my @broken = qw(empty reset reset_in_body cut garbage garbage_body http_401 http_408 http_500 http_502 http_503 http_404 http_429 redirect
	endless_line endless_headers huge silent);
my @lies = qw(slow late not_utf8 doubled other_hash bad_numbers wrong_preimage zero_preimage no_preimage);
my @fee_lies = qw(negative_fee huge_fee);
my @made_wrong = qw(other_amount other_network other_memo other_invoice junk_invoice);
# What else it is asked; that its reply is lost changes nothing.
my %asked = (
	lnd => [qw(getinfo subscribe cancel balance payments invoices)],
	cln => [qw(getinfo configs subscribe cancel created balance payments invoices)],
	'cln-socket' => [qw(getinfo configs subscribe cancel created balance payments invoices)],
	lnbits => [qw(getinfo probe reserve payments)]);

sub new
{
	my ($class, $dialect) = @_;
	# Its rights are those of the socket's file.
	my @forbidden = $dialect eq 'cln-socket' ? () : map { "send forbidden $_" } qw(before after);
	my %decks = (
		send => [ @forbidden, (map { ("send $_ before", "send $_ after") } @broken), map { "send $_ after" } @lies, @fee_lies ],
		track => [ map { "track $_ after" } @broken, @lies, @fee_lies ],
		create => [ (map { ("create $_ before", "create $_ after") } @broken, 'slow'), map { "create $_ after" } @made_wrong ],
		invoice => [ map { "invoice $_ after" } @broken, @lies, 'less' ],
		asked => $asked{$dialect});

	return bless { dialect => $dialect, decks => { map { $_ => Campaign::Deck->new(@{ $decks{$_} }) } keys %decks } }, $class;
}

# What the server knows and nobody plays.
sub forgotten
{
	my $folder = dirname(__FILE__) . '/../fault';
	# The last two are what LNbits is asked.
	my %played = map { $_ => 1 } @broken, @lies, @fee_lies, @made_wrong, qw(less forbidden pay look);
	my @known;

	for (map { slurp_file($_) } glob("$folder/*.py"))
	{
		push @known, /\bname == '(\w+)'/g;
		push @known, map { /'(\w+)'/g } /\bname in \(([^)]*)\)/g, /^ *LIES = \{(.*?)\}/msg;
	}
	return sort grep { !$played{$_} } @known;
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

# Of LND a failure is final; of Core Lightning one that its call told with such a code.
sub may_be_late { return $_[0]{dialect} ne 'lnbits'; }
sub is_believed_late { return $_[0]{dialect} ne 'lnd'; }

sub begin
{
	my ($self, $spark) = @_;

	$self->{spark} = $spark;
	$spark->sql('CREATE TABLE faults.executed (payment_hash text, direction text, amount_msat bigint, fee_msat bigint, max_fee_msat bigint)');
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

# The next fault of that deck comes to pass; whether it lies about a fee.
sub play
{
	my ($self, $deck, %options) = @_;
	my ($operation, $name, $when) = split(/ /, $self->{decks}{$deck}->deal);

	$self->{node}->fault($operation => $name, when => $when // 'after', %options);
	return grep { $name eq $_ } @fee_lies;
}

# Of what is asked seldom, one fault at a time waits for its turn: else who needs that answer would never get it.
sub play_asked
{
	my ($self, $count) = @_;
	my %played = $self->played;

	for my $operation (map { $self->{decks}{asked}->deal } 1 .. $count)
	{
		next if ($self->{spoiled}{$operation} // 0) > ($played{$operation} // 0);
		$self->{node}->fault($operation => pick(@broken), when => 'after');
		$self->{spoiled}{$operation}++;
	}
	return;
}

# What goes wrong with one payment, on its way out and when it is asked about: whether it is lied about.
sub spoil
{
	my ($self, $hash) = @_;
	my $lies = 0;

	$lies += $self->play('send', hash => $hash) if rand() < 0.6;
	$lies += $self->play('track', hash => $hash) for 1 .. int(rand(3));
	return $lies > 0;
}

# What becomes of a payment beyond the node.
sub fate
{
	my ($self, $is_first) = @_;
	my $outcome = $is_first ? 'flip' : pick(qw(succeed succeed succeed succeed no_route incorrect_payment_details timeout error hold), rand() < 0.3 ? 'flip' : 'succeed');

	return (outcome => $outcome, after_s => rand() < 0.5 ? 0 : rand(3)) if $outcome ne 'flip';
	# "Failed", and paid after all: where that was its last word, before whoever was told so has asked again and rested; ...
	return (outcome => $outcome, reason => 'no_route', after_s => rand(4)) if $self->{dialect} eq 'lnd' || (!$is_first && rand() < 0.3);
	# ... or longer after it: whoever asks again is not believed to be the only one for as long as the first may be paid; ...
	return (outcome => $outcome, reason => 'no_route', after_s => 12 + rand(6)) if $self->{dialect} =~ /^cln/ && ($is_first || rand() < 0.5);
	# ... where it was none, long after that.
	return (outcome => $outcome, reason => 'error', after_s => 15 + rand(15));
}

sub make
{
	my ($self, $count, $round, $people) = @_;
	my @rows;

	for my $number (1 .. $count)
	{
		my %fate = $self->fate($number == 1 && $round == 1);
		my $invoice = $self->{node}->outside(1 + int(rand(5000)), %fate);
		my $lied = ($number > 1 || $round > 1) && $self->spoil($invoice->{payment_hash}) ? 'true' : 'false';
		push @rows, "('$invoice->{request}', '$invoice->{payment_hash}', $round, " . $number % $people . ", '$fate{outcome}', $lied)";
	}
	$self->play($_) for ('create', 'invoice') x ($count / 6);
	$self->play_asked($count / 20);
	return $self->{spark}->wait_for_success('INSERT INTO faults.requests VALUES ' . join(', ', @rows), "round $round: $count payments");
}

# Deposits whose invoice is there: in whole, in more, late, twice told, untold, told behind the next one, inside, or not at all.
sub pay_deposits
{
	my ($self, $round, $people) = @_;
	my $spark = $self->{spark};
	my @open = split(/\n/, $spark->sql("SELECT payment_request, payment_hash, amount_msat FROM spark_bitcoin.deposits d WHERE state IN ('open', 'expired')"
		. ' AND NOT EXISTS (SELECT FROM faults.requests r WHERE r.payment_hash = d.payment_hash) ORDER BY created_at, payment_hash'));
	my $number = 0;

	for (@open)
	{
		my ($request, $hash, $msat) = split(/\|/);
		my $way = int(rand(7));
		$self->{node}->pull('settle', hash => $hash, msat => $msat + ($way % 2 ? int(rand($msat / 1000)) * 1000 : 0),
			missed => $way == 2 ? \1 : \0, reordered => $way == 4 ? \1 : \0, again => $way == 3 ? 2 : 0) if $way < 5;
		$spark->sql("INSERT INTO faults.requests VALUES ('$request', '$hash', $round + 1, " . ++$number % $people . ", 'inside')") if $way == 5;
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

# Lists are asked for by nobody but whoever compares.
sub last_chance
{
	my ($self) = @_;

	for my $asked (grep { /^(?:balance|payments|invoices)$/ } $self->{decks}{asked}->names)
	{
		for (my $deadline = time() + 180; !{ $self->played }->{$asked} && time() < $deadline;)
		{
			$self->{node}->heal;
			$self->{node}->fault($asked => 'http_500');
			$self->{spark}->try_sql("SET statement_timeout = '60s'; SELECT count(*) FROM spark_ops.reconcile()");
		}
	}
	return;
}

sub refresh
{
	my ($self) = @_;
	my $rows = join(', ', map { "('$_->[1]', '$_->[0]', $_->[2], $_->[3], $_->[4])" } @{ $self->{node}->pull('executed') });

	$self->{spark}->sql('TRUNCATE faults.executed' . ($rows ? "; INSERT INTO faults.executed VALUES $rows" : ''));
	return;
}

# LNbits is told none: it has a rule of its own.
sub told_fees { return "SELECT payment_hash, max_fee_msat FROM faults.executed WHERE direction = 'out'" . ($_[0]{dialect} eq 'lnbits' ? ' AND false' : ''); }

sub preimage { my ($self, $hash) = @_; return $self->{node}->pull('payment', hash => $hash)->{preimage}; }

sub under_way { return $_[0]{node}->pull('under_way')->{count}; }

# ---- which faults there are, and how often each befell something

sub faults { return map { $_->names } values %{ $_[0]{decks} }; }

sub played
{
	my ($self) = @_;
	my %played = %{ $self->{node}->pull('played') };

	for my $fault (keys %played)
	{
		my ($operation) = split(/ /, $fault);
		$played{$operation} += $played{$fault};
	}
	$_->recount(%played) for values %{ $self->{decks} };
	return %played;
}

1;
