/*
 * unit_of_work.c
 *		Identity map, change detection, and the order of writing.
 */
#include "common/unit_of_work.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

UnitOfWork *
unit_of_work_new(Arena *arena, const Ports *ports, const Message *cause)
{
	UnitOfWork *work = ARENA_NEW(arena, UnitOfWork);

	work->arena = arena;
	work->ports = ports;
	work->cause = cause;
	work->buckets = ARENA_ARRAY(arena, Tracked *, BUCKETS);
	return work;
}

Instant
clock_now(const UnitOfWork *work)
{
	return work->ports->clock->now(work->ports->clock);
}

Uuid
new_id(const UnitOfWork *work)
{
	return work->ports->ids->next(work->ports->ids);
}

/* ----------------------------------------------------------- identity map */

/* The last bytes of an id are random: they spread by themselves. */
static size_t
bucket_number(Uuid id)
{
	return (size_t) (id.bytes[15] ^ id.bytes[14]) % BUCKETS;
}

static Tracked **
bucket_of(const UnitOfWork *work, Uuid id)
{
	return &work->buckets[bucket_number(id)];
}

static Tracked *
lookup(const UnitOfWork *work, const AggregateType *type, Uuid id)
{
	for (Tracked *tracked = *bucket_of(work, id); tracked != NULL; tracked = tracked->next_in_bucket)
		if (tracked->aggregate->type == type && uuid_equal(tracked->aggregate->id, id))
			return tracked;
	return NULL;
}

static Tracked *
track(UnitOfWork *work, const Repository *repository, Aggregate *aggregate)
{
	Tracked    *tracked = ARENA_NEW(work->arena, Tracked);

	tracked->repository = repository;
	tracked->aggregate = aggregate;
	tracked->next = work->tracked;
	work->tracked = tracked;
	tracked->next_in_bucket = *bucket_of(work, aggregate->id);
	*bucket_of(work, aggregate->id) = tracked;
	return tracked;
}

Aggregate *
unit_of_work_track(UnitOfWork *work, const Repository *repository, Aggregate *loaded)
{
	Tracked    *known = lookup(work, repository->type, loaded->id);

	if (known != NULL)
		return known->aggregate;
	known = track(work, repository, loaded);
	known->image = arena_copy(work->arena, loaded, repository->type->size);
	return loaded;
}

void
unit_of_work_add(UnitOfWork *work, const Repository *repository, Aggregate *aggregate)
{
	(void) track(work, repository, aggregate);
}

/* What is tracked is there, whether it was missed before or not. */
static bool
is_missed(const UnitOfWork *work, const AggregateType *type, Uuid id)
{
	if (work->missed == NULL)
		return false;
	for (const Missed *missed = work->missed[bucket_number(id)]; missed != NULL; missed = missed->next_in_bucket)
		if (missed->type == type && uuid_equal(missed->id, id))
			return true;
	return false;
}

static void
remember_miss(UnitOfWork *work, const AggregateType *type, Uuid id)
{
	Missed	   *missed = ARENA_NEW(work->arena, Missed);
	Missed	  **bucket;

	if (work->missed == NULL)
		work->missed = ARENA_ARRAY(work->arena, Missed *, BUCKETS);
	bucket = &work->missed[bucket_number(id)];
	*missed = (Missed) {.next_in_bucket = *bucket, .type = type, .id = id};
	*bucket = missed;
}

static int
compare_ids(const void *a, const void *b)
{
	return uuid_compare(*(const Uuid *) a, *(const Uuid *) b);
}

/* Sorts the ids and leaves each one of which nothing is known yet once; returns how many. */
static size_t
ids_to_load(const UnitOfWork *work, const AggregateType *type, Uuid *ids, size_t count)
{
	size_t		kept = 0;

	qsort(ids, count, sizeof(Uuid), compare_ids);
	for (size_t i = 0; i < count; i++)
		if ((kept == 0 || !uuid_equal(ids[kept - 1], ids[i])) &&
			lookup(work, type, ids[i]) == NULL && !is_missed(work, type, ids[i]))
			ids[kept++] = ids[i];
	return kept;
}

Result
unit_of_work_find_many(UnitOfWork *work, const Repository *repository, const Uuid *ids, size_t count)
{
	Uuid	   *wanted = arena_copy(work->arena, ids, count * sizeof(Uuid));
	Aggregate **found;

	count = ids_to_load(work, repository->type, wanted, count);
	if (count == 0)
		return OK;
	found = ARENA_ARRAY(work->arena, Aggregate *, count);
	TRY(repository->load(repository, work, wanted, count, true, found));
	for (size_t i = 0; i < count; i++)
	{
		if (found[i] != NULL)
			(void) unit_of_work_track(work, repository, found[i]);
		else
			remember_miss(work, repository->type, wanted[i]);
	}
	return OK;
}

Result
unit_of_work_find(UnitOfWork *work, const Repository *repository, Uuid id, Aggregate **found)
{
	Tracked    *known;

	TRY(unit_of_work_find_many(work, repository, &id, 1));
	known = lookup(work, repository->type, id);
	*found = known != NULL ? known->aggregate : NULL;
	return OK;
}

Result
unit_of_work_read(UnitOfWork *work, const Repository *repository, Uuid id, Aggregate **found)
{
	Tracked    *known = lookup(work, repository->type, id);

	if (known != NULL)
	{
		*found = known->aggregate;
		return OK;
	}
	*found = NULL;
	if (is_missed(work, repository->type, id))
		return OK;
	TRY(repository->load(repository, work, &id, 1, false, found));
	if (*found == NULL)
		remember_miss(work, repository->type, id);
	return OK;
}

/* --------------------------------------------------------------- messages */

void
unit_of_work_emit(UnitOfWork *work, const MessageType *type, Uuid key, const void *payload)
{
	Emitted    *emitted = ARENA_NEW(work->arena, Emitted);
	Message    *message = &emitted->message;

	message->id = new_id(work);
	message->type_name = type->name;
	message->type = type;
	message->aggregate_type = type->aggregate_type;
	message->aggregate_id = key;
	message->schema_version = type->schema_version;
	message->payload_json = message_encode(type, payload, work->arena);
	message->correlation_id = work->cause != NULL ? work->cause->correlation_id : message->id;
	message->causation_id = work->cause != NULL ? work->cause->id : UUID_NIL;
	message->traceparent = work->cause != NULL ? work->cause->traceparent : work->traceparent;
	message->depth = work->cause != NULL ? work->cause->depth + 1 : 0;
	message->created_at = clock_now(work);
	if (work->last_emitted != NULL)
		work->last_emitted->next = emitted;
	else
		work->first_emitted = emitted;
	work->last_emitted = emitted;
}

/* --------------------------------------------------------------- complete */

static bool
must_be_written(const Tracked *tracked)
{
	return tracked->image == NULL ||
		memcmp(tracked->image, tracked->aggregate, tracked->repository->type->size) != 0;
}

/* New ones first, then by rank, then by id: the global order of locks. */
static int
compare_tracked(const void *left, const void *right)
{
	const Tracked *a = *(const Tracked *const *) left;
	const Tracked *b = *(const Tracked *const *) right;

	if ((a->image == NULL) != (b->image == NULL))
		return a->image == NULL ? -1 : 1;
	if (a->aggregate->type->rank != b->aggregate->type->rank)
		return a->aggregate->type->rank < b->aggregate->type->rank ? -1 : 1;
	return uuid_compare(a->aggregate->id, b->aggregate->id);
}

static bool
are_written_alike(const Tracked *a, const Tracked *b)
{
	return a->repository == b->repository && (a->image == NULL) == (b->image == NULL);
}

/* All inserts, or all updates, of one repository. */
static Result
write_alike(UnitOfWork *work, Tracked *const *tracked, size_t count)
{
	const Repository *repository = tracked[0]->repository;
	bool		is_new = tracked[0]->image == NULL;
	const Aggregate **aggregates;

	if (count > 1 && (is_new ? repository->insert_many : repository->update_many) != NULL)
	{
		aggregates = ARENA_ARRAY(work->arena, const Aggregate *, count);
		for (size_t i = 0; i < count; i++)
			aggregates[i] = tracked[i]->aggregate;
		return is_new ? repository->insert_many(repository, work, aggregates, count)
			: repository->update_many(repository, work, aggregates, count);
	}
	for (size_t i = 0; i < count; i++)
		if (is_new)
			TRY(repository->insert(repository, work, tracked[i]->aggregate));
		else
			TRY(repository->update(repository, work, tracked[i]->aggregate));
	return OK;
}

static Result
write_aggregates(UnitOfWork *work)
{
	size_t		count = 0;
	Tracked   **changed;

	for (Tracked *tracked = work->tracked; tracked != NULL; tracked = tracked->next)
		count += must_be_written(tracked);
	if (count == 0)
		return OK;
	changed = ARENA_ARRAY(work->arena, Tracked *, count);
	count = 0;
	for (Tracked *tracked = work->tracked; tracked != NULL; tracked = tracked->next)
		if (must_be_written(tracked))
			changed[count++] = tracked;
	qsort(changed, count, sizeof(Tracked *), compare_tracked);
	for (size_t begin = 0, end; begin < count; begin = end)
	{
		for (end = begin + 1; end < count && are_written_alike(changed[begin], changed[end]);)
			end++;
		TRY(write_alike(work, changed + begin, end - begin));
	}
	return OK;
}

static Result
store_messages(UnitOfWork *work)
{
	size_t		count = 0;
	Message    *messages;

	for (Emitted *emitted = work->first_emitted; emitted != NULL; emitted = emitted->next)
		count++;
	if (count == 0)
		return OK;
	messages = ARENA_ARRAY(work->arena, Message, count);
	count = 0;
	for (Emitted *emitted = work->first_emitted; emitted != NULL; emitted = emitted->next)
		messages[count++] = emitted->message;
	return work->ports->outbox->store(work->ports->outbox, work, messages, count);
}

Result
unit_of_work_complete(UnitOfWork *work)
{
	TRY(write_aggregates(work));
	TRY(store_messages(work));
	work->tracked = NULL;
	work->missed = NULL;
	memset(work->buckets, 0, sizeof(Tracked *) * BUCKETS);
	work->first_emitted = work->last_emitted = NULL;
	return OK;
}
