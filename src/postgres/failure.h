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
	FAILURE_SHUTDOWN			/* we are to stop */
} FailureClass;

extern FailureClass failure_class(const ErrorData *error);

/* True where no attempt can ever succeed: unknown command, undecodable, too deep. */
extern bool message_is_hopeless(const Listener *listener, const Message *message, Arena *arena);

/* A message of that consumer failed; many alike in a row make it pause. */
extern void failure_note(const char *consumer, const ErrorData *error);

/* A message of it succeeded. */
extern void failure_forget(const char *consumer);

/* Nothing could be done for that reason: wait a little, longer each time. */
extern void failure_wait(const char *consumer, const ErrorData *error);

/* Its handler, role or right is missing: look again by itself. */
extern void failure_missing(const char *consumer, const char *why);

/* Ends the pause: somebody asks for a look now. */
extern void failure_look_again(const char *consumer);

/* Milliseconds it still has to wait; 0: go on. */
extern long failure_pause(const char *consumer);

/* True after a pause for systematic failure, until a message succeeds: try one. */
extern bool failure_suspected(const char *consumer);

/* Deferred constraints of this transaction are checked from now on at once. */
extern void make_constraints_immediate(void);

#endif
