/*
 * handler_call.h
 *		Handlers of others: any SQL function f(message spark_bus.message).
 */
#ifndef SPARK_POSTGRES_BUS_HANDLER_CALL_H
#define SPARK_POSTGRES_BUS_HANDLER_CALL_H

#include "postgres/server.h"

#include "postgres/bus/consumers.h"

/* What the error says where a call took longer than spark.handler_timeout. */
#define TIME_LIMIT_MESSAGE "the handler ran longer than spark.handler_timeout"

/* Where handlers find what they do not qualify. */
#define HANDLERS_SEARCH_PATH "public, pg_temp"

/* A handler found: what to call, and as whom. */
typedef struct Handler
{
	Oid			function;
	Oid			role;
	FmgrInfo	kept;			/* of the function, once it was called in such a run */
} Handler;

/*
 * Finds the handler of each subscription.  NULL, and why not, where a function,
 * a role or a right is missing: then nothing is called and nobody is blamed.
 */
extern Handler *find_handlers(const Listener *listener, const char **why_not);

/* The right of a role to call it, with the schema it stands in. */
extern bool may_call(Oid function, Oid schema, Oid role);

/*
 * Calls it for that message, as its role, under a restricted security context,
 * within spark.handler_timeout.  What it emits is caused by the message.
 */
extern void call_handler(Handler *handler, const Message *message);

/*
 * For a run of calls in one transaction, without a subtransaction round each:
 * settings are made once, where the worker has not made them for good, and what
 * a call needs of the function is kept.  Until the run ends nothing may be called
 * that does not stand the handlers' search_path (statements of spark do); an
 * error must end the transaction.  The row is the message as the handler gets
 * it.  The handler, and the current memory context, must live as long as the run.
 */
extern int	begin_calls(void);
extern void end_calls(int run);
extern void call_handler_in_run(Handler *handler, const Message *message, Datum row);

/* The message whose handler is running, or NULL. */
extern const Message *current_cause(void);

/* The type spark_bus.message in this database; InvalidOid where it is missing. */
extern Oid	message_row_type(void);

#endif
