/*
 * test_bitcoin_payments.c
 *		Withdrawals through the node: what bitcoin does when a user, the ledger
 *		or a node says something, without a server.
 */
#include "bitcoin_world.h"

/* ------------------------------------------------------------------ withdrawals */

static void
S29_L22_a_withdrawal_is_reserved_then_paid_then_booked(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		id = withdraw(self, ALICE, OUTSIDE);
	const accounting_request_withdraw *request =
		world_emitted(&self->world, &accounting_request_withdraw_type)->payload;
	const bitcoin_payment_succeeded *event;
	Withdrawal *withdrawal;
	NodeTask	task;

	assert_int_equal(request->amount_msat.msat, 5000000);
	assert_int_equal(request->max_fee_msat.msat, 50000);
	assert_string_equal(request->idempotency_key, text_of(&id));
	assert_false(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	hear_accepted(self, id);
	assert_int_equal(world_count(&self->world, &bitcoin_pay_invoice_type), 1);
	withdrawal = stored_withdrawal(self, id);
	task = submitted(self, withdrawal);
	/* I12: what is reserved is what the node is told */
	assert_int_equal(task.call.max_fee.msat, withdrawal->max_fee.msat);
	assert_int_equal(task.call.amount.msat, 0);
	assert_string_equal(task.call.payment_request, OUTSIDE);
	task.call.submit = SUBMIT_SETTLED;
	task.call.payment = payment_with('x', 700);
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
	event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
	assert_int_equal(event->amount_msat.msat, 5000000);
	assert_int_equal(event->fee_msat.msat, 700);
	assert_int_equal(event->max_fee_msat.msat, 50000);
	assert_false(event->late);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
S30_a_rejected_withdrawal_never_reaches_the_node(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		id = withdraw(self, ALICE, OUTSIDE);
	Withdrawal *withdrawal = stored_withdrawal(self, id);
	Message		rejected = MESSAGE_OF(&self->world, accounting_withdraw_rejected, id,
									  .account_id = ALICE, .idempotency_key = "k",
									  .amount_msat = withdrawal->amount, .max_fee_msat = withdrawal->max_fee,
									  .invoice_id = id, .reason = "insufficient_funds");
	NodeTask	task;

	hear(self, rejected);
	hear(self, rejected);
	withdrawal = stored_withdrawal(self, id);
	assert_string_equal(withdrawal_status(withdrawal->state), "rejected");
	assert_string_equal(withdrawal->reason, "insufficient_funds");
	assert_false(plan(self, &withdrawal->aggregate, &task));
}

/* A copy of the books cannot know what their other life has sent. */
static void
L46_what_another_life_of_the_books_may_have_sent_is_looked_up_first(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		id = withdraw(self, ALICE, OUTSIDE);
	Withdrawal *withdrawal = stored_withdrawal(self, id);
	NodeTask	task;

	withdrawal->attempt_no = 1;
	withdrawal->submitted_at = withdrawal->created_at;
	withdrawal->submit_deadline = now_of(self);
	in_memory_put(&self->withdrawals.rows, &withdrawal->aggregate);
	hear_accepted(self, id);
	withdrawal = stored_withdrawal(self, id);
	assert_int_equal(withdrawal->state, WITHDRAWAL_UNKNOWN);
	assert_true(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_LOOKUP_PAYMENT);
	task.call.verdict = PAYMENT_SUCCEEDED;
	task.call.payment = payment_with('x', 700);
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
S31_L15_the_hash_is_the_key(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		first = withdraw(self, ALICE, OUTSIDE);
	UnitOfWork *work = world_work(&self->world, NULL);
	AskWithdrawal other_fee = {.account_id = ALICE, .payment_request = OUTSIDE, .has_max_fee = true};
	Withdrawal *again;

	assert_ok(try_withdraw(self, ALICE, OUTSIDE, &again));
	assert_true(uuid_equal(again->aggregate.id, first));
	assert_refused(bitcoin_withdraw(&self->context, work, &other_fee, &again), IDEMPOTENCY_MISMATCH);
	assert_refused(try_withdraw(self, BOB, OUTSIDE, &again), PAYMENT_REQUEST_USED);
	/* the same hash in another request */
	assert_refused(try_withdraw(self, ALICE, "regtest/x/6000000/3600/o", &again), IDEMPOTENCY_MISMATCH);
	assert_int_equal(world_count(&self->world, &accounting_request_withdraw_type), 1);
	/* also once it is paid, and after it has expired */
	hear_accepted(self, first);
	{
		NodeTask	task = submitted(self, stored_withdrawal(self, first));

		task.call.submit = SUBMIT_SETTLED;
		task.call.payment = payment_with('x', 0);
		answer(self, &task);
	}
	world_wait(&self->world, 7200);
	assert_ok(try_withdraw(self, ALICE, OUTSIDE, &again));
	assert_true(uuid_equal(again->aggregate.id, first));
}

static void
S36_L26_a_rejected_one_asked_again_is_a_new_row(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		first = withdraw(self, ALICE, OUTSIDE);
	Uuid		second;
	UnitOfWork *work = world_work(&self->world, NULL);
	Aggregate  *found;

	assert_ok(unit_of_work_find(work, &self->withdrawals.port.repository, first, &found));
	assert_true(withdrawal_reject((Withdrawal *) found, "insufficient_funds"));
	assert_ok(unit_of_work_complete(work));
	second = withdraw(self, ALICE, OUTSIDE);
	assert_false(uuid_equal(first, second));
	assert_false(stored_withdrawal(self, second)->tried_before);
	hear_accepted(self, second);
	assert_int_equal(stored_withdrawal(self, first)->state, WITHDRAWAL_REJECTED);
	assert_int_equal(stored_withdrawal(self, second)->state, WITHDRAWAL_RESERVED);
}

static void
S37_L13_requests_that_cannot_be_paid_are_refused(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal;

	assert_refused(try_withdraw(self, ALICE, "nonsense", &withdrawal), PAYMENT_REQUEST_MALFORMED);
	assert_refused(try_withdraw(self, ALICE, "bitcoin/x/5000/3600/o", &withdrawal), PAYMENT_REQUEST_OF_OTHER_NETWORK);
	assert_refused(try_withdraw(self, ALICE, "regtest/x/5000/29/o", &withdrawal), PAYMENT_REQUEST_EXPIRED);
	assert_refused(try_withdraw(self, ALICE, "regtest/x/0/3600/o", &withdrawal), AMOUNT_MISSING);
	assert_refused(try_withdraw(self, ALICE, "regtest/x/5000/3600/n", &withdrawal), PAYMENT_REFUSED);
	assert_ok(try_withdraw(self, ALICE, "regtest/x/999/30/o", &withdrawal));
	assert_int_equal(withdrawal->amount.msat, 999);
}

static void
L13_what_runs_out_on_its_way_fails_as_any_other(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		id = withdraw(self, ALICE, "regtest/x/5000/30/o");
	NodeTask	task;

	hear_accepted(self, id);
	world_wait(&self->world, 30);
	assert_false(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_FAILED);
	assert_string_equal(stored_withdrawal(self, id)->reason, "payment_request_expired");
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 1);
}

static void
a_withdrawal_is_taken_before_the_node_was_ever_met(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *early;
	Withdrawal *own;
	NodeTask	task;

	self->nodes.is_recorded = false;
	self->standing.node = NULL;
	assert_ok(try_withdraw(self, ALICE, "regtest/x/5000/3600/o", &early));
	assert_ok(try_withdraw(self, ALICE, "regtest/y/5000/3600/n", &own));
	assert_true(uuid_equal(early->node_account_id, FIRST_NODE_ACCOUNT_ID));
	hear_accepted(self, early->aggregate.id);
	hear_accepted(self, own->aggregate.id);
	assert_false(plan(self, &early->aggregate, &task));

	/* It is met: what is not its own is paid. */
	self->nodes.node.node_account_id = FIRST_NODE_ACCOUNT_ID;
	self->nodes.is_recorded = true;
	self->standing.node = &self->nodes.node;
	assert_true(plan(self, &early->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_PAY);
	assert_false(plan(self, &own->aggregate, &task));
	assert_int_equal(stored_withdrawal(self, own->aggregate.id)->state, WITHDRAWAL_FAILED);
	assert_string_equal(stored_withdrawal(self, own->aggregate.id)->reason, "payment_refused");
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 1);
}

static void
L14_an_amount_of_the_caller_is_told_to_the_node(void **state)
{
	BitcoinWorld *self = *state;
	UnitOfWork *work = world_work(&self->world, NULL);
	AskWithdrawal command = {.account_id = ALICE, .payment_request = "regtest/x/0/3600/o", .amount = AMOUNT_MSAT(21000)};
	Withdrawal *withdrawal;
	NodeTask	task;

	assert_ok(bitcoin_withdraw(&self->context, work, &command, &withdrawal));
	assert_ok(unit_of_work_complete(work));
	hear_accepted(self, withdrawal->aggregate.id);
	task = submitted(self, stored_withdrawal(self, withdrawal->aggregate.id));
	assert_int_equal(task.call.amount.msat, 21000);
}

static void
S33_a_final_failure_gives_the_reserve_back(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	task = submitted(self, withdrawal);
	const bitcoin_payment_failed *event;

	task.call.submit = SUBMIT_REJECTED;
	task.call.failure = NODE_FAILURE_FEE_LIMIT;
	task.call.words = "no route\nbelow the limit";
	answer(self, &task);
	withdrawal = stored_withdrawal(self, withdrawal->aggregate.id);
	assert_int_equal(withdrawal->state, WITHDRAWAL_FAILED);
	assert_string_equal(withdrawal->reason, "fee_limit_too_low");
	assert_string_equal(withdrawal->node_words, "no route?below the limit");
	event = world_emitted(&self->world, &bitcoin_payment_failed_type)->payload;
	assert_int_equal(event->amount_msat.msat, 5000000);
	assert_int_equal(event->max_fee_msat.msat, 50000);
	assert_string_equal(event->reason, "fee_limit_too_low");
	/* asking again is a new row, which knows of the old one */
	assert_true(stored_withdrawal(self, withdraw(self, ALICE, OUTSIDE))->tried_before);
}

static void
S34_ambiguous_stays_reserved_until_the_node_knows(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);

	for (int i = 0; i < 50; i++)
	{
		look_up_as(self, withdrawal, PAYMENT_UNAVAILABLE);
		world_wait(&self->world, 3600);
	}
	look_up_as(self, withdrawal, PAYMENT_PENDING);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_IN_FLIGHT);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 0);
	look_up_as(self, withdrawal, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

static void
L8_the_words_of_a_node_are_cut_and_made_harmless(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	task = submitted(self, withdrawal);
	char		endless[5000];

	assert_null(harmless_words(self->world.arena, NULL));
	assert_string_equal(harmless_words(self->world.arena, ""), "");
	/* neither bytes of another encoding nor what a terminal or a log would follow */
	assert_string_equal(harmless_words(self->world.arena, "\xc3\x28\xff\x1b[2J\r\n\t\x7f%s%n'; DROP TABLE x --<b>"),
						"?(??[2J????%s%n'; DROP TABLE x --<b>");
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	task.call.submit = SUBMIT_AMBIGUOUS;
	task.call.words = endless;
	answer(self, &task);
	assert_int_equal(strlen(stored_withdrawal(self, withdrawal->aggregate.id)->node_words), 200);
	/* its names of records are words, too */
	task = looked_up(self, &stored_withdrawal(self, withdrawal->aggregate.id)->aggregate);
	task.call.verdict = PAYMENT_PENDING;
	task.call.payment.reference = "1\n2";
	answer(self, &task);
	assert_string_equal(stored_withdrawal(self, withdrawal->aggregate.id)->node_reference, "1?2");
}

static void
L12_the_time_for_new_attempts_is_told_and_ends_with_the_invoice(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *long_one = reserved_withdrawal(self, ALICE, OUTSIDE);
	Withdrawal *short_one = reserved_withdrawal(self, BOB, "regtest/y/1000/40/o");

	assert_int_equal(submitted(self, long_one).call.seconds, 60);
	assert_int_equal(submitted(self, short_one).call.seconds, 40);
}

/* Refused for whoever asks: nothing is said of the payment. */
static void
L20_what_the_credential_may_not_pay_waits(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);

	for (int64_t i = 1; i <= 3; i++)
	{
		NodeTask	task = submitted(self, stored_withdrawal(self, withdrawal->aggregate.id));

		assert_int_equal(task.attempt_no, i);
		task.call.submit = SUBMIT_NOT_ALLOWED;
		task.call.failure = NODE_FAILURE_NOT_ALLOWED;
		answer(self, &task);
		assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_RESERVED);
		assert_true(instant_before(now_of(self), stored_withdrawal(self, withdrawal->aggregate.id)->next_look_at));
	}
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 0);
}

static void
L2_success_without_proof_is_none(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	task = submitted(self, withdrawal);

	task.call.submit = SUBMIT_SETTLED;
	task.call.payment = payment_with('y', 700);
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	for (int i = 0; i < 2; i++)
	{
		NodeTask	look = looked_up(self, &withdrawal->aggregate);

		look.call.verdict = PAYMENT_SUCCEEDED;
		look.call.payment = payment_with(i == 0 ? '\0' : 'x', 700);
		look.call.payment.has_preimage = i == 0;
		answer(self, &look);
		assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	}
	assert_int_equal(self->alarms.count, 1);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 0);
}

static void
S35_found_in_submitting_it_is_looked_up_and_never_sent(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);

	(void) submitted(self, withdrawal);
	/* the worker is gone; the next one finds the row due */
	look_up_as(self, withdrawal, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(stored_withdrawal(self, withdrawal->aggregate.id)->attempt_no, 1);
}

static void
L19_the_answer_to_an_abandoned_submission_still_counts(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	slow = submitted(self, withdrawal);

	look_up_as(self, withdrawal, PAYMENT_UNAVAILABLE);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	slow.call.submit = SUBMIT_SETTLED;
	slow.call.payment = payment_with('x', 1);
	answer(self, &slow);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
}

static void
L29_not_found_leads_to_a_second_attempt_in_time(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	NodeTask	task;

	world_wait(&self->world, 70);
	look_up_as(self, withdrawal, PAYMENT_NOT_FOUND);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	world_wait(&self->world, 1);
	/* not from a node that is not ready */
	self->standing.is_ready = false;
	look_up_as(self, withdrawal, PAYMENT_NOT_FOUND);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	self->standing.is_ready = true;
	look_up_as(self, withdrawal, PAYMENT_NOT_FOUND);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_RESERVED);
	task = submitted(self, withdrawal);
	assert_int_equal(task.attempt_no, 2);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 0);
}

static void
L11_another_node_pays_nothing(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	task;

	self->standing = (NodeStanding) {.node = NULL};
	assert_false(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_RESERVED);
	self->standing = (NodeStanding) {.node = &self->nodes.node, .may_pay = true};
	assert_false(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_RESERVED);
}

/* Own capital: what the balance does not cover is not sent, and tried again soon. */
static void
L44_a_payment_that_would_take_of_own_capital_waits(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	int64_t		payment = withdrawal->amount.msat + withdrawal->max_fee.msat;
	Purse		purse = {.own = {5000}};
	PaymentsBegun nothing = {AMOUNT_ZERO, AMOUNT_ZERO};
	NodeTask	task;

	self->standing.purse = &purse;
	assert_false(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(purse.wanted.msat, 0);
	purse_fill(&purse, &(NodeBalance) {{5000 + payment - 1}, {0}}, &nothing, false);
	assert_false(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(purse.wanted.msat, payment);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_RESERVED);
	assert_int_equal(stored_withdrawal(self, withdrawal->aggregate.id)->next_look_at.microseconds,
					 instant_plus_seconds(self->world.clock.now, 1).microseconds);
	purse_fill(&purse, &(NodeBalance) {{5000 + payment}, {0}}, &nothing, false);
	assert_true(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(purse.left.msat, 5000);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUBMITTING);
}

static void
an_invoice_that_expires_unsent_fails_without_a_node(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	task;

	self->standing = (NodeStanding) {.node = NULL};
	world_wait(&self->world, 3600);
	assert_false(plan(self, &withdrawal->aggregate, &task));
	withdrawal = stored_withdrawal(self, withdrawal->aggregate.id);
	assert_int_equal(withdrawal->state, WITHDRAWAL_FAILED);
	assert_string_equal(withdrawal->reason, "payment_request_expired");
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 1);
}

/* An operator has changed the node while it was being asked. */
static void
L67_of_the_node_that_was_left_only_a_proof_counts(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_PENDING, PAYMENT_FAILED, PAYMENT_NOT_FOUND, PAYMENT_SUCCEEDED};
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);

	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_FAILED);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		NodeTask	look = looked_up(self, &withdrawal->aggregate);

		look.call.verdict = words[i];
		look.call.payment = payment_with('x', 700);
		self->nodes.node.node_account_id = id_of(901);
		answer(self, &look);
		self->nodes.node.node_account_id = id_of(900);
		assert_int_equal(state_of(self, withdrawal), words[i] == PAYMENT_SUCCEEDED ? WITHDRAWAL_SUCCEEDED : WITHDRAWAL_FAILED);
		assert_false(stored_withdrawal(self, withdrawal->aggregate.id)->in_doubt);
	}
}

static void
L25_late_success_is_booked_as_late(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	const bitcoin_payment_succeeded *event;

	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_FAILED);
	look_up_as(self, withdrawal, PAYMENT_FAILED);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 1);
	look_up_as(self, withdrawal, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
	event = world_emitted(&self->world, &bitcoin_payment_succeeded_type)->payload;
	assert_true(event->late);
	assert_int_equal(self->alarms.count, 1);
}

static void
L25_one_payment_is_booked_once_for_two_rows(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;
	NodeTask	task;

	look_up_as(self, first, PAYMENT_FAILED);
	second = reserved_withdrawal(self, ALICE, OUTSIDE);
	/* the node had paid the first after all: one payment, one debit, the newer row's */
	look_up_as(self, first, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, first), WITHDRAWAL_FAILED);
	/* and it is not sent again: the node is asked first */
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	assert_true(plan(self, &stored_withdrawal(self, second->aggregate.id)->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_LOOKUP_PAYMENT);
	task.call.verdict = PAYMENT_SUCCEEDED;
	task.call.payment = payment_with('x', 700);
	answer(self, &task);
	assert_int_equal(stored_withdrawal(self, second->aggregate.id)->attempt_no, 0);
	look_up_as(self, first, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, first), WITHDRAWAL_FAILED);
	assert_int_equal(state_of(self, second), WITHDRAWAL_SUCCEEDED);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 1);
}

/* A node may call failed what it has paid a moment later: sent at once, it would be paid twice. */
static void
L26_a_hash_that_has_failed_rests_before_it_is_sent_again(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;
	Instant		rested;

	look_up_as(self, first, PAYMENT_FAILED);
	second = reserved_withdrawal(self, ALICE, OUTSIDE);
	second = stored_withdrawal(self, second->aggregate.id);
	rested = instant_plus_seconds(second->created_at, WITHDRAWAL_REST_SECONDS);
	assert_true(second->tried_before);
	assert_int_equal(second->next_look_at.microseconds, rested.microseconds);
	/* what the ledger refused was seen by no node */
	second->tried_before = false;
	second->state = WITHDRAWAL_REQUESTED;
	assert_true(withdrawal_accept(second, now_of(self)));
	assert_int_equal(second->next_look_at.microseconds, now_of(self).microseconds);
	/* a slow ledger is rest enough */
	second->tried_before = true;
	second->state = WITHDRAWAL_REQUESTED;
	assert_true(withdrawal_accept(second, at(self, 60)));
	assert_int_equal(second->next_look_at.microseconds, at(self, 60).microseconds);
}

static void
a_reserve_that_was_not_asked_for_is_a_fault(void **state)
{
	BitcoinWorld *self = *state;
	Uuid		id = withdraw(self, ALICE, OUTSIDE);
	Message		less = MESSAGE_OF(&self->world, accounting_withdraw_accepted, id,
								  .account_id = ALICE, .idempotency_key = "k", .amount_msat = AMOUNT_MSAT(1),
								  .max_fee_msat = AMOUNT_MSAT(50000), .invoice_id = id,
								  .node_account_id = id_of(900), .transfer_id = id_of(800),
								  .created_at = now_of(self));

	assert_refused(consumer_handle(&self->consumer, world_work(&self->world, &less), &less), INTERNAL);
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_REQUESTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(S29_L22_a_withdrawal_is_reserved_then_paid_then_booked),
		WORLD_TEST(S30_a_rejected_withdrawal_never_reaches_the_node),
		WORLD_TEST(L46_what_another_life_of_the_books_may_have_sent_is_looked_up_first),
		WORLD_TEST(S31_L15_the_hash_is_the_key),
		WORLD_TEST(S36_L26_a_rejected_one_asked_again_is_a_new_row),
		WORLD_TEST(S37_L13_requests_that_cannot_be_paid_are_refused),
		WORLD_TEST(L13_what_runs_out_on_its_way_fails_as_any_other),
		WORLD_TEST(a_withdrawal_is_taken_before_the_node_was_ever_met),
		WORLD_TEST(L14_an_amount_of_the_caller_is_told_to_the_node),
		WORLD_TEST(S33_a_final_failure_gives_the_reserve_back),
		WORLD_TEST(S34_ambiguous_stays_reserved_until_the_node_knows),
		WORLD_TEST(L8_the_words_of_a_node_are_cut_and_made_harmless),
		WORLD_TEST(L12_the_time_for_new_attempts_is_told_and_ends_with_the_invoice),
		WORLD_TEST(L20_what_the_credential_may_not_pay_waits),
		WORLD_TEST(L2_success_without_proof_is_none),
		WORLD_TEST(S35_found_in_submitting_it_is_looked_up_and_never_sent),
		WORLD_TEST(L19_the_answer_to_an_abandoned_submission_still_counts),
		WORLD_TEST(L29_not_found_leads_to_a_second_attempt_in_time),
		WORLD_TEST(L11_another_node_pays_nothing),
		WORLD_TEST(L44_a_payment_that_would_take_of_own_capital_waits),
		WORLD_TEST(L67_of_the_node_that_was_left_only_a_proof_counts),
		WORLD_TEST(an_invoice_that_expires_unsent_fails_without_a_node),
		WORLD_TEST(L25_late_success_is_booked_as_late),
		WORLD_TEST(L26_a_hash_that_has_failed_rests_before_it_is_sent_again),
		WORLD_TEST(L25_one_payment_is_booked_once_for_two_rows),
		WORLD_TEST(a_reserve_that_was_not_asked_for_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
