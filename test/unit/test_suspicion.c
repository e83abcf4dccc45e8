/*
 * test_suspicion.c
 *		Whose fault failures are: of messages, or of the consumer.
 */
#include "common/suspicion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static Uuid
key(int number)
{
	Uuid		uuid = {{0}};

	uuid.bytes[15] = (uint8_t) number;
	return uuid;
}

static void
note_keys(Suspicion *suspicion, int reason, int first, int count)
{
	for (int i = first; i < first + count; i++)
		suspicion_note(suspicion, reason, key(i));
}

static void
B20_twenty_keys_that_fail_alike_are_the_consumers_fault(void **state)
{
	Suspicion	suspicion = {0};

	(void) state;
	note_keys(&suspicion, 7, 1, SUSPICIOUS_KEYS - 1);
	assert_false(suspicion_is_founded(&suspicion));
	note_keys(&suspicion, 7, SUSPICIOUS_KEYS, 1);
	assert_true(suspicion_is_founded(&suspicion));
	note_keys(&suspicion, 7, 100, 50);
	assert_true(suspicion_is_founded(&suspicion));
}

static void
B14_one_key_that_fails_again_and_again_is_its_own_fault(void **state)
{
	Suspicion	suspicion = {0};

	(void) state;
	for (int i = 0; i < 1000; i++)
		suspicion_note(&suspicion, 7, key(i % 3));
	assert_false(suspicion_is_founded(&suspicion));
}

static void
B20_another_reason_begins_anew(void **state)
{
	Suspicion	suspicion = {0};

	(void) state;
	note_keys(&suspicion, 7, 1, SUSPICIOUS_KEYS - 1);
	note_keys(&suspicion, 8, 50, 1);
	note_keys(&suspicion, 7, 60, 1);
	assert_false(suspicion_is_founded(&suspicion));
}

static void
B20_a_success_between_clears_the_consumer(void **state)
{
	Suspicion	suspicion = {0};

	(void) state;
	note_keys(&suspicion, 7, 1, SUSPICIOUS_KEYS);
	suspicion_forget(&suspicion);
	assert_false(suspicion_is_founded(&suspicion));
	note_keys(&suspicion, 7, 1, SUSPICIOUS_KEYS - 1);
	assert_false(suspicion_is_founded(&suspicion));
}

static void
B20_explains_failures_of_that_reason_alone(void **state)
{
	Suspicion	suspicion = {0};

	(void) state;
	note_keys(&suspicion, 7, 1, SUSPICIOUS_KEYS - 1);
	assert_false(suspicion_explains(&suspicion, 7));
	note_keys(&suspicion, 7, SUSPICIOUS_KEYS, 1);
	assert_true(suspicion_explains(&suspicion, 7));
	assert_false(suspicion_explains(&suspicion, 8));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(B20_twenty_keys_that_fail_alike_are_the_consumers_fault),
		cmocka_unit_test(B14_one_key_that_fails_again_and_again_is_its_own_fault),
		cmocka_unit_test(B20_another_reason_begins_anew),
		cmocka_unit_test(B20_a_success_between_clears_the_consumer),
		cmocka_unit_test(B20_explains_failures_of_that_reason_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
