/*
 * repository.h
 *		The port through which aggregates of one type come and go.
 *
 * A context's own repository struct begins with a Repository and adds the
 * finders that its handlers need.  Adapters: SPI in the context's postgres.c,
 * in memory in test/unit/.
 *
 * Domain answers are Results; a broken database raises by itself and never
 * returns here.
 */
#ifndef SPARK_COMMON_REPOSITORY_H
#define SPARK_COMMON_REPOSITORY_H

#include "common/aggregate.h"
#include "common/result.h"

struct UnitOfWork;

typedef struct Repository Repository;

struct Repository
{
	const AggregateType *type;

	/*
	 * Reads the rows of count different ids, given in ascending order, into
	 * aggregates of the unit's arena, locked until the transaction ends where
	 * lock is set, in the order given.  found[i] is NULL for an id without row.
	 */
	Result		(*load) (const Repository *self, struct UnitOfWork *work,
						 const Uuid *ids, size_t count, bool lock, Aggregate **found);

	/* Writes a new row.  RESULT_DUPLICATE where its key is taken; then nothing was written. */
	Result		(*insert) (const Repository *self, struct UnitOfWork *work, const Aggregate *aggregate);

	/*
	 * Writes a changed row of that version, making it version + 1.
	 * RESULT_INTERNAL where there is no such row.
	 */
	Result		(*update) (const Repository *self, struct UnitOfWork *work, const Aggregate *aggregate);

	/*
	 * Optional: the same for many different rows at once, in that order.  After a
	 * refusal some may have been written: the unit has failed as a whole.
	 */
	Result		(*insert_many) (const Repository *self, struct UnitOfWork *work,
								const Aggregate *const *aggregates, size_t count);
	Result		(*update_many) (const Repository *self, struct UnitOfWork *work,
								const Aggregate *const *aggregates, size_t count);
};

#endif
