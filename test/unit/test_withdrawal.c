/*
 * test_withdrawal.c
 *		The states of a withdrawal, what may be asked for, how it goes out.
 */
#include "withdrawal_stage.h"

/* ------------------------------------------------------------ the state machine */

/* What changes the state of one that the node pays; everything else leaves it. */
static const struct
{
	WithdrawalState from;
	News		news;
	WithdrawalState to;
}			changes[] = {
	{WITHDRAWAL_REQUESTED, NEWS_ACCEPTED, WITHDRAWAL_RESERVED},
	{WITHDRAWAL_REQUESTED, NEWS_REJECTED, WITHDRAWAL_REJECTED},
	{WITHDRAWAL_RESERVED, NEWS_SUBMIT, WITHDRAWAL_SUBMITTING},
	{WITHDRAWAL_RESERVED, NEWS_EXPIRE, WITHDRAWAL_FAILED},
	{WITHDRAWAL_SUBMITTING, NEWS_ABANDON, WITHDRAWAL_UNKNOWN},
	{WITHDRAWAL_SUBMITTING, NEWS_ACKED, WITHDRAWAL_IN_FLIGHT},
	{WITHDRAWAL_SUBMITTING, NEWS_REFUSED, WITHDRAWAL_FAILED},
	{WITHDRAWAL_SUBMITTING, NEWS_NOT_SENT, WITHDRAWAL_RESERVED},
	{WITHDRAWAL_SUBMITTING, NEWS_AMBIGUOUS, WITHDRAWAL_UNKNOWN},
	{WITHDRAWAL_SUBMITTING, NEWS_SUCCESS, WITHDRAWAL_SUCCEEDED},
	{WITHDRAWAL_SUBMITTING, NEWS_UNPROVEN, WITHDRAWAL_UNKNOWN},
	{WITHDRAWAL_IN_FLIGHT, NEWS_SUCCESS, WITHDRAWAL_SUCCEEDED},
	{WITHDRAWAL_IN_FLIGHT, NEWS_UNPROVEN, WITHDRAWAL_UNKNOWN},
	{WITHDRAWAL_IN_FLIGHT, NEWS_FAILED, WITHDRAWAL_FAILED},
	/* it had it: "unknown payment" is its loss of memory */
	{WITHDRAWAL_IN_FLIGHT, NEWS_NOT_FOUND_EARLY, WITHDRAWAL_UNKNOWN},
	{WITHDRAWAL_IN_FLIGHT, NEWS_NOT_FOUND, WITHDRAWAL_UNKNOWN},
	{WITHDRAWAL_IN_FLIGHT, NEWS_SILENCE_FOR_TWO_WEEKS, WITHDRAWAL_NEEDS_OPERATOR},
	{WITHDRAWAL_UNKNOWN, NEWS_ACKED, WITHDRAWAL_IN_FLIGHT},
	{WITHDRAWAL_UNKNOWN, NEWS_REFUSED, WITHDRAWAL_FAILED},
	{WITHDRAWAL_UNKNOWN, NEWS_NOT_SENT, WITHDRAWAL_RESERVED},
	{WITHDRAWAL_UNKNOWN, NEWS_SUCCESS, WITHDRAWAL_SUCCEEDED},
	{WITHDRAWAL_UNKNOWN, NEWS_PENDING, WITHDRAWAL_IN_FLIGHT},
	{WITHDRAWAL_UNKNOWN, NEWS_FAILED, WITHDRAWAL_FAILED},
	{WITHDRAWAL_UNKNOWN, NEWS_NOT_FOUND, WITHDRAWAL_RESERVED},
	{WITHDRAWAL_UNKNOWN, NEWS_SILENCE_FOR_TWO_WEEKS, WITHDRAWAL_NEEDS_OPERATOR},
	{WITHDRAWAL_NEEDS_OPERATOR, NEWS_SUCCESS, WITHDRAWAL_SUCCEEDED},
	{WITHDRAWAL_NEEDS_OPERATOR, NEWS_FAILED, WITHDRAWAL_FAILED},
	/* late */
	{WITHDRAWAL_FAILED, NEWS_SUCCESS, WITHDRAWAL_SUCCEEDED},
};

static WithdrawalState
expected(WithdrawalState from, News news)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (changes[i].from == from && changes[i].news == news)
			return changes[i].to;
	return from;
}

static void
every_state_by_every_news(void **state)
{
	for (int from = 0; from < WITHDRAWAL_STATE_COUNT; from++)
		for (int news = 0; news < NEWS_COUNT; news++)
		{
			Withdrawal	withdrawal = withdrawal_in((WithdrawalState) from);
			WithdrawalState to = expected((WithdrawalState) from, (News) news);

			bring(&withdrawal, (News) news, ATTEMPT);
			if (withdrawal.state != to)
				fail_msg("%s by news %d is %s, not %s", withdrawal_state_name((WithdrawalState) from), news,
						 withdrawal_state_name(withdrawal.state), withdrawal_state_name(to));
		}
}

static void
L21_succeeded_never_changes(void **state)
{
	for (int news = 0; news < NEWS_COUNT; news++)
	{
		Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_SUCCEEDED);
		Withdrawal	before = withdrawal;

		bring(&withdrawal, (News) news, ATTEMPT);
		assert_memory_equal(&withdrawal, &before, sizeof(withdrawal));
	}
}

/* --------------------------------------------------------------------- requests */

static void
L14_the_amount_is_named_once(void **state)
{
	DecodedInvoice fixed = invoice_of(999);
	DecodedInvoice open = invoice_of(0);
	AskWithdrawal none = {.amount = AMOUNT_ZERO};
	AskWithdrawal some = {.amount = AMOUNT_MSAT(1000)};
	Amount		amount;

	assert_ok(withdrawal_amount(&none, &fixed, &amount));
	assert_int_equal(amount.msat, 999);
	assert_ok(withdrawal_amount(&some, &open, &amount));
	assert_int_equal(amount.msat, 1000);
	assert_refused(withdrawal_amount(&some, &fixed, &amount), AMOUNT_MISSING);
	assert_refused(withdrawal_amount(&none, &open, &amount), AMOUNT_MISSING);
}

static void
S38_the_fee_cap_is_the_larger_of_floor_and_share_and_may_be_lowered(void **state)
{
	struct
	{
		int64_t		amount;
		bool		has_max;
		int64_t		max, cap;
	}			cases[] = {
		{1000, false, 0, 10000},
		{1000000, false, 0, 10000},
		{1000001, false, 0, 10001},		/* rounded up to the msat */
		{100000000, false, 0, 1000000},
		{100000000, true, 500000, 500000},
		{100000000, true, 0, 0},
		{100000000, true, 2000000, 1000000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		AskWithdrawal command = {.has_max_fee = cases[i].has_max, .max_fee = AMOUNT_MSAT(cases[i].max)};
		Amount		cap;

		assert_ok(withdrawal_fee_cap(&command, &rules, AMOUNT_MSAT(cases[i].amount), &cap));
		assert_int_equal(cap.msat, cases[i].cap);
	}
}

static void
S31_asking_again_is_the_same_row_or_a_mismatch(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_REQUESTED);
	DecodedInvoice invoice = invoice_of(5000);
	DecodedInvoice forged = invoice_of(5000);
	AskWithdrawal same = {.account_id = id_of(1)};
	AskWithdrawal higher = {.account_id = id_of(1), .has_max_fee = true, .max_fee = AMOUNT_MSAT(99000)};
	AskWithdrawal lower = {.account_id = id_of(1), .has_max_fee = true, .max_fee = AMOUNT_MSAT(9000)};
	AskWithdrawal other = {.account_id = id_of(5)};
	WithdrawalRules changed = {{20000}, 10000};

	forged.payment_request = "another";
	assert_ok(withdrawal_repeats(&withdrawal, &same, &invoice, &rules));
	assert_ok(withdrawal_repeats(&withdrawal, &same, &invoice, &changed));
	/* a higher one is cut to what none stands for */
	assert_ok(withdrawal_repeats(&withdrawal, &higher, &invoice, &rules));
	assert_refused(withdrawal_repeats(&withdrawal, &lower, &invoice, &rules), IDEMPOTENCY_MISMATCH);
	assert_refused(withdrawal_repeats(&withdrawal, &same, &forged, &rules), IDEMPOTENCY_MISMATCH);
	assert_refused(withdrawal_repeats(&withdrawal, &other, &invoice, &rules), PAYMENT_REQUEST_USED);
}

static void
S23_amounts_beyond_all_bitcoin_are_refused(void **state)
{
	AskWithdrawal command = {.amount = AMOUNT_MSAT(MAX_SAT * 1000)};
	DecodedInvoice invoice = invoice_of(0);
	Withdrawal	withdrawal;

	assert_refused(withdrawal_create(&command, &invoice, &rules, node.node_account_id, UUID_NIL, UUID_NIL, id_of(2), BEGIN, &withdrawal),
				   INVALID_ARGUMENT);
	command.amount = AMOUNT_MSAT(-1000);
	assert_refused(withdrawal_create(&command, &invoice, &rules, node.node_account_id, UUID_NIL, UUID_NIL, id_of(2), BEGIN, &withdrawal),
				   INVALID_ARGUMENT);
}

/* ------------------------------------------------------------------ submission */

static void
L17_submitting_holds_all_that_a_crash_leaves_behind(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_RESERVED);

	withdrawal_submit(&withdrawal, &node, after(END_SECONDS - 20), 10, 60, 15);
	assert_int_equal(withdrawal.state, WITHDRAWAL_SUBMITTING);
	assert_int_equal(withdrawal.attempt_no, 1);
	assert_string_equal(withdrawal.backend, "simulator");
	assert_string_equal(withdrawal.node_id, NODE_KEY);
	assert_int_equal(withdrawal.submit_deadline.microseconds, after(END_SECONDS - 10).microseconds);
	/* no attempt begins after the invoice has run out */
	assert_int_equal(withdrawal.give_up_seconds, 20);
	/* it becomes due by itself, should its submitter be gone */
	assert_false(instant_is_none(withdrawal.next_look_at));
	/* and is never submitted from any other state */
	for (int from = 0; from < WITHDRAWAL_STATE_COUNT; from++)
	{
		Withdrawal	other = withdrawal_in((WithdrawalState) from);
		int64_t		attempts = other.attempt_no;

		if (from == WITHDRAWAL_RESERVED)
			continue;
		withdrawal_submit(&other, &node, after(1), 10, 60, 15);
		assert_int_equal(other.attempt_no, attempts);
		assert_int_equal(other.state, from);
	}
}

/* ------------------------------------------------------------------ paid inside */

static Withdrawal
inside_withdrawal(void)
{
	AskWithdrawal command = {.account_id = id_of(1), .payment_request = "request"};
	DecodedInvoice invoice = invoice_of(5000);
	Withdrawal	withdrawal;

	assert_ok(withdrawal_create(&command, &invoice, &rules, node.node_account_id, id_of(3), id_of(4), id_of(2), BEGIN, &withdrawal));
	assert_int_equal(withdrawal.max_fee.msat, 0);
	assert_true(withdrawal_accept(&withdrawal, BEGIN));
	return withdrawal;
}

static void
L16_one_paid_inside_never_goes_to_the_node(void **state)
{
	Withdrawal	withdrawal = inside_withdrawal();

	assert_int_equal(withdrawal_step(&withdrawal, after(END_SECONDS - 1)), WITHDRAWAL_CANCEL_INVOICE);
	assert_int_equal(withdrawal_step(&withdrawal, after(END_SECONDS)), WITHDRAWAL_EXPIRE);
	for (int news = NEWS_SUBMIT; news < NEWS_PAID_INSIDE; news++)
	{
		if (news == NEWS_EXPIRE)
			continue;
		bring(&withdrawal, (News) news, 0);
		assert_int_equal(withdrawal.state, WITHDRAWAL_RESERVED);
	}
	bring(&withdrawal, NEWS_PAID_INSIDE, 0);
	assert_int_equal(withdrawal.state, WITHDRAWAL_SUCCEEDED);
	assert_int_equal(withdrawal.fee.msat, 0);
	assert_null(withdrawal.preimage);
	bring(&withdrawal, NEWS_REFUSED_INSIDE, 0);
	assert_int_equal(withdrawal.state, WITHDRAWAL_SUCCEEDED);
}

static void
L37_one_that_was_paid_outside_fails(void **state)
{
	Withdrawal	withdrawal = inside_withdrawal();

	bring(&withdrawal, NEWS_REFUSED_INSIDE, 0);
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	assert_string_equal(withdrawal.reason, "payment_request_used");
	assert_true(instant_is_none(withdrawal.next_look_at));
	bring(&withdrawal, NEWS_PAID_INSIDE, 0);
	bring(&withdrawal, NEWS_SUCCESS, 0);
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
}

static void
states_have_names(void **state)
{
	for (int i = 0; i < WITHDRAWAL_STATE_COUNT; i++)
	{
		WithdrawalState read;

		assert_true(withdrawal_state_by_name(withdrawal_state_name((WithdrawalState) i), &read));
		assert_int_equal(read, i);
		assert_non_null(withdrawal_status(read));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_by_every_news),
		cmocka_unit_test(L21_succeeded_never_changes),
		cmocka_unit_test(L14_the_amount_is_named_once),
		cmocka_unit_test(S38_the_fee_cap_is_the_larger_of_floor_and_share_and_may_be_lowered),
		cmocka_unit_test(S31_asking_again_is_the_same_row_or_a_mismatch),
		cmocka_unit_test(S23_amounts_beyond_all_bitcoin_are_refused),
		cmocka_unit_test(L17_submitting_holds_all_that_a_crash_leaves_behind),
		cmocka_unit_test(L16_one_paid_inside_never_goes_to_the_node),
		cmocka_unit_test(L37_one_that_was_paid_outside_fails),
		cmocka_unit_test(states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
