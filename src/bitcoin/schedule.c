/*
 * schedule.c
 *		When the node is asked again.
 */
#include "bitcoin/schedule.h"

#include "common/array.h"

#include <stddef.h>

#define MILLISECOND INT64_C(1000)	/* in microseconds */

static Instant
after_seconds(Instant now, int64_t seconds)
{
	return instant_plus_seconds(now, seconds);
}

Instant
after_backoff(Instant now, int64_t tries, int64_t most_seconds, Uuid id)
{
	int64_t		seconds = 1;
	int64_t		percent;

	for (int64_t i = 0; i < tries && seconds < most_seconds; i++)
		seconds *= 2;
	if (seconds > most_seconds)
		seconds = most_seconds;
	percent = 75 + (id.bytes[15] + 31 * tries % 256) % 51;
	return (Instant) {now.microseconds + seconds * percent * 10 * MILLISECOND};
}

Instant
next_look_at_payment(Instant now, int64_t looks, Instant submitted_at)
{
	static const int64_t first[] = {1, 2, 5, 10, 30};

	if (looks >= 0 && (size_t) looks < COUNT_OF(first))
		return after_seconds(now, first[looks]);
	if (instant_before(now, after_seconds(submitted_at, SECONDS_PER_HOUR)))
		return after_seconds(now, SECONDS_PER_MINUTE);
	return after_seconds(now, 10 * SECONDS_PER_MINUTE);
}

Instant
next_look_at_failed_payment(Instant now, Instant failed_at)
{
	static const int64_t first[] = {5, 60, 600, SECONDS_PER_HOUR};

	for (size_t i = 0; i < COUNT_OF(first); i++)
	{
		Instant		look = after_seconds(failed_at, first[i]);

		if (instant_before(now, look))
			return look;
	}
	if (!instant_before(now, after_seconds(failed_at, HTLC_LIFETIME_SECONDS)))
		return INSTANT_NONE;
	return after_seconds(now, SECONDS_PER_DAY);
}

Instant
next_look_at_open_invoice(Instant now, Instant created_at, Instant expires_at)
{
	Instant		look;

	if (!instant_before(now, after_seconds(expires_at, SECONDS_PER_MINUTE)))
		return after_seconds(now, 10 * SECONDS_PER_MINUTE);
	if (!instant_before(now, expires_at))
		return after_seconds(now, 10);
	look = after_seconds(now, instant_before(now, after_seconds(created_at, 10 * SECONDS_PER_MINUTE)) ? 5 : 60);
	return sooner(look, after_seconds(expires_at, 1));
}

Instant
next_look_at_dead_invoice(Instant now, Instant expires_at)
{
	if (!instant_before(now, after_seconds(expires_at, HTLC_LIFETIME_SECONDS)))
		return INSTANT_NONE;
	if (instant_before(now, after_seconds(expires_at, SECONDS_PER_DAY)))
		return after_seconds(now, 10 * SECONDS_PER_MINUTE);
	return after_seconds(now, SECONDS_PER_DAY);
}
