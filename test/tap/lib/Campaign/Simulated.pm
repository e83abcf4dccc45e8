# Campaign/Simulated.pm
#		The simulated node as a world of the campaign: as one kind of node, with
#		every outcome that a script knows, each with every word of its options.
package Campaign::Simulated;

use strict;
use warnings;

use Campaign::Deck;
use File::Basename;
use JSON::PP;
use PostgreSQL::Test::Utils;

my $source = dirname(__FILE__) . '/../../../../src/lightning';

# ---- the cards: a name, and what a script says

sub between
{
	my ($least, $most) = @_;
	return sub { return $least + int(rand($most - $least + 1)); };
}

# each(outcome, {options}, option => [words], ..): a card for every combination of the words
sub each_of
{
	my ($outcome, $options, @words) = @_;
	my @cards = ({ name => $outcome, outcome => $outcome, options => $options });

	while (my ($option, $choice) = splice(@words, 0, 2))
	{
		@cards = map {
			my $word = $_;
			map { { %$_, name => "$_->{name} $word", options => { %{ $_->{options} }, $option => $word } } } @cards;
		} @$choice;
	}
	return @cards;
}

my @reasons = qw(no_route fee_limit expired refused_by_payee no_funds bad_invoice gave_up canceled other);
my @either = qw(succeed fail);
my @replies = qw(empty reset http_401 http_408 http_500 http_502 http_503 redirect garbage cut doubled_keys wrong_types huge endless slow silent late);
my @payments = (
	{ name => 'succeed within the time', outcome => 'succeed',
		options => { after_s => between(0, 1), within_s => 2, seed => between(0, 1000), fee_msat => between(0, 20_000) } },
	{ name => 'succeed over the highest fee', outcome => 'succeed', options => { after_s => between(0, 2), over_msat => between(1, 50_000) } },
	{ name => 'succeed, said to cost less than nothing', outcome => 'succeed', lies => 1,
		options => { after_s => between(0, 2), fee_msat => 0, told_fee_msat => -5000 } },
	{ name => 'succeed, said to have cost a fortune', outcome => 'succeed', lies => 1,
		options => { after_s => between(0, 2), fee_msat => 0, told_fee_msat => 9_000_000 } },
	each_of('fail', { after_s => between(0, 2) }, reason => \@reasons),
	each_of('lost_reply', { after_s => between(0, 2) }, at => [qw(ack read commit)], then => \@either),
	each_of('unknown', { after_s => between(0, 3) }, lookup => [qw(unavailable not_found pending)], reply => [qw(lost ack)], then => \@either),
	each_of('stale', { after_s => between(0, 3), reason => sub { $reasons[ int(rand(@reasons)) ] } }, then => \@either),
	each_of('not_sent', { times => between(1, 3) }, then => \@either),
	each_of('stuck', {}, as => [qw(no_htlc initiated part)]),
	each_of('flip', { after_s => between(0, 4) }),
	each_of('bad_preimage', {}, kind => [qw(wrong zero missing)]),
	each_of('bad_reply', { then => sub { $either[ int(rand(2)) ] } }, fault => \@replies),
	each_of('never_answer', {}));

# What waits to be paid: by the outside wallet (pay), by a script, or by somebody here (inside).
my @receipts = (
	{ name => 'paid in whole', pays => 'whole' },
	{ name => 'paid in more', pays => 'more' },
	{ name => 'paid in less, which the node refuses', outcome => 'receive', options => {}, less => 1 },
	each_of('receive', { after_s => between(0, 2) }, events => [qw(once twice missed reordered gap index_0)]),
	{ name => 'held, then taken', outcome => 'receive', options => { after_s => between(0, 1), held_s => between(1, 2), then => 'succeed' } },
	{ name => 'held, then let go', outcome => 'receive', options => { after_s => between(0, 1), held_s => between(0, 1), then => 'fail' } },
	{ name => 'let go, then paid all the same', outcome => 'receive', options => { cancelled => 'paid' }, after => 'held, then let go' },
	{ name => 'the node keeps a part', outcome => 'receive', options => { after_s => between(0, 1), kept_msat => between(1, 900) } },
	{ name => 'inside', inside => 1 },
	{ name => 'inside and outside at once', inside => 1, outcome => 'receive', options => { after_s => between(1, 8) } },
	{ name => 'not paid at all' });

my @made_wrong = each_of('make', {}, wrong => [qw(hash amount payee network junk)]);
my @conditions = qw(down locked syncing another pruned);

my %card = map { $_->{name} => $_ } @payments, @receipts, @made_wrong;

# What the sources know and no card plays: every outcome, every word, and every number of an option.
sub forgotten
{
	my %played = map { $_ => 1 } qw(node well skew_s as), @conditions, map { ($_->{outcome} // ()), %{ $_->{options} // {} } } values %card;
	my $text = slurp_file("$source/simulator_script.c");
	my @known = slurp_file("$source/simulator_script.h") =~ /X\([A-Z_]+, "(\w+)"\)/g;

	# NONE is no reason; what a filter says is which payments are meant; a payment is acknowledged or its reply lost.
	my %needless = map { $_ => 1 } qw(none unpaid amount_msat memo call);
	push @known, map { /"(\w+)"/g } $text =~ /^static const char \*const (?!outcome)\w+_words\[\] = \{(.*?)\};/msg;
	push @known, $text =~ /^\t\{"(\w+)", OPTION_/mg;
	# Drawn anew for each payment.
	$played{$_} = 1 for @reasons, @either, 'received_msat';
	return sort grep { !$played{$_} && !$needless{$_} } @known;
}

# ---- the world

sub new
{
	my ($class, $kind) = @_;
	return bless {
		kind => $kind,
		comes_until => 0,
		payments => Campaign::Deck->new(map { $_->{name} } @payments),
		receipts => Campaign::Deck->new(map { $_->{name} } grep { !$_->{after} } @receipts),
		made_wrong => Campaign::Deck->new(map { $_->{name} } @made_wrong),
	}, $class;
}

sub name { return "simulator as $_[0]{kind}"; }

sub settings { return "spark.simulator_mode = '$_[0]{kind}'"; }

sub may_be_late { return $_[0]{kind} !~ /^(?:cln|lnbits)$/; }
# Of one that cancels no invoice, what is to be paid inside waits for its end, too.
sub is_believed_late { return $_[0]{kind} =~ /^(?:cln|lnbits|phoenixd)$/; }

sub begin
{
	my ($self, $spark) = @_;

	$self->{spark} = $spark;
	$spark->sql(<<'END');
CREATE VIEW faults.executed AS SELECT payment_hash, direction, amount_msat, fee_msat FROM spark_simulator.payments(1000000);
CREATE TABLE faults.dealt (fault text, payment_hash text);

-- Invoices to be paid, and what will become of each.
CREATE FUNCTION faults.make(plan jsonb, round int, people int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE card record; new_request text; hash text;
BEGIN
	FOR card IN SELECT * FROM jsonb_to_recordset(plan) AS c (number int, sat int, fault text, outcome text, options jsonb, lies boolean) LOOP
		new_request := spark_simulator.make_invoice(card.sat, '', 3600);
		SELECT payment_hash INTO STRICT hash FROM spark_bitcoin.simulator_invoices WHERE payment_request = new_request;
		PERFORM spark_simulator.script(hash, card.outcome, card.options);
		INSERT INTO faults.requests VALUES (new_request, hash, round, card.number % people, card.outcome, card.lies);
		INSERT INTO faults.dealt VALUES (card.fault, hash);
	END LOOP;
END $$
END
	return;
}

sub fund
{
	my ($self, $token, $sat) = @_;
	return $self->{spark}->fund($token, $sat);
}

# The numbers and words that a card leaves to chance.
sub options_of
{
	my ($card) = @_;
	my $options = $card->{options};
	return { map { $_ => ref($options->{$_}) ? $options->{$_}->() : $options->{$_} } sort keys %$options };
}

sub make
{
	my ($self, $count, $round, $people) = @_;
	my ($spark, @plan) = ($self->{spark});

	for my $number (1 .. $count)
	{
		my $card = $card{ rand() < 0.3 ? 'succeed within the time' : $self->{payments}->deal };
		push @plan, { number => $number, sat => 1 + int(rand(5000)), fault => $card->{name}, outcome => $card->{outcome},
			options => options_of($card), lies => $card->{lies} ? \1 : \0 };
	}
	my $plan = encode_json(\@plan);
	my @sql = ("SELECT faults.make('$plan', $round, $people)");
	# Some of the invoices that the node itself makes are wrong.
	for my $place (1, 2)
	{
		my $name = $self->{made_wrong}->deal;
		my $options = encode_json({ %{ $card{$name}{options} }, call => 2 * int(rand(6)) + $place });
		push @sql, "SELECT spark_simulator.script('*', 'make', '$options')", "INSERT INTO faults.dealt VALUES ('$name', NULL)";
	}
	return $spark->wait_for_success('BEGIN; ' . join('; ', @sql) . '; COMMIT', "round $round: $count payments");
}

# What the outside does about one deposit.
sub receipt
{
	my ($self, $card, $request, $hash, $msat, $round, $payer) = @_;
	my $more = $msat + int(rand($msat));
	my @sql = ("INSERT INTO faults.dealt VALUES ('$card->{name}', '$hash')");

	push @sql, "SELECT spark_simulator.pay('$request', " . ($card->{pays} eq 'more' ? $more : 'NULL') . ', true)' if $card->{pays};
	if ($card->{outcome})
	{
		my $options = options_of($card);
		$options->{received_msat} = $card->{less} ? int($msat / 2) : $card->{inside} || $card->{name} =~ /^held/ ? $msat : $more;
		push @sql, "SELECT spark_simulator.script('$hash', 'receive', '" . encode_json($options) . "')";
		my $comes_at = time() + 2 + ($options->{after_s} // 0) + ($options->{held_s} // 0);
		$self->{comes_until} = $comes_at if $comes_at > $self->{comes_until};
	}
	push @sql, "INSERT INTO faults.requests VALUES ('$request', '$hash', $round + 1, $payer, 'inside')" if $card->{inside};
	return @sql;
}

sub pay_deposits
{
	my ($self, $round, $people) = @_;
	my $spark = $self->{spark};
	my ($number, @sql) = (0);

	for (split(/\n/, $spark->sql("SELECT d.payment_request, d.payment_hash, d.amount_msat, i.canceled_at IS NOT NULL FROM spark_bitcoin.deposits d JOIN spark_bitcoin.simulator_invoices i USING (payment_hash)"
		. " WHERE d.state IN ('open', 'expired', 'cancelled') AND i.settled_at IS NULL AND NOT EXISTS (SELECT FROM faults.requests r WHERE r.payment_hash = d.payment_hash) ORDER BY d.created_at, d.payment_hash")))
	{
		my ($request, $hash, $msat, $is_cancelled) = split(/\|/);
		my $card = $is_cancelled eq 't' ? $card{'let go, then paid all the same'} : $card{ $self->{receipts}->deal };
		push @sql, $self->receipt($card, $request, $hash, $msat, $round, ++$number % $people);
	}
	return 1 if !@sql;
	# What is paid by a script at this very moment is none that anybody else can pay.
	return $spark->wait_for_success('DO $$ BEGIN ' . join(' ', map { my $one = s/^SELECT/PERFORM/r; "BEGIN $one; EXCEPTION WHEN SQLSTATE 'SP404' THEN NULL; END;" } @sql) . ' END $$', "round $round: what comes in");
}

# What hung is decided by the outside in the end; not all of it at once.
sub decide_some
{
	my ($self, $round) = @_;
	return $self->{spark}->wait_for_success("SELECT spark_simulator.script(payment_hash, faults.pick('succeed', 'fail')) FROM faults.requests WHERE round = $round"
		. " AND outcome IN ('stuck', 'bad_preimage', 'never_answer') AND random() < 0.9", "round $round: what hung is decided");
}

sub decide_all
{
	my ($self) = @_;
	return $self->{spark}->sql("SELECT spark_simulator.script('*', 'node'); SELECT spark_simulator.script(payment_hash, faults.pick('succeed', 'fail'))"
		. ' FROM (SELECT DISTINCT payment_hash FROM spark_bitcoin.simulator_payments WHERE NOT closed) undecided');
}

# The whole node is in a bad way for a second.
sub befall
{
	my ($self, $as) = @_;
	my $skew = int(rand(5)) - 2;
	my $script = qq{spark_simulator.script('*', 'node', '{"as": "$as", "after_s": 1, "skew_s": $skew}')};

	return $self->{spark}->try_sql("SELECT $script") if $as ne 'pruned';
	# A node forgets after it was started anew, so that whoever is connected asks again who it is; so it is with remembering.
	$self->{spark}->try_sql("SELECT $script, pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'spark lightning'");
	select(undef, undef, undef, 1.2);
	return $self->{spark}->try_sql('SELECT pg_reload_conf()');
}

sub disasters
{
	my ($self) = @_;
	return map { my $as = $_; ("the node is $as" => sub { $self->befall($as) }) } @conditions;
}

sub last_chance { return; }

sub refresh { return; }

sub preimage
{
	my ($self, $hash) = @_;
	return $self->{spark}->sql("SELECT preimage FROM spark_bitcoin.simulator_invoices WHERE payment_hash = '$hash'");
}

sub told_fees { return 'SELECT payment_hash, max_fee_msat FROM spark_bitcoin.simulator_payments'; }

# Until the last of them is there, whatever is compared is out of date at once.
sub under_way
{
	my ($self) = @_;
	my $receipts = time() <= $self->{comes_until} ? 1 : 0;
	# One that somebody has called paid is looked up by nobody: it may have ended without anybody's seeing it.
	return $receipts + $self->{spark}->sql('SELECT count(*) FROM spark_bitcoin.simulator_payments p WHERE created_at IS NOT NULL AND NOT closed'
		. " AND NOT EXISTS (SELECT FROM faults.executed e WHERE e.payment_hash = p.payment_hash AND direction = 'out')");
}

# ---- which faults there are, and how often each befell something

sub faults { return map { $_->{name} } @payments, @receipts, @made_wrong; }

# A payment counts once it was tried.
sub played
{
	my ($self) = @_;
	my %played = map { split(/\|/, $_, 2) } split(/\n/, $self->{spark}->sql('SELECT fault, count(*) FROM faults.dealt f WHERE payment_hash IS NULL'
		. ' OR EXISTS (SELECT FROM spark_bitcoin.withdrawals w WHERE w.payment_hash = f.payment_hash AND (attempt_no > 0 OR deposit_id IS NOT NULL))'
		. ' OR EXISTS (SELECT FROM spark_bitcoin.deposits d WHERE d.payment_hash = f.payment_hash) GROUP BY 1'));

	$self->{payments}->recount(%played);
	return %played;
}

1;
