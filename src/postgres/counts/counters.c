/*
 * counters.c
 *		What spark_ops.bus_status() tells of each consumer, in shared memory.
 *
 * One spinlock over all slots; nobody holds it for longer than it takes to copy
 * one.  A slot is found by the hash of database and name: there, or behind it
 * with no unused slot between.  One that is given up is used again, but ends no
 * search.  A database has slots as long as it has a place (database_place.h).
 */
#include "postgres/counts/counters.h"

#include "postgres/environment.h"
#include "postgres/counts/database_place.h"
#include "postgres/counts/pending_counts.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

typedef struct Shared
{
	slock_t		lock;			/* guards everything below */
	int			taken;			/* of the slots */
	CounterSlot slots[MAX_COUNTED];
} Shared;

#define TRANCHE "spark_counts"

static Shared *shared;
static LWLock *reading;			/* exclusively by who reads, as changes may come together */

void
counters_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

void
counters_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark counters", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
	}
	reading = &GetNamedLWLockTranche(TRANCHE)->lock;
	LWLockRelease(AddinShmemInitLock);
}

bool
is_counting(void)
{
	return shared != NULL;
}

void
begin_change_of_counts(void)
{
	if (reading != NULL)
		LWLockAcquire(reading, LW_SHARED);
}

void
begin_reading_counts(void)
{
	if (reading != NULL)
		LWLockAcquire(reading, LW_EXCLUSIVE);
}

void
end_with_counts(void)
{
	if (reading != NULL)
		LWLockRelease(reading);
}

void
copy_clipped(char *target, size_t size, const char *text)
{
	int			length = pg_mbcliplen(text, (int) strlen(text), (int) size - 1);

	memcpy(target, text, length);
	target[length] = '\0';
}

/* ------------------------------------------------------------------- slots */

uint64
consumer_key(const char *consumer)
{
	int			length = (int) strnlen(consumer, NAMEDATALEN - 1);

	return Max(1, hash_bytes_extended((const unsigned char *) consumer, length, MyDatabaseId));
}

/* The one of that key, or where it would be; call with the lock held; NULL: all are taken. */
static CounterSlot *
find_slot(uint64 key)
{
	CounterSlot *free_slot = NULL;

	for (uint32 i = 0; i < MAX_COUNTED; i++)
	{
		CounterSlot *slot = &shared->slots[(key + i) % MAX_COUNTED];

		if (slot->key == key && slot->database == MyDatabaseId)
			return slot;
		if (free_slot == NULL && !OidIsValid(slot->database))
			free_slot = slot;
		if (slot->key == 0)
			break;
	}
	return free_slot;
}

CounterSlot *
take_counter_slot(uint64 key, bool make)
{
	CounterSlot *slot;

	if (shared == NULL || database_place() < 0)
		return NULL;
	SpinLockAcquire(&shared->lock);
	slot = find_slot(key);
	if (slot == NULL || (!OidIsValid(slot->database) && !make))
	{
		SpinLockRelease(&shared->lock);
		return NULL;
	}
	if (!OidIsValid(slot->database))
	{
		memset(slot, 0, sizeof(*slot));
		slot->key = key;
		slot->database = MyDatabaseId;
		shared->taken++;
	}
	return slot;
}

void
let_counter_slot_go(void)
{
	SpinLockRelease(&shared->lock);
}

void
counts_become_unknown(CounterSlot *slot)
{
	for (int lane = 0; lane < MAX_LANES; lane++)
		slot->waiting[lane].table = InvalidOid;
}

void
with_all_counter_slots(Oid database, void (*act) (CounterSlot *slot))
{
	for (int i = 0; shared != NULL && i < MAX_COUNTED; i++)
	{
		SpinLockAcquire(&shared->lock);
		if (OidIsValid(database) ? shared->slots[i].database == database : OidIsValid(shared->slots[i].database))
			act(&shared->slots[i]);
		SpinLockRelease(&shared->lock);
	}
}

/* What was given up before one that was never used ends each search as well as that one. */
static void
give_up(CounterSlot *slot)
{
	int			i = (int) (slot - shared->slots);

	slot->database = InvalidOid;
	shared->taken--;
	while (shared->slots[i].key != 0 && !OidIsValid(shared->slots[i].database) &&
		   shared->slots[(i + 1) % MAX_COUNTED].key == 0)
	{
		shared->slots[i].key = 0;
		i = (i + MAX_COUNTED - 1) % MAX_COUNTED;
	}
}

void
give_counter_slot_up(uint64 key)
{
	CounterSlot *slot = take_counter_slot(key, false);

	if (slot == NULL)
		return;
	give_up(slot);
	let_counter_slot_go();
}

void
give_counter_slots_up(Oid database)
{
	with_all_counter_slots(database, give_up);
}

int
counter_slots_taken(void)
{
	int			taken;

	if (shared == NULL)
		return 0;
	SpinLockAcquire(&shared->lock);
	taken = shared->taken;
	SpinLockRelease(&shared->lock);
	return taken;
}

/* --------------------------------------------------------------- counters */

void
count_handled(const char *consumer, int lane, int64 handled, const HandlerTimes *times)
{
	if (shared == NULL || handled == 0)
		return;
	if (IsTransactionState())
		handled_at_commit(consumer_key(consumer), lane, handled, times);
	else
		add_handled(consumer_key(consumer), lane, handled, times, server_time());
}

void
add_handled(uint64 consumer, int lane, int64 handled, const HandlerTimes *times, Instant now)
{
	CounterSlot *slot = take_counter_slot(consumer, true);

	if (slot == NULL)
		return;
	slot->counters.handled[lane] += handled;
	slot->counters.batches[lane]++;
	recent_add(&slot->counters.recent[lane], now, handled);
	times_add(&slot->counters.times, times);
	let_counter_slot_go();
}

void
note_error(const char *consumer, const char *message)
{
	char		clipped[sizeof(((ConsumerCounters *) NULL)->last_error)];
	CounterSlot *slot;

	copy_clipped(clipped, sizeof(clipped), message);
	slot = take_counter_slot(consumer_key(consumer), true);
	if (slot == NULL)
		return;
	slot->counters.failed++;
	strcpy(slot->counters.last_error, clipped);
	let_counter_slot_go();
}

void
note_paused(const char *consumer, int lane, int process, const char *why)
{
	char		clipped[sizeof(((ConsumerCounters *) NULL)->paused)];
	CounterSlot *slot;

	copy_clipped(clipped, sizeof(clipped), why);
	slot = take_counter_slot(consumer_key(consumer), true);
	if (slot == NULL)
		return;
	strcpy(slot->counters.paused, clipped);
	slot->counters.paused_by[lane] = process;
	let_counter_slot_go();
}

void
note_goes_on(const char *consumer, const bool *lanes)
{
	CounterSlot *slot = take_counter_slot(consumer_key(consumer), false);
	bool		waits = false;

	if (slot == NULL)
		return;
	for (int lane = 0; lane < MAX_LANES; lane++)
	{
		if (lanes[lane])
			slot->counters.paused_by[lane] = 0;
		waits = waits || slot->counters.paused_by[lane] != 0;
	}
	if (!waits)
		slot->counters.paused[0] = '\0';
	let_counter_slot_go();
}

bool
is_said_to_pause(const char *consumer, int *by)
{
	const CounterSlot *slot = take_counter_slot(consumer_key(consumer), false);
	bool		is_said;

	if (slot == NULL)
		return false;
	is_said = slot->counters.paused[0] != '\0';
	if (is_said)
		memcpy(by, slot->counters.paused_by, sizeof(slot->counters.paused_by));
	let_counter_slot_go();
	return is_said;
}

void
note_in_the_way(const char *consumer, int lane, const char *who)
{
	char		clipped[sizeof(((ConsumerCounters *) NULL)->in_the_way)];
	Instant		now = server_time();
	CounterSlot *slot;

	copy_clipped(clipped, sizeof(clipped), who != NULL ? who : "");
	slot = take_counter_slot(consumer_key(consumer), true);
	if (slot == NULL)
		return;
	if (who != NULL || slot->counters.lane_of_it == lane)
	{
		strcpy(slot->counters.in_the_way, clipped);
		slot->counters.lane_of_it = lane;
		slot->counters.seen_at = now;
	}
	let_counter_slot_go();
}

void
note_shared(const char *consumer, bool is_shared)
{
	CounterSlot *slot = take_counter_slot(consumer_key(consumer), true);

	if (slot == NULL)
		return;
	slot->counters.shared = is_shared;
	let_counter_slot_go();
}

ConsumerCounters
consumer_counters(const char *consumer)
{
	ConsumerCounters copy = {0};
	const CounterSlot *slot = take_counter_slot(consumer_key(consumer), false);

	if (slot == NULL)
		return copy;
	copy = slot->counters;
	let_counter_slot_go();
	return copy;
}
