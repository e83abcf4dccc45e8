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

id: of the message.
type: <context>.<words>.
aggregate_type, aggregate_id: the key, and what it is an id of.
payload: an object.
correlation_id: the first message of the chain.
causation_id: the message whose handler emitted this one; NULL: none.
traceparent: the W3C trace context of the request that began the chain, if it had one.';

CREATE FUNCTION spark_bus.emit(type text, aggregate_id uuid, payload jsonb,
		aggregate_type text DEFAULT NULL, deliver_at timestamptz DEFAULT NULL)
	RETURNS uuid
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_emit';
COMMENT ON FUNCTION spark_bus.emit(text, uuid, jsonb, text, timestamptz) IS
'Stores a message in the caller''s transaction.

type: <context>.<words>, 1 to 255 bytes.
aggregate_id: the key; messages of one key are handled in their order.
payload: an object, of at most 1 MiB, 1,000 levels deep, its numbers of 8,388,608 digits in all.
aggregate_type: what the key is an id of; NULL: the words before the dot.
deliver_at: when it is due; NULL or a time that has passed: now. Among those of its key it has its place
  from the moment when it is due. A handler may emit its own message again for ever, if it is due no
  sooner than in a minute; what is due sooner counts as a hop (spark.max_depth).
Returns the id of the message. It takes effect when the caller commits, and not at all if he does not.
Errors: SP001 invalid argument; SP004 a message of spark''s own contexts, unless by a superuser;
  SP008 the log is full, or too much is delayed already; SP009 not installed; SP010 more than one
  transaction may emit (spark.transaction_max_messages, spark.transaction_max_size).';

CREATE FUNCTION spark_bus.cancel(message_id uuid) RETURNS boolean
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_cancel';
COMMENT ON FUNCTION spark_bus.cancel(uuid) IS
'Takes back a delayed message that is not yet due.

message_id: what spark_bus.emit() returned.
Returns true where it was taken back, false when it is too late.
Errors: SP001 no message_id; SP004 another role has emitted it; SP009 not installed.';

CREATE FUNCTION spark_bus.subscribe(consumer text, message_type text, handler regproc,
		max_attempts int DEFAULT 12, kind text DEFAULT 'event',
		ordering text DEFAULT 'key', when_dead text DEFAULT 'block')
	RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_subscribe';
COMMENT ON FUNCTION spark_bus.subscribe(text, text, regproc, int, text, text, text) IS
'Has handler(message spark_bus.message) called for each message of a type.

consumer: a name of the caller''s making; each consumer has a place in the log of its own.
message_type: <context>.<words>; of a context of spark, one that it has.
handler: a function that takes one spark_bus.message and returns void.
max_attempts: from 1; after so many failures the message is a dead letter.
kind: event (any number of consumers) or command (this is its one handler).
ordering: what waits while a message fails: key (later ones of its key), none (nothing; nor does it wait
  for others of its key), lane (all later ones of its lane).
when_dead: what becomes of those once it is a dead letter: block (they wait for an operator) or skip
  (they go on).
Effect and cursor are one transaction: each message takes effect once. The handler runs as the role
  that subscribed, with search_path public, in a restricted security context; what ALTER ROLE SET says
  of the role is for its sessions alone. A consumer of a role that is gone is a superuser''s.
A new consumer starts with what commits after its first subscribe; the same (consumer, type) again
  replaces all the rest of it; what is parked keeps what held when it failed.
Returns nothing.
Errors: SP001 invalid argument; SP004 a consumer of another role, or a handler the caller may not
  execute; SP009 not installed; SP010 a second handler of a command, the other kind, or a context''s name.';

CREATE FUNCTION spark_bus.unsubscribe(consumer text, message_type text, discard boolean DEFAULT false,
		reason text DEFAULT 'no reason given')
	RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_unsubscribe';
COMMENT ON FUNCTION spark_bus.unsubscribe(text, text, boolean, text) IS
'Ends a subscription; a running batch ends first.

consumer, message_type: as they were subscribed.
discard: drop what is parked or dead for it, and open the keys behind.
reason: 1 to 1,000 bytes; where something is dropped, recorded with who and how many.
Returns nothing.
Errors: SP001 no or an invalid argument; SP002 no such subscription; SP004 a consumer of another role;
  SP009 not installed; SP010 messages are parked or dead for it and discard is false, or in a handler;
  25001 above READ COMMITTED.';

CREATE FUNCTION spark_bus.dispatch(max_messages int DEFAULT 1000) RETURNS bigint
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_dispatch';
COMMENT ON FUNCTION spark_bus.dispatch(int) IS
'Handles what is committed and ready, in the caller''s session.

max_messages: from 1.
For tests, and for databases without the worker. What the caller''s own transaction or these handlers
  emit comes with a call after its commit. A node is called by the worker only.
A consumer of which a message was handled waits for the end of the caller''s transaction: end it soon.
Returns how many messages were handled or parked; 0: nothing was ready.
Errors: SP001 max_messages; SP009 not installed; SP010 within a handler; 25001 above READ COMMITTED;
  25006 in a read-only transaction.';

CREATE FUNCTION spark_bus.grant_author(author regrole) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_bus_grant_author';
COMMENT ON FUNCTION spark_bus.grant_author(regrole) IS
'Gives a role what it needs to emit, subscribe and dispatch.

author: the role. Safe to repeat.
Returns nothing.
Errors: SP001 no such role.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA spark_bus FROM PUBLIC;
