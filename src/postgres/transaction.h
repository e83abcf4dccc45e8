/*
 * transaction.h
 *		Doing something all or not at all, and seeing why it failed.
 */
#ifndef SPARK_POSTGRES_TRANSACTION_H
#define SPARK_POSTGRES_TRANSACTION_H

#include "postgres/server.h"

typedef void (*Act) (void *argument);

/*
 * Runs act in a subtransaction of the caller's.  NULL when it is done; else it
 * is undone and this is the error, in the caller's memory context.
 */
extern ErrorData *try_in_subtransaction(Act act, void *argument);

/* The same, but it is undone in any case: would it be done? */
extern ErrorData *rehearse_in_subtransaction(Act act, void *argument);

/*
 * The same in a worker, as a transaction of its own, committed.  The worker
 * ends here where it was asked to, or where the postmaster is gone.
 */
extern ErrorData *try_in_transaction(Act act, void *argument);

/* The same without holding the extension (worker_transaction() in worker.h does). */
extern ErrorData *try_in_plain_transaction(Act act, void *argument);

/* True for the error that worker_transaction() raises where the extension is gone. */
extern bool extension_is_gone(int sqlerrcode);

/*
 * How long one call may take: between the two, 57014 is raised once that time
 * has passed, also where statement_timeout is never armed, and again each time
 * it has passed once more; in the end a worker is ended.  The second tells
 * whether it has passed.
 */
extern void time_limit_begin(int milliseconds);
extern bool time_limit_end(void);

/* Does act within that time; else 57014 with that message. */
extern void act_in_time(Act act, void *argument, int milliseconds, const char *message);

/* The last call has not ended, however often it was cancelled. */
extern bool time_limit_is_exhausted(void);

#endif
