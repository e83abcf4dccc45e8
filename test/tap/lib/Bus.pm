# Bus.pm
#		An author of a further context, for TAP tests: a plain role that emits and
#		subscribes, and a shop whose handlers write down what they see.
#
#		my $bus = Bus->new($spark);
#		$bus->listen('notes', 'shop.sold');				# consumer notes, handler shop.notes()
#		$bus->emit('shop.sold', 7, 1);					# key 7, its change number 1
#		$bus->comes('notes', 7, '1', 'it comes');
#		$bus->breaks('notes', 7);							# from now on that handler raises for key 7
#
# shop.seen has a line for each message that a handler has handled, in order.
# Keys are small numbers here and uuids in the server.
package Bus;

use strict;
use warnings;

use Test::More ();

sub new
{
	my ($class, $spark, $role) = @_;
	my $self = bless { spark => $spark, role => $role // 'author' }, $class;

	$spark->sql("CREATE ROLE $self->{role} LOGIN; SELECT spark_bus.grant_author('$self->{role}')");
	$spark->sql("CREATE SCHEMA shop AUTHORIZATION $self->{role}");
	$self->author(<<'END');
CREATE TABLE shop.seen (place bigserial PRIMARY KEY, consumer text, type text, key uuid, n int, id uuid,
	correlation uuid, causation uuid, role text, path text, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE shop.failing (consumer text, key uuid, code text);
CREATE TABLE shop.stock (key uuid PRIMARY KEY, n int NOT NULL);
-- Raises where that consumer is to fail for that key, or for all.
CREATE FUNCTION shop.perhaps_fail(consumer text, m spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	code text := (SELECT f.code FROM shop.failing f WHERE f.consumer = perhaps_fail.consumer
		AND coalesce(f.key = m.aggregate_id, true) LIMIT 1);
BEGIN
	IF code IS NOT NULL THEN
		RAISE EXCEPTION 'not today' USING ERRCODE = code, DETAIL = m.payload::text;
	END IF;
END $$;
CREATE FUNCTION shop.see(consumer text, m spark_bus.message) RETURNS void LANGUAGE sql AS $$
	INSERT INTO shop.seen (consumer, type, key, n, id, correlation, causation, role, path)
	VALUES (consumer, m.type, m.aggregate_id, (m.payload->>'n')::int, m.id, m.correlation_id, m.causation_id,
		current_user, current_setting('search_path'))
$$;
-- One change of a key and its message, in the order of the house: row first.
CREATE FUNCTION shop.change(which uuid, type text DEFAULT 'shop.sold') RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	change int;
BEGIN
	INSERT INTO shop.stock VALUES (which, 1) ON CONFLICT (key) DO UPDATE SET n = shop.stock.n + 1 RETURNING n INTO change;
	PERFORM spark_bus.emit(type, which, jsonb_build_object('n', change));
	RETURN change;
END $$;
END
	return $self;
}

sub key { return sprintf '00000000-0000-7000-8000-%012d', $_[1]; }

# As the author; dies where it fails.
sub author
{
	my ($self, $sql) = @_;
	return $self->{spark}->node->safe_psql($self->{spark}{database}, $sql, extra_params => [ '-U', $self->{role} ]);
}

# As the author, where failing is expected: (SQLSTATE or '', output or error text).
sub try_author
{
	my ($self, $sql) = @_;
	my ($status, $out, $err) = $self->{spark}->node->psql($self->{spark}{database}, $sql,
		extra_params => [ '-U', $self->{role}, '--set=VERBOSITY=verbose' ]);
	return (Spark::_sqlstate($status, $err), $status ? $err : $out);
}

# A session of the author's that stays open.
sub session
{
	my ($self) = @_;
	return $self->{spark}->node->background_psql($self->{spark}{database},
		on_error_stop => 0, extra_params => [ '-U', $self->{role} ]);
}

# A handler shop.<name>() that sees and perhaps fails; body: what it does besides, first.
sub handler
{
	my ($self, $name, $body) = @_;
	$body //= '';
	$self->author("CREATE OR REPLACE FUNCTION shop.$name(m spark_bus.message) RETURNS void LANGUAGE plpgsql AS \$\$"
		. " BEGIN $body PERFORM shop.perhaps_fail('$name', m); PERFORM shop.see('$name', m); END \$\$");
	return;
}

sub subscribe
{
	my ($self, $consumer, $type, $attempts) = @_;
	$self->author("SELECT spark_bus.subscribe('$consumer', '$type', 'shop.$consumer'" . ($attempts ? ", $attempts" : '') . ')');
	return;
}

sub listen
{
	my ($self, $consumer, $type, $attempts) = @_;
	$self->handler($consumer);
	$self->subscribe($consumer, $type, $attempts);
	return;
}

# Emits one message in a transaction of its own: its id.
sub emit
{
	my ($self, $type, $key, $n) = @_;
	return $self->author('SELECT ' . $self->emission($type, $key, $n));
}

sub emission
{
	my ($self, $type, $key, $n) = @_;
	return "spark_bus.emit('$type', '" . $self->key($key) . "', '{\"n\": $n}')";
}

sub breaks
{
	my ($self, $consumer, $key, $code) = @_;
	my $which = defined $key ? "'" . $self->key($key) . "'" : 'NULL';
	$self->author("INSERT INTO shop.failing VALUES ('$consumer', $which, '" . ($code // 'P0001') . "')");
	return;
}

sub mend
{
	my ($self, $consumer) = @_;
	$self->author("DELETE FROM shop.failing WHERE consumer = '$consumer'");
	return;
}

# What a consumer has seen of a key, as SQL and as text: '1,2,3'.
sub sight
{
	my ($self, $consumer, $key) = @_;
	return "(SELECT coalesce(string_agg(n::text, ',' ORDER BY place), '') FROM shop.seen"
		. " WHERE consumer = '$consumer' AND key = '" . $self->key($key) . "')";
}

sub seen
{
	my ($self, $consumer, $key) = @_;
	return $self->author('SELECT ' . $self->sight($consumer, $key));
}

# Polls until exactly that has been seen.
sub comes
{
	my ($self, $consumer, $key, $what, $name) = @_;
	return $self->{spark}->wait_for('SELECT ' . $self->sight($consumer, $key) . " = '$what'", $name);
}

# bus_status() of one consumer, all lanes: "lag parked dead".
sub status
{
	my ($self, $consumer) = @_;
	return $self->{spark}->sql("SELECT sum(lag_messages), sum(parked), sum(dead) FROM spark_ops.bus_status()"
		. " WHERE consumer = '$consumer' GROUP BY consumer") =~ s/\|/ /gr;
}

sub status_becomes
{
	my ($self, $consumer, $what, $name) = @_;
	return $self->{spark}->wait_for("SELECT concat_ws(' ', sum(lag_messages), sum(parked), sum(dead)) = '$what'"
		. " FROM spark_ops.bus_status() WHERE consumer = '$consumer' GROUP BY consumer", $name);
}

sub health
{
	my ($self, $check) = @_;
	return $self->{spark}->sql("SELECT ok, detail FROM spark_ops.health() WHERE check_name = '$check'");
}

1;
