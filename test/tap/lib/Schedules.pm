# Schedules.pm
#		Random schedules of writers, and an oracle that knows the true order.
#
#		my $schedules = Schedules->new($spark, $seed);		# tables, functions, two consumers
#		$schedules->run(40, $act, ..);						# writers; meanwhile the acts
#		is($schedules->faults, '', ..);						# once all is drained
#
# Writers change versioned rows and emit (key, version) under the row's lock:
# they commit, roll back, use savepoints and exception blocks, prepare and
# commit later, stay open for long, at each isolation level, and dispatch in
# between, also with messages of their own not yet committed.  What was
# committed is in thing.version: each consumer has to hear of each key's
# versions as 1, 2, 3, .. without a gap, without a repeat, in that order, and of
# nothing that was rolled back.
package Schedules;

use strict;
use warnings;

use IPC::Run ();
use POSIX ();

my $writers = 5;

sub new
{
	my ($class, $spark, %options) = @_;
	my $self = bless { spark => $spark, number => 0 }, $class;
	my $keys = $options{keys} // 12;

	$spark->sql(<<'END');
CREATE ROLE author; SELECT spark_bus.grant_author('author');
CREATE TABLE thing (key uuid PRIMARY KEY, version int NOT NULL);
CREATE TABLE heard (place bigint GENERATED ALWAYS AS IDENTITY, consumer text NOT NULL, key uuid NOT NULL, version int NOT NULL);
CREATE TABLE mood (name text PRIMARY KEY, value int NOT NULL);
INSERT INTO mood VALUES ('fail', 0);
GRANT ALL ON thing, heard, mood TO author;

CREATE FUNCTION hear(consumer text, m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.heard (consumer, key, version) VALUES (consumer, (m).aggregate_id, ((m).payload->>'version')::int)
$$;
CREATE FUNCTION hear_first(m spark_bus.message) RETURNS void LANGUAGE sql AS $$ SELECT public.hear('first', m) $$;
-- This one stumbles now and then: what it could not handle comes again, in order.
CREATE FUNCTION hear_second(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.hear('second', m);
	IF random() * 100 < (SELECT value FROM public.mood) THEN
		RAISE EXCEPTION 'stumbled over %', (m).id;
	END IF;
END $$;

CREATE FUNCTION touch(k uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v int;
BEGIN
	UPDATE public.thing SET version = version + 1 WHERE key = k RETURNING version INTO v;
	PERFORM spark_bus.emit('shop.thing_changed', k, jsonb_build_object('version', v));
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO author;
END
	$spark->sql("INSERT INTO thing SELECT gen_random_uuid(), 0 FROM generate_series(1, $keys)");
	$spark->sql("SET ROLE author; SELECT spark_bus.subscribe('$_', 'shop.thing_changed', 'public.hear_$_', 1000)") for qw(first second);
	$self->{keys} = [ split(/\n/, $spark->sql('SELECT key FROM thing ORDER BY key')) ];
	return $self;
}

sub any { return $_[ int(rand(@_)) ]; }

sub touch
{
	my ($self) = @_;
	return "SELECT touch('" . any(@{ $self->{keys} }) . "');\n";
}

sub pause { my ($longest) = @_; return 'SELECT pg_sleep(' . sprintf('%.3f', rand($longest)) . ");\n"; }

# What is between the first change of a transaction and its end.
my @middles = (
	(sub { "SAVEPOINT s;\n" . $_[0]->touch . "ROLLBACK TO s;\n" . $_[0]->touch }) x 3,
	(sub { 'DO $$ BEGIN PERFORM touch(' . "'" . any(@{ $_[0]{keys} }) . "'); RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END \$\$;\n" }) x 2,
	sub { pause(0.3) },
	sub { my $self = shift; join('', map { "SAVEPOINT s$_;\n" . $self->touch } 1 .. 20) },
	sub { "SELECT spark_bus.dispatch(20);\n" . $_[0]->touch },
	(sub { '' }) x 8,
);

# One transaction.
sub transaction
{
	my ($self, $gid) = @_;
	my $level = any('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	my $chance = rand();
	my $begin = "BEGIN ISOLATION LEVEL $level;\n";
	my $touches = $self->touch . (rand() < 0.3 ? $self->touch : '');

	# The one who came first may be the last to change a key.
	$begin .= "SELECT pg_current_xact_id() IS NULL;\n" . pause(0.02) if rand() < 0.1;
	return "$begin${touches}ROLLBACK;\n" if $chance < 0.15;
	if ($chance < 0.2)
	{
		my $end = any('COMMIT', 'COMMIT', 'ROLLBACK');
		return "$begin${touches}PREPARE TRANSACTION '$gid';\n" . pause(0.1) . "$end PREPARED '$gid';\n";
	}
	my $after = rand() < 0.05 ? "SELECT spark_bus.dispatch(20);\n" : '';
	return $begin . $touches . any(@middles)->($self) . "COMMIT;\n" . $after;
}

# Each writer is a script for psql, which goes on after errors: a deadlock, a
# serialization failure are part of the schedule.
sub run
{
	my ($self, $count, @acts) = @_;
	my $run = ++$self->{number};
	my $connection = $self->{spark}->node->connstr('postgres');
	my @children;

	for my $writer (1 .. $writers)
	{
		my $script = join('', "SET lock_timeout = '5s';\n", map { $self->transaction("w${run}_${writer}_$_") } 1 .. $count);
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			my ($out, $err);
			IPC::Run::run([ 'psql', '-XqAt', '-d', $connection, '-f', '-' ], '<', \$script, '>', \$out, '2>', \$err);
			POSIX::_exit(0);
		}
		push @children, $pid;
	}
	$_->() for @acts;
	waitpid($_, 0) for @children;
	return;
}

# After a crash nobody ends them.
sub roll_back_prepared
{
	my ($self) = @_;
	$self->{spark}->sql("ROLLBACK PREPARED '$_'") for split(/\n/, $self->{spark}->sql('SELECT gid FROM pg_prepared_xacts'));
	return;
}

sub count { return $_[0]{spark}->sql('SELECT sum(version) FROM thing'); }

# A row for each consumer and key that has not heard 1 .. version.
sub faults
{
	my ($self) = @_;
	$self->{spark}->sql('SELECT 1 FROM pg_prepared_xacts') eq '' or die 'a prepared transaction was left';
	$self->{spark}->wait_until_drained;
	return $self->{spark}->sql(<<'END');
SELECT c.consumer, t.key, t.version, h.versions FROM thing t CROSS JOIN (VALUES ('first'), ('second')) c (consumer)
LEFT JOIN LATERAL (SELECT array_agg(version ORDER BY place) AS versions FROM heard
	WHERE key = t.key AND consumer = c.consumer) h ON true
WHERE COALESCE(h.versions, '{}') <> ARRAY(SELECT generate_series(1, t.version))
END
}

1;
