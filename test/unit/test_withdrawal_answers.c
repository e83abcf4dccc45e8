/*
 * test_withdrawal_answers.c
 *		What a node says of a withdrawal: what counts as evidence, and when it is
 *		asked again.
 */
#include "withdrawal_stage.h"

/* ------------------------------------------------------------------- evidence */

/* What another attempt has heard decides nothing; only proof does. */
static void
L24_the_answer_to_another_attempt_decides_nothing(void **state)
{
	for (int from = 0; from < WITHDRAWAL_STATE_COUNT; from++)
		for (int news = NEWS_ACKED; news <= NEWS_NOT_FOUND; news++)
		{
			Withdrawal	withdrawal = withdrawal_in((WithdrawalState) from);

			if (news == NEWS_SUCCESS)
				continue;
			bring(&withdrawal, (News) news, ATTEMPT + 1);
			assert_int_equal(withdrawal.state, from);
		}
}

static void
S34_silence_is_no_verdict(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);

	for (int i = 0; i < 1000; i++)
		withdrawal_undecided(&withdrawal, after(10 * i));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	assert_string_equal(withdrawal_status(withdrawal.state), "pending");
}

static void
L29_not_found_is_believed_only_when_nobody_can_still_write(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
	NodeTrust trust = TRUST(true, after(70), 60);

	/* submitted at 0 with deadline 10: at 70 the delay has just not passed */
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(500));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	/* another node, or one that is not ready */
	trust = (NodeTrust) TRUST(false, after(500), 60);
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(500));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	trust = (NodeTrust) TRUST(true, (Instant) {after(70).microseconds + 1}, 60);
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(71));
	assert_int_equal(withdrawal.state, WITHDRAWAL_RESERVED);
	assert_int_equal(withdrawal.attempt_no, 1);
}

/* What was being sent may be taken for lost while its call goes on: it may still be writing. */
static void
L29_the_delay_begins_when_the_call_has_ended(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_SUBMITTING);
	NodeTrust	trust = TRUST(true, after(71), 60);

	withdrawal_abandon(&withdrawal, after(2));
	assert_int_equal(withdrawal.submit_deadline.microseconds, after(10).microseconds);
	withdrawal_ambiguous(&withdrawal, ATTEMPT + 1, after(99));
	assert_int_equal(withdrawal.submit_deadline.microseconds, after(10).microseconds);
	withdrawal_ambiguous(&withdrawal, ATTEMPT, after(50));
	assert_int_equal(withdrawal.submit_deadline.microseconds, after(50).microseconds);
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(71));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	trust.asked_at = after(111);
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(111));
	assert_int_equal(withdrawal.state, WITHDRAWAL_RESERVED);
}

static void
L29_not_found_after_the_invoice_expired_is_a_failure(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
	NodeTrust trust = TRUST(true, after(END_SECONDS), 60);

	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(END_SECONDS));
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	assert_string_equal(withdrawal.reason, "payment_request_expired");
}

static void
L29_a_node_that_had_it_is_never_believed_not_to_know_it(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
	NodeRecord	record = {0};
	NodeTrust trust = TRUST(true, after(100000), 60);

	withdrawal_pending(&withdrawal, ATTEMPT, &record, after(1));
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(100000));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	assert_non_null(withdrawal.alarm);
	/* nor one that had taken it over in its reply */
	withdrawal = withdrawal_in(WITHDRAWAL_SUBMITTING);
	withdrawal_acknowledged(&withdrawal, ATTEMPT, after(1));
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(100000));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	assert_non_null(withdrawal.alarm);
	/* nor one that had called it paid, without proof */
	withdrawal = withdrawal_in(WITHDRAWAL_SUBMITTING);
	withdrawal_success_unproven(&withdrawal, ATTEMPT, after(1));
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(100000));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
}

/* It bounds when attempts begin; what has begun may be held for two weeks. */
static void
L12_the_end_of_attempts_is_no_end_of_the_payment(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_IN_FLIGHT);
	NodeRecord	record = {"new", after(1)};

	assert_int_equal(withdrawal.give_up_seconds, 60);
	for (int64_t second = 61; second < HTLC_LIFETIME_SECONDS; second += SECONDS_PER_DAY)
	{
		NodeTrust	trust = TRUST(true, after(second), 60);

		withdrawal_undecided(&withdrawal, after(second));
		withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(second));
		assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
		withdrawal_pending(&withdrawal, ATTEMPT, &record, after(second));
		assert_int_equal(withdrawal.state, WITHDRAWAL_IN_FLIGHT);
		assert_int_equal(withdrawal_step(&withdrawal, after(second)), WITHDRAWAL_LOOK);
	}
}

static void
L24_a_stale_failure_is_a_not_found(void **state)
{
	NodeTrust early = TRUST(true, after(1), 60);
	NodeRecord	fresh = {"b", after(-4)};
	NodeRecord	old = {"b", after(-6)};
	NodeRecord	same = {"a", after(1)};
	NodeRecord	nameless = {NULL, INSTANT_NONE};
	struct
	{
		const NodeRecord *record;
		const char *earlier;
		bool		tried_before;
		WithdrawalState becomes;
	}			cases[] = {
		{&fresh, NULL, false, WITHDRAWAL_FAILED},
		{&fresh, "a", true, WITHDRAWAL_FAILED},
		{&old, NULL, false, WITHDRAWAL_UNKNOWN},
		{&same, "a", true, WITHDRAWAL_UNKNOWN},
		{&same, "z", true, WITHDRAWAL_FAILED},
		{&nameless, NULL, false, WITHDRAWAL_FAILED},
		{&nameless, NULL, true, WITHDRAWAL_UNKNOWN},
		{&nameless, "a", true, WITHDRAWAL_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);

		withdrawal.earlier_reference = cases[i].earlier;
		withdrawal.tried_before = cases[i].tried_before;
		withdrawal_failed_at_node(&withdrawal, ATTEMPT, "payment_refused", cases[i].record, &early, after(1));
		assert_int_equal(withdrawal.state, cases[i].becomes);
	}
}

/* The name of its record, heard while it was under way, counts for more than the node's clock. */
static void
L24_the_failure_of_the_record_that_was_under_way_is_never_stale(void **state)
{
	NodeTrust	early = TRUST(true, after(1), 60);
	NodeRecord	behind = {"b", after(-9999)};

	for (int is_earlier_ones = 0; is_earlier_ones < 2; is_earlier_ones++)
	{
		Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);

		withdrawal.tried_before = true;
		withdrawal.earlier_reference = is_earlier_ones ? "b" : "a";
		withdrawal_pending(&withdrawal, ATTEMPT, &behind, after(1));
		withdrawal_failed_at_node(&withdrawal, ATTEMPT, "payment_refused", &behind, &early, after(1));
		assert_int_equal(withdrawal.state, is_earlier_ones ? WITHDRAWAL_UNKNOWN : WITHDRAWAL_FAILED);
	}
}

/* By a clock that is behind, the failure of this very attempt looks like an earlier one's. */
static void
L24_a_stale_failure_gives_nothing_back_sooner_than_a_fresh_one(void **state)
{
	static const struct
	{
		FailureRule failure_rule;
		NotFoundRule not_found_rule;
		int64_t		believed;	/* seconds after the attempt */
	}			rules_of[] = {
		{FAILURE_IS_WEAK, NOT_FOUND_TWICE, END_SECONDS + 500},
		{FAILURE_IS_WEAK, NOT_FOUND_AFTER_DELAY, END_SECONDS + 500},
		{FAILURE_AFTER_EXPIRY, NOT_FOUND_AFTER_DELAY, END_SECONDS},
		{FAILURE_AFTER_EXPIRY, NOT_FOUND_TWICE, END_SECONDS},
	};
	NodeRecord	old = {"b", after(-6)};

	for (size_t i = 0; i < sizeof(rules_of) / sizeof(rules_of[0]); i++)
	{
		Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
		NodeTrust	trust = {
			.node_is_known = true, .delay_seconds = 60, .weak_seconds = 500,
			.failure_rule = rules_of[i].failure_rule, .not_found_rule = rules_of[i].not_found_rule,
		};

		for (int64_t second = 11; second <= rules_of[i].believed; second += 61)
		{
			trust.asked_at = after(second);
			withdrawal_failed_at_node(&withdrawal, ATTEMPT, "payment_refused", &old, &trust, after(second));
			assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
		}
		/* then the one that is said twice still is */
		for (int64_t more = 1; more <= 123; more += 61)
		{
			trust.asked_at = after(rules_of[i].believed + more);
			withdrawal_failed_at_node(&withdrawal, ATTEMPT, "payment_refused", &old, &trust, trust.asked_at);
		}
		assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	}
}

static void
L24_a_new_row_knows_the_record_of_the_one_before(void **state)
{
	Withdrawal	first = withdrawal_in(WITHDRAWAL_UNKNOWN);
	Withdrawal	second = withdrawal_in(WITHDRAWAL_REQUESTED);
	Withdrawal	third = withdrawal_in(WITHDRAWAL_REQUESTED);
	Withdrawal	never_sent = withdrawal_in(WITHDRAWAL_RESERVED);

	bring(&first, NEWS_FAILED, ATTEMPT);
	withdrawal_follows(&second, &first);
	assert_true(second.tried_before);
	assert_string_equal(second.earlier_reference, "new");
	/* it was never sent itself */
	withdrawal_follows(&third, &second);
	assert_true(third.tried_before);
	assert_string_equal(third.earlier_reference, "new");
	withdrawal_follows(&second, &never_sent);
	assert_false(second.tried_before);
}

/* LNbits gives the second attempt of a hash the name of the first, and its row, too. */
static void
L24_of_a_node_with_one_record_a_hash_what_was_under_way_has_failed(void **state)
{
	NodeTrust	weak = TRUST(true, after(0), 60);
	NodeRecord	one = {"one", after(-600)};

	weak.failure_rule = FAILURE_IS_WEAK;
	for (int i = 0; i < 2; i++)
	{
		Withdrawal	second = withdrawal_in(WITHDRAWAL_UNKNOWN);

		second.tried_before = true;
		second.earlier_reference = "one";
		withdrawal_pending(&second, ATTEMPT, &one, after(1));
		assert_int_equal(second.state, WITHDRAWAL_IN_FLIGHT);
		weak.asked_at = instant_plus_seconds(second.expires_at, i == 0 ? 0 : 120);
		withdrawal_failed_at_node(&second, ATTEMPT, "payment_refused", &one, &weak, weak.asked_at);
		/* in the time of its kind, and no sooner */
		assert_int_equal(second.state, i == 0 ? WITHDRAWAL_IN_FLIGHT : WITHDRAWAL_FAILED);
		assert_null(i == 0 ? second.alarm : NULL);
	}
}

/* Refused in the reply: by a clock that is ahead its record looks like that of the next attempt. */
static void
L24_the_record_of_a_refusal_fails_no_later_attempt(void **state)
{
	Withdrawal	first = withdrawal_in(WITHDRAWAL_SUBMITTING);
	Withdrawal	second = withdrawal_in(WITHDRAWAL_UNKNOWN);
	NodeTrust early = TRUST(true, after(1), 60);
	NodeRecord	of_first = {"new", after(1)};
	NodeRecord	of_second = {"newer", after(1)};

	bring(&first, NEWS_REFUSED, ATTEMPT);
	assert_int_equal(first.state, WITHDRAWAL_FAILED);
	withdrawal_follows(&second, &first);
	withdrawal_failed_at_node(&second, ATTEMPT, "payment_refused", &of_first, &early, after(1));
	assert_int_equal(second.state, WITHDRAWAL_UNKNOWN);
	withdrawal_failed_at_node(&second, ATTEMPT, "payment_refused", &of_second, &early, after(1));
	assert_int_equal(second.state, WITHDRAWAL_FAILED);
}

static void
L25_success_after_a_failure_is_late_and_loud(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_FAILED);
	Withdrawal	normal = withdrawal_in(WITHDRAWAL_IN_FLIGHT);

	bring(&withdrawal, NEWS_SUCCESS, ATTEMPT);
	assert_true(withdrawal.late);
	assert_non_null(withdrawal.alarm);
	assert_null(withdrawal.reason);
	assert_string_equal(withdrawal_status(withdrawal.state), "paid");
	bring(&normal, NEWS_SUCCESS, ATTEMPT);
	assert_false(normal.late);
	assert_null(normal.alarm);
}

static void
L25_what_was_never_sent_cannot_succeed(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_RESERVED);

	withdrawal_expire(&withdrawal, after(END_SECONDS));
	bring(&withdrawal, NEWS_SUCCESS, ATTEMPT);
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	assert_true(instant_is_none(withdrawal.next_look_at));
	assert_int_equal(withdrawal_step(&withdrawal, after(END_SECONDS)), WITHDRAWAL_LEAVE);
}

static void
L7_a_fee_that_cannot_be_is_shouted_about(void **state)
{
	struct
	{
		int64_t		said, booked;
		bool		alarm;
	}			cases[] = {{0, 0, false}, {10000, 10000, false}, {10001, 10001, true}, {-1, 0, true}, {INT64_MAX, 10000, true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_IN_FLIGHT);
		ProvenPayment payment = {"preimage", AMOUNT_MSAT(5000), AMOUNT_MSAT(cases[i].said), {0}};

		withdrawal_succeed(&withdrawal, &payment, after(1));
		assert_int_equal(withdrawal.state, WITHDRAWAL_SUCCEEDED);
		assert_int_equal(withdrawal.fee.msat, cases[i].booked);
		assert_int_equal(withdrawal.alarm != NULL, cases[i].alarm);
	}
}

/* The proof stands, and what was asked for is booked. */
static void
L6_another_amount_than_was_asked_for_is_shouted_about(void **state)
{
	static const int64_t said[] = {4999, 5001, -5000, INT64_MAX};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
	{
		Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_IN_FLIGHT);
		ProvenPayment payment = {"preimage", AMOUNT_MSAT(said[i]), AMOUNT_MSAT(700), {"1", after(1)}};

		withdrawal_succeed(&withdrawal, &payment, after(2));
		assert_int_equal(withdrawal.state, WITHDRAWAL_SUCCEEDED);
		assert_int_equal(withdrawal.amount.msat, 5000);
		assert_non_null(withdrawal.alarm);
	}
}

static void
needs_operator_holds_the_reserve_until_there_is_a_verdict(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);

	bring(&withdrawal, NEWS_SILENCE_FOR_TWO_WEEKS, ATTEMPT);
	assert_int_equal(withdrawal.state, WITHDRAWAL_NEEDS_OPERATOR);
	assert_non_null(withdrawal.alarm);
	assert_string_equal(withdrawal_status(withdrawal.state), "pending");
	bring(&withdrawal, NEWS_NOT_FOUND, ATTEMPT);
	bring(&withdrawal, NEWS_PENDING, ATTEMPT);
	assert_int_equal(withdrawal.state, WITHDRAWAL_NEEDS_OPERATOR);
}

/* -------------------------------------------------------------------- schedule */

static void
L28_open_payments_are_polled_without_end(void **state)
{
	static const int64_t waits[] = {1, 2, 5, 10, 30, 60, 60};
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
	Instant		now = BEGIN;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
	{
		withdrawal_undecided(&withdrawal, now);
		assert_int_equal(withdrawal.next_look_at.microseconds - now.microseconds, waits[i] * 1000000);
		now = withdrawal.next_look_at;
		withdrawal_ask(&withdrawal, now, 15);
	}
	withdrawal_undecided(&withdrawal, after(3600));
	assert_int_equal(withdrawal.next_look_at.microseconds - after(3600).microseconds, INT64_C(600000000));
	withdrawal_undecided(&withdrawal, after(400 * SECONDS_PER_DAY));
	assert_false(instant_is_none(withdrawal.next_look_at));
}

static void
L20_not_sent_is_tried_again_ever_more_slowly(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_RESERVED);
	Instant		now = BEGIN;
	int64_t		most = 0;

	withdrawal.expires_at = after(SECONDS_PER_DAY);
	for (int64_t i = 0; i < 10; i++)
	{
		int64_t		wait;
		int64_t		usual = i < 6 ? (1 << i) : 60;

		withdrawal_submit(&withdrawal, &node, now, 10, 60, 15);
		assert_int_equal(withdrawal.attempt_no, i + 1);
		withdrawal_not_sent(&withdrawal, i + 1, now);
		assert_int_equal(withdrawal.state, WITHDRAWAL_RESERVED);
		wait = withdrawal.next_look_at.microseconds - now.microseconds;
		assert_in_range(wait, usual * 750000, usual * 1250000);
		most = wait > most ? wait : most;
		now = withdrawal.next_look_at;
	}
	assert_in_range(most, 45000000, 75000000);
	withdrawal_submit(&withdrawal, &node, now, 10, 60, 15);
	withdrawal_not_sent(&withdrawal, withdrawal.attempt_no, withdrawal.expires_at);
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	assert_string_equal(withdrawal.reason, "payment_request_expired");
}

static void
L25_failed_payments_are_looked_at_for_two_weeks(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
	int			looks = 0;

	bring(&withdrawal, NEWS_FAILED, ATTEMPT);
	while (!instant_is_none(withdrawal.next_look_at))
	{
		Instant		now = withdrawal.next_look_at;

		assert_int_equal(withdrawal_step(&withdrawal, now), WITHDRAWAL_LOOK);
		withdrawal_ask(&withdrawal, now, 15);
		withdrawal_undecided(&withdrawal, now);
		looks++;
	}
	assert_in_range(looks, 15, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L24_the_answer_to_another_attempt_decides_nothing),
		cmocka_unit_test(S34_silence_is_no_verdict),
		cmocka_unit_test(L29_not_found_is_believed_only_when_nobody_can_still_write),
		cmocka_unit_test(L29_the_delay_begins_when_the_call_has_ended),
		cmocka_unit_test(L29_not_found_after_the_invoice_expired_is_a_failure),
		cmocka_unit_test(L29_a_node_that_had_it_is_never_believed_not_to_know_it),
		cmocka_unit_test(L12_the_end_of_attempts_is_no_end_of_the_payment),
		cmocka_unit_test(L24_a_stale_failure_is_a_not_found),
		cmocka_unit_test(L24_of_a_node_with_one_record_a_hash_what_was_under_way_has_failed),
		cmocka_unit_test(L24_the_record_of_a_refusal_fails_no_later_attempt),
		cmocka_unit_test(L24_the_failure_of_the_record_that_was_under_way_is_never_stale),
		cmocka_unit_test(L24_a_stale_failure_gives_nothing_back_sooner_than_a_fresh_one),
		cmocka_unit_test(L24_a_new_row_knows_the_record_of_the_one_before),
		cmocka_unit_test(L25_success_after_a_failure_is_late_and_loud),
		cmocka_unit_test(L25_what_was_never_sent_cannot_succeed),
		cmocka_unit_test(L7_a_fee_that_cannot_be_is_shouted_about),
		cmocka_unit_test(L6_another_amount_than_was_asked_for_is_shouted_about),
		cmocka_unit_test(needs_operator_holds_the_reserve_until_there_is_a_verdict),
		cmocka_unit_test(L28_open_payments_are_polled_without_end),
		cmocka_unit_test(L20_not_sent_is_tried_again_ever_more_slowly),
		cmocka_unit_test(L25_failed_payments_are_looked_at_for_two_weeks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
