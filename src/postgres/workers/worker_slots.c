/*
 * worker_slots.c
 *		Who of spark's workers runs where.
 *
 * One spinlock over all slots: writers are starts and ends of workers, readers
 * are commits, and none holds it for more than a walk of a few dozen entries.  A
 * slot's latch is a pointer into shared memory of the server (MyProc); it is
 * cleared before its process leaves.
 */
#include "postgres/workers/worker_slots.h"

#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

typedef struct Shared
{
	slock_t		lock;			/* guards everything below */
	int			end;			/* no slot from there on was ever used */
	WorkerSlot	slots[MAX_WORKERS];
} Shared;

static Shared *shared;
static WorkerSlot *my_slot;		/* of this process, where it is a worker */

void
worker_slots_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

void
worker_slots_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark workers", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

bool
is_preloaded(void)
{
	return shared != NULL;
}

int
take_worker_slots(WorkerSlot **slots)
{
	if (shared == NULL || shared->end == 0)
		return 0;
	SpinLockAcquire(&shared->lock);
	*slots = shared->slots;
	return shared->end;
}

void
let_worker_slots_go(void)
{
	SpinLockRelease(&shared->lock);
}

WorkerSlot *
my_worker_slot(void)
{
	return my_slot;
}

static void
unregister_worker(int code, Datum argument)
{
	WorkerSlot *slot = (WorkerSlot *) DatumGetPointer(argument);

	(void) code;
	SpinLockAcquire(&shared->lock);
	slot->used = false;
	slot->latch = NULL;
	SpinLockRelease(&shared->lock);
	my_slot = NULL;
}

static bool
is_such(const WorkerSlot *slot, Oid database, WorkerKind kind, const char *name)
{
	return slot->used && slot->kind == kind &&
		(kind == WORKER_LAUNCHER || slot->database == database) &&
		(name == NULL || strncmp(slot->name, name, NAMEDATALEN - 1) == 0);
}

/* Of all slots, whose lock is held; NULL: all are used. */
static WorkerSlot *
free_slot(void)
{
	for (int i = 0; i < MAX_WORKERS; i++)
		if (!shared->slots[i].used)
			return &shared->slots[i];
	return NULL;
}

static bool
is_surplus(WorkerKind kind, const char *name)
{
	for (int i = 0; i < shared->end; i++)
		if (is_such(&shared->slots[i], MyDatabaseId, kind, name))
			return true;
	return false;
}

void
register_worker(WorkerKind kind, const char *name)
{
	WorkerSlot *slot;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	/* There is one launcher, as the server starts it; a slot is free before its process has left. */
	if (kind != WORKER_LAUNCHER && is_surplus(kind, name))
	{
		SpinLockRelease(&shared->lock);
		proc_exit(0);
	}
	slot = free_slot();
	if (slot != NULL)
	{
		memset(slot, 0, sizeof(*slot));
		slot->used = true;
		slot->kind = kind;
		slot->database = MyDatabaseId;
		slot->pid = MyProcPid;
		slot->latch = &MyProc->procLatch;
		/* Until it says what it listens to, it is all. */
		interest_add_all(&slot->interest);
		strlcpy(slot->name, name, NAMEDATALEN);
		shared->end = Max(shared->end, (int) (slot - shared->slots) + 1);
	}
	SpinLockRelease(&shared->lock);
	my_slot = slot;
	/* Without a slot it is never woken and lives by its poll. */
	if (slot != NULL)
		before_shmem_exit(unregister_worker, PointerGetDatum(slot));
}

int
worker_pid_in(Oid database, WorkerKind kind, const char *name)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	int			pid = 0;

	for (int i = 0; i < count; i++)
		if (is_such(&slots[i], database, kind, name))
			pid = slots[i].pid;
	if (count > 0)
		let_worker_slots_go();
	return pid;
}

int
worker_pid(WorkerKind kind, const char *name)
{
	return worker_pid_in(MyDatabaseId, kind, name);
}

bool
find_worker(int pid, WorkerKind *kind, char *name)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	bool		found = false;

	for (int i = 0; i < count && !found; i++)
		if (slots[i].used && slots[i].pid == pid)
		{
			*kind = slots[i].kind;
			strlcpy(name, slots[i].name, NAMEDATALEN);
			found = true;
		}
	if (count > 0)
		let_worker_slots_go();
	return found;
}
