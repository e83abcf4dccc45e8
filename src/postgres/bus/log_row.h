/*
 * log_row.h
 *		The columns of a row of the log, in their order in each segment.
 *
 * What reads and writes rows without a statement counts on that order: all
 * segments have one structure, made by sql/tables/common and log.c.
 */
#ifndef SPARK_POSTGRES_BUS_LOG_ROW_H
#define SPARK_POSTGRES_BUS_LOG_ROW_H

typedef enum LogColumn
{
	LOG_SEQ,
	LOG_XID,
	LOG_ID,
	LOG_AGGREGATE_TYPE,
	LOG_AGGREGATE_ID,
	LOG_TYPE,
	LOG_PAYLOAD,
	LOG_SCHEMA_VERSION,
	LOG_CORRELATION_ID,
	LOG_CAUSATION_ID,
	LOG_TRACEPARENT,
	LOG_TRACESTATE,
	LOG_DESTINATION,
	LOG_DEPTH,
	LOG_ORIGIN,
	LOG_HEADERS,
	LOG_CREATED_AT,
	LOG_COLUMNS
} LogColumn;

#endif
