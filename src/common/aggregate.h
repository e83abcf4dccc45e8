/*
 * aggregate.h
 *		The building block of the write side: a cluster of values that changes
 *		as one, under rules of its own (Evans, Domain-Driven Design).
 *
 * Every aggregate struct begins with an Aggregate.  It is made of plain values
 * and texts of an arena; the unit of work compares it, byte for byte, with the
 * image it was loaded as, to know whether it must be written.
 */
#ifndef SPARK_COMMON_AGGREGATE_H
#define SPARK_COMMON_AGGREGATE_H

#include "common/uuid.h"

#include <stddef.h>
#include <stdint.h>

typedef struct AggregateType
{
	const char *name;			/* "campaign" */
	size_t		size;			/* of the struct that begins with Aggregate */
	int			rank;			/* place in the one global order of locks */
} AggregateType;

typedef struct Aggregate
{
	const AggregateType *type;
	Uuid		id;
	int64_t		version;		/* of the row as loaded; 0: not stored yet */
} Aggregate;

/*
 * The global order in which rows are locked and written: by rank, then by id.
 * The dispatcher handles many messages in one transaction, commands of users
 * lock beside it: one order for all keeps them from waiting in a circle.
 */
enum
{
	RANK_AUTH_ACCOUNT = 10,
	RANK_CREATOR = 20,
	RANK_CAMPAIGN = 30,
	RANK_DONATION = 40,
	RANK_DEPOSIT = 50,
	RANK_WITHDRAWAL = 60,
	RANK_LEDGER_ACCOUNT = 70,
	RANK_OUTFLOW = 75,
	RANK_TRANSFER = 80,
	RANK_DASHBOARD = 90
};

#endif
