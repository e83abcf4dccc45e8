/*
 * detach.h
 *		A consumer of a user that is gone must not keep the log for ever.
 *
 * First comes the alarm: row "rotation" of spark_ops.health(), and from half of
 * its time on the server's log.  A consumer that has stood still in a lane for
 * spark.subscriber_max_lag, with something there to hear, then loses its cursors:
 * what it has not heard it will not hear, which is recorded.  Its subscriptions
 * stay; spark_ops.resync() has it begin anew.
 */
#ifndef SPARK_POSTGRES_BUS_DETACH_H
#define SPARK_POSTGRES_BUS_DETACH_H

#include "postgres/server.h"

#include "common/clock.h"

/*
 * When it will be detached, as it keeps that segment from being emptied and if it
 * does not move before; none: never, for it is a context's, an operator has
 * paused it, or all may stay behind for ever.
 */
extern Instant detached_from(const char *consumer, int lane, int segment);

/* Detaches it if that time has come, and nobody serves it just now.  False: it is not. */
extern bool detach_if_gone(const char *consumer, int lane, int segment);

extern bool is_detached(const char *consumer);

/* Of a consumer that has unsubscribed. */
extern void forget_detached(const char *consumer);

#endif
