/*
 * careful.h
 *		After a crash: which handler was it?
 *
 * A handler that crashes the server would do so again, for ever.  So after a
 * crash each consumer is careful in each lane for as long as its last batch may
 * have been: one message a transaction, and before each a row that says so,
 * committed.  The row goes with the message's outcome; one that a crash has left
 * makes its message a suspect.  A suspect is tried while no other is, and after
 * spark.crash_attempts such crashes it is a dead letter, its handler not called.
 *
 * Where one is looked for that does not fail as all others do (probe.h), each is
 * announced as well.  To have been tried so is no outcome: a suspect stays one.
 *
 * Careful are workers alone: what a session dispatches is its own transaction.
 */
#ifndef SPARK_POSTGRES_BUS_CAREFUL_H
#define SPARK_POSTGRES_BUS_CAREFUL_H

#include "postgres/server.h"

#include "common/uuid.h"

/* To be called once each time shared memory is made, that is after a crash, too. */
extern void careful_startup(void);

/* True from a crash of the server until that consumer has passed the place of it in that lane. */
extern bool must_be_careful(const char *consumer, int lane);

/*
 * Parked messages that are due and those of the log take turns, so that neither
 * keep the others waiting: whose turn it is, and whose it was.
 */
extern bool is_turn_of_parked(const char *consumer, int lane);
extern void note_trial(const char *consumer, int lane, bool is_parked);

/* One message more of the log has passed. */
extern void passed_carefully(const char *consumer, int lane);

/* None is left of those that were there: in a transaction. */
extern void end_of_care(const char *consumer, int lane);

/*
 * Says that the message is going to be handled, and returns how many crashes
 * that has cost before.  A suspect waits until no other message is handled
 * carefully, and all others wait for it, until trial_is_over().
 */
extern int	begin_trial(const char *consumer, int lane, Uuid id);

/* It has an outcome: goes with the transaction of it. */
extern void end_trial(const char *consumer, Uuid id);

/* It has none, but is not at work any more: the next crash is not its own. */
extern void leave_trial(const char *consumer, Uuid id, int crashes);

/* Lets the others go on: after that transaction. */
extern void trial_is_over(void);

/* What a message dies of whose trials have cost so many crashes. */
extern ErrorData *error_of_crashes(int crashes);

#endif
