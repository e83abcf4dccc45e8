/*
 * count_health.h
 *		Row "counts" of spark_ops.health(): whether there is room in shared memory.
 */
#ifndef SPARK_POSTGRES_OPERATORS_COUNT_HEALTH_H
#define SPARK_POSTGRES_OPERATORS_COUNT_HEALTH_H

#include "postgres/operators/health.h"

extern HealthCheck count_probe(Arena *arena);

#endif
