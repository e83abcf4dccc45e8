/*
 * test_audit.c
 *		How far a node is believed, what differs between it and the books, and
 *		whether it has what they owe.
 */
#include "in_memory.h"

#include "bitcoin/audit.h"
#include "bitcoin/evidence.h"

#include <string.h>

#define BEGIN ((Instant) {INT64_C(1767225600000000)})

static Instant
after(int64_t seconds)
{
	return instant_plus_seconds(BEGIN, seconds);
}

/* Sent at 0, nobody writes after 10, no try begins after 60, the invoice ends at 3600. */
static Attempt
usual_attempt(void)
{
	return (Attempt) {
		.submitted_at = after(0),
		.submit_deadline = after(10),
		.give_up_seconds = 60,
		.expires_at = after(3600),
	};
}

static NodeTrust
trust_of(FailureRule failure_rule, NotFoundRule not_found_rule, int64_t asked_seconds)
{
	return (NodeTrust) {
		.node_is_known = true,
		.asked_at = after(asked_seconds),
		.delay_seconds = 60,
		.failure_rule = failure_rule,
		.not_found_rule = not_found_rule,
		.weak_seconds = 86400,
	};
}

/* ----------------------------------------------------------------- evidence */

static void
L3_L23_a_failure_is_final_only_where_the_node_never_tries_again(void **state)
{
	Attempt		attempt = usual_attempt();
	NodeTrust	trust = trust_of(FAILURE_IS_FINAL, NOT_FOUND_AFTER_DELAY, 1);

	assert_true(instant_is_none(failure_is_believed_from(&trust, &attempt)));
	/* Core Lightning: a failed try may be followed by another until the invoice ends. */
	trust = trust_of(FAILURE_AFTER_EXPIRY, NOT_FOUND_AFTER_EXPIRY, 121);
	assert_int_equal(failure_is_believed_from(&trust, &attempt).microseconds, after(3600).microseconds);
	trust.asked_at = after(3601);
	assert_true(instant_is_none(failure_is_believed_from(&trust, &attempt)));
	attempt.expires_at = after(30);
	trust.asked_at = after(120);
	assert_int_equal(failure_is_believed_from(&trust, &attempt).microseconds, after(120).microseconds);
	trust.asked_at = after(121);
	assert_true(instant_is_none(failure_is_believed_from(&trust, &attempt)));
	/* LNbits: not for a day more. */
	trust = trust_of(FAILURE_IS_WEAK, NOT_FOUND_TWICE, 86400 + 120);
	assert_false(instant_is_none(failure_is_believed_from(&trust, &attempt)));
	trust.asked_at = after(86400 + 121);
	assert_true(instant_is_none(failure_is_believed_from(&trust, &attempt)));
}

static void
L29_not_found_is_believed_by_the_rule_of_its_node(void **state)
{
	Attempt		attempt = usual_attempt();
	NodeTrust	trust = trust_of(FAILURE_IS_FINAL, NOT_FOUND_AFTER_DELAY, 70);

	assert_false(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	trust.asked_at = after(71);
	assert_true(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	/* Core Lightning lists nothing before the first part: only the end of the invoice ends the doubt. */
	trust = trust_of(FAILURE_AFTER_EXPIRY, NOT_FOUND_AFTER_EXPIRY, 3600);
	assert_false(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	trust.asked_at = after(3601);
	assert_true(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	/* eclair, LNbits: twice, that delay apart, the first time when nobody could write any more. */
	trust = trust_of(FAILURE_IS_FINAL, NOT_FOUND_TWICE, 1000);
	assert_false(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	attempt.not_found_at = after(10);
	assert_false(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	attempt.not_found_at = after(950);
	assert_false(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
	attempt.not_found_at = after(939);
	assert_true(instant_is_none(not_found_is_believed_from(&trust, &attempt)));
}

static void
L45_a_node_that_forgets_is_never_believed(void **state)
{
	NodeTrust	trust = trust_of(FAILURE_IS_FINAL, NOT_FOUND_AFTER_DELAY, 1000);

	assert_false(nothing_is_believed(&trust));
	trust.forgets = true;
	assert_true(nothing_is_believed(&trust));
	trust = trust_of(FAILURE_IS_FINAL, NOT_FOUND_AFTER_DELAY, 1000);
	trust.node_is_known = false;
	assert_true(nothing_is_believed(&trust));
}

/* --------------------------------------------------------------- comparison */

/* A request without amount may have been asked for with two. */
static void
L25_the_payment_beside_is_of_what_the_books_lack(void **state)
{
	static const struct
	{
		int64_t		node, node_msat, books, books_msat, beside;
	}			cases[] = {
		{2, 10000, 1, 5000, 5000}, {2, 12000, 1, 5000, 7000}, {3, 15000, 1, 5000, 5000},
		{3, 16001, 1, 5000, 0},	/* who got what? */
		{2, 5000, 1, 5000, 0}, {2, 4000, 1, 5000, 0}, {1, 5000, 1, 5000, 0}, {2, 10000, 0, 5000, 0},
		{2, INT64_MAX, 1, -5, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		PaymentAtNode node = {.succeeded = cases[i].node, .amount = {cases[i].node_msat}};
		PaymentInBooks books = {.succeeded = cases[i].books, .amount = {cases[i].books_msat}};
		Amount		beside;

		assert_int_equal(payment_beside(&node, &books, &beside), cases[i].beside != 0);
		if (cases[i].beside != 0)
			assert_int_equal(beside.msat, cases[i].beside);
	}
}

static const char *
kind_of(Arena *arena, const PaymentAtNode *node, const PaymentInBooks *books)
{
	return difference_kind_word(compare_payment(node, books, arena).kind);
}

static void
L43_payments_are_compared_by_hash(void **state)
{
	World		world;
	PaymentAtNode node = {.succeeded = 1, .amount = {5000}, .fees = {7}};
	PaymentInBooks books = {.succeeded = 1, .amount = {5000}, .fees = {7}};

	world_init(&world);
	assert_string_equal(kind_of(world.arena, &node, &books), "");
	assert_string_equal(kind_of(world.arena, &node, NULL), "payment_unknown");
	assert_string_equal(kind_of(world.arena, NULL, &books), "payment_missing");
	node.fees.msat = 8;
	assert_string_equal(kind_of(world.arena, &node, &books), "payment_amount");
	node = (PaymentAtNode) {.failed = 1, .amount = {5000}};
	assert_string_equal(kind_of(world.arena, &node, &books), "payment_state");
	/* failed on both sides, or by nobody's wish, is nothing */
	assert_string_equal(kind_of(world.arena, &node, NULL), "");
	books = (PaymentInBooks) {.failed = 1, .amount = {5000}};
	assert_string_equal(kind_of(world.arena, &node, &books), "");
	assert_string_equal(kind_of(world.arena, NULL, &books), "");
	/* what the node had, and is open here, it has to have somehow */
	books = (PaymentInBooks) {.open = 1, .amount = {5000}};
	assert_string_equal(kind_of(world.arena, NULL, &books), "payment_missing");
	/* what is open here may have ended there */
	node = (PaymentAtNode) {.succeeded = 1, .amount = {5000}};
	books = (PaymentInBooks) {.open = 1, .failed = 1, .amount = {5000}};
	assert_string_equal(kind_of(world.arena, &node, &books), "");
	/* what has failed here may not */
	books.open = 0;
	assert_string_equal(kind_of(world.arena, &node, &books), "payment_state");
	node = (PaymentAtNode) {.pending = 1, .amount = {5000}};
	assert_string_equal(kind_of(world.arena, &node, &books), "payment_state");
	world_destroy(&world);
}

static void
L25_a_hash_that_was_paid_twice_is_told(void **state)
{
	World		world;
	ListedPayment listed[] = {
		{.payment_hash = {{2}}, .state = PAYMENT_SUCCEEDED, .amount = {5000}, .fee = {1}},
		{.payment_hash = {{1}}, .state = PAYMENT_FAILED, .amount = {100}},
		{.payment_hash = {{2}}, .state = PAYMENT_SUCCEEDED, .amount = {5000}, .fee = {2}},
	};
	PaymentInBooks books = {.succeeded = 1, .failed = 1, .amount = {5000}, .fees = {1}};
	PaymentAtNode *sums;

	world_init(&world);
	assert_int_equal(payments_by_hash(listed, 3, world.arena, &sums), 2);
	assert_int_equal(sums[0].failed, 1);
	assert_int_equal(sums[1].succeeded, 2);
	assert_int_equal(sums[1].fees.msat, 3);
	assert_string_equal(kind_of(world.arena, &sums[1], &books), "paid_twice");
	books.succeeded = 2;
	books.failed = 0;
	books.amount.msat = 10000;
	books.fees.msat = 3;
	assert_string_equal(kind_of(world.arena, &sums[1], &books), "");
	/* the other way round, of what the list has to have; what is older than it, or newer, it need not */
	sums[1].succeeded = 1;
	assert_string_equal(kind_of(world.arena, &sums[1], &books), "");
	books.must_be_listed = 2;
	assert_string_equal(kind_of(world.arena, &sums[1], &books), "payment_state");
	sums[1].pending = 1;
	assert_string_equal(kind_of(world.arena, &sums[1], &books), "");
	assert_int_equal(payments_by_hash(NULL, 0, world.arena, &sums), 0);
	/* fees that cannot be added are a lie, and no crash */
	listed[0].fee.msat = listed[2].fee.msat = INT64_MAX;
	assert_int_equal(payments_by_hash(listed, 3, world.arena, &sums), 2);
	assert_string_equal(kind_of(world.arena, &sums[1], &books), "payment_amount");
	world_destroy(&world);
}

static void
L43_invoices_are_compared_by_hash(void **state)
{
	World		world;
	ListedInvoice node = {.state = INVOICE_SETTLED, .amount = {100}, .received = {100}};
	InvoiceInBooks books = {.is_settled = true, .received = {100}};

	world_init(&world);
#define KIND(node_, books_) difference_kind_word(compare_invoice((node_), (books_), world.arena).kind)
	assert_string_equal(KIND(&node, &books), "");
	assert_string_equal(KIND(&node, NULL), "invoice_unknown");
	assert_string_equal(KIND(NULL, &books), "invoice_missing");
	node.received.msat = 101;
	assert_string_equal(KIND(&node, &books), "invoice_amount");
	books.is_paid_inside = true;
	assert_string_equal(KIND(&node, &books), "invoice_state");
	assert_string_equal(KIND(NULL, &books), "");
	node.state = INVOICE_CANCELED;
	assert_string_equal(KIND(&node, &books), "");
	books.is_paid_inside = false;
	assert_string_equal(KIND(&node, &books), "invoice_state");
	books = (InvoiceInBooks) {.is_open = true};
	assert_string_equal(KIND(&node, &books), "");
	node.state = INVOICE_SETTLED;
	assert_string_equal(KIND(&node, &books), "invoice_state");
	/* an invoice of nobody's that nobody paid is nothing */
	node.state = INVOICE_OPEN;
	assert_string_equal(KIND(&node, NULL), "");
#undef KIND
	world_destroy(&world);
}

/* ----------------------------------------------------------------- solvency */

static void
L44_the_node_must_have_what_is_owed(void **state)
{
	Solvency	solvency = {.owed = {100000}, .has = {{100000}, {0}}};

	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	solvency.has.local.msat = 99000;
	assert_int_equal(solvency_shortfall(&solvency).msat, 1000);
	assert_true(solvency_is_broken(&solvency));
	solvency.tolerance.msat = 1000;
	assert_false(solvency_is_broken(&solvency));
	/* what payments under way have taken is still there, or reserved */
	solvency = (Solvency) {.owed = {100000}, .has = {{60000}, {40000}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	solvency = (Solvency) {.owed = {100000}, .may_have_left = {40000}, .has = {{60000}, {0}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	/* and what is reserved and under way is the same money */
	solvency = (Solvency) {.owed = {100000}, .may_have_left = {40000}, .has = {{20000}, {40000}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 40000);
	solvency = (Solvency) {.owed = {100000}, .may_have_left = {40000}, .has = {{60000}, {40000}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	solvency = (Solvency) {.owed = {100000}, .may_have_left = {40000}, .has = {{60000}, {15000}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	/* a credit that is newer than the balance */
	solvency = (Solvency) {.owed = {100000}, .lately_credited = {30000}, .has = {{70000}, {0}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	/* the operator's own has to be there beside what is owed */
	solvency = (Solvency) {.owed = {100000}, .own = {50000}, .has = {{150000}, {0}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 0);
	solvency.has.local.msat = 149999;
	assert_int_equal(solvency_shortfall(&solvency).msat, 1);
	assert_true(solvency_is_broken(&solvency));
	/* what an operator knows of opens nothing again, more than that does */
	solvency = (Solvency) {.owed = {100000}, .accepted = {5000}, .has = {{95000}, {0}}};
	assert_false(solvency_is_broken(&solvency));
	solvency.has.local.msat = 94999;
	assert_true(solvency_is_broken(&solvency));
}

static void
L44_a_balance_that_cannot_be_covers_nothing(void **state)
{
	Solvency	solvency = {.owed = {100000}, .has = {{INT64_MAX}, {INT64_MAX}}};

	assert_true(solvency_is_broken(&solvency));
	solvency.has = (NodeBalance) {{200000}, {-1}};
	assert_true(solvency_is_broken(&solvency));
	solvency.has = (NodeBalance) {{INT64_MIN}, {0}};
	assert_true(solvency_is_broken(&solvency));
	solvency = (Solvency) {.owed = {100000}, .own = {INT64_MAX}, .has = {{200000}, {0}}};
	assert_true(solvency_is_broken(&solvency));
	solvency = (Solvency) {.owed = {100000}, .own = {50000}, .has = {{200000}, {-1}}};
	assert_int_equal(solvency_shortfall(&solvency).msat, 150000);
	solvency = (Solvency) {.owed = {0}, .has = {{0}, {0}}};
	assert_false(solvency_is_broken(&solvency));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L3_L23_a_failure_is_final_only_where_the_node_never_tries_again),
		cmocka_unit_test(L29_not_found_is_believed_by_the_rule_of_its_node),
		cmocka_unit_test(L45_a_node_that_forgets_is_never_believed),
		cmocka_unit_test(L25_the_payment_beside_is_of_what_the_books_lack),
		cmocka_unit_test(L43_payments_are_compared_by_hash),
		cmocka_unit_test(L25_a_hash_that_was_paid_twice_is_told),
		cmocka_unit_test(L43_invoices_are_compared_by_hash),
		cmocka_unit_test(L44_the_node_must_have_what_is_owed),
		cmocka_unit_test(L44_a_balance_that_cannot_be_covers_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
