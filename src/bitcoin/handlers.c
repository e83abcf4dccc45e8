/*
 * handlers.c
 *		Load, decide, emit.
 *
 * Locks: the three commands lock no row that the worker or the dispatcher ever
 * waits for, so that no caller who leaves a transaction open can hold them up.
 * An answer of the ledger locks the withdrawal it is about; a wish for a look,
 * the deposit.
 */
#include "bitcoin/handlers.h"

#include "bitcoin/messages.h"

#include "accounting/messages.h"

#include <string.h>

/* ----------------------------------------------------------------- deposit */

Result
bitcoin_deposit(const Bitcoin *context, UnitOfWork *work, const AskDeposit *command, Deposit **deposit)
{
	Deposit    *created;

	*deposit = NULL;
	if (command->idempotency_key != NULL)
		TRY(context->deposits->find_by_key(context->deposits, work, command->account_id,
										   command->idempotency_key, deposit));
	if (*deposit != NULL)
		return deposit_repeats(*deposit, command);
	created = ARENA_NEW(work->arena, Deposit);
	TRY(deposit_create(command, new_id(work), context->terms().invoice_expiry, clock_now(work), created));
	unit_of_work_add(work, &context->deposits->repository, &created->aggregate);
	EMIT(work, bitcoin_create_invoice, created->aggregate.id,
		 .invoice_id = created->aggregate.id,
		 .account_id = created->account_id,
		 .amount_msat = created->amount);
	context->wakeup->wake(context->wakeup);
	*deposit = created;
	return OK;
}

Result
bitcoin_verify_deposit(const Bitcoin *context, UnitOfWork *work, Uuid account_id, const char *payment_hash,
					   Deposit **deposit)
{
	Instant		now = clock_now(work);
	bool		granted;

	TRY(context->deposits->find_by_hash(context->deposits, work, payment_hash, deposit));
	if (*deposit == NULL || !uuid_equal((*deposit)->account_id, account_id))
		return FAIL(NOT_FOUND);
	if (!deposit_look_is_of_use(*deposit, now))
		return OK;
	TRY(context->limiter->ask(context->limiter, work, (*deposit)->aggregate.id, now, &granted));
	if (granted)
		EMIT(work, bitcoin_verify_invoice, (*deposit)->aggregate.id,
			 .invoice_id = (*deposit)->aggregate.id,
			 .payment_hash = (*deposit)->payment_hash);
	return OK;
}

/* -------------------------------------------------------------- withdrawal */

/* An invoice of ours that somebody else wants to pay inside. */
static Result
check_own_invoice(const Deposit *deposit, const DecodedInvoice *invoice, Instant now)
{
	/* Anybody can sign a request with a hash of ours: only the one we issued counts. */
	if (strcmp(deposit->payment_request, invoice->payment_request) != 0 ||
		!amount_equal(deposit->amount, invoice->amount))
		return FAIL(PAYMENT_REQUEST_USED);
	switch (deposit->state)
	{
		case DEPOSIT_OPEN:
			break;
		case DEPOSIT_EXPIRED:
			return FAIL(PAYMENT_REQUEST_EXPIRED);
		case DEPOSIT_INTENT:
		case DEPOSIT_SETTLED:
		case DEPOSIT_CANCELLED:
			return FAIL(PAYMENT_REQUEST_USED);
	}
	return instant_before(now, deposit->expires_at) ? OK : FAIL(PAYMENT_REQUEST_EXPIRED);
}

/* An invoice of the outside world. */
static Result
check_foreign_invoice(const DecodedInvoice *invoice, Instant now)
{
	if (instant_before(invoice->expires_at, instant_plus_seconds(now, WITHDRAWAL_LEAST_SECONDS)))
		return FAIL(PAYMENT_REQUEST_EXPIRED);
	return OK;
}

/* What this node can never do is not taken on. */
static Result
check_capabilities(const NodeCapabilities *node, const DecodedInvoice *invoice, Amount amount, bool is_inside)
{
	if (is_inside && !node->can_cancel_invoice)
		return FAIL_BECAUSE(PAYMENT_REFUSED,
							"The invoice is of another account here, and this node cannot cancel it, so that it could be paid twice; "
							"have the payee send one of another wallet.");
	if (is_inside)
		return OK;
	if (!invoice->has_amount && !node->pays_amountless)
		return FAIL_BECAUSE(PAYMENT_REFUSED, "This node pays no request that names no amount; have the payee name one.");
	if (amount.msat % MSAT_PER_SAT != 0 && !node->is_exact)
		return FAIL_BECAUSE(PAYMENT_REFUSED, "This node pays whole satoshi only; have the payee ask for a whole number.");
	return OK;
}

static void
request_reserve(UnitOfWork *work, const Withdrawal *withdrawal)
{
	char	   *key = arena_alloc(work->arena, UUID_TEXT_LENGTH + 1);

	uuid_format(withdrawal->aggregate.id, key);
	if (withdrawal_is_inside(withdrawal))
		EMIT(work, accounting_request_transfer, withdrawal->aggregate.id,
			 .idempotency_key = key,
			 .from_account_id = withdrawal->account_id,
			 .to_account_id = withdrawal->payee_id,
			 .amount_msat = withdrawal->amount,
			 .purpose = WITHDRAWAL_PURPOSE,
			 .pending = true,
			 .from_invoice_id = withdrawal->aggregate.id,
			 .to_invoice_id = withdrawal->deposit_id);
	else
		EMIT(work, accounting_request_withdraw, withdrawal->aggregate.id,
			 .account_id = withdrawal->account_id,
			 .idempotency_key = key,
			 .amount_msat = withdrawal->amount,
			 .max_fee_msat = withdrawal->max_fee,
			 .node_account_id = withdrawal->node_account_id,
			 .invoice_id = withdrawal->aggregate.id);
}

/* A new withdrawal, every check of the request passed but those of its place and time. */
static Result
start_withdrawal(const Bitcoin *context, UnitOfWork *work, const AskWithdrawal *command,
				 const DecodedInvoice *invoice, const Deposit *deposit, const Withdrawal *earlier,
				 Withdrawal **withdrawal)
{
	Instant		now = clock_now(work);
	BitcoinTerms terms = context->terms();
	KnownNode  *node;
	Withdrawal *created = ARENA_NEW(work->arena, Withdrawal);

	if (deposit != NULL)
		TRY(check_own_invoice(deposit, invoice, now));
	else
		TRY(check_foreign_invoice(invoice, now));
	TRY(context->nodes->find(context->nodes, work, &node));
	/* Before the node was met for the first time, the worker looks at this. */
	if (deposit == NULL && node != NULL && strcmp(invoice->payee, node->node_id) == 0)
		return FAIL_BECAUSE(PAYMENT_REFUSED, "The invoice is one of this node's own, and no account has issued it.");
	TRY(withdrawal_create(command, invoice, &terms.fees,
						  node != NULL ? node->node_account_id : FIRST_NODE_ACCOUNT_ID,
						  deposit != NULL ? deposit->aggregate.id : UUID_NIL,
						  deposit != NULL ? deposit->account_id : UUID_NIL,
						  new_id(work), now, created));
	TRY(check_capabilities(&terms.node, invoice, created->amount, deposit != NULL));
	if (earlier != NULL)
		withdrawal_follows(created, earlier);
	unit_of_work_add(work, &context->withdrawals->repository, &created->aggregate);
	request_reserve(work, created);
	*withdrawal = created;
	return OK;
}

Result
bitcoin_withdraw(const Bitcoin *context, UnitOfWork *work, const AskWithdrawal *command,
				 Withdrawal **withdrawal)
{
	BitcoinTerms terms = context->terms();
	DecodedInvoice invoice;
	Amount		amount;
	Deposit    *deposit;
	Withdrawal *earlier;

	TRY(context->decoder->decode(context->decoder, work->arena, command->payment_request, &invoice));
	if (strcmp(invoice.network, terms.network) != 0)
		return FAIL_BECAUSE(PAYMENT_REQUEST_OF_OTHER_NETWORK,
							arena_printf(work->arena, "The request is of network %s, the node of %s.",
										 invoice.network, terms.network));
	TRY(withdrawal_amount(command, &invoice, &amount));
	TRY(context->deposits->find_by_hash(context->deposits, work, invoice.payment_hash, &deposit));
	if (deposit != NULL && uuid_equal(deposit->account_id, command->account_id) &&
		strcmp(deposit->payment_request, invoice.payment_request) == 0)
		return FAIL(OWN_INVOICE);
	TRY(context->withdrawals->find_by_hash(context->withdrawals, work, invoice.payment_hash, &earlier));
	if (earlier != NULL && withdrawal_is_live(earlier))
	{
		*withdrawal = earlier;
		return withdrawal_repeats(earlier, command, &invoice, &terms.fees);
	}
	return start_withdrawal(context, work, command, &invoice, deposit, earlier, withdrawal);
}

/* ----------------------------------------------------- work for the worker */

/*
 * An invoice is to be made, or a payment: that row is due since it was written, by
 * its commit the worker was woken.  This is once more, should that have been lost.
 */
static Result
on_work_for_node(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;

	(void) work;
	(void) message;
	context->wakeup->wake(context->wakeup);
	return OK;
}

static Result
on_verify_invoice(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const bitcoin_verify_invoice *command = message->payload;
	Aggregate  *found;

	TRY(unit_of_work_find(work, &context->deposits->repository, command->invoice_id, &found));
	if (found == NULL)
		return FAIL(NOT_FOUND);
	deposit_want_look((Deposit *) found, clock_now(work));
	context->wakeup->wake(context->wakeup);
	return OK;
}

/* ------------------------------------------------- the answers of the ledger */

static Result
find_withdrawal(const Bitcoin *context, UnitOfWork *work, Uuid id, Withdrawal **withdrawal)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, &context->withdrawals->repository, id, &found));
	*withdrawal = (Withdrawal *) found;
	return OK;
}

static Result
on_withdraw_accepted(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const accounting_withdraw_accepted *event = message->payload;
	Withdrawal *withdrawal;

	TRY(find_withdrawal(context, work, event->invoice_id, &withdrawal));
	if (withdrawal == NULL)
		return FAIL(NOT_FOUND);
	if (withdrawal_is_inside(withdrawal) ||
		!uuid_equal(event->account_id, withdrawal->account_id) ||
		!uuid_equal(event->node_account_id, withdrawal->node_account_id) ||
		!amount_equal(event->amount_msat, withdrawal->amount) ||
		!amount_equal(event->max_fee_msat, withdrawal->max_fee))
		return FAIL_BECAUSE(INTERNAL, "What was reserved is not what the withdrawal had asked for.");
	if (!withdrawal_accept(withdrawal, clock_now(work)))
		return OK;
	EMIT(work, bitcoin_pay_invoice, withdrawal->aggregate.id,
		 .invoice_id = withdrawal->aggregate.id);
	context->wakeup->wake(context->wakeup);
	return OK;
}

static Result
on_withdraw_rejected(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const accounting_withdraw_rejected *event = message->payload;
	Withdrawal *withdrawal;

	TRY(find_withdrawal(context, work, event->invoice_id, &withdrawal));
	if (withdrawal == NULL)
		return FAIL(NOT_FOUND);
	if (!withdrawal_reject(withdrawal, event->reason) && withdrawal->state != WITHDRAWAL_REJECTED)
		return FAIL_BECAUSE(INTERNAL, "The ledger rejected a withdrawal whose reserve it had accepted.");
	return OK;
}

/*
 * The withdrawal paid inside that a transfer was asked for by, locked; NULL
 * where the transfer is none of ours.
 */
static Result
withdrawal_of_transfer(const Bitcoin *context, UnitOfWork *work, const Message *message, const char *purpose,
					   Uuid from, Uuid to, Amount amount, Withdrawal **withdrawal)
{
	*withdrawal = NULL;
	if (strcmp(purpose, WITHDRAWAL_PURPOSE) != 0)
		return OK;
	TRY(find_withdrawal(context, work, message->aggregate_id, withdrawal));
	if (*withdrawal == NULL || !withdrawal_is_inside(*withdrawal))
		*withdrawal = NULL;
	else if (!uuid_equal(from, (*withdrawal)->account_id) ||
			 !uuid_equal(to, (*withdrawal)->payee_id) ||
			 !amount_equal(amount, (*withdrawal)->amount))
		return FAIL_BECAUSE(INTERNAL, "A transfer is not what the withdrawal had asked for.");
	return OK;
}

static Result
on_transfer_reserved(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const accounting_transfer_reserved *event = message->payload;
	Withdrawal *withdrawal;

	TRY(withdrawal_of_transfer(context, work, message, event->purpose, event->from_account_id,
							   event->to_account_id, event->amount_msat, &withdrawal));
	if (withdrawal == NULL || !withdrawal_accept(withdrawal, clock_now(work)))
		return OK;
	context->wakeup->wake(context->wakeup);
	return OK;
}

static Result
on_transfer_rejected(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const accounting_transfer_rejected *event = message->payload;
	Withdrawal *withdrawal;

	TRY(withdrawal_of_transfer(context, work, message, event->purpose, event->from_account_id,
							   event->to_account_id, event->amount_msat, &withdrawal));
	if (withdrawal == NULL)
		return OK;
	if (!withdrawal_reject(withdrawal, event->reason) && withdrawal->state != WITHDRAWAL_REJECTED)
		return FAIL_BECAUSE(INTERNAL, "The ledger refused the second step of a transfer that it had reserved.");
	return OK;
}

static Result
on_transfer_succeeded(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const accounting_transfer_succeeded *event = message->payload;
	Withdrawal *withdrawal;

	TRY(withdrawal_of_transfer(context, work, message, event->purpose, event->from_account_id,
							   event->to_account_id, event->amount_msat, &withdrawal));
	if (withdrawal != NULL && withdrawal->state != WITHDRAWAL_SUCCEEDED)
		return FAIL_BECAUSE(INTERNAL, "The ledger moved what the withdrawal had not asked to move.");
	return OK;
}

static Result
on_transfer_voided(const void *self, UnitOfWork *work, const Message *message)
{
	const Bitcoin *context = self;
	const accounting_transfer_voided *event = message->payload;
	Withdrawal *withdrawal;

	TRY(withdrawal_of_transfer(context, work, message, event->purpose, event->from_account_id,
							   event->to_account_id, event->amount_msat, &withdrawal));
	if (withdrawal != NULL && withdrawal->state != WITHDRAWAL_FAILED)
		return FAIL_BECAUSE(INTERNAL, "The ledger gave back what the withdrawal still needs.");
	return OK;
}

/* ------------------------------------------------------- what a batch locks */

static void
deposit_touches(const void *self, const Message *message, Touched *touched)
{
	const Bitcoin *context = self;

	touch(touched, &context->deposits->repository, message->aggregate_id);
}

static void
withdrawal_touches(const void *self, const Message *message, Touched *touched)
{
	const Bitcoin *context = self;

	touch(touched, &context->withdrawals->repository, message->aggregate_id);
}

static void
transfer_touches(const char *purpose, const void *self, const Message *message, Touched *touched)
{
	if (strcmp(purpose, WITHDRAWAL_PURPOSE) == 0)
		withdrawal_touches(self, message, touched);
}

static void
reserved_touches(const void *self, const Message *message, Touched *touched)
{
	transfer_touches(((const accounting_transfer_reserved *) message->payload)->purpose, self, message, touched);
}

static void
rejected_touches(const void *self, const Message *message, Touched *touched)
{
	transfer_touches(((const accounting_transfer_rejected *) message->payload)->purpose, self, message, touched);
}

static void
succeeded_touches(const void *self, const Message *message, Touched *touched)
{
	transfer_touches(((const accounting_transfer_succeeded *) message->payload)->purpose, self, message, touched);
}

static void
voided_touches(const void *self, const Message *message, Touched *touched)
{
	transfer_touches(((const accounting_transfer_voided *) message->payload)->purpose, self, message, touched);
}

const Subscription bitcoin_subscriptions[] = {
	{&bitcoin_create_invoice_type, on_work_for_node, NULL},
	{&bitcoin_verify_invoice_type, on_verify_invoice, deposit_touches},
	{&bitcoin_pay_invoice_type, on_work_for_node, NULL},
	{&accounting_withdraw_accepted_type, on_withdraw_accepted, withdrawal_touches},
	{&accounting_withdraw_rejected_type, on_withdraw_rejected, withdrawal_touches},
	{&accounting_transfer_reserved_type, on_transfer_reserved, reserved_touches},
	{&accounting_transfer_rejected_type, on_transfer_rejected, rejected_touches},
	{&accounting_transfer_succeeded_type, on_transfer_succeeded, succeeded_touches},
	{&accounting_transfer_voided_type, on_transfer_voided, voided_touches},
};
