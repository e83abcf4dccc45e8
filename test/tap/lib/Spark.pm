# Spark.pm
#		A server with spark in it, for TAP tests, and the calls of its people.
#
#		my $spark = Spark->start;						# extension created, books made, worker running
#		my $alice = $spark->sign_up('alice');			# her token
#		is($spark->as($alice, 'SELECT available_sat FROM spark.balance()'), '0', 'nothing yet');
#		$spark->wait_for('SELECT ...');					# until it says t
#
# What is called as the server's superuser goes through $spark->sql; what a
# person calls goes through as(), on a connection of a role without rights of
# its own, with the token in spark.token.  Each call is a session of its own.
# Nothing waits by sleeping: wait_for() polls until its query is true.
package Spark;

use strict;
use warnings;

use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

use Client;
use Server;

our $patience = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 180;	# seconds that wait_for() waits, on a machine with much else to do
our $password = 'correct horse battery staple';

# start(%options): name, database, conf (more settings), install (0: no books),
# extension (0: not created, and no books), worker (0: none runs), lanes (of the
# log; 'some': one or four, by chance)
sub start
{
	my ($class, %options) = @_;
	my $self = bless {
		database => $options{database} // 'postgres',
		node => Server->new($options{name} // 'spark'),
	}, $class;
	my $node = $self->{node};

	$node->init(extra => ['--no-sync']);
	$node->append_conf('postgresql.conf', $self->settings(%options));
	$node->start;
	$self->create_database if $self->{database} ne 'postgres';
	$self->sql('CREATE EXTENSION spark') if $options{extension} // 1;
	$self->sql('CREATE ROLE anon; CREATE ROLE member; CREATE ROLE client LOGIN IN ROLE member');
	$self->sql("SELECT * FROM spark.install(); SELECT spark.grant_api('anon', 'member')")
	  if $options{install} // $options{extension} // 1;
	my $lanes = _lanes($options{lanes} // 1);
	$self->sql("SELECT spark_ops.set_lanes($lanes)") if $lanes != 1 && ($options{install} // $options{extension} // 1);
	return $self;
}

# Every promise holds with any number of lanes: SPARK_LANES=4 ./dev test tap
sub _lanes
{
	my ($wanted) = @_;
	my $lanes = $ENV{SPARK_LANES} || ($wanted eq 'some' ? some_lanes() : $wanted);
	note("over $lanes lanes; again by SPARK_LANES=$lanes") if $wanted eq 'some';
	return $lanes;
}

# One lane or four, by chance.
sub some_lanes { return (1, 4)[rand(2)]; }

# The log goes through so many lanes from now on.
sub set_lanes
{
	my ($self, $lanes) = @_;
	# A consumer may still be busy with what was before the last change.
	return $self->wait_for_success("SELECT spark_ops.set_lanes($lanes)", "the log goes through $lanes lanes");
}

# The same calls against another database, or another server.
sub around
{
	my ($class, $node, $database) = @_;
	return bless { node => $node, database => $database }, $class;
}

sub settings
{
	my ($self, %options) = @_;
	my $secret = $self->{node}->basedir . '/jwt-secret';
	my $databases = $options{worker} // 1 ? $self->{database} : '';
	my $found = $ENV{SPARK_CONF} && -s $ENV{SPARK_CONF} ? slurp_file($ENV{SPARK_CONF}) : '';

	umask(077);
	append_to_file($secret, $options{secret} // ('s' x 24 . 'ecret of the tests only'));
	return join("\n", $found,
		"shared_preload_libraries = 'spark'",
		"spark.databases = '$databases'",
		"spark.jwt_secret_file = '$secret'",
		'spark.dispatch_naptime = 200',
		'max_worker_processes = 64',
		'max_connections = 100',
		$options{conf} // '', '');
}

sub create_database
{
	my ($self) = @_;
	$self->{node}->safe_psql('postgres', "CREATE DATABASE $self->{database}");
	return;
}

# A second database of that server, with books that no worker looks after.
sub beside
{
	my ($self, $database) = @_;
	my $other = bless { database => $database, node => $self->{node} }, ref($self);

	$other->create_database;
	$other->sql('CREATE EXTENSION spark');
	$other->sql("SELECT * FROM spark.install(); SELECT spark.grant_api('anon', 'member')");
	return $other;
}

# Changes a setting of the whole server, without a restart.
sub set
{
	my ($self, $name, $value) = @_;
	$self->sql("ALTER SYSTEM SET $name = $value");
	$self->{node}->reload;
	return;
}

# The databases that workers serve from now on; waits until those of this one are gone where it is none of them.
sub serve
{
	my ($self, @databases) = @_;
	$self->set('spark.databases', join(', ', map { "'$_'" } @databases) || "''");
	$self->wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'spark %' AND datname = current_database()")
	  unless grep { $_ eq $self->{database} } @databases;
	return;
}

# Handles what is ready in sessions of its own, without a worker.
sub dispatch
{
	my ($self) = @_;
	1 while $self->sql('SELECT spark_bus.dispatch()') > 0;
	return;
}

sub node { return $_[0]->{node}; }

# One statement or more, as superuser; dies where it fails.
sub sql
{
	my ($self, $sql) = @_;
	return $self->{node}->safe_psql($self->{database}, $sql);
}

# As superuser, where failing is expected: (SQLSTATE or '', output).
sub try_sql
{
	my ($self, $sql) = @_;
	my ($status, $out, $err) = $self->{node}->psql($self->{database}, $sql, extra_params => ['--set=VERBOSITY=verbose']);
	return (_sqlstate($status, $err), $status ? $err : $out);
}

# What a person calls, with that token (undef: nobody): the output; dies where it fails.
sub as
{
	my ($self, $token, $sql) = @_;
	my ($sqlstate, $out) = $self->try_as($token, $sql);
	die "$sqlstate calling $sql: $out" if $sqlstate ne '';
	return $out;
}

# The same where failing is expected: (SQLSTATE or '', output or error text).
sub try_as
{
	my ($self, $token, $sql) = @_;
	my $head = defined $token ? "SET spark.token = '$token';\n" : '';
	my ($status, $out, $err) = $self->{node}->psql($self->{database}, $head . $sql,
		connstr => $self->{node}->connstr($self->{database}) . ' user=client',
		extra_params => ['--set=VERBOSITY=verbose']);
	return (_sqlstate($status, $err), $status ? $err : $out);
}

sub _sqlstate
{
	my ($status, $err) = @_;
	return '' if $status == 0;
	return $1 if ($err // '') =~ /(?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5}):/;
	return 'psql exit status ' . $status;
}

# Registers and logs in: the token.
sub sign_up
{
	my ($self, $name) = @_;
	$self->as(undef, "SELECT account_id FROM spark.register('$name', '$password')");
	return $self->log_in($name);
}

sub log_in
{
	my ($self, $name) = @_;
	return $self->as(undef, "SELECT access_token FROM spark.login('$name', '$password')");
}

# Polls until the query says true; says in the test's words how it ended.
# As superuser, or with a token as that person.
sub wait_for
{
	my ($self, $sql, $name, $token) = @_;
	my $deadline = time() + $patience;
	my $pause = 0.02;
	my ($client, $looks, $status, $out, $err) = (undef, 0);

	while (1)
	{
		# One session looks a while: what is set for new ones must be seen, too.
		if ($looks++ % 20 == 0)
		{
			$client->close if $client;
			$client = undef;
		}
		$client //= $self->_looker($token);
		($status, $out, $err) = $client ? $client->run($sql, verbose => 1) : (2, '', $@);
		$client = undef if $status == 2;
		last if ($status == 0 && $out eq "t\n") || time() > $deadline;
		select(undef, undef, undef, $pause);
		$pause *= 1.25 if $pause < 0.1;
	}
	$client->close if $client;

	my $good = $status == 0 && $out eq "t\n";
	my $last = "still not true after $patience s: $sql\nlast answer: $out$err";
	if (defined $name)
	{
		ok($good, $name) or diag($last);
	}
	elsif (!$good)
	{
		die $last;
	}
	return $good;
}

# The session of one who looks; undef, and why in $@, where there is none now.
sub _looker
{
	my ($self, $token) = @_;
	return eval {
		my $client = Client->connect($self->{node}, $self->{database}, user => defined $token ? 'client' : undef);
		$client->run("SET spark.token = '$token'") if defined $token;
		$client;
	};
}

# Repeats a command until it succeeds: what is refused for now is not for ever.
sub wait_for_success
{
	my ($self, $sql, $name) = @_;
	my $deadline = time() + $patience;
	my ($sqlstate, $out);

	do
	{
		($sqlstate, $out) = $self->try_sql($sql);
		select(undef, undef, undef, 0.05) if $sqlstate ne '';
	} while ($sqlstate ne '' && time() <= $deadline);
	return is($sqlstate, '', $name) || diag($out);
}

# The server takes connections (again).
sub wait_for_connection
{
	my ($self) = @_;
	my $deadline = time() + $patience;

	until (eval { my ($sqlstate) = $self->try_sql('SELECT 1'); $sqlstate eq '' })
	{
		die "no connection after $patience s" if time() > $deadline;
		select(undef, undef, undef, 0.1);
	}
	return 1;
}

# kill -9 of a process of the server, until the server is there again.
sub kill9
{
	my ($self, $pid) = @_;
	my $deadline = time() + $patience;

	kill('KILL', $pid);
	# Until the postmaster has seen the end it takes connections, which it then ends.
	while (kill(0, $pid))
	{
		die "$pid is still there after $patience s" if time() > $deadline;
		select(undef, undef, undef, 0.01);
	}
	return $self->wait_for_connection;
}

# Nothing is on its way and nothing is parked or dead.
sub wait_until_drained
{
	my ($self, $name) = @_;
	my $drained = eval {
		$self->wait_for('SELECT coalesce(bool_and(lag_messages = 0 AND parked = 0 AND dead = 0), false)'
			. ' FROM spark_ops.bus_status()', $name);
	};
	return $drained if $drained;
	diag($self->sql('SELECT * FROM spark_ops.bus_status(); SELECT * FROM spark_ops.health() WHERE NOT ok'));
	die $@ if $@;
	return $drained;
}

# Deposits that many satoshi and has them paid: the invoice's id.
sub fund
{
	my ($self, $token, $amount_sat) = @_;
	my $invoice = $self->as($token, "SELECT invoice_id FROM spark.deposit($amount_sat)");
	$self->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice('$invoice')", undef, $token);
	my $request = $self->as($token, "SELECT payment_request FROM spark.invoice('$invoice')");
	$self->sql("SELECT spark_simulator.pay('$request')");
	$self->wait_for("SELECT status = 'paid' FROM spark.invoice('$invoice')", undef, $token);
	$self->wait_until_drained;
	return $invoice;
}

# Each invariant of the books that does not hold, as text; '' when all do.
sub broken_invariants
{
	my ($self) = @_;
	return $self->sql("SELECT coalesce(string_agg(invariant || ': ' || detail, '; '), '') FROM spark_ops.verify() WHERE NOT ok");
}

# The files of the server that hold any of those bytes: tables, the log of writes, what it says.
sub files_with
{
	my ($self, @bytes) = @_;
	my ($any, @found) = join('|', map { quotemeta } @bytes);

	find(sub { push @found, $File::Find::name if -f && slurp_file($_) =~ /$any/ }, $self->{node}->data_dir, $self->{node}->logfile);
	return @found;
}

sub stop
{
	my ($self) = @_;
	$self->{node}->stop;
	return;
}

1;
