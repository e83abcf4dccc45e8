/*
 * delayed_health.c
 *		Row "delayed" of spark_ops.health(): whether too much waits until it is due.
 *
 * Whose that is, the next thousand tell.
 */
#include "postgres/operators/delayed_health.h"

#include "postgres/counts/delayed_count.h"
#include "postgres/statement.h"

static Statement find_most_frequent = {
	.sql = "SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.count(*)) OVER ()::bigint, type, emitted_by"
	" FROM (SELECT type, emitted_by FROM spark_common.delayed WHERE due > pg_catalog.now() ORDER BY due, id LIMIT 1000) next"
	" GROUP BY type, emitted_by ORDER BY 1 DESC, type LIMIT 1",
	.read_only = true};

/* NULL: they are all due now. */
static const char *
most_frequent(Arena *arena)
{
	Rows		rows = rows_open(&find_most_frequent, NO_PARAMETERS);
	const char *words = NULL;

	if (rows_next(&rows))
		words = arena_printf(arena, "of the next %lld, %lld are %s, emitted by %s; if they multiply, unsubscribe the handler that emits them",
							 (long long) row_bigint(&rows, 2), (long long) row_bigint(&rows, 1),
							 row_text(&rows, 3, arena), row_text(&rows, 4, arena));
	rows_close(&rows);
	return words;
}

HealthCheck
delayed_probe(Arena *arena)
{
	int64		waiting = delayed_about();
	bool		ok = delayed_soft_limit == 0 || waiting < delayed_soft_limit;
	const char *whose = ok ? NULL : most_frequent(arena);

	return (HealthCheck) {
		.ok = ok,
		.detail = arena_printf(arena, "about %lld messages wait until they are due%s%s", (long long) waiting,
							   whose != NULL ? "; " : "", whose != NULL ? whose : ""),
	};
}
