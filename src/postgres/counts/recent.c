/*
 * recent.c
 *		How many there were in about the last minute.
 */
#include "postgres/counts/recent.h"

#define SLICE_MICROSECONDS (10 * MICROSECONDS_PER_SECOND)

/* Slices that nobody has counted in are empty. */
static int64
count_of(const Recent *recent, int64 slice)
{
	return slice > recent->slice - RECENT_SLICES && slice <= recent->slice ? recent->counts[slice % RECENT_SLICES] : 0;
}

void
recent_add(Recent *recent, Instant now, int64 count)
{
	int64		slice = now.microseconds / SLICE_MICROSECONDS;
	int64		first = Max(recent->slice + 1, slice - RECENT_SLICES + 1);

	for (int64 empty = first; empty <= slice; empty++)
		recent->counts[empty % RECENT_SLICES] = 0;
	recent->slice = Max(recent->slice, slice);
	recent->counts[recent->slice % RECENT_SLICES] += (int32) count;
}

/* The running slice counts for as much of it as has passed. */
double
recent_rate(const Recent *recent, Instant now)
{
	int64		slice = now.microseconds / SLICE_MICROSECONDS;
	int64		begin = (slice - RECENT_SLICES + 1) * SLICE_MICROSECONDS;
	int64		count = 0;

	for (int i = 0; i < RECENT_SLICES; i++)
		count += count_of(recent, slice - i);
	return (double) count / ((double) (now.microseconds - begin) / MICROSECONDS_PER_SECOND);
}
