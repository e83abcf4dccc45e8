/*
 * database_place.c
 *		Which of a few places in shared memory is this database's.
 *
 * Taken under a spinlock once a database, asked for once a backend.
 */
#include "postgres/counts/database_place.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

typedef struct Shared
{
	slock_t		lock;			/* guards everything below */
	Oid			turned_away;	/* the last that found all taken */
	Oid			databases[FLEXIBLE_ARRAY_MEMBER];	/* InvalidOid: free */
} Shared;

int			max_databases = 32;

static Shared *shared;

void
define_place_setting(void)
{
	/* The server takes no such setting later; nor is there shared memory then. */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("spark.max_databases",
								"Sets for how many databases of the server messages are counted and limited.",
								"Each takes some 30 kB of shared memory.",
								&max_databases, 32, 1, 10000, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static Size
shared_size(void)
{
	return offsetof(Shared, databases) + max_databases * sizeof(Oid);
}

void
database_place_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(shared_size()));
}

void
database_place_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark databases", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		SpinLockInit(&shared->lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* This database's, or one that it may have; -1: all are taken.  With the lock held. */
static int
find_place(void)
{
	int			free_place = -1;

	for (int i = 0; i < max_databases; i++)
	{
		if (shared->databases[i] == MyDatabaseId)
			return i;
		if (free_place < 0 && !OidIsValid(shared->databases[i]))
			free_place = i;
	}
	return free_place;
}

int
database_place(void)
{
	static int	mine = -1;

	/* The launcher is connected to none. */
	if (shared == NULL || mine >= 0 || !OidIsValid(MyDatabaseId))
		return mine;
	SpinLockAcquire(&shared->lock);
	mine = find_place();
	if (mine >= 0)
		shared->databases[mine] = MyDatabaseId;
	else
		shared->turned_away = MyDatabaseId;
	SpinLockRelease(&shared->lock);
	return mine;
}

bool
copy_database_places(Oid *databases)
{
	if (shared == NULL)
		return false;
	SpinLockAcquire(&shared->lock);
	memcpy(databases, shared->databases, max_databases * sizeof(Oid));
	SpinLockRelease(&shared->lock);
	return true;
}

void
give_database_place_up(int place)
{
	SpinLockAcquire(&shared->lock);
	shared->databases[place] = InvalidOid;
	SpinLockRelease(&shared->lock);
}

Oid
database_without_place(void)
{
	Oid			database;

	if (shared == NULL)
		return InvalidOid;
	SpinLockAcquire(&shared->lock);
	database = shared->turned_away;
	shared->turned_away = InvalidOid;
	SpinLockRelease(&shared->lock);
	return database;
}
