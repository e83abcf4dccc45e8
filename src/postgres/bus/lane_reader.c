/*
 * lane_reader.c
 *		Reads the rows of a lane in the order of their numbers, without a
 *		statement.
 *
 * Which segment is current is a hint, so all are read: mostly two of them are
 * empty, or wholly before the third.  What was added is one ordered stream a
 * segment; streams without a row are closed at once, and of the others the one
 * with the lowest number goes next.  Locks stay until the transaction ends, as
 * a statement's would.
 */
#include "postgres/bus/lane_reader.h"

#include "postgres/bus/log.h"
#include "postgres/bus/log_row.h"
#include "postgres/bus/twin.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

typedef struct Stream
{
	IndexScanDesc scan;
	TupleTableSlot *slot;
	int64		seq;			/* of the row in the slot */
	uint64		xid;			/* the same; only twins look at it */
	struct Stream *next;
} Stream;

typedef struct Segment
{
	Relation	table;
	Relation	by_number;		/* its indexes, opened when they are used */
	Relation	by_transaction;
} Segment;

struct LaneReader
{
	Snapshot	snapshot;
	bool		is_registered;
	Segment		segments[LOG_SEGMENTS];
	Stream	   *streams;		/* each stands at a row */
	Stream	   *given;			/* whose row was given last */
};

static LaneReader *
open_reader(int lane)
{
	LaneReader *reader = palloc0(sizeof(LaneReader));

	for (int i = 0; i < LOG_SEGMENTS; i++)
	{
		reader->segments[i].table = table_open(log_segment_table(lane, i), AccessShareLock);
		log_check_columns(reader->segments[i].table);
	}
	return reader;
}

LaneReader *
lane_reader_open(int lane)
{
	LaneReader *reader = open_reader(lane);

	reader->snapshot = RegisterSnapshot(GetLatestSnapshot());
	reader->is_registered = true;
	return reader;
}

LaneReader *
lane_reader_open_dirty(int lane)
{
	LaneReader *reader = open_reader(lane);

	reader->snapshot = palloc0(sizeof(SnapshotData));
	InitDirtySnapshot(*reader->snapshot);
	return reader;
}

/* By what it is, not by its name: an index can be made anew. */
static Relation
open_index(Relation table, LogColumn first_column)
{
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == (int) first_column + 1 &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		{
			list_free(indexes);
			return index;
		}
		index_close(index, AccessShareLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("table \"%s\" lacks an index of the log", RelationGetRelationName(table)),
			 errhint("CREATE INDEX ON spark_common.%s (seq), and on (xid, seq).", RelationGetRelationName(table))));
}

static void
close_stream(Stream *stream)
{
	index_endscan(stream->scan);
	ExecDropSingleTupleTableSlot(stream->slot);
	pfree(stream);
}

/* A broken order, of twins alone. */
static bool
orders_by_transaction(void)
{
	return TWIN(by_xid) || TWIN(xmin_cutoff);
}

static bool
is_before(const Stream *stream, const Stream *other)
{
	if (orders_by_transaction() && stream->xid != other->xid)
		return stream->xid < other->xid;
	return stream->seq < other->seq;
}

/* Steps to the next row; false behind the last. */
static bool
step(Stream *stream)
{
	bool		is_null;

	if (!index_getnext_slot(stream->scan, ForwardScanDirection, stream->slot))
		return false;
	stream->seq = DatumGetInt64(slot_getattr(stream->slot, LOG_SEQ + 1, &is_null));
	if (orders_by_transaction())
		stream->xid = U64FromFullTransactionId(DatumGetFullTransactionId(slot_getattr(stream->slot, LOG_XID + 1, &is_null)));
	return true;
}

static Relation
index_by_number(Segment *segment)
{
	if (segment->by_number == NULL)
		segment->by_number = open_index(segment->table, LOG_SEQ);
	return segment->by_number;
}

static Relation
index_by_transaction(Segment *segment)
{
	if (segment->by_transaction == NULL)
		segment->by_transaction = open_index(segment->table, LOG_XID);
	return segment->by_transaction;
}

static void
add_stream(LaneReader *reader, Relation table, Relation index, ScanKey keys, int key_count)
{
	Stream	   *stream = palloc(sizeof(Stream));

	stream->slot = table_slot_create(table, NULL);
	stream->scan = begin_index_scan(table, index, reader->snapshot, key_count);
	index_rescan(stream->scan, keys, key_count, NULL, 0);
	if (!step(stream))
	{
		close_stream(stream);
		return;
	}
	stream->next = reader->streams;
	reader->streams = stream;
}

/* The numbers of a range, as the keys of that column of an index. */
static void
range_keys(ScanKeyData *keys, AttrNumber column, int64 after, int64 last)
{
	ScanKeyInit(&keys[0], column, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	ScanKeyInit(&keys[1], column, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
}

void
lane_reader_add(LaneReader *reader, int64 after, int64 last)
{
	ScanKeyData keys[2];

	range_keys(keys, orders_by_transaction() ? 2 : 1, after, last);
	for (int i = 0; i < LOG_SEGMENTS; i++)
	{
		Segment    *segment = &reader->segments[i];

		add_stream(reader, segment->table,
				   orders_by_transaction() ? index_by_transaction(segment) : index_by_number(segment), keys, 2);
	}
}

void
lane_reader_add_of(LaneReader *reader, uint64 xid, int64 after, int64 last)
{
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(xid)));
	range_keys(&keys[1], 2, after, last);
	for (int i = 0; i < LOG_SEGMENTS; i++)
	{
		Segment    *segment = &reader->segments[i];

		add_stream(reader, segment->table, index_by_transaction(segment), keys, 3);
	}
}

/* Leaves the row that was given; its stream goes where there is none behind it. */
static void
leave_row(LaneReader *reader)
{
	Stream	  **link = &reader->streams;
	Stream	   *given = reader->given;

	reader->given = NULL;
	if (step(given))
		return;
	while (*link != given)
		link = &(*link)->next;
	*link = given->next;
	close_stream(given);
}

TupleTableSlot *
lane_reader_next(LaneReader *reader)
{
	CHECK_FOR_INTERRUPTS();
	if (reader->given != NULL)
		leave_row(reader);
	for (Stream *stream = reader->streams; stream != NULL; stream = stream->next)
		if (reader->given == NULL || is_before(stream, reader->given))
			reader->given = stream;
	if (reader->given == NULL)
		return NULL;
	slot_getallattrs(reader->given->slot);
	return reader->given->slot;
}

void
lane_reader_close(LaneReader *reader)
{
	while (reader->streams != NULL)
	{
		Stream	   *stream = reader->streams;

		reader->streams = stream->next;
		close_stream(stream);
	}
	for (int i = 0; i < LOG_SEGMENTS; i++)
	{
		if (reader->segments[i].by_number != NULL)
			index_close(reader->segments[i].by_number, NoLock);
		if (reader->segments[i].by_transaction != NULL)
			index_close(reader->segments[i].by_transaction, NoLock);
		table_close(reader->segments[i].table, NoLock);
	}
	if (reader->is_registered)
		UnregisterSnapshot(reader->snapshot);
	else
		pfree(reader->snapshot);
	pfree(reader);
}
