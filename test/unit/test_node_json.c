/*
 * test_node_json.c
 *		What a node says is read strictly, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"
#include "lightning/base64.h"
#include "lightning/node_json.h"

static json_t *
parse_bytes(const char *text, size_t length)
{
	return node_json_parse(&(HttpReply) {.body = text, .length = length});
}

static json_t *
parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void
L59_only_one_object_without_doubled_names_is_read(void **state)
{
	static const char *const bad[] = {
		"", "x", "[]", "\"a\"", "1", "{", "{}x", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}",
		"{\"a\":\"\xc3\"}", "{'a':1}", "{\"a\":1,}", "{\"a\":NaN}", "<html>",
	};
	json_t	   *good = parse(" {\"a\": {\"b\": 1}} \n");

	assert_non_null(node_json_object(good, "a"));
	assert_null(node_json_object(good, "b"));
	assert_null(node_json_object(NULL, "b"));
	json_decref(good);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(parse(bad[i]));
	assert_null(parse_bytes("{}\0x", 4));
}

/* Three bytes each, and hundreds in memory. */
static void
L59_a_reply_of_millions_of_values_is_not_read(void **state)
{
	static const char *const values[] = {"{},", "[],", "1, ", "{ }"};
	const size_t count = 2000000;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		char	   *text = malloc(3 * count + 100);
		size_t		length = (size_t) sprintf(text, "{\"data\":[");

		for (size_t each = 0; each < count; each++)
			length += (size_t) sprintf(text + length, "%s", values[i]);
		length += (size_t) sprintf(text + length, "0]}");
		assert_null(parse_bytes(text, length));
		free(text);
	}
}

static void
L59_an_integer_is_nothing_but_its_digits(void **state)
{
	json_t	   *object = parse("{\"a\":5,\"b\":\"7\",\"c\":\"-9223372036854775808\",\"d\":\"9223372036854775807\",\"e\":-1,"
							   "\"1\":1.0,\"2\":1e3,\"3\":\"5abc\",\"4\":\" 5\",\"5\":\"\",\"6\":\"-\",\"7\":\"+5\","
							   "\"8\":\"9223372036854775808\",\"9\":\"-9223372036854775809\",\"10\":\"1e3\",\"11\":null,"
							   "\"12\":true,\"13\":\"99999999999999999999\",\"14\":\"000000000000000000000001\"}");
	static const char *const bad[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "none"};
	int64_t		value = 42;
	Amount		amount;

	assert_true(node_json_integer(object, "a", &value) && value == 5);
	assert_true(node_json_integer(object, "b", &value) && value == 7);
	assert_true(node_json_integer(object, "c", &value) && value == INT64_MIN);
	assert_true(node_json_integer(object, "d", &value) && value == INT64_MAX);
	assert_true(node_json_msat(object, "e", &amount) && amount.msat == -1);
	value = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(node_json_integer(object, bad[i], &value));
	assert_int_equal(value, 42);
	json_decref(object);
	assert_null(parse("{\"a\":9223372036854775808}"));
}

/* Amounts of any sign, whole msat, and never one that int64 does not hold. */
static void
L6_an_amount_is_whole_millisatoshi_within_its_range(void **state)
{
	static const struct
	{
		const char *json;
		bool		is_read;
		int64_t		msat;
	} cases[] = {
		{"0", true, 0}, {"\"0\"", true, 0}, {"1", true, 1}, {"-1", true, -1}, {"\"-1\"", true, -1},
		{"2100000000000000000", true, INT64_C(2100000000000000000)}, {"\"2100000000000000000\"", true, INT64_C(2100000000000000000)},
		{"9223372036854775807", true, INT64_MAX}, {"\"9223372036854775808\"", false, 0}, {"\"99999999999999999999999\"", false, 0},
		{"0.5", false, 0}, {"1.0", false, 0}, {"\"1.5\"", false, 0}, {"\"1msat\"", false, 0}, {"\"1 \"", false, 0}, {"\"0x10\"", false, 0},
		{"true", false, 0}, {"[1]", false, 0}, {"{}", false, 0}, {"null", false, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		text[80];
		json_t	   *object;
		Amount		amount = AMOUNT_MSAT(42);

		snprintf(text, sizeof(text), "{\"amount_msat\":%s}", cases[i].json);
		object = parse(text);
		assert_non_null(object);
		if (node_json_msat(object, "amount_msat", &amount) != cases[i].is_read || (cases[i].is_read && amount.msat != cases[i].msat))
			fail_msg("%s: %lld", cases[i].json, (long long) amount.msat);
		json_decref(object);
	}
}

/*
 * The library is shared by the whole process: its memory stays that of malloc,
 * and what it was handed is given back, which the sanitizer watches over.
 */
static void
L60_the_library_keeps_its_own_memory_and_text_is_text(void **state)
{
	static const char *const no_text[] = {
		"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
		"{\"a\":\"\xe2\x82\"}", "{\"\xff\":1}", "{\"a\":\"\\ud800\"}",
	};
	json_malloc_t allocate;
	json_free_t give_back;
	json_t	   *object;

	json_get_alloc_funcs(&allocate, &give_back);
	assert_true(allocate == malloc);
	assert_true(give_back == free);
	for (size_t i = 0; i < sizeof(no_text) / sizeof(no_text[0]); i++)
		assert_null(parse(no_text[i]));
	object = parse("{\"a\":\"\xe2\x82\xac \xf0\x9f\xa6\xab\"}");
	assert_string_equal(node_json_peek(object, "a"), "\xe2\x82\xac \xf0\x9f\xa6\xab");
	json_decref(object);
	json_get_alloc_funcs(&allocate, &give_back);
	assert_true(allocate == malloc);
}

static void
texts_are_bounded_and_hashes_whole(void **state)
{
	json_t	   *object = parse("{\"hex\":\"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\","
							   "\"b64\":\"ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=\","
							   "\"url\":\"ABEiM0RVZneImaq7zN3u_wARIjNEVWZ3iJmqu8zd7v8\",\"short\":\"0011\","
							   "\"when\":\"1700000000\",\"nano\":\"1700000000123456789\",\"zero\":\"0\",\"far\":\"9223372036854775807\"}");
	char	   *huge = calloc(1, NODE_MOST_TEXT + 20);
	json_t	   *long_one;
	Bytes32		hex;
	Bytes32		other;
	bool		flag;

	assert_true(node_json_hex32(object, "hex", &hex));
	assert_true(node_json_base64_32(object, "b64", &other));
	assert_memory_equal(hex.bytes, other.bytes, 32);
	assert_true(node_json_base64_32(object, "url", &other));
	assert_memory_equal(hex.bytes, other.bytes, 32);
	assert_false(node_json_hex32(object, "short", &hex));
	assert_false(node_json_hex32(object, "b64", &hex));
	assert_false(node_json_base64_32(object, "hex", &hex));
	assert_false(node_json_base64_32(object, "none", &hex));
	assert_false(node_json_bool(object, "short", &flag));
	assert_true(node_json_seconds(object, "when").microseconds == INT64_C(1700000000000000));
	assert_true(node_json_nanoseconds(object, "nano").microseconds == INT64_C(1700000000123456));
	assert_true(instant_is_none(node_json_seconds(object, "zero")));
	assert_true(instant_is_none(node_json_seconds(object, "far")));
	json_decref(object);
	memset(huge, 'a', NODE_MOST_TEXT + 9);
	memcpy(huge, "{\"a\":\"", 6);
	memcpy(huge + NODE_MOST_TEXT + 7, "\"}", 2);
	long_one = parse(huge);
	assert_non_null(long_one);
	assert_null(node_json_peek(long_one, "a") == NULL ? NULL : "a");
	json_decref(long_one);
	free(huge);
}

static void
base64_is_what_everybody_writes(void **state)
{
	static const struct
	{
		const char *bytes;
		const char *text;
	} pairs[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff\xfe", "+//+"}};
	static const char *const bad[] = {"Zh==", "Z===", "Zg=a", "Zm9v", "Z g=", "", "Zg=", "====", "Zé=="};
	BumpArena	memory;
	uint8_t		bytes[8];

	bump_arena_init(&memory);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		size_t		count = strlen(pairs[i].bytes);

		assert_string_equal(base64_text(&memory.arena, (const uint8_t *) pairs[i].bytes, count), pairs[i].text);
		assert_true(base64_parse(pairs[i].text, bytes, count));
		assert_memory_equal(bytes, pairs[i].bytes, count);
	}
	assert_string_equal(base64_url_text(&memory.arena, (const uint8_t *) "\xfb\xff\xfe", 3), "-__-");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(base64_parse(bad[i], bytes, 1));
	/* Without the signs at the end it is read, too. */
	assert_true(base64_parse("Zg", bytes, 1));
	bump_arena_destroy(&memory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L59_only_one_object_without_doubled_names_is_read),
		cmocka_unit_test(L59_a_reply_of_millions_of_values_is_not_read),
		cmocka_unit_test(L59_an_integer_is_nothing_but_its_digits),
		cmocka_unit_test(L6_an_amount_is_whole_millisatoshi_within_its_range),
		cmocka_unit_test(L60_the_library_keeps_its_own_memory_and_text_is_text),
		cmocka_unit_test(texts_are_bounded_and_hashes_whole),
		cmocka_unit_test(base64_is_what_everybody_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
