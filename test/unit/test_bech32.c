/*
 * test_bech32.c
 *		Bech32: the examples of BIP 173, and the packing of units.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lightning/bech32.h"

static int
set_up(void **state)
{
	static BumpArena memory;

	bump_arena_init(&memory);
	*state = &memory;
	return 0;
}

static int
tear_down(void **state)
{
	bump_arena_destroy(*state);
	return 0;
}

static Result
decode(void **state, const char *text, Bech32 *parts)
{
	return bech32_decode(text, strlen(text), &((BumpArena *) *state)->arena, parts);
}

static void
L68_reads_and_writes_the_good_examples(void **state)
{
	static const char *const good[] = {
		"a12uel5l",
		"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
		"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
		"11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
		"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
		"?1ezyfcl",
	};
	Bech32		parts;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		assert_false(failed(decode(state, good[i], &parts)));
		assert_string_equal(bech32_encode(&((BumpArena *) *state)->arena, parts.prefix, parts.units, parts.count),
							good[i]);
	}
	assert_false(failed(decode(state, "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", &parts)));
	assert_string_equal(parts.prefix, "abcdef");
	assert_int_equal(parts.prefix_length, 6);
	assert_int_equal(parts.count, 32);
	for (uint8_t i = 0; i < 32; i++)
		assert_int_equal(parts.units[i], i);
}

static void
L68_upper_case_is_the_same(void **state)
{
	Bech32		parts;

	assert_false(failed(decode(state, "A12UEL5L", &parts)));
	assert_string_equal(parts.prefix, "a");
	assert_int_equal(parts.count, 0);
}

static void
L68_refuses_the_bad_examples(void **state)
{
	static const char *const bad[] = {
		"", "1", "a", "a1", "\x20" "1nwldj5", "\x7f" "1axkwrx", "\x80" "1eym55h",
		"pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "de1lg7wt\xff",
		"A1G7SGD8", "10a06t8", "1qzzfhee", "a12UEL5L", "A12uEL5L",
		"a1lqfn3a",				/* Bech32m */
		"a12uel5", "a12uel5ll", "a12uel5q",
	};
	Bech32		parts;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		Result		result = decode(state, bad[i], &parts);

		assert_int_equal(result.code, RESULT_PAYMENT_REQUEST_MALFORMED);
		assert_non_null(result.detail);
	}
}

static void
L72_units_are_packed_from_the_left_with_zeros_behind(void **state)
{
	const uint8_t units[] = {31, 0, 31, 17};
	uint8_t		bytes[3];

	bech32_pack(units, 4, bytes);
	assert_int_equal(bytes[0], 0xf8);
	assert_int_equal(bytes[1], 0x3f);
	assert_int_equal(bytes[2], 0x10);
}

static void
L72_unpacks_whole_bytes_and_sees_what_is_left(void **state)
{
	const uint8_t clean[] = {31, 28};			/* 8 bits, 2 zeros */
	const uint8_t dirty[] = {31, 29};
	const uint8_t one_too_many[] = {31, 28, 0}; /* 8 bits, 7 zeros */
	uint8_t		byte;

	assert_true(bech32_unpack(clean, 2, &byte));
	assert_int_equal(byte, 0xff);
	assert_false(bech32_unpack(dirty, 2, &byte));
	assert_false(bech32_unpack(one_too_many, 3, &byte));
	assert_true(bech32_unpack(clean, 0, &byte));
	assert_false(bech32_unpack((const uint8_t[]) {0}, 1, &byte));
}

static void
L72_spreads_and_unpacks_every_length(void **state)
{
	uint8_t		bytes[40];
	uint8_t		again[40];
	uint8_t		units[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t) (i * 73 + 11);
	for (size_t length = 0; length <= sizeof(bytes); length++)
	{
		bech32_spread(bytes, length, units);
		assert_int_equal(BECH32_UNITS(length) * 5 / 8, length);
		assert_true(bech32_unpack(units, BECH32_UNITS(length), again));
		assert_memory_equal(bytes, again, length);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(L68_reads_and_writes_the_good_examples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L68_upper_case_is_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L68_refuses_the_bad_examples, set_up, tear_down),
		cmocka_unit_test(L72_units_are_packed_from_the_left_with_zeros_behind),
		cmocka_unit_test(L72_unpacks_whole_bytes_and_sees_what_is_left),
		cmocka_unit_test(L72_spreads_and_unpacks_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
