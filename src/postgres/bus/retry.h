/*
 * retry.h
 *		A parked message that is due, in a transaction of its own.
 */
#ifndef SPARK_POSTGRES_BUS_RETRY_H
#define SPARK_POSTGRES_BUS_RETRY_H

#include "postgres/server.h"

#include "postgres/counts/handler_times.h"
#include "postgres/bus/handling.h"
#include "postgres/bus/parking.h"

typedef struct Retry
{
	Served		served;
	Parked		parked;
	bool		found;			/* one was due, and its handler is there */
	int			done;			/* handled, or parked again */
	int			handled;
	HandlerTimes times;			/* of what was handled */
} Retry;

/*
 * Takes the next parked message that is due, and handles it, or parks it again.
 * Runs within a transaction, or subtransaction, of the caller.  Argument: a Retry.
 */
extern void run_retry(void *argument);

#endif
