/*
 * late_due.h
 *		Delayed messages that appear when they are due already.
 *
 * Who moves what is due looks no further back than a minute, but for a look a
 * minute (delayed.c).  What a transaction brings that took longer than its message
 * was to wait, or brings back as it gives up taking it, may be due before that: so
 * its end says from when on to look.
 */
#ifndef SPARK_POSTGRES_BUS_LATE_DUE_H
#define SPARK_POSTGRES_BUS_LATE_DUE_H

#include "postgres/server.h"

#include "common/clock.h"

extern void late_due_shmem_request(void);
extern void late_due_shmem_startup(void);

/* Nothing is known of the database any more that has that place. */
extern void late_due_forget(int place);

/* Of the running transaction: a message is there once it commits, or is there again if it does not. */
extern void due_at_commit(Instant due);
extern void due_at_abort(Instant due);

/* All that has been said since the last call is due then or later; none: nothing was said. */
extern Instant take_late_due(void);

/* Of the running transaction, whatever becomes of it; for who prepares it, and who finds that it has ended. */
extern Instant late_due_when_prepared(void);
extern void tell_late_due_of(int place, Instant due);

/* For the callbacks at the end of a transaction, and of a part that is rolled back. */
extern void tell_late_due(bool has_committed);
extern void forget_late_due(void);
extern void late_due_part_undone(void);

#endif
