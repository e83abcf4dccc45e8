/*
 * backoff.h
 *		How long a message that failed waits until it is tried again.
 *
 * The wait doubles with each attempt, up to a longest one, and is cut by chance
 * to something between its half and its whole: so that what failed together
 * does not come back together.  All times are of one unit, whichever.
 */
#ifndef SPARK_COMMON_BACKOFF_H
#define SPARK_COMMON_BACKOFF_H

#include <stdint.h>

typedef struct Backoff
{
	int64_t		base;			/* after the first attempt; at least 1 */
	int64_t		longest;
} Backoff;

/* After so many attempts, from 1 on; chance is from 0 up to, not including, 1. */
extern int64_t backoff_after(Backoff backoff, int attempts, double chance);

/*
 * Where attempts are not counted: as long again as it has failed already, which
 * doubles as well.
 */
extern int64_t backoff_again(Backoff backoff, int64_t failing_for, double chance);

#endif
