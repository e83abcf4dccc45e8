/*
 * lane.h
 *		Which lane of the log a message goes through.
 *
 * All messages of one aggregate go through one lane, so that a worker a lane
 * keeps their order.  The hash is spark's own: that of a server may differ from
 * machine to machine, and a lane is written down.
 */
#ifndef SPARK_COMMON_LANE_H
#define SPARK_COMMON_LANE_H

#include "common/uuid.h"

#include <stdbool.h>

#define MAX_LANES 64

/* A power of two from 1 to MAX_LANES. */
extern bool is_lane_count(int lanes);

/* The lane of that key, from 0 to lanes - 1. */
extern int	lane_of(Uuid key, int lanes);

#endif
