/*
 * test_withdrawal.c
 *		The states of a withdrawal, what counts as evidence, when it is looked at.
 */
#include "bitcoin_world.h"

#include "bitcoin/schedule.h"

#define BEGIN ((Instant) {INT64_C(1767225600000000)})
#define END_SECONDS 3600
#define ATTEMPT 1
#define TRUST(known, asked, delay) \
	{.node_is_known = (known), .asked_at = (asked), .delay_seconds = (delay), .refuses_second_payment = true}

static const KnownNode node = {"simulator", "regtest", NODE_KEY, {{9}}, {1}};
static const WithdrawalRules rules = {{10000}, 10000};

static Instant
after(int64_t seconds)
{
	return instant_plus_seconds(BEGIN, seconds);
}

static DecodedInvoice
invoice_of(int64_t msat)
{
	return (DecodedInvoice) {"request", "hash", "regtest", OTHER_KEY, msat != 0, AMOUNT_MSAT(msat), after(END_SECONDS)};
}

static Withdrawal
withdrawal_in(WithdrawalState state)
{
	AskWithdrawal command = {.account_id = id_of(1), .payment_request = "request"};
	DecodedInvoice invoice = invoice_of(5000);
	Withdrawal	withdrawal;

	assert_ok(withdrawal_create(&command, &invoice, &rules, node.node_account_id, UUID_NIL, UUID_NIL, id_of(2), BEGIN, &withdrawal));
	if (state == WITHDRAWAL_REQUESTED)
		return withdrawal;
	if (state == WITHDRAWAL_REJECTED)
	{
		assert_true(withdrawal_reject(&withdrawal, "insufficient_funds"));
		return withdrawal;
	}
	assert_true(withdrawal_accept(&withdrawal, BEGIN));
	if (state == WITHDRAWAL_RESERVED)
		return withdrawal;
	withdrawal_submit(&withdrawal, &node, BEGIN, 10, 60, 15);
	withdrawal.state = state;
	if (state == WITHDRAWAL_IN_FLIGHT)
		withdrawal.acknowledged_at = BEGIN;
	if (state == WITHDRAWAL_FAILED)
	{
		withdrawal.reason = "payment_refused";
		withdrawal.failed_at = BEGIN;
	}
	if (state == WITHDRAWAL_SUCCEEDED)
	{
		withdrawal.preimage = "preimage";
		withdrawal.settled_at = BEGIN;
		withdrawal.next_look_at = INSTANT_NONE;
	}
	return withdrawal;
}

/* ------------------------------------------------------------ the state machine */

typedef enum News
{
	NEWS_ACCEPTED, NEWS_REJECTED, NEWS_SUBMIT, NEWS_ABANDON, NEWS_EXPIRE,
	NEWS_ACKED, NEWS_REFUSED, NEWS_NOT_SENT, NEWS_AMBIGUOUS,
	NEWS_SUCCESS, NEWS_UNPROVEN, NEWS_PENDING, NEWS_FAILED, NEWS_NOT_FOUND_EARLY, NEWS_NOT_FOUND,
	NEWS_SILENCE, NEWS_SILENCE_FOR_TWO_WEEKS, NEWS_PAID_INSIDE, NEWS_REFUSED_INSIDE,
	NEWS_COUNT
} News;

static void
bring(Withdrawal *withdrawal, News news, int64_t attempt)
{
	const ProvenPayment payment = {"preimage", AMOUNT_MSAT(5000), AMOUNT_MSAT(700), {"new", after(1)}};
	const NodeRecord record = {"new", after(1)};
	const NodeTrust early = TRUST(true, after(70), 60);
	const NodeTrust trust = TRUST(true, after(71), 60);
	Instant		soon = after(2);

	switch (news)
	{
		case NEWS_ACCEPTED:
			(void) withdrawal_accept(withdrawal, soon);
			break;
		case NEWS_REJECTED:
			(void) withdrawal_reject(withdrawal, "insufficient_funds");
			break;
		case NEWS_SUBMIT:
			withdrawal_submit(withdrawal, &node, soon, 10, 60, 15);
			break;
		case NEWS_ABANDON:
			withdrawal_abandon(withdrawal, soon);
			break;
		case NEWS_EXPIRE:
			withdrawal_expire(withdrawal, after(END_SECONDS));
			break;
		case NEWS_ACKED:
			withdrawal_acknowledged(withdrawal, attempt, soon);
			break;
		case NEWS_REFUSED:
			withdrawal_refused(withdrawal, attempt, "payment_refused", soon);
			break;
		case NEWS_NOT_SENT:
			withdrawal_not_sent(withdrawal, attempt, soon);
			break;
		case NEWS_AMBIGUOUS:
			withdrawal_ambiguous(withdrawal, attempt, soon);
			break;
		case NEWS_SUCCESS:
			withdrawal_succeed(withdrawal, &payment, soon);
			break;
		case NEWS_UNPROVEN:
			withdrawal_success_unproven(withdrawal, attempt, soon);
			break;
		case NEWS_PENDING:
			withdrawal_pending(withdrawal, attempt, &record, soon);
			break;
		case NEWS_FAILED:
			withdrawal_failed_at_node(withdrawal, attempt, "payment_refused", &record, &trust, soon);
			break;
		case NEWS_NOT_FOUND_EARLY:
			withdrawal_unknown_to_node(withdrawal, attempt, &early, after(70));
			break;
		case NEWS_NOT_FOUND:
			withdrawal_unknown_to_node(withdrawal, attempt, &trust, after(71));
			break;
		case NEWS_SILENCE:
			withdrawal_no_answer(withdrawal, soon);
			break;
		case NEWS_SILENCE_FOR_TWO_WEEKS:
			withdrawal_no_answer(withdrawal, after(HTLC_LIFETIME_SECONDS));
			break;
		case NEWS_PAID_INSIDE:
			withdrawal_paid_inside(withdrawal, soon);
			break;
		case NEWS_REFUSED_INSIDE:
			withdrawal_refused_inside(withdrawal, "payment_request_used", soon);
			break;
		case NEWS_COUNT:
			break;
	}
}

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

/* ------------------------------------------------------------------- evidence */

static void
S34_silence_is_no_verdict(void **state)
{
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);

	for (int i = 0; i < 1000; i++)
		withdrawal_no_answer(&withdrawal, after(10 * i));
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
	/* nor one that had called it paid, without proof */
	withdrawal = withdrawal_in(WITHDRAWAL_SUBMITTING);
	withdrawal_success_unproven(&withdrawal, ATTEMPT, after(1));
	withdrawal_unknown_to_node(&withdrawal, ATTEMPT, &trust, after(100000));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
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
	assert_int_equal(withdrawal_step(&withdrawal, after(END_SECONDS)), WITHDRAWAL_REST);
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

/* -------------------------------------------------------------------- schedule */

static void
L28_open_payments_are_polled_without_end(void **state)
{
	static const int64_t waits[] = {1, 2, 5, 10, 30, 60, 60};
	Withdrawal	withdrawal = withdrawal_in(WITHDRAWAL_UNKNOWN);
	Instant		now = BEGIN;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
	{
		withdrawal_no_answer(&withdrawal, now);
		assert_int_equal(withdrawal.next_look_at.microseconds - now.microseconds, waits[i] * 1000000);
		now = withdrawal.next_look_at;
		withdrawal_ask(&withdrawal, now, 15);
	}
	withdrawal_no_answer(&withdrawal, after(3600));
	assert_int_equal(withdrawal.next_look_at.microseconds - after(3600).microseconds, INT64_C(600000000));
	withdrawal_no_answer(&withdrawal, after(400 * SECONDS_PER_DAY));
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
		withdrawal_no_answer(&withdrawal, now);
		looks++;
	}
	assert_in_range(looks, 15, 20);
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
		cmocka_unit_test(L24_the_answer_to_another_attempt_decides_nothing),
		cmocka_unit_test(S34_silence_is_no_verdict),
		cmocka_unit_test(L29_not_found_is_believed_only_when_nobody_can_still_write),
		cmocka_unit_test(L29_not_found_after_the_invoice_expired_is_a_failure),
		cmocka_unit_test(L29_a_node_that_had_it_is_never_believed_not_to_know_it),
		cmocka_unit_test(L24_a_stale_failure_is_a_not_found),
		cmocka_unit_test(L24_a_new_row_knows_the_record_of_the_one_before),
		cmocka_unit_test(L25_success_after_a_failure_is_late_and_loud),
		cmocka_unit_test(L25_what_was_never_sent_cannot_succeed),
		cmocka_unit_test(L7_a_fee_that_cannot_be_is_shouted_about),
		cmocka_unit_test(needs_operator_holds_the_reserve_until_there_is_a_verdict),
		cmocka_unit_test(L14_the_amount_is_named_once),
		cmocka_unit_test(S38_the_fee_cap_is_the_larger_of_floor_and_share_and_may_be_lowered),
		cmocka_unit_test(S31_asking_again_is_the_same_row_or_a_mismatch),
		cmocka_unit_test(S23_amounts_beyond_all_bitcoin_are_refused),
		cmocka_unit_test(L28_open_payments_are_polled_without_end),
		cmocka_unit_test(L20_not_sent_is_tried_again_ever_more_slowly),
		cmocka_unit_test(L17_submitting_holds_all_that_a_crash_leaves_behind),
		cmocka_unit_test(L25_failed_payments_are_looked_at_for_two_weeks),
		cmocka_unit_test(L16_one_paid_inside_never_goes_to_the_node),
		cmocka_unit_test(L37_one_that_was_paid_outside_fails),
		cmocka_unit_test(states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
