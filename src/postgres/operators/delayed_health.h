/*
 * delayed_health.h
 *		Row "delayed" of spark_ops.health(): whether too much waits until it is due.
 */
#ifndef SPARK_POSTGRES_OPERATORS_DELAYED_HEALTH_H
#define SPARK_POSTGRES_OPERATORS_DELAYED_HEALTH_H

#include "postgres/operators/health.h"

extern HealthCheck delayed_probe(Arena *arena);

#endif
