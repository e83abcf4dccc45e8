/*
 * stubborn.c
 *		Handlers that have used up their time, with nobody there to count it.
 *
 * Who locks what: one spinlock over a few notes; whether there are any is read
 * without it, as mostly there are none.
 */
#include "postgres/bus/stubborn.h"

#include "postgres/bus/handler_call.h"
#include "postgres/transaction.h"

#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#define MAX_NOTES 64

typedef struct Note
{
	Oid			database;		/* InvalidOid: no note */
	char		consumer[NAMEDATALEN];
	Uuid		id;
	bool		worker_ended;	/* of it */
} Note;

typedef struct Shared
{
	slock_t		lock;			/* guards the notes */
	int			next;			/* to be written; the oldest goes */
	Note		notes[MAX_NOTES];
	pg_atomic_uint32 some;		/* 0: there are no notes */
} Shared;

static Shared *shared;
static bool exit_is_watched;
static Note watched;			/* of this process: whose handler was called last */

void
stubborn_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

void
stubborn_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark stubborn handlers", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
		pg_atomic_init_u32(&shared->some, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

static bool
is_same(const Note *note, const Note *other)
{
	return note->database == other->database && uuid_equal(note->id, other->id) &&
		strcmp(note->consumer, other->consumer) == 0;
}

static Note
note_of(const char *consumer, Uuid id)
{
	Note		note = {.database = MyDatabaseId, .id = id};

	strlcpy(note.consumer, consumer, NAMEDATALEN);
	return note;
}

/* Its place; call with the lock held; NULL: there is none. */
static Note *
find_note(const Note *wanted)
{
	for (int i = 0; i < MAX_NOTES; i++)
		if (is_same(&shared->notes[i], wanted))
			return &shared->notes[i];
	return NULL;
}

static void
leave_note(bool worker_ended)
{
	Note	   *place;

	if (shared == NULL || !OidIsValid(watched.database))
		return;
	SpinLockAcquire(&shared->lock);
	place = find_note(&watched);
	if (place == NULL)
	{
		place = &shared->notes[shared->next];
		shared->next = (shared->next + 1) % MAX_NOTES;
		*place = watched;
		place->worker_ended = worker_ended;
		pg_atomic_write_u32(&shared->some, 1);
	}
	SpinLockRelease(&shared->lock);
}

static void
on_exit_of_worker(int code, Datum argument)
{
	(void) code;
	(void) argument;
	if (time_limit_is_exhausted())
		leave_note(true);
}

void
stubborn_note(void)
{
	leave_note(false);
}

/* True, and the note, where there is one of that message. */
static bool
read_note(Note *note)
{
	const Note *place;

	if (pg_atomic_read_u32(&shared->some) == 0)
		return false;
	SpinLockAcquire(&shared->lock);
	place = find_note(note);
	if (place != NULL)
		*note = *place;
	SpinLockRelease(&shared->lock);
	return place != NULL;
}

void
stubborn_watch(const char *consumer, Uuid id)
{
	if (shared == NULL)
		return;
	watched = note_of(consumer, id);
	if (read_note(&watched))
	{
		bool		worker_ended = watched.worker_ended;

		watched.database = InvalidOid;
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg(TIME_LIMIT_MESSAGE),
				 worker_ended ? errdetail("It caught its cancelling and went on, so its worker was ended.") : 0));
	}
	if (!exit_is_watched && MyBgworkerEntry != NULL)
		before_shmem_exit(on_exit_of_worker, (Datum) 0);
	exit_is_watched = true;
}

void
stubborn_forget(const char *consumer, Uuid id)
{
	Note		note = note_of(consumer, id);
	Note	   *place;
	bool		some = false;

	if (shared == NULL || pg_atomic_read_u32(&shared->some) == 0)
		return;
	SpinLockAcquire(&shared->lock);
	place = find_note(&note);
	if (place != NULL)
		memset(place, 0, sizeof(*place));
	for (int i = 0; i < MAX_NOTES; i++)
		some = some || OidIsValid(shared->notes[i].database);
	pg_atomic_write_u32(&shared->some, some ? 1 : 0);
	SpinLockRelease(&shared->lock);
}
