/*
 * test_withdrawal_end.c
 *		Withdrawals whose end hangs on an earlier one of the same hash, on another
 *		node, on an operator; and the rules of each kind of node.
 */
#include "bitcoin_world.h"

#include "bitcoin/schedule.h"
#include "lightning/node_kinds.h"

#define OUTSIDE_REQUEST "regtest/x/5000000/3600/o"

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

	self->standing.capabilities = &node_capabilities[NODE_KIND_LND];
	assert_int_equal(asked_and_told(self, second, PAYMENT_UNAVAILABLE), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_PENDING), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_FAILED), NODE_LOOKUP_PAYMENT);
	assert_false(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_UNAVAILABLE), NODE_PAY);
}

/* Meanwhile the earlier one may have been paid after all. */
static void
L26_what_never_arrived_is_checked_again_before_it_is_sent_again(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second = asked_again(self);
	NodeTask	task;

	self->standing.capabilities = &node_capabilities[NODE_KIND_LND];
	assert_int_equal(asked_and_told(self, second, PAYMENT_FAILED), NODE_LOOKUP_PAYMENT);
	task = submitted(self, stored(self, second));
	task.call.submit = SUBMIT_NOT_SENT;
	answer(self, &task);
	assert_int_equal(state_of(self, second), WITHDRAWAL_RESERVED);
	assert_int_equal(asked_and_told(self, second, PAYMENT_SUCCEEDED), NODE_LOOKUP_PAYMENT);
	assert_int_equal(state_of(self, second), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
L26_a_node_that_pays_twice_must_know_that_the_first_is_dead(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second = asked_again(self);

	self->standing.capabilities = &node_capabilities[NODE_KIND_LNBITS];
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

/* Its word would be believed only past the end of an invoice that is good for years. */
static void
L26_what_waits_for_the_first_to_be_dead_ends_when_no_payment_can_be_open(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_FAILED, PAYMENT_PENDING, PAYMENT_NOT_FOUND};

	for (size_t i = 0; i < 3; i++)
	{
		BitcoinWorld *self = *state;
		Withdrawal *first = reserved_withdrawal(self, ALICE, "regtest/x/5000000/99999999/o");
		Withdrawal *second;
		NodeTask	task = submitted(self, first);

		task.call.submit = SUBMIT_REJECTED;
		answer(self, &task);
		second = reserved_withdrawal(self, ALICE, "regtest/x/5000000/99999999/o");
		self->standing.capabilities = &node_capabilities[NODE_KIND_LNBITS];
		world_wait(&self->world, HTLC_LIFETIME_SECONDS - 1);
		/* the first time that it is not found, which is none yet */
		assert_int_equal(asked_and_told(self, second, words[i]), NODE_LOOKUP_PAYMENT);
		assert_int_equal(state_of(self, second), WITHDRAWAL_RESERVED);
		world_wait(&self->world, 1);
		assert_int_equal(asked_and_told(self, second, words[i]), NODE_LOOKUP_PAYMENT);
		assert_int_equal(state_of(self, second), WITHDRAWAL_FAILED);
		assert_string_equal(stored(self, second)->reason, "payment_refused");
		assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 2);
		if (i < 2)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* Another node answered, so that nobody was left to ask, and an operator called it failed. */
static Withdrawal *
decided_failed(BitcoinWorld *self)
{
	NodeStanding ours = self->standing;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	UnitOfWork *work;
	Aggregate  *found;

	self->standing = (NodeStanding) {.is_another = true};
	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_NEEDS_OPERATOR);
	work = world_work(&self->world, NULL);
	assert_ok(unit_of_work_find(work, &self->withdrawals.port.repository, withdrawal->aggregate.id, &found));
	assert_ok(withdrawal_decide_failed((Withdrawal *) found, now_of(self)));
	assert_ok(unit_of_work_complete(work));
	self->standing = ours;
	return stored(self, withdrawal);
}

/* Its reply to the very call said that there is no route. */
static Withdrawal *
refused_by_node(BitcoinWorld *self)
{
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	NodeTask	task = submitted(self, withdrawal);

	task.call.submit = SUBMIT_REJECTED;
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_FAILED);
	assert_false(stored(self, withdrawal)->in_doubt);
	return stored(self, withdrawal);
}

/*
 * The node is between two tries at the first: it says "failed", or "unknown",
 * and pays a moment after the second was due.  How often it was paid in the end.
 */
static int
paid_by_a_node_that_says(BitcoinWorld *self, const Withdrawal *first, PaymentAnswer says)
{
	Withdrawal *second = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	int			paid = 0;

	for (int64_t age = WITHDRAWAL_REST_SECONDS; state_of(self, second) == WITHDRAWAL_RESERVED && age < 3600; age += 30)
	{
		NodeTask	task;

		world_wait(&self->world, age == WITHDRAWAL_REST_SECONDS ? age : 30);
		if (age > 30 && paid == 0)
			paid = 1;
		if (!plan(self, &stored(self, second)->aggregate, &task))
			continue;
		task.call.payment = payment_with('x', 700);
		task.call.verdict = paid > 0 ? PAYMENT_SUCCEEDED : says;
		if (task.call.operation == NODE_PAY)
		{
			/* of this one the node knows nothing yet, and takes it; the first one's try follows */
			task.call.submit = SUBMIT_SETTLED;
			paid = 2;
		}
		answer(self, &task);
	}
	assert_int_equal(state_of(self, second), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(state_of(self, first), WITHDRAWAL_FAILED);
	return paid;
}

static void
L23_L26_failed_without_proof_it_is_not_paid_again(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_FAILED, PAYMENT_NOT_FOUND, PAYMENT_FAILED};

	for (size_t i = 0; i < 3; i++)
	{
		BitcoinWorld *self = *state;

		self->standing.capabilities = &node_capabilities[NODE_KIND_CLN];
		assert_int_equal(paid_by_a_node_that_says(self, i < 2 ? decided_failed(self) : refused_by_node(self), words[i]), 1);
		assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
		if (i < 2)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* By a clock that is ahead, the failure of the first one looks like this one's. */
static void
L24_the_record_that_the_check_saw_fails_no_later_attempt(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_FAILED, PAYMENT_PENDING};

	for (size_t i = 0; i < 2; i++)
	{
		BitcoinWorld *self = *state;
		Withdrawal *first = decided_failed(self);
		Withdrawal *second = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
		NodeTask	task;

		/* nobody has heard the name of its record yet */
		assert_null(stored(self, first)->node_reference);
		assert_null(stored(self, second)->earlier_reference);
		world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
		task = looked_up(self, &stored(self, second)->aggregate);
		task.call.verdict = words[i];
		task.call.payment = (NodePayment) {.reference = "7", .created_at = at(self, 100)};
		answer(self, &task);
		assert_non_null(stored(self, second)->earlier_reference);
		assert_string_equal(stored(self, second)->earlier_reference, "7");
		if (words[i] != PAYMENT_FAILED)
		{
			/* nor does it name another one when it is asked again */
			world_wait(&self->world, 3600 - 2 * WITHDRAWAL_REST_SECONDS);
			assert_int_equal(asked_and_told(self, second, PAYMENT_NOT_FOUND), NODE_LOOKUP_PAYMENT);
		}
		task = submitted(self, stored(self, second));
		task.call.submit = SUBMIT_AMBIGUOUS;
		answer(self, &task);
		task = looked_up(self, &stored(self, second)->aggregate);
		task.call.verdict = PAYMENT_FAILED;
		task.call.payment = (NodePayment) {.reference = "7", .created_at = at(self, 9999)};
		answer(self, &task);
		assert_int_equal(state_of(self, second), WITHDRAWAL_UNKNOWN);
		if (i == 0)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* Its call has ended, and it has no record: it never began, and a higher fee or a new route may do. */
static void
L26_what_the_node_never_began_may_be_tried_again(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *again;

	self->standing.capabilities = &node_capabilities[NODE_KIND_CLN];
	refused_by_node(self);
	again = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	assert_int_equal(asked_and_told(self, again, PAYMENT_NOT_FOUND), NODE_LOOKUP_PAYMENT);
	assert_int_equal(asked_and_told(self, again, PAYMENT_UNAVAILABLE), NODE_PAY);
}

static void
L26_what_was_seen_under_way_again_is_in_doubt(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;

	look_up_as(self, first, PAYMENT_FAILED);
	assert_false(stored(self, first)->in_doubt);
	second = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	look_up_as(self, first, PAYMENT_PENDING);
	assert_true(stored(self, first)->in_doubt);
	self->standing.capabilities = &node_capabilities[NODE_KIND_CLN];
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	for (int i = 0; i < 3; i++)
		assert_int_equal(asked_and_told(self, second, PAYMENT_NOT_FOUND), NODE_LOOKUP_PAYMENT);
	assert_true(instant_is_none(stored(self, second)->checked_at));
	/* paid after all, it is out of doubt */
	look_up_as(self, second, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, second), WITHDRAWAL_SUCCEEDED);
}

/* What is under way is the second one, once that was sent. */
static void
L26_the_second_one_under_way_puts_the_first_in_no_doubt(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;
	NodeTask	task;

	look_up_as(self, first, PAYMENT_FAILED);
	second = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	assert_int_equal(asked_and_told(self, second, PAYMENT_FAILED), NODE_LOOKUP_PAYMENT);
	task = submitted(self, stored(self, second));
	task.call.submit = SUBMIT_ACKED;
	answer(self, &task);
	look_up_as(self, stored(self, first), PAYMENT_PENDING);
	assert_false(stored(self, first)->in_doubt);
	assert_null(stored(self, first)->alarm);
	assert_int_equal(self->alarms.count, 0);
	assert_false(instant_is_none(stored(self, first)->next_look_at));
}

/* The books have another node since, which cannot tell what the one before it still does. */
static void
L26_L67_what_failed_at_a_former_node_is_not_paid_by_its_successor(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_NOT_FOUND, PAYMENT_FAILED};

	for (size_t i = 0; i < 2; i++)
	{
		BitcoinWorld *self = *state;
		Withdrawal *second = asked_again(self);

		assert_true(second->tried_before);
		second->node_account_id = id_of(901);
		in_memory_put(&self->withdrawals.rows, &second->aggregate);
		self->nodes.node.node_account_id = id_of(901);
		self->standing.capabilities = &node_capabilities[NODE_KIND_LND];
		assert_int_equal(asked_and_told(self, second, words[i]), NODE_LOOKUP_PAYMENT);
		assert_int_equal(state_of(self, second), WITHDRAWAL_FAILED);
		assert_string_equal(stored(self, second)->reason, "payment_refused");
		assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 2);
		if (i == 0)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* Books that are a copy call what was reserved unknown: it may have been sent in their other life. */
static void
L26_L46_a_second_one_that_a_copy_of_the_books_doubts_is_sent_in_the_end(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;
	Instant		first_began = stored(self, first)->submitted_at;

	look_up_as(self, first, PAYMENT_FAILED);
	world_wait(&self->world, 60);
	second = stored(self, reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST));
	world_wait(&self->world, 300);
	second->state = WITHDRAWAL_UNKNOWN;
	second->attempt_no = 1;
	second->submitted_at = second->created_at;
	second->submit_deadline = now_of(self);
	in_memory_put(&self->withdrawals.rows, &second->aggregate);
	self->standing.capabilities = &node_capabilities[NODE_KIND_LND];
	for (int i = 0; i < 5 && state_of(self, second) == WITHDRAWAL_UNKNOWN; i++)
	{
		NodeTask	task = looked_up(self, &stored(self, second)->aggregate);

		task.call.verdict = PAYMENT_FAILED;
		task.call.payment = (NodePayment) {.reference = "1", .created_at = first_began};
		answer(self, &task);
		world_wait(&self->world, 61);
	}
	assert_int_equal(state_of(self, second), WITHDRAWAL_RESERVED);
	assert_int_equal(asked_and_told(self, second, PAYMENT_FAILED), NODE_LOOKUP_PAYMENT);
	assert_false(instant_is_none(stored(self, second)->checked_at));
	assert_int_equal(asked_and_told(self, second, PAYMENT_UNAVAILABLE), NODE_PAY);
	assert_int_equal(stored(self, second)->attempt_no, 2);
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

/* --------------------------------------------------------------- kinds of nodes */

static void
L23_a_weak_failure_holds_the_reserve_for_a_day_more(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);

	self->standing.capabilities = &node_capabilities[NODE_KIND_LNBITS];
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
	Withdrawal	beside = withdrawal;

	/* failed only where nobody is left to ask, or nobody was */
	for (int i = 0; i < WITHDRAWAL_STATE_COUNT; i++)
	{
		other = withdrawal;
		other.state = (WithdrawalState) i;
		if (i == WITHDRAWAL_NEEDS_OPERATOR || i == WITHDRAWAL_RESERVED)
		{
			assert_ok(withdrawal_decide_failed(&other, now_of(self)));
			assert_int_equal(other.state, WITHDRAWAL_FAILED);
			assert_int_equal(other.in_doubt, i == WITHDRAWAL_NEEDS_OPERATOR);
		}
		else
			assert_refused(withdrawal_decide_failed(&other, now_of(self)), REFUSED_NOW);
	}
	withdrawal.state = WITHDRAWAL_NEEDS_OPERATOR;
	other = withdrawal;
	assert_ok(withdrawal_decide_failed(&withdrawal, now_of(self)));
	assert_int_equal(withdrawal.state, WITHDRAWAL_FAILED);
	assert_false(instant_is_none(withdrawal.next_look_at));
	/* and paid after all */
	assert_ok(withdrawal_decide_paid(&withdrawal, &proof, false, now_of(self)));
	assert_true(withdrawal.late);
	assert_refused(withdrawal_decide_paid(&withdrawal, &proof, false, now_of(self)), REFUSED_NOW);
	assert_ok(withdrawal_decide_paid(&other, &proof, false, now_of(self)));
	assert_int_equal(other.state, WITHDRAWAL_SUCCEEDED);
	assert_false(other.late);
	/* while another one of its hash is live */
	beside.state = WITHDRAWAL_FAILED;
	assert_ok(withdrawal_decide_paid(&beside, &proof, true, now_of(self)));
	assert_true(beside.late && beside.paid_beside);
	/* what is being sent is its submitter's */
	other.state = WITHDRAWAL_SUBMITTING;
	assert_refused(withdrawal_decide_paid(&other, &proof, false, now_of(self)), REFUSED_NOW);
}

/* Given up while the worker asks what became of the earlier one, or after a try that never left. */
static void
L27_what_is_reserved_ends_by_an_operator_whatever_is_under_way(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second = asked_again(self);
	Withdrawal	given_up = *second;
	NodeTask	task = looked_up(self, &second->aggregate);
	UnitOfWork *work = world_work(&self->world, NULL);
	Aggregate  *found;

	assert_ok(unit_of_work_find(work, &self->withdrawals.port.repository, second->aggregate.id, &found));
	assert_ok(withdrawal_decide_failed((Withdrawal *) found, now_of(self)));
	assert_ok(unit_of_work_complete(work));
	assert_true(instant_is_none(stored(self, second)->next_look_at));
	task.call.verdict = PAYMENT_FAILED;
	answer(self, &task);
	assert_int_equal(state_of(self, second), WITHDRAWAL_FAILED);
	assert_false(plan(self, &stored(self, second)->aggregate, &task));
	/* an answer to the try before is none any more */
	withdrawal_submit(&given_up, &self->nodes.node, now_of(self), 10, 60, 15);
	withdrawal_not_sent(&given_up, given_up.attempt_no, now_of(self));
	assert_ok(withdrawal_decide_failed(&given_up, now_of(self)));
	withdrawal_acknowledged(&given_up, given_up.attempt_no, now_of(self));
	withdrawal_submit(&given_up, &self->nodes.node, now_of(self), 10, 60, 15);
	assert_int_equal(given_up.state, WITHDRAWAL_FAILED);
	assert_int_equal(given_up.attempt_no, 1);
}

/* Given up while the node was asked: whatever it says, the reserve is back, and the payment is the earlier one's. */
static void
L25_L27_the_answer_to_a_check_takes_nothing_for_one_that_was_given_up(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_NOT_FOUND, PAYMENT_PENDING, PAYMENT_FAILED, PAYMENT_SUCCEEDED};
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;
	UnitOfWork *work;
	Aggregate  *found;
	NodeTask	task;

	look_up_as(self, first, PAYMENT_FAILED);
	second = reserved_withdrawal(self, ALICE, OUTSIDE_REQUEST);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	task = looked_up(self, &stored(self, second)->aggregate);
	work = world_work(&self->world, NULL);
	assert_ok(unit_of_work_find(work, &self->withdrawals.port.repository, second->aggregate.id, &found));
	assert_ok(withdrawal_decide_failed((Withdrawal *) found, now_of(self)));
	assert_ok(unit_of_work_complete(work));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		task.call.verdict = words[i];
		task.call.payment = payment_with('x', 700);
		answer(self, &task);
		assert_int_equal(state_of(self, second), WITHDRAWAL_FAILED);
		assert_true(instant_is_none(stored(self, second)->next_look_at));
	}
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 0);
	assert_int_equal(stored(self, first)->next_look_at.microseconds, now_of(self).microseconds);
	look_up_as(self, stored(self, first), PAYMENT_SUCCEEDED);
	assert_true(stored(self, first)->late);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
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
		WORLD_TEST(L26_what_never_arrived_is_checked_again_before_it_is_sent_again),
		WORLD_TEST(L26_a_node_that_pays_twice_must_know_that_the_first_is_dead),
		WORLD_TEST(L26_what_waits_for_the_first_to_be_dead_ends_when_no_payment_can_be_open),
		WORLD_TEST(L23_L26_failed_without_proof_it_is_not_paid_again),
		WORLD_TEST(L24_the_record_that_the_check_saw_fails_no_later_attempt),
		WORLD_TEST(L26_what_the_node_never_began_may_be_tried_again),
		WORLD_TEST(L26_what_was_seen_under_way_again_is_in_doubt),
		WORLD_TEST(L26_the_second_one_under_way_puts_the_first_in_no_doubt),
		WORLD_TEST(L26_L67_what_failed_at_a_former_node_is_not_paid_by_its_successor),
		WORLD_TEST(L26_L46_a_second_one_that_a_copy_of_the_books_doubts_is_sent_in_the_end),
		WORLD_TEST(L26_what_was_paid_meanwhile_is_not_paid_again),
		WORLD_TEST(L23_a_weak_failure_holds_the_reserve_for_a_day_more),
		WORLD_TEST(L45_what_a_forgetful_node_had_needs_an_operator),
		WORLD_TEST(L11_another_node_decides_nothing_but_by_proof),
		WORLD_TEST(L44_nothing_is_paid_while_it_is_stopped),
		WORLD_TEST(an_operator_decides_what_no_node_can_tell),
		WORLD_TEST(L27_what_is_reserved_ends_by_an_operator_whatever_is_under_way),
		WORLD_TEST(L25_L27_the_answer_to_a_check_takes_nothing_for_one_that_was_given_up),
		WORLD_TEST(L25_the_second_payment_of_a_hash_is_booked_as_a_late_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
