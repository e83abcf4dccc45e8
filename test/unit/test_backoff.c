/*
 * test_backoff.c
 *		How long a message that failed waits until it is tried again.
 */
#include "common/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ALMOST_ONE 0.999999999
#define SECOND INT64_C(1000000)

/* As the settings are by default, in microseconds. */
static const Backoff by_default = {.base = SECOND, .longest = 600 * SECOND};

static int64_t
sum_of_waits(int attempts, double chance)
{
	int64_t		sum = 0;

	/* After the last attempt it is dead, and waits no more. */
	for (int attempt = 1; attempt < attempts; attempt++)
		sum += backoff_after(by_default, attempt, chance);
	return sum;
}

static void
B14_the_wait_doubles_with_each_attempt(void **state)
{
	int64_t		whole = SECOND;

	(void) state;
	for (int attempt = 1; attempt <= 10; attempt++, whole *= 2)
	{
		assert_int_equal(backoff_after(by_default, attempt, 0), whole / 2);
		assert_in_range(backoff_after(by_default, attempt, ALMOST_ONE), whole - 2, whole);
	}
}

static void
B14_no_wait_is_longer_than_the_longest(void **state)
{
	(void) state;
	for (int attempt = 11; attempt <= 5000; attempt += 7)
	{
		assert_int_equal(backoff_after(by_default, attempt, 0), 300 * SECOND);
		assert_in_range(backoff_after(by_default, attempt, ALMOST_ONE), 600 * SECOND - 2, 600 * SECOND);
	}
	assert_int_equal(backoff_after((Backoff) {.base = 10, .longest = 4}, 1, 0), 2);
	assert_int_equal(backoff_after((Backoff) {.base = INT64_MAX / 3, .longest = INT64_MAX}, 9, 0), INT64_MAX / 2 + 1);
}

static void
B14_twelve_attempts_take_14_to_27_minutes(void **state)
{
	(void) state;
	assert_in_range(sum_of_waits(12, 0), 13 * 60 * SECOND, 14 * 60 * SECOND);
	assert_in_range(sum_of_waits(12, ALMOST_ONE), 27 * 60 * SECOND, 28 * 60 * SECOND);
}

/* What failed together comes back spread over half of the wait, evenly. */
static void
B14_chance_spreads_the_waits_from_half_to_whole(void **state)
{
	int			in_quarter[4] = {0};

	(void) state;
	for (int i = 0; i < 1000; i++)
	{
		int64_t		wait = backoff_after(by_default, 5, i / 1000.0);

		assert_in_range(wait, 8 * SECOND, 16 * SECOND - 1);
		in_quarter[(wait - 8 * SECOND) / (2 * SECOND)]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(in_quarter[i], 249, 251);
}

static void
B14_the_shortest_wait_is_none_that_never_passes(void **state)
{
	Backoff		shortest = {.base = 1, .longest = 1};

	(void) state;
	assert_int_equal(backoff_after(shortest, 1, 0), 1);
	assert_int_equal(backoff_after(shortest, 12, ALMOST_ONE), 1);
}

static void
B19_uncounted_the_wait_grows_with_the_time_it_has_failed(void **state)
{
	int64_t		failing_for = 0;
	int64_t		before = 0;

	(void) state;
	for (int i = 0; i < 40; i++)
	{
		int64_t		wait = backoff_again(by_default, failing_for, 0.5);

		assert_true(wait >= before);
		assert_in_range(wait, SECOND / 2, 600 * SECOND);
		before = wait;
		failing_for += wait;
	}
	assert_int_equal(before, 450 * SECOND);
	assert_int_equal(backoff_again(by_default, INT64_MAX, 0), 300 * SECOND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(B14_the_wait_doubles_with_each_attempt),
		cmocka_unit_test(B14_no_wait_is_longer_than_the_longest),
		cmocka_unit_test(B14_twelve_attempts_take_14_to_27_minutes),
		cmocka_unit_test(B14_chance_spreads_the_waits_from_half_to_whole),
		cmocka_unit_test(B14_the_shortest_wait_is_none_that_never_passes),
		cmocka_unit_test(B19_uncounted_the_wait_grows_with_the_time_it_has_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
