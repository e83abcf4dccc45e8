/*
 * throttle.c
 *		How many passwords may be tried for one name.
 */
#include "auth/throttle.h"

static int64_t
cool_down_seconds(int64_t failures_beyond)
{
	int64_t		seconds = COOL_DOWN_SECONDS;

	while (failures_beyond-- > 0 && seconds < COOL_DOWN_MAX_SECONDS)
		seconds *= 2;
	return seconds < COOL_DOWN_MAX_SECONDS ? seconds : COOL_DOWN_MAX_SECONDS;
}

static int64_t
beyond(const FailedLogins *failed_logins, int64_t limit)
{
	return (int64_t) failed_logins->count - limit;
}

int64_t
throttle_admit(FailedLogins *failed_logins, int64_t limit, Instant now)
{
	if (beyond(failed_logins, limit) < 0)
		return 0;
	if (instant_before(now, failed_logins->blocked_until))
		return (failed_logins->blocked_until.microseconds - now.microseconds + MICROSECONDS_PER_SECOND - 1)
			/ MICROSECONDS_PER_SECOND;
	failed_logins->blocked_until = instant_plus_seconds(now, COOL_DOWN_SECONDS);
	return 0;
}

void
throttle_fail(FailedLogins *failed_logins, int64_t limit, Instant now)
{
	failed_logins->count++;
	failed_logins->last = now;
	if (beyond(failed_logins, limit) >= 0)
		failed_logins->blocked_until =
			instant_plus_seconds(now, cool_down_seconds(beyond(failed_logins, limit)));
}

void
throttle_succeed(FailedLogins *failed_logins)
{
	*failed_logins = (FailedLogins) {0};
}

static int
is_free(const FailedLogins *entry, Instant now)
{
	return entry->count == 0 ||
		instant_before(instant_plus_seconds(entry->last, FAILURES_FORGOTTEN_SECONDS), now);
}

FailedLogins *
throttle_find(FailedLogins *entries, size_t count, uint64_t key, Instant now)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].key == key && !is_free(&entries[i], now))
			return &entries[i];
	return NULL;
}

/* True where a is the better one to be given up. */
static int
is_lesser(const FailedLogins *a, const FailedLogins *b, Instant now)
{
	if (is_free(a, now) != is_free(b, now))
		return is_free(a, now);
	if (a->count != b->count)
		return a->count < b->count;
	return instant_before(a->last, b->last);
}

FailedLogins *
throttle_claim(FailedLogins *entries, size_t count, uint64_t key, Instant now)
{
	FailedLogins *entry = throttle_find(entries, count, key, now);

	if (entry != NULL)
		return entry;
	entry = &entries[0];
	for (size_t i = 1; i < count; i++)
		if (is_lesser(&entries[i], entry, now))
			entry = &entries[i];
	*entry = (FailedLogins) {.key = key};
	return entry;
}
