/*
 * relane.c
 *		Changing the number of lanes while all runs.
 *
 * Who locks what: change_lanes() takes EXCLUSIVE on spark_common.lane_epoch,
 * against which every emitter holds ROW SHARE to the end of its transaction.
 * So at the change nobody is half-way: every row of the old epoch is committed,
 * and as all sequences are set to one number, the barrier, no later row of any
 * lane has a number below it.
 */
#include "postgres/bus/relane.h"

#include "postgres/brief_lock.h"
#include "postgres/bus/consumers.h"
#include "postgres/bus/detach.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/log.h"
#include "postgres/bus/parking.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/bus/place.h"
#include "postgres/counts/pressure.h"
#include "postgres/bus/rotation.h"
#include "postgres/statement.h"
#include "postgres/test_point.h"
#include "postgres/workers/wakeup.h"

#include "access/xact.h"

#define LOCK_TRIES 30
#define LOCK_WAIT 1000			/* ms: so long, at most, emitters wait behind us */

static Statement find_entered = {
	.sql = "SELECT pg_catalog.max(epoch) FROM spark_common.consumer_epoch WHERE consumer = $1",
	.of_now = true};

static Statement insert_entered = {
	.sql = "INSERT INTO spark_common.consumer_epoch (consumer, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING"};

static Statement delete_entered = {
	.sql = "DELETE FROM spark_common.consumer_epoch WHERE consumer = $1"};

static Statement find_parked_keys = {
	.sql = "SELECT aggregateid FROM spark_common.retry WHERE consumer = $1"
	" UNION SELECT aggregateid FROM spark_common.dead_letter WHERE consumer = $1"};

static Statement move_parked = {
	.sql = "UPDATE spark_common.retry SET lane = $3 WHERE consumer = $1 AND aggregateid = $2 AND lane <> $3"};

static Statement move_dead = {
	.sql = "UPDATE spark_common.dead_letter SET lane = $3 WHERE consumer = $1 AND aggregateid = $2 AND lane <> $3"};

static Statement insert_epoch = {
	.sql = "INSERT INTO spark_common.lane_epoch (epoch, lanes, made, barrier, switched_by, at)"
	" VALUES ($1, $2, $3, $4, pg_catalog.pg_current_xact_id(), pg_catalog.clock_timestamp())"};

static LaneStatement raise_number = {
	.pattern = "SELECT pg_catalog.setval('spark_common.outbox_%1$d_seq', $1)"};

/* ---------------------------------------------------------------- entering */

static bool
has_entered_epoch(const char *consumer)
{
	int			epoch = log_shape()->epoch;
	bool		entered;
	Rows		rows;

	/* The lanes were never changed. */
	if (epoch == 0)
		return true;
	rows = rows_open(&find_entered, PARAMETERS(param_text(consumer)));
	entered = rows_next(&rows) && !row_is_null(&rows, 1) && row_int(&rows, 1) >= epoch;
	rows_close(&rows);
	return entered;
}

int64
last_readable(const char *consumer)
{
	return has_entered_epoch(consumer) ? NO_BARRIER : log_shape()->barrier;
}

bool
window_crosses_barrier(const Cursor *cursor)
{
	const LogShape *shape = log_shape();

	return cursor->to.q > shape->barrier && snapshot_sees(&cursor->to.s, shape->switched_by);
}

/*
 * Where the change is visible at the beginning of a window, all before it is
 * delivered; where it is visible at the end, all up to the barrier once the
 * position is there.
 */
bool
lane_is_drained(const Cursor *cursor)
{
	const LogShape *shape = log_shape();

	if (snapshot_sees(&cursor->from.s, shape->switched_by))
		return true;
	return cursor->is_open && snapshot_sees(&cursor->to.s, shape->switched_by) && cursor->pos >= shape->barrier;
}

void
move_parked_to_their_lanes(const char *consumer)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	int			lanes = log_shape()->lanes;
	size_t		count = 0;
	size_t		capacity = 64;
	Uuid	   *keys = ARENA_ARRAY(arena, Uuid, capacity);
	Rows		rows = rows_open(&find_parked_keys, PARAMETERS(param_text(consumer)));

	while (rows_next(&rows))
	{
		if (count == capacity)
		{
			Uuid	   *more = ARENA_ARRAY(arena, Uuid, 2 * capacity);

			memcpy(more, keys, count * sizeof(Uuid));
			keys = more;
			capacity *= 2;
		}
		keys[count++] = row_uuid(&rows, 1);
	}
	rows_close(&rows);
	for (size_t i = 0; i < count; i++)
	{
		int			lane = lane_of(keys[i], lanes);

		CHECK_FOR_INTERRUPTS();
		(void) statement_run(&move_parked, PARAMETERS(param_text(consumer), param_uuid(keys[i]), param_int(lane)));
		(void) statement_run(&move_dead, PARAMETERS(param_text(consumer), param_uuid(keys[i]), param_int(lane)));
	}
}

void
let_into_epoch(const char *consumer)
{
	(void) statement_run(&insert_entered, PARAMETERS(param_text(consumer), param_int(log_shape()->epoch)));
}

bool
enter_epoch(const char *consumer)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	const LogShape *shape;
	Cursor		cursor;

	take_all_places(consumer);
	shape = log_shape();
	if (has_entered_epoch(consumer))
		return true;
	for (int lane = 0; lane < shape->made; lane++)
		if (cursor_load(consumer, lane, arena, &cursor) && !lane_is_drained(&cursor))
			return false;
	TEST_POINT("enter_epoch");
	move_parked_to_their_lanes(consumer);
	open_keys(consumer);
	waiting_is_unknown_at_commit(consumer);
	let_into_epoch(consumer);
	TEST_POINT("epoch_entered");
	wake_dispatchers_at_commit();
	return true;
}

void
begin_in_epoch(const char *consumer)
{
	const LogShape *shape = log_shape_for_writing();
	Cursor		cursor;
	bool		is_new = !cursor_load(consumer, 0, context_arena(CurrentMemoryContext), &cursor);

	hold_off_rotation();
	for (int lane = 0; lane < shape->made; lane++)
		cursor_create(consumer, lane);
	if (is_new)
		let_into_epoch(consumer);
}

void
end_in_epoch(const char *consumer)
{
	cursor_drop(consumer);
	(void) statement_run(&delete_entered, PARAMETERS(param_text(consumer)));
}

/* ---------------------------------------------------------------- changing */

/* Waits a second at a time, and lets emitters through in between. */
static void
wait_for_emitters(void)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		if (lock_briefly(log_shape_table(), ExclusiveLock, LOCK_WAIT))
			return;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100000L);
	}
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("the lanes cannot be changed while a transaction that has emitted messages stays open"),
			 errhint("Look for it in pg_stat_activity and pg_prepared_xacts, end it, and call again.")));
}

static int64
highest_number(int made)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	int64		highest = 0;

	for (int lane = 0; lane < made; lane++)
		highest = Max(highest, log_position(lane, arena).q);
	return highest;
}

static void
raise_numbers(int made, int64 to)
{
	for (int lane = 0; lane < made && to > 0; lane++)
	{
		int64		from = log_number(lane);
		Rows		rows = rows_open(lane_statement(&raise_number, lane), PARAMETERS(param_bigint(to)));

		rows_close(&rows);
		pressure_note_gap(lane, from, to);
	}
}

static void
refuse_stragglers(List *consumers)
{
	ListCell   *cell;

	foreach(cell, consumers)
	{
		const Listener *listener = lfirst(cell);

		if (!has_entered_epoch(listener->name) && !enter_epoch(listener->name))
			refuse_now("Wait until it has, by spark_ops.bus_status(), then call again.",
					   "Consumer %s has not handled all that was emitted before the last change"
					   " of lanes.", listener->name);
	}
}

/* One that is detached has no place in any lane, until spark_ops.resync(). */
static void
begin_in_lanes(const Listener *listener, int made)
{
	if (is_detached(listener->name))
		return;
	for (int lane = 0; lane < made; lane++)
		cursor_create(listener->name, lane);
}

void
change_lanes(int lanes)
{
	const LogShape *shape;
	int			made;
	int64		barrier;
	List	   *consumers;
	ListCell   *cell;

	wait_for_emitters();
	shape = log_shape();
	if (shape->lanes == lanes)
		return;
	consumers = listeners(context_arena(CurrentMemoryContext));
	refuse_stragglers(consumers);
	TEST_POINT("change_lanes");
	log_make_lanes(lanes);
	CommandCounterIncrement();
	made = Max(lanes, shape->made);
	barrier = highest_number(made);
	raise_numbers(made, barrier);
	(void) statement_run(&insert_epoch,
						 PARAMETERS(param_int(shape->epoch + 1), param_int(lanes), param_int(made), param_bigint(barrier)));
	log_shape_changed();
	CommandCounterIncrement();
	foreach(cell, consumers)
		begin_in_lanes(lfirst(cell), made);
	wake_everything_at_commit();
	TEST_POINT("lanes_changed");
}
