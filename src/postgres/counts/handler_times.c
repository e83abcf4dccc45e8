/*
 * handler_times.c
 *		How long handlers take: a histogram, a message an entry.
 *
 * Bounds are fixed, so that histograms of several workers and of several
 * servers add up.
 */
#include "postgres/counts/handler_times.h"

static const int64 bounds[TIME_BUCKETS - 1] = {
	10, 25, 100, 250, 1000, 2500, 10000, 25000, 100000, 250000, 1000000, 2500000, 10000000};

int64
time_bound(int bucket)
{
	return bounds[bucket];
}

void
times_note(HandlerTimes *times, Instant from, Instant to)
{
	int64		microseconds = Max(0, to.microseconds - from.microseconds);
	int			bucket = 0;

	while (bucket < TIME_BUCKETS - 1 && microseconds > bounds[bucket])
		bucket++;
	times->buckets[bucket]++;
	times->count++;
	times->microseconds += microseconds;
}

void
times_add(HandlerTimes *times, const HandlerTimes *more)
{
	for (int i = 0; i < TIME_BUCKETS; i++)
		times->buckets[i] += more->buckets[i];
	times->count += more->count;
	times->microseconds += more->microseconds;
}

double
times_quantile(const HandlerTimes *times, double share)
{
	double		wanted = share * (double) times->count;
	double		before = 0;

	for (int i = 0; i < TIME_BUCKETS - 1; i++)
	{
		double		within = (double) times->buckets[i];
		double		from = i > 0 ? (double) bounds[i - 1] : 0;

		if (within > 0 && before + within >= wanted)
			return (from + ((double) bounds[i] - from) * (wanted - before) / within) / 1e6;
		before += within;
	}
	return (double) bounds[TIME_BUCKETS - 2] / 1e6;
}

double
times_mean(const HandlerTimes *times)
{
	return times->count > 0 ? (double) times->microseconds / (double) times->count / 1e6 : 0;
}
