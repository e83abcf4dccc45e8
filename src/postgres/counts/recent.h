/*
 * recent.h
 *		How many there were in about the last minute.
 */
#ifndef SPARK_POSTGRES_COUNTS_RECENT_H
#define SPARK_POSTGRES_COUNTS_RECENT_H

#include "postgres/server.h"

#include "common/clock.h"

#define RECENT_SLICES 7

/* How many there were a slice of time, as far back as there are slices. */
typedef struct Recent
{
	int64		slice;			/* the newest one, since the epoch */
	int32		counts[RECENT_SLICES];	/* by number modulo their count */
} Recent;

extern void recent_add(Recent *recent, Instant now, int64 count);

/* How many a second. */
extern double recent_rate(const Recent *recent, Instant now);

#endif
