/*
 * health.c
 *		spark_ops.health(): what is wrong, and who holds things up.
 *
 * A row a check, always the same checks, also before spark.install(), and while
 * somebody holds a lock on what one of them reads.
 */
#include "postgres/operators/health.h"

#include "postgres/answers.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/handler_call.h"
#include "postgres/installed.h"
#include "postgres/operators/kept_off.h"
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

/* What the checks have in common; what somebody's lock keeps us from is not there. */
typedef struct Health
{
	Answer	   *answer;
	Arena	   *arena;
	bool		is_there;
	List	   *all;			/* consumers */
	const char *why_not_all;	/* some are not among them; NULL: none */
	int			lanes;
	const Waiting *waiting;		/* NULL: see why_not */
	const char *why_not;
	const NamedProbe *probe;	/* the one that is asked */
} Health;

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

/* Nothing is amiss with consumers only where all of them were looked at. */
static void
put_of_consumers(const Health *health, const char *name, bool ok, const char *detail)
{
	if (ok && health->why_not_all != NULL)
		put(health->answer, name, false, health->why_not_all);
	else
		put(health->answer, name, ok, detail);
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
put_worker(const Health *health)
{
	Answer	   *answer = health->answer;
	const char *shared = sharers(health->all);
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
		put_of_consumers(health, "worker", true,
						 psprintf("launcher %d, dispatcher %d%s", launcher, dispatcher,
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
put_backlog(const Health *health)
{
	Backlogged	longest = {0, "nobody", 0};
	const Waiting *waiting = health->waiting;
	int			lanes = health->lanes;
	ListCell   *cell;

	for (int lane = 0; lane < lanes; lane++)
	{
		Backlog		backlog = pressure_of(lane);

		add_backlog(&longest, backlog.messages, backlog.context, lane);
	}
	foreach(cell, health->all)
	{
		const Listener *listener = lfirst(cell);

		for (int lane = 0; lane < lanes; lane++, waiting++)
			if (listener->context == NULL)
				add_backlog(&longest, waiting->messages, listener->name, lane);
	}
	put_of_consumers(
		health, "backlog", lane_soft_limit == 0 || longest.messages < lane_soft_limit,
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
put_paused(const Health *health)
{
	ListCell   *cell;
	char	   *detail = NULL;

	foreach(cell, health->all)
	{
		const Listener *listener = lfirst(cell);
		const char *why = why_paused(listener);

		if (why != NULL)
			detail = psprintf("%s%s%s: %s", detail != NULL ? detail : "", detail != NULL ? "; " : "",
							  listener->name, why);
	}
	put_of_consumers(health, "paused", detail == NULL, detail != NULL ? detail : "no consumer is paused");
}

/* The first by name stands for all. */
static void
put_blocked(const Health *health)
{
	const Waiting *waiting = health->waiting;
	int64		keys = 0;
	int64		dead = 0;
	const char *consumer = NULL;
	const char *detail = "no key waits behind a failed message";
	ListCell   *cell;

	foreach(cell, health->all)
	{
		const Listener *listener = lfirst(cell);

		for (int lane = 0; lane < health->lanes; lane++, waiting++)
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
	put_of_consumers(health, "blocked", keys == 0 && dead == 0, detail);
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

static const char *const node_checks[] = {"node", "node_simulated", "unknown_payments"};

/* What the context that talks to the node says of it. */
static void
put_node(Answer *answer, Arena *arena)
{
	bool		alone = tables_are_current("common") && installed_version("bitcoin") == 0;
	Rows		rows;

	if (!tables_are_current("bitcoin"))
	{
		for (size_t i = 0; i < lengthof(node_checks); i++)
			put(answer, node_checks[i], alone,
				alone ? "context bitcoin is not installed in this database"
				: "the tables are not there: run SELECT * FROM spark.install()");
		return;
	}
	rows = rows_open(&node_health, NO_PARAMETERS);
	while (rows_next(&rows))
		put(answer, row_text(&rows, 1, arena), row_bool(&rows, 2), row_text(&rows, 3, arena));
	rows_close(&rows);
}

/* ------------------------------------------------------------------- checks */

static void
look_who_listens(void *argument)
{
	Health	   *health = argument;

	health->is_there = tables_are_current("common");
	health->all = health->is_there ? listeners(health->arena) : NIL;
}

/* Where somebody has locked the subscriptions. */
static void
look_for_contexts(void *argument)
{
	Health	   *health = argument;

	health->is_there = tables_are_current("common");
	health->all = health->is_there ? context_listeners(health->arena) : NIL;
}

static void
look_what_waits(void *argument)
{
	Health	   *health = argument;

	health->lanes = health->is_there ? log_shape()->made : 0;
	health->waiting = waiting_for(health->all, health->lanes, health->arena);
}

static void
check_worker(void *argument)
{
	put_worker(argument);
}

static void
check_node(void *argument)
{
	const Health *health = argument;

	put_node(health->answer, health->arena);
}

static void
check_probe(void *argument)
{
	const Health *health = argument;
	HealthCheck check = {.ok = false, .detail = "the tables are not there: run SELECT * FROM spark.install()"};

	if (tables_are_current("common"))
		check = health->probe->probe(health->arena);
	put(health->answer, health->probe->name, check.ok, check.detail);
}

static void
check_backlog(void *argument)
{
	const Health *health = argument;

	if (health->waiting == NULL)
		put(health->answer, "backlog", false, health->why_not);
	else
		put_backlog(health);
}

static void
check_snapshot(void *argument)
{
	const Health *health = argument;

	put_snapshot(health->answer, health->arena);
}

static void
check_prepared(void *argument)
{
	const Health *health = argument;

	put_prepared(health->answer, health->arena);
}

static void
check_paused(void *argument)
{
	put_paused(argument);
}

static void
check_blocked(void *argument)
{
	const Health *health = argument;

	if (health->waiting == NULL)
		put(health->answer, "blocked", false, health->why_not);
	else if (health->is_there)
		put_blocked(health);
	else
		put(health->answer, "blocked", true, "there is no bus yet");
}

static void
check_rotation(void *argument)
{
	const Health *health = argument;

	if (health->is_there)
		put_rotation(health->answer, health->arena);
	else if (health->why_not != NULL)
		put(health->answer, "rotation", false, health->why_not);
	else
		put(health->answer, "rotation", true, "there is no log yet");
}

static void
check_versions(void *argument)
{
	const Health *health = argument;

	put_versions(health->answer, health->arena);
}

/* Each puts its row last of all; where it met a lock instead, the row says whose. */
static void
run_check(Health *health, const char *name, Act act)
{
	const char *why = kept_off(act, health);

	if (why != NULL)
		put(health->answer, name, false, why);
}

static void
check_node_and_payments(Health *health)
{
	const char *why = kept_off(check_node, health);

	for (size_t i = 0; why != NULL && i < lengthof(node_checks); i++)
		put(health->answer, node_checks[i], false, why);
}

static void
run_probes(Health *health)
{
	for (int i = 0; i < probe_count; i++)
	{
		health->probe = &probes[i];
		run_check(health, probes[i].name, check_probe);
	}
}

Datum
spark_ops_health(PG_FUNCTION_ARGS)
{
	Answer		answer = answers_begin(fcinfo);
	Health		health = {.answer = &answer, .arena = context_arena(CurrentMemoryContext)};

	health.why_not_all = kept_off(look_who_listens, &health);
	health.why_not = health.why_not_all != NULL ? kept_off(look_for_contexts, &health) : NULL;
	if (health.why_not == NULL)
		health.why_not = kept_off(look_what_waits, &health);
	put_preload(&answer);
	run_check(&health, "worker", check_worker);
	check_node_and_payments(&health);
	run_probes(&health);
	run_check(&health, "backlog", check_backlog);
	run_check(&health, "snapshot", check_snapshot);
	run_check(&health, "prepared", check_prepared);
	run_check(&health, "paused", check_paused);
	run_check(&health, "blocked", check_blocked);
	run_check(&health, "rotation", check_rotation);
	run_check(&health, "versions", check_versions);
	return (Datum) 0;
}
