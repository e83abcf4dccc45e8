/*
 * test_withdrawal_amounts.c
 *		Withdrawals of one hash that ask for different amounts: which of them a
 *		payment is of.
 */
#include "bitcoin_world.h"

static Withdrawal *
stored(BitcoinWorld *self, const Withdrawal *withdrawal)
{
	return stored_withdrawal(self, withdrawal->aggregate.id);
}

/* ------------------------------------- one request that names no amount, asked for twice */

#define NAMES_NONE "regtest/x/0/3600/o"

/* Reserved, and rested. */
static Withdrawal *
asked_for(BitcoinWorld *self, int64_t msat)
{
	UnitOfWork *work = world_work(&self->world, NULL);
	AskWithdrawal command = {.account_id = ALICE, .payment_request = NAMES_NONE, .amount = AMOUNT_MSAT(msat)};
	Withdrawal *withdrawal;

	assert_ok(bitcoin_withdraw(&self->context, work, &command, &withdrawal));
	assert_ok(unit_of_work_complete(work));
	hear_accepted(self, withdrawal->aggregate.id);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	return stored(self, withdrawal);
}

/* What the node says of the hash next. */
static void
told(BitcoinWorld *self, Withdrawal *withdrawal, PaymentAnswer verdict, int64_t msat)
{
	NodeTask	task = looked_up(self, &stored(self, withdrawal)->aggregate);

	task.call.verdict = verdict;
	task.call.payment = payment_with('x', 700);
	task.call.payment.amount = AMOUNT_MSAT(msat);
	answer(self, &task);
}

static Withdrawal *
sent_and_failed(BitcoinWorld *self, int64_t msat)
{
	Withdrawal *withdrawal = asked_for(self, msat);
	NodeTask	task;

	if (withdrawal->tried_before)
		told(self, withdrawal, PAYMENT_FAILED, msat);
	task = submitted(self, withdrawal);
	task.call.submit = SUBMIT_REJECTED;
	task.call.payment.reference = arena_printf(self->world.arena, "%lld", (long long) msat);
	answer(self, &task);
	return stored(self, withdrawal);
}

static void
L25_L26_what_was_paid_for_the_first_amount_is_no_payment_of_the_second(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = sent_and_failed(self, 5000000);
	Withdrawal *second = asked_for(self, 7000000);
	const bitcoin_payment_succeeded *event;

	/* the check before it is sent finds the payment */
	told(self, second, PAYMENT_SUCCEEDED, 5000000);
	assert_int_equal(state_of(self, second), WITHDRAWAL_FAILED);
	assert_string_equal(stored(self, second)->reason, "payment_request_used");
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 0);
	/* and the one that it is of is looked at at once, and booked with its own amount */
	assert_int_equal(stored(self, first)->next_look_at.microseconds, now_of(self).microseconds);
	told(self, first, PAYMENT_SUCCEEDED, 5000000);
	assert_int_equal(state_of(self, first), WITHDRAWAL_SUCCEEDED);
	event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
	assert_int_equal(event->amount_msat.msat, 5000000);
	assert_true(event->late);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
L25_L26_where_the_second_was_sent_too_an_operator_decides(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = sent_and_failed(self, 5000000);
	Withdrawal *second = asked_for(self, 7000000);
	UnitOfWork *work;
	Aggregate  *found;
	NodeTask	task;

	told(self, second, PAYMENT_FAILED, 5000000);
	task = submitted(self, second);
	task.call.submit = SUBMIT_SETTLED;
	task.call.payment = payment_with('x', 700);	/* 5,000,000 */
	answer(self, &task);
	for (int i = 0; i < 2; i++)
	{
		assert_int_equal(state_of(self, second), WITHDRAWAL_NEEDS_OPERATOR);
		assert_non_null(strstr(stored(self, second)->alarm, "another amount"));
		told(self, second, PAYMENT_SUCCEEDED, i == 0 ? 5000000 : 0);
	}
	assert_int_equal(self->alarms.count, 1);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 0);
	/* the one payment is the first one's, whatever becomes of the second */
	told(self, first, PAYMENT_SUCCEEDED, 5000000);
	assert_int_equal(state_of(self, first), WITHDRAWAL_SUCCEEDED);
	assert_true(stored(self, first)->late && stored(self, first)->paid_beside);
	/* and that was never paid */
	work = world_work(&self->world, NULL);
	assert_ok(unit_of_work_find(work, &self->withdrawals.port.repository, second->aggregate.id, &found));
	assert_ok(withdrawal_decide_failed((Withdrawal *) found, now_of(self)));
	assert_ok(unit_of_work_complete(work));
	told(self, second, PAYMENT_SUCCEEDED, 5000000);
	assert_int_equal(state_of(self, second), WITHDRAWAL_FAILED);
	/* or the node did pay what it asked for */
	second = stored(self, second);
	assert_ok(withdrawal_decide_paid(second, &(ProvenPayment) {.preimage = "preimage"}, false, now_of(self)));
	assert_int_equal(second->state, WITHDRAWAL_SUCCEEDED);
}

/* ------------------------------------- two requests of one hash that name different amounts */

#define SMALL_REQUEST "regtest/x/1000/3600/o"

/* The large one has failed at the node; the small one is reserved, and rested. */
static void
ask_large_then_small(BitcoinWorld *self, Withdrawal **large, Withdrawal **small)
{
	*large = unknown_withdrawal(self);
	look_up_as(self, *large, PAYMENT_FAILED);
	assert_int_equal(state_of(self, *large), WITHDRAWAL_FAILED);
	*small = reserved_withdrawal(self, ALICE, SMALL_REQUEST);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
}

static void
L25_L26_a_late_payment_of_one_request_is_none_of_another_of_its_hash(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *large;
	Withdrawal *small;
	const bitcoin_payment_succeeded *event;

	ask_large_then_small(self, &large, &small);
	told(self, small, PAYMENT_SUCCEEDED, 5000000);
	assert_int_equal(state_of(self, small), WITHDRAWAL_FAILED);
	assert_string_equal(stored(self, small)->reason, "payment_request_used");
	told(self, large, PAYMENT_SUCCEEDED, 5000000);
	assert_int_equal(state_of(self, large), WITHDRAWAL_SUCCEEDED);
	event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
	assert_int_equal(event->amount_msat.msat, 5000000);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

/* Also while the other one is live: it is booked beside that one. */
static void
L25_L26_each_of_two_requests_of_a_hash_is_booked_with_its_own_payment(void **state)
{
	for (int is_small = 0; is_small < 2; is_small++)
	{
		BitcoinWorld *self = *state;
		int64_t		paid = is_small ? 1000 : 5000000;
		Withdrawal *large;
		Withdrawal *small;
		const bitcoin_payment_succeeded *event;
		NodeTask	task;

		ask_large_then_small(self, &large, &small);
		told(self, small, PAYMENT_FAILED, 5000000);
		task = submitted(self, stored(self, small));
		task.call.submit = SUBMIT_AMBIGUOUS;
		answer(self, &task);
		told(self, small, PAYMENT_SUCCEEDED, paid);
		told(self, large, PAYMENT_SUCCEEDED, paid);
		assert_int_equal(state_of(self, small), is_small ? WITHDRAWAL_SUCCEEDED : WITHDRAWAL_NEEDS_OPERATOR);
		assert_int_equal(state_of(self, large), is_small ? WITHDRAWAL_FAILED : WITHDRAWAL_SUCCEEDED);
		assert_int_equal(stored(self, large)->paid_beside, !is_small);
		event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
		assert_int_equal(event->amount_msat.msat, paid);
		assert_int_equal(event->late, !is_small);
		assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
		if (!is_small)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* A node that does not say how much it has paid, or says what nobody asked for. */
static void
L25_L26_a_payment_that_fits_neither_request_is_not_the_first_ones(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *large;
	Withdrawal *small;

	ask_large_then_small(self, &large, &small);
	told(self, large, PAYMENT_SUCCEEDED, 0);
	told(self, large, PAYMENT_SUCCEEDED, 77000);
	assert_int_equal(state_of(self, large), WITHDRAWAL_FAILED);
	told(self, small, PAYMENT_SUCCEEDED, 0);
	assert_int_equal(state_of(self, small), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
L25_of_two_that_failed_the_one_of_the_paid_amount_is_booked(void **state)
{
	for (int paid = 0; paid < 2; paid++)
	{
		BitcoinWorld *self = *state;
		Withdrawal *both[2];
		int64_t		amounts[] = {5000000, 7000000};

		both[0] = sent_and_failed(self, amounts[0]);
		both[1] = sent_and_failed(self, amounts[1]);
		told(self, both[1 - paid], PAYMENT_SUCCEEDED, amounts[paid]);
		assert_int_equal(state_of(self, both[1 - paid]), WITHDRAWAL_FAILED);
		told(self, both[paid], PAYMENT_SUCCEEDED, amounts[paid]);
		assert_int_equal(state_of(self, both[paid]), WITHDRAWAL_SUCCEEDED);
		assert_true(stored(self, both[paid])->late);
		if (paid == 0)
		{
			/* another world for the other one */
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* Whichever of them is looked at first. */
static void
L25_L26_of_two_that_failed_with_one_amount_one_is_booked_beside_a_third(void **state)
{
	for (int first_look = 0; first_look < 2; first_look++)
	{
		BitcoinWorld *self = *state;
		Withdrawal *failed[2];
		Withdrawal *third;
		NodeTask	task;

		failed[0] = sent_and_failed(self, 5000000);
		failed[1] = sent_and_failed(self, 5000000);
		third = asked_for(self, 7000000);
		told(self, third, PAYMENT_FAILED, 5000000);
		task = submitted(self, stored(self, third));
		task.call.submit = SUBMIT_AMBIGUOUS;
		answer(self, &task);
		told(self, failed[first_look], PAYMENT_SUCCEEDED, 5000000);
		told(self, failed[1 - first_look], PAYMENT_SUCCEEDED, 5000000);
		told(self, failed[0], PAYMENT_SUCCEEDED, 5000000);
		assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
		assert_int_equal(state_of(self, failed[0]), WITHDRAWAL_FAILED);
		assert_int_equal(state_of(self, failed[1]), WITHDRAWAL_SUCCEEDED);
		if (first_look == 0)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* What a node makes late is what it was told last: of two people who asked for one request, the second pays. */
static void
L25_of_two_that_failed_with_one_amount_the_one_that_was_sent_last_is_booked(void **state)
{
	for (int first_look = 0; first_look < 2; first_look++)
	{
		BitcoinWorld *self = *state;
		Withdrawal *failed[2];
		const bitcoin_payment_succeeded *event;

		failed[0] = sent_and_failed(self, 5000000);
		failed[1] = sent_and_failed(self, 5000000);
		told(self, failed[first_look], PAYMENT_SUCCEEDED, 5000000);
		told(self, failed[1 - first_look], PAYMENT_SUCCEEDED, 5000000);
		assert_int_equal(state_of(self, failed[0]), WITHDRAWAL_FAILED);
		assert_int_equal(state_of(self, failed[1]), WITHDRAWAL_SUCCEEDED);
		event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
		assert_true(uuid_equal(event->invoice_id, failed[1]->aggregate.id));
		assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
		if (first_look == 0)
		{
			world_destroy(&self->world);
			bitcoin_world_init(self);
		}
	}
}

/* Behind an open breaker, say: meanwhile the first one may have been paid after all. */
static void
L26_what_waits_after_its_check_is_checked_again(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *second;

	(void) sent_and_failed(self, 5000000);
	second = asked_for(self, 5000000);
	told(self, second, PAYMENT_FAILED, 5000000);
	second = stored(self, second);
	assert_int_equal(withdrawal_step(second, now_of(self)), WITHDRAWAL_PAY);
	withdrawal_wait(second, 15, now_of(self));
	assert_int_equal(withdrawal_step(second, now_of(self)), WITHDRAWAL_CHECK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(L25_L26_what_was_paid_for_the_first_amount_is_no_payment_of_the_second),
		WORLD_TEST(L25_L26_where_the_second_was_sent_too_an_operator_decides),
		WORLD_TEST(L25_L26_a_late_payment_of_one_request_is_none_of_another_of_its_hash),
		WORLD_TEST(L25_L26_each_of_two_requests_of_a_hash_is_booked_with_its_own_payment),
		WORLD_TEST(L25_L26_a_payment_that_fits_neither_request_is_not_the_first_ones),
		WORLD_TEST(L25_L26_of_two_that_failed_with_one_amount_one_is_booked_beside_a_third),
		WORLD_TEST(L26_what_waits_after_its_check_is_checked_again),
		WORLD_TEST(L25_of_two_that_failed_the_one_of_the_paid_amount_is_booked),
		WORLD_TEST(L25_of_two_that_failed_with_one_amount_the_one_that_was_sent_last_is_booked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
