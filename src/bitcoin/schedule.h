/*
 * schedule.h
 *		When the node is asked again.
 *
 * A look costs the node a call and changes nothing, so it is repeated without
 * end, ever more slowly.  Pure arithmetic on instants.
 */
#ifndef SPARK_BITCOIN_SCHEDULE_H
#define SPARK_BITCOIN_SCHEDULE_H

#include "common/clock.h"
#include "common/uuid.h"

#define SECONDS_PER_MINUTE INT64_C(60)
#define SECONDS_PER_HOUR INT64_C(3600)
#define SECONDS_PER_DAY INT64_C(86400)

/* Longer than an HTLC can live: 2016 blocks. */
#define HTLC_LIFETIME_SECONDS (14 * SECONDS_PER_DAY)

/*
 * The wait before try number `tries` + 1 of something that could not be done:
 * 1, 2, 4 .. most seconds, a quarter more or less by the id, so that a hundred
 * rows do not come back in one moment.
 */
extern Instant after_backoff(Instant now, int64_t tries, int64_t most_seconds, Uuid id);

/* A payment that is under way: 1, 2, 5, 10, 30 s, each minute, after an hour each ten. */
extern Instant next_look_at_payment(Instant now, int64_t looks, Instant submitted_at);

/* A payment that has failed: might it have been paid after all?  None when 14 days have passed. */
extern Instant next_look_at_failed_payment(Instant now, Instant failed_at);

/*
 * An invoice of ours that may be paid: each 5 s, after ten minutes each minute,
 * just after it expires, then each ten minutes.
 */
extern Instant next_look_at_open_invoice(Instant now, Instant created_at, Instant expires_at);

/* An invoice that nobody should pay any more: none when 14 days have passed. */
extern Instant next_look_at_dead_invoice(Instant now, Instant expires_at);

static inline Instant
sooner(Instant a, Instant b)
{
	return instant_before(b, a) ? b : a;
}

static inline Instant
later(Instant a, Instant b)
{
	return instant_before(a, b) ? b : a;
}

#endif
