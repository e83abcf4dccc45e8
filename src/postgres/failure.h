/*
 * failure.h
 *		Whose fault it is when a handler fails, and what follows.
 *
 * A message that fails by itself is parked.  What fails for the environment
 * (disk, memory, connections), for a rival (serialization, deadlock, lock) or
 * for every message alike blames none: the consumer waits and looks again.
 *
 * What is remembered here is one process's, and only saves work.
 */
#ifndef SPARK_POSTGRES_FAILURE_H
#define SPARK_POSTGRES_FAILURE_H

#include "postgres/server.h"

#include "postgres/consumers.h"

typedef enum FailureClass
{
	FAILURE_OF_MESSAGE,			/* a counted attempt */
	FAILURE_TRANSIENT,			/* again at once, not counted */
	FAILURE_OF_ENVIRONMENT,		/* wait, blame nobody */
	FAILURE_CANCELLED			/* the session's own statement is to end */
} FailureClass;

extern FailureClass failure_class(const ErrorData *error);

/* True where no attempt can ever succeed: unknown command, undecodable, too deep. */
extern bool message_is_hopeless(const Listener *listener, const Message *message, Arena *arena);

/* A message of that key failed; when many keys fail alike, the consumer pauses. */
extern void failure_note(const char *consumer, Uuid key, const ErrorData *error);

/* A message of it succeeded. */
extern void failure_forget(const char *consumer);

/* Nothing could be done for that reason: wait a little, longer each time. */
extern void failure_wait(const char *consumer, const ErrorData *error);

/* Its handler, role or right is missing: look again by itself. */
extern void failure_missing(const char *consumer, const char *why);

/* They are there. */
extern void failure_found(const char *consumer);

/* Ends the pause: somebody asks for a look now. */
extern void failure_look_again(const char *consumer);

/* The same for all consumers of this process. */
extern void failure_look_again_at_all(void);

/* Milliseconds it still has to wait; 0: go on. */
extern long failure_pause(const char *consumer);

/* True once many keys have failed alike, until a message succeeds: try, and blame none. */
extern bool failure_is_common(const char *consumer);

/* How many to try then, to find one that does not fail alike. */
extern int	failure_trials(const char *consumer);

/* And none did this time: wait longer.  Where there was none to try, nothing follows. */
extern void failure_go_on_waiting(const char *consumer);

/* True where that error is the one that all have in common. */
extern bool failure_explains(const char *consumer, const ErrorData *error);

/* True after several transient failures in a row: one message a transaction. */
extern bool failure_is_crowded(const char *consumer);

/* Deferred constraints of this transaction are checked from now on at once. */
extern void make_constraints_immediate(void);

#endif
