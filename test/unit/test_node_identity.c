/*
 * test_node_identity.c
 *		L4, L11: a word by which something ends counts only where the node was asked
 *		after it who it is, and was the one of the books.  Between two such questions
 *		another node may stand there, which knows nothing of ours.
 */
#include "bitcoin_world.h"

/* The node is asked who it is, and is the one of the books. */
static void
recognised(BitcoinWorld *self)
{
	identity_question_begin(&self->standing.questions);
	identity_question_recognise(&self->standing.questions);
}

/* It has said so; a second later it answers the call. */
static void
answered_since(BitcoinWorld *self, NodeTask *task)
{
	recognised(self);
	world_wait(&self->world, 1);
	task->named_by = identity_question_after(&self->standing.questions);
}

/* Nobody knows who has answered, and all is as if nobody had. */
static void
answered_by_whomever(BitcoinWorld *self, NodeTask *task)
{
	NodeTask	heard = *task;

	answered_since(self, &heard);
	assert_true(answer_waits_for_identity(&heard, &self->standing));
	answer(self, &heard);
}

/* The same answer, and the node says who it is after it. */
static void
answered_by_ours(BitcoinWorld *self, NodeTask *task)
{
	answered_since(self, task);
	recognised(self);
	assert_false(answer_waits_for_identity(task, &self->standing));
	answer(self, task);
}

static NodeTask
look_with(BitcoinWorld *self, Withdrawal *withdrawal, PaymentAnswer verdict)
{
	NodeTask	task = looked_up(self, &stored_withdrawal(self, withdrawal->aggregate.id)->aggregate);

	task.call.verdict = verdict;
	task.call.payment = payment_with('x', 700);
	return task;
}

static void
L11_no_payment_fails_or_is_sent_again_by_the_word_of_whomever(void **state)
{
	static const PaymentAnswer words[] = {PAYMENT_NOT_FOUND, PAYMENT_FAILED};
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	NodeTask	task;

	world_wait(&self->world, 71);
	for (int i = 0; i < 2; i++)
	{
		task = look_with(self, withdrawal, words[i]);
		answered_by_whomever(self, &task);
		assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	}
	task = look_with(self, withdrawal, PAYMENT_NOT_FOUND);
	answered_by_ours(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_RESERVED);
}

/* It comes before what it answers; else each question would come too early until the clock is there again. */
static void
L11_where_the_clock_is_set_back_it_is_asked_once_more(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	NodeTask	task = look_with(self, withdrawal, PAYMENT_FAILED);

	answered_since(self, &task);
	self->world.clock.now = instant_plus_seconds(now_of(self), -3600);
	assert_true(answer_waits_for_identity(&task, &self->standing));
	recognised(self);
	assert_false(answer_waits_for_identity(&task, &self->standing));
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_FAILED);
}

/* One that was under way when the answer came may have been answered by another node than it. */
static void
L11_a_question_from_before_tells_of_nobody(void **state)
{
	IdentityQuestions questions = {0, 0};
	int64_t		answered;

	assert_false(identity_is_known_by(&questions, 0));
	identity_question_begin(&questions);
	answered = identity_question_after(&questions);
	identity_question_recognise(&questions);
	assert_false(identity_is_known_by(&questions, answered));
	assert_false(identity_is_asked_by(&questions, answered));
	identity_question_begin(&questions);
	assert_true(identity_is_asked_by(&questions, answered));
	assert_false(identity_is_known_by(&questions, answered));
	identity_question_recognise(&questions);
	assert_true(identity_is_known_by(&questions, answered));
}

/* The question who it is may come back with another one's name, or with none. */
static void
L11_nor_where_another_has_answered_since(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	NodeTask	task = look_with(self, withdrawal, PAYMENT_FAILED);

	answered_since(self, &task);
	self->standing.node = NULL;
	self->standing.is_another = true;
	assert_false(answer_waits_for_identity(&task, &self->standing));
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_failed_type), 0);
}

static void
L11_a_proof_needs_nobodys_name(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	NodeTask	task = look_with(self, withdrawal, PAYMENT_SUCCEEDED);

	answered_since(self, &task);
	assert_false(answer_waits_for_identity(&task, &self->standing));
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_SUCCEEDED);
}

/* What it says of a payment without proof is nothing to be remembered: once its own node is back, all goes on. */
static void
L11_a_payment_is_an_operators_no_more_once_its_node_is_back(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = unknown_withdrawal(self);
	const KnownNode *node = self->standing.node;
	NodeTask	task;

	self->standing.node = NULL;
	self->standing.is_another = true;
	task = look_with(self, withdrawal, PAYMENT_SUCCEEDED);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_NEEDS_OPERATOR);
	task.call.payment = payment_with('y', 700);
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_NEEDS_OPERATOR);
	self->standing.node = node;
	self->standing.is_another = false;
	task = look_with(self, withdrawal, PAYMENT_UNAVAILABLE);
	answer(self, &task);
	assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	assert_null(stored_withdrawal(self, withdrawal->aggregate.id)->alarm);
}

static void
L11_a_refusal_of_whomever_is_none(void **state)
{
	static const SubmitAnswer words[] = {SUBMIT_REJECTED, SUBMIT_NOT_ALLOWED};
	BitcoinWorld *self = *state;

	for (int i = 0; i < 2; i++)
	{
		Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, i == 0 ? OUTSIDE : "regtest/y/5000000/3600/o");
		NodeTask	task = submitted(self, withdrawal);

		task.call.submit = words[i];
		answered_by_whomever(self, &task);
		assert_int_equal(state_of(self, withdrawal), WITHDRAWAL_UNKNOWN);
	}
}

/* What failed there is neither paid again by it, nor asked about for its name each time. */
static void
L26_whomever_does_not_free_a_hash_that_has_failed(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *first = unknown_withdrawal(self);
	Withdrawal *second;
	NodeTask	task;

	look_up_as(self, first, PAYMENT_FAILED);
	task = look_with(self, first, PAYMENT_FAILED);
	answered_since(self, &task);
	assert_false(answer_waits_for_identity(&task, &self->standing));
	second = reserved_withdrawal(self, ALICE, OUTSIDE);
	world_wait(&self->world, WITHDRAWAL_REST_SECONDS);
	for (int i = 0; i < 2; i++)
	{
		task = look_with(self, second, i == 0 ? PAYMENT_FAILED : PAYMENT_NOT_FOUND);
		answered_by_whomever(self, &task);
		assert_true(instant_is_none(stored_withdrawal(self, second->aggregate.id)->checked_at));
	}
	task = look_with(self, second, PAYMENT_FAILED);
	answered_by_ours(self, &task);
	assert_false(instant_is_none(stored_withdrawal(self, second->aggregate.id)->checked_at));
}

/* Its first answer was not heard: "I do not know it" would be its echo, were it the node of the books. */
static void
L16_nobody_is_paid_inside_by_the_word_of_whomever(void **state)
{
	static const CancelAnswer words[] = {CANCEL_NOT_FOUND, CANCEL_CANCELED, CANCEL_ALREADY_SETTLED};
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	NodeTask	task;

	hear_reserved(self, id);
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	for (int i = 0; i < 3; i++)
	{
		assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
		assert_int_equal(task.call.operation, NODE_CANCEL_INVOICE);
		task.call.cancel = words[i];
		answered_by_whomever(self, &task);
		assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_RESERVED);
	}
	/* so that who pays it outside meanwhile is the only one */
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_OPEN);
	settle(self, deposit, 5000000, 'b');
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 1);
	assert_int_equal(world_count(&self->world, &accounting_post_transfer_type), 0);
}

static void
L16_the_echo_of_an_unheard_cancellation_is_believed_of_ours(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	NodeTask	task;

	hear_reserved(self, id);
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	task.call.cancel = CANCEL_NOT_FOUND;
	answered_by_whomever(self, &task);
	answered_by_ours(self, &task);
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_SUCCEEDED);
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_SETTLED);
}

static void
L11_no_deposit_ends_by_the_word_of_whomever(void **state)
{
	static const InvoiceAnswer words[] = {INVOICE_NOT_FOUND, INVOICE_EXPIRED, INVOICE_CANCELED};
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	NodeTask	task;

	for (int i = 0; i < 3; i++)
	{
		task = looked_up(self, &deposit->aggregate);
		task.call.invoice = words[i];
		answered_by_whomever(self, &task);
		assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_OPEN);
		assert_null(stored_deposit(self, deposit->aggregate.id)->alarm);
	}
	task = looked_up(self, &deposit->aggregate);
	task.call.invoice = INVOICE_CANCELED;
	answered_by_ours(self, &task);
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_CANCELLED);
}

static void
L11_no_deposit_is_refused_by_whomever(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = deposit_of(self, BOB, 5000);
	NodeTask	task;

	assert_true(plan(self, &deposit->aggregate, &task));
	task.call.failure = NODE_FAILURE_BAD_INVOICE;
	answered_by_whomever(self, &task);
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_INTENT);
	answered_by_ours(self, &task);
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_CANCELLED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(L11_no_payment_fails_or_is_sent_again_by_the_word_of_whomever),
		WORLD_TEST(L11_where_the_clock_is_set_back_it_is_asked_once_more),
		WORLD_TEST(L11_a_question_from_before_tells_of_nobody),
		WORLD_TEST(L11_nor_where_another_has_answered_since),
		WORLD_TEST(L11_a_proof_needs_nobodys_name),
		WORLD_TEST(L11_a_payment_is_an_operators_no_more_once_its_node_is_back),
		WORLD_TEST(L11_a_refusal_of_whomever_is_none),
		WORLD_TEST(L26_whomever_does_not_free_a_hash_that_has_failed),
		WORLD_TEST(L16_nobody_is_paid_inside_by_the_word_of_whomever),
		WORLD_TEST(L16_the_echo_of_an_unheard_cancellation_is_believed_of_ours),
		WORLD_TEST(L11_no_deposit_ends_by_the_word_of_whomever),
		WORLD_TEST(L11_no_deposit_is_refused_by_whomever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
