/*
 * operator_log.h
 *		Who did what to the bus, or to the system, and why.
 */
#ifndef SPARK_POSTGRES_OPERATORS_OPERATOR_LOG_H
#define SPARK_POSTGRES_OPERATORS_OPERATOR_LOG_H

#include "postgres/server.h"

#include "common/uuid.h"

/* What is not known of it stays NULL, or nil. */
typedef struct Operation
{
	const char *action;
	const char *consumer;
	Uuid		message_id;
	const char *reason;
	const char *before;			/* JSON, as after */
	const char *after;
} Operation;

/* A line in spark_common.operator_log, by whoever is acting, in his transaction. */
extern void record_operation(Operation operation);

#endif
