/*
 * segment_writer.c
 *		Appends rows to a segment of the log, without a statement.
 */
#include "postgres/bus/segment_writer.h"

#include "postgres/bus/consumers.h"
#include "postgres/bus/log.h"
#include "postgres/bus/log_row.h"
#include "postgres/bus/message_rows.h"

#include "access/table.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "utils/rel.h"
#include "utils/xid8.h"

struct SegmentWriter
{
	Relation	table;
	Oid			numbers;		/* the sequence of the lane */
	EState	   *state;
	ResultRelInfo *target;
	TupleTableSlot *slot;
};

SegmentWriter *
segment_writer_open(int lane, int segment)
{
	SegmentWriter *writer = palloc(sizeof(SegmentWriter));
	MemoryContext caller;

	writer->numbers = log_sequence(lane);
	writer->table = table_open(log_segment_table(lane, segment), RowExclusiveLock);
	log_check_columns(writer->table);
	writer->state = CreateExecutorState();
	caller = MemoryContextSwitchTo(writer->state->es_query_cxt);
	writer->state->es_output_cid = GetCurrentCommandId(true);
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, writer->table, 0, NULL, 0);
	writer->slot = ExecInitExtraTupleSlot(writer->state, RelationGetDescr(writer->table), &TTSOpsVirtual);
	ExecOpenIndices(writer->target, false);
	MemoryContextSwitchTo(caller);
	AfterTriggerBeginQuery();
	return writer;
}

static void
put(TupleTableSlot *slot, LogColumn column, Datum value)
{
	slot->tts_values[column] = value;
	slot->tts_isnull[column] = false;
}

void
segment_append(SegmentWriter *writer, const Message *message, Datum payload)
{
	TupleTableSlot *slot = writer->slot;
	MemoryContext caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->state));
	const char *destination = message_destination(message);

	ExecClearTuple(slot);
	message_columns(message, payload, slot->tts_values, slot->tts_isnull);
	put(slot, LOG_SEQ, Int64GetDatum(nextval_internal(writer->numbers, false)));
	put(slot, LOG_XID, FullTransactionIdGetDatum(GetTopFullTransactionId()));
	if (destination != NULL)
		put(slot, LOG_DESTINATION, CStringGetTextDatum(destination));
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(writer->state->es_query_cxt);
	ExecSimpleRelationInsert(writer->target, writer->state, slot);
	ResetPerTupleExprContext(writer->state);
	MemoryContextSwitchTo(caller);
}

void
segment_writer_close(SegmentWriter *writer)
{
	AfterTriggerEndQuery(writer->state);
	ExecCloseIndices(writer->target);
	ExecResetTupleTable(writer->state->es_tupleTable, false);
	FreeExecutorState(writer->state);
	table_close(writer->table, NoLock);
	pfree(writer);
	CommandCounterIncrement();
}
