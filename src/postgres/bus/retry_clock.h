/*
 * retry_clock.h
 *		When the next parked message of a consumer is due, as this worker knows it.
 *
 * Most turns of a worker have nothing to retry.  To find that out anew costs a
 * transaction before the first new message is handled; yet each turn ends with
 * the question how long the worker may sleep, and the answer holds until then:
 * whatever is parked meanwhile is seen at the end of the next turn.
 */
#ifndef SPARK_POSTGRES_BUS_RETRY_CLOCK_H
#define SPARK_POSTGRES_BUS_RETRY_CLOCK_H

#include "postgres/server.h"

#include "common/clock.h"

/* The answer of the tables; none: nothing is parked there. */
extern void retry_clock_set(const char *consumer, int lane, Instant due);

/* A turn has ended without that question: look. */
extern void retry_clock_forget(const char *consumer, int lane);

/* Also true where it is not set. */
extern bool retry_may_be_due(const char *consumer, int lane);

#endif
