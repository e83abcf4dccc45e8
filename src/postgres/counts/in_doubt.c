/*
 * in_doubt.c
 *		Prepared transactions of which nobody knows yet what they will have emitted.
 *
 * A few slots in shared memory under one spinlock.  Where they do not suffice,
 * everything is in doubt until the server starts again.
 */
#include "postgres/counts/in_doubt.h"

#include "postgres/environment.h"
#include "postgres/statement.h"

#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#define MAX_IN_DOUBT 256

typedef struct Doubt
{
	Oid			database;
	TransactionId transaction;
} Doubt;

typedef struct Shared
{
	slock_t		lock;			/* guards everything below */
	bool		has_overflown;
	uint64		forgotten;
	int			count;
	Doubt		doubts[MAX_IN_DOUBT];
} Shared;

static Shared *shared;

static Statement find_prepared = {
	.sql = "SELECT transaction::text::bigint FROM pg_catalog.pg_prepared_xacts"
	" WHERE database = pg_catalog.current_database()",
	.read_only = true};

void
in_doubt_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

void
in_doubt_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark in doubt", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Call with the lock held. */
static bool
is_noted(TransactionId transaction)
{
	for (int i = 0; i < shared->count; i++)
		if (shared->doubts[i].database == MyDatabaseId && shared->doubts[i].transaction == transaction)
			return true;
	return false;
}

void
note_in_doubt(TransactionId transaction)
{
	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	if (!is_noted(transaction))
	{
		if (shared->count == MAX_IN_DOUBT)
			shared->has_overflown = true;
		else
			shared->doubts[shared->count++] = (Doubt) {MyDatabaseId, transaction};
	}
	SpinLockRelease(&shared->lock);
}

void
note_prepared_in_doubt(void)
{
	Rows		rows = rows_open(&find_prepared, NO_PARAMETERS);

	while (rows_next(&rows))
		note_in_doubt((TransactionId) row_bigint(&rows, 1));
	rows_close(&rows);
}

bool
something_is_in_doubt(void)
{
	bool		found;

	if (shared == NULL)
		return false;
	SpinLockAcquire(&shared->lock);
	found = shared->has_overflown;
	for (int i = 0; i < shared->count && !found; i++)
		found = shared->doubts[i].database == MyDatabaseId;
	SpinLockRelease(&shared->lock);
	return found;
}

/* One at a time, as the server is not asked with a spinlock held. */
static TransactionId
find_ended(int *from)
{
	TransactionId transaction = InvalidTransactionId;

	while (!TransactionIdIsValid(transaction))
	{
		SpinLockAcquire(&shared->lock);
		while (*from < shared->count && shared->doubts[*from].database != MyDatabaseId)
			(*from)++;
		transaction = *from < shared->count ? shared->doubts[(*from)++].transaction : InvalidTransactionId;
		SpinLockRelease(&shared->lock);
		if (!TransactionIdIsValid(transaction))
			break;
		if (TransactionIdIsInProgress(transaction))
			transaction = InvalidTransactionId;
	}
	return transaction;
}

static void
forget(TransactionId transaction)
{
	SpinLockAcquire(&shared->lock);
	shared->forgotten++;
	for (int i = 0; i < shared->count; i++)
		if (shared->doubts[i].database == MyDatabaseId && shared->doubts[i].transaction == transaction)
		{
			shared->doubts[i] = shared->doubts[--shared->count];
			break;
		}
	SpinLockRelease(&shared->lock);
}

bool
forget_ended_doubts(void)
{
	int			from = 0;
	bool		found = false;
	TransactionId ended;

	if (!something_is_in_doubt())
		return false;
	while (TransactionIdIsValid(ended = find_ended(&from)))
	{
		forget(ended);
		found = true;
		from = 0;
	}
	return found;
}

uint64
doubts_forgotten(void)
{
	uint64		forgotten = 0;

	if (shared != NULL)
	{
		SpinLockAcquire(&shared->lock);
		forgotten = shared->forgotten;
		SpinLockRelease(&shared->lock);
	}
	return forgotten;
}
