/*
 * rebase.c
 *		A log that another cluster has written.
 *
 * spark_common.settings remembers the system identifier of the cluster that
 * wrote the log, and the oid of its database.  Only the first decides whether
 * transaction ids compare; a copy within one cluster keeps its meaning.
 */
#include "postgres/rebase.h"

#include "postgres/cursor.h"
#include "postgres/environment.h"
#include "postgres/log.h"
#include "postgres/relane.h"
#include "postgres/statement.h"

#include "access/xlog.h"

#include <inttypes.h>

static Statement find_writer = {
	.sql = "SELECT value FROM spark_common.settings WHERE name = 'log_written_by'"};

static Statement set_writer = {
	.sql = "INSERT INTO spark_common.settings (name, value) VALUES ('log_written_by', $1)"
	" ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"};

/*
 * What the old cluster's cursor had not delivered: rows of its open window
 * beyond pos, and rows it had not seen at all.  Only committed rows are in a
 * dump, so the old snapshots alone decide.
 */
static LaneStatement save_undelivered = {
	.pattern = "INSERT INTO spark_common.retry (consumer, lane, seq, id, aggregatetype, aggregateid, type, payload,"
	" schemaversion, correlationid, causationid, traceparent, depth, created_at, attempts, due)"
	" SELECT $1, $2, m.seq, m.id, m.aggregatetype, m.aggregateid, m.type, m.payload, m.schemaversion,"
	"  m.correlationid, m.causationid, m.traceparent, m.depth, m.created_at, 0, NULL"
	" FROM spark_common.outbox_%1$d m"
	" WHERE NOT pg_catalog.pg_visible_in_snapshot(m.xid, $3)"
	"  AND NOT ($4 AND m.seq <= $5 AND pg_catalog.pg_visible_in_snapshot(m.xid, $6))"
	"  AND (m.type = ANY ($7) OR m.destination = $1)"
	" ON CONFLICT (consumer, id) DO NOTHING"};

/* The first of each key is due now, unless something parked or dead is before it. */
static Statement open_keys = {
	.sql = "UPDATE spark_common.retry r SET due = pg_catalog.clock_timestamp()"
	" WHERE r.consumer = $1 AND r.due IS NULL"
	"  AND NOT EXISTS (SELECT FROM spark_common.retry e"
	"   WHERE e.consumer = r.consumer AND e.aggregateid = r.aggregateid AND e.seq < r.seq)"
	"  AND NOT EXISTS (SELECT FROM spark_common.dead_letter d"
	"   WHERE d.consumer = r.consumer AND d.aggregateid = r.aggregateid)"};

static LaneStatement lock_lane = {
	.pattern = "LOCK TABLE spark_common.outbox_%1$d_0, spark_common.outbox_%1$d_1, spark_common.outbox_%1$d_2"
	" IN ACCESS EXCLUSIVE MODE"};

static LaneStatement empty_lane = {
	.pattern = "TRUNCATE spark_common.outbox_%1$d_0, spark_common.outbox_%1$d_1, spark_common.outbox_%1$d_2"};

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
									param_texts(listener->wanted, (size_t) listener->wanted_count)));
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
	(void) statement_run(&open_keys, PARAMETERS(param_text(listener->name)));
	let_into_epoch(listener->name);
}

void
rebase_log(void)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	ListCell   *cell;

	for (int lane = 0; lane < log_shape()->made; lane++)
		(void) statement_run(lane_statement(&lock_lane, lane), NO_PARAMETERS);
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
