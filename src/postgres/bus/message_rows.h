/*
 * message_rows.h
 *		A message as columns of a row: in the log, parked and dead they are the
 *		same.
 */
#ifndef SPARK_POSTGRES_BUS_MESSAGE_ROWS_H
#define SPARK_POSTGRES_BUS_MESSAGE_ROWS_H

#include "postgres/statement.h"

#include "common/message.h"

#define MESSAGE_COLUMNS \
	"id, aggregatetype, aggregateid, type, payload, schemaversion," \
	" correlationid, causationid, traceparent, depth, created_at"

/* The place of the payload in a value of type spark_bus.message. */
#define MESSAGE_PAYLOAD 5

/*
 * Its columns in a row of the log (log_row.h), with that payload, a jsonb; those
 * that a message does not have are null.
 */
extern void message_columns(const Message *message, Datum payload, Datum *values, bool *nulls);

/* A row of the log as a value of that type, whose description is given. */
extern Datum message_value(TupleDesc description, const Datum *values, const bool *nulls);

/* The message in a row of the log; names and payload are left to the caller. */
extern Message message_of_values(const Datum *values, const bool *nulls);

/* The message in the current row, its columns from that one on; not decoded yet. */
extern Message message_of_row(const Rows *rows, int first, Arena *arena);

#endif
