/*
 * wakeup.c
 *		Who of spark's workers runs where, and how they are woken.
 *
 * One array of slots in shared memory, one spinlock over all of it: writers are
 * starts and ends of workers, readers are commits, and none holds it for more
 * than a walk of a few dozen entries.  A slot's latch is a pointer into shared
 * memory of the server (MyProc); it is cleared before its process leaves.
 *
 * A latch alone is no message: each wait for a lock resets it, whatever it was
 * set for.  So a worker's slot remembers that it was woken, until it asks.
 *
 * The transaction callback is registered once a backend.  It must not fail, so
 * it only walks and sets latches.
 */
#include "postgres/wakeup.h"

#include "postgres/worker.h"

#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/test_point.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#define MAX_WORKERS 1024
#define MAX_COUNTED 1024		/* consumers of all databases */

typedef struct WorkerSlot
{
	bool		used;
	WorkerKind	kind;
	Oid			database;
	int			pid;
	Latch	   *latch;
	Interest	interest;		/* of a dispatcher or a consumer */
	Woken		woken;			/* since it was last asked */
	int64		wishes;			/* of sessions, counted */
	int64		fulfilled;		/* of them */
	char		name[NAMEDATALEN];
} WorkerSlot;

/*
 * Found by the hash of the name: there, or behind it with no unused slot between.
 * A slot that is given up is used again, but ends no search.
 */
typedef struct CounterSlot
{
	bool		used;			/* now, or once */
	Oid			database;		/* InvalidOid: given up */
	char		consumer[NAMEDATALEN];
	ConsumerCounters counters;
} CounterSlot;

typedef struct Shared
{
	slock_t		lock;			/* guards everything below */
	int			worker_end;		/* no slot from there on was ever used */
	WorkerSlot	workers[MAX_WORKERS];
	CounterSlot counted[MAX_COUNTED];
} Shared;

static Shared *shared;
static WorkerSlot *my_slot;		/* of this process, where it is a worker */
static bool callback_is_registered;
static bool wakes_dispatchers;
static bool wakes_listeners;
static Interest emitted;		/* for whom, then */
static bool wakes_lightning;
static bool wakes_everything;

void
wakeup_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

void
wakeup_shmem_startup(void)
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

/* ---------------------------------------------------------------- workers */

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

void
register_worker(WorkerKind kind, const char *name)
{
	WorkerSlot *slot = NULL;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < MAX_WORKERS && slot == NULL; i++)
		if (!shared->workers[i].used)
			slot = &shared->workers[i];
	if (slot != NULL)
	{
		slot->used = true;
		slot->kind = kind;
		slot->database = MyDatabaseId;
		slot->pid = MyProcPid;
		shared->worker_end = Max(shared->worker_end, (int) (slot - shared->workers) + 1);
		slot->latch = &MyProc->procLatch;
		slot->woken = WOKEN_NOT;
		slot->wishes = slot->fulfilled = 0;
		memset(&slot->interest, 0xff, sizeof(Interest));
		strlcpy(slot->name, name, NAMEDATALEN);
	}
	SpinLockRelease(&shared->lock);
	my_slot = slot;
	/* Without a slot it is never woken and lives by its poll. */
	if (slot != NULL)
		before_shmem_exit(unregister_worker, PointerGetDatum(slot));
}

int
worker_pid(WorkerKind kind, const char *name)
{
	return worker_pid_in(MyDatabaseId, kind, name);
}

int
worker_pid_in(Oid database, WorkerKind kind, const char *name)
{
	int			pid = 0;

	if (shared == NULL)
		return 0;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < shared->worker_end; i++)
	{
		WorkerSlot *slot = &shared->workers[i];

		if (slot->used && slot->kind == kind &&
			(kind == WORKER_LAUNCHER || slot->database == database) &&
			(name == NULL || strncmp(slot->name, name, NAMEDATALEN - 1) == 0))
			pid = slot->pid;
	}
	SpinLockRelease(&shared->lock);
	return pid;
}

/* ----------------------------------------------------------------- waking */

static uint64 *
word_of(Interest *interest, const char *message_type, uint64 *bit)
{
	uint32		hash = DatumGetUInt32(hash_any((const unsigned char *) message_type, (int) strlen(message_type)));

	*bit = UINT64CONST(1) << (hash % 64);
	return &interest->bits[hash / 64 % lengthof(interest->bits)];
}

void
interest_add(Interest *interest, const char *message_type)
{
	uint64		bit;
	uint64	   *word = word_of(interest, message_type, &bit);

	*word |= bit;
}

void
note_interest(const Interest *interest)
{
	if (my_slot == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	my_slot->interest = *interest;
	SpinLockRelease(&shared->lock);
}

static bool
listens(const WorkerSlot *slot)
{
	for (size_t i = 0; i < lengthof(emitted.bits); i++)
		if ((slot->interest.bits[i] & emitted.bits[i]) != 0)
			return true;
	return false;
}

static bool
is_wanted(const WorkerSlot *slot, bool dispatchers, bool lightning, bool everything)
{
	if (!slot->used || slot->latch == NULL)
		return false;
	if (slot->kind == WORKER_LAUNCHER)
		return everything;
	if (slot->database != MyDatabaseId)
		return false;
	switch (slot->kind)
	{
		case WORKER_DISPATCHER:
		case WORKER_CONSUMER:
			return dispatchers || everything || (wakes_listeners && listens(slot));
		case WORKER_LIGHTNING:
			return lightning || everything;
		case WORKER_LAUNCHER:
			return false;
	}
	return false;
}

static void
wake(bool dispatchers, bool lightning, bool everything)
{
	Latch	   *latches[MAX_WORKERS];
	int			count = 0;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < shared->worker_end; i++)
		if (is_wanted(&shared->workers[i], dispatchers, lightning, everything))
		{
			shared->workers[i].woken = Max(shared->workers[i].woken, everything ? WOKEN_ANEW : WOKEN_FOR_WORK);
			latches[count++] = shared->workers[i].latch;
		}
	SpinLockRelease(&shared->lock);
	for (int i = 0; i < count; i++)
		SetLatch(latches[i]);
}

Woken
was_woken(void)
{
	Woken		woken;

	if (my_slot == NULL)
		return WOKEN_NOT;
	SpinLockAcquire(&shared->lock);
	woken = my_slot->woken;
	my_slot->woken = WOKEN_NOT;
	SpinLockRelease(&shared->lock);
	return woken;
}

static void
on_transaction_end(XactEvent event, void *argument)
{
	bool		has_emitted = wakes_dispatchers || wakes_listeners;

	(void) argument;
	if (event == XACT_EVENT_PRE_COMMIT && has_emitted)
		TEST_POINT("commit");
	if (event == XACT_EVENT_COMMIT && has_emitted)
		TEST_POINT("committed");
	if (event == XACT_EVENT_COMMIT && (wakes_dispatchers || wakes_listeners || wakes_lightning || wakes_everything))
		wake(wakes_dispatchers, wakes_lightning, wakes_everything);
	if (event == XACT_EVENT_COMMIT && has_emitted)
		TEST_POINT("woken");
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		wakes_dispatchers = wakes_listeners = wakes_lightning = wakes_everything = false;
		memset(&emitted, 0, sizeof(emitted));
		show_statement_in_errors();
	}
}

/* Once a backend: each registration would stay, and cost, for ever. */
void
watch_transaction_end(void)
{
	if (!callback_is_registered)
		RegisterXactCallback(on_transaction_end, NULL);
	callback_is_registered = true;
}

void
wake_dispatchers_at_commit(void)
{
	watch_transaction_end();
	wakes_dispatchers = true;
}

void
wake_listeners_at_commit(const char *message_type)
{
	watch_transaction_end();
	wakes_listeners = true;
	interest_add(&emitted, message_type);
}

void
wake_lightning_at_commit(void)
{
	watch_transaction_end();
	wakes_lightning = true;
}

void
wake_everything_at_commit(void)
{
	watch_transaction_end();
	wakes_everything = true;
}

void
wake_worker(WorkerKind kind)
{
	wake(kind == WORKER_DISPATCHER || kind == WORKER_CONSUMER, kind == WORKER_LIGHTNING, false);
}

/* ----------------------------------------------------------------- wishes */

/* The slot of this database's Lightning worker, pid 0: any; call with the lock held. */
static WorkerSlot *
lightning_slot(int pid)
{
	for (int i = 0; i < MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &shared->workers[i];

		if (slot->used && slot->kind == WORKER_LIGHTNING && slot->database == MyDatabaseId &&
			(pid == 0 || slot->pid == pid))
			return slot;
	}
	return NULL;
}

int
ask_lightning(int64 *wish)
{
	WorkerSlot *slot;
	Latch	   *latch = NULL;
	int			pid = 0;

	if (shared == NULL)
		return 0;
	SpinLockAcquire(&shared->lock);
	slot = lightning_slot(0);
	if (slot != NULL)
	{
		*wish = ++slot->wishes;
		slot->woken = Max(slot->woken, WOKEN_FOR_WORK);
		pid = slot->pid;
		latch = slot->latch;
	}
	SpinLockRelease(&shared->lock);
	if (latch != NULL)
		SetLatch(latch);
	return pid;
}

int64
last_wish(void)
{
	WorkerSlot *slot;
	int64		wish = 0;

	if (shared == NULL)
		return 0;
	SpinLockAcquire(&shared->lock);
	slot = lightning_slot(MyProcPid);
	if (slot != NULL)
		wish = slot->wishes;
	SpinLockRelease(&shared->lock);
	return wish;
}

void
fulfil_wishes(int64 wish)
{
	WorkerSlot *slot;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	slot = lightning_slot(MyProcPid);
	if (slot != NULL)
		slot->fulfilled = Max(slot->fulfilled, wish);
	SpinLockRelease(&shared->lock);
}

bool
wish_is_fulfilled(int pid, int64 wish, bool *is_there)
{
	WorkerSlot *slot;
	bool		is_fulfilled = false;

	*is_there = false;
	if (shared == NULL)
		return false;
	SpinLockAcquire(&shared->lock);
	slot = lightning_slot(pid);
	if (slot != NULL)
	{
		*is_there = true;
		is_fulfilled = slot->fulfilled >= wish;
	}
	SpinLockRelease(&shared->lock);
	return is_fulfilled;
}

/* --------------------------------------------------------------- counters */

/* Copies what fits, whole characters only. */
static void
copy_clipped(char *target, size_t size, const char *text)
{
	int			length = pg_mbcliplen(text, (int) strlen(text), (int) size - 1);

	memcpy(target, text, length);
	target[length] = '\0';
}

/* The slot of that consumer, or where it would be, not marked so; call with the lock held; NULL: all are taken. */
static CounterSlot *
find_counted(const char *consumer, uint32 hash)
{
	CounterSlot *free_slot = NULL;

	for (uint32 i = 0; i < MAX_COUNTED; i++)
	{
		CounterSlot *slot = &shared->counted[(hash + i) % MAX_COUNTED];

		if (slot->used && slot->database == MyDatabaseId &&
			strncmp(slot->consumer, consumer, NAMEDATALEN - 1) == 0)
			return slot;
		if (free_slot == NULL && !OidIsValid(slot->database))
			free_slot = slot;
		if (!slot->used)
			break;
	}
	return free_slot;
}

static uint32
hash_of(const char *consumer)
{
	int			length = (int) strnlen(consumer, NAMEDATALEN - 1);

	return DatumGetUInt32(hash_any((const unsigned char *) consumer, length)) ^ MyDatabaseId;
}

/* The counters of that consumer; call with the lock held; NULL: all slots are taken. */
static ConsumerCounters *
counters_of(const char *consumer)
{
	CounterSlot *slot = find_counted(consumer, hash_of(consumer));

	if (slot == NULL)
		return NULL;
	if (!OidIsValid(slot->database))
	{
		memset(slot, 0, sizeof(*slot));
		slot->used = true;
		slot->database = MyDatabaseId;
		strlcpy(slot->consumer, consumer, NAMEDATALEN);
	}
	return &slot->counters;
}

void
forget_counters(const char *consumer)
{
	CounterSlot *slot;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	slot = find_counted(consumer, hash_of(consumer));
	if (slot != NULL)
		slot->database = InvalidOid;
	SpinLockRelease(&shared->lock);
}

/* Slices that nobody has counted in are empty. */
static int64
recent_count(const Recent *recent, int64 slice)
{
	return slice > recent->slice - RECENT_SLICES && slice <= recent->slice ? recent->counts[slice % RECENT_SLICES] : 0;
}

static void
recent_add(Recent *recent, int64 slice, int64 count)
{
	int64		first = Max(recent->slice + 1, slice - RECENT_SLICES + 1);

	for (int64 empty = first; empty <= slice; empty++)
		recent->counts[empty % RECENT_SLICES] = 0;
	recent->slice = Max(recent->slice, slice);
	recent->counts[recent->slice % RECENT_SLICES] += (int32) count;
}

/* The running slice counts for as much of it as has passed. */
double
recent_rate(const Recent *recent)
{
	double		now = (double) server_time().microseconds / MICROSECONDS_PER_SECOND;
	int64		slice = (int64) (now / SLICE_SECONDS);
	int64		count = 0;

	for (int i = 0; i < RECENT_SLICES; i++)
		count += recent_count(recent, slice - i);
	return (double) count / (now - (double) (slice - RECENT_SLICES + 1) * SLICE_SECONDS);
}

void
count_handled(const char *consumer, int lane, int64 handled, const HandlerTimes *times)
{
	int64		slice = server_time().microseconds / MICROSECONDS_PER_SECOND / SLICE_SECONDS;
	ConsumerCounters *counters;

	if (shared == NULL || handled == 0)
		return;
	SpinLockAcquire(&shared->lock);
	counters = counters_of(consumer);
	if (counters != NULL)
	{
		counters->handled[lane] += handled;
		counters->batches[lane]++;
		recent_add(&counters->recent[lane], slice, handled);
		times_add(&counters->times, times);
	}
	SpinLockRelease(&shared->lock);
}

void
note_error(const char *consumer, const char *message)
{
	ConsumerCounters *counters;
	char		clipped[sizeof(counters->last_error)];

	if (shared == NULL)
		return;
	copy_clipped(clipped, sizeof(clipped), message);
	SpinLockAcquire(&shared->lock);
	counters = counters_of(consumer);
	if (counters != NULL)
	{
		counters->failed++;
		strcpy(counters->last_error, clipped);
	}
	SpinLockRelease(&shared->lock);
}

void
note_paused(const char *consumer, const char *why)
{
	ConsumerCounters *counters;
	char		clipped[sizeof(counters->paused)];

	if (shared == NULL)
		return;
	copy_clipped(clipped, sizeof(clipped), why != NULL ? why : "");
	SpinLockAcquire(&shared->lock);
	counters = counters_of(consumer);
	if (counters != NULL)
		strcpy(counters->paused, clipped);
	SpinLockRelease(&shared->lock);
}

void
note_shared(const char *consumer, bool is_shared)
{
	ConsumerCounters *counters;

	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	counters = counters_of(consumer);
	if (counters != NULL)
		counters->shared = is_shared;
	SpinLockRelease(&shared->lock);
}

ConsumerCounters
consumer_counters(const char *consumer)
{
	ConsumerCounters copy = {0};
	CounterSlot *slot;

	if (shared == NULL)
		return copy;
	SpinLockAcquire(&shared->lock);
	slot = find_counted(consumer, hash_of(consumer));
	if (slot != NULL && OidIsValid(slot->database))
		copy = slot->counters;
	SpinLockRelease(&shared->lock);
	return copy;
}
