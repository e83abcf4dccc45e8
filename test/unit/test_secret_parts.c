/*
 * test_secret_parts.c
 *		Whether texts of somebody else hold a part of a secret, and that a node's
 *		answers come without those that do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lightning/lnbits.h"
#include "lightning/secret_parts.h"

#include "node_stage.h"

#include <string.h>

#define RUNE "KUhZzNlECC7pYsz3QVbF1TqjIUYi3oyESTI7n60hLMs9MA=="
#define KEY "0f3bd8e1a2c44f0d9a6b6b0f4a4f6e11"
#define OTHER_KEY "9be54a01f8e34c7fa1c5d9f1d6a27b22"
#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

static bool
finds(const char *text, const char *secret)
{
	BumpArena	memory;
	SecretSearch search;
	bool		is_found;

	bump_arena_init(&memory);
	search = secret_search_begin(&memory.arena, strlen(text));
	secret_search_add(&search, text);
	secret_search_add(&search, NULL);
	is_found = secret_search_finds(&search, secret);
	bump_arena_destroy(&memory);
	return is_found;
}

static void
L58_eight_characters_in_a_row_are_a_part(void **state)
{
	assert_true(finds(KEY, KEY));
	assert_true(finds("your key 0f3bd8e1a2c4.. is bad", KEY));
	assert_true(finds("ends with 4a4f6e11", KEY));
	assert_true(finds("bd8e1a2c", KEY));
	assert_false(finds("bd8e1a2", KEY));
	assert_false(finds("d8e1a2c5 or 9a6b6b0e", KEY));
	assert_false(finds("", KEY));
	assert_false(finds("the first key is not the admin key of a wallet", KEY));
	for (size_t i = 0; i + 8 <= strlen(RUNE) - 2; i++)
	{
		char		part[9] = {0};

		memcpy(part, &RUNE[i], 8);
		assert_true(finds(part, RUNE));
	}
}

static void
L58_however_it_is_written(void **state)
{
	assert_true(finds("BD8E1A2C", KEY));
	assert_true(finds("bd:8e:1a:2c", KEY));
	assert_true(finds("bd8e\n1a2c", KEY));
	assert_true(finds("kuhzznlecc7p", RUNE));
	/* the text of it in hex, as of a dump or of an address with each letter escaped */
	assert_true(finds("42 44 38 65 31 61 32 63", "BD8e1a2c-and-more"));
	assert_true(finds("%42%44%38%65%31%61%32%63", "BD8e1a2c-and-more"));
	/* in base64: of the text, wherever it begins, and of the bytes */
	assert_true(finds("MGYzYmQ4ZTFhMmM0", KEY));
	assert_true(finds("eDBmM2JkOGUxYTJjNDRm", KEY));
	assert_true(finds("eHgwZjNiZDhlMWEyYzQ0Zg==", KEY));
	assert_true(finds("DzvY4aLETw2aa2sPSk9uEQ==", KEY));
	assert_true(finds("294859ccd944082ee962cc", RUNE));
	/* in the other alphabet */
	assert_true(finds("a-bc_defgh0", "a+bc/defgh01234567"));
}

/* What stands in many texts tells of none. */
static void
L58_a_row_of_one_character_is_no_part(void **state)
{
	static const char zeros[] = "02010000000000000000000000aa";

	assert_false(finds("0000000000000000", zeros));
	assert_false(finds("c5ef000000000000000000000000000000000000000000000000000000000001", zeros));
	assert_true(finds("10000000", zeros));
	assert_false(finds("00000aa", "0000000000000aa"));
	assert_true(finds("000000aa", "0000000000000aa"));
}

static void
L58_texts_are_looked_at_each_for_itself(void **state)
{
	BumpArena	memory;
	SecretSearch search;

	bump_arena_init(&memory);
	search = secret_search_begin(&memory.arena, 100);
	secret_search_add(&search, "0f3bd8e");
	secret_search_add(&search, "1a2c44f");
	assert_false(secret_search_finds(&search, KEY));
	secret_search_add(&search, "9a6b6b0f");
	assert_true(secret_search_finds(&search, KEY));
	assert_false(secret_search_finds(&search, RUNE));
	assert_true(secret_search_finds(&search, KEY));
	bump_arena_destroy(&memory);
}

/* A macaroon of some rights is a thousand digits: of so many hashes, some hold eight of them by chance. */
static void
L58_what_a_hash_shares_with_a_secret_by_chance_is_no_part(void **state)
{
	char		secret[1001] = {0};
	uint64_t	chance = 88172645463325252;

	for (int page = -1; page < 100; page++)
	{
		BumpArena	memory;
		SecretSearch search;
		char		hash[65] = {0};

		bump_arena_init(&memory);
		search = secret_search_begin_in_digits(&memory.arena, 6400);
		for (int i = 0; i < (page < 0 ? 1000 : 6400); i++)
		{
			chance ^= chance << 13;
			chance ^= chance >> 7;
			chance ^= chance << 17;
			(page < 0 ? secret : hash)[page < 0 ? i : i % 64] = "0123456789abcdef"[chance >> 32 & 15];
			if (page >= 0 && i % 64 == 63)
				secret_search_add(&search, hash);
		}
		if (page >= 0)
			assert_false(secret_search_finds(&search, secret));
		bump_arena_destroy(&memory);
	}
}

static void
L58_sixteen_digits_of_a_secret_are_a_part_of_a_hash(void **state)
{
	for (int digits = 15; digits <= 16; digits++)
	{
		BumpArena	memory;
		SecretSearch search;
		char		hash[65];

		bump_arena_init(&memory);
		memset(hash, '7', 64);
		hash[64] = '\0';
		memcpy(hash + 20, KEY + 3, (size_t) digits);
		search = secret_search_begin_in_digits(&memory.arena, 64);
		secret_search_add(&search, hash);
		assert_int_equal(secret_search_finds(&search, KEY), digits == 16);
		bump_arena_destroy(&memory);
	}
}

/* What is written down of an answer is more than its words: names, and hashes that nobody here knows. */
static void
L58_no_part_of_a_key_comes_back_in_any_text(void **state)
{
	NodeStage	stage;
	NodeCall   *call;

	stage_begin(&stage, &lnbits_dialect, KEY "\n" OTHER_KEY, false);
	strcpy(stage.node.notes.node_id, "of one that is known");
	call = stage_call(&stage, NODE_LOOKUP_PAYMENT, 60);
	PLAY(&stage, stage_reply(&stage, 200, "{\"paid\":false,\"status\":\"pending\",\"details\":{\"checking_id\":\"x9a6b6b0f4a\",\"payment_hash\":\""
							 NO_HASH "\",\"amount\":-123000,\"fee\":0,\"status\":\"pending\"}}"));
	assert_int_equal(call->verdict, PAYMENT_PENDING);
	assert_null(call->payment.reference);
	call = stage_call(&stage, NODE_LIST_PAYMENTS, 60);
	PLAY(&stage, stage_reply(&stage, 200, "{\"data\":[{\"payment_hash\":\"" KEY KEY "\",\"amount\":-1000,\"fee\":0,\"status\":\"success\"}]}"));
	assert_false(call->answered);
	assert_int_equal(call->listed_count, 0);
	assert_non_null(strstr(call->words, "left out"));
	call = stage_call(&stage, NODE_IDENTIFY, 60);
	PLAY(&stage, stage_reply(&stage, 200, "{\"id\":\"w" OTHER_KEY "\",\"name\":\"w\",\"balance\":1}"));
	assert_false(call->answered);
	assert_null(call->identity.wallet);
	stage_end(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L58_eight_characters_in_a_row_are_a_part),
		cmocka_unit_test(L58_however_it_is_written),
		cmocka_unit_test(L58_a_row_of_one_character_is_no_part),
		cmocka_unit_test(L58_texts_are_looked_at_each_for_itself),
		cmocka_unit_test(L58_what_a_hash_shares_with_a_secret_by_chance_is_no_part),
		cmocka_unit_test(L58_sixteen_digits_of_a_secret_are_a_part_of_a_hash),
		cmocka_unit_test(L58_no_part_of_a_key_comes_back_in_any_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
