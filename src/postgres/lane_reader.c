/*
 * lane_reader.c
 *		Reads the rows of a lane in the order of their numbers, without a
 *		statement.
 *
 * Which segment is current is a hint, so all are read: mostly two of them are
 * empty, or wholly before the third.  Locks stay until the transaction ends, as
 * a statement's would.
 */
#include "postgres/lane_reader.h"

#include "postgres/log.h"
#include "postgres/log_row.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct SegmentReader
{
	Relation	table;
	Relation	index;			/* on the number */
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		at_end;
	int64		seq;			/* of the row in the slot */
} SegmentReader;

struct LaneReader
{
	Snapshot	snapshot;
	SegmentReader segments[LOG_SEGMENTS];
	SegmentReader *last;		/* whose row was given */
};

/* By what it is, not by its name: an index can be made anew. */
static Relation
open_index_on_number(Relation table)
{
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == LOG_SEQ + 1 &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		{
			list_free(indexes);
			return index;
		}
		index_close(index, AccessShareLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("table \"%s\" has no index on its number", RelationGetRelationName(table)),
			 errhint("Make it anew: CREATE INDEX ON spark_common.%s (seq).", RelationGetRelationName(table))));
}

static void
step(SegmentReader *segment)
{
	bool		is_null;

	segment->at_end = !index_getnext_slot(segment->scan, ForwardScanDirection, segment->slot);
	if (!segment->at_end)
		segment->seq = DatumGetInt64(slot_getattr(segment->slot, LOG_SEQ + 1, &is_null));
}

static void
open_segment(SegmentReader *segment, Oid table, Snapshot snapshot, int64 after, int64 last)
{
	ScanKeyData keys[2];

	segment->table = table_open(table, AccessShareLock);
	log_check_columns(segment->table);
	segment->index = open_index_on_number(segment->table);
	segment->slot = table_slot_create(segment->table, NULL);
	segment->scan = begin_index_scan(segment->table, segment->index, snapshot, 2);
	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
	index_rescan(segment->scan, keys, 2, NULL, 0);
	step(segment);
}

LaneReader *
lane_reader_open(int lane, int64 after, int64 last)
{
	LaneReader *reader = palloc0(sizeof(LaneReader));

	reader->snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < LOG_SEGMENTS; i++)
		open_segment(&reader->segments[i], log_segment_table(lane, i), reader->snapshot, after, last);
	return reader;
}

TupleTableSlot *
lane_reader_next(LaneReader *reader)
{
	SegmentReader *first = NULL;

	CHECK_FOR_INTERRUPTS();
	if (reader->last != NULL)
		step(reader->last);
	for (int i = 0; i < LOG_SEGMENTS; i++)
	{
		SegmentReader *segment = &reader->segments[i];

		if (!segment->at_end && (first == NULL || segment->seq < first->seq))
			first = segment;
	}
	reader->last = first;
	if (first == NULL)
		return NULL;
	slot_getallattrs(first->slot);
	return first->slot;
}

void
lane_reader_close(LaneReader *reader)
{
	for (int i = 0; i < LOG_SEGMENTS; i++)
	{
		SegmentReader *segment = &reader->segments[i];

		index_endscan(segment->scan);
		ExecDropSingleTupleTableSlot(segment->slot);
		index_close(segment->index, NoLock);
		table_close(segment->table, NoLock);
	}
	UnregisterSnapshot(reader->snapshot);
	pfree(reader);
}
