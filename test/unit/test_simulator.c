/*
 * test_simulator.c
 *		What becomes of payments at the simulated node: each outcome and each
 *		option of a script, with a clock that only the test moves.
 */
#include "simulator_stage.h"

#include "lightning/bytes32.h"

/* ------------------------------------------------------------- the default */

static void
without_a_script_a_payment_succeeds_at_once_with_a_fee_of_1000_msat(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = pay(stage);

	assert_int_equal(call.submit, SUBMIT_SETTLED);
	assert_paid(stage, &call, 1000);
	assert_string_equal(call.payment.reference, "1");
	assert_int_equal(call.payment.created_at.microseconds, stage->world.clock.now.microseconds);
	call = look_up(stage);
	assert_int_equal(call.verdict, PAYMENT_SUCCEEDED);
	assert_paid(stage, &call, 1000);
	stage_free(stage);
}

static void
without_a_script_the_fee_is_the_cap_where_that_is_lower(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	stage->order.max_fee = AMOUNT_MSAT(300);
	call = pay(stage);
	assert_paid(stage, &call, 300);
	stage_free(stage);
}

static void
an_unknown_hash_is_not_found(void **state)
{
	Stage	   *stage = stage_new();

	assert_looks(stage, PAYMENT_NOT_FOUND);
	stage_free(stage);
}

static void
L5_a_call_without_an_answer_is_ambiguous_or_unavailable(void **state)
{
	NodeCall	call = {.submit = SUBMIT_SETTLED, .answered = true, .payment.has_preimage = true};

	simulator_give_up(&call);
	assert_true(call.done);
	assert_false(call.answered);
	assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
	assert_int_equal(call.verdict, PAYMENT_UNAVAILABLE);
	assert_int_equal(call.invoice, INVOICE_UNAVAILABLE);
	assert_int_equal(call.cancel, CANCEL_UNAVAILABLE);
	assert_false(call.payment.has_preimage);
}

/* ----------------------------------------------------------- what it refuses */

static void
L64_a_paid_hash_is_not_paid_again(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	pay(stage);
	script(stage, HASH, "fail", "{}");
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
	assert_non_null(call.words);
	assert_int_equal(stage->attempt_count, 1);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
L64_a_hash_in_flight_is_not_paid_again(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	script(stage, HASH, "stuck", "{}");
	pay(stage);
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
	assert_int_equal(stage->attempt_count, 1);
	stage_free(stage);
}

static void
L64_a_failed_hash_may_be_paid_again(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	script(stage, HASH, "fail", "{}");
	assert_int_equal(pay(stage).submit, SUBMIT_REJECTED);
	world_wait(&stage->world, 1);
	script(stage, HASH, "succeed", "{}");
	assert_looks(stage, PAYMENT_FAILED);
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_SETTLED);
	assert_string_equal(call.payment.reference, "2");
	assert_paid(stage, &call, 1000);
	stage_free(stage);
}

static void
an_expired_invoice_is_rejected_and_leaves_no_record(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	world_wait(&stage->world, 3600);
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_REJECTED);
	assert_int_equal(call.failure, NODE_FAILURE_EXPIRED);
	assert_looks(stage, PAYMENT_NOT_FOUND);
	stage_free(stage);
}

static void
what_the_node_would_not_try_is_rejected(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	stage->order.refusal = NODE_FAILURE_NO_ROUTE;
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_REJECTED);
	assert_int_equal(call.failure, NODE_FAILURE_NO_ROUTE);
	assert_int_equal(stage->attempt_count, 0);
	stage_free(stage);
}

/* ------------------------------------------------------------ succeed, fail */

static void
succeed_after_s_is_acknowledged_then_pending_then_paid_at_its_time(void **state)
{
	Stage	   *stage = stage_new();
	Instant		begin = stage->world.clock.now;
	NodeCall	call;

	script(stage, HASH, "succeed", "{\"after_s\": 30}");
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_ACKED);
	world_wait(&stage->world, 29);
	assert_looks(stage, PAYMENT_PENDING);
	assert_int_equal(executed(stage), 0);
	world_wait(&stage->world, 600);
	call = look_up(stage);
	assert_int_equal(call.verdict, PAYMENT_SUCCEEDED);
	assert_paid(stage, &call, 1000);
	/* The time at which it became final, not that of the look. */
	assert_int_equal(stage->attempts[0].end.at.microseconds, instant_plus_seconds(begin, 30).microseconds);
	stage_free(stage);
}

static void
succeed_takes_the_fee_msat_within_the_cap(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	script(stage, HASH, "succeed", "{\"fee_msat\": 42}");
	call = pay(stage);
	assert_paid(stage, &call, 42);
	stage_free(stage);

	stage = stage_new();
	script(stage, HASH, "succeed", "{\"fee_msat\": 999999}");
	call = pay(stage);
	assert_paid(stage, &call, 50000);
	stage_free(stage);
}

static void
fail_says_each_reason(void **state)
{
	static const struct
	{
		const char *word;
		NodeFailure failure;
	}			reasons[] = {
		{"no_route", NODE_FAILURE_NO_ROUTE},
		{"fee_limit", NODE_FAILURE_FEE_LIMIT},
		{"expired", NODE_FAILURE_EXPIRED},
		{"refused_by_payee", NODE_FAILURE_REFUSED_BY_PAYEE},
		{"no_funds", NODE_FAILURE_NO_FUNDS},
		{"bad_invoice", NODE_FAILURE_BAD_INVOICE},
		{"gave_up", NODE_FAILURE_GAVE_UP},
		{"canceled", NODE_FAILURE_CANCELED},
		{"other", NODE_FAILURE_OTHER},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
	{
		Stage	   *stage = stage_new();
		NodeCall	call;

		script(stage, HASH, "fail", arena_printf(stage->world.arena, "{\"reason\": \"%s\"}", reasons[i].word));
		call = pay(stage);
		assert_int_equal(call.submit, SUBMIT_REJECTED);
		assert_int_equal(call.failure, reasons[i].failure);
		call = look_up(stage);
		assert_int_equal(call.verdict, PAYMENT_FAILED);
		assert_int_equal(call.failure, reasons[i].failure);
		assert_int_equal(executed(stage), 0);
		assert_string_equal(node_failure_word(reasons[i].failure), reasons[i].word);
		assert_int_equal(node_failure_of_word(reasons[i].word), reasons[i].failure);
		stage_free(stage);
	}
}

static void
fail_without_a_reason_finds_no_route(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "fail", "{}");
	assert_int_equal(pay(stage).failure, NODE_FAILURE_NO_ROUTE);
	stage_free(stage);
}

static void
fail_after_s_is_held_first_even_past_the_expiry_and_for_14_days(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "fail", "{\"after_s\": 1209601}");
	assert_int_equal(pay(stage).submit, SUBMIT_ACKED);
	world_wait(&stage->world, 1209600);
	assert_looks(stage, PAYMENT_PENDING);
	world_wait(&stage->world, 1);
	assert_looks(stage, PAYMENT_FAILED);
	stage_free(stage);
}

/* -------------------------------------------------------------- lost replies */

static void
lost_reply_is_ambiguous_wherever_the_line_broke_and_the_node_has_it(void **state)
{
	static const char *const places[] = {
		"{}", "{\"at\": \"ack\"}", "{\"at\": \"read\"}", "{\"at\": \"commit\"}"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
	{
		Stage	   *stage = stage_new();
		NodeCall	call;

		script(stage, HASH, "lost_reply", places[i]);
		call = pay(stage);
		assert_true(call.done);
		assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
		assert_false(call.payment.has_preimage);
		world_wait(&stage->world, 1);
		call = look_up(stage);
		assert_int_equal(call.verdict, PAYMENT_SUCCEEDED);
		assert_paid(stage, &call, 1000);
		stage_free(stage);
	}
}

static void
lost_reply_at_read_leaves_no_record_for_a_second(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "lost_reply", "{\"at\": \"read\", \"after_s\": 5}");
	pay(stage);
	assert_looks(stage, PAYMENT_NOT_FOUND);
	world_wait(&stage->world, 1);
	assert_looks(stage, PAYMENT_PENDING);
	world_wait(&stage->world, 4);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
lost_reply_ends_as_then_says_after_s(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "lost_reply", "{\"at\": \"commit\", \"then\": \"fail\", \"after_s\": 5}");
	pay(stage);
	assert_looks(stage, PAYMENT_PENDING);
	world_wait(&stage->world, 5);
	assert_looks(stage, PAYMENT_FAILED);
	assert_int_equal(executed(stage), 0);
	stage_free(stage);
}

static void
never_answer_leaves_each_call_about_it_without_answer(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "never_answer", "{}");
	assert_false(pay(stage).done);
	world_wait(&stage->world, 10000);
	assert_false(look_up(stage).done);
	assert_int_equal(executed(stage), 0);
	stage_free(stage);
}

static void
unknown_lookups_say_what_lookup_says_then_as_then(void **state)
{
	static const struct
	{
		const char *options;
		PaymentAnswer first;
		PaymentAnswer then;
	}			cases[] = {
		{"{\"after_s\": 9}", PAYMENT_UNAVAILABLE, PAYMENT_SUCCEEDED},
		{"{\"after_s\": 9, \"lookup\": \"unavailable\", \"then\": \"fail\"}", PAYMENT_UNAVAILABLE, PAYMENT_FAILED},
		{"{\"after_s\": 9, \"lookup\": \"not_found\"}", PAYMENT_NOT_FOUND, PAYMENT_SUCCEEDED},
		{"{\"after_s\": 9, \"lookup\": \"pending\", \"then\": \"fail\"}", PAYMENT_PENDING, PAYMENT_FAILED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Stage	   *stage = stage_new();

		script(stage, HASH, "unknown", cases[i].options);
		assert_int_equal(pay(stage).submit, SUBMIT_AMBIGUOUS);
		world_wait(&stage->world, 8);
		assert_looks(stage, cases[i].first);
		world_wait(&stage->world, 1);
		assert_looks(stage, cases[i].then);
		assert_int_equal(executed(stage), cases[i].then == PAYMENT_SUCCEEDED);
		stage_free(stage);
	}
}

static void
unknown_without_after_s_is_an_ambiguous_reply_that_a_lookup_clears(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "unknown", "{}");
	assert_int_equal(pay(stage).submit, SUBMIT_AMBIGUOUS);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	stage_free(stage);
}

static void
not_sent_refuses_so_many_times_then_as_then(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	script(stage, HASH, "not_sent", "{\"times\": 2}");
	assert_int_equal(pay(stage).submit, SUBMIT_NOT_SENT);
	assert_looks(stage, PAYMENT_NOT_FOUND);
	assert_int_equal(pay(stage).submit, SUBMIT_NOT_SENT);
	world_wait(&stage->world, 3);
	call = pay(stage);
	assert_int_equal(call.submit, SUBMIT_SETTLED);
	assert_int_equal(call.payment.created_at.microseconds, stage->world.clock.now.microseconds);
	assert_paid(stage, &call, 1000);
	assert_int_equal(stage->attempt_count, 1);
	stage_free(stage);
}

static void
not_sent_is_once_unless_told_and_may_fail_then(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "not_sent", "{\"then\": \"fail\"}");
	assert_int_equal(pay(stage).submit, SUBMIT_NOT_SENT);
	assert_int_equal(pay(stage).submit, SUBMIT_REJECTED);
	assert_looks(stage, PAYMENT_FAILED);
	stage_free(stage);
}

static void
not_sent_comes_before_the_node_has_looked_at_the_invoice(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "not_sent", "{}");
	stage->order.refusal = NODE_FAILURE_BAD_INVOICE;
	assert_int_equal(pay(stage).submit, SUBMIT_NOT_SENT);
	assert_int_equal(pay(stage).submit, SUBMIT_REJECTED);
	assert_looks(stage, PAYMENT_NOT_FOUND);
	stage_free(stage);
}

static void
stuck_is_pending_for_ever_as_each_kind(void **state)
{
	static const char *const kinds[] = {
		"{}", "{\"as\": \"no_htlc\"}", "{\"as\": \"initiated\"}", "{\"as\": \"part\"}"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		Stage	   *stage = stage_new();
		NodeCall	call;

		script(stage, HASH, "stuck", kinds[i]);
		assert_int_equal(pay(stage).submit, SUBMIT_ACKED);
		world_wait(&stage->world, 30 * 86400);
		call = look_up(stage);
		assert_int_equal(call.verdict, PAYMENT_PENDING);
		assert_non_null(call.words);
		assert_int_equal(executed(stage), 0);
		stage_free(stage);
	}
}

static void
L25_flip_says_failed_and_succeeds_after_s(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "flip", "{\"after_s\": 20}");
	assert_int_equal(pay(stage).submit, SUBMIT_REJECTED);
	assert_looks(stage, PAYMENT_FAILED);
	world_wait(&stage->world, 19);
	assert_looks(stage, PAYMENT_FAILED);
	assert_int_equal(executed(stage), 0);
	world_wait(&stage->world, 1);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	assert_int_equal(executed(stage), 1);
	stage_free(stage);
}

static void
flip_shows_a_hash_twice_where_it_was_paid_again_meanwhile(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "flip", "{\"after_s\": 20}");
	pay(stage);
	assert_int_equal(pay(stage).submit, SUBMIT_REJECTED);
	assert_int_equal(stage->attempt_count, 2);
	world_wait(&stage->world, 20);
	assert_looks(stage, PAYMENT_SUCCEEDED);
	assert_int_equal(executed(stage), 2);
	stage_free(stage);
}

static void
L2_bad_preimage_is_a_success_with_a_wrong_a_zero_or_no_preimage(void **state)
{
	static const char *const kinds[] = {
		"{}", "{\"kind\": \"wrong\"}", "{\"kind\": \"zero\"}", "{\"kind\": \"missing\"}"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		Stage	   *stage = stage_new();
		NodeCall	call;

		script(stage, HASH, "bad_preimage", kinds[i]);
		for (int round = 0; round < 2; round++)
		{
			call = round == 0 ? pay(stage) : look_up(stage);
			if (round == 0)
				assert_int_equal(call.submit, SUBMIT_SETTLED);
			else
				assert_int_equal(call.verdict, PAYMENT_SUCCEEDED);
			assert_int_equal(call.payment.has_preimage, i != 3);
			assert_false(bytes32_equal(call.payment.preimage, stage->order.preimage));
			assert_int_equal(bytes32_is_zero(call.payment.preimage), i >= 2);
		}
		assert_int_equal(executed(stage), 0);
		world_wait(&stage->world, 1);
		script(stage, HASH, "succeed", "{}");
		call = look_up(stage);
		assert_paid(stage, &call, 1000);
		stage_free(stage);
	}
}

static void
bad_reply_of_each_fault_is_never_a_verdict_and_the_node_has_it(void **state)
{
	static const char *const faults[] = {
		"empty", "reset", "http_401", "http_408", "http_500", "http_502", "http_503", "redirect", "garbage", "cut",
		"doubled_keys", "wrong_types", "huge", "endless", "slow", "silent", "late"};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
	{
		Stage	   *stage = stage_new();
		NodeCall	call;

		script(stage, HASH, "bad_reply", arena_printf(stage->world.arena, "{\"fault\": \"%s\"}", faults[i]));
		call = pay(stage);
		assert_int_equal(call.done, i < 13);
		assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
		assert_looks(stage, PAYMENT_SUCCEEDED);
		assert_int_equal(executed(stage), 1);
		stage_free(stage);
	}
}

static void
bad_reply_ends_as_then_says(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "bad_reply", "{\"then\": \"fail\", \"after_s\": 3, \"reason\": \"no_funds\"}");
	pay(stage);
	assert_looks(stage, PAYMENT_PENDING);
	world_wait(&stage->world, 3);
	assert_int_equal(look_up(stage).failure, NODE_FAILURE_NO_FUNDS);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_script_a_payment_succeeds_at_once_with_a_fee_of_1000_msat),
		cmocka_unit_test(without_a_script_the_fee_is_the_cap_where_that_is_lower),
		cmocka_unit_test(an_unknown_hash_is_not_found),
		cmocka_unit_test(L5_a_call_without_an_answer_is_ambiguous_or_unavailable),
		cmocka_unit_test(L64_a_paid_hash_is_not_paid_again),
		cmocka_unit_test(L64_a_hash_in_flight_is_not_paid_again),
		cmocka_unit_test(L64_a_failed_hash_may_be_paid_again),
		cmocka_unit_test(an_expired_invoice_is_rejected_and_leaves_no_record),
		cmocka_unit_test(what_the_node_would_not_try_is_rejected),
		cmocka_unit_test(succeed_after_s_is_acknowledged_then_pending_then_paid_at_its_time),
		cmocka_unit_test(succeed_takes_the_fee_msat_within_the_cap),
		cmocka_unit_test(fail_says_each_reason),
		cmocka_unit_test(fail_without_a_reason_finds_no_route),
		cmocka_unit_test(fail_after_s_is_held_first_even_past_the_expiry_and_for_14_days),
		cmocka_unit_test(lost_reply_is_ambiguous_wherever_the_line_broke_and_the_node_has_it),
		cmocka_unit_test(lost_reply_at_read_leaves_no_record_for_a_second),
		cmocka_unit_test(lost_reply_ends_as_then_says_after_s),
		cmocka_unit_test(never_answer_leaves_each_call_about_it_without_answer),
		cmocka_unit_test(unknown_lookups_say_what_lookup_says_then_as_then),
		cmocka_unit_test(unknown_without_after_s_is_an_ambiguous_reply_that_a_lookup_clears),
		cmocka_unit_test(not_sent_refuses_so_many_times_then_as_then),
		cmocka_unit_test(not_sent_is_once_unless_told_and_may_fail_then),
		cmocka_unit_test(not_sent_comes_before_the_node_has_looked_at_the_invoice),
		cmocka_unit_test(stuck_is_pending_for_ever_as_each_kind),
		cmocka_unit_test(L25_flip_says_failed_and_succeeds_after_s),
		cmocka_unit_test(flip_shows_a_hash_twice_where_it_was_paid_again_meanwhile),
		cmocka_unit_test(L2_bad_preimage_is_a_success_with_a_wrong_a_zero_or_no_preimage),
		cmocka_unit_test(bad_reply_of_each_fault_is_never_a_verdict_and_the_node_has_it),
		cmocka_unit_test(bad_reply_ends_as_then_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
