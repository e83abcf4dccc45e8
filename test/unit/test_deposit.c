/*
 * test_deposit.c
 *		The states of a deposit, the checks of its invoice, when it is looked at.
 */
#include "bitcoin_world.h"

#include "bitcoin/schedule.h"

/* ------------------------------------------------------------ the state machine */

typedef enum News
{
	NEWS_MADE, NEWS_MADE_WRONG, NEWS_NOT_MADE, NEWS_REFUSED, NEWS_GIVE_UP,
	NEWS_OPEN, NEWS_HELD, NEWS_SETTLED, NEWS_SETTLED_LESS, NEWS_SETTLED_NOTHING, NEWS_UNPROVEN, NEWS_INSIDE,
	NEWS_EXPIRED, NEWS_CANCELLED_EARLY, NEWS_CANCELLED_AT_END, NEWS_NOT_FOUND, NEWS_SILENCE,
	NEWS_OPEN_A_DAY_AFTER_END, NEWS_LESS_A_DAY_AFTER_END, NEWS_UNPROVEN_A_DAY_AFTER_END,
	NEWS_SILENCE_A_DAY_AFTER_END, NEWS_COUNT
} News;

#define BEGIN ((Instant) {INT64_C(1767225600000000)})
#define END_SECONDS 3600

static Deposit
deposit_in(DepositState state)
{
	Deposit		deposit;
	AskDeposit	command = {id_of(1), AMOUNT_MSAT(5000), NULL};

	assert_ok(deposit_create(&command, id_of(2), END_SECONDS, BEGIN, &deposit));
	if (state != DEPOSIT_INTENT)
	{
		deposit.payment_hash = "hash";
		deposit.payment_request = "request";
		deposit.expires_at = instant_plus_seconds(BEGIN, END_SECONDS);
		deposit.node_account_id = id_of(900);
	}
	deposit.state = state;
	if (state == DEPOSIT_SETTLED)
	{
		deposit.received = AMOUNT_MSAT(5000);
		deposit.preimage = "preimage";
		deposit.settled_at = BEGIN;
		deposit.next_look_at = INSTANT_NONE;
	}
	return deposit;
}

static void
bring(Deposit *deposit, News news)
{
	static const KnownNode node = {.network = "regtest", .node_id = NODE_KEY};
	DecodedInvoice invoice = {"request", "hash", "regtest", NODE_KEY, true, AMOUNT_MSAT(5000),
		instant_plus_seconds(BEGIN, END_SECONDS), DEPOSIT_DESCRIPTION};
	Instant		soon = instant_plus_seconds(BEGIN, 1);
	Instant		end = instant_plus_seconds(BEGIN, END_SECONDS);

	switch (news)
	{
		case NEWS_MADE:
			deposit_invoice_made(deposit, &invoice, &node, soon);
			break;
		case NEWS_MADE_WRONG:
			invoice.amount = AMOUNT_MSAT(5001);
			deposit_invoice_made(deposit, &invoice, &node, soon);
			break;
		case NEWS_NOT_MADE:
			deposit_not_made(deposit, "words", soon);
			break;
		case NEWS_REFUSED:
			deposit_refused(deposit, "words");
			break;
		case NEWS_GIVE_UP:
			deposit_give_up(deposit);
			break;
		case NEWS_OPEN:
			deposit_not_paid(deposit, false, soon);
			break;
		case NEWS_HELD:
			deposit_not_paid(deposit, true, soon);
			break;
		case NEWS_SETTLED:
			deposit_settle(deposit, AMOUNT_MSAT(5000), "preimage", soon);
			break;
		case NEWS_SETTLED_LESS:
			deposit_settle(deposit, AMOUNT_MSAT(4999), "preimage", soon);
			break;
		case NEWS_SETTLED_NOTHING:
			deposit_settle(deposit, AMOUNT_ZERO, "preimage", soon);
			break;
		case NEWS_UNPROVEN:
			deposit_settled_unproven(deposit, soon);
			break;
		case NEWS_INSIDE:
			deposit_settle_inside(deposit, id_of(7), soon);
			break;
		case NEWS_EXPIRED:
			deposit_expired_at_node(deposit, soon);
			break;
		case NEWS_CANCELLED_EARLY:
			deposit_cancelled_at_node(deposit, soon);
			break;
		case NEWS_CANCELLED_AT_END:
			deposit_cancelled_at_node(deposit, end);
			break;
		case NEWS_NOT_FOUND:
			deposit_unknown_to_node(deposit, soon);
			break;
		case NEWS_SILENCE:
			deposit_undecided(deposit, soon);
			break;
		case NEWS_OPEN_A_DAY_AFTER_END:
			deposit_not_paid(deposit, false, instant_plus_seconds(end, SECONDS_PER_DAY));
			break;
		case NEWS_LESS_A_DAY_AFTER_END:
			deposit_settle(deposit, AMOUNT_MSAT(4999), "preimage", instant_plus_seconds(end, SECONDS_PER_DAY));
			break;
		case NEWS_UNPROVEN_A_DAY_AFTER_END:
			deposit_settled_unproven(deposit, instant_plus_seconds(end, SECONDS_PER_DAY));
			break;
		case NEWS_SILENCE_A_DAY_AFTER_END:
			deposit_undecided(deposit, instant_plus_seconds(end, SECONDS_PER_DAY));
			break;
		case NEWS_COUNT:
			break;
	}
}

/* What changes the state; everything else leaves it as it is. */
static const struct
{
	DepositState from;
	News		news;
	DepositState to;
}			changes[] = {
	{DEPOSIT_INTENT, NEWS_MADE, DEPOSIT_OPEN},
	{DEPOSIT_INTENT, NEWS_MADE_WRONG, DEPOSIT_CANCELLED},
	{DEPOSIT_INTENT, NEWS_REFUSED, DEPOSIT_CANCELLED},
	{DEPOSIT_INTENT, NEWS_GIVE_UP, DEPOSIT_CANCELLED},
	{DEPOSIT_OPEN, NEWS_SETTLED, DEPOSIT_SETTLED},
	{DEPOSIT_OPEN, NEWS_INSIDE, DEPOSIT_SETTLED},
	{DEPOSIT_OPEN, NEWS_EXPIRED, DEPOSIT_EXPIRED},
	{DEPOSIT_OPEN, NEWS_CANCELLED_EARLY, DEPOSIT_CANCELLED},
	{DEPOSIT_OPEN, NEWS_CANCELLED_AT_END, DEPOSIT_EXPIRED},
	{DEPOSIT_OPEN, NEWS_OPEN_A_DAY_AFTER_END, DEPOSIT_EXPIRED},
	{DEPOSIT_OPEN, NEWS_LESS_A_DAY_AFTER_END, DEPOSIT_EXPIRED},
	{DEPOSIT_OPEN, NEWS_UNPROVEN_A_DAY_AFTER_END, DEPOSIT_EXPIRED},
	{DEPOSIT_EXPIRED, NEWS_SETTLED, DEPOSIT_SETTLED},
	{DEPOSIT_EXPIRED, NEWS_INSIDE, DEPOSIT_SETTLED},
	{DEPOSIT_CANCELLED, NEWS_SETTLED, DEPOSIT_SETTLED},
	{DEPOSIT_CANCELLED, NEWS_INSIDE, DEPOSIT_SETTLED},
};

static DepositState
expected(DepositState from, News news)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (changes[i].from == from && changes[i].news == news)
			return changes[i].to;
	return from;
}

static void
every_state_by_every_news(void **state)
{
	for (int from = 0; from < DEPOSIT_STATE_COUNT; from++)
		for (int news = 0; news < NEWS_COUNT; news++)
		{
			Deposit		deposit = deposit_in((DepositState) from);
			Deposit		before = deposit;

			bring(&deposit, (News) news);
			if (deposit.state != expected((DepositState) from, (News) news))
				fail_msg("%s by news %d is %s, not %s", deposit_state_name((DepositState) from), news,
						 deposit_state_name(deposit.state), deposit_state_name(expected((DepositState) from, (News) news)));
			/* money is credited by one step only, and never taken back */
			if (from == DEPOSIT_SETTLED)
				assert_memory_equal(&deposit, &before, sizeof(deposit));
			else
				assert_int_equal(deposit.received.msat > 0, deposit.state == DEPOSIT_SETTLED);
		}
}

static void
S12_request_hash_and_expiry_appear_together(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_INTENT);

	assert_null(deposit.payment_hash);
	assert_null(deposit.payment_request);
	assert_true(instant_is_none(deposit.expires_at));
	assert_string_equal(deposit_status(deposit.state), "pending");
	bring(&deposit, NEWS_MADE);
	assert_string_equal(deposit.payment_hash, "hash");
	assert_string_equal(deposit.payment_request, "request");
	assert_false(instant_is_none(deposit.expires_at));
}

static void
S23_amounts_that_are_none_are_refused(void **state)
{
	static const int64_t wrong[] = {0, -1, INT64_MIN, INT64_MAX};
	Deposit		deposit;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		AskDeposit	command = {id_of(1), AMOUNT_MSAT(wrong[i]), NULL};

		assert_refused(deposit_create(&command, id_of(2), 3600, BEGIN, &deposit), INVALID_ARGUMENT);
	}
}

static void
L31_an_invoice_that_was_not_asked_for_cancels_the_deposit(void **state)
{
	const KnownNode node = {.network = "regtest", .node_id = NODE_KEY};
	const DecodedInvoice good = {"request", "hash", "regtest", NODE_KEY, true, AMOUNT_MSAT(5000),
		instant_plus_seconds(BEGIN, END_SECONDS), DEPOSIT_DESCRIPTION};

	for (int flaw = 0; flaw < 9; flaw++)
	{
		Deposit		deposit = deposit_in(DEPOSIT_INTENT);
		DecodedInvoice invoice = good;

		if (flaw == 0)
			invoice.network = "bitcoin";
		if (flaw == 1)
			invoice.payee = OTHER_KEY;
		if (flaw == 2)
			invoice.amount = AMOUNT_MSAT(4999);
		if (flaw == 3)
			invoice.has_amount = false;
		if (flaw == 4)
			invoice.expires_at = instant_plus_seconds(BEGIN, END_SECONDS - 200);
		if (flaw == 5)
			invoice.expires_at = instant_plus_seconds(BEGIN, END_SECONDS + 200);
		/* one that was made before for something else, or for who knows what */
		if (flaw == 6)
			invoice.description = "a deposit";
		if (flaw == 7)
			invoice.description = "";
		if (flaw == 8)
			invoice.description = NULL;
		deposit_invoice_made(&deposit, &invoice, &node, BEGIN);
		assert_int_equal(deposit.state, DEPOSIT_CANCELLED);
		assert_string_equal(deposit.reason, "internal");
		assert_non_null(deposit.alarm);
		assert_null(deposit.payment_hash);
		assert_true(instant_is_none(deposit.next_look_at));
	}
}

static void
L32_a_deposit_names_its_amount_and_so_does_its_invoice(void **state)
{
	const KnownNode node = {.network = "regtest", .node_id = NODE_KEY};
	AskDeposit	none = {id_of(1), AMOUNT_ZERO, NULL};
	DecodedInvoice open = {"request", "hash", "regtest", NODE_KEY, false, AMOUNT_ZERO,
		instant_plus_seconds(BEGIN, END_SECONDS), DEPOSIT_DESCRIPTION};
	Deposit		deposit;

	assert_refused(deposit_create(&none, id_of(2), END_SECONDS, BEGIN, &deposit), INVALID_ARGUMENT);
	/* one that anybody may pay with any amount is not shown to anybody */
	deposit = deposit_in(DEPOSIT_INTENT);
	deposit_invoice_made(&deposit, &open, &node, BEGIN);
	assert_int_equal(deposit.state, DEPOSIT_CANCELLED);
	assert_null(deposit.payment_request);
	assert_int_equal(deposit_step(&deposit, BEGIN, 600), DEPOSIT_LEAVE);
}

static void
L35_more_is_credited_and_less_is_not(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_OPEN);

	deposit_settle(&deposit, AMOUNT_MSAT(4999), "preimage", BEGIN);
	assert_int_equal(deposit.state, DEPOSIT_OPEN);
	assert_non_null(deposit.alarm);
	deposit.alarm = NULL;
	deposit_settle(&deposit, AMOUNT_MSAT(9999), "preimage", BEGIN);
	assert_int_equal(deposit.state, DEPOSIT_SETTLED);
	assert_int_equal(deposit.received.msat, 9999);
	assert_null(deposit.alarm);
}

/* A lie, or a mistake of the payer's: what came is credited, and an operator hears of it. */
static void
L35_more_than_twice_is_credited_with_an_alarm(void **state)
{
	Deposit		twice = deposit_in(DEPOSIT_OPEN);
	Deposit		more = deposit_in(DEPOSIT_OPEN);

	deposit_settle(&twice, AMOUNT_MSAT(10001), "preimage", BEGIN);
	assert_null(twice.alarm);
	deposit_settle(&more, AMOUNT_MSAT(10002), "preimage", BEGIN);
	assert_int_equal(more.state, DEPOSIT_SETTLED);
	assert_int_equal(more.received.msat, 10002);
	assert_non_null(more.alarm);
}

static void
L40_a_fee_of_a_receipt_that_cannot_be_is_not_booked(void **state)
{
	static const int64_t lies[] = {-1, INT64_MIN, 5001, INT64_MAX};
	Deposit		deposit = deposit_in(DEPOSIT_OPEN);

	/* nothing came yet */
	deposit_bear_fee(&deposit, AMOUNT_MSAT(5));
	assert_int_equal(deposit.receive_fee.msat, 0);
	deposit_settle(&deposit, AMOUNT_MSAT(5000), "preimage", BEGIN);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
	{
		Deposit		other = deposit;

		deposit_bear_fee(&other, AMOUNT_MSAT(lies[i]));
		assert_int_equal(other.receive_fee.msat, 0);
		assert_non_null(other.alarm);
	}
	deposit_bear_fee(&deposit, AMOUNT_MSAT(5000));
	assert_int_equal(deposit.receive_fee.msat, 5000);
	assert_null(deposit.alarm);
}

static void
L36_late_settlement_is_flagged(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_OPEN);
	Deposit		expired = deposit_in(DEPOSIT_EXPIRED);
	Deposit		cancelled = deposit_in(DEPOSIT_CANCELLED);

	bring(&deposit, NEWS_SETTLED);
	bring(&expired, NEWS_SETTLED);
	bring(&cancelled, NEWS_SETTLED);
	assert_false(deposit.late);
	assert_true(expired.late);
	assert_true(cancelled.late);
	assert_null(cancelled.reason);
}

static void
a_deposit_that_was_never_made_cannot_be_settled(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_INTENT);

	bring(&deposit, NEWS_GIVE_UP);
	assert_string_equal(deposit.reason, "node_offline");
	bring(&deposit, NEWS_SETTLED);
	bring(&deposit, NEWS_INSIDE);
	assert_int_equal(deposit.state, DEPOSIT_CANCELLED);
	assert_int_equal(deposit.received.msat, 0);
}

/* Whether to try again, says the reason; why, say the words of the node. */
static void
what_the_node_refuses_is_not_offline(void **state)
{
	Deposit		refused = deposit_in(DEPOSIT_INTENT);
	Deposit		silent = deposit_in(DEPOSIT_INTENT);
	Deposit		made = deposit_in(DEPOSIT_INTENT);

	bring(&refused, NEWS_REFUSED);
	assert_string_equal(refused.reason, "payment_refused");
	assert_string_equal(refused.node_words, "words");
	assert_null(refused.alarm);
	assert_true(instant_is_none(refused.next_look_at));
	bring(&silent, NEWS_NOT_MADE);
	deposit_not_made(&silent, NULL, BEGIN);
	bring(&silent, NEWS_GIVE_UP);
	assert_string_equal(silent.reason, "node_offline");
	assert_string_equal(silent.node_words, "words");
	bring(&made, NEWS_NOT_MADE);
	bring(&made, NEWS_MADE);
	assert_null(made.node_words);
}

/* ------------------------------------------------------------------------ looks */

static int64_t
seconds_to_look(const Deposit *deposit, Instant now)
{
	return (deposit->next_look_at.microseconds - now.microseconds) / 1000000;
}

static void
L38_open_invoices_are_polled_ever_more_slowly(void **state)
{
	static const struct
	{
		int64_t		age, wait;
	}			steps[] = {{1, 5}, {599, 5}, {600, 60}, {3000, 60}, {3590, 11}, {3600, 10}, {3650, 10}, {3660, 600}, {9000, 600}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		Deposit		deposit = deposit_in(DEPOSIT_OPEN);
		Instant		now = instant_plus_seconds(BEGIN, steps[i].age);

		deposit_undecided(&deposit, now);
		assert_int_equal(seconds_to_look(&deposit, now), steps[i].wait);
	}
}

static void
L38_dead_invoices_are_watched_for_two_weeks(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_EXPIRED);
	Instant		end = deposit.expires_at;

	deposit_undecided(&deposit, instant_plus_seconds(end, 5));
	assert_int_equal(seconds_to_look(&deposit, instant_plus_seconds(end, 5)), 600);
	deposit_undecided(&deposit, instant_plus_seconds(end, 2 * SECONDS_PER_DAY));
	assert_int_equal(seconds_to_look(&deposit, instant_plus_seconds(end, 2 * SECONDS_PER_DAY)), SECONDS_PER_DAY);
	deposit_undecided(&deposit, instant_plus_seconds(end, 14 * SECONDS_PER_DAY));
	assert_true(instant_is_none(deposit.next_look_at));
	/* and still on demand */
	assert_true(deposit_look_is_of_use(&deposit, instant_plus_seconds(end, 15 * SECONDS_PER_DAY)));
}

static void
S16_wishes_lead_to_one_look_a_second(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_OPEN);
	Instant		now = instant_plus_seconds(BEGIN, 10);

	deposit_ask(&deposit, now, 15);
	for (int i = 0; i < 100; i++)
		deposit_want_look(&deposit, (Instant) {now.microseconds + i * 9000});
	assert_int_equal(deposit.next_look_at.microseconds, now.microseconds + 1000000);
	/* the answer to the first look does not swallow the wish that came after it */
	deposit_not_paid(&deposit, false, (Instant) {now.microseconds + 950000});
	assert_int_equal(deposit.next_look_at.microseconds, now.microseconds + 1000000);
	/* the next one does */
	deposit_ask(&deposit, deposit.next_look_at, 15);
	deposit_not_paid(&deposit, false, instant_plus_seconds(now, 2));
	assert_int_equal(seconds_to_look(&deposit, instant_plus_seconds(now, 2)), 5);
}

static void
a_wish_for_what_is_settled_changes_nothing(void **state)
{
	Deposit		deposit = deposit_in(DEPOSIT_SETTLED);

	assert_false(deposit_look_is_of_use(&deposit, BEGIN));
	deposit_want_look(&deposit, BEGIN);
	assert_true(instant_is_none(deposit.next_look_at));
}

static void
the_step_of_each_state(void **state)
{
	Deposit		intent = deposit_in(DEPOSIT_INTENT);
	Deposit		open = deposit_in(DEPOSIT_OPEN);
	Deposit		settled = deposit_in(DEPOSIT_SETTLED);
	Deposit		expired = deposit_in(DEPOSIT_EXPIRED);
	Deposit		unmade = deposit_in(DEPOSIT_INTENT);

	assert_int_equal(deposit_step(&intent, instant_plus_seconds(BEGIN, 599), 600), DEPOSIT_MAKE_INVOICE);
	assert_int_equal(deposit_step(&intent, instant_plus_seconds(BEGIN, 600), 600), DEPOSIT_GIVE_UP);
	assert_int_equal(deposit_step(&open, BEGIN, 600), DEPOSIT_LOOK);
	assert_int_equal(deposit_step(&settled, BEGIN, 600), DEPOSIT_LEAVE);
	assert_int_equal(deposit_step(&expired, BEGIN, 600), DEPOSIT_LOOK);
	deposit_give_up(&unmade);
	assert_int_equal(deposit_step(&unmade, BEGIN, 600), DEPOSIT_LEAVE);
}

static void
states_have_names(void **state)
{
	for (int i = 0; i < DEPOSIT_STATE_COUNT; i++)
	{
		DepositState read;

		assert_true(deposit_state_by_name(deposit_state_name((DepositState) i), &read));
		assert_int_equal(read, i);
		assert_non_null(deposit_status(read));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_by_every_news),
		cmocka_unit_test(S12_request_hash_and_expiry_appear_together),
		cmocka_unit_test(S23_amounts_that_are_none_are_refused),
		cmocka_unit_test(L31_an_invoice_that_was_not_asked_for_cancels_the_deposit),
		cmocka_unit_test(L32_a_deposit_names_its_amount_and_so_does_its_invoice),
		cmocka_unit_test(L35_more_is_credited_and_less_is_not),
		cmocka_unit_test(L35_more_than_twice_is_credited_with_an_alarm),
		cmocka_unit_test(L40_a_fee_of_a_receipt_that_cannot_be_is_not_booked),
		cmocka_unit_test(L36_late_settlement_is_flagged),
		cmocka_unit_test(a_deposit_that_was_never_made_cannot_be_settled),
		cmocka_unit_test(what_the_node_refuses_is_not_offline),
		cmocka_unit_test(L38_open_invoices_are_polled_ever_more_slowly),
		cmocka_unit_test(L38_dead_invoices_are_watched_for_two_weeks),
		cmocka_unit_test(S16_wishes_lead_to_one_look_a_second),
		cmocka_unit_test(a_wish_for_what_is_settled_changes_nothing),
		cmocka_unit_test(the_step_of_each_state),
		cmocka_unit_test(states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
