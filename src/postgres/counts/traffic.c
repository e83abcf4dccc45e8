/*
 * traffic.c
 *		How many messages of each type were emitted, a lane, in shared memory.
 *
 * A table of atomic numbers, found by the hash of database and type: there, or
 * behind it with no free place between.  A place is taken once, and kept; nobody
 * waits for anybody.
 *
 * What is addressed to a context and is none of its messages, as its dead letter
 * will be, is counted under the name of the context.
 *
 * What a transaction has emitted is kept in this backend until its commit, in
 * entries of the part of it that has, and counted before locks are let go; that
 * of a prepared transaction is kept for whoever finds that it has ended
 * (in_doubt.h).
 */
#include "postgres/counts/traffic.h"

#include "common/lane.h"
#include "postgres/counts/in_doubt.h"
#include "postgres/transaction_end.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define MAX_TYPES 2048			/* of all databases, that are or were wanted */

typedef struct TypeTraffic
{
	pg_atomic_uint64 type;		/* 0: free */
	pg_atomic_uint64 emitted[MAX_LANES];
} TypeTraffic;

#define KEPT 1024				/* entries whose memory outlives a transaction */
#define LOOKED_AT 16			/* entries that a further message may join */

/* What this transaction has emitted. */
typedef struct EmittedCount
{
	SubTransactionId made_by;
	Emission	emission;
} EmittedCount;

static TypeTraffic *shared;
static EmittedCount *emitted;
static int	emitted_count;
static int	capacity;

void
traffic_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(MAX_TYPES * sizeof(TypeTraffic)));
}

void
traffic_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark traffic", MAX_TYPES * sizeof(TypeTraffic), &found);
	for (int i = 0; i < MAX_TYPES && !found; i++)
	{
		pg_atomic_init_u64(&shared[i].type, 0);
		for (int lane = 0; lane < MAX_LANES; lane++)
			pg_atomic_init_u64(&shared[i].emitted[lane], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

static uint64
type_key(const char *type)
{
	return Max(1, hash_bytes_extended((const unsigned char *) type, (int) strlen(type), MyDatabaseId));
}

/* Where it is counted; NULL: nowhere. */
static TypeTraffic *
find_type(uint64 type, bool make)
{
	for (uint32 i = 0; shared != NULL && i < MAX_TYPES; i++)
	{
		TypeTraffic *place = &shared[(type + i) % MAX_TYPES];
		uint64		there = pg_atomic_read_u64(&place->type);

		/* Another may take the place first, be it for the same type. */
		if (there == 0 && make && pg_atomic_compare_exchange_u64(&place->type, &there, type))
			return place;
		if (there == type)
			return place;
		if (there == 0)
			return NULL;
	}
	return NULL;
}

/* The context that gets it for want of a better one; NULL: it is somebody's message, wanted or not. */
static const Consumer *
involuntary_context(const Message *message)
{
	const Consumer *context = context_consumer(pnstrdup(message->type_name, strcspn(message->type_name, ".")));
	const MessageType *known;

	if (context == NULL || consumer_subscription(context, message->type_name) != NULL)
		return NULL;
	known = known_message_type(message->type_name);
	return known == NULL || known->kind == MESSAGE_COMMAND ? context : NULL;
}

bool
traffic_watch(const Listener *listener)
{
	bool		has_room = listener->context == NULL || find_type(type_key(listener->name), true) != NULL;

	for (int i = 0; i < listener->wanted_count && has_room; i++)
		has_room = find_type(type_key(listener->wanted[i]), true) != NULL;
	return has_room;
}

static int64
emitted_of(const char *type, int lane)
{
	TypeTraffic *place = find_type(type_key(type), false);

	return place != NULL ? (int64) pg_atomic_read_u64(&place->emitted[lane]) : 0;
}

int64
traffic_of(const Listener *listener, int lane)
{
	int64		sum = listener->context != NULL ? emitted_of(listener->name, lane) : 0;

	for (int i = 0; i < listener->wanted_count; i++)
		sum += emitted_of(listener->wanted[i], lane);
	return sum;
}

/* ----------------------------------------------------- in a transaction */

static int
compare_emitted(const void *left, const void *right)
{
	const Emission *a = &((const EmittedCount *) left)->emission;
	const Emission *b = &((const EmittedCount *) right)->emission;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->lane - b->lane;
}

/* One entry a type and lane of the part that made the last ones. */
static void
merge_emitted(void)
{
	SubTransactionId part = emitted[emitted_count - 1].made_by;
	int			first = emitted_count;
	int			end;

	while (first > 0 && emitted[first - 1].made_by == part)
		first--;
	qsort(&emitted[first], emitted_count - first, sizeof(EmittedCount), compare_emitted);
	end = first + 1;
	for (int i = first + 1; i < emitted_count; i++)
		if (compare_emitted(&emitted[end - 1], &emitted[i]) == 0)
			emitted[end - 1].emission.number += emitted[i].emission.number;
		else
			emitted[end++] = emitted[i];
	emitted_count = end;
}

/* Many of few types and lanes need little room, in whatever order they come. */
static void
make_room(void)
{
	if (emitted_count > 0)
		merge_emitted();
	if (emitted_count <= capacity / 2 && capacity > 0)
		return;
	capacity = Max(KEPT, 2 * capacity);
	emitted = emitted == NULL ? MemoryContextAlloc(TopMemoryContext, capacity * sizeof(EmittedCount))
		: repalloc_huge(emitted, capacity * sizeof(EmittedCount));
}

static void
note_emitted(SubTransactionId part, uint64 type, int lane, int64 number)
{
	for (int i = emitted_count - 1; i >= Max(0, emitted_count - LOOKED_AT) && emitted[i].made_by == part; i--)
		if (emitted[i].emission.type == type && emitted[i].emission.lane == lane)
		{
			emitted[i].emission.number += number;
			return;
		}
	if (emitted_count == capacity)
		make_room();
	emitted[emitted_count++] = (EmittedCount) {part, {type, lane, number}};
}

uint64
traffic_type(const Message *message)
{
	uint64		type = type_key(message->type_name);
	const Consumer *context = find_type(type, false) == NULL ? involuntary_context(message) : NULL;

	return context != NULL ? type_key(context->name) : type;
}

void
traffic_count_at_commit(const Message *message, int lane)
{
	if (shared == NULL)
		return;
	watch_transaction_end();
	note_emitted(GetCurrentSubTransactionId(), traffic_type(message), lane, 1);
}

void
traffic_add(const Emission *emission)
{
	TypeTraffic *place = find_type(emission->type, false);

	if (place != NULL)
		(void) pg_atomic_fetch_add_u64(&place->emitted[emission->lane], emission->number);
}

bool
has_traffic(void)
{
	return emitted_count > 0;
}

void
apply_traffic(void)
{
	for (int i = 0; i < emitted_count; i++)
		traffic_add(&emitted[i].emission);
}

void
prepare_traffic(void)
{
	Emission   *emissions;

	if (emitted_count == 0)
		return;
	merge_emitted();
	emissions = palloc(emitted_count * sizeof(Emission));
	for (int i = 0; i < emitted_count; i++)
		emissions[i] = emitted[i].emission;
	note_in_doubt(U64FromFullTransactionId(GetTopFullTransactionId()), emissions, emitted_count);
}

void
drop_traffic(void)
{
	emitted_count = 0;
	if (capacity > KEPT)
	{
		pfree(emitted);
		emitted = NULL;
		capacity = 0;
	}
}

/* Some of them may join what that part has emitted itself. */
void
hand_traffic_on(SubTransactionId from, SubTransactionId to)
{
	int			first = emitted_count;
	int			end = emitted_count;

	while (first > 0 && emitted[first - 1].made_by == from)
		first--;
	emitted_count = first;
	for (int i = first; i < end; i++)
		note_emitted(to, emitted[i].emission.type, emitted[i].emission.lane, emitted[i].emission.number);
}

void
drop_traffic_of(SubTransactionId part)
{
	while (emitted_count > 0 && emitted[emitted_count - 1].made_by == part)
		emitted_count--;
}
