/*
 * obstacle.c
 *		What keeps the segments of a lane from being emptied, as it was last seen.
 *
 * A place a database and lane, all under one spinlock.
 */
#include "postgres/counts/obstacle.h"

#include "postgres/counts/counters.h"
#include "postgres/counts/database_place.h"
#include "postgres/environment.h"

#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#define LOOK_SECONDS 60

typedef struct Obstacle
{
	Instant		noted_at;
	char		what[256];		/* empty: nothing */
} Obstacle;

typedef struct Shared
{
	slock_t		lock;			/* guards everything below */
	Obstacle	obstacles[FLEXIBLE_ARRAY_MEMBER][MAX_LANES];	/* of each place */
} Shared;

static Shared *shared;

static Size
shared_size(void)
{
	return offsetof(Shared, obstacles) + max_databases * sizeof(shared->obstacles[0]);
}

void
obstacle_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(shared_size()));
}

void
obstacle_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark obstacles", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		SpinLockInit(&shared->lock);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
obstacles_forget(int place)
{
	SpinLockAcquire(&shared->lock);
	memset(shared->obstacles[place], 0, sizeof(shared->obstacles[place]));
	SpinLockRelease(&shared->lock);
}

void
note_obstacle(int lane, const char *what)
{
	int			place = database_place();
	Obstacle	noted = {.noted_at = server_time()};

	if (shared == NULL || place < 0)
		return;
	copy_clipped(noted.what, sizeof(noted.what), what != NULL ? what : "");
	SpinLockAcquire(&shared->lock);
	shared->obstacles[place][lane] = noted;
	SpinLockRelease(&shared->lock);
}

bool
noted_obstacle(int lane, Arena *arena, const char **what)
{
	int			place = database_place();
	Instant		now = server_time();
	Obstacle	noted;

	if (shared == NULL || place < 0)
		return false;
	SpinLockAcquire(&shared->lock);
	noted = shared->obstacles[place][lane];
	SpinLockRelease(&shared->lock);
	*what = noted.what[0] != '\0' ? arena_text(arena, noted.what) : NULL;
	return instant_before(now, instant_plus_seconds(noted.noted_at, LOOK_SECONDS));
}
