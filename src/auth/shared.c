/*
 * shared.c
 *		Failed logins and the places for hashing, in shared memory.
 *
 * Present only where the library was preloaded; without it nothing is counted
 * or bounded.  A rollback does not reach it, a restart of the server empties it.
 *
 * Locks: `lock` guards the failed logins and is held for a few comparisons,
 * with nothing in between that could raise.  The places need no lock: each is
 * an atomic pid, taken from 0 by compare-and-exchange.  A place cannot get
 * lost: a backend that ends gives its own back, and one that waits takes back
 * those whose backend is gone.
 */
#include "postgres/server.h"

#include "auth/shared.h"

#include "auth/postgres.h"
#include "auth/settings.h"
#include "auth/throttle.h"

#include "postgres/environment.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"

#include <unistd.h>

#define TRANCHE "spark_auth"

/* Room for 8,192 names; a name has 8 entries to find a place in. */
#define BUCKETS 1024
#define BUCKET_SIZE 8

#define WAIT_MILLISECONDS 2000
#define LOOK_AGAIN_MILLISECONDS 100

typedef struct AuthShared
{
	LWLock	   *lock;			/* guards failed_logins */
	uint64		seed;			/* of the names' hash; nobody can aim at a bucket */
	ConditionVariable place_is_free;
	pg_atomic_uint32 places[MAX_CONCURRENT_HASHES]; /* pid of the backend that hashes, or 0 */
	FailedLogins failed_logins[BUCKETS][BUCKET_SIZE];
} AuthShared;

static AuthShared *shared;
static bool exit_callback_is_registered;

void
auth_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(AuthShared)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

void
auth_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark auth", sizeof(AuthShared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(AuthShared));
		shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
		if (!pg_strong_random(&shared->seed, sizeof(shared->seed)))
			shared->seed = (uint64) GetCurrentTimestamp();
		ConditionVariableInit(&shared->place_is_free);
		for (int i = 0; i < MAX_CONCURRENT_HASHES; i++)
			pg_atomic_init_u32(&shared->places[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

bool
auth_throttle_is_on(void)
{
	return shared != NULL;
}

/* ---------------------------------------------------------- failed logins */

/* The same name in another database is another name. */
static uint64
name_key(const char *username)
{
	return hash_bytes_extended((const unsigned char *) username, (int) strlen(username),
							   hash_combine64(shared->seed, MyDatabaseId));
}

static int64_t
count_admit(const LoginThrottle *self, const char *username, Instant now)
{
	FailedLogins *entry;
	uint64		key;
	int64_t		seconds = 0;

	(void) self;
	if (shared == NULL)
		return 0;
	key = name_key(username);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = throttle_find(shared->failed_logins[key % BUCKETS], BUCKET_SIZE, key, now);
	if (entry != NULL)
		seconds = throttle_admit(entry, auth_settings.login_attempts, now);
	LWLockRelease(shared->lock);
	return seconds;
}

static void
count_fail(const LoginThrottle *self, const char *username, Instant now)
{
	uint64		key;

	(void) self;
	if (shared == NULL)
		return;
	key = name_key(username);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	throttle_fail(throttle_claim(shared->failed_logins[key % BUCKETS], BUCKET_SIZE, key, now),
				  auth_settings.login_attempts, now);
	LWLockRelease(shared->lock);
}

static void
count_succeed(const LoginThrottle *self, const char *username, Instant now)
{
	FailedLogins *entry;
	uint64		key;

	(void) self;
	if (shared == NULL)
		return;
	key = name_key(username);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = throttle_find(shared->failed_logins[key % BUCKETS], BUCKET_SIZE, key, now);
	if (entry != NULL)
		throttle_succeed(entry);
	LWLockRelease(shared->lock);
}

const LoginThrottle shared_throttle = {
	.admit = count_admit,
	.fail = count_fail,
	.succeed = count_succeed,
};

/* ----------------------------------------------------- places for hashing */

static int
place_count(void)
{
	long		processors;

	if (password_concurrency > 0)
		return password_concurrency;
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	return (int) Max(1, Min(processors / 2, MAX_CONCURRENT_HASHES));
}

static void
free_places_of(uint32 pid)
{
	bool		freed = false;

	for (int i = 0; i < MAX_CONCURRENT_HASHES; i++)
	{
		uint32		holder = pid;

		if (pg_atomic_compare_exchange_u32(&shared->places[i], &holder, 0))
			freed = true;
	}
	if (freed)
		ConditionVariableSignal(&shared->place_is_free);
}

static void
give_back_at_exit(int code, Datum argument)
{
	(void) code;
	(void) argument;
	free_places_of((uint32) MyProcPid);
}

static bool
try_take(void)
{
	int			count = place_count();

	for (int i = 0; i < count; i++)
	{
		uint32		nobody = 0;

		if (pg_atomic_compare_exchange_u32(&shared->places[i], &nobody, (uint32) MyProcPid))
			return true;
	}
	return false;
}

static void
free_places_of_the_dead(void)
{
	for (int i = 0; i < MAX_CONCURRENT_HASHES; i++)
	{
		uint32		pid = pg_atomic_read_u32(&shared->places[i]);

		if (pid != 0 && BackendPidGetProc((int) pid) == NULL)
			free_places_of(pid);
	}
}

static bool
wait_for_place(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAIT_MILLISECONDS);
	bool		taken;

	ConditionVariablePrepareToSleep(&shared->place_is_free);
	while (!(taken = try_take()))
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(&shared->place_is_free, Min(left, LOOK_AGAIN_MILLISECONDS),
										   PG_WAIT_EXTENSION);
		free_places_of_the_dead();
	}
	ConditionVariableCancelSleep();
	return taken;
}

bool
hash_slot_take(void)
{
	if (shared == NULL)
		return true;
	if (!exit_callback_is_registered)
	{
		before_shmem_exit(give_back_at_exit, (Datum) 0);
		exit_callback_is_registered = true;
	}
	return try_take() || wait_for_place();
}

void
hash_slot_give_back(void)
{
	if (shared != NULL)
		free_places_of((uint32) MyProcPid);
}
