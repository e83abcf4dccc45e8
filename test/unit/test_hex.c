/*
 * test_hex.c
 *		Hex digits and 32-byte values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/hex.h"
#include "lightning/bytes32.h"

static void
hex_writes_two_lower_case_digits_a_byte(void **state)
{
	const uint8_t bytes[] = {0x00, 0x0f, 0xa5, 0xff};
	char		text[9];

	hex_format(bytes, sizeof(bytes), text);
	assert_string_equal(text, "000fa5ff");
	hex_format(bytes, 0, text);
	assert_string_equal(text, "");
}

static void
hex_reads_what_it_writes(void **state)
{
	uint8_t		bytes[256];
	uint8_t		again[256];
	char		text[513];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t) i;
	hex_format(bytes, sizeof(bytes), text);
	assert_true(hex_parse(text, 512, again, sizeof(again)));
	assert_memory_equal(bytes, again, sizeof(bytes));
	assert_true(hex_parse("", 0, again, 0));
}

static void
hex_refuses_all_else_and_leaves_the_bytes(void **state)
{
	uint8_t		bytes[2] = {7, 7};

	assert_false(hex_parse("00ff", 4, bytes, 1));
	assert_false(hex_parse("00f", 3, bytes, 2));
	assert_false(hex_parse("00f", 3, bytes, 1));
	assert_false(hex_parse("00ff00", 6, bytes, 2));
	assert_false(hex_parse("", 0, bytes, 2));
	assert_false(hex_parse("00FF", 4, bytes, 2));
	assert_false(hex_parse(" 0ff", 4, bytes, 2));
	assert_false(hex_parse("0xff", 4, bytes, 2));
	assert_false(hex_parse("ff\0" "f", 4, bytes, 2));
	for (int c = 0; c < 256; c++)
		if (c == 0 || strchr("0123456789abcdef", c) == NULL)
		{
			char		text[4] = {'f', 'f', 'f', (char) c};

			assert_false(hex_parse(text, 4, bytes, 2));
		}
	assert_int_equal(bytes[0], 7);
	assert_int_equal(bytes[1], 7);
}

static void
bytes32_is_64_digits_and_back(void **state)
{
	static const char text[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	BumpArena	memory;
	Bytes32		value;

	bump_arena_init(&memory);
	assert_true(bytes32_parse(text, &value));
	assert_int_equal(value.bytes[31], 0x1f);
	assert_string_equal(bytes32_hex(&memory.arena, value), text);
	assert_false(bytes32_parse(NULL, &value));
	assert_false(bytes32_parse("", &value));
	assert_false(bytes32_parse(text + 1, &value));
	assert_false(bytes32_parse(text + 2, &value));
	assert_false(bytes32_parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00", &value));
	assert_false(bytes32_parse("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", &value));
	assert_string_equal(bytes32_hex(&memory.arena, value), text);
	bump_arena_destroy(&memory);
}

static void
bytes32_compares_every_byte(void **state)
{
	for (size_t i = 0; i < 32; i++)
	{
		Bytes32		value = {{0}};

		assert_true(bytes32_is_zero(value));
		value.bytes[i] = 0x80;
		assert_false(bytes32_is_zero(value));
		assert_true(bytes32_equal(value, value));
		assert_false(bytes32_equal(value, (Bytes32) {{0}}));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_writes_two_lower_case_digits_a_byte),
		cmocka_unit_test(hex_reads_what_it_writes),
		cmocka_unit_test(hex_refuses_all_else_and_leaves_the_bytes),
		cmocka_unit_test(bytes32_is_64_digits_and_back),
		cmocka_unit_test(bytes32_compares_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
