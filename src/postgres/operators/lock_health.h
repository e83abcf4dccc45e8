/*
 * lock_health.h
 *		Row "locks" of spark_ops.health(): who keeps a consumer from its messages.
 */
#ifndef SPARK_POSTGRES_OPERATORS_LOCK_HEALTH_H
#define SPARK_POSTGRES_OPERATORS_LOCK_HEALTH_H

#include "postgres/server.h"

#include "postgres/operators/health.h"

/*
 * Not ok where a session has held a consumer's place, or the mover's (place.h), or a worker has
 * waited for somebody's lock, for some seconds.  A context that gives way to a
 * lock (give_way.h) does not wait: it pauses, and row "paused" names the holder.
 */
extern HealthCheck lock_probe(Arena *arena);

#endif
