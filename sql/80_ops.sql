--
-- Status, repair and verification, for operators.
--

CREATE FUNCTION spark_ops.bus_status()
	RETURNS TABLE (consumer text, lane int, lag_messages bigint, lag_seconds float8,
		parked bigint, dead bigint, handled bigint, last_error text,
		rate_per_second float8, batch_size float8, handler_seconds float8, handler_seconds_p95 float8,
		paused_why text, blocked_keys bigint)
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_bus_status';
COMMENT ON FUNCTION spark_ops.bus_status() IS
'Shows for each consumer what waits, what failed and what was handled.

Returns a row a consumer and lane. lag_messages: what it wants and has not handled; lag_seconds: the age
  of the oldest of them, or up to a look of a worker more;
  parked: waiting for a retry, or behind one that does; dead: see spark_ops.dead_letters(); handled:
  since the server''s start. Drained: lag, parked and dead all 0.
  rate_per_second: handled in the last minute; batch_size: messages a transaction, on average;
  handler_seconds and handler_seconds_p95: a call of a handler, on average and 95 of 100, of all lanes;
  paused_why: why it waits, else NULL; blocked_keys: keys that a failed message shuts.
  All of it is of one moment, and from shared memory: no row of the log or of what is parked is read.
  Where nothing is counted (spark not preloaded, no worker has looked yet, a prepared transaction has
  handled messages), what waits is read from the tables.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.dead_letters(limit_ int DEFAULT 100, of_consumer text DEFAULT NULL, after uuid DEFAULT NULL)
	RETURNS TABLE (message_id uuid, consumer text, type text, aggregate_id uuid, payload jsonb,
		attempts int, error_code text, error_message text, first_failed_at timestamptz, died_at timestamptz,
		holds text)
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- a list is read along its index, never collected and sorted
	SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'spark_ops_dead_letters';
COMMENT ON FUNCTION spark_ops.dead_letters(int, text, uuid) IS
'Lists the messages that failed for good, newest first.

limit_: 1 to 10,000; NULL: 100.
of_consumer: those of one; NULL: of all.
after: the message_id of the last row of the page before; needs of_consumer.
What waits for each, holds says: the later ones of its key, all of its lane, or none. They wait until it
  is retried, mended or dropped, or its key is unblocked.
Returns a row a dead message, with how often and by which error it failed.
Errors: SP001 limit_ out of range, or after without of_consumer; SP002 no such consumer or dead letter;
  SP009 not installed.';

CREATE FUNCTION spark_ops.blocked_keys(limit_ int DEFAULT 100)
	RETURNS TABLE (consumer text, aggregate_id uuid, waiting bigint, holds text, state text,
		message_id uuid, type text, error_code text, error_message text, first_failed_at timestamptz, due timestamptz)
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_blocked_keys';
COMMENT ON FUNCTION spark_ops.blocked_keys(int) IS
'Lists the messages that others wait for, the oldest first.

limit_: 1 to 10,000; NULL: 100.
Returns a row a message that holds up its key, or its lane (holds): parked until its next attempt at due,
  or dead (state); waiting: how many of its key are parked behind it, what its lane holds aside.
Errors: SP001 limit_ out of range; SP009 not installed.';

CREATE FUNCTION spark_ops.operations(limit_ int DEFAULT 100)
	RETURNS TABLE (at timestamptz, operator text, action text, consumer text, message_id uuid, reason text,
		before jsonb, after jsonb)
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_operations';
COMMENT ON FUNCTION spark_ops.operations(int) IS
'Lists what operators did to the bus, newest first.

limit_: 1 to 10,000; NULL: 100.
Returns a row an operation: who, what, to which consumer and message, why, and what it was and became.
Errors: SP001 limit_ out of range; SP009 not installed.';

CREATE FUNCTION spark_ops.retry_dead_letter(message_id uuid, consumer text,
		reason text DEFAULT 'no reason given')
	RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_retry_dead_letter';
COMMENT ON FUNCTION spark_ops.retry_dead_letter(uuid, text, text) IS
'Has a dead letter handled again, its attempts counted from 0.

message_id, consumer: of spark_ops.dead_letters().
reason: 1 to 1,000 bytes; recorded with who. The key opens when it succeeds.
Returns nothing.
Errors: SP001 invalid argument; SP002 no such consumer or dead letter; SP009 not installed.';

CREATE FUNCTION spark_ops.drop_dead_letter(message_id uuid, consumer text, reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_drop_dead_letter';
COMMENT ON FUNCTION spark_ops.drop_dead_letter(uuid, text, text) IS
'Gives a dead letter up for that consumer and opens its key.

message_id, consumer: of spark_ops.dead_letters().
reason: 1 to 1,000 bytes; recorded with who.
Returns nothing.
Errors: SP001 no argument; SP002 no such consumer or dead letter; SP009 not installed.';

CREATE FUNCTION spark_ops.mend_dead_letter(message_id uuid, consumer text, payload jsonb, reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_mend_dead_letter';
COMMENT ON FUNCTION spark_ops.mend_dead_letter(uuid, text, jsonb, text) IS
'Replaces the payload of a dead letter and has it handled again.

message_id, consumer: of spark_ops.dead_letters().
payload: the new one, as spark_bus.emit() takes it.
reason: 1 to 1,000 bytes; recorded with who, before and after.
Returns nothing.
Errors: SP001 no or an invalid argument; SP002 no such consumer or dead letter; SP009 not installed.';

CREATE FUNCTION spark_ops.retry_key(consumer text, aggregate_id uuid, reason text) RETURNS bigint
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_retry_key';
COMMENT ON FUNCTION spark_ops.retry_key(text, uuid, text) IS
'Has all that failed of a key handled again now, by one consumer.

consumer, aggregate_id: as spark_ops.blocked_keys() and dead_letters() show them.
reason: 1 to 1,000 bytes; recorded with who.
Dead letters have their attempts counted from 0; what is parked does not wait for its time. Those behind
  follow in their order.
Returns how many messages are tried.
Errors: SP001 invalid argument; SP002 no such consumer, or nothing of that key has failed; SP009 not
  installed.';

CREATE FUNCTION spark_ops.retry_all(consumer text, reason text, limit_ int DEFAULT 1000) RETURNS bigint
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_retry_all';
COMMENT ON FUNCTION spark_ops.retry_all(text, text, int) IS
'Has what failed of a consumer handled again now, a page at a time.

consumer: a context, or one that was subscribed.
reason: 1 to 1,000 bytes; recorded with who.
limit_: how many at most, 1 to 10,000; NULL: 1,000. First what is parked for later, then the dead ones
  that died first, their attempts counted from 0.
Call it until it returns 0.
Returns how many messages are tried.
Errors: SP001 invalid argument; SP002 no such consumer; SP009 not installed.';

CREATE FUNCTION spark_ops.unblock_key(consumer text, aggregate_id uuid, reason text) RETURNS bigint
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_unblock_key';
COMMENT ON FUNCTION spark_ops.unblock_key(text, uuid, text) IS
'Lets those behind a failed message go on without it.

consumer, aggregate_id: as spark_ops.blocked_keys() shows them.
reason: 1 to 1,000 bytes; recorded with who.
The message itself stays parked or dead, and can still be retried, mended or dropped; its place in the
  order is given up. Also a lane that it holds up goes on.
Returns how many messages were set aside.
Errors: SP001 invalid argument; SP002 no such consumer, or nobody waits for that key; SP009 not
  installed.';

CREATE FUNCTION spark_ops.pause_consumer(consumer text, reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_pause_consumer';
COMMENT ON FUNCTION spark_ops.pause_consumer(text, text) IS
'Has a consumer handle nothing until resume_consumer().

consumer: a context, or one that was subscribed. A batch of it that runs ends first.
reason: 1 to 1,000 bytes; recorded with who, and shown by spark_ops.health().
What it wants stays in the log meanwhile, which then cannot be emptied; of a context, it counts for
  spark.lane_hard_limit.
Returns nothing.
Errors: SP001 invalid argument; SP002 no such consumer; SP009 not installed; SP010 it is paused already.';

CREATE FUNCTION spark_ops.resume_consumer(consumer text, reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_resume_consumer';
COMMENT ON FUNCTION spark_ops.resume_consumer(text, text) IS
'Has a consumer go on that an operator has paused, where it stood.

consumer: as in pause_consumer().
reason: 1 to 1,000 bytes; recorded with who.
Returns nothing.
Errors: SP001 invalid argument; SP002 no such consumer; SP009 not installed; SP010 no operator has
  paused it.';

CREATE FUNCTION spark_ops.replay(consumer text, reason text, since timestamptz DEFAULT NULL,
		message_id uuid DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_replay';
COMMENT ON FUNCTION spark_ops.replay(text, text, timestamptz, uuid) IS
'Has a consumer handle again what it has handled, from a time or a message on.

consumer: one that was subscribed. No context: its messages move and count money, each of them once.
reason: 1 to 1,000 bytes; recorded with who.
since, message_id: one of the two. Of all lanes, what was emitted at that time or later; or that message,
  all behind it in its lane, and of other lanes what was emitted when it was or later.
Into that consumer alone, of the types it has subscribed now, in the order of the log, and before all
  that is new: each effect happens once more, on purpose. Nothing is marked as a replay. Only what the
  log still holds comes; it keeps messages for spark.segment_retention at least.
Returns how many messages come again; 0: nothing was changed.
Errors: SP001 invalid argument; SP002 no such consumer, or the log has no such message; SP009 not
  installed; SP010 a context, a detached consumer, one with parked or dead messages, one in the middle of
  a batch, a time before the last change of lanes, or within a handler; 25001 above READ COMMITTED.';

CREATE FUNCTION spark_ops.verify_between()
	RETURNS TABLE (invariant text, ok boolean, detail text)
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_verify_between';
COMMENT ON FUNCTION spark_ops.verify_between() IS
'Checks the invariants that span two contexts: a part of verify().

Returns a row an invariant.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.verify()
	RETURNS TABLE (invariant text, ok boolean, detail text)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
		SELECT invariant, bool_and(ok),
			string_agg(detail, '; ') FILTER (WHERE ok IS NOT DISTINCT FROM all_ok)
		FROM (SELECT *, bool_and(ok) OVER (PARTITION BY invariant) AS all_ok
			FROM (SELECT * FROM spark_ops.verify_accounting()
				UNION ALL SELECT * FROM spark_ops.verify_between()) AS every_row) AS judged
		GROUP BY invariant ORDER BY substr(invariant, 2)::int
	$$;
COMMENT ON FUNCTION spark_ops.verify() IS
'Checks the invariants I1 to I14 of the books.

Right at any moment: what spans two contexts counts the messages still on their way.
Returns a row an invariant; detail says what it means, or what breaks it.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.health()
	RETURNS TABLE (check_name text, ok boolean, detail text)
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_health';
COMMENT ON FUNCTION spark_ops.health() IS
'Tells what is wrong and what to do about it.

Works before spark.install(), too. Of the bus, it reads shared memory alone, as bus_status() does; a
  check that meets somebody''s lock waits for it for a tenth of a second, and says whose it is.
Returns a row a check: preload, worker, node, node_simulated, unknown_payments, reconciliation,
  solvency, breaker, throttle, locks, counts, delayed, frozen, late_payments, backlog, snapshot,
  prepared, paused, blocked, rotation, versions.
No errors.';

CREATE FUNCTION spark_ops.metrics() RETURNS text
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_metrics';
COMMENT ON FUNCTION spark_ops.metrics() IS
'Tells the state of the bus in the text format of Prometheus.

Cheap, whatever waits: counts are kept in shared memory, and begin at the server''s start.
Returns lines of gauges, counters and a histogram of handler times, all named spark_...; times in
  seconds; labels consumer, lane, check.
Errors: SP009 not installed.';

CREATE FUNCTION spark_ops.pause_outside(reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_pause_outside';
COMMENT ON FUNCTION spark_ops.pause_outside(text) IS
'Has this database do nothing outside until resume_outside().

No Lightning node is called; commands are taken and wait, the ledger goes on.
For a cluster restored to an earlier moment: start it with spark.outside = off,
call this, then set it on.
reason: why, not empty; recorded with who.
Errors: SP001; SP009.
Returns nothing.';

CREATE FUNCTION spark_ops.resume_outside(reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_resume_outside';
COMMENT ON FUNCTION spark_ops.resume_outside(text) IS
'Lets books that are a copy, or were paused, act outside of the database.

A restored or copied database calls no Lightning node until then.  First see that
no other copy of it does.  Nothing is paid before the books have been compared
with the node.  Withdrawals that were not sent yet are looked up there first, for
another copy may have paid them, and wait for spark.lightning_not_found_delay.
reason: why, not empty; recorded with who.  Does nothing where nothing is paused.
Errors: SP001; SP009; SP010 while the setting spark.outside is off.
Returns nothing.';

CREATE FUNCTION spark_ops.set_lanes(lanes int, reason text DEFAULT 'no reason given') RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_set_lanes';
COMMENT ON FUNCTION spark_ops.set_lanes(int, text) IS
'Changes the number of lanes of the log, while all runs.

lanes: a power of two, 1 to 64. Takes effect at the commit; until then new messages wait. Each consumer
  handles what was emitted before, in all lanes, and then what comes after: no order changes.
reason: 1 to 1,000 bytes; recorded with who, before and after, where the number is another one.
Returns nothing.
Errors: SP001 no such number, or an invalid reason; SP010 a consumer has not handled all from before the
  last change; 25001 above READ COMMITTED; 55P03 a transaction that has emitted messages stays open.';

CREATE FUNCTION spark_ops.resync(consumer text, reason text) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_resync';
COMMENT ON FUNCTION spark_ops.resync(text, text) IS
'Has a consumer that was detached begin anew.

consumer: one that stood still for longer than spark.subscriber_max_lag while the log was full of what
  it had not heard. It hears what commits from now on; what it has missed is its author''s to make good.
reason: why, 1 to 1,000 bytes; recorded in spark_common.operator_log.
Returns nothing.
Errors: SP001 invalid argument; SP002 unknown consumer; SP009 not installed; SP010 it is not detached;
  25001 above READ COMMITTED.';

CREATE FUNCTION spark_ops.rotate() RETURNS int
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_rotate';
COMMENT ON FUNCTION spark_ops.rotate() IS
'Empties the segments of the log that everybody has left behind.

Dispatchers do so by themselves; this is for databases that no worker looks after. A segment is left
  for the next at spark.segment_size or spark.segment_age, and emptied spark.segment_retention later,
  once each consumer has handled all of it. One that somebody has a lock on waits for the next call.
  Nobody reads what was emptied before the caller''s transaction ends: let it be one of its own.
Returns how many segments were emptied.
Errors: SP009 not installed; SP010 in a handler; 25001 above READ COMMITTED.';

CREATE FUNCTION spark_ops.lanes() RETURNS int
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_lanes';
COMMENT ON FUNCTION spark_ops.lanes() IS
'Tells the number of lanes of the log.

Returns a power of two, 1 to 64.
Errors: SP009 before spark.install().';

CREATE FUNCTION spark_ops.grant_operator(operator regrole) RETURNS void
	LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'spark_ops_grant_operator';
COMMENT ON FUNCTION spark_ops.grant_operator(regrole) IS
'Gives a role all functions of schema spark_ops but this one.

operator: the role. Safe to repeat.
Returns nothing.
Errors: SP001 no such role.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA spark_ops FROM PUBLIC;

-- Who watches the server may watch the bus.
GRANT USAGE ON SCHEMA spark_ops TO pg_monitor;
GRANT EXECUTE ON FUNCTION spark_ops.bus_status(), spark_ops.health(), spark_ops.metrics() TO pg_monitor;
