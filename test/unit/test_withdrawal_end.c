/*
 * test_withdrawal_end.c
 *		Withdrawals whose end hangs on an earlier one of the same hash, on another
 *		node, on an operator; and the rules of each kind of node.
 */
#include "bitcoin_world.h"

#include "bitcoin/schedule.h"

#define OUTSIDE_REQUEST "regtest/x/5000000/3600/o"

static const NodeCapabilities of_lnbits = {
	.failure_rule = FAILURE_IS_WEAK,
	.not_found_rule = NOT_FOUND_TWICE,
};
static const NodeCapabilities of_cln = {
	.failure_rule = FAILURE_AFTER_EXPIRY,
	.not_found_rule = NOT_FOUND_AFTER_EXPIRY,
	.refuses_second_payment = true,
};

static Withdrawal *
stored(BitcoinWorld *self, const Withdrawal *withdrawal)
{
	return stored_withdrawal(self, withdrawal->aggregate.id);
}

/* The first has failed at the node; the same account asks again, rested. */
static Withdrawal *
asked_again(BitcoinWorld *self)
{
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;

	look_up_as(self, first, PAYMENT_FAILED);
	assert_int_equal(stored(self, first)->state, WITHDRAWAL_FAILED);
	second = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	return stored(self, second);
}

/* What the worker plans next, answered with that verdict; gives what it was. */
static NodeOperation
asked_and_told(BitcoinWorld *self, Withdrawal *withdrawal, PaymentAnswer verdict)
{
	NodeTask	task;

	assert_true(plan(self, &stored(self, withdrawal)->aggregate, &task));
	task.call.verdict = verdict;
	if (verdict == PAYMENT_SUCCEEDED)
		task.call.payment = payment_with('x', 700);
	answer(self, &task);
	return task.call.operation;
}

static void
L26_the_node_is_asked_before_a_hash_is_paid_again(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second = asked_again(self);

	self->standing.capabilities = &of_cln;
	assert_int_equal(asked_and_told(self, second, PAYMENT_UNAVAILABLE), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_PENDING), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_FAILED), NODE_LOOKUP_PAYMENT);
	assert_false(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_UNAVAILABLE), NODE_PAY);
}

static void
L26_a_node_that_pays_twice_must_know_that_the_first_is_dead(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second = asked_again(self);

	self->standing.capabilities = &of_lnbits;
	/* its word is weak until a day after the invoice's end: it is never paid again */
	assert_int_equal(asked_and_told(self, second, PAYMENT_FAILED), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	/* that it knows none has to be said twice */
	assert_int_equal(asked_and_told(self, second, PAYMENT_NOT_FOUND), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	world_wait(&self->world, 30);
	assert_int_equal(asked_and_told(self, second, PAYMENT_NOT_FOUND), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	world_wait(&self->world, 31);
	assert_int_equal(asked_and_told(self, second, PAYMENT_NOT_FOUND), NODE_LOOKUP_PAYMENT);
	assert_false(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_UNAVAILABLE), NODE_PAY);
}

static void
L26_what_was_paid_meanwhile_is_not_paid_again(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second = asked_again(self);
	const bitcoin_payment_succeeded *event;

	assert_int_equal(asked_and_told(self, second, PAYMENT_SUCCEEDED), NODE_LOOKUP_PAYMENT);
	assert_int_equal(stored(self, second)->state, WITHDRAWAL_SUCCEEDED);
	assert_int_equal(stored(self, second)->attempt_no, 0);
	event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
	assert_false(event->late);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
L23_a_weak_failure_holds_the_reserve_for_a_day_more(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);

	self->standing.capabilities = &of_lnbits;
	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_UNKNOWN);
	world_wait(&self->world, 3600 + 86400 + 200);
	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_FAILED);
	assert_non_null(stored(self, withdrawal)->alarm);
}

static void
L45_what_a_forgetful_node_had_needs_an_operator(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);

	look_up_as(self, withdrawal, PAYMENT_PENDING);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_IN_FLIGHT);
	self->standing.forgets = true;
	look_up_as(self, withdrawal, PAYMENT_NOT_FOUND);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_NEEDS_OPERATOR);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 0);
}

static void
L11_another_node_decides_nothing_but_by_proof(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	NodeStanding ours = self->standing;

	self->standing = (NodeStanding) {.is_another = true};
	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_NEEDS_OPERATOR);
	look_up_as(self, withdrawal, PAYMENT_NOT_FOUND);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_NEEDS_OPERATOR);
	/* the right one is back */
	self->standing = ours;
	look_up_as(self, withdrawal, PAYMENT_PENDING);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_IN_FLIGHT);
	assert_null(stored(self, withdrawal)->alarm);
	self->standing = (NodeStanding) {.is_another = true};
	look_up_as(self, withdrawal, PAYMENT_SUCCEEDED);
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_SUCCEEDED);
}

static void
L44_nothing_is_paid_while_it_is_stopped(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	NodeTask	task;

	self->standing.may_pay = false;
	assert_false(plan(self, &stored(self, withdrawal)->aggregate, &task));
	assert_int_equal(stored(self, withdrawal)->state, WITHDRAWAL_RESERVED);
	assert_true(instant_before(now_of(self), stored(self, withdrawal)->next_look_at));
	self->standing.may_pay = true;
	assert_true(plan(self, &stored(self, withdrawal)->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_PAY);
}

static void
an_operator_decides_what_no_node_can_tell(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal	withdrawal = *unknown_withdrawal(self);
	ProvenPayment proof = {.preimage = "preimage", .fee = AMOUNT_MSAT(7)};
	Withdrawal	other;

	/* failed only where nobody is left to ask */
	assert_refused(withdrawal_decide_failed(&withdrawal, now_of(self)), REFUSED_NOW);
	withdrawal.state = WITHDRAWAL_NEEDS_OPERATOR;
	other = withdrawal;
	assert_ok(withdrawal_decide_failed(&withdrawal, now_of(self)));
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	assert_false(instant_is_none(withdrawal.next_look_at));
	/* and paid after all */
	assert_ok(withdrawal_decide_paid(&withdrawal, &proof, now_of(self)));
	assert_true(withdrawal.late);
	assert_refused(withdrawal_decide_paid(&withdrawal, &proof, now_of(self)), REFUSED_NOW);
	assert_ok(withdrawal_decide_paid(&other, &proof, now_of(self)));
	assert_int_equal(other.state, WITHDRAWAL_SUCCEEDED);
	assert_false(other.late);
	/* what is being sent is its submitter's */
	other.state = WITHDRAWAL_SUBMITTING;
	assert_refused(withdrawal_decide_paid(&other, &proof, now_of(self)), REFUSED_NOW);
}

static void
L25_the_second_payment_of_a_hash_is_booked_as_a_late_one(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal	withdrawal = *unknown_withdrawal(self);
	ProvenPayment proof = {.preimage = "preimage", .amount = withdrawal.amount, .fee = AMOUNT_MSAT(7)};

	withdrawal_paid_twice(&withdrawal, &proof, now_of(self));
	assert_int_equal(withdrawal.state, WITHDRAWAL_UNKNOWN);
	withdrawal.state = WITHDRAWAL_FAILED;
	withdrawal_paid_twice(&withdrawal, &proof, now_of(self));
	assert_int_equal(withdrawal.state, WITHDRAWAL_SUCCEEDED);
	assert_true(withdrawal.late && withdrawal.paid_beside);
	assert_non_null(withdrawal.alarm);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(L26_the_node_is_asked_before_a_hash_is_paid_again),
		WORLD_TEST(L26_a_node_that_pays_twice_must_know_that_the_first_is_dead),
		WORLD_TEST(L26_what_was_paid_meanwhile_is_not_paid_again),
		WORLD_TEST(L23_a_weak_failure_holds_the_reserve_for_a_day_more),
		WORLD_TEST(L45_what_a_forgetful_node_had_needs_an_operator),
		WORLD_TEST(L11_another_node_decides_nothing_but_by_proof),
		WORLD_TEST(L44_nothing_is_paid_while_it_is_stopped),
		WORLD_TEST(an_operator_decides_what_no_node_can_tell),
		WORLD_TEST(L25_the_second_payment_of_a_hash_is_booked_as_a_late_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
