/*
 * trial.h
 *		One message that is handled with care (postgres/bus/careful.h).
 */
#ifndef SPARK_POSTGRES_BUS_TRIAL_H
#define SPARK_POSTGRES_BUS_TRIAL_H

#include "postgres/server.h"

#include "postgres/bus/batch.h"
#include "postgres/bus/retry.h"

typedef struct Trial
{
	Batch		batch;			/* of a message of the log */
	Retry		retry;			/* of one that is parked */
	bool		is_parked;		/* which of the two it is */
	bool		found;
} Trial;

/* Announces the next message, parked and due or of the log.  Argument: a Trial. */
extern void run_announcing(void *argument);

/* Handles the announced message, if it is still the next.  Argument: the Trial. */
extern void run_trial(void *argument);

#endif
