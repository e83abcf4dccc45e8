/*
 * lock_health.c
 *		Row "locks" of spark_ops.health(): who keeps a consumer from its messages,
 *		or the workers from what they need besides.
 */
#include "postgres/operators/lock_health.h"

#include "postgres/bus/consumers.h"
#include "postgres/environment.h"
#include "postgres/bus/place.h"
#include "postgres/statement.h"
#include "postgres/workers/worker_slots.h"

#define LONG "interval '5 s'"

/* Of a transaction: it is prepared, or goes on for long and is no worker's. */
#define IS_IN_THE_WAY "(a.pid IS NULL OR (a.backend_type NOT LIKE 'spark %'" \
	" AND a.xact_start < pg_catalog.clock_timestamp() - " LONG "))"
#define OF_THIS_DATABASE "l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"

/* A session keeps it to the end of its transaction; a worker for a batch, or as long as a handler takes. */
static Statement find_places = {
	.sql = "SELECT l.pid, l.classid::bigint, l.objid::bigint,"
	" EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8"
	" FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
	" WHERE l.locktype = 'advisory' AND l.objsubid = $1 AND l.granted"
	" AND " OF_THIS_DATABASE " AND " IS_IN_THE_WAY
	" ORDER BY a.xact_start, l.classid, l.objid",
	.read_only = true};

/* Those that workers, who read and write all tables of the bus, do not get along with. */
static Statement find_locks = {
	.sql = "SELECT l.pid, c.relname::text, EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8"
	" FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
	" WHERE l.locktype = 'relation' AND l.granted AND n.nspname = 'spark_common' AND c.relkind = 'r'"
	" AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
	" AND " OF_THIS_DATABASE " AND " IS_IN_THE_WAY
	" ORDER BY a.xact_start, c.relname",
	.read_only = true};

static Statement find_waiting = {
	.sql = "SELECT w.pid, a.backend_type, (pg_catalog.pg_blocking_pids(w.pid))[1],"
	" EXTRACT(epoch FROM pg_catalog.clock_timestamp() - w.waitstart)::float8"
	" FROM pg_catalog.pg_locks w JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid"
	" WHERE NOT w.granted AND w.waitstart < pg_catalog.clock_timestamp() - " LONG
	" AND a.backend_type LIKE 'spark %' AND a.datname = pg_catalog.current_database() ORDER BY w.waitstart",
	.read_only = true};

/* What was found, as words. */
typedef struct Found
{
	Arena	   *arena;
	List	   *listeners;
	const char *words;			/* NULL: nothing */
} Found;

static void
add(Found *found, const char *words)
{
	found->words = found->words == NULL ? words : arena_printf(found->arena, "%s; %s", found->words, words);
}

/* Process 0: what holds it is prepared, and belongs to none. */
static const char *
holder_words(Arena *arena, int pid)
{
	return pid != 0 ? arena_printf(arena, "process %d", pid) : "a prepared transaction";
}

static const char *
consumer_of_place(const Found *found, int64 number)
{
	ListCell   *cell;

	foreach(cell, found->listeners)
		if (place_number(((const Listener *) lfirst(cell))->name) == (uint32) number)
			return ((const Listener *) lfirst(cell))->name;
	return "that is gone";
}

/* Of a consumer in a lane, or the mover's. */
static void
add_places(Found *found, int kind)
{
	Rows		rows = rows_open(&find_places, PARAMETERS(param_int(kind)));

	while (rows_next(&rows))
	{
		bool		is_prepared = row_is_null(&rows, 1);
		const char *kept = kind == MOVER_KIND ? "delayed messages waiting"
			: arena_printf(found->arena, "consumer %s waiting in lane %d",
						   consumer_of_place(found, row_bigint(&rows, 2)), (int) row_bigint(&rows, 3));

		add(found, arena_printf(found->arena, "%s keeps %s: its transaction%s has %s",
								holder_words(found->arena, is_prepared ? 0 : row_int(&rows, 1)), kept,
								is_prepared ? "" : arena_printf(found->arena, ", open for %.0f s,", row_double(&rows, 4)),
								kind == MOVER_KIND ? "moved some" : "handled messages"));
	}
	rows_close(&rows);
}

static void
add_locks(Found *found)
{
	Rows		rows = rows_open(&find_locks, NO_PARAMETERS);

	while (rows_next(&rows))
	{
		bool		is_prepared = row_is_null(&rows, 1);

		add(found, arena_printf(found->arena, "%s holds a lock on spark_common.%s%s",
								holder_words(found->arena, is_prepared ? 0 : row_int(&rows, 1)),
								row_text(&rows, 2, found->arena),
								is_prepared ? "" : arena_printf(found->arena, ", in a transaction open for %.0f s", row_double(&rows, 3))));
	}
	rows_close(&rows);
}

/* Whom a worker serves; NULL: it is not one of those that serve one alone. */
static const char *
consumer_of_worker(const Found *found, int pid)
{
	char		name[NAMEDATALEN];
	WorkerKind	kind;

	if (find_worker(pid, &kind, name) && (kind == WORKER_CONSUMER || kind == WORKER_CONTEXT))
		return arena_printf(found->arena, "%s", name);
	return NULL;
}

static void
add_waiting(Found *found)
{
	Rows		rows = rows_open(&find_waiting, NO_PARAMETERS);

	while (rows_next(&rows))
	{
		const char *consumer = consumer_of_worker(found, row_int(&rows, 1));

		add(found, arena_printf(found->arena, "%s%s has waited %.0f s for a lock that %s holds",
								row_text(&rows, 2, found->arena),
								consumer != NULL ? arena_printf(found->arena, " %s", consumer) : "",
								row_double(&rows, 4),
								holder_words(found->arena, row_is_null(&rows, 3) ? 0 : row_int(&rows, 3))));
	}
	rows_close(&rows);
}

HealthCheck
lock_probe(Arena *arena)
{
	Found		found = {.arena = arena, .listeners = listeners_at_once(arena)};

	add_places(&found, PLACE_KIND);
	add_places(&found, MOVER_KIND);
	add_locks(&found);
	add_waiting(&found);
	return (HealthCheck) {
		.ok = found.words == NULL,
		.detail = found.words != NULL ? found.words : "nobody keeps a consumer from its messages",
	};
}
