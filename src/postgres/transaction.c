/*
 * transaction.c
 *		Doing something all or not at all, and seeing why it failed.
 */
#include "postgres/transaction.h"

#include "postgres/installed.h"
#include "postgres/test_point.h"
#include "postgres/workers/worker.h"

#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

/* So often a call is cancelled before its worker is ended. */
#define TIMES_CANCELLED 3

static TimeoutId time_limit;
static bool time_limit_is_registered;
static volatile sig_atomic_t times_up;

/* It is undone also where it is not kept. */
static ErrorData *
in_subtransaction(Act act, void *argument, bool keeps)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		act(argument);
		if (keeps)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

ErrorData *
try_in_subtransaction(Act act, void *argument)
{
	return in_subtransaction(act, argument, true);
}

ErrorData *
rehearse_in_subtransaction(Act act, void *argument)
{
	return in_subtransaction(act, argument, false);
}

static void
plain_transaction(Act act, void *argument)
{
	MemoryContext context = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (synchronous_commit < SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	/* What act allocates without an arena of its own goes with the transaction. */
	act(argument);
	PopActiveSnapshot();
	COMMIT_POINT("work_commit");
	CommitTransactionCommand();
	COMMIT_POINT("work_committed");
	MemoryContextSwitchTo(context);
	pgstat_report_stat(true);

	/*
	 * A commit that did not wait for its standby, because we are to stop or the
	 * postmaster died, must not be followed by anything outside.
	 */
	CHECK_FOR_INTERRUPTS();
	if (!PostmasterIsAlive())
		proc_exit(1);
}

typedef struct Guarded
{
	Act			act;
	void	   *argument;
} Guarded;

bool
extension_is_gone(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_UNDEFINED_OBJECT;
}

/* DROP and ALTER EXTENSION wait for this transaction. */
static void
hold_extension_and(void *argument)
{
	Guarded    *guarded = argument;

	if (!lock_spark_extension(AccessShareLock))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the extension spark is gone")));
	guarded->act(guarded->argument);
}

void
worker_transaction(Act act, void *argument)
{
	Guarded		guarded = {act, argument};

	plain_transaction(hold_extension_and, &guarded);
}

static ErrorData *
try_to(void (*run) (Act act, void *argument), Act act, void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		run(act, argument);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		pgstat_report_stat(true);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return error;
}

ErrorData *
try_in_transaction(Act act, void *argument)
{
	return try_to(worker_transaction, act, argument);
}

ErrorData *
try_in_plain_transaction(Act act, void *argument)
{
	return try_to(plain_transaction, act, argument);
}

bool
time_limit_is_exhausted(void)
{
	return times_up > TIMES_CANCELLED;
}

static void
on_time_limit(void)
{
	times_up++;
	InterruptPending = true;
	QueryCancelPending = true;
	/* What catches that and goes on, goes with its worker. */
	if (time_limit_is_exhausted() && MyBgworkerEntry != NULL)
		ProcDiePending = true;
	SetLatch(MyLatch);
}

void
time_limit_begin(int milliseconds)
{
	if (!time_limit_is_registered)
		time_limit = RegisterTimeout(USER_TIMEOUT, on_time_limit);
	time_limit_is_registered = true;
	times_up = 0;
	enable_timeout_every(time_limit, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds), milliseconds);
}

bool
time_limit_end(void)
{
	bool		was_up = times_up > 0;

	if (time_limit_is_registered)
		disable_timeout(time_limit, false);
	if (was_up)
		QueryCancelPending = false;
	times_up = 0;
	return was_up;
}

void
act_in_time(Act act, void *argument, int milliseconds, const char *message)
{
	time_limit_begin(milliseconds);
	PG_TRY();
	{
		act(argument);
		(void) time_limit_end();
	}
	PG_CATCH();
	{
		if (time_limit_end() && geterrcode() == ERRCODE_QUERY_CANCELED)
			errmsg("%s", message);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
