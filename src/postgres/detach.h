/*
 * detach.h
 *		A consumer of a user that is gone must not keep the log for ever.
 *
 * First comes the alarm (row "rotation" of spark_ops.health()).  Where the
 * operator has set spark.subscriber_max_lag, a consumer that has not moved for
 * longer loses its cursors: what it has not heard it will not hear, which is
 * recorded.  Its subscriptions stay; spark_ops.resync() has it begin anew.
 */
#ifndef SPARK_POSTGRES_DETACH_H
#define SPARK_POSTGRES_DETACH_H

#include "postgres/server.h"

/*
 * Detaches the consumer if it may be: a user's, that nobody serves just now and
 * that has stood still for too long.  False: it is not.
 */
extern bool detach_if_gone(const char *consumer);

extern bool is_detached(const char *consumer);

/* Of a consumer that has unsubscribed. */
extern void forget_detached(const char *consumer);

#endif
