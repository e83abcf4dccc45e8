/*
 * health.h
 *		Checks of spark_ops.health() that contexts add to those of the bus.
 */
#ifndef SPARK_POSTGRES_OPERATORS_HEALTH_H
#define SPARK_POSTGRES_OPERATORS_HEALTH_H

#include "postgres/server.h"

#include "common/arena.h"
#include "postgres/bus/consumers.h"

typedef struct HealthCheck
{
	const char *name;
	bool		ok;
	const char *detail;
} HealthCheck;

/* Why that consumer waits; NULL: it does not. */
extern const char *why_paused(const Listener *listener);

/* One more check; asked only where the tables are there.  Wired by the composition root. */
typedef HealthCheck (*HealthProbe) (Arena *arena);
extern void add_health_probe(const char *name, HealthProbe probe);

#endif
