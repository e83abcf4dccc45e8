/*
 * test_simulator_invoices.c
 *		Invoices of the simulated node, and the outside wallet that pays them.
 */
#include "simulator_stage.h"

#include "lightning/bytes32.h"

static bool
follow_invoice(Stage *stage)
{
	return simulator_follow_invoice(&stage->invoice, stage->scripts, stage->script_count, stage->world.clock.now);
}

static NodeCall
look_up_invoice(Stage *stage)
{
	NodeCall	call = new_call(stage);

	follow_invoice(stage);
	simulator_look_up_invoice(&stage->invoice, stage->world.clock.now, &call);
	return call;
}

static Result
wallet_pays(Stage *stage, int64_t received_msat, bool late)
{
	follow_invoice(stage);
	return simulator_wallet_pays(&stage->invoice, AMOUNT_MSAT(received_msat), late, stage->world.clock.now);
}

static void
an_invoice_is_open_then_expired_and_tells_no_preimage(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = look_up_invoice(stage);

	assert_int_equal(call.invoice, INVOICE_OPEN);
	assert_true(bytes32_is_zero(call.preimage));
	world_wait(&stage->world, 60);
	call = look_up_invoice(stage);
	assert_int_equal(call.invoice, INVOICE_EXPIRED);
	assert_true(bytes32_is_zero(call.preimage));
	stage_free(stage);
}

static void
the_wallet_pays_all_of_it_and_the_node_shows_the_preimage(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call;

	assert_ok(wallet_pays(stage, 0, false));
	call = look_up_invoice(stage);
	assert_int_equal(call.invoice, INVOICE_SETTLED);
	assert_int_equal(call.received.msat, 2000);
	assert_true(bytes32_equal(call.preimage, stage->invoice.preimage));
	assert_int_equal(simulator_event_at(&stage->invoice).microseconds, stage->world.clock.now.microseconds);
	stage_free(stage);
}

static void
the_wallet_overpays_to_twice_and_never_underpays(void **state)
{
	static const int64_t refused[] = {1, 1999, 4001, INT64_MAX};
	Stage	   *stage = stage_new();

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_refused(wallet_pays(stage, refused[i], false), INVALID_ARGUMENT);
	assert_ok(wallet_pays(stage, 4000, false));
	assert_int_equal(look_up_invoice(stage).received.msat, 4000);
	stage_free(stage);
}

static void
the_wallet_names_an_amount_where_the_invoice_does_not(void **state)
{
	Stage	   *stage = stage_new();

	stage->invoice.amount = AMOUNT_ZERO;
	assert_refused(wallet_pays(stage, 0, false), INVALID_ARGUMENT);
	assert_ok(wallet_pays(stage, 123, false));
	assert_int_equal(look_up_invoice(stage).received.msat, 123);
	stage_free(stage);
}

static void
the_wallet_pays_an_expired_invoice_only_when_late(void **state)
{
	Stage	   *stage = stage_new();

	world_wait(&stage->world, 60);
	assert_refused(wallet_pays(stage, 0, false), PAYMENT_REQUEST_EXPIRED);
	assert_ok(wallet_pays(stage, 0, true));
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_SETTLED);
	stage_free(stage);
}

static void
the_wallet_pays_no_invoice_twice(void **state)
{
	Stage	   *stage = stage_new();

	assert_ok(wallet_pays(stage, 0, false));
	assert_refused(wallet_pays(stage, 0, false), PAYMENT_REQUEST_USED);
	assert_refused(wallet_pays(stage, 0, true), PAYMENT_REQUEST_USED);
	stage_free(stage);
}

static void
L37_what_was_cancelled_cannot_be_paid_and_what_was_paid_cannot_be_cancelled(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = new_call(stage);

	assert_true(simulator_cancel_invoice(&stage->invoice, stage->world.clock.now, &call));
	assert_int_equal(call.cancel, CANCEL_CANCELED);
	assert_false(simulator_cancel_invoice(&stage->invoice, stage->world.clock.now, &call));
	assert_int_equal(call.cancel, CANCEL_CANCELED);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_CANCELED);
	assert_refused(wallet_pays(stage, 0, true), PAYMENT_REQUEST_USED);
	world_wait(&stage->world, 1);
	script(stage, HASH, "receive", "{}");
	world_wait(&stage->world, 10);
	assert_false(follow_invoice(stage));
	stage_free(stage);

	stage = stage_new();
	assert_ok(wallet_pays(stage, 0, false));
	assert_false(simulator_cancel_invoice(&stage->invoice, stage->world.clock.now, &call));
	assert_int_equal(call.cancel, CANCEL_ALREADY_SETTLED);
	stage_free(stage);
}

static void
an_unknown_invoice_is_not_found(void **state)
{
	NodeCall	call = {.done = false};

	simulator_look_up_invoice(NULL, (Instant) {1}, &call);
	assert_int_equal(call.invoice, INVOICE_NOT_FOUND);
	assert_false(simulator_cancel_invoice(NULL, (Instant) {1}, &call));
	assert_int_equal(call.cancel, CANCEL_NOT_FOUND);
}

static void
never_answer_is_silent_about_an_invoice_too(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = new_call(stage);

	script(stage, HASH, "never_answer", "{}");
	assert_false(look_up_invoice(stage).done);
	assert_false(simulator_cancel_invoice(&stage->invoice, stage->world.clock.now, &call));
	assert_false(call.done);
	stage_free(stage);
}

static void
receive_pays_after_s_but_leaves_the_wallet_a_second(void **state)
{
	Stage	   *stage = stage_new();
	Instant		begin = stage->world.clock.now;

	script(stage, HASH, "receive", "{}");
	assert_false(follow_invoice(stage));
	world_wait(&stage->world, 30);
	assert_true(follow_invoice(stage));
	assert_int_equal(stage->invoice.settled_at.microseconds, instant_plus_seconds(begin, 1).microseconds);
	assert_int_equal(stage->invoice.received.msat, 2000);
	assert_false(follow_invoice(stage));
	stage_free(stage);

	stage = stage_new();
	script(stage, HASH, "receive", "{\"after_s\": 90}");
	world_wait(&stage->world, 89);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_EXPIRED);
	world_wait(&stage->world, 1);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_SETTLED);
	stage_free(stage);
}

static void
receive_overpays_but_what_is_too_little_or_too_much_is_never_taken(void **state)
{
	static const struct
	{
		const char *options;
		bool		settles;
	}			cases[] = {
		{"{\"received_msat\": 2000}", true},
		{"{\"received_msat\": 4000}", true},
		{"{\"received_msat\": 1999}", false},
		{"{\"received_msat\": 4001}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Stage	   *stage = stage_new();

		script(stage, HASH, "receive", cases[i].options);
		world_wait(&stage->world, 5);
		assert_int_equal(follow_invoice(stage), cases[i].settles);
		stage_free(stage);
	}
}

static void
the_wallet_wins_over_a_receive_that_is_not_due(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "receive", "{\"received_msat\": 4000, \"after_s\": 10, \"events\": \"twice\"}");
	assert_ok(wallet_pays(stage, 3000, false));
	world_wait(&stage->world, 20);
	assert_int_equal(look_up_invoice(stage).received.msat, 3000);
	assert_int_equal(stage->invoice.events, EVENTS_TWICE);
	stage_free(stage);

	stage = stage_new();
	script(stage, HASH, "receive", "{\"after_s\": 10}");
	world_wait(&stage->world, 10);
	assert_refused(wallet_pays(stage, 0, false), PAYMENT_REQUEST_USED);
	stage_free(stage);
}

static void
L66_held_then_settled_or_released(void **state)
{
	for (int fails = 0; fails < 2; fails++)
	{
		Stage	   *stage = stage_new();

		script(stage, HASH, "receive", fails ? "{\"after_s\": 2, \"held_s\": 10, \"then\": \"fail\"}" :
			   "{\"after_s\": 2, \"held_s\": 10, \"then\": \"succeed\"}");
		assert_int_equal(look_up_invoice(stage).invoice, INVOICE_OPEN);
		world_wait(&stage->world, 2);
		assert_int_equal(look_up_invoice(stage).invoice, INVOICE_HELD);
		world_wait(&stage->world, 9);
		assert_int_equal(look_up_invoice(stage).invoice, INVOICE_HELD);
		world_wait(&stage->world, 1);
		assert_int_equal(look_up_invoice(stage).invoice, fails ? INVOICE_CANCELED : INVOICE_SETTLED);
		stage_free(stage);
	}
}

static void
L66_what_is_held_is_cancelled_before_it_is_settled(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = new_call(stage);

	script(stage, HASH, "receive", "{\"held_s\": 10}");
	world_wait(&stage->world, 5);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_HELD);
	assert_true(simulator_cancel_invoice(&stage->invoice, stage->world.clock.now, &call));
	world_wait(&stage->world, 20);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_CANCELED);
	stage_free(stage);
}

static void
L66_what_was_cancelled_may_be_paid_all_the_same(void **state)
{
	Stage	   *stage = stage_new();
	NodeCall	call = new_call(stage);

	assert_true(simulator_cancel_invoice(&stage->invoice, stage->world.clock.now, &call));
	script(stage, HASH, "receive", "{\"after_s\": 3, \"cancelled\": \"paid\"}");
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_CANCELED);
	world_wait(&stage->world, 3);
	call = look_up_invoice(stage);
	assert_int_equal(call.invoice, INVOICE_SETTLED);
	assert_int_equal(call.received.msat, 2000);
	stage_free(stage);
}

static void
the_hint_comes_once_twice_not_at_all_or_late(void **state)
{
	static const struct
	{
		const char *options;
		SettleEvents events;
		int64_t		after_s;	/* -1: never */
	}			cases[] = {
		{"{}", EVENTS_ONCE, 0},
		{"{\"events\": \"once\"}", EVENTS_ONCE, 0},
		{"{\"events\": \"twice\"}", EVENTS_TWICE, 0},
		{"{\"events\": \"missed\"}", EVENTS_MISSED, -1},
		{"{\"events\": \"index_0\"}", EVENTS_INDEX_0, -1},
		{"{\"events\": \"gap\"}", EVENTS_GAP, 0},
		{"{\"events\": \"reordered\"}", EVENTS_REORDERED, SIMULATOR_REORDER_DELAY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Stage	   *stage = stage_new();
		Instant		event;

		assert_true(instant_is_none(simulator_event_at(&stage->invoice)));
		script(stage, HASH, "receive", cases[i].options);
		world_wait(&stage->world, 5);
		assert_true(follow_invoice(stage));
		assert_int_equal(stage->invoice.events, cases[i].events);
		event = simulator_event_at(&stage->invoice);
		if (cases[i].after_s < 0)
			assert_true(instant_is_none(event));
		else
			assert_int_equal(event.microseconds,
							 instant_plus_seconds(stage->invoice.settled_at, cases[i].after_s).microseconds);
		stage_free(stage);
	}
}

static void
receive_for_any_fits_new_invoices_by_amount_memo_and_number(void **state)
{
	static const struct
	{
		const char *options;
		bool		fits;
	}			cases[] = {
		{"{}", true},
		{"{\"amount_msat\": 2000, \"memo\": \"deposit\"}", true},
		{"{\"amount_msat\": 2001}", false},
		{"{\"memo\": \"x\"}", false},
		{"{\"call\": 1}", true},
		{"{\"call\": 2}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Stage	   *stage = stage_new();

		script(stage, "*", "receive", cases[i].options);
		script(stage, "*", "never_answer", "{}");
		simulator_bind_invoice(&stage->invoice, stage->scripts, stage->script_count);
		assert_int_equal(stage->invoice.script != NULL, cases[i].fits);
		world_wait(&stage->world, 1);
		assert_int_equal(follow_invoice(stage), cases[i].fits);
		stage_free(stage);
	}
}

static void
a_later_script_calls_a_receive_off(void **state)
{
	Stage	   *stage = stage_new();

	script(stage, HASH, "receive", "{\"after_s\": 10}");
	world_wait(&stage->world, 9);
	script(stage, HASH, "fail", "{}");
	world_wait(&stage->world, 9);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_OPEN);
	script(stage, HASH, "receive", "{\"after_s\": 3}");
	world_wait(&stage->world, 3);
	assert_int_equal(look_up_invoice(stage).invoice, INVOICE_SETTLED);
	stage_free(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invoice_is_open_then_expired_and_tells_no_preimage),
		cmocka_unit_test(the_wallet_pays_all_of_it_and_the_node_shows_the_preimage),
		cmocka_unit_test(the_wallet_overpays_to_twice_and_never_underpays),
		cmocka_unit_test(the_wallet_names_an_amount_where_the_invoice_does_not),
		cmocka_unit_test(the_wallet_pays_an_expired_invoice_only_when_late),
		cmocka_unit_test(the_wallet_pays_no_invoice_twice),
		cmocka_unit_test(L37_what_was_cancelled_cannot_be_paid_and_what_was_paid_cannot_be_cancelled),
		cmocka_unit_test(an_unknown_invoice_is_not_found),
		cmocka_unit_test(never_answer_is_silent_about_an_invoice_too),
		cmocka_unit_test(receive_pays_after_s_but_leaves_the_wallet_a_second),
		cmocka_unit_test(receive_overpays_but_what_is_too_little_or_too_much_is_never_taken),
		cmocka_unit_test(the_wallet_wins_over_a_receive_that_is_not_due),
		cmocka_unit_test(L66_held_then_settled_or_released),
		cmocka_unit_test(L66_what_is_held_is_cancelled_before_it_is_settled),
		cmocka_unit_test(L66_what_was_cancelled_may_be_paid_all_the_same),
		cmocka_unit_test(the_hint_comes_once_twice_not_at_all_or_late),
		cmocka_unit_test(receive_for_any_fits_new_invoices_by_amount_memo_and_number),
		cmocka_unit_test(a_later_script_calls_a_receive_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
