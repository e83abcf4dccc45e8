/*
 * rebase.c
 *		A log that another cluster has written.
 *
 * spark_common.settings remembers the system identifier of the cluster that
 * wrote the log, and the oid of its database.  Only the first decides whether
 * transaction ids compare; a copy within one cluster keeps its meaning.
 */
#include "postgres/bus/rebase.h"

#include "postgres/bus/cursor.h"
#include "postgres/environment.h"
#include "postgres/bus/log.h"
#include "postgres/bus/message_rows.h"
#include "postgres/bus/parking.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/bus/relane.h"
#include "postgres/statement.h"

#include "access/xlog.h"

#include <inttypes.h>

static Statement find_writer = {
	.sql = "SELECT value FROM spark_common.settings WHERE name = 'log_written_by'"};

static Statement set_writer = {
	.sql = "INSERT INTO spark_common.settings (name, value) VALUES ('log_written_by', $1)"
	" ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"};

/*
 * Who wants the order of a lane for some type gets all of it so, one by one: in
 * the log it had each message between the others.
 *
 * What the old cluster's cursor had not delivered: rows of its open window
 * beyond pos, and rows it had not seen at all.  Only committed rows are in a
 * dump, so the old snapshots alone decide.
 */
static LaneStatement save_undelivered = {
	.pattern = "INSERT INTO spark_common.retry (consumer, lane, attempts, holds, due, seq, " MESSAGE_COLUMNS ")"
	" SELECT $1, $2, 0, CASE WHEN $9 THEN 'lane' WHEN type = ANY ($8) THEN 'none' ELSE 'key' END,"
	"  CASE WHEN type = ANY ($8) AND NOT $9 THEN pg_catalog.clock_timestamp() END, seq, " MESSAGE_COLUMNS " FROM spark_common.outbox_%1$d"
	" WHERE NOT pg_catalog.pg_visible_in_snapshot(xid, $3)"
	"  AND NOT ($4 AND seq <= $5 AND pg_catalog.pg_visible_in_snapshot(xid, $6))"
	"  AND (type = ANY ($7) OR destination = $1)"
	" ON CONFLICT (consumer, id) DO NOTHING"};

#define SEGMENTS "spark_common.outbox_%1$d_0, spark_common.outbox_%1$d_1, spark_common.outbox_%1$d_2"

static LaneStatement hold_lane = {.pattern = "LOCK TABLE " SEGMENTS " IN ACCESS EXCLUSIVE MODE"};
static LaneStatement empty_lane = {.pattern = "TRUNCATE " SEGMENTS};

static const char *
this_cluster(void)
{
	return psprintf("%" PRIu64, GetSystemIdentifier());
}

bool
log_is_foreign(void)
{
	Rows		rows = rows_open(&find_writer, NO_PARAMETERS);
	bool		foreign = true;

	if (rows_next(&rows))
		foreign = strcmp(row_text(&rows, 1, context_arena(CurrentMemoryContext)), this_cluster()) != 0;
	rows_close(&rows);
	return foreign;
}

void
claim_log(void)
{
	(void) statement_run(&set_writer, PARAMETERS(param_text(this_cluster())));
}

/* The types that it wants in no order. */
static Parameter
param_types_without_order(const Listener *listener, Arena *arena)
{
	const char **types = ARENA_ARRAY(arena, const char *, listener->wanted_count);
	size_t		count = 0;

	for (int i = 0; i < listener->wanted_count; i++)
		if (listener_order(listener, listener->wanted[i]) == MESSAGE_ORDER_NONE)
			types[count++] = listener->wanted[i];
	return param_texts(types, count);
}

static void
rebase_lane(const Listener *listener, int lane, Arena *arena)
{
	Cursor		cursor;
	bool		is_open;

	if (!cursor_load(listener->name, lane, arena, &cursor))
		return;
	is_open = cursor.is_open;
	(void) statement_run(lane_statement(&save_undelivered, lane),
						 PARAMETERS(param_text(listener->name), param_int(lane),
									param_typed(PG_SNAPSHOTOID, snapshot_format(arena, &cursor.from.s)),
									param_bool(is_open), param_bigint(cursor.pos),
									param_typed(PG_SNAPSHOTOID,
												snapshot_format(arena, is_open ? &cursor.to.s : &cursor.from.s)),
									param_texts(listener->wanted, (size_t) listener->wanted_count),
									param_types_without_order(listener, arena),
									param_bool(listener->stops_lanes)));
	cursor.from = log_position(lane, arena);
	cursor.is_open = false;
	cursor.pos = 0;
	cursor_store(&cursor);
}

/* What it has not handled is parked now: it has nothing from before, in any lane. */
static void
rebase_listener(const Listener *listener, Arena *arena)
{
	for (int lane = 0; lane < log_shape()->made; lane++)
		rebase_lane(listener, lane, arena);
	move_parked_to_their_lanes(listener->name);
	open_keys(listener->name);
	waiting_is_unknown_at_commit(listener->name);
	let_into_epoch(listener->name);
}

void
rebase_log(void)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	ListCell   *cell;

	for (int lane = 0; lane < log_shape()->made; lane++)
		(void) statement_run(lane_statement(&hold_lane, lane), NO_PARAMETERS);
	if (!log_is_foreign())
		return;
	ereport(LOG, (errmsg("spark makes the log of another cluster its own")));
	claim_log();
	CommandCounterIncrement();
	foreach(cell, listeners(arena))
		rebase_listener(lfirst(cell), arena);
	for (int lane = 0; lane < log_shape()->made; lane++)
		(void) statement_run(lane_statement(&empty_lane, lane), NO_PARAMETERS);
}
