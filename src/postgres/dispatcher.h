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
#ifndef SPARK_POSTGRES_DISPATCHER_H
#define SPARK_POSTGRES_DISPATCHER_H

#include "postgres/server.h"

#include "postgres/consumers.h"

/*
 * Handles what is ready for that listener in that lane, at most `most` messages:
 * retries that are due first, then the log.  In a worker each batch is a transaction of its
 * own, and none begins when a fifth of a second has passed; in a session, each is a
 * subtransaction of the caller's.  Returns how many were
 * handled or parked; at_end where the log had no more when it was read last.
 */
extern int64 serve(const Listener *listener, int lane, int64 most, bool in_session, bool *at_end);

/* Milliseconds until that lane is to be served again for it at the latest, at most nap. */
extern long next_serving(const Listener *listener, int lane, long nap);

#endif
