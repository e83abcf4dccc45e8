/*
 * batch.h
 *		One batch of one consumer, in one transaction.
 *
 *		window -> batch -> what it touches, locked in one order -> handlers in
 *		order -> unit of work completed -> cursor row
 *
 * The acts below run within a transaction, or a subtransaction, of the caller,
 * who takes it back where they fail.  What they did stands in their argument.
 */
#ifndef SPARK_POSTGRES_BATCH_H
#define SPARK_POSTGRES_BATCH_H

#include "postgres/server.h"

#include "postgres/cursor.h"
#include "postgres/handler_call.h"
#include "postgres/handler_times.h"
#include "postgres/parking.h"

#define MAX_WHY 512

/* One batch: what is asked, and what came of it. */
typedef struct Batch
{
	const char *consumer;
	int			lane;
	int			limit;
	bool		isolated;		/* each message in a subtransaction */
	Uuid		announced;		/* not nil: this one or none */
	int			crashes;		/* that the announced one has cost */
	Arena	   *arena;			/* of this batch */
	const Listener *listener;	/* as it is subscribed now */
	Handler    *handlers;	/* of a user's consumer */
	char		why_not[MAX_WHY];	/* a handler, role or right is missing; else empty */
	Cursor		cursor;
	LoggedMessage *messages;
	int			count;
	const Uuid *shut;			/* keys behind a parked message */
	size_t		shut_count;
	int64		last;			/* number that may be read; NO_BARRIER: all */
	int64		emitted;		/* of what it wants, before anything was read */
	int			done;			/* handled, parked, or put behind */
	int			handled;
	HandlerTimes times;			/* of what was handled */
	bool		is_last;		/* the log had no more when it was read */
	bool		was_cut;		/* it had more than fits in one transaction */
	bool		is_held;		/* an operator has paused it, or a message holds up the lane */
	bool		waits_to_enter; /* this lane has nothing more of before a change of lanes */
} Batch;

typedef struct Retry
{
	Batch		batch;			/* of one message */
	Parked		parked;
	bool		found;
	ErrorData  *error;			/* of the handler */
} Retry;

/* Counts what waits for the consumer in its lane (waiting.h).  Argument: a Batch. */
extern void run_counting(void *argument);

/*
 * Handles the next messages of the log: together, or where the batch is
 * isolated, each by itself, parking what fails.  Argument: a Batch.
 */
extern void run_batch(void *argument);

/* Takes the next parked message that is due, and handles it.  Argument: a Retry. */
extern void run_retry(void *argument);

/*
 * What comes next for the consumer: a parked message that is due, or the first of
 * the log, in messages; false: none does.  Takes no place, so that somebody else
 * may be quicker.
 */
extern bool look_ahead(Batch *batch, Parked *parked, bool *is_parked);

/*
 * Lets the consumer into the next epoch of the lanes, if all are drained; by
 * itself, as it takes the places of all of them.  Argument: a Batch.
 */
extern void run_entering(void *argument);

#endif
