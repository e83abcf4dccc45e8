/*
 * health.c
 *		spark_ops.health(): what is wrong, and who holds things up.
 *
 * A row a check, always the same checks, also before spark.install().
 */
#include "postgres/operators/health.h"

#include "postgres/answers.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/handler_call.h"
#include "postgres/installed.h"
#include "postgres/bus/log.h"
#include "postgres/operators/oldest_snapshot.h"
#include "postgres/counts/pressure.h"
#include "postgres/bus/rotation.h"
#include "postgres/statement.h"
#include "postgres/transaction.h"
#include "postgres/counts/waiting.h"
#include "postgres/workers/worker_slots.h"

#include "commands/extension.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(spark_ops_health);

#define MAX_PROBES 8
#define SEEN_FOR 10				/* seconds */
#define LOCK_WAIT "100ms"

typedef struct NamedProbe
{
	const char *name;
	HealthProbe probe;
} NamedProbe;

static NamedProbe probes[MAX_PROBES];
static int	probe_count;

static Statement prepared = {
	.sql = "SELECT pg_catalog.string_agg(gid, ', ' ORDER BY prepared) FROM pg_catalog.pg_prepared_xacts"
	" WHERE database = pg_catalog.current_database()",
	.read_only = true};

static Statement extension_version = {
	.sql = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'spark'",
	.read_only = true};

static Statement node_health = {
	.sql = "SELECT check_name, ok, detail FROM spark_ops.node_health()",
	.read_only = true};

void
add_health_probe(const char *name, HealthProbe probe)
{
	if (probe_count < MAX_PROBES)
		probes[probe_count++] = (NamedProbe) {name, probe};
}

static void
put(Answer *answer, const char *name, bool ok, const char *detail)
{
	answer_text(answer, name);
	answer_bool(answer, ok);
	answer_text(answer, detail);
	answer_put(answer);
}

static void
put_preload(Answer *answer)
{
	put(answer, "preload", is_preloaded(), is_preloaded()
		? "spark is in shared_preload_libraries"
		: "add spark to shared_preload_libraries and restart: no worker, no node calls, no login throttle until then");
}

/* Consumers of users that share the dispatcher, for want of worker slots; NULL: none. */
static const char *
sharers(List *all)
{
	char	   *names = NULL;
	ListCell   *cell;

	foreach(cell, all)
	{
		const Listener *listener = lfirst(cell);

		if (listener->context == NULL && consumer_counters(listener->name).shared)
			names = psprintf("%s%s%s", names != NULL ? names : "", names != NULL ? ", " : "", listener->name);
	}
	return names;
}

static void
put_worker(Answer *answer, List *all)
{
	const char *shared = sharers(all);
	int			launcher = worker_pid(WORKER_LAUNCHER, NULL);
	int			dispatcher = worker_pid(WORKER_DISPATCHER, "");
	int			lightning = worker_pid(WORKER_LIGHTNING, NULL);

	if (launcher == 0)
		put(answer, "worker", false, "the launcher is missing: is spark preloaded, and is this no standby?");
	else if (dispatcher == 0)
		put(answer, "worker", false, "no dispatcher serves this database: name it in spark.databases, and look into the server's log");
	else if (lightning == 0 && installed_version("bitcoin") > 0)
		put(answer, "worker", false, "the Lightning worker is missing: raise max_worker_processes, and look into the server's log");
	else if (shared != NULL)
		put(answer, "worker", false, psprintf("raise max_worker_processes: without a worker of their own are %s", shared));
	else
		put(answer, "worker", true, psprintf("launcher %d, dispatcher %d%s", launcher, dispatcher,
											 lightning == 0 ? "" : psprintf(", lightning %d", lightning)));
}

typedef struct Backlogged
{
	int64		messages;
	const char *consumer;
	int			lane;
} Backlogged;

static void
add_backlog(Backlogged *longest, int64 messages, const char *consumer, int lane)
{
	if (messages > longest->messages)
		*longest = (Backlogged) {messages, consumer, lane};
}

/* As it is counted: of contexts all that they have to pass, of others what they want. */
static void
put_backlog(Answer *answer, List *all, const Waiting *waiting, int lanes)
{
	Backlogged	longest = {0, "nobody", 0};
	ListCell   *cell;

	for (int lane = 0; lane < lanes; lane++)
	{
		Backlog		backlog = pressure_of(lane);

		add_backlog(&longest, backlog.messages, backlog.context, lane);
	}
	foreach(cell, all)
	{
		const Listener *listener = lfirst(cell);

		for (int lane = 0; lane < lanes; lane++, waiting++)
			if (listener->context == NULL)
				add_backlog(&longest, waiting->messages, listener->name, lane);
	}
	put(answer, "backlog", lane_soft_limit == 0 || longest.messages < lane_soft_limit,
		psprintf("%lld messages of lane %d wait for %s", (long long) longest.messages, longest.lane, longest.consumer));
}

static void
put_snapshot(Answer *answer, Arena *arena)
{
	OldestSnapshot oldest = oldest_snapshot(arena);

	put(answer, "snapshot", !oldest.is_too_old, oldest.holder == NULL ? "no other session holds a snapshot"
		: arena_printf(arena, "held by %s%s, %lld transactions ago%s%s", oldest.holder,
					   oldest.seconds < 0 ? "" : arena_printf(arena, " for %.0f s", oldest.seconds),
					   (long long) oldest.transactions,
					   oldest.query != NULL ? ": " : "", oldest.query != NULL ? oldest.query : ""));
}

static void
put_prepared(Answer *answer, Arena *arena)
{
	Rows		rows = rows_open(&prepared, NO_PARAMETERS);
	const char *gids = rows_next(&rows) ? row_text(&rows, 1, arena) : NULL;

	rows_close(&rows);
	put(answer, "prepared", gids == NULL, gids == NULL ? "no prepared transaction"
		: psprintf("prepared transactions wait to be ended: %s", gids));
}

/* The worker that said so looks again each second, if it lives. */
static bool
is_kept_off(const ConsumerCounters *counters)
{
	return counters->in_the_way[0] != '\0' &&
		instant_before(server_time(), instant_plus_seconds(counters->seen_at, SEEN_FOR));
}

/* What is missing is looked up; the rest the workers have told. */
const char *
why_paused(const Listener *listener)
{
	ConsumerCounters counters = consumer_counters(listener->name);
	const char *why = why_stopped(listener);

	if (why != NULL)
		return why;
	if (listener->context == NULL && find_handlers(listener, &why) == NULL)
		return why;
	if (counters.paused[0] != '\0')
		return pstrdup(counters.paused);
	return is_kept_off(&counters) ? pstrdup(counters.in_the_way) : NULL;
}

static void
put_paused(Answer *answer, List *all)
{
	ListCell   *cell;
	char	   *detail = NULL;

	foreach(cell, all)
	{
		const Listener *listener = lfirst(cell);
		const char *why = why_paused(listener);

		if (why != NULL)
			detail = psprintf("%s%s%s: %s", detail != NULL ? detail : "", detail != NULL ? "; " : "",
							  listener->name, why);
	}
	put(answer, "paused", detail == NULL, detail != NULL ? detail : "no consumer is paused");
}

/* The first by name stands for all. */
static void
put_blocked(Answer *answer, List *all, const Waiting *waiting, int lanes)
{
	int64		keys = 0;
	int64		dead = 0;
	const char *consumer = NULL;
	const char *detail = "no key waits behind a failed message";
	ListCell   *cell;

	foreach(cell, all)
	{
		const Listener *listener = lfirst(cell);

		for (int lane = 0; lane < lanes; lane++, waiting++)
		{
			keys += waiting->blocked;
			dead += waiting->dead;
			if (waiting->blocked > 0 && (consumer == NULL || strcmp(listener->name, consumer) < 0))
				consumer = listener->name;
		}
	}
	if (keys > 0)
		detail = psprintf("%lld keys wait behind failed messages, of consumer %s among others; see spark_ops.dead_letters()",
						  (long long) keys, consumer);
	else if (dead > 0)
		detail = psprintf("%lld messages are dead, and no other waits for them; see spark_ops.dead_letters()",
						  (long long) dead);
	put(answer, "blocked", keys == 0 && dead == 0, detail);
}

static const char *
size_of_log(void)
{
	const LogShape *shape = log_shape();
	int64		size = 0;

	for (int lane = 0; lane < shape->made; lane++)
		for (int segment = 0; segment < LOG_SEGMENTS; segment++)
			size += DatumGetInt64(DirectFunctionCall1(pg_total_relation_size,
													  ObjectIdGetDatum(log_segment_table(lane, segment))));
	return text_to_cstring(DatumGetTextPP(DirectFunctionCall1(pg_size_pretty, Int64GetDatum(size))));
}

static void
put_rotation(Answer *answer, Arena *arena)
{
	const char *obstacle = rotation_obstacle(arena);

	put(answer, "rotation", obstacle == NULL,
		psprintf("the log holds %s%s%s", size_of_log(), obstacle != NULL ? "; " : "", obstacle != NULL ? obstacle : ""));
}

static Statement lost_schemas = {
	.sql = "SELECT pg_catalog.string_agg('spark_' || context, ', ' ORDER BY context) FROM spark_common.installed"
	" WHERE pg_catalog.to_regnamespace('spark_' || context) IS NULL",
	.read_only = true};

/* Schemas with books that somebody has dropped; NULL: none. */
static const char *
lost_books(Arena *arena)
{
	Rows		rows;
	const char *names;

	if (installed_version("common") == 0)
		return NULL;
	rows = rows_open(&lost_schemas, NO_PARAMETERS);
	names = rows_next(&rows) ? row_text(&rows, 1, arena) : NULL;
	rows_close(&rows);
	return names;
}

static Statement made_contexts = {
	.sql = "SELECT context FROM spark_common.installed ORDER BY context",
	.read_only = true};

/* The contexts whose tables are there, but not as this code wants them. */
static const char *
stale_books(Arena *arena)
{
	Rows		rows = rows_open(&made_contexts, NO_PARAMETERS);
	const char **contexts = ARENA_ARRAY(arena, const char *, rows.count);
	int			count = 0;
	const char *names = "";

	while (rows_next(&rows))
		contexts[count++] = row_text(&rows, 1, arena);
	rows_close(&rows);
	for (int i = 0; i < count; i++)
		if (!tables_are_current(contexts[i]))
			names = arena_printf(arena, "%s%s%s", names, names[0] != '\0' ? ", " : "", contexts[i]);
	return names;
}

static void
put_versions(Answer *answer, Arena *arena)
{
	const char *lost = lost_books(arena);
	Rows		rows = rows_open(&extension_version, NO_PARAMETERS);
	const char *script = rows_next(&rows) ? row_text(&rows, 1, arena) : "none";
	bool		same = strcmp(script, SPARK_VERSION) == 0;
	const char *state = "current";

	rows_close(&rows);
	if (lost != NULL)
	{
		put(answer, "versions", false, psprintf("dropped, restore from a backup: %s", lost));
		return;
	}
	if (installed_version("common") == 0)
		state = "not there";
	else if (stale_books(arena)[0] != '\0')
		state = psprintf("not current: %s", stale_books(arena));
	put(answer, "versions", same && strcmp(state, "current") == 0,
		psprintf("library %s, SQL %s, tables %s%s", SPARK_VERSION, script, state,
				 !same ? "; run ALTER EXTENSION spark UPDATE" :
				 strcmp(state, "current") == 0 ? "" : "; run SELECT * FROM spark.install()"));
}

/* What the context that talks to the node says of it. */
static void
put_node(Answer *answer, Arena *arena)
{
	static const char *const checks[] = {"node", "node_simulated", "unknown_payments"};
	bool		alone = tables_are_current("common") && installed_version("bitcoin") == 0;
	Rows		rows;

	if (!tables_are_current("bitcoin"))
	{
		for (size_t i = 0; i < lengthof(checks); i++)
			put(answer, checks[i], alone,
				alone ? "context bitcoin is not installed in this database"
				: "the tables are not there: run SELECT * FROM spark.install()");
		return;
	}
	rows = rows_open(&node_health, NO_PARAMETERS);
	while (rows_next(&rows))
		put(answer, row_text(&rows, 1, arena), row_bool(&rows, 2), row_text(&rows, 3, arena));
	rows_close(&rows);
}

typedef struct Probing
{
	HealthProbe probe;
	Arena	   *arena;
	HealthCheck check;
} Probing;

static void
probe(void *argument)
{
	Probing    *probing = argument;

	probing->check = probing->probe(probing->arena);
}

/* What it reads may be locked by the very process that another row names: it is not waited for. */
static HealthCheck
check_of(HealthProbe which, Arena *arena)
{
	Probing		probing = {.probe = which, .arena = arena};
	int			level = NewGUCNestLevel();
	ErrorData  *error;

	(void) set_config_option("lock_timeout", LOCK_WAIT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	error = try_in_subtransaction(probe, &probing);
	AtEOXact_GUC(true, level);
	if (error == NULL)
		return probing.check;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return (HealthCheck) {.ok = false, .detail = "somebody holds a lock on what tells it"};
}

static void
put_probes(Answer *answer, Arena *arena)
{
	for (int i = 0; i < probe_count; i++)
	{
		HealthCheck check = {.ok = false, .detail = "the tables are not there: run SELECT * FROM spark.install()"};

		if (tables_are_current("common"))
			check = check_of(probes[i].probe, arena);
		put(answer, probes[i].name, check.ok, check.detail);
	}
}

Datum
spark_ops_health(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	bool		is_there = tables_are_current("common");
	List	   *all = is_there ? listeners_at_once(arena) : NIL;
	int			lanes = is_there ? log_shape()->made : 0;
	const Waiting *waiting = waiting_for(all, lanes, arena);

	put_preload(&answer);
	put_worker(&answer, all);
	put_node(&answer, arena);
	put_probes(&answer, arena);
	put_backlog(&answer, all, waiting, lanes);
	put_snapshot(&answer, arena);
	put_prepared(&answer, arena);
	put_paused(&answer, all);
	if (is_there)
	{
		put_blocked(&answer, all, waiting, lanes);
		put_rotation(&answer, arena);
	}
	else
	{
		put(&answer, "blocked", true, "there is no bus yet");
		put(&answer, "rotation", true, "there is no log yet");
	}
	put_versions(&answer, arena);
	return (Datum) 0;
}
