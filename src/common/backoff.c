/*
 * backoff.c
 *		How long a message that failed waits until it is tried again.
 */
#include "common/backoff.h"

static int64_t
cut_by_chance(int64_t wait, double chance)
{
	return wait - wait / 2 + (int64_t) ((double) (wait / 2) * chance);
}

static int64_t
at_most(int64_t wait, int64_t longest)
{
	return wait < longest ? wait : longest;
}

int64_t
backoff_after(Backoff backoff, int attempts, double chance)
{
	int64_t		wait = backoff.base;

	for (int i = 1; i < attempts && wait < backoff.longest; i++)
		wait = wait <= backoff.longest / 2 ? 2 * wait : backoff.longest;
	return cut_by_chance(at_most(wait, backoff.longest), chance);
}

int64_t
backoff_again(Backoff backoff, int64_t failing_for, double chance)
{
	int64_t		wait = failing_for > backoff.base ? failing_for : backoff.base;

	return cut_by_chance(at_most(wait, backoff.longest), chance);
}
