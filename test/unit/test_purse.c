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
filled(int64_t own, int64_t local, int64_t in_flight, PaymentsBegun begun, bool is_net)
{
	Purse		purse = {.own = {own}};

	purse_fill(&purse, &(NodeBalance) {{local}, {in_flight}}, &begun, is_net);
	return purse;
}

/* The node has taken over what was begun before. */
static Purse
purse_of(int64_t own, int64_t local, int64_t in_flight, int64_t taken)
{
	return filled(own, local, in_flight, (PaymentsBegun) {.taken = {taken}}, false);
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
	purse = purse_of(3000, 5000, 0, 0);
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

/* A payment that was taken over and is under way no more may have left, and the books have not heard of it yet. */
static void
L44_what_has_left_unheard_is_no_lack(void **state)
{
	Purse		purse = purse_of(5000, 11000, 0, 4000);

	assert_int_equal(purse.left.msat, 7000);
	assert_false(takes(&purse, 6000, 0));
	assert_true(purse_may_cover(&purse, AMOUNT_MSAT(6000)));
	assert_false(purse_may_cover(&purse, AMOUNT_MSAT(6001)));
	/* the same of one whose submission nobody has heard of */
	purse = filled(5000, 11000, 0, (PaymentsBegun) {.not_taken = {4000}}, false);
	assert_false(takes(&purse, 6000, 0));
	assert_true(purse_may_cover(&purse, AMOUNT_MSAT(6000)));
	assert_false(purse_may_cover(&purse, AMOUNT_MSAT(6001)));
}

/* Of a balance that is less what is pending, a payment that a payee holds would else count twice. */
static void
what_the_balance_is_net_of_leaves_no_more(void **state)
{
	PaymentsBegun begun = {.not_taken = {1000}, .taken = {4000}};

	assert_int_equal(filled(1, 10000, 0, begun, false).left.msat, 5000);
	assert_int_equal(filled(1, 10000, 0, begun, true).left.msat, 9000);
	begun = (PaymentsBegun) {.not_taken = {INT64_MAX}, .taken = {1}};
	assert_int_equal(filled(1, 10000, 0, begun, false).left.msat, 0);
	for (int kind = 0; kind < NODE_KIND_COUNT; kind++)
		assert_int_equal(node_capabilities[kind].balance_is_net, kind == NODE_KIND_LNBITS);
}

/* What a node passes on for others is under way, too, and hides nothing of ours that may still leave. */
static void
C2_what_is_passed_on_for_others_hides_no_payment(void **state)
{
	PaymentsBegun begun = {.not_taken = {4000}, .taken = {2000}};
	Purse		purse = filled(9000, 10000, 11000, begun, false);	/* 9,000 of it for others, or 5,000 */

	assert_int_equal(purse.left.msat, 6000);
	assert_int_equal(purse.unsure.msat, 4000);
	assert_false(takes(&purse, 1, 0));
	assert_int_equal(purse.wanted.msat, 1);
	/* It may as well be ours: nobody says that the node lacks anything. */
	assert_true(purse_may_cover(&purse, AMOUNT_MSAT(1000)));
	assert_false(purse_may_cover(&purse, AMOUNT_MSAT(1001)));
	/* Nor is the payment of ours that is under way counted twice. */
	purse = filled(9000, 20000, 2000, begun, false);
	assert_int_equal(purse.left.msat, 16000);
	assert_true(takes(&purse, 7000, 0));
	assert_false(takes(&purse, 1, 0));
	assert_true(purse_may_cover(&purse, AMOUNT_MSAT(4000)));
	assert_false(purse_may_cover(&purse, AMOUNT_MSAT(4001)));
	purse = filled(9000, 20000, INT64_MAX, begun, false);
	assert_int_equal(purse.left.msat, 16000);
	assert_int_equal(purse.unsure.msat, 4000);
}

/* Nothing there, nothing to stay, all of it, one more, and what is no figure. */
static void
L44_the_edges_of_own_capital(void **state)
{
	static const struct
	{
		int64_t		own;
		int64_t		local;
		int64_t		amount;
		int64_t		fee;
		bool		is_taken;
	} edges[] = {
		{0, 0, 5000, 100, true},	/* nothing has to stay: the node itself refuses what it lacks */
		{1, 0, 1, 0, false},
		{5000, 5000, 1, 0, false},
		{5000, 5000, 0, 1, false},	/* a fee takes of it, too */
		{5000, 5001, 1, 0, true},
		{5000, 5001, 0, 1, true},
		{5000, 5100, 100, 1, false},
		{5000, 4999, 1, 0, false},
		{5000, -1, 1, 0, false},
		{5000, INT64_MAX, INT64_MAX - 5000, 0, true},
		{5000, INT64_MAX, INT64_MAX - 5000, 1, false},
		{INT64_MAX, INT64_MAX, 1, 0, false},
	};

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
	{
		Purse		purse = purse_of(edges[i].own, edges[i].local, 0, 0);
		Amount		before = purse.left;

		assert_int_equal(takes(&purse, edges[i].amount, edges[i].fee), edges[i].is_taken);
		assert_true(!edges[i].is_taken || edges[i].own == 0 || purse.left.msat >= edges[i].own);
		assert_true(edges[i].is_taken || purse.left.msat == before.msat);
		assert_int_equal(purse_may_cover(&purse, AMOUNT_ZERO), purse.left.msat >= edges[i].own);
	}
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
		cmocka_unit_test(L44_what_has_left_unheard_is_no_lack),
		cmocka_unit_test(what_the_balance_is_net_of_leaves_no_more),
		cmocka_unit_test(C2_what_is_passed_on_for_others_hides_no_payment),
		cmocka_unit_test(L44_the_edges_of_own_capital),
		cmocka_unit_test(a_node_that_lies_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
