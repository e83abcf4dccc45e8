/*
 * handler_times.h
 *		How long handlers take: a histogram, a message an entry.
 */
#ifndef SPARK_POSTGRES_COUNTS_HANDLER_TIMES_H
#define SPARK_POSTGRES_COUNTS_HANDLER_TIMES_H

#include "postgres/server.h"

#include "common/clock.h"

#define TIME_BUCKETS 14

typedef struct HandlerTimes
{
	int64		buckets[TIME_BUCKETS];	/* the last one is for all that took longer */
	int64		count;
	int64		microseconds;	/* of all together */
} HandlerTimes;

/* The upper bound of a bucket but the last, in microseconds. */
extern int64 time_bound(int bucket);

/* One message was handled, from that moment to this one. */
extern void times_note(HandlerTimes *times, Instant from, Instant to);

extern void times_add(HandlerTimes *times, const HandlerTimes *more);

/* So long, in seconds, that share of them took at most, as well as the buckets tell. */
extern double times_quantile(const HandlerTimes *times, double share);

extern double times_mean(const HandlerTimes *times);

#endif
