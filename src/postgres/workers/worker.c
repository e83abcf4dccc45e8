/*
 * worker.c
 *		The loop of every worker of a database, whatever its task.
 *
 * A worker works while the extension is there, its version is this code's, and
 * the tables are there in their newest version; else it says so once in the
 * log, waits, and looks again after 1 s to 30 s, or when it is woken.
 *
 * Each transaction holds the extension against DROP and ALTER, so that these
 * wait for one batch at most.
 */
#include "postgres/workers/worker.h"

#include "postgres/workers/children.h"
#include "postgres/workers/dispatch_task.h"
#include "postgres/environment.h"
#include "postgres/extension.h"
#include "postgres/bus/failure.h"
#include "postgres/bus/give_way.h"
#include "postgres/bus/missed_lock.h"
#include "postgres/installed.h"
#include "postgres/outside.h"
#include "postgres/bus/rebase.h"
#include "postgres/settings.h"
#include "postgres/statement.h"
#include "postgres/transaction.h"
#include "postgres/workers/wakeup.h"

#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#define LONGEST_WAIT 30000
#define FIRST_WAIT 1000
#define KEPT_BYTES (16 * 1024 * 1024)
#define SET_BACK_SECONDS 2

static const WorkerTask *lightning_task;
static char database_name[NAMEDATALEN];

void
set_lightning_task(const WorkerTask *task)
{
	lightning_task = task;
}

/* --------------------------------------------------------------- readiness */

typedef struct Readiness
{
	bool		acts_outside;	/* asked by a worker that does */
	bool		was_ready;		/* at its last look */
	const char *why_not;		/* NULL: work */
	Oid			extension;
} Readiness;

static void
look_whether_ready(void *argument)
{
	Readiness  *readiness = argument;

	give_way();
	readiness->extension = spark_extension();
	readiness->why_not = NULL;
	if (!OidIsValid(readiness->extension) || !lock_spark_extension(AccessShareLock))
		readiness->why_not = "the extension spark is not created in this database";
	else if (!script_is_current())
		readiness->why_not = "the extension's SQL is not of the library's version; run ALTER EXTENSION spark UPDATE";
	else if (installed_version("common") == 0)
		readiness->why_not = "spark.install() was not run yet";
	else if (installed_version("common") != newest_version("common"))
		readiness->why_not = "the tables of spark are of another version; run spark.install()";
	else if (!readiness->was_ready && !books_are_whole())
		readiness->why_not = "the tables of spark are being restored";
	else
	{
		if (log_is_foreign())
			rebase_log();
		if (readiness->acts_outside)
			readiness->why_not = why_outside_is_paused();
	}
}

/*
 * Once a second, and whenever a relation has changed: a turn reads nothing of
 * tables that are not current, so it may begin without a look of its own.
 */
static bool
must_look_again(void)
{
	static Instant looked_at;
	static uint64 changes;
	Instant		now = server_time();

	if (changes == relation_changes() && instant_before(now, instant_plus_seconds(looked_at, 1)))
		return false;
	changes = relation_changes();
	looked_at = now;
	return true;
}

/* Once for each kind of error, not once for each look. */
static void
say_error(ErrorData *error)
{
	static int	said;

	if (error->sqlerrcode != said)
		ereport(LOG,
				(errmsg("%s of database \"%s\" waits: %s", MyBgworkerEntry->bgw_type, database_name, error->message)));
	said = error->sqlerrcode;
	FreeErrorData(error);
}

/* True where work can be done; says what keeps it from it when that changes. */
static bool
is_ready(const WorkerTask *task, long *wait)
{
	static Oid	extension = InvalidOid;
	static const char *said;
	static long next_wait = FIRST_WAIT;
	static bool was_ready;
	Readiness	readiness = {.acts_outside = task->acts_outside, .was_ready = was_ready};
	ErrorData  *error;

	*wait = FIRST_WAIT;
	if (was_ready && !task->acts_outside && !must_look_again())
		return true;
	error = try_in_plain_transaction(look_whether_ready, &readiness);
	/* Somebody's lock is in the way of the look: inside, all goes on as it was. */
	if (error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
	{
		FreeErrorData(error);
		return was_ready && !task->acts_outside;
	}
	if (error != NULL)
	{
		/* The tables are just being changed: look again. */
		*wait = next_wait;
		next_wait = Min(next_wait * 2, LONGEST_WAIT);
		was_ready = false;
		say_error(error);
		return false;
	}
	was_ready = readiness.why_not == NULL;
	if (readiness.extension != extension)
		statements_forget();
	extension = readiness.extension;
	if (readiness.why_not != NULL && said != readiness.why_not)
	{
		ereport(LOG,
				(errmsg("%s of database \"%s\" waits: %s", MyBgworkerEntry->bgw_type,
						database_name, readiness.why_not)));
		next_wait = FIRST_WAIT;
	}
	said = readiness.why_not;
	*wait = next_wait;
	next_wait = readiness.why_not == NULL ? FIRST_WAIT : Min(next_wait * 2, LONGEST_WAIT);
	return readiness.why_not == NULL;
}

/* ------------------------------------------------------------------- turns */

static void
pin(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_OVERRIDE, GUC_ACTION_SET, true, 0, false);
}

/* What ALTER DATABASE or ALTER ROLE may have set must not reach the ledger. */
static void
pin_settings(const WorkerTask *task)
{
	pin("role", "none");
	pin("search_path", task->search_path != NULL ? task->search_path : SPARK_SEARCH_PATH);
	pin("default_transaction_isolation", "read committed");
	pin("default_transaction_read_only", "off");
	pin("default_transaction_deferrable", "off");
	pin("statement_timeout", "0");
	pin("lock_timeout", "0");
	pin("idle_in_transaction_session_timeout", "0");
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		pin("transaction_timeout", "0");	/* from 17 on */
	pin("row_security", "on");
	pin("session_replication_role", "origin");
	pin("jit", "off");
	pin("enable_seqscan", "off");
	pin("enable_bitmapscan", "off");
	pin("synchronous_commit", "on");
}

static bool
database_is_wanted(void)
{
	List	   *names = NIL;
	ListCell   *cell;
	bool		wanted = false;
	char	   *text = pstrdup(spark_databases);

	if (SplitIdentifierString(text, ',', &names))
		foreach(cell, names)
			wanted = wanted || strcmp(lfirst(cell), database_name) == 0;
	list_free(names);
	pfree(text);
	return wanted;
}

static void
reload_settings(const WorkerTask *task)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	pin_settings(task);
	if (!database_is_wanted())
		proc_exit(1);
}

/*
 * One turn of the task; an error is logged, and the task begins anew, later each
 * time: woken or not, so that what fails always does not fill the log.
 */
static long
take_turn(const WorkerTask *task, bool *has_begun)
{
	static long rest = FIRST_WAIT;
	static TimestampTz rests_until;
	long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), rests_until);
	MemoryContext context = CurrentMemoryContext;
	volatile long wait = FIRST_WAIT;

	if (left > 0)
		return left;
	PG_TRY();
	{
		if (!*has_begun && task->begin != NULL)
			task->begin();
		*has_begun = true;
		wait = task->turn();
		rest = FIRST_WAIT;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		/* An extension dropped under us is no error: the next turn says that it waits. */
		if (!extension_is_gone(geterrcode()))
			EmitErrorReport();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		*has_begun = false;
		wait = rest;
		rests_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), rest);
		rest = Min(rest * 2, LONGEST_WAIT);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return wait;
}

static void
wait_for_work(const WorkerTask *task, long milliseconds)
{
	int			descriptor = task->descriptor != NULL ? task->descriptor() : -1;
	int			events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;

	pgstat_report_activity(STATE_IDLE, NULL);
	if (descriptor >= 0)
		(void) WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE, descriptor, milliseconds, PG_WAIT_EXTENSION);
	else
		(void) WaitLatch(MyLatch, events, milliseconds, PG_WAIT_EXTENSION);
}

/* True if so; what has changed may be what a consumer pauses for. */
static bool
is_woken(void)
{
	Woken		woken = was_woken();

	if (woken == WOKEN_ANEW)
		failure_look_again();
	return woken != WOKEN_NOT;
}

/*
 * What a worker keeps in mind of moments is of a clock that only goes on.  Where it
 * was set back, it would rest until it is there again: so it begins anew instead.
 */
static void
leave_where_clock_was_set_back(void)
{
	static Instant last;
	Instant		now = server_time();

	if (instant_before(instant_plus_seconds(now, SET_BACK_SECONDS), last))
	{
		ereport(LOG,
				(errmsg("%s of database \"%s\" begins anew: the clock was set back", MyBgworkerEntry->bgw_type, database_name)));
		proc_exit(1);
	}
	last = now;
}

static void
work(const WorkerTask *task)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "spark worker", ALLOCSET_DEFAULT_SIZES);
	bool		has_begun = false;

	pin_settings(task);
	for (;;)
	{
		long		wait;

		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		/* Whatever comes from here on is a reason for one more turn. */
		ResetLatch(MyLatch);
		(void) is_woken();
		CHECK_FOR_INTERRUPTS();
		leave_where_clock_was_set_back();
		reload_settings(task);
		if (is_ready(task, &wait))
		{
			pgstat_report_activity(STATE_RUNNING, MyBgworkerEntry->bgw_type);
			wait = take_turn(task, &has_begun);
		}
		else
			has_begun = false;
		if (wait > 0 && !is_woken())
			wait_for_work(task, wait);
	}
}

/*
 * What a batch gives back, the next one asks for: where the library may keep
 * some of it, the kernel need not hand out new pages for each batch.
 */
static void
keep_freed_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
}

void
spark_worker_main(Datum argument)
{
	ChildStart	start;

	(void) argument;
	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	note_locks_not_given();
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	debug_query_string = MyBgworkerEntry->bgw_type;
	keep_freed_memory();
	StartTransactionCommand();
	strlcpy(database_name, get_database_name(MyDatabaseId), NAMEDATALEN);
	CommitTransactionCommand();
	register_worker(start.kind, start.name);
	switch (start.kind)
	{
		case WORKER_DISPATCHER:
			set_dispatcher_number(start.name);
			work(&dispatcher_task);
			break;
		case WORKER_CONSUMER:
			set_consumer_name(start.name);
			work(&consumer_task);
			break;
		case WORKER_CONTEXT:
			set_own_worker(start.name);
			work(&context_task);
			break;
		case WORKER_LIGHTNING:
			if (lightning_task != NULL)
				work(lightning_task);
			break;
		case WORKER_LAUNCHER:
			break;
	}
}
