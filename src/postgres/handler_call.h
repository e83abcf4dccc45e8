/*
 * handler_call.h
 *		Handlers of others: any SQL function f(message spark_bus.message).
 */
#ifndef SPARK_POSTGRES_HANDLER_CALL_H
#define SPARK_POSTGRES_HANDLER_CALL_H

#include "postgres/server.h"

#include "postgres/consumers.h"

/* What the error says where a call took longer than spark.handler_timeout. */
#define TIME_LIMIT_MESSAGE "the handler ran longer than spark.handler_timeout"

/* A handler found: what to call, and as whom. */
typedef struct Handler
{
	Oid			function;
	Oid			role;
} Handler;

/*
 * Finds the handler of each subscription.  NULL, and why not, where a function,
 * a role or a right is missing: then nothing is called and nobody is blamed.
 */
extern const Handler *find_handlers(const Listener *listener, const char **why_not);

/* The right of a role to call it, with the schema it stands in. */
extern bool may_call(Oid function, Oid schema, Oid role);

/*
 * Calls it for that message, as its role, under a restricted security context,
 * within spark.handler_timeout.  What it emits is caused by the message.
 */
extern void call_handler(const Handler *handler, const Message *message);

/* The message whose handler is running, or NULL. */
extern const Message *current_cause(void);

/* The type spark_bus.message in this database; InvalidOid where it is missing. */
extern Oid	message_row_type(void);

/* A message as a value of that type. */
extern Datum message_datum(const Message *message);

#endif
