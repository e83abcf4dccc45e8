/*
 * failure_class.h
 *		Whose fault an error is, by its SQLSTATE, and what it costs the message.
 *
 *		of							treatment
 *		40001, 40P01				again at once, uncounted; where that goes on, with the
 *									message alone, it is its own and an attempt is counted
 *		55P03						the same, but it is never counted: who holds the lock
 *									lets go of it some time
 *		53*, 58*, XX001, XX002,		the consumer waits and looks again, and nobody is blamed;
 *		a read-only server			where others succeed, the message is set aside, uncounted
 *		57014 of the session		the caller's own wish: told to the caller
 *		all else					the message's own: an attempt is counted
 */
#ifndef SPARK_POSTGRES_BUS_FAILURE_CLASS_H
#define SPARK_POSTGRES_BUS_FAILURE_CLASS_H

#include "postgres/server.h"

typedef enum FailureClass
{
	FAILURE_OF_MESSAGE,			/* a counted attempt */
	FAILURE_OF_RIVAL,			/* again at once; counted where that goes on */
	FAILURE_OF_LOCK,			/* again at once; set aside where that goes on */
	FAILURE_OF_ENVIRONMENT,		/* wait; set aside where others succeed */
	FAILURE_CANCELLED			/* the session's own statement is to end */
} FailureClass;

extern FailureClass failure_class(const ErrorData *error);

/* True where the same may succeed at once. */
extern bool failure_is_passing(const ErrorData *error);

/* True where a handler, or those of a batch, have used up their time. */
extern bool failure_is_of_time(const ErrorData *error);

/* What a failure is for its message, once it is sure that it is its own. */
typedef enum Blame
{
	BLAME_NONE,					/* set aside: it comes later, and no attempt is counted */
	BLAME_ATTEMPT,				/* one of its attempts */
	BLAME_FINAL					/* no attempt can ever succeed: dead at once */
} Blame;

/* Of that error; what is hopeless is final, whatever it is. */
extern Blame failure_blame(const ErrorData *error, bool is_hopeless);

#endif
