/*
 * test_ledger_withdrawals.c
 *		Withdrawals, their fees, and what comes too late.
 */
#include "accounting_stage.h"

/* ------------------------------------------------------------- withdrawals */

static void
S38_D15_L22_amount_and_fee_are_debited_the_rest_returns(void **state)
{
	Books	   *books = books_with(100000, 0);
	const accounting_withdraw_succeeded *event;

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 50000, 500)));
	assert_int_equal(books_available(books, ALICE), 49500);
	assert_books_balance(books);
	assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 50000, 120, 500)));
	event = LAST(books, accounting_withdraw_succeeded);
	assert_int_equal(event->amount_msat.msat, 50000);
	assert_int_equal(event->fee_msat.msat, 120);
	assert_int_equal(event->released_msat.msat, 50500);
	assert_false(event->late);
	assert_true(uuid_equal(event->transfer_id, LAST(books, accounting_withdraw_accepted)->transfer_id));
	assert_false(uuid_is_nil(event->fee_transfer_id));
	assert_int_equal(books_balance(books, ALICE), 49880);
	assert_int_equal(books_available(books, ALICE), 49880);
	assert_int_equal(books_balance(books, NODE), -49880);
	assert_books_balance(books);

	/* S47 */
	assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 50000, 120, 500)));
	assert_int_equal(EMITTED(books, accounting_withdraw_succeeded), 1);
	assert_int_equal(books_balance(books, ALICE), 49880);
	assert_null(books_account_of(books, ALICE)->frozen_reason);
	/* A failure after the success contradicts the books. */
	assert_refused(books_handle(books, books_failed(books, ALICE, INVOICE, 50000, 500)), PENDING_RESOLVED);
	books_free(books);
}

static const char *
withdrawn(Books *books, Uuid account, uint32_t invoice, int64_t msat)
{
	size_t		before = EMITTED(books, accounting_withdraw_rejected);

	assert_ok(books_handle(books, books_withdraw(books, account, id_of(invoice), msat, 0)));
	return EMITTED(books, accounting_withdraw_rejected) == before ? "accepted"
		: LAST(books, accounting_withdraw_rejected)->reason;
}

/* E2: the user gets what came, the operator bears what the node kept of it. */
static void
L40_what_the_node_keeps_of_a_receipt_is_the_operators(void **state)
{
	Books	   *books = books_new();
	Message		deposit = MESSAGE_OF(&books->world, accounting_deposit, INVOICE, .account_id = ALICE,
									 .idempotency_key = "hash", .amount_msat = AMOUNT_MSAT(9000),
									 .node_account_id = NODE, .invoice_id = INVOICE,
									 .receive_fee_msat = AMOUNT_MSAT(500));

	assert_ok(books_handle(books, deposit));
	assert_ok(books_handle(books, deposit));
	assert_int_equal(books_balance(books, ALICE), 9000);
	assert_int_equal(books_balance(books, operator_account_id), -500);
	assert_int_equal(books_balance(books, NODE), -8500);
	assert_int_equal(EMITTED(books, accounting_deposit_succeeded), 1);
	assert_books_balance(books);
	books_free(books);
}

#define HOUR 3600
#define DAY (24 * HOUR)

/* SP205: what leaves in any 24 hours, of one account and of all. */
static void
T16_no_more_leaves_in_a_day_than_the_limits_say(void **state)
{
	Books	   *books = books_with(100000, 100000);
	int64_t		before;

	books_limit(30000, 50000);
	assert_string_equal(withdrawn(books, ALICE, 501, 20000), "accepted");
	assert_string_equal(withdrawn(books, ALICE, 502, 10001), "limit_exceeded");
	before = books_available(books, ALICE);
	assert_string_equal(withdrawn(books, ALICE, 502, 10001), "limit_exceeded");
	assert_int_equal(books_available(books, ALICE), before);
	assert_string_equal(withdrawn(books, ALICE, 503, 10000), "accepted");
	assert_string_equal(withdrawn(books, BOB, 504, 20001), "limit_exceeded");
	assert_string_equal(withdrawn(books, BOB, 505, 20000), "accepted");
	assert_string_equal(withdrawn(books, BOB, 506, 1), "limit_exceeded");
	/* what is given back counts no more, what was posted does */
	assert_ok(books_handle(books, books_failed(books, BOB, id_of(505), 20000, 0)));
	assert_ok(books_handle(books, books_paid(books, ALICE, id_of(501), 20000, 0, 0)));
	assert_string_equal(withdrawn(books, BOB, 507, 20000), "accepted");
	assert_string_equal(withdrawn(books, BOB, 508, 1), "limit_exceeded");
	assert_ok(books_handle(books, books_paid(books, ALICE, id_of(503), 10000, 0, 0)));
	assert_ok(books_handle(books, books_paid(books, BOB, id_of(507), 20000, 0, 0)));
	assert_string_equal(withdrawn(books, BOB, 509, 1), "limit_exceeded");
	/* a day later it is another day, for what was not decided before */
	world_wait(&books->world, DAY + HOUR - 1);
	assert_string_equal(withdrawn(books, BOB, 510, 1), "limit_exceeded");
	world_wait(&books->world, 1);
	assert_string_equal(withdrawn(books, BOB, 511, 20000), "accepted");
	assert_string_equal(withdrawn(books, BOB, 508, 1), "limit_exceeded");
	/* too little money is said before the limit */
	assert_string_equal(withdrawn(books, ALICE, 512, 1000000), "insufficient_funds");
	assert_books_balance(books);
	books_free(books);
}

/* What waited for days, because no node was there, leaves today: today it counts. */
static void
T16_what_was_reserved_long_ago_counts_while_it_waits_and_when_it_leaves(void **state)
{
	Books	   *books = books_with(100000, 100000);

	books_limit(30000, 50000);
	assert_string_equal(withdrawn(books, ALICE, 501, 20000), "accepted");
	assert_string_equal(withdrawn(books, BOB, 502, 15000), "accepted");
	world_wait(&books->world, 3 * DAY);
	assert_string_equal(withdrawn(books, ALICE, 503, 10001), "limit_exceeded");
	assert_string_equal(withdrawn(books, BOB, 504, 15001), "limit_exceeded");
	/* it counts once: what fits beside it still fits when it has left */
	assert_ok(books_handle(books, books_paid(books, ALICE, id_of(501), 20000, 0, 0)));
	assert_string_equal(withdrawn(books, ALICE, 505, 10001), "limit_exceeded");
	assert_string_equal(withdrawn(books, ALICE, 506, 10000), "accepted");
	/* and what fails at last leaves room for as much */
	assert_string_equal(withdrawn(books, BOB, 507, 5001), "limit_exceeded");
	assert_ok(books_handle(books, books_failed(books, BOB, id_of(502), 15000, 0)));
	assert_string_equal(withdrawn(books, BOB, 508, 20000), "accepted");
	assert_string_equal(withdrawn(books, BOB, 509, 1), "limit_exceeded");
	assert_books_balance(books);
	books_free(books);
}

/* Of a payment what it took, with its fee; and what was paid without a reserve. */
static void
T16_fees_and_late_payments_count_as_they_were(void **state)
{
	Books	   *books = books_with(100000, 100000);

	books_limit(30000, 45000);
	assert_ok(books_handle(books, books_withdraw(books, ALICE, id_of(501), 20000, 5000)));
	assert_string_equal(withdrawn(books, ALICE, 502, 5001), "limit_exceeded");
	assert_ok(books_handle(books, books_paid(books, ALICE, id_of(501), 20000, 1000, 5000)));
	assert_string_equal(withdrawn(books, ALICE, 503, 9001), "limit_exceeded");
	assert_string_equal(withdrawn(books, ALICE, 504, 9000), "accepted");
	assert_ok(books_handle(books, books_failed(books, ALICE, id_of(504), 9000, 0)));
	assert_ok(books_handle(books, books_paid(books, ALICE, id_of(504), 9000, 0, 0)));
	assert_string_equal(withdrawn(books, BOB, 505, 15001), "limit_exceeded");
	assert_string_equal(withdrawn(books, BOB, 506, 15000), "accepted");
	assert_books_balance(books);
	books_free(books);
}

/* Pledges and payments to accounts of the same spark do not leave. */
static void
T16_what_stays_in_the_books_does_not_count(void **state)
{
	Books	   *books = books_with(100000, 0);

	books_limit(30000, 30000);
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "pledge", 30000, true)));
	assert_ok(books_handle(books, books_transfer(books, "withdrawal", ALICE, BOB, "inside", 30000, false)));
	assert_string_equal(withdrawn(books, ALICE, 501, 30000), "accepted");
	assert_string_equal(withdrawn(books, ALICE, 502, 1), "limit_exceeded");
	assert_books_balance(books);
	books_free(books);
}

/* Many at once, before any of them is a row. */
static void
T16_a_batch_of_small_ones_is_summed_up(void **state)
{
	Books	   *books = books_with(100000, 0);
	Message		batch[20];

	books_limit(50000, 0);
	for (uint32_t i = 0; i < 20; i++)
		batch[i] = books_withdraw(books, ALICE, id_of(600 + i), 4000, 0);
	assert_ok(books_handle_batch(books, batch, 20));
	assert_int_equal(EMITTED(books, accounting_withdraw_accepted), 12);
	assert_int_equal(EMITTED(books, accounting_withdraw_rejected), 8);
	assert_int_equal(books_available(books, ALICE), 52000);
	assert_books_balance(books);
	books_free(books);
}

static void
S30_a_withdrawal_with_its_fee_over_the_balance_is_rejected(void **state)
{
	Books	   *books = books_with(1000, 0);

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 1)));
	assert_string_equal(LAST(books, accounting_withdraw_rejected)->reason, "insufficient_funds");
	assert_int_equal(books_available(books, ALICE), 1000);
	assert_ok(books_handle(books, books_withdraw(books, ALICE, id_of(501), INT64_MAX, 1)));
	assert_string_equal(LAST(books, accounting_withdraw_rejected)->reason, "invalid_argument");
	assert_ok(books_handle(books, books_withdraw(books, ALICE, id_of(502), 0, 10)));
	assert_string_equal(LAST(books, accounting_withdraw_rejected)->reason, "invalid_argument");
	assert_ok(books_handle(books, books_withdraw(books, ALICE, id_of(503), 1000, 0)));
	assert_int_equal(EMITTED(books, accounting_withdraw_accepted), 1);
	assert_int_equal(books_available(books, ALICE), 0);
	assert_books_balance(books);
	books_free(books);
}

static void
S31_the_same_withdrawal_reserves_once_another_content_is_told(void **state)
{
	Books	   *books = books_with(10000, 0);
	Uuid		transfer_id;

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	transfer_id = LAST(books, accounting_withdraw_accepted)->transfer_id;
	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	assert_int_equal(EMITTED(books, accounting_withdraw_accepted), 2);
	assert_true(uuid_equal(LAST(books, accounting_withdraw_accepted)->transfer_id, transfer_id));
	assert_int_equal(books_available(books, ALICE), 8990);
	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1009, 1)));	/* the same sum */
	assert_string_equal(LAST(books, accounting_withdraw_rejected)->reason, "idempotency_mismatch");
	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 11)));
	assert_int_equal(EMITTED(books, accounting_withdraw_rejected), 2);
	assert_int_equal(books_available(books, ALICE), 8990);
	books_free(books);
}

static void
S33_a_failed_payment_returns_the_reserve_in_full(void **state)
{
	Books	   *books = books_with(10000, 0);

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	for (int i = 0; i < 2; i++)
		assert_ok(books_handle(books, books_failed(books, ALICE, INVOICE, 1000, 10)));
	assert_int_equal(EMITTED(books, accounting_withdraw_voided), 1);
	assert_int_equal(LAST(books, accounting_withdraw_voided)->released_msat.msat, 1010);
	assert_string_equal(LAST(books, accounting_withdraw_voided)->reason, "payment_refused");
	assert_int_equal(books_available(books, ALICE), 10000);
	assert_int_equal(books_balance(books, NODE), -10000);

	/* Where nothing was reserved there is nothing to give back. */
	assert_ok(books_handle(books, books_failed(books, ALICE, id_of(501), 1000, 10)));
	assert_int_equal(EMITTED(books, accounting_withdraw_voided), 1);
	assert_books_balance(books);
	books_free(books);
}

static void
L7_the_operator_pays_a_fee_above_the_cap(void **state)
{
	Books	   *books = books_with(10000, 0);

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	for (int i = 0; i < 2; i++)
		assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 1000, 25, 10)));
	assert_int_equal(books_balance(books, ALICE), 8990);
	assert_int_equal(books_balance(books, operator_account_id), -15);
	assert_int_equal(books_balance(books, NODE), -8975);
	assert_int_equal(books_account_of(books, operator_account_id)->class, LEDGER_OPERATOR);
	assert_int_equal(LAST(books, accounting_withdraw_succeeded)->fee_msat.msat, 10);
	assert_books_balance(books);
	books_free(books);
}

static void
L7_a_negative_fee_is_none_and_shows_in_suspense(void **state)
{
	Books	   *books = books_with(10000, 0);

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	for (int i = 0; i < 2; i++)
		assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 1000, -3, 10)));
	assert_int_equal(books_balance(books, ALICE), 9000);
	assert_int_equal(books_balance(books, suspense_account_id), 3);
	assert_int_equal(books_balance(books, NODE), -9003);
	assert_int_equal(LAST(books, accounting_withdraw_succeeded)->fee_msat.msat, 0);
	assert_true(uuid_is_nil(LAST(books, accounting_withdraw_succeeded)->fee_transfer_id));
	assert_books_balance(books);
	books_free(books);
}

/* What Alice still has when the late success comes: more than it, some of it, nothing. */
static void
late_success(int64_t left, int64_t paid_amount, int64_t paid_fee, int64_t suspense)
{
	Books	   *books = books_with(10000, 0);
	const accounting_withdraw_succeeded *event;

	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	assert_ok(books_handle(books, books_failed(books, ALICE, INVOICE, 1000, 10)));
	if (left < 10000)
		assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 10000 - left, false)));
	for (int i = 0; i < 2; i++)
		assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 1000, 12, 10)));
	assert_int_equal(EMITTED(books, accounting_withdraw_succeeded), 1);
	event = LAST(books, accounting_withdraw_succeeded);
	assert_true(event->late);
	assert_int_equal(event->amount_msat.msat, paid_amount);
	assert_int_equal(event->fee_msat.msat, paid_fee);
	assert_int_equal(event->released_msat.msat, 0);
	assert_int_equal(books_balance(books, ALICE), left - paid_amount - paid_fee);
	assert_int_equal(books_balance(books, suspense_account_id), -suspense);
	assert_int_equal(books_balance(books, operator_account_id), -2);
	assert_int_equal(books_balance(books, NODE), -10000 + 1012);
	assert_books_balance(books);

	/* Frozen: no new debit; credits come in. */
	assert_ok(books_handle(books, books_deposit(books, ALICE, "later", 7000)));
	assert_ok(books_handle(books, books_withdraw(books, ALICE, id_of(501), 100, 1)));
	assert_string_equal(LAST(books, accounting_withdraw_rejected)->reason, "account_frozen");
	assert_int_equal(books_balance(books, ALICE), left - paid_amount - paid_fee + 7000);
	assert_books_balance(books);
	books_free(books);
}

static void
L25_E10_late_success_takes_what_is_there_and_freezes(void **state)
{
	late_success(10000, 1000, 10, 0);
	late_success(1005, 1000, 5, 5);
	late_success(400, 400, 0, 610);
	late_success(0, 0, 0, 1010);
}

static void
BK11_a_frozen_account_still_ends_its_reserves(void **state)
{
	Books	   *books = books_with(10000, 0);

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "one", 100, true)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "two", 100, true)));
	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	assert_ok(books_handle(books, books_failed(books, ALICE, INVOICE, 1000, 10)));
	assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 1000, 0, 10)));
	assert_non_null(books_account_of(books, ALICE)->frozen_reason);
	assert_ok(books_handle(books, books_post(books, ALICE, "one")));
	assert_ok(books_handle(books, books_void(books, ALICE, "two")));
	assert_int_equal(books_balance(books, BOB), 100);
	assert_int_equal(books_available(books, ALICE), 8900);
	assert_books_balance(books);
	books_free(books);
}

static void
L25_a_payment_without_any_reserve_is_booked(void **state)
{
	Books	   *books = books_new();

	assert_ok(books_handle(books, books_paid(books, ALICE, INVOICE, 1000, 12, 10)));
	assert_int_equal(books_balance(books, suspense_account_id), -1010);
	assert_int_equal(books_balance(books, NODE), 1012);
	assert_non_null(books_account_of(books, ALICE)->frozen_reason);
	assert_books_balance(books);
	books_free(books);
}

static void
S32_a_payment_inside_is_a_reserve_between_two_accounts(void **state)
{
	Books	   *books = books_with(10000, 0);
	const accounting_transfer_succeeded *event;
	char		key[UUID_TEXT_LENGTH + 1];

	uuid_format(INVOICE, key);
	SEND(books, accounting_request_transfer, INVOICE, .idempotency_key = key, .from_account_id = ALICE,
		 .to_account_id = BOB, .amount_msat = AMOUNT_MSAT(999), .purpose = "withdrawal", .pending = true,
		 .from_invoice_id = INVOICE, .to_invoice_id = id_of(501));
	SEND(books, accounting_post_transfer, INVOICE, .from_account_id = ALICE, .idempotency_key = key,
		 .purpose = "withdrawal");
	event = LAST(books, accounting_transfer_succeeded);
	assert_true(uuid_equal(event->from_invoice_id, INVOICE));
	assert_true(uuid_equal(event->to_invoice_id, id_of(501)));
	assert_string_equal(event->purpose, "withdrawal");
	assert_int_equal(books_balance(books, ALICE), 9001);
	assert_int_equal(books_balance(books, BOB), 999);
	assert_books_balance(books);
	books_free(books);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S38_D15_L22_amount_and_fee_are_debited_the_rest_returns),
		cmocka_unit_test(L40_what_the_node_keeps_of_a_receipt_is_the_operators),
		cmocka_unit_test(T16_no_more_leaves_in_a_day_than_the_limits_say),
		cmocka_unit_test(T16_what_was_reserved_long_ago_counts_while_it_waits_and_when_it_leaves),
		cmocka_unit_test(T16_fees_and_late_payments_count_as_they_were),
		cmocka_unit_test(T16_what_stays_in_the_books_does_not_count),
		cmocka_unit_test(T16_a_batch_of_small_ones_is_summed_up),
		cmocka_unit_test(S30_a_withdrawal_with_its_fee_over_the_balance_is_rejected),
		cmocka_unit_test(S31_the_same_withdrawal_reserves_once_another_content_is_told),
		cmocka_unit_test(S33_a_failed_payment_returns_the_reserve_in_full),
		cmocka_unit_test(L7_the_operator_pays_a_fee_above_the_cap),
		cmocka_unit_test(L7_a_negative_fee_is_none_and_shows_in_suspense),
		cmocka_unit_test(L25_E10_late_success_takes_what_is_there_and_freezes),
		cmocka_unit_test(BK11_a_frozen_account_still_ends_its_reserves),
		cmocka_unit_test(L25_a_payment_without_any_reserve_is_booked),
		cmocka_unit_test(S32_a_payment_inside_is_a_reserve_between_two_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
