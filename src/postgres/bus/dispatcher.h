/*
 * dispatcher.h
 *		One loop for every consumer: read a batch, handle it, advance.
 *
 *		window -> batch -> what it touches, locked in one order -> handlers in
 *		order -> unit of work completed -> cursor row -> commit
 *
 * Effects and cursor are one transaction, so each message takes effect once.
 * A batch runs without subtransactions; where it fails it is taken back and
 * taken again message by message, and what fails then is parked; failure.h tells
 * what else may follow.
 */
#ifndef SPARK_POSTGRES_BUS_DISPATCHER_H
#define SPARK_POSTGRES_BUS_DISPATCHER_H

#include "postgres/server.h"

#include "common/clock.h"
#include "postgres/bus/consumers.h"

/* A while in which one lane is served for one listener, and what came of it. */
typedef struct Turn
{
	const Listener *listener;
	int			lane;
	bool		in_session;		/* each batch is a subtransaction of the caller's, else a transaction */
	bool		gives_way;		/* others wait for this worker: see give_way.h */
	int64		most;			/* messages */
	int64		share;			/* microseconds of the worker's time; 0: whatever it takes */
	int64		done;			/* out: messages that were handled or parked */
	int64		spent;			/* out: microseconds that handling took, or trying to; 0: it was a mere look */
	int64		worked;			/* out: of these, before the commits and without waiting for a change of lanes */
	bool		at_end;			/* out: the log had no more when it was read last */
	bool		has_tried;		/* something failed, or was tried and undone */
	Instant		until;			/* then no further message of this part of the turn begins; none: no end */
	ErrorData  *shortage;		/* of the environment, which a session is told of */
} Turn;

/*
 * Handles what is ready: retries that are due, then the log.  Each has half of
 * the share, and begins at least one act however long the other has taken, so
 * that neither starves; what the retries leave is the log's.
 */
extern void serve(Turn *turn);

/* Milliseconds until that lane is to be served again for it at the latest, at most nap. */
extern long next_serving(const Listener *listener, int lane, long nap);

#endif
