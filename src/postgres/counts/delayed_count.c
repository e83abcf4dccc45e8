/*
 * delayed_count.c
 *		How many messages wait until they are due.
 *
 * The server itself counts the rows of a table in shared memory, as transactions
 * end, prepared ones, too; a session tells of its own when it comes to rest, once
 * a second at most.  After a crash of the server that begins anew: so who only
 * looks is told what the last ANALYZE has found, where that is more.
 */
#include "postgres/counts/delayed_count.h"

#include "postgres/errors.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

int			delayed_soft_limit;
int			delayed_hard_limit;

void
define_delayed_settings(void)
{
	DefineCustomIntVariable("spark.delayed_soft_limit",
							"Sets how many messages that are not due yet are shown as too many in health; 0: none.",
							NULL, &delayed_soft_limit, 1000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spark.delayed_hard_limit",
							"Sets at how many messages that are not due yet no further one is taken; 0: never.",
							"Nor of handlers: their consumer pauses.",
							&delayed_hard_limit, 10000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static double
rows_at_last_analyze(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	double		rows;

	if (!HeapTupleIsValid(tuple))
		return 0;
	rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return rows;
}

static Oid
table_of_delayed(void)
{
	Oid			schema = get_namespace_oid("spark_common", true);

	return OidIsValid(schema) ? get_relname_relid("delayed", schema) : InvalidOid;
}

static int64
rows_counted(Oid table)
{
	return DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples, ObjectIdGetDatum(table)));
}

int64
delayed_about(void)
{
	Oid			table = table_of_delayed();

	return Max(rows_counted(table), (int64) rows_at_last_analyze(table));
}

void
admit_delayed(void)
{
	int64		waiting = delayed_hard_limit > 0 ? rows_counted(table_of_delayed()) : 0;

	if (delayed_hard_limit > 0 && waiting >= delayed_hard_limit)
		refuse(RESULT_BACK_PRESSURE, "About %lld messages wait until they are due, and spark.delayed_hard_limit is %d.",
			   (long long) waiting, delayed_hard_limit);
}
