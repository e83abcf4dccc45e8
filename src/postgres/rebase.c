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
#include "postgres/message_rows.h"
#include "postgres/parking.h"
#include "postgres/statement.h"

#include "access/xlog.h"

#include <inttypes.h>

#define LANE 0

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
static Statement save_undelivered = {
	.sql = "INSERT INTO spark_common.retry (consumer, lane, attempts, seq, " MESSAGE_COLUMNS ")"
	" SELECT $1, $2, 0, seq, " MESSAGE_COLUMNS " FROM spark_common.outbox_0"
	" WHERE NOT pg_catalog.pg_visible_in_snapshot(xid, $3)"
	"  AND NOT ($4 AND seq <= $5 AND pg_catalog.pg_visible_in_snapshot(xid, $6))"
	"  AND (type = ANY ($7) OR destination = $1)"
	" ON CONFLICT (consumer, id) DO NOTHING"};

#define SEGMENTS "spark_common.outbox_0_0, spark_common.outbox_0_1, spark_common.outbox_0_2"

static Statement hold_log = {.sql = "LOCK TABLE " SEGMENTS " IN ACCESS EXCLUSIVE MODE"};
static Statement empty_log = {.sql = "TRUNCATE " SEGMENTS};

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
rebase_listener(const Listener *listener, Arena *arena)
{
	Cursor		cursor;
	bool		is_open;

	if (!cursor_load(listener->name, LANE, arena, &cursor))
		return;
	is_open = cursor.is_open;
	(void) statement_run(&save_undelivered,
						 PARAMETERS(param_text(listener->name), param_int(LANE),
									param_typed(PG_SNAPSHOTOID, snapshot_format(arena, &cursor.from.s)),
									param_bool(is_open), param_bigint(cursor.pos),
									param_typed(PG_SNAPSHOTOID,
												snapshot_format(arena, is_open ? &cursor.to.s : &cursor.from.s)),
									param_texts(listener->wanted, (size_t) listener->wanted_count)));
	open_keys(listener->name);
	cursor.from = log_position(arena);
	cursor.is_open = false;
	cursor.pos = 0;
	cursor_store(&cursor);
}

void
rebase_log(void)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	ListCell   *cell;

	(void) statement_run(&hold_log, NO_PARAMETERS);
	if (!log_is_foreign())
		return;
	ereport(LOG, (errmsg("spark makes the log of another cluster its own")));
	claim_log();
	CommandCounterIncrement();
	foreach(cell, listeners(arena))
		rebase_listener(lfirst(cell), arena);
	(void) statement_run(&empty_log, NO_PARAMETERS);
}
