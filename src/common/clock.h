/*
 * clock.h
 *		Time and chance, as ports: a test hands in its own.
 */
#ifndef SPARK_COMMON_CLOCK_H
#define SPARK_COMMON_CLOCK_H

#include "common/uuid.h"

#include <stdint.h>

/* Microseconds since 1970-01-01 UTC.  0 stands for "no time". */
typedef struct Instant
{
	int64_t		microseconds;
} Instant;

#define INSTANT_NONE ((Instant) {0})
#define MICROSECONDS_PER_SECOND INT64_C(1000000)

static inline bool
instant_is_none(Instant instant)
{
	return instant.microseconds == 0;
}

static inline Instant
instant_plus_seconds(Instant instant, int64_t seconds)
{
	return (Instant) {instant.microseconds + seconds * MICROSECONDS_PER_SECOND};
}

static inline bool
instant_before(Instant a, Instant b)
{
	return a.microseconds < b.microseconds;
}

typedef struct Clock Clock;

struct Clock
{
	Instant		(*now) (Clock *self);
};

typedef struct IdSource IdSource;

struct IdSource
{
	/* A new version 7 id; never the same twice. */
	Uuid		(*next) (IdSource *self);
};

#endif
