/*
 * batch_window.c
 *		What a batch reads of the log, and where its cursor stands then.
 */
#include "postgres/bus/batch_window.h"

#include "postgres/environment.h"
#include "postgres/bus/relane.h"
#include "postgres/settings.h"

#define IDLE_ADVANCE 256
#define IDLE_SECONDS 60

/*
 * All that may be read of the window was handled: the window ends, or waits at
 * the barrier until the consumer enters the next epoch.
 */
static void
end_window(Batch *batch)
{
	if (batch->reading.last == NO_BARRIER || !window_crosses_barrier(&batch->reading.cursor))
		cursor_close(&batch->reading.cursor);
	else
		batch->reading.cursor.pos = Max(batch->reading.cursor.pos, batch->reading.last);
}

void
advance(Batch *batch, int fetched, bool was_open)
{
	bool		is_done = batch->reading.count == fetched && fetched < batch->limit;

	if (batch->reading.count > 0)
		batch->reading.cursor.pos = batch->reading.messages[batch->reading.count - 1].seq;
	/* Behind a window that was open before, more may have come. */
	batch->outcome.is_last = is_done && !was_open && batch->reading.last == NO_BARRIER;
	if (is_done)
		end_window(batch);
}

static bool
is_stale(const Cursor *cursor)
{
	return instant_before(instant_plus_seconds(cursor->stored_at, Min(IDLE_SECONDS, segment_retention)), server_time());
}

/* Somebody has ended who may have drawn a number before. */
static bool
has_stragglers(const Batch *batch, const LogPosition *before)
{
	const uint64_t *xids;

	return snapshot_stragglers(batch->served.arena, &before->s, before->n, &batch->reading.cursor.from.s, &xids) > 0;
}

/*
 * An empty window writes nothing, unless it was open, or a new epoch waits, or
 * of the log much, or little for long, was none of ours: a cursor that stays
 * behind keeps the segments of the log from being emptied.
 */
bool
is_worth_storing(const Batch *batch, int fetched, bool was_open, const LogPosition *before)
{
	int64		passed = batch->reading.cursor.from.q - before->q;

	if (batch->reading.count > 0 || batch->reading.last != NO_BARRIER)
		return true;
	if (fetched > 0)
		return false;
	return was_open || passed >= IDLE_ADVANCE ||
		(is_stale(&batch->reading.cursor) && (passed > 0 || has_stragglers(batch, before)));
}

static int
fetch_window(Batch *batch)
{
	return cursor_fetch(&batch->reading.cursor, batch->served.listener, batch->reading.last, batch->limit, batch->served.arena, batch->reading.messages);
}

/*
 * Reads the window that is open, else a new one.  One that the last batch has
 * filled to the brim is found empty only here, and the next one follows it.
 */
int
fetch_batch(Batch *batch)
{
	Cursor	   *cursor = &batch->reading.cursor;
	bool		goes_on = cursor->is_open;
	int			fetched;

	cursor_open(cursor, batch->served.arena);
	batch->reading.messages = ARENA_ARRAY(batch->served.arena, LoggedMessage, batch->limit);
	fetched = fetch_window(batch);
	if (fetched > 0 || !goes_on || (batch->reading.last != NO_BARRIER && window_crosses_barrier(cursor)))
		return fetched;
	cursor_close(cursor);
	cursor_open(cursor, batch->served.arena);
	return fetch_window(batch);
}
