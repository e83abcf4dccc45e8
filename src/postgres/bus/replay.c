/*
 * replay.c
 *		Has a consumer handle again what it has handled before.
 *
 * Its cursor goes back: what was delivered from a number on becomes an open
 * window, read as any other, up to where the cursor stood; there it goes on.
 * The window begins with a snapshot that has seen none of it, so that the log
 * keeps the segments until they were read again.
 *
 * Who locks what: the consumer's places; and spark_common.subscription against
 * rotation, so that no segment goes before the cursor's new row is committed.
 */
#include "postgres/server.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/bus/cursor.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/log.h"
#include "postgres/operators/operator_log.h"
#include "postgres/bus/parking.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/bus/place.h"
#include "postgres/bus/relane.h"
#include "postgres/bus/rotation.h"
#include "postgres/statement.h"
#include "postgres/workers/wakeup.h"

#include <inttypes.h>

PG_FUNCTION_INFO_V1(spark_ops_replay);

typedef struct Replay
{
	const char *consumer;
	const Listener *listener;
	const char *reason;
	Instant		since;
	Uuid		message_id;		/* nil: by time alone */
	int			lane_of_message;
	int64		seq_of_message;
	Arena	   *arena;
} Replay;

static LaneStatement find_message = {
	.pattern = "SELECT seq, created_at FROM spark_common.outbox_%1$d WHERE id = $1"};

static LaneStatement find_first = {
	.pattern = "SELECT pg_catalog.min(seq) FROM spark_common.outbox_%1$d WHERE created_at >= $1"};

/* What was delivered to it from a number on: how many, and the lowest transaction. */
#define DELIVERED \
	" FROM spark_common.outbox_%1$d WHERE seq >= $1 AND seq <= $2" \
	" AND pg_catalog.pg_visible_in_snapshot(xid, $3) AND (type = ANY ($4))"

static LaneStatement count_delivered = {
	.pattern = "SELECT pg_catalog.count(*)" DELIVERED};

static LaneStatement find_lowest = {
	.pattern = "SELECT xid::text FROM spark_common.outbox_%1$d WHERE seq >= $1 ORDER BY xid LIMIT 1"};

/* ------------------------------------------------------------------ refusals */

static void
refuse_what_is_no_replay(const Replay *replay)
{
	if (context_consumer(replay->consumer) != NULL)
		refuse_now("What a context has not handled is parked or dead: retry that. Subscribe a consumer of your own to hear more.",
				   "Consumer %s is a context of spark: its messages move and count money, each of them once.",
				   replay->consumer);
	if (last_readable(replay->consumer) != NO_BARRIER)
		refuse_now("Wait until it has, by spark_ops.bus_status(), then call again.",
				   "Consumer %s has not handled all that was emitted before the last change of lanes.",
				   replay->consumer);
	if (has_parked(replay->consumer))
		refuse_now("Retry or drop these first: they would come twice.",
				   "Messages of consumer %s are parked or dead.", replay->consumer);
}

/* ------------------------------------------------------------------ beginning */

/* Where the message is in the log, and when it was emitted. */
static void
find_in_log(Replay *replay)
{
	bool		found = false;

	for (int lane = 0; lane < log_shape()->made && !found; lane++)
	{
		Rows		rows = rows_open(lane_statement(&find_message, lane), PARAMETERS(param_uuid(replay->message_id)));

		found = rows_next(&rows);
		if (found)
		{
			replay->lane_of_message = lane;
			replay->seq_of_message = row_bigint(&rows, 1);
			replay->since = row_instant(&rows, 2);
		}
		rows_close(&rows);
	}
	if (!found)
		refuse(RESULT_NOT_FOUND, "The log has no such message, or not any more.");
}

/* The number in that lane from which on all comes again; 0: none does. */
static int64
first_number(const Replay *replay, int lane)
{
	Rows		rows;
	int64		first;

	if (!uuid_is_nil(replay->message_id) && lane == replay->lane_of_message)
		return replay->seq_of_message;
	rows = rows_open(lane_statement(&find_first, lane), PARAMETERS(param_instant(replay->since)));
	first = rows_next(&rows) && !row_is_null(&rows, 1) ? row_bigint(&rows, 1) : 0;
	rows_close(&rows);
	return first;
}

/* -------------------------------------------------------------------- rewind */

static int64
delivered_from(const Replay *replay, const Cursor *cursor, int64 first, int64 last)
{
	Rows		rows = rows_open(lane_statement(&count_delivered, cursor->lane),
								 PARAMETERS(param_bigint(first), param_bigint(last),
											param_typed(PG_SNAPSHOTOID, snapshot_format(replay->arena, &cursor->to.s)),
											param_texts(replay->listener->wanted, (size_t) replay->listener->wanted_count)));
	int64		count = rows_next(&rows) ? row_bigint(&rows, 1) : 0;

	rows_close(&rows);
	return count;
}

static uint64
lowest_transaction(const Replay *replay, int lane, int64 first)
{
	Rows		rows = rows_open(lane_statement(&find_lowest, lane), PARAMETERS(param_bigint(first)));
	uint64		lowest = rows_next(&rows) ? strtoull(row_text(&rows, 1, replay->arena), NULL, 10) : 0;

	rows_close(&rows);
	return lowest;
}

/* How many messages of that lane come again. */
static int64
rewind_lane(const Replay *replay, int lane)
{
	int64		first = first_number(replay, lane);
	Cursor		cursor;
	int64		last;
	int64		count;
	uint64		lowest;

	if (!cursor_load(replay->consumer, lane, replay->arena, &cursor))
		refuse_now("Call spark_ops.resync() first.", "Consumer %s is detached.", replay->consumer);
	if (first == 0)
		return 0;
	if (cursor.is_open && cursor.pos < cursor.from.q)
		refuse_now("Call again in a moment; without a worker, call spark_bus.dispatch() before.",
				   "Consumer %s is in the middle of a batch.", replay->consumer);
	if (!cursor.is_open)
		cursor.to = cursor.from;
	last = cursor.is_open ? cursor.pos : cursor.from.q;
	count = delivered_from(replay, &cursor, first, last);
	if (count == 0)
		return 0;
	if (log_shape()->epoch > 0 && first <= log_shape()->barrier)
		refuse_now("Give a time, or a message, from after it.",
				   "The number of lanes was changed since then; across that, no order is kept.");
	lowest = lowest_transaction(replay, lane, first);
	cursor.from = (LogPosition) {.s = {.xmin = lowest, .xmax = lowest}, .q = first - 1, .n = lowest};
	cursor.pos = first - 1;
	cursor.is_open = true;
	cursor_store(&cursor);
	return count;
}

static Replay
arg_replay(FunctionCallInfo fcinfo)
{
	Replay		replay = {
		.consumer = arg_text(fcinfo, 0, "consumer"),
		.reason = arg_reason(fcinfo, 1, "reason"),
		.arena = context_arena(CurrentMemoryContext),
	};

	if (PG_ARGISNULL(2) == PG_ARGISNULL(3))
		refuse(RESULT_INVALID_ARGUMENT, "One of the arguments since and message_id must be given, and not both.");
	if (!PG_ARGISNULL(2))
	{
		TimestampTz since = PG_GETARG_TIMESTAMPTZ(2);

		if (TIMESTAMP_NOT_FINITE(since))
			refuse(RESULT_INVALID_ARGUMENT, "Argument since must be a time that was.");
		replay.since = instant_from_timestamp(since);
	}
	else
		replay.message_id = arg_uuid(fcinfo, 3, "message_id");
	return replay;
}

Datum
spark_ops_replay(PG_FUNCTION_ARGS)
{
	Replay		replay = arg_replay(fcinfo);
	int64		count = 0;

	PreventCommandIfReadOnly("spark_ops.replay()");
	read_committed_required("spark_ops.replay()");
	no_handler_required("The place of a consumer does not go back while it handles a message.");
	bus_required();
	consumer_required(replay.consumer);
	take_all_places(replay.consumer);
	hold_off_rotation();
	replay.listener = listener_of(replay.consumer, replay.arena);
	refuse_what_is_no_replay(&replay);
	if (!PG_ARGISNULL(3))
		find_in_log(&replay);
	for (int lane = 0; lane < log_shape()->made; lane++)
		count += rewind_lane(&replay, lane);
	record_operation((Operation) {
		.action = "replay",
		.consumer = replay.consumer,
		.message_id = replay.message_id,
		.reason = replay.reason,
		.after = psprintf("{\"since\": \"%s\", \"messages\": %" PRId64 "}",
						  timestamptz_to_str(timestamp_from_instant(replay.since)), count),
	});
	waiting_is_unknown_at_commit(replay.consumer);
	wake_dispatchers_at_commit();
	PG_RETURN_INT64(count);
}
