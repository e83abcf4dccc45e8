/*
 * test_simulator_scripts.c
 *		Which script holds for a payment, and which words none knows.
 */
#include "simulator_stage.h"

/* ----------------------------------------------------- which script is it */

static void
L66_a_later_script_wins_at_once_over_a_payment_under_way(void **state)
{
	static const char *const held[][2] = {
		{"never_answer", "{}"}, {"stuck", "{}"}, {"bad_preimage", "{}"},
		{"unknown", "{\"after_s\": 1000}"}, {"succeed", "{\"after_s\": 1000}"}, {"fail", "{\"after_s\": 1000}"},
		{"flip", "{\"after_s\": 1000}"}};

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
	{
		Stage	   *stage = stage_new();

		script(stage, HASH, held[i][0], held[i][1]);
		pay(stage);
		world_wait(&stage->world, 7);
		script(stage, HASH, "succeed", "{\"after_s\": 2}");
		assert_looks(stage, PAYMENT_PENDING);
		world_wait(&stage->world, 2);
		assert_looks(stage, PAYMENT_SUCCEEDED);
		assert_int_equal(executed(stage), 1);
		stage_free(stage);
	}
}

static void
a_silent_pay_call_is_answered_once_another_script_says_so(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = new_call(stage);

	script(stage, HASH, "never_answer", "{}");
	pay(stage);
	simulator_reply_to_pay(&stage->attempts[0], NODE_KIND_LND, &call);
	assert_false(call.done);
	world_wait(&stage->world, 1);
	script(stage, HASH, "fail", "{\"reason\": \"gave_up\"}");
	follow(stage);
	simulator_reply_to_pay(&stage->attempts[0], NODE_KIND_LND, &call);
	assert_true(call.done);
	assert_int_equal(call.submit, SUBMIT_REJECTED);
	assert_int_equal(call.failure, NODE_FAILURE_GAVE_UP);
	stage_free(stage);
}

static void
a_later_script_takes_nothing_back_that_has_ended(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "succeed", "{\"after_s\": 5}");
	pay(stage);
	world_wait(&stage->world, 6);
	/* Nobody has looked since it ended. */
	script(stage, HASH, "fail", "{}");
	world_wait(&stage->world, 1);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
scripts_that_nobody_saw_hold_one_after_the_other(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "stuck", "{}");
	pay(stage);
	world_wait(&stage->world, 1);
	script(stage, HASH, "succeed", "{}");
	world_wait(&stage->world, 1);
	script(stage, HASH, "fail", "{}");
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
an_end_that_was_seen_stands_against_a_script_that_became_visible_late(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "succeed", "{\"after_s\": 5}");
	pay(stage);
	world_wait(&stage->world, 6);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	script(stage, HASH, "fail", "{}");
	stage->scripts[1].made_at = instant_plus_seconds(stage->world.clock.now, -4);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
a_script_for_the_hash_beats_one_for_any(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "stuck", "{}");
	world_wait(&stage->world, 1);
	script(stage, "*", "fail", "{}");
	script(stage, OTHER_HASH, "fail", "{}");
	assert_int_equal(pay(stage).submit, SUBMIT_ACKED);
	world_wait(&stage->world, 1);
	script(stage, "*", "succeed", "{}");
	assert_looks(stage, PAYMENT_PENDING);
	stage_free(stage);
}

static void
a_script_for_any_fits_by_amount_and_memo(void **state)
{
	static const struct
	{
		const char *options;
		bool		fits;
	}			cases[] = {
		{"{}", true},
		{"{\"amount_msat\": 5000000}", true},
		{"{\"amount_msat\": 5000001}", false},
		{"{\"memo\": \"coffee\"}", true},
		{"{\"memo\": \"tea\"}", false},
		{"{\"memo\": \"coffee\", \"amount_msat\": 1}", false},
		{"{\"memo\": \"coffee\", \"amount_msat\": 5000000, \"reason\": \"other\"}", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Stage	   *stage = stage_new();

		script(stage, "*", "fail", cases[i].options);
		assert_int_equal(pay(stage).submit, cases[i].fits ? SUBMIT_REJECTED : SUBMIT_SETTLED);
		stage_free(stage);
	}
}

static void
a_script_for_any_fits_the_nth_payment_and_stays_with_it(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, "*", "not_sent", "{\"call\": 3, \"times\": 2}");
	stage->scripts[0].fitted_before = 1;
	assert_int_equal(pay(stage).submit, SUBMIT_SETTLED);
	stage_free(stage);

	stage = stage_new();
	script(stage, "*", "not_sent", "{\"call\": 3, \"times\": 2}");
	stage->scripts[0].fitted_before = 2;
	assert_int_equal(pay(stage).submit, SUBMIT_NOT_SENT);
	stage->scripts[0].fitted_before = 3;
	assert_int_equal(pay(stage).submit, SUBMIT_NOT_SENT);
	assert_int_equal(pay(stage).submit, SUBMIT_SETTLED);
	stage_free(stage);
}

static void
a_later_script_for_any_wins_over_a_payment_under_way_that_it_fits(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, "*", "stuck", "{}");
	pay(stage);
	world_wait(&stage->world, 1);
	script(stage, "*", "fail", "{\"memo\": \"tea\"}");
	script(stage, "*", "fail", "{\"call\": 1}");
	script(stage, "*", "receive", "{}");
	assert_looks(stage, PAYMENT_PENDING);
	script(stage, "*", "succeed", "{}");
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
L66_the_same_scripts_and_times_give_the_same_run(void **state)
{
	PaymentAnswer runs[2][12];

	for (int run = 0; run < 2; run++)
	{
		Stage	   *stage = stage_new();

		script(stage, "*", "unknown", "{\"after_s\": 4, \"lookup\": \"pending\"}");
		pay(stage);
		for (int second = 0; second < 12; second++)
		{
			runs[run][second] = look_up(stage).verdict;
			world_wait(&stage->world, 1);
		}
		stage_free(stage);
	}
	assert_memory_equal(runs[0], runs[1], sizeof(runs[0]));
}

static void
L65_latencies_are_drawn_by_a_seed(void **state)
{
	int			later[2] = {0, 0};
	int			others = 0;

	/* the same seed, hash and clock: the same moment, between the two bounds */
	for (int64_t seed = 0; seed < 50; seed++)
		for (int run = 0; run < 2; run++)
		{
			Stage	   *stage = stage_new();

			script(stage, HASH, "succeed", arena_printf(stage->world.arena, "{\"after_s\": 3, \"within_s\": 100, \"seed\": %d}", (int) seed));
			pay(stage);
			later[run] = 0;
			while (look_up(stage).verdict == PAYMENT_PENDING)
			{
				world_wait(&stage->world, 1);
				later[run]++;
			}
			assert_in_range(later[run], 3, 103);
			if (run == 1)
				assert_int_equal(later[0], later[1]);
			others += run == 1 && later[1] != 3 + (int) seed % 2;
			stage_free(stage);
		}
	assert_true(others > 30);
}

static void
L65_a_fee_may_be_above_the_cap_or_a_lie(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	script(stage, HASH, "succeed", "{\"over_msat\": 7}");
	call = pay(stage);
	assert_paid(stage, &call, 50007);
	stage_free(stage);

	stage = stage_new();
	script(stage, HASH, "succeed", "{\"fee_msat\": 0, \"told_fee_msat\": -2000}");
	call = pay(stage);
	assert_paid(stage, &call, -2000);
	assert_int_equal(stage->attempts[0].end.fee.msat, 0);
	call = look_up(stage);
	assert_int_equal(call.payment.fee.msat, -2000);
	stage_free(stage);
}

static void
L66_a_payment_that_was_acknowledged_may_be_unknown_for_a_while(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "unknown", "{\"reply\": \"ack\", \"lookup\": \"not_found\", \"after_s\": 5}");
	assert_int_equal(pay(stage).submit, SUBMIT_ACKED);
	assert_looks(stage, PAYMENT_NOT_FOUND);
	world_wait(&stage->world, 5);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
L66_stale_is_the_failure_of_a_try_before(void **state)
{
	Stage	   *stage = stage_new();
	Instant		begun = stage->world.clock.now;
	NodeCall	call;

	script(stage, HASH, "stale", "{\"after_s\": 5, \"reason\": \"gave_up\"}");
	assert_int_equal(pay(stage).submit, SUBMIT_AMBIGUOUS);
	call = look_up(stage);
	assert_int_equal(call.verdict, PAYMENT_FAILED);
	assert_int_equal(call.failure, NODE_FAILURE_GAVE_UP);
	assert_true(instant_before(call.payment.created_at, begun));
	assert_string_equal(call.payment.reference, "0");
	world_wait(&stage->world, 5);
	call = look_up(stage);
	assert_int_equal(call.verdict, PAYMENT_SUCCEEDED);
	assert_string_equal(call.payment.reference, "1");
	stage_free(stage);
}

/* ------------------------------------------------------------------- words */

static void
words_that_no_outcome_knows_are_SP001(void **state)
{
	static const char *const refused[][3] = {
		{HASH, "explode", "{}"},
		{HASH, "", "{}"},
		{HASH, "Succeed", "{}"},
		{"*", NULL, "{}"},
		{NULL, "fail", "{}"},
		{"", "fail", "{}"},
		{"aa", "fail", "{}"},
		{"**", "fail", "{}"},
		{HASH, "fail", ""},
		{HASH, "fail", "[]"},
		{HASH, "fail", "null"},
		{HASH, "fail", "{\"after_s\": 1, \"after_s\": 1}"},
		{HASH, "fail", "{\"colour\": 1}"},
		{HASH, "fail", "{\"after_s\": \"1\"}"},
		{HASH, "fail", "{\"after_s\": -1}"},
		{HASH, "fail", "{\"after_s\": 1.5}"},
		{HASH, "fail", "{\"after_s\": null}"},
		{HASH, "fail", "{\"after_s\": {}}"},
		{HASH, "fail", "{\"after_s\": 9223372036854775807}"},
		{HASH, "fail", "{\"reason\": \"none\"}"},
		{HASH, "fail", "{\"reason\": \"weather\"}"},
		{HASH, "fail", "{\"reason\": 1}"},
		{HASH, "fail", "{\"times\": 1}"},
		{HASH, "succeed", "{\"then\": \"fail\"}"},
		{HASH, "succeed", "{\"fee_msat\": -1}"},
		{HASH, "lost_reply", "{\"at\": \"home\"}"},
		{HASH, "unknown", "{\"lookup\": \"maybe\"}"},
		{HASH, "not_sent", "{\"times\": 0}"},
		{HASH, "stuck", "{\"as\": \"x\"}"},
		{HASH, "stuck", "{\"after_s\": 1}"},
		{HASH, "never_answer", "{\"after_s\": 1}"},
		{HASH, "bad_preimage", "{\"kind\": \"x\"}"},
		{HASH, "bad_reply", "{\"fault\": \"x\"}"},
		{HASH, "receive", "{\"received_msat\": 0}"},
		{HASH, "receive", "{\"held_s\": -1}"},
		{HASH, "receive", "{\"cancelled\": \"perhaps\"}"},
		{HASH, "succeed", "{\"told_fee_msat\": \"-1\"}"},
		{HASH, "succeed", "{\"within_s\": -1}"},
		{HASH, "succeed", "{\"seed\": -1}"},
		{HASH, "unknown", "{\"reply\": \"late\"}"},
		{HASH, "stale", "{\"lookup\": \"pending\"}"},
		{HASH, "make", "{\"wrong\": \"hash\"}"},
		{"*", "make", "{\"wrong\": \"colour\"}"},
		{HASH, "node", "{\"as\": \"down\"}"},
		{"*", "node", "{\"as\": \"part\"}"},
		{"*", "node", "{\"as\": \"down\", \"memo\": \"x\"}"},
		{"*", "node", "{\"skew_s\": 86401}"},
		{HASH, "receive", "{\"events\": \"thrice\"}"},
		{HASH, "receive", "{\"reason\": \"other\"}"},
		/* Filters are for any payment only. */
		{HASH, "fail", "{\"amount_msat\": 1}"},
		{HASH, "fail", "{\"memo\": \"x\"}"},
		{HASH, "fail", "{\"call\": 1}"},
		{"*", "fail", "{\"call\": 0}"},
		{"*", "fail", "{\"memo\": 1}"},
		{"*", "fail", "{\"amount_msat\": 0}"},
	};
	Stage	   *stage = stage_new();

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		Result		result = try_script(stage, refused[i][0], refused[i][1], refused[i][2]);

		if (result.code != RESULT_INVALID_ARGUMENT)
			print_error("case %zu was not refused\n", i);
		assert_refused(result, INVALID_ARGUMENT);
		assert_non_null(result.detail);
	}
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L66_a_later_script_wins_at_once_over_a_payment_under_way),
		cmocka_unit_test(a_silent_pay_call_is_answered_once_another_script_says_so),
		cmocka_unit_test(a_later_script_takes_nothing_back_that_has_ended),
		cmocka_unit_test(scripts_that_nobody_saw_hold_one_after_the_other),
		cmocka_unit_test(an_end_that_was_seen_stands_against_a_script_that_became_visible_late),
		cmocka_unit_test(a_script_for_the_hash_beats_one_for_any),
		cmocka_unit_test(a_script_for_any_fits_by_amount_and_memo),
		cmocka_unit_test(a_script_for_any_fits_the_nth_payment_and_stays_with_it),
		cmocka_unit_test(a_later_script_for_any_wins_over_a_payment_under_way_that_it_fits),
		cmocka_unit_test(L66_the_same_scripts_and_times_give_the_same_run),
		cmocka_unit_test(L65_latencies_are_drawn_by_a_seed),
		cmocka_unit_test(L65_a_fee_may_be_above_the_cap_or_a_lie),
		cmocka_unit_test(L66_a_payment_that_was_acknowledged_may_be_unknown_for_a_while),
		cmocka_unit_test(L66_stale_is_the_failure_of_a_try_before),
		cmocka_unit_test(words_that_no_outcome_knows_are_SP001),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
