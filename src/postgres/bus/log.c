/*
 * log.c
 *		The shape of the log: its lanes, and the segments of each.
 *
 * Who locks what: an emitter takes ROW SHARE on spark_common.lane_epoch (a lock
 * that costs next to nothing, as it meets no other of its like), a change of
 * lanes takes EXCLUSIVE.  So while somebody has emitted and not ended, the
 * lanes stay; and who waited for the change sees it, for the invalidation comes
 * with the lock.
 */
#include "postgres/bus/log.h"

#include "postgres/bus/log_row.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

static LogShape shape;
static bool shape_is_known;
static uint64 changes;			/* of relations, that this backend has heard of */

static void
on_relation_change(Datum argument, Oid relation)
{
	(void) argument;
	(void) relation;
	shape_is_known = false;
	changes++;
}

static Oid
table_of_bus(const char *name)
{
	Oid			schema = get_namespace_oid("spark_common", false);
	Oid			table = get_relname_relid(name, schema);

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"spark_common.%s\" does not exist", name),
				 errhint("Call spark.install().")));
	return table;
}

Oid
log_shape_table(void)
{
	return table_of_bus("lane_epoch");
}

Oid
log_subscriptions(void)
{
	return table_of_bus("subscription");
}

Oid
log_sequence(int lane)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "outbox_%d_seq", lane);
	return table_of_bus(name);
}

Oid
log_segment_table(int lane, int segment)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "outbox_%d_%d", lane, segment);
	return table_of_bus(name);
}

void
log_check_columns(Relation table)
{
	if (RelationGetDescr(table)->natts != LOG_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("table \"%s\" does not have the columns of the log", RelationGetRelationName(table)),
				 errhint("Restore the table from a backup.")));
}

/* ----------------------------------------------------------------- reading */

typedef void (*Visit) (LogShape *into, const Datum *values);

/*
 * Visits every row of a small table under a snapshot taken now.  A statement
 * would use that of the transaction, which may be older than the last change.
 */
static void
visit_rows(const char *table_name, Visit visit, LogShape *into)
{
	Relation	table = table_open(table_of_bus(table_name), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, NULL);
	int			columns = RelationGetDescr(table)->natts;
	Datum	   *values = palloc(sizeof(Datum) * columns);
	bool	   *nulls = palloc(sizeof(bool) * columns);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		heap_deform_tuple(tuple, RelationGetDescr(table), values, nulls);
		visit(into, values);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
}

static void
take_epoch(LogShape *into, const Datum *values)
{
	if (DatumGetInt32(values[0]) < into->epoch)
		return;
	into->epoch = DatumGetInt32(values[0]);
	into->lanes = DatumGetInt32(values[1]);
	into->made = DatumGetInt32(values[2]);
	into->barrier = DatumGetInt64(values[3]);
	into->switched_by = U64FromFullTransactionId(DatumGetFullTransactionId(values[4]));
}

static void
take_segment(LogShape *into, const Datum *values)
{
	int			lane = DatumGetInt32(values[0]);

	if (lane >= 0 && lane < MAX_LANES)
		into->segment[lane] = DatumGetInt32(values[1]) % LOG_SEGMENTS;
}

const LogShape *
log_shape(void)
{
	static bool watching;
	LogShape	now = {0};
	uint64		changes_before;

	if (!watching)
		CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	watching = true;
	if (shape_is_known)
		return &shape;
	changes_before = changes;
	visit_rows("lane_epoch", take_epoch, &now);
	visit_rows("lane_segment", take_segment, &now);
	if (!is_lane_count(now.lanes) || now.made < now.lanes || now.made > MAX_LANES)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("spark_common.lane_epoch does not say how many lanes there are"),
				 errhint("Restore the table from a backup.")));
	shape = now;
	/* Reading may have let in the news of a change that it has not seen. */
	shape_is_known = changes == changes_before;
	return &shape;
}

const LogShape *
log_shape_for_writing(void)
{
	LockRelationOid(log_shape_table(), RowShareLock);
	return log_shape();
}

void
log_shape_changed(void)
{
	CacheInvalidateRelcacheByRelid(log_shape_table());
}

/* ------------------------------------------------------------------ making */

static void
run_script(const char *script)
{
	SPI_connect();
	if (SPI_execute(script, false, 0) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a lane of the log")));
	SPI_finish();
}

static void
make_lane(int lane)
{
	StringInfoData script;

	initStringInfo(&script);
	appendStringInfo(&script, "CREATE SEQUENCE spark_common.outbox_%d_seq AS bigint CACHE 1;", lane);
	for (int segment = 0; segment < LOG_SEGMENTS; segment++)
		appendStringInfo(&script,
						 "CREATE TABLE spark_common.outbox_%1$d_%2$d (LIKE spark_common.outbox_0_0);"
						 "CREATE INDEX outbox_%1$d_%2$d_seq ON spark_common.outbox_%1$d_%2$d (seq);"
						 "CREATE INDEX outbox_%1$d_%2$d_xid_seq ON spark_common.outbox_%1$d_%2$d (xid, seq);"
						 "ALTER TABLE spark_common.outbox_%1$d_%2$d ENABLE ROW LEVEL SECURITY;"
						 "COMMENT ON TABLE spark_common.outbox_%1$d_%2$d IS 'A segment of the log';",
						 lane, segment);
	appendStringInfo(&script,
					 "CREATE VIEW spark_common.outbox_%1$d AS SELECT * FROM spark_common.outbox_%1$d_0"
					 " UNION ALL SELECT * FROM spark_common.outbox_%1$d_1"
					 " UNION ALL SELECT * FROM spark_common.outbox_%1$d_2;"
					 "COMMENT ON VIEW spark_common.outbox_%1$d IS 'The log of lane %1$d, all segments';"
					 "INSERT INTO spark_common.lane_segment (lane, segment, since)"
					 " VALUES (%1$d, 0, pg_catalog.clock_timestamp())",
					 lane);
	run_script(script.data);
}

static void
make_view_of_all(int made)
{
	StringInfoData script;

	initStringInfo(&script);
	appendStringInfoString(&script, "CREATE OR REPLACE VIEW spark_common.outbox AS");
	for (int lane = 0; lane < made; lane++)
		appendStringInfo(&script, "%s SELECT %d AS lane, * FROM spark_common.outbox_%d",
						 lane > 0 ? " UNION ALL" : "", lane, lane);
	run_script(script.data);
}

void
log_make_lanes(int made)
{
	int			before = log_shape()->made;

	for (int lane = before; lane < made; lane++)
		make_lane(lane);
	if (made > before)
		make_view_of_all(made);
}

/* -------------------------------------------------------------- statements */

static Statement *
make_statement(const char *pattern, int lane, int segment)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	Statement  *statement = palloc0(sizeof(Statement));

	statement->sql = psprintf(pattern, lane, segment);
	MemoryContextSwitchTo(caller);
	return statement;
}

Statement *
lane_statement(LaneStatement *statement, int lane)
{
	Assert(lane >= 0 && lane < MAX_LANES);
	if (statement->made[lane] == NULL)
	{
		statement->made[lane] = make_statement(statement->pattern, lane, 0);
		statement->made[lane]->read_only = statement->read_only;
	}
	return statement->made[lane];
}

Statement *
segment_statement(SegmentStatement *statement, int lane, int segment)
{
	Assert(lane >= 0 && lane < MAX_LANES && segment >= 0 && segment < LOG_SEGMENTS);
	if (statement->made[lane][segment] == NULL)
		statement->made[lane][segment] = make_statement(statement->pattern, lane, segment);
	return statement->made[lane][segment];
}
