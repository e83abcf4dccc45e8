/*
 * segment_writer.c
 *		Appends rows to a segment of the log, without a statement.
 */
#include "postgres/segment_writer.h"

#include "postgres/consumers.h"
#include "postgres/environment.h"
#include "postgres/log.h"
#include "postgres/log_row.h"

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

static void
put_text_or_null(TupleTableSlot *slot, LogColumn column, const char *text)
{
	if (text != NULL)
		put(slot, column, CStringGetTextDatum(text));
}

void
segment_append(SegmentWriter *writer, const Message *message, Datum payload)
{
	TupleTableSlot *slot = writer->slot;
	MemoryContext caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->state));

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, LOG_COLUMNS * sizeof(bool));
	put(slot, LOG_SEQ, Int64GetDatum(nextval_internal(writer->numbers, false)));
	put(slot, LOG_XID, FullTransactionIdGetDatum(GetTopFullTransactionId()));
	put(slot, LOG_ID, uuid_datum(message->id));
	put(slot, LOG_AGGREGATE_TYPE, CStringGetTextDatum(message->aggregate_type));
	put(slot, LOG_AGGREGATE_ID, uuid_datum(message->aggregate_id));
	put(slot, LOG_TYPE, CStringGetTextDatum(message->type_name));
	put(slot, LOG_PAYLOAD, payload);
	put(slot, LOG_SCHEMA_VERSION, Int32GetDatum(message->schema_version));
	put(slot, LOG_CORRELATION_ID, uuid_datum(message->correlation_id));
	if (!uuid_is_nil(message->causation_id))
		put(slot, LOG_CAUSATION_ID, uuid_datum(message->causation_id));
	put_text_or_null(slot, LOG_TRACEPARENT, message->traceparent);
	put_text_or_null(slot, LOG_DESTINATION, message_destination(message));
	put(slot, LOG_DEPTH, Int16GetDatum((int16) message->depth));
	put(slot, LOG_CREATED_AT, TimestampTzGetDatum(timestamp_from_instant(message->created_at)));
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
