/*
 * test_bitcoin.c
 *		Deposits, and payments between two accounts of one spark: what bitcoin
 *		does when a user, the ledger or a node says something, without a server.
 */
#include "bitcoin_world.h"

/* --------------------------------------------------------------------- deposits */

static void
S12_a_deposit_is_made_by_the_worker(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = deposit_of(self, ALICE, 1000);
	const bitcoin_create_invoice *command;
	NodeTask	task;

	assert_int_equal(deposit->state, DEPOSIT_INTENT);
	assert_int_equal(self->wakes.count, 1);
	command = world_emitted(&self->world, &bitcoin_create_invoice_type)->payload;
	assert_int_equal(command->amount_msat.msat, 1000000);
	assert_true(plan(self, &deposit->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_CREATE_INVOICE);
	assert_true(uuid_equal(task.call.key, deposit->aggregate.id));
	assert_int_equal(task.call.amount.msat, 1000000);
	assert_int_equal(task.call.seconds, 3600);
	task.call.answered = true;
	task.call.created = "regtest/a/1000000/3600/n";
	answer(self, &task);
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_int_equal(deposit->state, DEPOSIT_OPEN);
	assert_string_equal(deposit->payment_request, "regtest/a/1000000/3600/n");
	assert_true(uuid_equal(deposit->node_account_id, self->nodes.node.node_account_id));
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_created_type), 1);
}

static void
deposit_with_a_key_may_be_repeated(void **state)
{
	BitcoinWorld *self = *state;
	AskDeposit	command = {ALICE, AMOUNT_MSAT(1000), "key"};
	AskDeposit	other_amount = {ALICE, AMOUNT_MSAT(2000), "key"};
	AskDeposit	other_account = {BOB, AMOUNT_MSAT(1000), "key"};
	UnitOfWork *work = world_work(&self->world, NULL);
	Deposit    *first;
	Deposit    *again;

	assert_ok(bitcoin_deposit(&self->context, work, &command, &first));
	assert_ok(unit_of_work_complete(work));
	assert_ok(bitcoin_deposit(&self->context, work, &command, &again));
	assert_ok(unit_of_work_complete(work));
	assert_true(uuid_equal(first->aggregate.id, again->aggregate.id));
	assert_true(again->aggregate.version > 0);
	assert_refused(bitcoin_deposit(&self->context, work, &other_amount, &again), IDEMPOTENCY_MISMATCH);
	assert_ok(bitcoin_deposit(&self->context, work, &other_account, &again));
	assert_false(uuid_equal(first->aggregate.id, again->aggregate.id));
	assert_int_equal(world_count(&self->world, &bitcoin_create_invoice_type), 1);
}

static void
L31_an_invoice_of_another_hash_owner_is_not_shown(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *first = open_deposit(self, ALICE, 1000, 'a');
	Deposit    *second = deposit_of(self, BOB, 1000);
	NodeTask	task;

	assert_true(plan(self, &second->aggregate, &task));
	task.call.answered = true;
	task.call.created = first->payment_request;
	answer(self, &task);
	second = stored_deposit(self, second->aggregate.id);
	assert_int_equal(second->state, DEPOSIT_CANCELLED);
	assert_string_equal(second->reason, "internal");
	assert_int_equal(self->alarms.count, 1);
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_failed_type), 1);
}

static void
a_node_that_makes_no_invoice_is_asked_until_the_deadline(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = deposit_of(self, ALICE, 1000);
	int			tries = 0;

	for (;;)
	{
		NodeTask	task;

		world_wait(&self->world, 15);
		if (!plan(self, &deposit->aggregate, &task))
			break;
		tries++;
		answer(self, &task);
		deposit = stored_deposit(self, deposit->aggregate.id);
	}
	assert_int_equal(tries, 39);
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_int_equal(deposit->state, DEPOSIT_CANCELLED);
	assert_string_equal(deposit->reason, "node_offline");
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_failed_type), 1);
}

static NodeTask
not_made(BitcoinWorld *self, const Deposit *deposit, NodeFailure failure, const char *words)
{
	NodeTask	task;

	assert_true(plan(self, &stored_deposit(self, deposit->aggregate.id)->aggregate, &task));
	task.call.failure = failure;
	task.call.words = words;
	return task;
}

static void
a_deposit_that_the_node_refuses_ends_at_once_with_its_words(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = deposit_of(self, ALICE, 1000);
	NodeTask	task = not_made(self, deposit, NODE_FAILURE_BAD_INVOICE, "1000 is too large\nmax is \xe2\x82\xbf 1");

	answer(self, &task);
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_int_equal(deposit->state, DEPOSIT_CANCELLED);
	assert_string_equal(deposit->reason, "payment_refused");
	assert_string_equal(deposit->node_words, "1000 is too large?max is ??? 1");
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_failed_type), 1);
}

static void
one_that_it_does_not_make_now_is_asked_for_again(void **state)
{
	static const NodeFailure failures[] = {NODE_FAILURE_NONE, NODE_FAILURE_NOT_ALLOWED, NODE_FAILURE_BAD_INVOICE};
	BitcoinWorld *self = *state;
	Deposit    *deposit = deposit_of(self, ALICE, 1000);
	NodeTask	task;

	for (int i = 0; i < 3; i++)
	{
		task = not_made(self, deposit, failures[i], i == 2 ? "too much" : "its wallet is locked");
		/* What another node would not make, ours may. */
		if (i == 2)
			self->nodes.node.node_account_id = id_of(901);
		answer(self, &task);
		deposit = stored_deposit(self, deposit->aggregate.id);
		assert_int_equal(deposit->state, DEPOSIT_INTENT);
		assert_string_equal(deposit->node_words, i == 2 ? "too much" : "its wallet is locked");
		world_wait(&self->world, 15);
	}
	world_wait(&self->world, 600);
	assert_false(plan(self, &deposit->aggregate, &task));
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_string_equal(deposit->reason, "node_offline");
	assert_string_equal(deposit->node_words, "too much");
}

static void
L34_a_settled_invoice_is_credited_once(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, ALICE, 1000, 'a');
	NodeTask	first = looked_up(self, &deposit->aggregate);
	NodeTask	second = first;
	const accounting_deposit *credit;

	first.call.invoice = INVOICE_SETTLED;
	first.call.received = AMOUNT_MSAT(1500000);
	first.call.preimage = preimage_of('a');
	second.call = first.call;
	answer(self, &first);
	answer(self, &second);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 1);
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_paid_type), 1);
	credit = world_emitted(&self->world, &accounting_deposit_type)->payload;
	assert_true(uuid_equal(credit->account_id, ALICE));
	assert_int_equal(credit->amount_msat.msat, 1500000);
	assert_string_equal(credit->idempotency_key, deposit->payment_hash);
	assert_true(uuid_equal(credit->node_account_id, id_of(900)));
}

/* An operator has changed the node while it was being asked. */
static void
L67_the_node_that_was_left_makes_and_settles_nothing_any_more(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *settles = open_deposit(self, ALICE, 1000, 'a');
	NodeTask	look = looked_up(self, &settles->aggregate);
	Deposit    *asked = deposit_of(self, BOB, 1000);
	NodeTask	made;

	look.call.invoice = INVOICE_SETTLED;
	look.call.received = AMOUNT_MSAT(1000000);
	look.call.preimage = preimage_of('a');
	assert_true(plan(self, &asked->aggregate, &made));
	made.call.answered = true;
	made.call.created = "regtest/b/1000000/3600/n";
	self->nodes.node.node_account_id = id_of(901);
	answer(self, &look);
	answer(self, &made);
	assert_int_equal(stored_deposit(self, settles->aggregate.id)->state, DEPOSIT_OPEN);
	assert_int_equal(stored_deposit(self, asked->aggregate.id)->state, DEPOSIT_INTENT);
	self->standing = (NodeStanding) {.node = NULL};
	answer(self, &look);
	assert_int_equal(stored_deposit(self, settles->aggregate.id)->state, DEPOSIT_OPEN);
	assert_int_equal(self->alarms.count, 0);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 0);
}

static void
L33_settled_without_proof_is_not_credited(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, ALICE, 1000, 'a');

	settle(self, deposit, 1000000, 'b');
	settle(self, deposit, 1000000, '\0');
	settle(self, deposit, 999999, 'a');
	settle(self, deposit, 0, 'a');
	settle(self, deposit, -1, 'a');
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_OPEN);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 0);
	assert_int_equal(self->alarms.count, 2);
	settle(self, deposit, 1000000, 'a');
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 1);
}

static void
S17_paid_after_it_expired_it_is_credited(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, ALICE, 1000, 'a');
	NodeTask	task = looked_up(self, &deposit->aggregate);

	task.call.invoice = INVOICE_EXPIRED;
	answer(self, &task);
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_expired_type), 1);
	assert_string_equal(deposit_status(stored_deposit(self, deposit->aggregate.id)->state), "expired");
	world_wait(&self->world, 86400);
	settle(self, deposit, 1000000, 'a');
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_string_equal(deposit_status(deposit->state), "paid");
	assert_true(deposit->late);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 1);
}

static void
S16_verify_is_the_owners_and_asks_once_a_second(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, ALICE, 1000, 'a');
	Deposit    *answered;

	assert_refused(bitcoin_verify_deposit(&self->context, world_work(&self->world, NULL), BOB,
										  deposit->payment_hash, &answered), NOT_FOUND);
	for (int i = 0; i < 100; i++)
	{
		UnitOfWork *work = world_work(&self->world, NULL);

		assert_ok(bitcoin_verify_deposit(&self->context, work, ALICE, deposit->payment_hash, &answered));
		assert_ok(unit_of_work_complete(work));
	}
	assert_int_equal(world_count(&self->world, &bitcoin_verify_invoice_type), 1);
	/* heard: due now, or a second after the last look */
	hear(self, *world_emitted(&self->world, &bitcoin_verify_invoice_type));
	assert_true(!instant_before(instant_plus_seconds(now_of(self), 1),
								stored_deposit(self, deposit->aggregate.id)->next_look_at));
	/* what is settled is not looked at */
	settle(self, deposit, 1000000, 'a');
	world_wait(&self->world, 10);
	assert_ok(bitcoin_verify_deposit(&self->context, world_work(&self->world, NULL), ALICE,
									 deposit->payment_hash, &answered));
	assert_int_equal(answered->state, DEPOSIT_SETTLED);
	assert_int_equal(world_count(&self->world, &bitcoin_verify_invoice_type), 1);
}

/* ------------------------------------------------------------------ paid inside */

static void
S32_an_invoice_of_another_account_is_paid_inside(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	const accounting_request_transfer *request =
		world_emitted(&self->world, &accounting_request_transfer_type)->payload;
	Withdrawal *withdrawal;
	NodeTask	task;

	assert_true(request->pending);
	assert_true(uuid_equal(request->from_account_id, ALICE));
	assert_true(uuid_equal(request->to_account_id, BOB));
	assert_string_equal(request->purpose, "withdrawal");
	assert_string_equal(request->idempotency_key, text_of(&id));
	assert_true(uuid_equal(request->from_invoice_id, id));
	assert_true(uuid_equal(request->to_invoice_id, deposit->aggregate.id));
	/* the node hears nothing before the reserve is there */
	assert_false(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	hear_reserved(self, id);
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_CANCEL_INVOICE);
	/* a look in between sees it cancelled: that is our doing, and no failure */
	{
		NodeTask	look = looked_up(self, &deposit->aggregate);

		look.call.invoice = INVOICE_CANCELED;
		answer(self, &look);
		assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_OPEN);
	}
	task.call.cancel = CANCEL_CANCELED;
	answer(self, &task);
	answer(self, &task);
	withdrawal = stored_withdrawal(self, id);
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_int_equal(withdrawal->state, WITHDRAWAL_SUCCEEDED);
	assert_int_equal(withdrawal->fee.msat, 0);
	assert_null(withdrawal->preimage);
	assert_int_equal(deposit->state, DEPOSIT_SETTLED);
	assert_int_equal(deposit->received.msat, 5000000);
	assert_null(deposit->preimage);
	assert_true(uuid_equal(deposit->paid_by, id));
	assert_int_equal(world_count(&self->world, &accounting_post_transfer_type), 1);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 0);
	assert_int_equal(world_count(&self->world, &bitcoin_payment_succeeded_type), 0);
	assert_int_equal(world_count(&self->world, &bitcoin_invoice_paid_type), 1);
	/* the node never paid; the hash is taken for good */
	assert_refused(try_withdraw(self, CAROL, deposit->payment_request, &withdrawal), PAYMENT_REQUEST_USED);
}

static void
L37_an_invoice_that_was_paid_outside_meanwhile_is_a_deposit(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	const accounting_void_transfer *voided;
	NodeTask	task;

	hear_reserved(self, id);
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	task.call.cancel = CANCEL_ALREADY_SETTLED;
	answer(self, &task);
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_FAILED);
	assert_string_equal(stored_withdrawal(self, id)->reason, "payment_request_used");
	voided = world_emitted(&self->world, &accounting_void_transfer_type)->payload;
	assert_true(uuid_equal(voided->from_account_id, ALICE));
	assert_string_equal(voided->idempotency_key, text_of(&id));
	assert_int_equal(world_count(&self->world, &accounting_post_transfer_type), 0);
	/* and it is credited by the look that follows at once */
	assert_true(!instant_before(instant_plus_seconds(now_of(self), 1),
								stored_deposit(self, deposit->aggregate.id)->next_look_at));
	settle(self, deposit, 5000000, 'b');
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 1);
}

static void
L37_a_node_that_says_both_credits_once(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	NodeTask	task;

	hear_reserved(self, id);
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	settle(self, deposit, 5000000, 'b');
	task.call.cancel = CANCEL_CANCELED;
	answer(self, &task);
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_FAILED);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 1);
	assert_int_equal(world_count(&self->world, &accounting_post_transfer_type), 0);
	assert_int_equal(world_count(&self->world, &accounting_void_transfer_type), 1);
	assert_int_equal(self->alarms.count, 1);
}

static void
L37_settled_before_the_cancellation_the_node_is_not_asked(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	NodeTask	task;

	settle(self, deposit, 5000000, 'b');
	hear_reserved(self, id);
	assert_false(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_FAILED);
	assert_int_equal(world_count(&self->world, &accounting_void_transfer_type), 1);
}

static void
S32_own_and_forged_invoices_are_refused(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Withdrawal *withdrawal;

	assert_refused(try_withdraw(self, BOB, deposit->payment_request, &withdrawal), OWN_INVOICE);
	assert_refused(try_withdraw(self, ALICE, "regtest/b/1/3600/o", &withdrawal), PAYMENT_REQUEST_USED);
	assert_refused(try_withdraw(self, BOB, "regtest/b/1/3600/o", &withdrawal), PAYMENT_REQUEST_USED);
	settle(self, deposit, 5000000, 'b');
	assert_refused(try_withdraw(self, ALICE, deposit->payment_request, &withdrawal), PAYMENT_REQUEST_USED);
}

static void
L13_an_own_invoice_can_be_paid_up_to_its_end(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Withdrawal *withdrawal;
	NodeTask	task;
	Uuid		id;

	world_wait(&self->world, 3600);
	assert_refused(try_withdraw(self, ALICE, deposit->payment_request, &withdrawal), PAYMENT_REQUEST_EXPIRED);
	world_wait(&self->world, -1);
	id = withdraw(self, ALICE, deposit->payment_request);
	hear_reserved(self, id);
	world_wait(&self->world, 1);
	assert_false(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_FAILED);
	assert_string_equal(stored_withdrawal(self, id)->reason, "payment_request_expired");
	assert_int_equal(world_count(&self->world, &accounting_void_transfer_type), 1);
}

static void
a_cancellation_without_answer_is_asked_again(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	/* what it did not know at first it has not forgotten by our doing */
	static const CancelAnswer answers[] = {CANCEL_NOT_FOUND, CANCEL_UNAVAILABLE, CANCEL_NOT_FOUND, CANCEL_CANCELED};

	hear_reserved(self, id);
	for (size_t i = 0; i < 4; i++)
	{
		NodeTask	task;

		assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_RESERVED);
		assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
		task.call.cancel = answers[i];
		answer(self, &task);
	}
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_SUCCEEDED);
	assert_int_equal(world_count(&self->world, &accounting_post_transfer_type), 1);
}

/* Some nodes forget an invoice with its cancellation, and the worker may die in between. */
static void
L16_an_invoice_that_our_own_cancellation_made_unknown_is_cancelled(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	NodeStanding ours = self->standing;
	NodeTask	lost;
	NodeTask	task;
	NodeTask	look;

	hear_reserved(self, id);
	assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &lost));
	/* nobody heard the answer; meanwhile the deposit is looked at */
	look = looked_up(self, &deposit->aggregate);
	look.call.invoice = INVOICE_NOT_FOUND;
	answer(self, &look);
	assert_null(stored_deposit(self, deposit->aggregate.id)->alarm);
	/* a node that is not ours, or not ready, says nothing by that */
	for (int i = 0; i < 3; i++)
	{
		assert_true(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
		task.call.cancel = CANCEL_NOT_FOUND;
		self->standing = ours;
		if (i == 0)
			self->standing.node = NULL;
		if (i == 1)
			self->standing.is_ready = false;
		answer(self, &task);
		self->standing = ours;
		assert_int_equal(stored_withdrawal(self, id)->state, i < 2 ? WITHDRAWAL_RESERVED : WITHDRAWAL_SUCCEEDED);
	}
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_SETTLED);
	assert_int_equal(world_count(&self->world, &accounting_post_transfer_type), 1);
	assert_int_equal(world_count(&self->world, &accounting_deposit_type), 0);
}

static BitcoinTerms
terms_of_lnbits(void)
{
	BitcoinTerms terms = usual_terms();

	terms.node = (NodeCapabilities) {.pays_amountless = false};
	return terms;
}

static void
L16_a_node_that_cannot_cancel_pays_nothing_inside(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);
	Deposit    *other = open_deposit(self, BOB, 5000, 'c');
	NodeCapabilities lnbits = {.pays_amountless = false};
	Withdrawal *withdrawal;
	NodeTask	task;

	self->context.terms = terms_of_lnbits;
	assert_refused(try_withdraw(self, ALICE, other->payment_request, &withdrawal), PAYMENT_REFUSED);
	assert_refused(try_withdraw(self, BOB, other->payment_request, &withdrawal), OWN_INVOICE);
	/* what was asked for before that node came is given back, and asked for again is answered */
	assert_ok(try_withdraw(self, ALICE, deposit->payment_request, &withdrawal));
	self->standing.capabilities = &lnbits;
	hear_reserved(self, id);
	assert_false(plan(self, &stored_withdrawal(self, id)->aggregate, &task));
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_FAILED);
	assert_string_equal(stored_withdrawal(self, id)->reason, "payment_refused");
	assert_int_equal(world_count(&self->world, &accounting_void_transfer_type), 1);
	assert_int_equal(stored_deposit(self, deposit->aggregate.id)->state, DEPOSIT_OPEN);
}

static void
L6_L14_what_the_node_cannot_pay_is_refused_at_the_request(void **state)
{
	BitcoinWorld *self = *state;
	AskWithdrawal named = {.account_id = ALICE, .payment_request = "regtest/y/0/3600/o", .amount = AMOUNT_MSAT(21000)};
	Withdrawal *withdrawal;

	self->context.terms = terms_of_lnbits;
	assert_refused(try_withdraw(self, ALICE, "regtest/x/999/3600/o", &withdrawal), PAYMENT_REFUSED);
	assert_refused(try_withdraw(self, ALICE, "regtest/x/1000001/3600/o", &withdrawal), PAYMENT_REFUSED);
	assert_ok(try_withdraw(self, ALICE, "regtest/x/1000000/3600/o", &withdrawal));
	assert_int_equal(withdrawal->max_fee.msat % 1000, 0);
	assert_refused(bitcoin_withdraw(&self->context, world_work(&self->world, NULL), &named, &withdrawal), PAYMENT_REFUSED);
	assert_int_equal(world_count(&self->world, &accounting_request_withdraw_type), 1);
}

static void
a_transfer_inside_that_is_rejected_reserves_nothing(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		id = withdraw(self, ALICE, deposit->payment_request);

	hear(self, MESSAGE_OF(&self->world, accounting_transfer_rejected, id,
						  .idempotency_key = "k", .from_account_id = ALICE, .to_account_id = BOB,
						  .amount_msat = AMOUNT_MSAT(5000000), .purpose = "withdrawal", .pending = true,
						  .from_invoice_id = id, .to_invoice_id = deposit->aggregate.id,
						  .reason = "insufficient_funds"));
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_REJECTED);
	/* somebody else may pay it, inside or outside */
	(void) withdraw(self, CAROL, deposit->payment_request);
}

static void
S22_a_donation_with_that_key_changes_nothing(void **state)
{
	BitcoinWorld *self = *state;
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	Uuid		id = withdrawal->aggregate.id;

	hear(self, MESSAGE_OF(&self->world, accounting_transfer_rejected, id,
						  .idempotency_key = withdrawal->payment_hash, .from_account_id = ALICE,
						  .to_account_id = BOB, .amount_msat = AMOUNT_MSAT(1), .purpose = "donation",
						  .reason = "insufficient_funds"));
	hear(self, MESSAGE_OF(&self->world, accounting_transfer_voided, id,
						  .idempotency_key = "k", .from_account_id = ALICE, .to_account_id = BOB,
						  .amount_msat = AMOUNT_MSAT(1), .purpose = "donation",
						  .transfer_id = id_of(8), .created_at = now_of(self)));
	assert_int_equal(stored_withdrawal(self, id)->state, WITHDRAWAL_RESERVED);
}

/* --------------------------------------------------------------------- handlers */

static void
S47_every_message_may_come_twice(void **state)
{
	BitcoinWorld *self = *state;
	Deposit    *deposit = open_deposit(self, BOB, 5000, 'b');
	Uuid		inside = withdraw(self, ALICE, deposit->payment_request);
	Uuid		outside = withdraw(self, ALICE, OUTSIDE);
	size_t		messages;

	hear_accepted(self, outside);
	hear_reserved(self, inside);
	hear(self, MESSAGE_OF(&self->world, bitcoin_verify_invoice, deposit->aggregate.id,
						  .invoice_id = deposit->aggregate.id, .payment_hash = deposit->payment_hash));
	messages = self->world.outbox.count;
	hear_accepted(self, outside);
	hear_reserved(self, inside);
	hear(self, MESSAGE_OF(&self->world, bitcoin_verify_invoice, deposit->aggregate.id,
						  .invoice_id = deposit->aggregate.id, .payment_hash = deposit->payment_hash));
	hear(self, MESSAGE_OF(&self->world, bitcoin_create_invoice, deposit->aggregate.id,
						  .invoice_id = deposit->aggregate.id, .account_id = BOB,
						  .amount_msat = deposit->amount));
	hear(self, MESSAGE_OF(&self->world, bitcoin_pay_invoice, outside, .invoice_id = outside));
	assert_int_equal(self->world.outbox.count, messages);
	assert_int_equal(stored_withdrawal(self, outside)->state, WITHDRAWAL_RESERVED);
	assert_int_equal(stored_withdrawal(self, inside)->state, WITHDRAWAL_RESERVED);
}

static void
the_consumer_is_sound(void **state)
{
	BitcoinWorld *self = *state;
	const Consumer *consumers[] = {&self->consumer};

	assert_true(bus_is_sound(consumers, 1));
	for (size_t i = 0; i < self->consumer.subscription_count; i++)
		assert_true(message_layout_is_right(self->consumer.subscriptions[i].type));
}

static void
a_batch_touches_the_rows_it_will_lock(void **state)
{
	BitcoinWorld *self = *state;
	Message		ours = MESSAGE_OF(&self->world, accounting_transfer_succeeded, id_of(5),
								  .idempotency_key = "k", .from_account_id = ALICE, .to_account_id = BOB,
								  .amount_msat = AMOUNT_MSAT(1), .purpose = "withdrawal",
								  .transfer_id = id_of(8), .created_at = now_of(self), .posted_at = now_of(self));
	Message		donation = MESSAGE_OF(&self->world, accounting_transfer_succeeded, id_of(6),
									  .idempotency_key = "k", .from_account_id = ALICE, .to_account_id = BOB,
									  .amount_msat = AMOUNT_MSAT(1), .purpose = "donation",
									  .transfer_id = id_of(8), .created_at = now_of(self), .posted_at = now_of(self));
	const Subscription *subscription = consumer_subscription(&self->consumer, "accounting.transfer_succeeded");
	Touched		touched = {.arena = self->world.arena};

	subscription->touches(&self->context, &ours, &touched);
	subscription->touches(&self->context, &donation, &touched);
	assert_int_equal(touched.count, 1);
	assert_true(uuid_equal(touched.aggregates[0].id, id_of(5)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(S12_a_deposit_is_made_by_the_worker),
		WORLD_TEST(deposit_with_a_key_may_be_repeated),
		WORLD_TEST(L31_an_invoice_of_another_hash_owner_is_not_shown),
		WORLD_TEST(a_node_that_makes_no_invoice_is_asked_until_the_deadline),
		WORLD_TEST(a_deposit_that_the_node_refuses_ends_at_once_with_its_words),
		WORLD_TEST(one_that_it_does_not_make_now_is_asked_for_again),
		WORLD_TEST(L34_a_settled_invoice_is_credited_once),
		WORLD_TEST(L67_the_node_that_was_left_makes_and_settles_nothing_any_more),
		WORLD_TEST(L33_settled_without_proof_is_not_credited),
		WORLD_TEST(S17_paid_after_it_expired_it_is_credited),
		WORLD_TEST(S16_verify_is_the_owners_and_asks_once_a_second),
		WORLD_TEST(S32_an_invoice_of_another_account_is_paid_inside),
		WORLD_TEST(L37_an_invoice_that_was_paid_outside_meanwhile_is_a_deposit),
		WORLD_TEST(L37_a_node_that_says_both_credits_once),
		WORLD_TEST(L37_settled_before_the_cancellation_the_node_is_not_asked),
		WORLD_TEST(S32_own_and_forged_invoices_are_refused),
		WORLD_TEST(L13_an_own_invoice_can_be_paid_up_to_its_end),
		WORLD_TEST(L16_an_invoice_that_our_own_cancellation_made_unknown_is_cancelled),
		WORLD_TEST(L16_a_node_that_cannot_cancel_pays_nothing_inside),
		WORLD_TEST(L6_L14_what_the_node_cannot_pay_is_refused_at_the_request),
		WORLD_TEST(a_cancellation_without_answer_is_asked_again),
		WORLD_TEST(a_transfer_inside_that_is_rejected_reserves_nothing),
		WORLD_TEST(S22_a_donation_with_that_key_changes_nothing),
		WORLD_TEST(S47_every_message_may_come_twice),
		WORLD_TEST(the_consumer_is_sound),
		WORLD_TEST(a_batch_touches_the_rows_it_will_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
