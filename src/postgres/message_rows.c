/*
 * message_rows.c
 *		A message as columns of a row.
 */
#include "postgres/message_rows.h"

Message
message_of_row(const Rows *rows, int first, Arena *arena)
{
	return (Message) {
		.id = row_uuid(rows, first),
		.aggregate_type = row_text(rows, first + 1, arena),
		.aggregate_id = row_uuid(rows, first + 2),
		.type_name = row_text(rows, first + 3, arena),
		.payload_json = row_text(rows, first + PAYLOAD_COLUMN, arena),
		.schema_version = row_int(rows, first + 5),
		.correlation_id = row_uuid(rows, first + 6),
		.causation_id = row_uuid(rows, first + 7),
		.traceparent = row_text(rows, first + 8, arena),
		.depth = row_smallint(rows, first + 9),
		.created_at = row_instant(rows, first + 10),
	};
}
