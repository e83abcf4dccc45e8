--
-- The message bus, for authors of further contexts.
--
-- emit, subscribe and unsubscribe must know who really calls: they are not
-- SECURITY DEFINER, and become the owner only around their own statements.
--

CREATE TYPE spark_bus.message AS (
	id uuid,
	type text,
	aggregate_type text,
	aggregate_id uuid,
	payload jsonb,
	schema_version int,
	correlation_id uuid,
	causation_id uuid,
	traceparent text,
	created_at timestamptz
);
COMMENT ON TYPE spark_bus.message IS
'A message as a handler receives it.

correlation_id is the first message of the chain, causation_id the one whose
handler emitted this (NULL: none).';

CREATE FUNCTION spark_bus.emit(type text, aggregate_id uuid, payload jsonb,
		aggregate_type text DEFAULT NULL, deliver_at timestamptz DEFAULT NULL)
	RETURNS uuid
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_emit';
COMMENT ON FUNCTION spark_bus.emit(text, uuid, jsonb, text, timestamptz) IS
'Stores a message in the caller''s transaction; returns its id.

type: <context>.<words>.  aggregate_id: the key; messages of one key are handled
in their order.  payload: an object of at most 1 MiB.  aggregate_type: what the
key is an id of; NULL: the words before the dot.  deliver_at: must not lie in the
future in this version (0A000).
Errors: SP001; SP004 for messages of spark''s own contexts, unless by a superuser;
SP009.';

CREATE FUNCTION spark_bus.cancel(message_id uuid) RETURNS boolean
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_cancel';
COMMENT ON FUNCTION spark_bus.cancel(uuid) IS
'Takes back a delayed message that is not yet due; false when too late.

Messages are never delayed in this version, so the answer is always false.
Errors: SP001.';

CREATE FUNCTION spark_bus.subscribe(consumer text, message_type text, handler regproc,
		max_attempts int DEFAULT 12, kind text DEFAULT 'event')
	RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_subscribe';
COMMENT ON FUNCTION spark_bus.subscribe(text, text, regproc, int, text) IS
'Has handler(message spark_bus.message) called for each message of a type.

Effect and cursor are one transaction: each message takes effect once.  The
handler runs as the role that subscribed, with search_path public, restricted.
A new consumer starts with what commits after its first subscribe; the same
(consumer, type) again replaces handler and max_attempts.
kind: event (any number of consumers) or command (this is its one handler).
Errors: SP001; SP004 another role''s consumer; SP009; SP010 a second handler of a
command, or the other kind.';

CREATE FUNCTION spark_bus.unsubscribe(consumer text, message_type text, discard boolean DEFAULT false)
	RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_unsubscribe';
COMMENT ON FUNCTION spark_bus.unsubscribe(text, text, boolean) IS
'Ends a subscription; a running batch ends first.

discard: drop what is parked or dead for it, and open the keys behind.
Errors: SP001; SP002 no such subscription; SP004; SP009; SP010 messages are parked
or dead for it and discard is false.';

CREATE FUNCTION spark_bus.dispatch(max_messages int DEFAULT 1000) RETURNS bigint
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_dispatch';
COMMENT ON FUNCTION spark_bus.dispatch(int) IS
'Handles what is committed and ready, in the caller''s session.

For tests, and for databases without the worker.  Returns how many messages were
handled or parked; 0: nothing was ready.  What the caller''s transaction or these
handlers emit comes with a call after its commit.
Errors: SP001; SP009; 25001 above READ COMMITTED.';

CREATE FUNCTION spark_bus.grant_author(author regrole) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_grant_author';
COMMENT ON FUNCTION spark_bus.grant_author(regrole) IS
'Gives a role what it needs to emit, subscribe and dispatch.

Safe to repeat.  Errors: SP001.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA spark_bus FROM PUBLIC;
