/*
 * test_lane.c
 *		The lane of a key: the same for ever, and all lanes about as full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/lane.h"

static Uuid
numbered(unsigned number)
{
	Uuid		key = UUID_NIL;

	/* As version 7 has it: the time first, luck last. */
	key.bytes[5] = (uint8_t) (number >> 8);
	key.bytes[6] = 0x70;
	key.bytes[15] = (uint8_t) number;
	return key;
}

static void
lanes_are_powers_of_two(void **state)
{
	for (int lanes = -1; lanes <= 130; lanes++)
		assert_int_equal(is_lane_count(lanes), lanes == 1 || lanes == 2 || lanes == 4 || lanes == 8 ||
						 lanes == 16 || lanes == 32 || lanes == 64);
}

/* Written down in every log there is: they must never change. */
static void
the_lane_of_a_key_never_changes(void **state)
{
	Uuid		key = {{0x01, 0x93, 0, 1, 2, 3, 0x74, 5, 0x86, 7, 8, 9, 10, 11, 12, 13}};

	assert_int_equal(lane_of(key, 1), 0);
	assert_int_equal(lane_of(key, 64), 56);
	assert_int_equal(lane_of(UUID_NIL, 64), 28);
}

/* Half of a lane's keys stay when lanes double, the others go to one new lane. */
static void
doubling_splits_each_lane_in_two(void **state)
{
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(lane_of(numbered(i), 4), lane_of(numbered(i), 8) % 4);
}

static void
keys_spread_over_all_lanes(void **state)
{
	int			count[MAX_LANES] = {0};

	for (unsigned i = 0; i < 64000; i++)
		count[lane_of(numbered(i), MAX_LANES)]++;
	for (int i = 0; i < MAX_LANES; i++)
		assert_in_range(count[i], 800, 1200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lanes_are_powers_of_two),
		cmocka_unit_test(the_lane_of_a_key_never_changes),
		cmocka_unit_test(doubling_splits_each_lane_in_two),
		cmocka_unit_test(keys_spread_over_all_lanes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
