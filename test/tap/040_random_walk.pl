# 040_random_walk.pl
#		Thousands of random commands from several sessions at once, while the
#		server, its workers and its backends are killed under them.  After each
#		round the books are summed up anew by the test itself and compared with
#		what the outside world saw and with what every client was told: no satoshi
#		may be lost, made or paid twice, no acknowledged command lost, no refused
#		one kept.
#
#		SPARK_WALK_SEED			the seed of a run, as it was printed; else one by chance
#		SPARK_WALK_COMMANDS		how many commands (3600); more of them are more rounds
#
# The seed decides what each walker does; how the walkers meet, nobody decides.
# Nothing is judged by time.
use strict;
use warnings;

use IO::Select;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;
use Walk::Audit;
use Walk::Journal;
use Walk::Session;
use Walk::Walker;

my $walkers = 5;
my $commands_a_round = 600;
my $disasters_a_round = 3;
my $seed = $ENV{SPARK_WALK_SEED} || (time() ^ ($$ << 8)) & 0x7fffffff;
my $commands = $ENV{SPARK_WALK_COMMANDS} || 3600;
my $rounds = int(($commands + $commands_a_round - 1) / $commands_a_round);

srand($seed);
note("seed $seed, $rounds rounds of $commands_a_round commands; again by SPARK_WALK_SEED=$seed SPARK_WALK_COMMANDS=$commands");

my $spark = Spark->start(conf => <<'END');
restart_after_crash = on
log_statement = none
shared_buffers = 32MB
spark.dispatch_naptime = 50
spark.retry_base_delay = 10
spark.lightning_timeout = 1
spark.lightning_not_found_delay = 0
END
my $god = Walk::Session->new($spark->node->connstr('postgres'));
my %facts = (done => {}, undone => {}, maybe => {}, asked => {});
my %read_to;								# how far each journal was read
my %counts;
my @broken;
my %world = (users => [], campaigns => [], donations => [], deposits => [], withdrawals => [], own_campaigns => []);

sub journal_of { my ($walker) = @_; return $spark->node->basedir . "/walker-$walker.journal"; }

# ---- the scene

# What a walker may do beside the API: play the outside world, and listen.
sub set_scene
{
	$god->rows(<<'END');
CREATE SCHEMA walk;
CREATE TABLE walk.heard (type text, aggregate_id uuid, message_id uuid, amount_msat bigint);
CREATE SEQUENCE walk.luck;
CREATE FUNCTION walk.hear(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO walk.heard VALUES (message.type, message.aggregate_id, message.id, (message.payload ->> 'amount_msat')::bigint);
	IF message.type = 'crowdfunding.donation_confirmed' THEN
		PERFORM spark_bus.emit('walk.echo', message.aggregate_id, '{}');
	END IF;
	IF nextval('walk.luck') % 37 = 0 THEN
		RAISE EXCEPTION 'bad luck';
	END IF;
END $$;
SELECT spark_bus.subscribe('walk', type, 'walk.hear', 100) FROM unnest('{walk.echo, auth.signed_up, accounting.deposit_succeeded,
	accounting.withdraw_succeeded, crowdfunding.campaign_created, crowdfunding.donation_created, crowdfunding.donation_confirmed,
	crowdfunding.donation_rejected}'::text[]) AS type;
CREATE FUNCTION walk.outside_invoice(sat bigint, expiry int, outcome text, options jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE request text := spark_simulator.make_invoice(sat, '', expiry);
BEGIN
	IF outcome IS NOT NULL THEN
		PERFORM spark_simulator.script(payment_hash, outcome, options) FROM spark_bitcoin.simulator_invoices WHERE payment_request = request;
	END IF;
	RETURN request;
END $$;
CREATE FUNCTION walk.request(whose text, back int) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT payment_request FROM spark_bitcoin.simulator_invoices WHERE owner = whose ORDER BY created_at DESC OFFSET back LIMIT 1 $$;
CREATE FUNCTION walk.change_script(back int, outcome text, options jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	SELECT spark_simulator.script(payment_hash, outcome, options) FROM
	(SELECT payment_hash FROM spark_bitcoin.simulator_invoices WHERE owner = 'outside' ORDER BY created_at DESC OFFSET back LIMIT 1) AS i $$;
CREATE FUNCTION walk.pay(request text, msat bigint, late boolean) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT spark_simulator.pay(request, msat, late) $$;
GRANT USAGE ON SCHEMA walk TO client;
SELECT spark_bus.grant_author('client');
SELECT spark_ops.grant_operator('client')
END
	return;
}

# The first people, their campaigns and some money.
sub set_people
{
	my $journal = Walk::Journal->new(journal_of(0));
	my @users;

	for my $name (map { "person-$_" } 1 .. 6)
	{
		my $token = $spark->sign_up($name);
		my $id = $spark->as($token, 'SELECT spark.whoami()');
		$journal->note('done', 'account', $id, $name);
		$journal->note('token', $id, $token);
		push @users, { id => $id, token => $token };
	}
	for my $owner (@users[ 1 .. 4 ])
	{
		my $id = $spark->as($owner->{token}, "SELECT campaign_id FROM spark.create_campaign('Walk', '', 100000)");
		$journal->note('done', 'campaign', $id, $owner->{id});
	}
	for my $user (@users)
	{
		$journal->note('asked', 'deposit', $user->{id}, 20_000_000, '');
		my $id = $spark->fund($user->{token}, 20_000);
		$journal->note('asked', 'payment', $id, 20_000_000);
		$journal->note('done', 'deposit', $id, $user->{id}, 20_000_000, '');
		$journal->note('done', 'payment', $id, 20_000_000);
	}
	return;
}

# What the walkers have written down since the last time, into facts and world.
sub read_journals
{
	for my $walker (0 .. $walkers)
	{
		my ($end, @lines) = Walk::Journal::read_from(journal_of($walker), $read_to{$walker} // 0);
		$read_to{$walker} = $end;
		for (@lines)
		{
			my ($fate, $kind, $id, @content) = @$_;
			if ($fate eq 'count') { $counts{$kind}++; }
			elsif ($fate eq 'broken') { push @broken, $kind; }
			elsif ($fate eq 'token') { push @{ $world{users} }, { id => $kind, token => $id }; }
			elsif ($fate eq 'asked') { $facts{asked}{$kind}{ join("\t", $id, @content) } = 1; }
			else { $facts{$fate}{$kind}{$id} = join("\t", @content); }
			if ($fate eq 'maybe') { $facts{maybe}{$kind}{$_} = 1 for grep { $_ ne '' } $id, join("\t", @content); }
			push @{ $world{campaigns} }, { id => $id, owner => $content[0] } if $fate eq 'done' && $kind eq 'campaign';
		}
	}
	return;
}

# What a later round does again: of commands that were told and committed.
sub remember
{
	my %user = map { $_->{id} => $_ } @{ $world{users} };
	my %campaign = map { $_->{id} => $_ } @{ $world{campaigns} };
	my %seen;

	@{ $world{campaigns} } = grep { !$seen{ $_->{id} }++ } @{ $world{campaigns} };
	@world{qw(donations deposits withdrawals)} = ([], [], []);
	for my $id (sort keys %{ $facts{done}{donation} })
	{
		my ($donor, $campaign, $msat, $key) = split(/\t/, $facts{done}{donation}{$id});
		push @{ $world{donations} }, { id => $id, donor => $user{$donor}, campaign => $campaign{$campaign}, sat => $msat / 1000, key => $key };
	}
	for my $id (sort keys %{ $facts{done}{deposit} })
	{
		my ($account, $msat, $key) = split(/\t/, $facts{done}{deposit}{$id});
		push @{ $world{deposits} }, { id => $id, account => $user{$account}, sat => $msat / 1000, key => $key } if $key ne '';
	}
	return;
}

# ---- disasters

# As superuser, until a server has heard it.
sub command
{
	my ($sql) = @_;
	my $answer;
	$answer = $god->ask($sql) while !defined $answer;
	return @{ $answer->{rows} };
}

# One process of that kind; undef where there is none.
sub pid_of
{
	my ($where) = @_;
	my @pids = command("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND $where ORDER BY pid");
	return @pids ? $pids[ int(rand(@pids)) ] : undef;
}

sub kill_one
{
	my ($where) = @_;
	my $pid = pid_of($where) or return;
	kill('KILL', $pid);
	return;
}

sub tell_all
{
	my ($function, $where) = @_;
	command("SELECT $function(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND $where");
	return;
}

# Settings that may change under a running server, each with values of which one is taken.
my @settings = (
	[ 'spark.invoice_expiry', '1s', '2s', '1h' ], [ 'spark.dispatch_batch_size', 1, 7, 1000 ], [ 'spark.dispatch_naptime', '10ms', '500ms' ],
	[ 'spark.lightning_timeout', '1s', '2s' ], [ 'spark.fee_floor', 0, 1, 10 ], [ 'spark.retry_base_delay', '1ms', '50ms' ],
	[ 'spark.lightning_create_deadline', '1s', '10min' ], [ 'spark.databases', '', 'postgres' ], [ 'wal_level', 'replica' ],
);

sub set_anew
{
	for (1 .. 3)
	{
		my ($name, @values) = @{ $settings[ int(rand(@settings)) ] };
		my $value = $values[ int(rand(@values)) ];
		command("ALTER SYSTEM SET $name = '$value'");
	}
	command('SELECT pg_reload_conf()');
	return;
}

sub crash
{
	$god->close;
	$spark->node->stop('immediate');
	$spark->node->start;
	return;
}

my @frozen;									# processes that stand still

sub freeze
{
	my $pid = pid_of("backend_type IN ('spark dispatcher', 'spark lightning', 'spark consumer')") or return;
	kill('STOP', $pid) and push @frozen, $pid;
	return;
}

sub thaw
{
	kill('CONT', $_) for splice(@frozen);
	return;
}

my %disasters = (
	'kill the dispatcher' => sub { kill_one("backend_type = 'spark dispatcher'") },
	'kill the consumer' => sub { kill_one("backend_type = 'spark consumer'") },
	'kill the lightning worker' => sub { kill_one("backend_type = 'spark lightning'") },
	'kill a backend' => sub { kill_one("backend_type = 'client backend' AND usename = 'client'") },
	'crash the server' => \&crash,
	'restart the server' => sub { $god->close; $spark->node->stop('fast'); $spark->node->start; },
	'terminate the workers' => sub { tell_all('pg_terminate_backend', "backend_type LIKE 'spark %'") },
	'terminate the backends' => sub { tell_all('pg_terminate_backend', "usename = 'client'") },
	'cancel everything' => sub { tell_all('pg_cancel_backend', "usename = 'client' OR backend_type LIKE 'spark %'") for 1 .. 20 },
	'other settings' => \&set_anew,
	'freeze a worker' => \&freeze,
	'checkpoint' => sub { command('CHECKPOINT') },
);
my @deck;
my %happened;

sub disaster
{
	thaw();
	if (!@deck)
	{
		my %order = map { $_ => rand() } sort keys %disasters;
		@deck = sort { $order{$a} <=> $order{$b} } keys %order;
	}
	my $name = pop @deck;
	$disasters{$name}->();
	$happened{$name}++;
	return $name;
}

# ---- a round

# Starts a walker; it reports each command as one byte to the pipe.
sub start_walker
{
	my ($walker, $round, $report) = @_;
	my $pid = fork() // die $!;
	return $pid if $pid;

	# Nothing of this process may end the server or speak for the test.
	srand($seed * 31 + $round * 101 + $walker);
	my $good = eval {
		Walk::Walker->new(
			connection => $spark->node->connstr('postgres') . ' user=client',
			journal => journal_of($walker),
			world => \%world,
			name => "w$walker-$round",
		)->walk(int($commands_a_round / $walkers), sub { syswrite($report, '.') });
		1;
	};
	Walk::Journal->new(journal_of($walker))->note('broken', "walker $walker: $@") if !$good;
	POSIX::_exit(0);
}

sub run_round
{
	my ($round) = @_;
	my @when = sort { $a <=> $b } map { int($commands_a_round * (0.05 + 0.9 * rand())) } 1 .. $disasters_a_round;
	my $progress = 0;
	my @names;

	$world{round} = $round;
	remember();
	# Invoices that expire under the hands of those who pay them, every other round.
	command("ALTER SYSTEM SET spark.invoice_expiry = '" . ($round % 2 ? '1s' : '1h') . "'");
	command('SELECT pg_reload_conf()');
	pipe(my $reports, my $report) or die $!;
	my @pids = map { start_walker($_, $round, $report) } 1 .. $walkers;
	CORE::close($report);
	my $waiting = IO::Select->new($reports);
	while (1)
	{
		# All may be waiting for what stands still.
		thaw() if !$waiting->can_read(1);
		my $count = sysread($reports, my $dots, 4096) or last;
		$progress += $count;
		while (@when && $progress >= $when[0])
		{
			shift @when;
			push @names, disaster();
		}
	}
	waitpid($_, 0) for @pids;
	thaw();
	command('ALTER SYSTEM RESET ALL');
	command('SELECT pg_reload_conf()');
	read_journals();
	return @names;
}

# The problems that the journals and the audit have found.
sub audit
{
	my (%options) = @_;
	my $audit = Walk::Audit->new($god, \%facts);
	$audit->take;
	my @problems = (splice(@broken), $audit->problems(%options));
	return ($audit->census, @problems);
}

sub judge
{
	my ($name, @problems) = @_;

	# A summary may keep no more of a failure than its name.
	$name .= " (seed $seed, " . @problems . " problems, first: $1)" if @problems && $problems[0] =~ /^(.*)/;
	is(scalar(@problems), 0, $name) or diag(join("\n", @problems[ 0 .. ($#problems < 20 ? $#problems : 20) ]));
	return;
}

# The outside world decides whatever it has left open; then all is found out,
# at the latest by what a start asks the node about.  A payment that is called
# failed may still be under way there: it has to end, and to be booked.
# Returns what did not come to an end.
sub settle_all
{
	my $open = "FROM spark_bitcoin.withdrawals WHERE deposit_id IS NULL AND state NOT IN ('succeeded', 'failed', 'rejected')";
	my $under_way = 'FROM spark_bitcoin.simulator_payments WHERE created_at IS NOT NULL AND NOT closed';
	my %left = (
		withdrawals => "FROM spark_bitcoin.withdrawals WHERE state NOT IN ('succeeded', 'failed', 'rejected')",
		'deposits without an invoice' => "FROM spark_bitcoin.deposits WHERE state = 'intent'",
		'payments under way' => $under_way,
		'payments that are not booked' => "FROM spark_simulator.payments(1000000) AS p WHERE NOT EXISTS (SELECT FROM spark_bitcoin.deposits AS d"
		  . "   WHERE d.payment_hash = p.payment_hash AND d.state = 'settled' AND p.direction = 'in') AND NOT EXISTS"
		  . "  (SELECT FROM spark_bitcoin.withdrawals AS w WHERE w.payment_hash = p.payment_hash AND w.state = 'succeeded' AND p.direction = 'out')",
	);
	my $words = 'SELECT ' . join(' || ', map { "(SELECT CASE WHEN count(*) > 0 THEN count(*) || ' $_, ' ELSE '' END $left{$_})" } sort keys %left);
	my $left;

	for my $try (1 .. 6)
	{
		my $undecided = "SELECT payment_hash $open";
		$undecided .= " UNION SELECT payment_hash $under_way" if $try > 1;
		$god->rows("SELECT spark_simulator.script(payment_hash, CASE WHEN random() < 0.5 THEN 'fail' ELSE 'succeed' END) FROM ($undecided) AS undecided");
		crash();
		my $deadline = time() + 20;
		while (time() < $deadline)
		{
			($left) = $god->rows($words);
			return if !defined $left || $left eq '';
			select(undef, undef, undef, 0.1);
		}
	}
	my ($rows) = $god->rows("SELECT string_agg(row_to_json(w) || ' of hash: ' || (SELECT json_agg(json_build_object('id', o.invoice_id, 'state', o.state, 'attempt', o.attempt_no, 'doubt', o.in_doubt, 'late', o.late, 'msat', o.amount_msat))"
			. "   FROM spark_bitcoin.withdrawals o WHERE o.payment_hash = w.payment_hash), '; ') $left{withdrawals}" =~ s/FROM spark_bitcoin.withdrawals WHERE/FROM spark_bitcoin.withdrawals w WHERE/r);
	return "still there: $left" . ($rows // '');
}

set_scene();
set_people();
read_journals();
my $started = time();
for my $round (1 .. $rounds)
{
	my @names = run_round($round);
	my (undef, @problems) = audit();
	judge(sprintf('round %d (%d s): the books are right after: %s', $round, time() - $started, join(', ', @names)), @problems);
	last if @problems;
}
judge('everything that was open comes to an end', settle_all());
my ($census, @problems) = audit(final => 1);
judge('at the end everybody has what is his', @problems);
ok(($census->{$_} // 0) > 0, "there was a $_")
  for 'donation confirmed', 'donation rejected', 'deposit settled', 'deposit expired', 'withdrawal succeeded', 'withdrawal failed',
  'withdrawal rejected', 'withdrawal succeeded inside';
note("$_: $census->{$_}") for sort keys %$census;
note("$_: $counts{$_}") for sort keys %counts;
note("disaster $_: $happened{$_}") for sort keys %happened;
$god->close;
$spark->stop;
done_testing();
