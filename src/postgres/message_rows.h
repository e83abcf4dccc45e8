/*
 * message_rows.h
 *		A message as columns of a row: in the log, parked and dead they are the
 *		same.
 */
#ifndef SPARK_POSTGRES_MESSAGE_ROWS_H
#define SPARK_POSTGRES_MESSAGE_ROWS_H

#include "postgres/statement.h"

#include "common/message.h"

/* The payload among them. */
#define PAYLOAD_COLUMN 4

#define MESSAGE_COLUMNS \
	"id, aggregatetype, aggregateid, type, payload, schemaversion," \
	" correlationid, causationid, traceparent, depth, created_at"

/* The message in the current row, its columns from that one on; not decoded yet. */
extern Message message_of_row(const Rows *rows, int first, Arena *arena);

#endif
