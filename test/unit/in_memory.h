/*
 * in_memory.h
 *		The ports of common/ without a server: what unit tests wire.
 *
 * Nothing here is static: each test makes a World of its own, so tests run in
 * any order and at the same time.
 *
 *		World world;
 *		world_init(&world);
 *		InMemoryRepository campaigns = in_memory_repository(&world, &campaign_type);
 *		UnitOfWork *work = world_work(&world, NULL);
 *		...
 *		assert_true(world_emitted(&world, &crowdfunding_campaign_created_type) != NULL);
 *		world_destroy(&world);
 */
#ifndef SPARK_TEST_IN_MEMORY_H
#define SPARK_TEST_IN_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/bus.h"
#include "common/unit_of_work.h"

typedef struct World World;

typedef struct WorldClock
{
	Clock		clock;
	Instant		now;			/* stands still until a test moves it */
} WorldClock;

typedef struct WorldIds
{
	IdSource	ids;
	uint64_t	count;			/* made so far */
	WorldClock *clock;
} WorldIds;

/* The outbox of a test: messages stay in it in order. */
typedef struct WorldOutbox
{
	Outbox		outbox;
	World	   *world;
	Message    *messages;
	size_t		count;
	size_t		capacity;
} WorldOutbox;

struct World
{
	BumpArena	memory;
	Arena	   *arena;
	WorldClock	clock;
	WorldIds	ids;
	WorldOutbox outbox;
	Ports		ports;
};

extern void world_init(World *world);	/* at 2026-01-01 00:00 UTC */
extern void world_destroy(World *world);

/* A unit of work handling that message (NULL: the outside asks). */
extern UnitOfWork *world_work(World *world, const Message *cause);

/* Moves the clock forward. */
extern void world_wait(World *world, int64_t seconds);

/* The last message of that type in the outbox, payload decoded; NULL: none. */
extern const Message *world_emitted(World *world, const MessageType *type);

/* How many of that type the outbox holds. */
extern size_t world_count(const World *world, const MessageType *type);

/*
 * A message as if it had come over the bus, its payload through JSON and back:
 * MESSAGE_OF(&world, accounting_deposit, key, .account_id = ..)
 */
extern Message world_message(World *world, const MessageType *type, Uuid key, const void *payload);
#define MESSAGE_OF(world, message, key, ...) \
	world_message((world), &message##_type, (key), &(message) {__VA_ARGS__})

/* An id that reads like its number: 00000000-0000-7000-8000-0000000000NN. */
extern Uuid id_of(uint64_t number);

typedef struct InMemoryRow
{
	struct InMemoryRow *next;
	Aggregate  *aggregate;		/* a copy in the world's arena */
} InMemoryRow;

/* Rows by id.  A finder by key walks `rows`. */
typedef struct InMemoryRepository
{
	Repository	repository;
	World	   *world;
	InMemoryRow *rows;
	size_t		loads;			/* calls of load */
	size_t		inserts;
	size_t		updates;
	bool		(*same_key) (const Aggregate *stored, const Aggregate *inserted);	/* a unique key beside the id; may be NULL */
} InMemoryRepository;

extern InMemoryRepository in_memory_repository(World *world, const AggregateType *type);

/*
 * A copy of what is stored, as a finder would load it; NULL: none.  For finders:
 * unit_of_work_track() it where the finder locks.
 */
extern Aggregate *in_memory_stored(const InMemoryRepository *self, Uuid id);
extern Aggregate *in_memory_copy(const InMemoryRepository *self, const Aggregate *stored);

/* Puts a row in without a unit of work. */
extern void in_memory_put(InMemoryRepository *self, const Aggregate *aggregate);

/*
 * The bus of a test: hands each message of the outbox, from *position on, to
 * every consumer that wants it, each in a unit of work of its own that is
 * completed, until nothing is left.  Fails the test where a handler fails.
 */
extern void world_dispatch(World *world, const Consumer *const *consumers, size_t count, size_t *position);

extern void assert_ok_(Result result, const char *file, int line);
extern void assert_refused_(Result result, ResultCode code, const char *file, int line);
#define assert_ok(result) assert_ok_((result), __FILE__, __LINE__)
#define assert_refused(result, code) assert_refused_((result), RESULT_##code, __FILE__, __LINE__)

#endif
