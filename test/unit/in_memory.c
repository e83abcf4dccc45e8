/*
 * in_memory.c
 *		The ports of common/ without a server.
 */
#include "in_memory.h"

#include <string.h>

#define NEW_YEAR_2026 INT64_C(1767225600)

/* ------------------------------------------------------------------ world */

static Instant
world_now(Clock *clock)
{
	return ((WorldClock *) clock)->now;
}

static Uuid
world_next_id(IdSource *ids)
{
	WorldIds   *self = (WorldIds *) ids;
	uint8_t		random[10] = {0};

	self->count++;
	for (int i = 0; i < 8; i++)
		random[9 - i] = (uint8_t) (self->count >> (8 * i));
	return uuid_v7(self->clock->now.microseconds / 1000, random);
}

static Result
world_store(Outbox *outbox, UnitOfWork *work, const Message *messages, size_t count)
{
	WorldOutbox *self = (WorldOutbox *) outbox;
	Arena	   *arena = self->world->arena;

	(void) work;
	for (size_t i = 0; i < count; i++)
	{
		Message    *copy;

		if (self->count == self->capacity)
		{
			size_t		capacity = self->capacity == 0 ? 16 : self->capacity * 2;
			Message    *grown = ARENA_ARRAY(arena, Message, capacity);

			if (self->count > 0)
				memcpy(grown, self->messages, self->count * sizeof(Message));
			self->messages = grown;
			self->capacity = capacity;
		}
		copy = &self->messages[self->count++];
		*copy = messages[i];
		copy->payload_json = arena_text(arena, messages[i].payload_json);
		copy->payload = NULL;
	}
	return OK;
}

void
world_init(World *world)
{
	memset(world, 0, sizeof(*world));
	bump_arena_init(&world->memory);
	world->arena = &world->memory.arena;
	world->clock = (WorldClock) {{world_now}, {NEW_YEAR_2026 * MICROSECONDS_PER_SECOND}};
	world->ids = (WorldIds) {{world_next_id}, 0, &world->clock};
	world->outbox.outbox.store = world_store;
	world->outbox.world = world;
	world->ports = (Ports) {&world->clock.clock, &world->ids.ids, &world->outbox.outbox};
}

void
world_destroy(World *world)
{
	bump_arena_destroy(&world->memory);
}

UnitOfWork *
world_work(World *world, const Message *cause)
{
	return unit_of_work_new(world->arena, &world->ports, cause);
}

void
world_wait(World *world, int64_t seconds)
{
	world->clock.now = instant_plus_seconds(world->clock.now, seconds);
}

Uuid
id_of(uint64_t number)
{
	Uuid		id = UUID_NIL;

	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	for (int i = 0; i < 6; i++)
		id.bytes[15 - i] = (uint8_t) (number >> (8 * i));
	return id;
}

/* --------------------------------------------------------------- messages */

static void
decode(World *world, Message *message)
{
	if (message->payload == NULL)
		assert_ok(message_decode(message->type, message->schema_version, message->payload_json,
								 strlen(message->payload_json), world->arena, &message->payload));
}

const Message *
world_emitted(World *world, const MessageType *type)
{
	for (size_t i = world->outbox.count; i > 0; i--)
		if (world->outbox.messages[i - 1].type == type)
		{
			decode(world, &world->outbox.messages[i - 1]);
			return &world->outbox.messages[i - 1];
		}
	return NULL;
}

size_t
world_count(const World *world, const MessageType *type)
{
	size_t		count = 0;

	for (size_t i = 0; i < world->outbox.count; i++)
		count += world->outbox.messages[i].type == type;
	return count;
}

Message
world_message(World *world, const MessageType *type, Uuid key, const void *payload)
{
	Message		message = {
		.id = world_next_id(&world->ids.ids),
		.type_name = type->name,
		.type = type,
		.aggregate_type = type->aggregate_type,
		.aggregate_id = key,
		.schema_version = type->schema_version,
		.payload_json = message_encode(type, payload, world->arena),
		.created_at = world->clock.now,
	};

	message.correlation_id = message.id;
	decode(world, &message);
	return message;
}

void
world_dispatch(World *world, const Consumer *const *consumers, size_t count, size_t *position)
{
	for (; *position < world->outbox.count; (*position)++)
		for (size_t i = 0; i < count; i++)
		{
			/* A copy: the outbox may grow, and move, under the handler. */
			Message		message = world->outbox.messages[*position];
			UnitOfWork *work;

			if (consumer_subscription(consumers[i], message.type_name) == NULL)
				continue;
			work = world_work(world, &message);
			assert_ok(consumer_handle(consumers[i], work, &message));
			assert_ok(unit_of_work_complete(work));
		}
}

/* ------------------------------------------------------------- repository */

static InMemoryRow *
row_of(const InMemoryRepository *self, Uuid id)
{
	for (InMemoryRow *row = self->rows; row != NULL; row = row->next)
		if (uuid_equal(row->aggregate->id, id))
			return row;
	return NULL;
}

Aggregate *
in_memory_copy(const InMemoryRepository *self, const Aggregate *stored)
{
	return arena_copy(self->world->arena, stored, self->repository.type->size);
}

Aggregate *
in_memory_stored(const InMemoryRepository *self, Uuid id)
{
	InMemoryRow *row = row_of(self, id);

	return row == NULL ? NULL : in_memory_copy(self, row->aggregate);
}

void
in_memory_put(InMemoryRepository *self, const Aggregate *aggregate)
{
	InMemoryRow *row = ARENA_NEW(self->world->arena, InMemoryRow);

	row->aggregate = in_memory_copy(self, aggregate);
	row->aggregate->type = self->repository.type;
	if (row->aggregate->version == 0)
		row->aggregate->version = 1;
	row->next = self->rows;
	self->rows = row;
}

static Result
in_memory_load(const Repository *repository, UnitOfWork *work, const Uuid *ids, size_t count,
			   bool lock, Aggregate **found)
{
	InMemoryRepository *self = (InMemoryRepository *) repository;

	(void) work;
	(void) lock;
	self->loads++;
	for (size_t i = 0; i < count; i++)
	{
		assert_true(i == 0 || uuid_compare(ids[i - 1], ids[i]) < 0);
		found[i] = in_memory_stored(self, ids[i]);
	}
	return OK;
}

static Result
in_memory_insert(const Repository *repository, UnitOfWork *work, const Aggregate *aggregate)
{
	InMemoryRepository *self = (InMemoryRepository *) repository;

	(void) work;
	assert_ptr_equal(aggregate->type, repository->type);
	for (InMemoryRow *row = self->rows; row != NULL; row = row->next)
		if (uuid_equal(row->aggregate->id, aggregate->id) ||
			(self->same_key != NULL && self->same_key(row->aggregate, aggregate)))
			return FAIL(DUPLICATE);
	in_memory_put(self, aggregate);
	self->inserts++;
	return OK;
}

static Result
in_memory_update(const Repository *repository, UnitOfWork *work, const Aggregate *aggregate)
{
	InMemoryRepository *self = (InMemoryRepository *) repository;
	InMemoryRow *row = row_of(self, aggregate->id);

	(void) work;
	if (row == NULL || row->aggregate->version != aggregate->version)
		return FAIL(INTERNAL);
	row->aggregate = in_memory_copy(self, aggregate);
	row->aggregate->version++;
	self->updates++;
	return OK;
}

InMemoryRepository
in_memory_repository(World *world, const AggregateType *type)
{
	return (InMemoryRepository) {
		.repository = {
			.type = type,
			.load = in_memory_load,
			.insert = in_memory_insert,
			.update = in_memory_update,
		},
		.world = world,
	};
}

/* ------------------------------------------------------------- assertions */

void
assert_ok_(Result result, const char *file, int line)
{
	if (failed(result))
	{
		print_error("refused: %s (%s)\n", result_text(result.code)->name,
					result.detail != NULL ? result.detail : "no detail");
		_fail(file, line);
	}
}

void
assert_refused_(Result result, ResultCode code, const char *file, int line)
{
	if (result.code != code)
	{
		print_error("expected %s, got %s (%s)\n", result_text(code)->name, result_text(result.code)->name,
					result.detail != NULL ? result.detail : "no detail");
		_fail(file, line);
	}
}
