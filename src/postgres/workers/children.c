/*
 * children.c
 *		Workers that a worker keeps alive.
 */
#include "postgres/workers/children.h"

#include "postgres/environment.h"

#include "postmaster/bgworker.h"

#define MAX_CHILDREN 1024
#define LONGEST_BACKOFF 30
#define LIVED_WELL 10			/* seconds, after which the backoff begins anew */

typedef struct Child
{
	ChildStart	start;
	BackgroundWorkerHandle *handle; /* NULL: not started */
	Instant		started_at;
	Instant		next_start;
	int			failures;		/* in a row */
	bool		said;			/* the missing slot is in the log */
} Child;

static Child children[MAX_CHILDREN];
static int	child_count;

static const struct
{
	const char *type;
	const char *name;
}			kinds[] = {
	[WORKER_LAUNCHER] = {"spark launcher", "spark launcher"},
	[WORKER_DISPATCHER] = {"spark dispatcher", "spark dispatcher of database %u"},
	[WORKER_CONSUMER] = {"spark consumer", "spark consumer of database %u"},
	[WORKER_CONTEXT] = {"spark context", "spark context of database %u"},
	[WORKER_LIGHTNING] = {"spark lightning", "spark lightning of database %u"},
};

/* Room for one more: behind the last, or of one that has ended and is not kept any more. */
static Child *
room_for_child(void)
{
	pid_t		pid;

	if (child_count < MAX_CHILDREN)
		return &children[child_count++];
	for (int i = 0; i < child_count; i++)
	{
		Child	   *child = &children[i];

		if (child->handle != NULL && GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
			continue;
		if (child->handle != NULL)
			pfree(child->handle);
		return child;
	}
	return NULL;
}

static Child *
child_of(Oid database, WorkerKind kind, const char *name)
{
	Child	   *child;

	for (int i = 0; i < child_count; i++)
		if (children[i].start.database == database && children[i].start.kind == kind &&
			strncmp(children[i].start.name, name, NAMEDATALEN - 1) == 0)
			return &children[i];
	child = room_for_child();
	if (child == NULL)
		return NULL;
	memset(child, 0, sizeof(*child));
	child->start.database = database;
	child->start.kind = kind;
	strlcpy(child->start.name, name, NAMEDATALEN);
	return child;
}

/* Looks whether it still lives; one that ended may start again after a while. */
static bool
is_alive(Child *child)
{
	pid_t		pid;
	int			seconds = 1;

	if (child->handle == NULL)
		return false;
	if (GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
		return true;
	pfree(child->handle);
	child->handle = NULL;
	if (instant_before(instant_plus_seconds(child->started_at, LIVED_WELL), server_time()))
		child->failures = 0;
	for (int i = 0; i < child->failures && seconds < LONGEST_BACKOFF; i++)
		seconds *= 2;
	child->failures++;
	child->next_start = instant_plus_seconds(server_time(), Min(seconds, LONGEST_BACKOFF));
	return false;
}

/* A moment that is further away was reckoned by a clock that was set back since. */
static bool
must_wait(const Child *child)
{
	Instant		now = server_time();

	return instant_before(now, child->next_start) &&
		!instant_before(instant_plus_seconds(now, LONGEST_BACKOFF), child->next_start);
}

static bool
start(Child *child)
{
	BackgroundWorker worker;
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	bool		started;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "spark", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "spark_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, kinds[child->start.kind].type, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, kinds[child->start.kind].name, child->start.database);
	StaticAssertStmt(sizeof(ChildStart) <= BGW_EXTRALEN, "a child's start must fit bgw_extra");
	memcpy(worker.bgw_extra, &child->start, sizeof(child->start));
	started = RegisterDynamicBackgroundWorker(&worker, &child->handle);
	MemoryContextSwitchTo(caller);
	child->started_at = server_time();
	return started;
}

ChildState
keep_child(Oid database, WorkerKind kind, const char *name)
{
	Child	   *child = child_of(database, kind, name);

	if (child == NULL)
		return CHILD_HAS_NO_SLOT;
	if (is_alive(child))
		return CHILD_RUNS;
	/* One that an earlier parent has left behind serves as well. */
	if (worker_pid_in(database, kind, name) != 0)
		return CHILD_RUNS;
	if (must_wait(child))
		return child->said ? CHILD_HAS_NO_SLOT : CHILD_RESTS;
	if (start(child))
	{
		child->said = false;
		return CHILD_STARTS;
	}
	child->handle = NULL;
	child->next_start = instant_plus_seconds(server_time(), 5);
	if (!child->said)
		ereport(LOG,
				(errmsg("no free worker slot for a %s", kinds[kind].type),
				 errhint("Raise max_worker_processes to at least 3 + lanes + consumers + slow contexts of a lane for each database of spark.")));
	child->said = true;
	return CHILD_HAS_NO_SLOT;
}

static bool
is_among(const char *name, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strncmp(lfirst(cell), name, NAMEDATALEN - 1) == 0)
			return true;
	return false;
}

void
keep_only(Oid database, WorkerKind kind, List *names)
{
	for (int i = child_count - 1; i >= 0; i--)
		if (children[i].start.database == database && children[i].start.kind == kind &&
			!is_among(children[i].start.name, names) && !is_alive(&children[i]))
			children[i] = children[--child_count];
}

void
drop_child(Oid database, WorkerKind kind, const char *name)
{
	Child	   *child = child_of(database, kind, name);

	if (child == NULL)
		return;
	if (child->handle != NULL)
	{
		TerminateBackgroundWorker(child->handle);
		pfree(child->handle);
	}
	*child = children[--child_count];
}
