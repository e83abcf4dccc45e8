/*
 * bus_functions.h
 *		What the SQL functions of spark_bus and spark_ops share.
 */
#ifndef SPARK_POSTGRES_BUS_FUNCTIONS_H
#define SPARK_POSTGRES_BUS_FUNCTIONS_H

#include "postgres/server.h"

/* SP009 unless the tables of the bus are there. */
extern void bus_required(void);

/* The name of a message type: not NULL, 1 to 255 bytes. */
extern const char *arg_message_type(FunctionCallInfo fcinfo, int number, const char *name);

/* SP002 unless there is such a consumer, a context or somebody's. */
extern void consumer_required(const char *consumer);

#endif
