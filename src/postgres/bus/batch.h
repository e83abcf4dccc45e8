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
#ifndef SPARK_POSTGRES_BUS_BATCH_H
#define SPARK_POSTGRES_BUS_BATCH_H

#include "postgres/server.h"

#include "postgres/bus/cursor.h"
#include "postgres/counts/handler_times.h"
#include "postgres/bus/handling.h"

typedef enum BatchMode
{
	BATCH_TOGETHER,				/* all or none, without subtransactions */
	BATCH_ONE_BY_ONE,			/* each in a subtransaction; what fails is parked */
	BATCH_ONLY_BEHIND			/* what waits for others is put behind them, up to the first that does not */
} BatchMode;

/* What was read of the log for it. */
typedef struct Reading
{
	Cursor		cursor;
	int64		last;			/* number that may be read; NO_BARRIER: all */
	LoggedMessage *messages;
	int			count;
	int64		emitted;		/* before it was read, of what the consumer wants (waiting.h) */
} Reading;

/* Keys behind a parked or dead message. */
typedef struct ShutKeys
{
	Uuid	   *keys;			/* room for as many again as there are messages */
	size_t		count;
} ShutKeys;

/* What came of it. */
typedef struct BatchOutcome
{
	int			done;			/* handled, parked, or put behind */
	int			handled;
	HandlerTimes times;			/* of what was handled */
	int64		passed;			/* the last number that is done with */
	bool		is_last;		/* the log had no more when it was read */
	bool		was_cut;		/* it had more than fits in one transaction */
	bool		is_held;		/* an operator has paused it, or a message holds up the lane */
	bool		waits_to_enter; /* this lane has nothing more of before a change of lanes */
} BatchOutcome;

/* One batch: what is asked, and what came of it. */
typedef struct Batch
{
	Served		served;
	BatchMode	mode;
	int			limit;			/* messages */
	Reading		reading;
	ShutKeys	shut;
	BatchOutcome outcome;
} Batch;

/* Handles the next messages of the log, in that mode.  Argument: a Batch. */
extern void run_batch(void *argument);

/* Counts what waits for the consumer (waiting.h).  Argument: a Batch, of nothing. */
extern void run_counting(void *argument);

/*
 * Lets the consumer into the next epoch of the lanes, if all are drained; by
 * itself, as it takes the places of all of them.  Argument: a Batch.
 */
extern void run_entering(void *argument);

/*
 * For others that read the log as a batch does.  With the consumer's place
 * taken: where it stands, and whether it may read; false where it may not.
 */
extern bool begin_batch(Batch *batch);

/* Which of the keys of the messages that were read are shut. */
extern void find_shut(Batch *batch);

/* It has its place behind a message of its key that is parked or dead. */
extern bool must_wait(const Batch *batch, const Message *message);

/* It could not be handled: the later ones of its key wait, unless its type says otherwise. */
extern void shut_key_of(Batch *batch, const Message *message);

/* What waits while that message fails. */
extern MessageOrder order_of(const Served *served, const Message *message);

#endif
