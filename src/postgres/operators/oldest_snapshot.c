/*
 * oldest_snapshot.c
 *		Who holds the oldest snapshot, behind which vacuum cannot clean up.
 *
 * A standby that has a slot is told by its slot, one without by its connection,
 * which is therefore no session here.  Of a logical slot, and of one that has
 * both, the older of its two transaction ids counts.
 */
#include "postgres/operators/oldest_snapshot.h"

#include "postgres/statement.h"

int			snapshot_max_age;
int			snapshot_max_transactions;

static Statement find_oldest = {
	.sql = "SELECT holder, query, age, xids, pg_catalog.max(age) OVER (),"
	" COALESCE(age >= $1, false) OR xids >= $2 FROM ("
	" SELECT pg_catalog.format('pid %s (%s)', pid, COALESCE(backend_type, 'unknown')) AS holder,"
	"  NULLIF(pg_catalog.left(pg_catalog.regexp_replace(query, '\\s+', ' ', 'g'), 100), '') AS query,"
	"  EXTRACT(epoch FROM pg_catalog.clock_timestamp() - COALESCE(xact_start, query_start, backend_start))::float8 AS age,"
	"  pg_catalog.age(backend_xmin)::bigint AS xids"
	"  FROM pg_catalog.pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()"
	"  AND backend_type IS DISTINCT FROM 'walsender'"
	" UNION ALL SELECT pg_catalog.format('prepared %s', gid), NULL,"
	"  EXTRACT(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8, pg_catalog.age(transaction)"
	"  FROM pg_catalog.pg_prepared_xacts"
	" UNION ALL SELECT pg_catalog.format('slot %s%s', slot_name, CASE WHEN NOT active THEN ' (nobody uses it)' END), NULL, NULL,"
	"  GREATEST(pg_catalog.age(xmin), pg_catalog.age(catalog_xmin))"
	"  FROM pg_catalog.pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL"
	" UNION ALL SELECT pg_catalog.format('standby %s', COALESCE(NULLIF(application_name, ''), pid::text)), NULL, NULL,"
	"  pg_catalog.age(backend_xmin) FROM pg_catalog.pg_stat_replication WHERE backend_xmin IS NOT NULL) h"
	" ORDER BY 6 DESC, xids DESC, age DESC NULLS LAST LIMIT 1",
	.read_only = true};

void
define_snapshot_settings(void)
{
	DefineCustomIntVariable("spark.snapshot_max_age",
							"Sets after what time a held snapshot is a matter for health.",
							NULL, &snapshot_max_age, 3600, 1, 31536000, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("spark.snapshot_max_transactions",
							"Sets after how many transactions a held snapshot is a matter for health.",
							"Slots and standbys are judged by it alone, as they have no time.",
							&snapshot_max_transactions, 10000000, 1, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

OldestSnapshot
oldest_snapshot(Arena *arena)
{
	OldestSnapshot oldest = {.seconds = -1};
	Rows		rows = rows_open(&find_oldest, PARAMETERS(param_bigint(snapshot_max_age), param_bigint(snapshot_max_transactions)));

	if (rows_next(&rows))
	{
		oldest.holder = row_text(&rows, 1, arena);
		oldest.query = row_text(&rows, 2, arena);
		oldest.seconds = row_is_null(&rows, 3) ? -1 : row_double(&rows, 3);
		oldest.transactions = row_bigint(&rows, 4);
		oldest.longest = row_is_null(&rows, 5) ? 0 : row_double(&rows, 5);
		oldest.is_too_old = row_bool(&rows, 6);
	}
	rows_close(&rows);
	return oldest;
}
