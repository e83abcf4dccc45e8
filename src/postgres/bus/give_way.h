/*
 * give_way.h
 *		A transaction of a worker that others wait for.
 *
 * The contexts share a dispatcher.  A lock that a stranger holds on what belongs
 * to one of them must not hold up the rest, so such a transaction waits for no
 * lock for long: it fails (55P03), and is tried again after a pause that grows;
 * meanwhile the worker serves the others, and other lanes.  The same holds of what
 * a worker does for itself between two consumers.
 *
 * The words for it: a turn gives way where others wait for its worker
 * (Turn.gives_way), and so does all that is served in it (Served.gives_way): it
 * waits for a lock for a moment, and not once more in the same transaction.  What
 * does not give way waits as long as it takes.
 *
 * What is remembered here is one process's, and only saves waiting.
 */
#ifndef SPARK_POSTGRES_BUS_GIVE_WAY_H
#define SPARK_POSTGRES_BUS_GIVE_WAY_H

#include "postgres/server.h"

#include "postgres/transaction.h"

/* From here to the end of the transaction. */
extern void give_way(void);

/*
 * Such a transaction around act, in a worker; false: it did not get a lock, and
 * nothing is done.  Any other error is thrown.
 */
extern bool done_giving_way(Act act, void *argument);

/*
 * That transaction is over, by that error or committed (NULL).  Where it did not
 * get a lock, the consumer pauses in that lane, and the message of the error says
 * from here on which process held what.  To be called outside of transactions.
 */
extern void gave_way(const char *consumer, int lane, ErrorData *error);

/* Milliseconds that it still pauses there; 0: go on. */
extern long pause_after_giving_way(const char *consumer, int lane);

/* It was served there, with all locks; true where it had given way before. */
extern bool had_its_way(const char *consumer, int lane);

#endif
