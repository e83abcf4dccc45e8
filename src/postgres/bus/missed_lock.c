/*
 * missed_lock.c
 *		Which lock was not given in time, and who holds it.
 *
 * The server ends a wait by a signal to the waiting process itself, which at
 * that moment still knows for what it waits; afterwards nothing tells.  So the
 * handler of that signal takes a note first.
 */
#include "postgres/bus/missed_lock.h"

#include "postgres/bus/place.h"

#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"

/* What was waited for last, written by the signal's handler. */
static LOCKTAG missed;
static LOCKMODE missed_mode;
static volatile sig_atomic_t is_missed;

static void
on_cancel(SIGNAL_ARGS)
{
	const LOCK *lock = MyProc != NULL ? MyProc->waitLock : NULL;

	if (lock != NULL)
	{
		missed = lock->tag;
		missed_mode = MyProc->waitLockMode;
		is_missed = true;
	}
	StatementCancelHandler(postgres_signal_arg);
}

void
note_locks_not_given(void)
{
	pqsignal(SIGINT, on_cancel);
}

void
forget_missed_lock(void)
{
	is_missed = false;
}

bool
lock_was_missed(void)
{
	return is_missed;
}

/* The process that holds it still, in a way that keeps us off; 0: none, or a prepared transaction does. */
static int
holder_of(const LOCKTAG *tag, LOCKMODE mode)
{
	int			count;
	const VirtualTransactionId *holders = GetLockConflicts(tag, mode, &count);

	for (int i = 0; i < count; i++)
	{
		const PGPROC *process = process_of_transaction(holders[i]);

		if (process != NULL && process->pid != 0)
			return process->pid;
	}
	return 0;
}

static const char *
name_of_relation(Oid relation)
{
	const char *name = get_rel_name(relation);
	const char *schema = name != NULL ? get_namespace_name(get_rel_namespace(relation)) : NULL;

	return schema != NULL ? psprintf("%s.%s", schema, name) : "a table";
}

static const char *
words_for(const LOCKTAG *tag)
{
	switch (tag->locktag_type)
	{
		case LOCKTAG_RELATION:
			return psprintf("a lock on %s", name_of_relation(tag->locktag_field2));
		case LOCKTAG_TUPLE:
			return psprintf("a row of %s", name_of_relation(tag->locktag_field2));
		case LOCKTAG_TRANSACTION:
			return "a row";
		case LOCKTAG_ADVISORY:
			return is_place(tag) ? "its place, as a transaction does that has called spark_bus.dispatch()" : "an advisory lock";
		default:
			return "a lock";
	}
}

const char *
words_for_missed_lock(void)
{
	int			pid = holder_of(&missed, missed_mode);
	const char *who = pid != 0 ? psprintf("process %d holds", pid) : "somebody holds, or waits for,";

	return psprintf("%s %s", who, words_for(&missed));
}
