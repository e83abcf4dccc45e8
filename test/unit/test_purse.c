/*
 * test_purse.c
 *		What the node may still send before it touches the operator's own capital.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bitcoin/purse.h"
#include "lightning/node_kinds.h"

static Purse
purse_of(int64_t own, int64_t local, int64_t in_flight, int64_t may_leave)
{
	Purse		purse = {.own = {own}};

	purse_fill(&purse, &(NodeBalance) {{local}, {in_flight}}, AMOUNT_MSAT(may_leave));
	return purse;
}

static bool
takes(Purse *purse, int64_t amount, int64_t fee)
{
	return purse_take(purse, AMOUNT_MSAT(amount), AMOUNT_MSAT(fee));
}

static void
own_capital_is_never_touched(void **state)
{
	Purse		purse = purse_of(3000, 10000, 0, 0);

	assert_true(takes(&purse, 4000, 100));
	assert_false(takes(&purse, 2900, 1));
	assert_int_equal(purse.wanted.msat, 2901);
	assert_false(takes(&purse, 2901, 0));
	assert_true(takes(&purse, 2899, 1));	/* to the last */
	assert_int_equal(purse.left.msat, 3000);
	assert_false(takes(&purse, 1, 0));
	assert_int_equal(purse.wanted.msat, 2901);	/* the most of those refused */
	purse_fill(&purse, &(NodeBalance) {{5000}, {0}}, AMOUNT_ZERO);
	assert_int_equal(purse.wanted.msat, 0);
	assert_true(takes(&purse, 2000, 0));
}

static void
nothing_is_sent_before_a_balance_is_known(void **state)
{
	Purse		purse = {.own = {1}};
	Purse		free_one = {.own = {0}};

	assert_false(takes(&purse, 1, 0));
	assert_int_equal(purse.wanted.msat, 0);
	/* without own capital nothing is asked */
	assert_true(takes(&free_one, INT64_MAX, INT64_MAX));
}

static void
what_was_begun_before_may_still_leave(void **state)
{
	Purse		purse = purse_of(1000, 10000, 0, 4000);

	assert_int_equal(purse.left.msat, 6000);
	purse = purse_of(1000, 10000, 3000, 4000);	/* most of it has left already */
	assert_int_equal(purse.left.msat, 9000);
	purse = purse_of(1000, 10000, 9000, 4000);
	assert_int_equal(purse.left.msat, 10000);
}

/* Of a balance that is less what is pending, a payment that a payee holds would else count twice. */
static void
what_the_balance_is_net_of_leaves_no_more(void **state)
{
	PaymentsBegun begun = {.not_taken = {1000}, .taken = {4000}};

	assert_int_equal(purse_may_leave(&begun, false).msat, 5000);
	assert_int_equal(purse_may_leave(&begun, true).msat, 1000);
	begun = (PaymentsBegun) {.not_taken = {INT64_MAX}, .taken = {1}};
	assert_int_equal(purse_may_leave(&begun, false).msat, INT64_MAX);
	for (int kind = 0; kind < NODE_KIND_COUNT; kind++)
		assert_int_equal(node_capabilities[kind].balance_is_net, kind == NODE_KIND_LNBITS);
}

static void
a_node_that_lies_opens_nothing(void **state)
{
	Purse		purse = purse_of(1000, INT64_MIN, 0, 4000);

	assert_false(takes(&purse, 1, 0));
	purse = purse_of(1000, 10000, INT64_MIN, 4000);
	assert_int_equal(purse.left.msat, 6000);
	purse = purse_of(1000, -5, 0, 0);
	assert_false(takes(&purse, 1, 0));
	purse = purse_of(INT64_MAX, INT64_MAX, 0, 0);
	assert_false(takes(&purse, 1, 0));
	purse = purse_of(1000, INT64_MAX, 0, 0);
	assert_false(takes(&purse, INT64_MAX, INT64_MAX));
	assert_true(takes(&purse, 1, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_capital_is_never_touched),
		cmocka_unit_test(nothing_is_sent_before_a_balance_is_known),
		cmocka_unit_test(what_was_begun_before_may_still_leave),
		cmocka_unit_test(what_the_balance_is_net_of_leaves_no_more),
		cmocka_unit_test(a_node_that_lies_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
