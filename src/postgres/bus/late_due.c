/*
 * late_due.c
 *		Delayed messages that appear when they are due already.
 *
 * One number a database in shared memory, the lowest that was said.  Who takes it
 * gives it back if his transaction fails.  For a prepared transaction, who finds
 * that it has ended says it (in_doubt.h); of one that was prepared before the start
 * of the server nobody knows, so its messages wait for the look of every minute.
 */
#include "postgres/bus/late_due.h"

#include "postgres/counts/database_place.h"
#include "postgres/environment.h"
#include "postgres/transaction_end.h"

#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define NOTHING PG_UINT64_MAX

static pg_atomic_uint64 *shared;	/* a database each: microseconds */
static Instant at_commit;
static Instant at_abort;

static Size
shared_size(void)
{
	return max_databases * sizeof(pg_atomic_uint64);
}

void
late_due_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(shared_size()));
}

void
late_due_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark late due", shared_size(), &found);
	for (int i = 0; i < max_databases && !found; i++)
		pg_atomic_init_u64(&shared[i], NOTHING);
	LWLockRelease(AddinShmemInitLock);
}

void
late_due_forget(int place)
{
	pg_atomic_write_u64(&shared[place], NOTHING);
}

/* NULL: nobody can be told. */
static pg_atomic_uint64 *
of_this_database(void)
{
	int			place = database_place();

	return shared != NULL && place >= 0 ? &shared[place] : NULL;
}

static void
keep_lower(Instant *lowest, Instant due)
{
	watch_transaction_end();
	if (instant_is_none(*lowest) || instant_before(due, *lowest))
		*lowest = due;
}

void
due_at_commit(Instant due)
{
	keep_lower(&at_commit, due);
}

void
due_at_abort(Instant due)
{
	keep_lower(&at_abort, due);
}

Instant
take_late_due(void)
{
	pg_atomic_uint64 *lowest = of_this_database();
	uint64		due = NOTHING;

	if (lowest != NULL && pg_atomic_read_u64(lowest) != NOTHING)
		due = pg_atomic_exchange_u64(lowest, NOTHING);
	if (due == NOTHING)
		return INSTANT_NONE;
	due_at_abort((Instant) {(int64) due});
	return (Instant) {(int64) due};
}

void
late_due_part_undone(void)
{
	if (!instant_is_none(at_abort))
		keep_lower(&at_commit, at_abort);
}

Instant
late_due_when_prepared(void)
{
	Instant		due = at_commit;

	if (!instant_is_none(at_abort))
		keep_lower(&due, at_abort);
	return due;
}

void
tell_late_due_of(int place, Instant due)
{
	uint64		there;

	/* What is due only now is seen by everybody who finds it due. */
	if (shared == NULL || place < 0 || instant_is_none(due) || instant_before(server_time(), due))
		return;
	there = pg_atomic_read_u64(&shared[place]);
	while ((uint64) due.microseconds < there &&
		   !pg_atomic_compare_exchange_u64(&shared[place], &there, (uint64) due.microseconds))
		;
}

void
tell_late_due(bool has_committed)
{
	Instant		due = has_committed ? at_commit : at_abort;

	if (!instant_is_none(due))
		tell_late_due_of(database_place(), due);
}

void
forget_late_due(void)
{
	at_commit = at_abort = INSTANT_NONE;
}
