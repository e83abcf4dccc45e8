/*
 * database_place.c
 *		Which of a few places in shared memory is this database's.
 *
 * Taken under a spinlock once a database, asked for once a backend.
 */
#include "postgres/counts/database_place.h"

#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

typedef struct Shared
{
	slock_t		lock;			/* guards who has which place */
	Oid			databases[MAX_DATABASES];	/* InvalidOid: free */
} Shared;

static Shared *shared;

void
database_place_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

void
database_place_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark databases", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

int
database_place(void)
{
	static int	mine = -1;

	if (shared == NULL || mine >= 0)
		return mine;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < MAX_DATABASES && mine < 0; i++)
		if (shared->databases[i] == MyDatabaseId || shared->databases[i] == InvalidOid)
			mine = i;
	if (mine >= 0)
		shared->databases[mine] = MyDatabaseId;
	SpinLockRelease(&shared->lock);
	return mine;
}
