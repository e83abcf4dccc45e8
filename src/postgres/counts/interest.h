/*
 * interest.h
 *		Message types as bits: who listens to what was emitted.
 *
 * Several types share a bit: a hint that may be wrong in one way only.  A worker
 * is woken where what was emitted meets what it listens to.
 */
#ifndef SPARK_POSTGRES_COUNTS_INTEREST_H
#define SPARK_POSTGRES_COUNTS_INTEREST_H

#include "postgres/server.h"

typedef struct Interest
{
	uint64		bits[4];
} Interest;

extern void interest_add(Interest *interest, const char *message_type);
extern void interest_add_all(Interest *interest);
extern bool interests_meet(const Interest *one, const Interest *other);

#endif
