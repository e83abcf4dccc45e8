/*
 * delayed.h
 *		Messages that are due later.
 *
 * They wait in spark_common.delayed, and are moved into the log when they are
 * due: from there on they are messages as all others.  So a delayed message has
 * its place in the order of its key from the move, not from the emit.
 */
#ifndef SPARK_POSTGRES_BUS_DELAYED_H
#define SPARK_POSTGRES_BUS_DELAYED_H

#include "postgres/server.h"

#include "common/clock.h"
#include "common/message.h"

/* Keeps a message until it is due; in the caller's transaction. */
extern void delay_message(const Message *message, Instant due, const char *emitted_by);

typedef enum Cancelling
{
	CANCELLED,
	CANCELLED_TOO_LATE,			/* moved already, or never there */
	CANCELLED_BY_ANOTHER		/* it is not the role's to take back */
} Cancelling;

/* Takes a message back that has not been moved yet. */
extern Cancelling cancel_delayed(Uuid id, Oid role);

/*
 * Moves what is due into the log, at most that many; how many.  One moves at a
 * time: 0 too where somebody else does.
 */
extern int64 move_due(int64 most);

/* From now on this worker leaves those that commit long after they were due to another. */
extern void leave_late_delayed(void);

/* Forgets what was taken: it may have been rolled back. */
extern void look_at_all_delayed(void);

/* When the next one is due; none where none waits. */
extern Instant next_delayed_at(void);

#endif
