/*
 * test_auth_rules.c
 *		The rules of auth by themselves: names, costs of hashes, the throttle.
 */
#include "in_memory.h"

#include "auth/password_policy.h"
#include "auth/throttle.h"
#include "auth/username.h"

/* ------------------------------------------------------------------ names */

static void
assert_folds(Arena *arena, const char *name, const char *expected)
{
	const char *folded;
	const char *again;

	assert_ok(username_fold(arena, name, &folded));
	assert_string_equal(folded, expected);
	assert_ok(username_fold(arena, folded, &again));
	assert_string_equal(again, folded);
}

static void
S1_name_is_trimmed_and_lower_cased(void **state)
{
	BumpArena	memory;

	bump_arena_init(&memory);
	assert_folds(&memory.arena, "Alice", "alice");
	assert_folds(&memory.arena, " \t\r\n\v\fALICE \n", "alice");
	assert_folds(&memory.arena, "a", "a");
	assert_folds(&memory.arena, "Alice B. Toklas", "alice b. toklas");
	assert_folds(&memory.arena, "ÀÉÎÕÜ ŸŽŁ", "àéîõü ÿžł");
	assert_folds(&memory.arena, "ΑΘΗΝΆ", "αθηνά");
	assert_folds(&memory.arena, "Σίσυφος", "σίσυφοσ");
	assert_folds(&memory.arena, "ЁЖИК Ӏ", "ёжик ӏ");
	assert_folds(&memory.arena, "ԵՐԵՎԱՆ", "երեվան");
	assert_folds(&memory.arena, "ẞ", "ß");
	assert_folds(&memory.arena, "東京 😀", "東京 😀");
	assert_folds(&memory.arena, "×÷", "×÷");
	bump_arena_destroy(&memory);
}

/* -------------------------------------------------------------- passwords */

static void
U1_cost_is_read_from_the_hash(void **state)
{
	HashCost	cost;

	assert_true(hash_cost_read("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", &cost));
	assert_int_equal(cost.memory_kb, 19456);
	assert_int_equal(cost.passes, 2);
	assert_false(hash_cost_read("$2b$10$abcdefghijklmnopqrstuv", &cost));
	assert_false(hash_cost_read("$argon2i$v=19$m=19456,t=2,p=1$", &cost));
	assert_false(hash_cost_read("$argon2id$v=19$m=,t=2,p=1$", &cost));
	assert_false(hash_cost_read("$argon2id$v=19$m=99999999999999999999,t=2,p=1$", &cost));
	assert_false(hash_cost_read("", &cost));
}

static void
U1_hash_is_never_made_weaker(void **state)
{
	assert_true(hash_cost_grew((HashCost) {19456, 2}, (HashCost) {65536, 2}));
	assert_true(hash_cost_grew((HashCost) {19456, 2}, (HashCost) {19456, 3}));
	assert_false(hash_cost_grew((HashCost) {19456, 2}, (HashCost) {19456, 2}));
	assert_false(hash_cost_grew((HashCost) {65536, 3}, (HashCost) {19456, 2}));
	assert_false(hash_cost_grew((HashCost) {65536, 2}, (HashCost) {19456, 3}));
	assert_false(hash_cost_grew((HashCost) {19456, 3}, (HashCost) {65536, 2}));
}

/* --------------------------------------------------------------- throttle */

static Instant
at(int64_t seconds)
{
	return (Instant) {(1000000 + seconds) * MICROSECONDS_PER_SECOND};
}

static void
H23_name_cools_down_for_30_s_growing_to_1_h(void **state)
{
	static const int64_t expected[] = {30, 60, 120, 240, 480, 960, 1920, 3600, 3600};
	FailedLogins entry = {.key = 1};
	int64_t		now = 0;

	for (int i = 0; i < 99; i++)
	{
		assert_int_equal(throttle_admit(&entry, 100, at(now)), 0);
		throttle_fail(&entry, 100, at(now));
	}
	assert_int_equal(throttle_admit(&entry, 100, at(now)), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
	{
		throttle_fail(&entry, 100, at(now));
		assert_int_equal(throttle_admit(&entry, 100, at(now)), expected[i]);
		assert_int_equal(throttle_admit(&entry, 100, at(now + expected[i] - 1)), 1);
		now += expected[i];
		assert_int_equal(throttle_admit(&entry, 100, at(now)), 0);
	}
}

static void
H23_after_the_cool_down_one_try_at_a_time(void **state)
{
	FailedLogins entry = {.key = 1};

	throttle_fail(&entry, 1, at(0));
	assert_int_equal(throttle_admit(&entry, 1, at(30)), 0);
	assert_int_equal(throttle_admit(&entry, 1, at(30)), 30);
	throttle_succeed(&entry);
	assert_int_equal(throttle_admit(&entry, 1, at(31)), 0);
	assert_int_equal(throttle_admit(&entry, 1, at(31)), 0);
}

static void
H23_asking_during_the_cool_down_does_not_lengthen_it(void **state)
{
	FailedLogins entry = {.key = 1};

	throttle_fail(&entry, 1, at(0));
	for (int64_t i = 0; i < 30; i++)
		assert_int_equal(throttle_admit(&entry, 1, at(i)), 30 - i);
	assert_int_equal(throttle_admit(&entry, 1, at(30)), 0);
}

static void
H23_failures_are_forgotten_after_a_day(void **state)
{
	FailedLogins entries[2] = {{0}};

	for (int i = 0; i < 5; i++)
		throttle_fail(throttle_claim(entries, 2, 7, at(0)), 100, at(0));
	assert_non_null(throttle_find(entries, 2, 7, at(86400)));
	assert_null(throttle_find(entries, 2, 7, at(86401)));
	throttle_fail(throttle_claim(entries, 2, 7, at(86401)), 100, at(86401));
	assert_int_equal(throttle_find(entries, 2, 7, at(86401))->count, 1);
}

static void
T23_guessing_at_many_names_pushes_out_no_name_that_is_guessed_in_earnest(void **state)
{
	FailedLogins entries[4] = {{0}};

	for (int i = 0; i < 50; i++)
		throttle_fail(throttle_claim(entries, 4, 7, at(0)), 100, at(0));
	for (uint64_t name = 100; name < 1000; name++)
		throttle_fail(throttle_claim(entries, 4, name, at(1)), 100, at(1));
	assert_int_equal(throttle_find(entries, 4, 7, at(1))->count, 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S1_name_is_trimmed_and_lower_cased),
		cmocka_unit_test(U1_cost_is_read_from_the_hash),
		cmocka_unit_test(U1_hash_is_never_made_weaker),
		cmocka_unit_test(H23_name_cools_down_for_30_s_growing_to_1_h),
		cmocka_unit_test(H23_after_the_cool_down_one_try_at_a_time),
		cmocka_unit_test(H23_asking_during_the_cool_down_does_not_lengthen_it),
		cmocka_unit_test(H23_failures_are_forgotten_after_a_day),
		cmocka_unit_test(T23_guessing_at_many_names_pushes_out_no_name_that_is_guessed_in_earnest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
