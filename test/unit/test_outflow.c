/*
 * test_outflow.c
 *		What leaves, by the hour.
 */
#include "in_memory.h"

#include "accounting/outflow.h"

#define HOUR 3600

/* A day that began at a full hour. */
static const Instant start = {INT64_C(1767225600) * MICROSECONDS_PER_SECOND};

static Instant
after(int64_t seconds)
{
	return instant_plus_seconds(start, seconds);
}

static Outflow
new_outflow(void)
{
	Outflow		outflow;

	outflow_open(&outflow, id_of(1), start);
	return outflow;
}

static void
leaves(Outflow *outflow, int64_t msat, Instant at)
{
	const Transfer row = {.form = TRANSFER_DIRECT, .amount = AMOUNT_MSAT(msat), .created_at = at};

	assert_ok(outflow_follow(outflow, &row, NULL));
}

static int64_t
counted(const Outflow *outflow, Instant now)
{
	Amount		sum;

	assert_ok(outflow_of_day(outflow, now, &sum));
	return sum.msat;
}

static void
T16_each_hour_is_forgotten_when_it_is_a_day_past(void **state)
{
	Outflow		outflow = new_outflow();

	leaves(&outflow, 1, after(HOUR - 1));
	leaves(&outflow, 20, after(HOUR));
	leaves(&outflow, 300, after(23 * HOUR));
	assert_int_equal(counted(&outflow, after(23 * HOUR)), 321);
	assert_int_equal(counted(&outflow, after(25 * HOUR - 1)), 321);
	assert_int_equal(counted(&outflow, after(25 * HOUR)), 320);
	assert_int_equal(counted(&outflow, after(26 * HOUR)), 300);
	leaves(&outflow, 4000, after(30 * HOUR));
	assert_int_equal(counted(&outflow, after(30 * HOUR)), 4300);
	assert_int_equal(counted(&outflow, after(48 * HOUR)), 4000);
	/* after a long rest nothing is left of it */
	leaves(&outflow, 50000, after(1000 * HOUR));
	assert_int_equal(counted(&outflow, after(1000 * HOUR)), 50000);
	assert_int_equal(counted(&outflow, after(2000 * HOUR)), 0);
}

/* In any 24 hours, wherever they begin, no more counts as left than did. */
static void
T16_the_24_hours_before_any_moment_are_within(void **state)
{
	for (int64_t at = 0; at < 2 * HOUR; at += 600)
	{
		Outflow		outflow = new_outflow();

		leaves(&outflow, 1, after(at));
		assert_int_equal(counted(&outflow, after(at + 24 * HOUR)), 1);
		assert_int_equal(counted(&outflow, after(at + 25 * HOUR)), 0);
	}
}

/* Two lanes whose clocks cross an hour in another order than their locks. */
static void
T16_what_comes_late_is_counted_in_its_hour(void **state)
{
	Outflow		outflow = new_outflow();

	leaves(&outflow, 1, after(5 * HOUR));
	leaves(&outflow, 20, after(5 * HOUR - 1));
	assert_int_equal(outflow.gone[0].msat, 1);
	assert_int_equal(outflow.gone[1].msat, 20);
	assert_int_equal(counted(&outflow, after(5 * HOUR - 1)), 21);
	assert_int_equal(counted(&outflow, after(29 * HOUR)), 1);
}

/* A clock that was years ahead for a moment neither hides what leaves nor stops it for years. */
static void
T16_a_clock_that_was_set_back_forgets_nothing_and_recovers(void **state)
{
	Outflow		outflow = new_outflow();

	leaves(&outflow, 1, after(20000 * HOUR));
	assert_int_equal(counted(&outflow, after(HOUR)), 1);
	leaves(&outflow, 20, after(HOUR));
	assert_int_equal(counted(&outflow, after(HOUR)), 21);
	assert_int_equal(counted(&outflow, after(25 * HOUR)), 21);
	assert_int_equal(counted(&outflow, after(26 * HOUR)), 0);
}

static void
T16_what_is_reserved_counts_until_it_ends(void **state)
{
	Outflow		outflow = new_outflow();
	const Transfer pending = {.form = TRANSFER_PENDING, .amount = AMOUNT_MSAT(100), .created_at = start};
	const Transfer post = {.form = TRANSFER_POST, .amount = AMOUNT_MSAT(70), .created_at = after(1000 * HOUR)};
	const Transfer undo = {.form = TRANSFER_VOID, .amount = AMOUNT_MSAT(100), .created_at = after(1000 * HOUR)};

	assert_refused(outflow_follow(&outflow, &undo, &pending), INTERNAL);
	assert_ok(outflow_follow(&outflow, &pending, NULL));
	assert_ok(outflow_follow(&outflow, &pending, NULL));
	assert_int_equal(counted(&outflow, start), 200);
	assert_int_equal(counted(&outflow, after(1000 * HOUR)), 200);
	assert_ok(outflow_follow(&outflow, &post, &pending));
	assert_int_equal(counted(&outflow, after(1000 * HOUR)), 170);
	assert_ok(outflow_follow(&outflow, &undo, &pending));
	assert_int_equal(counted(&outflow, after(1000 * HOUR)), 70);
	assert_int_equal(counted(&outflow, after(1025 * HOUR)), 0);
	assert_refused(outflow_follow(&outflow, &post, &pending), INTERNAL);
}

/* L40: what the node keeps of a receipt is paid by nobody. */
static void
T16_only_payments_of_the_node_concern_it(void **state)
{
	LedgerAccount node;
	LedgerAccount user;

	ledger_account_open(&node, id_of(900), LEDGER_NODE, start);
	ledger_account_open(&user, id_of(2), LEDGER_USER, start);
	for (TransferPurpose purpose = PURPOSE_DEPOSIT; purpose <= PURPOSE_VOID; purpose++)
	{
		const Transfer row = {.purpose = purpose};

		assert_int_equal(outflow_concerns(&row, &node), purpose != PURPOSE_RECEIVE_FEE);
		assert_false(outflow_concerns(&row, &user));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T16_each_hour_is_forgotten_when_it_is_a_day_past),
		cmocka_unit_test(T16_the_24_hours_before_any_moment_are_within),
		cmocka_unit_test(T16_what_comes_late_is_counted_in_its_hour),
		cmocka_unit_test(T16_a_clock_that_was_set_back_forgets_nothing_and_recovers),
		cmocka_unit_test(T16_what_is_reserved_counts_until_it_ends),
		cmocka_unit_test(T16_only_payments_of_the_node_concern_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
