/*
 * bus_functions.h
 *		What the SQL functions of spark_bus and spark_ops share.
 */
#ifndef SPARK_POSTGRES_BUS_BUS_FUNCTIONS_H
#define SPARK_POSTGRES_BUS_BUS_FUNCTIONS_H

#include "postgres/server.h"

/* SP009 unless the tables of the bus are there. */
extern void bus_required(void);

/* 25001 where the transaction keeps to one snapshot: it may not see who reads the log, and up to where. */
extern void read_committed_required(const char *function);

/* SP010 in a handler: its batch has read the log, and goes on from there. */
extern void no_handler_required(const char *detail);

/* The name of a message type, or of what a key is of: not NULL, 1 to 255 bytes, no dot in front. */
extern const char *arg_message_type(FunctionCallInfo fcinfo, int number, const char *name);

/* SP002 unless there is such a consumer, a context or somebody's. */
extern void consumer_required(const char *consumer);

#endif
