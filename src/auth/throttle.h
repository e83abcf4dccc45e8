/*
 * throttle.h
 *		How many passwords may be tried for one name.
 *
 * Pure: entries in, decision out; who keeps the entries (shared memory in the
 * server) holds its lock around each call.
 *
 * After `limit` failures in a row the name cools down: 30 s, doubled at each
 * further failure up to 1 h.  When that time is over, one try is let through
 * and the others wait for it.  Success forgets all; so does a day without a
 * failure.  A try during the cool-down does not lengthen it, so a stranger
 * cannot lock a name for good by asking often.
 */
#ifndef SPARK_AUTH_THROTTLE_H
#define SPARK_AUTH_THROTTLE_H

#include "common/clock.h"

#include <stddef.h>
#include <stdint.h>

#define COOL_DOWN_SECONDS INT64_C(30)
#define COOL_DOWN_MAX_SECONDS INT64_C(3600)
#define FAILURES_FORGOTTEN_SECONDS INT64_C(86400)

/* The failed logins of one name.  Zeroes: a free entry. */
typedef struct FailedLogins
{
	uint64_t	key;			/* hash of the folded name */
	uint64_t	count;			/* in a row; 0: the entry is free */
	Instant		last;			/* failure */
	Instant		blocked_until;
} FailedLogins;

/*
 * How many seconds the name must wait before its next try; 0: it may try now,
 * and where it had cooled down, the others have to wait for its outcome.
 */
extern int64_t throttle_admit(FailedLogins *failed_logins, int64_t limit, Instant now);

/* A password was wrong. */
extern void throttle_fail(FailedLogins *failed_logins, int64_t limit, Instant now);

/* A password was right. */
extern void throttle_succeed(FailedLogins *failed_logins);

/* The entry of that key among count ones, or NULL. */
extern FailedLogins *throttle_find(FailedLogins *entries, size_t count, uint64_t key, Instant now);

/*
 * The same; where there is none, one is made in a free or forgotten entry, else
 * in that of the fewest failures, among these the oldest: guessing at many
 * names cannot push out one that is guessed at in earnest.
 */
extern FailedLogins *throttle_claim(FailedLogins *entries, size_t count, uint64_t key, Instant now);

#endif
