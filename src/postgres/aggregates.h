/*
 * aggregates.h
 *		What every repository over SPI does alike: many rows by their ids.
 *
 *		DEFINE_LOAD(load_campaigns,
 *					"SELECT " COLUMNS " FROM .. WHERE campaign_id = ANY ($1) ORDER BY campaign_id",
 *					read_campaign)
 *
 * Invariants: column 1 is the id, column 2 the version; the statement takes the
 * ids as its one parameter and orders by them, which is also the order in which
 * it locks.
 */
#ifndef SPARK_POSTGRES_AGGREGATES_H
#define SPARK_POSTGRES_AGGREGATES_H

#include "postgres/statement.h"

#include "common/unit_of_work.h"

/* The current row, from column 3 on, as a new aggregate of that arena. */
typedef Aggregate *(*AggregateReader) (const Rows *rows, Arena *arena);

/* Repository.load: found[i] is the row of ids[i], or NULL. */
extern Result aggregates_load(const Repository *self, UnitOfWork *work, Statement *statement,
							  const Uuid *ids, size_t count, AggregateReader read,
							  Aggregate **found) MUST_CHECK;

/* Defines Repository.load by the statement that reads rows by their ids. */
#define DEFINE_LOAD(function, by_id, read) \
	static Result \
	function(const Repository *self, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found) \
	{ \
		static Statement plain = {.sql = by_id}; \
		static Statement locked = {.sql = by_id " FOR NO KEY UPDATE"}; \
	\
		return aggregates_load(self, work, lock ? &locked : &plain, ids, count, (read), found); \
	}

/* The current row as an aggregate of that type, with its id and version. */
extern Aggregate *aggregate_of_row(const AggregateType *type, const Rows *rows, Arena *arena,
								   AggregateReader read);

/* The first of those rows, which end here; NULL where there is none. */
extern Aggregate *only_aggregate(const AggregateType *type, Rows rows, Arena *arena, AggregateReader read);

/*
 * Repository.insert_many and update_many, where rows of a batch are many: one
 * statement over the rows that put() writes (statement.h).
 */
extern Result aggregates_insert(Statement *statement, const Aggregate *const *aggregates, size_t count,
								RowWriter put) MUST_CHECK;
extern Result aggregates_update(Statement *statement, const Aggregate *const *aggregates, size_t count,
								RowWriter put) MUST_CHECK;

/* Repository.insert and update of such a repository: many of one. */
extern Result aggregate_insert(const Repository *self, UnitOfWork *work, const Aggregate *aggregate) MUST_CHECK;
extern Result aggregate_update(const Repository *self, UnitOfWork *work, const Aggregate *aggregate) MUST_CHECK;

/* Repository.insert: OK where the INSERT .. ON CONFLICT DO NOTHING wrote its row, else DUPLICATE. */
extern Result inserted(uint64 rows) MUST_CHECK;

/* Repository.update: OK where the row of that id and version was there, else INTERNAL. */
extern Result updated(uint64 rows) MUST_CHECK;

#endif
