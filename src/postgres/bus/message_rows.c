/*
 * message_rows.c
 *		A message as columns of a row.
 */
#include "postgres/bus/message_rows.h"

#include "postgres/environment.h"
#include "postgres/bus/log_row.h"

#include "utils/timestamp.h"

Message
message_of_row(const Rows *rows, int first, Arena *arena)
{
	return (Message) {
		.id = row_uuid(rows, first),
		.aggregate_type = row_text(rows, first + 1, arena),
		.aggregate_id = row_uuid(rows, first + 2),
		.type_name = row_text(rows, first + 3, arena),
		.payload_json = row_text(rows, first + 4, arena),
		.schema_version = row_int(rows, first + 5),
		.correlation_id = row_uuid(rows, first + 6),
		.causation_id = row_uuid(rows, first + 7),
		.traceparent = row_text(rows, first + 8, arena),
		.depth = row_smallint(rows, first + 9),
		.created_at = row_instant(rows, first + 10),
	};
}

static void
put(Datum *values, bool *nulls, LogColumn column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

void
message_columns(const Message *message, Datum payload, Datum *values, bool *nulls)
{
	memset(nulls, true, LOG_COLUMNS * sizeof(bool));
	put(values, nulls, LOG_ID, uuid_datum(message->id));
	put(values, nulls, LOG_AGGREGATE_TYPE, CStringGetTextDatum(message->aggregate_type));
	put(values, nulls, LOG_AGGREGATE_ID, uuid_datum(message->aggregate_id));
	put(values, nulls, LOG_TYPE, CStringGetTextDatum(message->type_name));
	put(values, nulls, LOG_PAYLOAD, payload);
	put(values, nulls, LOG_SCHEMA_VERSION, Int32GetDatum(message->schema_version));
	put(values, nulls, LOG_CORRELATION_ID, uuid_datum(message->correlation_id));
	if (!uuid_is_nil(message->causation_id))
		put(values, nulls, LOG_CAUSATION_ID, uuid_datum(message->causation_id));
	if (message->traceparent != NULL)
		put(values, nulls, LOG_TRACEPARENT, CStringGetTextDatum(message->traceparent));
	put(values, nulls, LOG_DEPTH, Int16GetDatum((int16) message->depth));
	put(values, nulls, LOG_CREATED_AT, TimestampTzGetDatum(timestamp_from_instant(message->created_at)));
}

Datum
message_value(TupleDesc description, const Datum *values, const bool *nulls)
{
	static const LogColumn columns[] = {
		LOG_ID, LOG_TYPE, LOG_AGGREGATE_TYPE, LOG_AGGREGATE_ID, LOG_PAYLOAD, LOG_SCHEMA_VERSION,
		LOG_CORRELATION_ID, LOG_CAUSATION_ID, LOG_TRACEPARENT, LOG_CREATED_AT};
	Datum		of_message[lengthof(columns)];
	bool		is_null[lengthof(columns)];

	for (size_t i = 0; i < lengthof(columns); i++)
	{
		of_message[i] = values[columns[i]];
		is_null[i] = nulls[columns[i]];
	}
	return HeapTupleGetDatum(heap_form_tuple(description, of_message, is_null));
}

Message
message_of_values(const Datum *values, const bool *nulls)
{
	return (Message) {
		.id = uuid_of_datum(values[LOG_ID]),
		.aggregate_id = uuid_of_datum(values[LOG_AGGREGATE_ID]),
		.schema_version = DatumGetInt32(values[LOG_SCHEMA_VERSION]),
		.correlation_id = uuid_of_datum(values[LOG_CORRELATION_ID]),
		.causation_id = nulls[LOG_CAUSATION_ID] ? UUID_NIL : uuid_of_datum(values[LOG_CAUSATION_ID]),
		.depth = DatumGetInt16(values[LOG_DEPTH]),
		.created_at = instant_from_timestamp(DatumGetTimestampTz(values[LOG_CREATED_AT])),
	};
}
