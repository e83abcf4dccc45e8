/*
 * test_in_memory.c
 *		D24: what unit tests wire is each test's own, in any order and at the same
 *		time: two worlds in one process share nothing.
 */
#include "in_memory.h"

#include "common/message.h"

#include "auth/messages.h"

typedef struct Counter
{
	Aggregate	aggregate;
	int64_t		count;
} Counter;

static const AggregateType counter_type = {"counter", sizeof(Counter), RANK_LEDGER_ACCOUNT};

typedef struct Stage
{
	World		world;
	InMemoryRepository counters;
} Stage;

static void
stage_init(Stage *stage)
{
	world_init(&stage->world);
	stage->counters = in_memory_repository(&stage->world, &counter_type);
}

static void
count_to(Stage *stage, int64_t count)
{
	UnitOfWork *work = world_work(&stage->world, NULL);
	Counter    *counter = ARENA_NEW(work->arena, Counter);

	counter->aggregate = (Aggregate) {.type = &counter_type, .id = id_of(1)};
	counter->count = count;
	unit_of_work_add(work, &stage->counters.repository, &counter->aggregate);
	EMIT(work, auth_signed_up, id_of(1), .account_id = id_of(1), .username = "alice");
	assert_ok(unit_of_work_complete(work));
}

static void
D24_two_worlds_share_no_row_and_no_message(void **state)
{
	Stage		one;
	Stage		other;

	stage_init(&one);
	stage_init(&other);
	count_to(&one, 1);
	assert_null(in_memory_stored(&other.counters, id_of(1)));
	assert_int_equal(world_count(&other.world, &auth_signed_up_type), 0);
	assert_int_equal(other.counters.inserts, 0);

	/* The same id is free there, and what is written there is not seen here. */
	count_to(&other, 2);
	assert_int_equal(((Counter *) in_memory_stored(&one.counters, id_of(1)))->count, 1);
	assert_int_equal(((Counter *) in_memory_stored(&other.counters, id_of(1)))->count, 2);
	assert_int_equal(world_count(&one.world, &auth_signed_up_type), 1);
	world_destroy(&one.world);
	assert_int_equal(((Counter *) in_memory_stored(&other.counters, id_of(1)))->count, 2);
	world_destroy(&other.world);
}

static void
D24_each_world_has_its_own_clock_and_ids(void **state)
{
	Stage		one;
	Stage		other;
	Uuid		first;

	stage_init(&one);
	first = new_id(world_work(&one.world, NULL));
	world_wait(&one.world, 3600);
	(void) new_id(world_work(&one.world, NULL));

	/* One that begins later begins at the same place: no test sees what ran before it. */
	stage_init(&other);
	assert_true(uuid_equal(new_id(world_work(&other.world, NULL)), first));
	assert_true(instant_before(clock_now(world_work(&other.world, NULL)), clock_now(world_work(&one.world, NULL))));
	world_destroy(&one.world);
	world_destroy(&other.world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(D24_two_worlds_share_no_row_and_no_message),
		cmocka_unit_test(D24_each_world_has_its_own_clock_and_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
