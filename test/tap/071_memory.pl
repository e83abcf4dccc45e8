# 071_memory.pl
#		What lives long does not grow: neither a worker with the messages that it
#		has handled, nor a session with the batches that have failed in it; and a
#		worker that cannot work says why.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(conf => "fsync = off\n");

workers_do_not_grow();
sessions_do_not_grow();
workers_say_why_not();
done_testing();

# Emits so many sign-ups, which three contexts follow, and waits for the end.
sub handle_sign_ups
{
	my ($count) = @_;

	$spark->sql("SELECT count(spark_bus.emit('auth.signed_up', id, jsonb_build_object('account_id', id, 'username', 'name' || id)))"
		. " FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $count)) i");
	$spark->wait_until_drained;
	return;
}

# All that the dispatcher's memory contexts hold, in bytes.
sub memory_of_dispatcher
{
	my $at = -s $spark->node->logfile;
	my $total;

	$spark->sql("SELECT pg_log_backend_memory_contexts(pid) FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'");
	for (1 .. 20 * $Spark::patience)
	{
		($total) = slurp_file($spark->node->logfile, $at) =~ /Grand total: (\d+) bytes/;
		return $total if defined $total;
		select(undef, undef, undef, 0.05);
	}
	die 'the dispatcher tells nothing of its memory';
}

sub workers_do_not_grow
{
	handle_sign_ups(3000);
	my $before = memory_of_dispatcher();
	handle_sign_ups(12000);
	cmp_ok(memory_of_dispatcher(), '<', $before + 1_000_000, 'a worker does not grow with what it has handled');
	return;
}

# Each batch fails as a whole first, then goes on message by message.
sub sessions_do_not_grow
{
	$spark->node->safe_psql('postgres', 'CREATE DATABASE quiet');
	local $spark->{database} = 'quiet';
	$spark->sql('CREATE EXTENSION spark; SELECT * FROM spark.install()');
	$spark->sql(<<'END');
CREATE FUNCTION refuse_some(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (message.payload ->> 'n')::int % 30 = 7 THEN
		RAISE EXCEPTION 'not this one' USING ERRCODE = CASE (message.payload ->> 'n')::int % 2 WHEN 0 THEN '22012' ELSE '23505' END;
	END IF;
END $$;
SELECT spark_bus.subscribe('picky', 'test.thing', 'refuse_some');
END
	$spark->sql("SELECT count(spark_bus.emit('test.thing', gen_random_uuid(), jsonb_build_object('n', n, 'x', repeat('x', 1000))))"
		. ' FROM generate_series(1, 3000) n');
	my ($done, $contexts, $bytes) = split(/\|/, $spark->sql('SELECT spark_bus.dispatch(100000),'
		. " (SELECT count(*) FILTER (WHERE name = 'spark batch') FROM pg_backend_memory_contexts),"
		. ' (SELECT sum(total_bytes) FROM pg_backend_memory_contexts)'));
	cmp_ok($done, '>=', 3000, 'a session goes on after failures');
	is($contexts, 0, 'and keeps the memory of none of its batches');
	cmp_ok($bytes, '<', 60_000_000, 'so that it does not grow');
	return;
}

sub workers_say_why_not
{
	my $at = -s $spark->node->logfile;

	$spark->sql('ALTER TABLE spark_common.installed RENAME COLUMN version TO mistaken');
	ok($spark->node->wait_for_log(qr/spark dispatcher of database "postgres" waits: column "version" does not exist/, $at),
		'a worker that cannot even look says why');
	$spark->sql('ALTER TABLE spark_common.installed RENAME COLUMN mistaken TO version');
	handle_sign_ups(1);
	pass('and goes on by itself');
	return;
}
