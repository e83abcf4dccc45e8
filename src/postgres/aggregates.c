/*
 * aggregates.c
 *		Many rows by their ids, for the repositories of all contexts.
 */
#include "postgres/aggregates.h"

Aggregate *
aggregate_of_row(const AggregateType *type, const Rows *rows, Arena *arena, AggregateReader read)
{
	Aggregate  *aggregate = read(rows, arena);

	aggregate->type = type;
	aggregate->id = row_uuid(rows, 1);
	aggregate->version = row_bigint(rows, 2);
	return aggregate;
}

Result
aggregates_load(const Repository *self, UnitOfWork *work, Statement *statement,
				const Uuid *ids, size_t count, AggregateReader read, Aggregate **found)
{
	Rows		rows = rows_open(statement, PARAMETERS(param_uuids(ids, count)));
	size_t		place = 0;

	memset(found, 0, sizeof(Aggregate *) * count);
	while (rows_next(&rows))
	{
		Aggregate  *aggregate = aggregate_of_row(self->type, &rows, work->arena, read);

		/* ids and rows ascend alike, so one walk along both finds every place */
		while (place < count && !uuid_equal(ids[place], aggregate->id))
			place++;
		if (place == count)
			break;
		found[place] = aggregate;
	}
	rows_close(&rows);
	return place < count || count == 0 ? OK : FAIL_BECAUSE(INTERNAL, "Rows came in another order than their ids.");
}

Aggregate *
only_aggregate(const AggregateType *type, Rows rows, Arena *arena, AggregateReader read)
{
	Aggregate  *aggregate = rows_next(&rows) ? aggregate_of_row(type, &rows, arena, read) : NULL;

	rows_close(&rows);
	return aggregate;
}

Result
aggregates_insert(Statement *statement, const Aggregate *const *aggregates, size_t count, RowWriter put)
{
	return statement_run_rows(statement, (const void *const *) aggregates, count, put) == count
		? OK : FAIL(DUPLICATE);
}

Result
aggregates_update(Statement *statement, const Aggregate *const *aggregates, size_t count, RowWriter put)
{
	return statement_run_rows(statement, (const void *const *) aggregates, count, put) == count
		? OK : FAIL_BECAUSE(INTERNAL, "A row was changed or removed under its lock.");
}

Result
aggregate_insert(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	return self->insert_many(self, work, &aggregate, 1);
}

Result
aggregate_update(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	return self->update_many(self, work, &aggregate, 1);
}

Result
inserted(uint64 rows)
{
	return rows == 1 ? OK : FAIL(DUPLICATE);
}

Result
updated(uint64 rows)
{
	return rows == 1 ? OK : FAIL_BECAUSE(INTERNAL, "A row was changed or removed under its lock.");
}
