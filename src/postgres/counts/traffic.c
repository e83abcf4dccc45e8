/*
 * traffic.c
 *		How many messages of each type were emitted, a lane, in shared memory.
 *
 * A table of atomic numbers, found by the hash of database and type: there, or
 * behind it with no place between that was never taken.  Who takes places, or
 * gives them back, keeps everybody from the counts meanwhile; who finds one waits
 * for nobody.
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
#include "postgres/bus/late_due.h"
#include "postgres/counts/counters.h"
#include "postgres/counts/database_place.h"
#include "postgres/counts/in_doubt.h"
#include "postgres/environment.h"
#include "postgres/transaction_end.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define NEVER_TAKEN 0
#define GIVEN_BACK 1
#define ANEW_SECONDS 600		/* at most so often */

typedef struct TypeTraffic
{
	pg_atomic_uint64 type;		/* or one of those two */
	Oid			database;
	pg_atomic_uint64 emitted[MAX_LANES];
} TypeTraffic;

typedef struct Shared
{
	pg_atomic_uint32 taken;		/* of the places */
	pg_atomic_uint64 anew_at;	/* seconds, when all were given back last */
	TypeTraffic types[MAX_TYPES];
} Shared;

#define KEPT 1024				/* entries whose memory outlives a transaction */
#define LOOKED_AT 16			/* entries that a further message may join */

/* What this transaction has emitted. */
typedef struct EmittedCount
{
	SubTransactionId made_by;
	Emission	emission;
} EmittedCount;

static Shared *shared;
static EmittedCount *emitted;
static int	emitted_count;
static int	capacity;

void
traffic_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

void
traffic_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark traffic", sizeof(Shared), &found);
	if (!found)
	{
		pg_atomic_init_u32(&shared->taken, 0);
		pg_atomic_init_u64(&shared->anew_at, 0);
	}
	for (int i = 0; i < MAX_TYPES && !found; i++)
	{
		pg_atomic_init_u64(&shared->types[i].type, NEVER_TAKEN);
		for (int lane = 0; lane < MAX_LANES; lane++)
			pg_atomic_init_u64(&shared->types[i].emitted[lane], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

static uint64
type_key(const char *type)
{
	return Max(GIVEN_BACK + 1, hash_bytes_extended((const unsigned char *) type, (int) strlen(type), MyDatabaseId));
}

/* Where it is counted; NULL: nowhere. */
static TypeTraffic *
find_type(uint64 type)
{
	for (uint32 i = 0; shared != NULL && i < MAX_TYPES; i++)
	{
		TypeTraffic *place = &shared->types[(type + i) % MAX_TYPES];
		uint64		there = pg_atomic_read_u64(&place->type);

		if (there == type)
			return place;
		if (there == NEVER_TAKEN)
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

/* ------------------------------------------------------------- the places */

int
types_taken(void)
{
	return shared != NULL ? (int) pg_atomic_read_u32(&shared->taken) : 0;
}

/* With everybody kept from the counts; false: there is no room. */
static bool
has_place(uint64 type)
{
	TypeTraffic *place = NULL;

	if (find_type(type) != NULL)
		return true;
	for (uint32 i = 0; i < MAX_TYPES && place == NULL; i++)
		if (pg_atomic_read_u64(&shared->types[(type + i) % MAX_TYPES].type) <= GIVEN_BACK)
			place = &shared->types[(type + i) % MAX_TYPES];
	if (place == NULL)
		return false;
	place->database = MyDatabaseId;
	for (int lane = 0; lane < MAX_LANES; lane++)
		pg_atomic_write_u64(&place->emitted[lane], 0);
	pg_write_barrier();
	pg_atomic_write_u64(&place->type, type);
	(void) pg_atomic_fetch_add_u32(&shared->taken, 1);
	return true;
}

/* Of all that it wants; a context also gets what bears its name. */
static bool
all_wanted(const Listener *listener, bool (*is_so) (uint64 type))
{
	bool		all = listener->context == NULL || is_so(type_key(listener->name));

	for (int i = 0; i < listener->wanted_count && all; i++)
		all = is_so(type_key(listener->wanted[i]));
	return all;
}

static bool
is_watched(uint64 type)
{
	return find_type(type) != NULL;
}

bool
traffic_watch(const Listener *listener)
{
	bool		all;

	if (shared == NULL || database_place() < 0)
		return false;
	if (all_wanted(listener, is_watched))
		return true;
	begin_reading_counts();
	all = all_wanted(listener, has_place);
	end_with_counts();
	return all;
}

/* What was given back before a place that was never taken ends each search as well as that one. */
static void
shorten_searches(void)
{
	/* Twice, as the first place is behind the last. */
	for (int i = 2 * MAX_TYPES - 1; i >= 0; i--)
	{
		TypeTraffic *place = &shared->types[i % MAX_TYPES];

		if (pg_atomic_read_u64(&place->type) == GIVEN_BACK &&
			pg_atomic_read_u64(&shared->types[(i + 1) % MAX_TYPES].type) == NEVER_TAKEN)
			pg_atomic_write_u64(&place->type, NEVER_TAKEN);
	}
}

/* InvalidOid: of all databases; with everybody kept from the counts. */
static void
give_types_back(Oid database)
{
	for (int i = 0; i < MAX_TYPES; i++)
	{
		TypeTraffic *place = &shared->types[i];

		if (pg_atomic_read_u64(&place->type) <= GIVEN_BACK ||
			(OidIsValid(database) && place->database != database))
			continue;
		pg_atomic_write_u64(&place->type, GIVEN_BACK);
		(void) pg_atomic_fetch_sub_u32(&shared->taken, 1);
	}
	shorten_searches();
}

void
traffic_forget(Oid database)
{
	begin_reading_counts();
	give_types_back(database);
	end_with_counts();
}

void
traffic_begin_anew(void)
{
	uint64		now = (uint64) (server_time().microseconds / MICROSECONDS_PER_SECOND);

	if (shared == NULL || database_place() < 0 || now < pg_atomic_read_u64(&shared->anew_at) + ANEW_SECONDS)
		return;
	begin_reading_counts();
	pg_atomic_write_u64(&shared->anew_at, now);
	give_types_back(InvalidOid);
	all_counts_become_unknown(InvalidOid);
	end_with_counts();
}

/* ---------------------------------------------------------------- reading */

static int64
emitted_of(const char *type, int lane)
{
	TypeTraffic *place = find_type(type_key(type));

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
	const Consumer *context = find_type(type) == NULL ? involuntary_context(message) : NULL;

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
	TypeTraffic *place = find_type(emission->type);

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

	Instant		due = late_due_when_prepared();

	if (emitted_count == 0 && instant_is_none(due))
		return;
	if (emitted_count > 0)
		merge_emitted();
	emissions = palloc(Max(1, emitted_count) * sizeof(Emission));
	for (int i = 0; i < emitted_count; i++)
		emissions[i] = emitted[i].emission;
	note_in_doubt(U64FromFullTransactionId(GetTopFullTransactionId()), emissions, emitted_count, due);
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
