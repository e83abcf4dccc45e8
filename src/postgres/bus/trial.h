/*
 * trial.h
 *		One message that is handled with care (postgres/bus/careful.h).
 */
#ifndef SPARK_POSTGRES_BUS_TRIAL_H
#define SPARK_POSTGRES_BUS_TRIAL_H

#include "postgres/server.h"

#include "postgres/bus/batch.h"
#include "postgres/bus/probe.h"
#include "postgres/bus/retry.h"

/* What is tried. */
typedef enum TrialOf
{
	TRIAL_OF_NOTHING,			/* none comes now */
	TRIAL_OF_PARKED,			/* one that is due */
	TRIAL_OF_LOG,				/* the first of the log */
	TRIAL_OF_PROBE				/* the next one of a probe */
} TrialOf;

typedef struct Trial
{
	bool		probes;			/* in: the log is not handled, one is looked for that does not fail */
	TrialOf		of;
	Batch		batch;			/* whom it serves; of a message of the log */
	Retry		retry;			/* of one that is parked */
	Probe		probe;			/* where it probes */
} Trial;

/* Whom it served, as it was found last. */
extern const Served *served_by(const Trial *trial);

/* Announces the message that comes next.  Argument: a Trial. */
extern void run_announcing(void *argument);

/* Handles, or tries, the announced message, if it is still the next.  Argument: the Trial. */
extern void run_trial(void *argument);

/* Where it was taken back: the message has no outcome.  Argument: the Trial. */
extern void run_leaving(void *argument);

#endif
