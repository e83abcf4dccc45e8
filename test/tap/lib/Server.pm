# Server.pm
#		A PostgreSQL::Test::Cluster for tests that ask it thousands of times: psql()
#		and all that is built on it (safe_psql, poll_query_until, ..) speak to the
#		server from within, where psql itself is not needed, and a cluster is a copy
#		of one that was made before the tests.
#
# A process for each question, made by forking the test, costs ten times what
# most answers do.  The session is still a new one for each call, and when psql()
# returns the server's process has gone.  The copy is for the first server of a
# test: two of them must not have the same identifier, by which spark knows where
# it is.
package Server;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';

use Client;
use PostgreSQL::Test::Cluster ();
# Without its names, which would be methods here.
use PostgreSQL::Test::Utils ();

# A cluster as initdb makes it, where ./dev test keeps one.
my $made = $ENV{SPARK_CLUSTER};

# As of Cluster.
sub init
{
	my ($self, %params) = @_;
	my $run = \&PostgreSQL::Test::Utils::system_or_bail;
	my $copy = $made;

	$made = undef;
	return $self->SUPER::init(%params) if !$copy;
	no warnings 'redefine';
	local *PostgreSQL::Test::Utils::system_or_bail = sub {
		return $run->($_[0] eq 'initdb' ? ('cp', '-r', $copy, $self->data_dir) : @_);
	};
	return $self->SUPER::init(%params);
}

# As of Cluster: (status, output, errors), or the status alone.
sub psql
{
	my ($self, $database, $sql, %params) = @_;
	my ($user, $verbose) = $self->_person($database, %params);

	return $self->SUPER::psql($database, $sql, %params)
	  if !defined $user || !defined Client::statements($sql);

	my ($status, $out, $err) = $self->_ask($database, $user, $sql,
		verbose => $verbose, go_on => !($params{on_error_stop} // 1));
	chomp($out, $err);
	${ $params{stdout} } = $out if ref $params{stdout};
	${ $params{stderr} } = $err if ref $params{stderr};
	die "error running SQL: '$err'\nin database $database with sql '$sql'" if $status && $params{on_error_die};
	return wantarray ? ($status, $out, $err) : $status;
}

sub _ask
{
	my ($self, $database, $user, $sql, %options) = @_;
	my $client = eval { Client->connect($self, $database, user => $user) };

	return (2, '', $@) if !$client;
	my @answer = $client->run($sql, %options);
	$client->close;
	return @answer;
}

# Who asks, and whether errors are to be told at length; nothing where a
# parameter is there that only psql understands.
sub _person
{
	my ($self, $database, %params) = @_;
	my ($user, $verbose) = (scalar(getpwuid($>)), 0);
	my $own = $self->connstr($database);
	my @extra = @{ $params{extra_params} // [] };

	return if grep { !/^(?:stdout|stderr|on_error_stop|on_error_die|connstr|extra_params)$/ } keys %params;
	if (defined $params{connstr})
	{
		return unless $params{connstr} =~ /^\Q$own\E(?: user=(\w+))?$/;
		$user = $1 // $user;
	}
	while (defined(my $word = shift @extra))
	{
		if ($word eq '-U') { $user = shift @extra; }
		elsif ($word eq '--set=VERBOSITY=verbose') { $verbose = 1; }
		else { return; }
	}
	return ($user, $verbose);
}

1;
