/*
 * node_work.c
 *		What the node is asked about a row that is due, and what its answer
 *		means.
 *
 * Locks: whoever calls has locked the row of a plan; apply_answer() locks the
 * deposit before the withdrawal.
 */
#include "bitcoin/node_work.h"

#include "bitcoin/messages.h"
#include "bitcoin/schedule.h"

#include "accounting/messages.h"

#include "lightning/bytes32.h"

#include <string.h>

#define PURPOSE "withdrawal"
#define MEMO "deposit"
#define SUBMIT_SECONDS 10		/* within which a committed submission must begin */
#define GIVE_UP_SECONDS 60		/* within which the node may start attempts */
#define LEASE_SECONDS 5			/* beyond the end of a call, until its row is due again */
#define MAX_WORDS 200

/* ---------------------------------------------------------------- evidence */

bool
preimage_fits(const Digest *digest, Bytes32 preimage, const char *payment_hash)
{
	Bytes32		wanted;

	return payment_hash != NULL && bytes32_parse(payment_hash, &wanted) && !bytes32_is_zero(preimage) &&
		bytes32_equal(digest->sha256(digest, preimage.bytes, sizeof(preimage.bytes)), wanted);
}

const char *
failure_reason(NodeFailure failure)
{
	ResultCode	code = RESULT_PAYMENT_REFUSED;

	switch (failure)
	{
		case NODE_FAILURE_FEE_LIMIT:
			code = RESULT_FEE_LIMIT_TOO_LOW;
			break;
		case NODE_FAILURE_EXPIRED:
			code = RESULT_PAYMENT_REQUEST_EXPIRED;
			break;
		case NODE_FAILURE_BAD_INVOICE:
			code = RESULT_PAYMENT_REQUEST_MALFORMED;
			break;
		case NODE_FAILURE_NONE:
		case NODE_FAILURE_NO_ROUTE:
		case NODE_FAILURE_REFUSED_BY_PAYEE:
		case NODE_FAILURE_NO_FUNDS:
		case NODE_FAILURE_GAVE_UP:
		case NODE_FAILURE_CANCELED:
		case NODE_FAILURE_OTHER:
			break;
	}
	return result_text(code)->name;
}

const char *
harmless_words(Arena *arena, const char *words)
{
	char	   *clean;
	size_t		length = 0;

	if (words == NULL)
		return NULL;
	while (length < MAX_WORDS && words[length] != '\0')
		length++;
	clean = arena_text_of(arena, words, length);
	for (size_t i = 0; i < length; i++)
		if (clean[i] < ' ' || clean[i] > '~')
			clean[i] = '?';
	return clean;
}

/* ----------------------------------------------------- telling what happened */

static void
raise_new_alarm(const Bitcoin *context, Uuid invoice_id, const char *before, const char *now)
{
	if (now != NULL && (before == NULL || strcmp(before, now) != 0))
		context->alarms->raise(context->alarms, invoice_id, now);
}

static void
tell_settled(UnitOfWork *work, const Deposit *deposit)
{
	/* One paid inside is credited by the transfer itself. */
	if (uuid_is_nil(deposit->paid_by))
		EMIT(work, accounting_deposit, deposit->aggregate.id,
			 .account_id = deposit->account_id,
			 .idempotency_key = deposit->payment_hash,
			 .amount_msat = deposit->received,
			 .node_account_id = deposit->node_account_id,
			 .invoice_id = deposit->aggregate.id);
	EMIT(work, bitcoin_invoice_paid, deposit->aggregate.id,
		 .invoice_id = deposit->aggregate.id,
		 .account_id = deposit->account_id,
		 .payment_hash = deposit->payment_hash,
		 .amount_msat = deposit->amount,
		 .received_msat = deposit->received);
}

/* Each change of state, once. */
static void
tell_deposit(UnitOfWork *work, const Deposit *deposit, DepositState before)
{
	if (deposit->state == before)
		return;
	switch (deposit->state)
	{
		case DEPOSIT_INTENT:
			break;
		case DEPOSIT_OPEN:
			EMIT(work, bitcoin_invoice_created, deposit->aggregate.id,
				 .invoice_id = deposit->aggregate.id,
				 .account_id = deposit->account_id,
				 .payment_hash = deposit->payment_hash,
				 .amount_msat = deposit->amount);
			break;
		case DEPOSIT_SETTLED:
			tell_settled(work, deposit);
			break;
		case DEPOSIT_EXPIRED:
			EMIT(work, bitcoin_invoice_expired, deposit->aggregate.id,
				 .invoice_id = deposit->aggregate.id,
				 .account_id = deposit->account_id,
				 .payment_hash = deposit->payment_hash,
				 .amount_msat = deposit->amount);
			break;
		case DEPOSIT_CANCELLED:
			EMIT(work, bitcoin_invoice_failed, deposit->aggregate.id,
				 .invoice_id = deposit->aggregate.id,
				 .account_id = deposit->account_id,
				 .payment_hash = deposit->payment_hash,
				 .amount_msat = deposit->amount,
				 .reason = deposit->reason);
			break;
	}
}

static void
tell_inside(UnitOfWork *work, const Withdrawal *withdrawal)
{
	char	   *key = arena_alloc(work->arena, UUID_TEXT_LENGTH + 1);

	uuid_format(withdrawal->aggregate.id, key);
	if (withdrawal->state == WITHDRAWAL_SUCCEEDED)
		EMIT(work, accounting_post_transfer, withdrawal->aggregate.id,
			 .from_account_id = withdrawal->account_id,
			 .idempotency_key = key,
			 .purpose = PURPOSE);
	else
		EMIT(work, accounting_void_transfer, withdrawal->aggregate.id,
			 .from_account_id = withdrawal->account_id,
			 .idempotency_key = key,
			 .purpose = PURPOSE,
			 .reason = withdrawal->reason);
}

/* Each end, once; what lies between is nobody else's affair. */
static void
tell_withdrawal(UnitOfWork *work, const Withdrawal *withdrawal, WithdrawalState before)
{
	if (withdrawal->state == before ||
		(withdrawal->state != WITHDRAWAL_SUCCEEDED && withdrawal->state != WITHDRAWAL_FAILED))
		return;
	if (withdrawal_is_inside(withdrawal))
		tell_inside(work, withdrawal);
	else if (withdrawal->state == WITHDRAWAL_SUCCEEDED)
		EMIT(work, bitcoin_payment_succeeded, withdrawal->aggregate.id,
			 .invoice_id = withdrawal->aggregate.id,
			 .account_id = withdrawal->account_id,
			 .payment_hash = withdrawal->payment_hash,
			 .amount_msat = withdrawal->amount,
			 .fee_msat = withdrawal->fee,
			 .max_fee_msat = withdrawal->max_fee,
			 .node_account_id = withdrawal->node_account_id,
			 .late = withdrawal->late);
	else
		EMIT(work, bitcoin_payment_failed, withdrawal->aggregate.id,
			 .invoice_id = withdrawal->aggregate.id,
			 .account_id = withdrawal->account_id,
			 .payment_hash = withdrawal->payment_hash,
			 .amount_msat = withdrawal->amount,
			 .max_fee_msat = withdrawal->max_fee,
			 .node_account_id = withdrawal->node_account_id,
			 .reason = withdrawal->reason);
}

/* ---------------------------------------------------------- plans: deposits */

static void
begin_task(NodeTask *task, NodeOperation operation, Uuid invoice_id, Instant now)
{
	Arena	   *arena = task->call.arena;

	memset(task, 0, sizeof(*task));
	task->invoice_id = invoice_id;
	task->asked_at = now;
	task->call.arena = arena;
	task->call.operation = operation;
}

static Result
set_hash(NodeTask *task, const char *payment_hash)
{
	if (!bytes32_parse(payment_hash, &task->call.payment_hash))
		return FAIL_BECAUSE(INTERNAL, "A stored payment hash is none.");
	return OK;
}

Result
plan_deposit(const Bitcoin *context, UnitOfWork *work, Deposit *deposit, const NodeStanding *standing,
			 NodeTask *task, bool *is_call)
{
	Instant		now = clock_now(work);
	BitcoinTerms terms = context->terms();
	DepositState before = deposit->state;

	*is_call = false;
	switch (deposit_step(deposit, now, terms.create_deadline))
	{
		case DEPOSIT_REST:
			deposit->next_look_at = INSTANT_NONE;
			break;
		case DEPOSIT_GIVE_UP:
			deposit_give_up(deposit);
			break;
		case DEPOSIT_MAKE_INVOICE:
			if (standing->node == NULL || !standing->is_ready)
				break;
			begin_task(task, NODE_CREATE_INVOICE, deposit->aggregate.id, now);
			task->call.key = deposit->aggregate.id;
			task->call.amount = deposit->amount;
			task->call.memo = MEMO;
			task->call.seconds = deposit->expiry_seconds;
			deposit_ask(deposit, now, terms.call_timeout + LEASE_SECONDS);
			*is_call = true;
			break;
		case DEPOSIT_LOOK:
			if (standing->node == NULL)
				break;
			begin_task(task, NODE_LOOKUP_INVOICE, deposit->aggregate.id, now);
			TRY(set_hash(task, deposit->payment_hash));
			deposit_ask(deposit, now, terms.call_timeout + LEASE_SECONDS);
			*is_call = true;
			break;
	}
	tell_deposit(work, deposit, before);
	return OK;
}

/* ------------------------------------------------------- plans: withdrawals */

static bool
is_own_of_node(const Bitcoin *context, Arena *arena, const Withdrawal *withdrawal, const KnownNode *node)
{
	DecodedInvoice invoice;

	return !failed(context->decoder->decode(context->decoder, arena, withdrawal->payment_request, &invoice)) &&
		strcmp(invoice.payee, node->node_id) == 0;
}

static Result
plan_payment(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeStanding *standing,
			 const BitcoinTerms *terms, NodeTask *task, Instant now, bool *is_call)
{
	if (standing->node == NULL || !standing->is_ready)
		return OK;
	if (is_own_of_node(context, work->arena, withdrawal, standing->node))
	{
		withdrawal_turn_away(withdrawal, now);
		return OK;
	}
	if (!uuid_equal(standing->node->node_account_id, withdrawal->node_account_id))
		return FAIL_BECAUSE(INTERNAL, "A withdrawal belongs to another node.");
	begin_task(task, NODE_PAY, withdrawal->aggregate.id, now);
	TRY(set_hash(task, withdrawal->payment_hash));
	withdrawal_submit(withdrawal, standing->node, now, SUBMIT_SECONDS, GIVE_UP_SECONDS,
					  terms->call_timeout + LEASE_SECONDS);
	if (withdrawal->state != WITHDRAWAL_SUBMITTING)
		return FAIL_BECAUSE(INTERNAL, "A withdrawal could not be submitted.");
	task->attempt_no = withdrawal->attempt_no;
	task->start_before = withdrawal->submit_deadline;
	task->call.payment_request = arena_text(task->call.arena, withdrawal->payment_request);
	task->call.amount = withdrawal->amount_given ? withdrawal->amount : AMOUNT_ZERO;
	task->call.max_fee = withdrawal->max_fee;
	task->call.seconds = withdrawal->give_up_seconds;
	*is_call = true;
	return OK;
}

static Result
plan_cancellation(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal,
				  const NodeStanding *standing, const BitcoinTerms *terms,
				  NodeTask *task, Instant now, bool *is_call)
{
	Aggregate  *deposit;

	/* Settled is final, so that a look without a lock is good enough. */
	TRY(unit_of_work_read(work, &context->deposits->repository, withdrawal->deposit_id, &deposit));
	if (deposit == NULL || ((Deposit *) deposit)->state == DEPOSIT_SETTLED)
	{
		withdrawal_refused_inside(withdrawal, result_text(RESULT_PAYMENT_REQUEST_USED)->name, now);
		return OK;
	}
	if (standing->node == NULL)
		return OK;
	begin_task(task, NODE_CANCEL_INVOICE, withdrawal->aggregate.id, now);
	TRY(set_hash(task, withdrawal->payment_hash));
	task->deposit_id = withdrawal->deposit_id;
	withdrawal_ask(withdrawal, now, terms->call_timeout + LEASE_SECONDS);
	*is_call = true;
	return OK;
}

Result
plan_withdrawal(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal,
				const NodeStanding *standing, NodeTask *task, bool *is_call)
{
	Instant		now = clock_now(work);
	BitcoinTerms terms = context->terms();
	WithdrawalState before = withdrawal->state;

	*is_call = false;
	switch (withdrawal_step(withdrawal, now))
	{
		case WITHDRAWAL_REST:
			withdrawal->next_look_at = INSTANT_NONE;
			break;
		case WITHDRAWAL_EXPIRE:
			withdrawal_expire(withdrawal, now);
			break;
		case WITHDRAWAL_PAY:
			TRY(plan_payment(context, work, withdrawal, standing, &terms, task, now, is_call));
			break;
		case WITHDRAWAL_CANCEL_INVOICE:
			TRY(plan_cancellation(context, work, withdrawal, standing, &terms, task, now, is_call));
			break;
		case WITHDRAWAL_LOOK:
			/* Due although it was being submitted: whoever did that is gone. */
			withdrawal_abandon(withdrawal, now);
			if (standing->node == NULL)
				break;
			begin_task(task, NODE_LOOKUP_PAYMENT, withdrawal->aggregate.id, now);
			TRY(set_hash(task, withdrawal->payment_hash));
			task->attempt_no = withdrawal->attempt_no;
			withdrawal_ask(withdrawal, now, terms.call_timeout + LEASE_SECONDS);
			*is_call = true;
			break;
	}
	tell_withdrawal(work, withdrawal, before);
	return OK;
}

/* -------------------------------------------------------- answers: deposits */

static Result
apply_created(const Bitcoin *context, UnitOfWork *work, Deposit *deposit, const NodeTask *task,
			  const NodeStanding *standing, Instant now)
{
	DecodedInvoice invoice;
	Deposit    *other;

	if (!task->call.answered || task->call.created == NULL || standing->node == NULL)
	{
		deposit_not_made(deposit, now);
		return OK;
	}
	if (failed(context->decoder->decode(context->decoder, work->arena, task->call.created, &invoice)))
	{
		deposit_invoice_is_bad(deposit, "the node made something that is no payment request");
		return OK;
	}
	TRY(context->deposits->find_by_hash(context->deposits, work, invoice.payment_hash, &other));
	if (other != NULL && !uuid_equal(other->aggregate.id, deposit->aggregate.id))
		deposit_invoice_is_bad(deposit, "the node made one invoice for two deposits");
	else
		deposit_invoice_made(deposit, &invoice, standing->node, now);
	return OK;
}

/* True where the invoice is cancelled because a withdrawal pays it inside. */
static Result
is_being_paid_inside(const Bitcoin *context, UnitOfWork *work, const Deposit *deposit, bool *is_so)
{
	Withdrawal *withdrawal;

	TRY(context->withdrawals->find_by_hash(context->withdrawals, work, deposit->payment_hash, &withdrawal));
	*is_so = withdrawal != NULL && withdrawal->state == WITHDRAWAL_RESERVED &&
		uuid_equal(withdrawal->deposit_id, deposit->aggregate.id);
	return OK;
}

static Result
apply_invoice(const Bitcoin *context, UnitOfWork *work, Deposit *deposit, const NodeCall *call, Instant now)
{
	bool		is_paid_inside;

	switch (call->invoice)
	{
		case INVOICE_OPEN:
			deposit_not_paid(deposit, false, now);
			break;
		case INVOICE_HELD:
			deposit_not_paid(deposit, true, now);
			break;
		case INVOICE_SETTLED:
			if (preimage_fits(context->digest, call->preimage, deposit->payment_hash))
				deposit_settle(deposit, call->received, bytes32_hex(work->arena, call->preimage), now);
			else
				deposit_settled_unproven(deposit, now);
			break;
		case INVOICE_EXPIRED:
			deposit_expired_at_node(deposit, now);
			break;
		case INVOICE_CANCELED:
			TRY(is_being_paid_inside(context, work, deposit, &is_paid_inside));
			if (is_paid_inside)
				deposit_no_answer(deposit, now);
			else
				deposit_cancelled_at_node(deposit, now);
			break;
		case INVOICE_NOT_FOUND:
			deposit_unknown_to_node(deposit, now);
			break;
		case INVOICE_UNAVAILABLE:
			deposit_no_answer(deposit, now);
			break;
	}
	return OK;
}

static Result
apply_to_deposit(const Bitcoin *context, UnitOfWork *work, const NodeTask *task, const NodeStanding *standing)
{
	Instant		now = clock_now(work);
	Aggregate  *found;
	Deposit    *deposit;
	DepositState before;
	const char *alarm;

	TRY(unit_of_work_find(work, &context->deposits->repository, task->invoice_id, &found));
	if (found == NULL)
		return OK;
	deposit = (Deposit *) found;
	before = deposit->state;
	alarm = deposit->alarm;
	if (task->call.operation == NODE_CREATE_INVOICE)
		TRY(apply_created(context, work, deposit, task, standing, now));
	else
		TRY(apply_invoice(context, work, deposit, &task->call, now));
	tell_deposit(work, deposit, before);
	raise_new_alarm(context, deposit->aggregate.id, alarm, deposit->alarm);
	return OK;
}

/* ----------------------------------------------------- answers: withdrawals */

static NodeRecord
record_of(const NodeCall *call, Arena *arena)
{
	return (NodeRecord) {
		.reference = harmless_words(arena, call->payment.reference),
		.created_at = call->payment.created_at,
	};
}

/* The node says that it has paid. */
static Result
apply_success(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task, Instant now)
{
	const NodePayment *claim = &task->call.payment;
	ProvenPayment payment = {
		.preimage = bytes32_hex(work->arena, claim->preimage),
		.amount = claim->amount,
		.fee = claim->fee,
		.record = record_of(&task->call, work->arena),
	};
	Withdrawal *other;

	if (!claim->has_preimage || !preimage_fits(context->digest, claim->preimage, withdrawal->payment_hash))
	{
		withdrawal_success_unproven(withdrawal, task->attempt_no, now);
		return OK;
	}
	if (withdrawal->state == WITHDRAWAL_FAILED)
	{
		/* Asked for anew since: the one payment there is belongs to the newer one. */
		TRY(context->withdrawals->find_by_hash(context->withdrawals, work, withdrawal->payment_hash, &other));
		if (other != NULL && withdrawal_is_live(other) &&
			!uuid_equal(other->aggregate.id, withdrawal->aggregate.id))
		{
			withdrawal_no_answer(withdrawal, now);
			return OK;
		}
	}
	withdrawal_succeed(withdrawal, &payment, now);
	return OK;
}

static Result
apply_submit(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task, Instant now)
{
	switch (task->call.submit)
	{
		case SUBMIT_ACKED:
			withdrawal_acknowledged(withdrawal, task->attempt_no, now);
			break;
		case SUBMIT_SETTLED:
			return apply_success(context, work, withdrawal, task, now);
		case SUBMIT_REJECTED:
			withdrawal_refused(withdrawal, task->attempt_no, failure_reason(task->call.failure), now);
			break;
		case SUBMIT_NOT_SENT:
			withdrawal_not_sent(withdrawal, task->attempt_no, now);
			break;
		case SUBMIT_AMBIGUOUS:
			withdrawal_ambiguous(withdrawal, task->attempt_no, now);
			break;
	}
	return OK;
}

static Result
apply_verdict(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task,
			  const NodeStanding *standing, Instant now)
{
	NodeRecord	record = record_of(&task->call, work->arena);
	NotFoundTrust trust = {
		.node_is_known = standing->node != NULL && standing->is_ready,
		.asked_at = task->asked_at,
		.delay_seconds = context->terms().not_found_delay,
	};

	switch (task->call.verdict)
	{
		case PAYMENT_NOT_FOUND:
			withdrawal_unknown_to_node(withdrawal, task->attempt_no, &trust, now);
			break;
		case PAYMENT_PENDING:
			withdrawal_pending(withdrawal, task->attempt_no, &record, now);
			break;
		case PAYMENT_SUCCEEDED:
			return apply_success(context, work, withdrawal, task, now);
		case PAYMENT_FAILED:
			withdrawal_failed_at_node(withdrawal, task->attempt_no, failure_reason(task->call.failure),
									  &record, &trust, now);
			break;
		case PAYMENT_UNAVAILABLE:
			withdrawal_no_answer(withdrawal, now);
			break;
	}
	return OK;
}

static Result
apply_to_withdrawal(const Bitcoin *context, UnitOfWork *work, const NodeTask *task, const NodeStanding *standing)
{
	Instant		now = clock_now(work);
	Aggregate  *found;
	Withdrawal *withdrawal;
	WithdrawalState before;
	const char *alarm;

	TRY(unit_of_work_find(work, &context->withdrawals->repository, task->invoice_id, &found));
	if (found == NULL)
		return OK;
	withdrawal = (Withdrawal *) found;
	before = withdrawal->state;
	alarm = withdrawal->alarm;
	if (task->call.operation == NODE_PAY)
		TRY(apply_submit(context, work, withdrawal, task, now));
	else
		TRY(apply_verdict(context, work, withdrawal, task, standing, now));
	if (task->call.words != NULL)
		withdrawal->node_words = harmless_words(work->arena, task->call.words);
	tell_withdrawal(work, withdrawal, before);
	raise_new_alarm(context, withdrawal->aggregate.id, alarm, withdrawal->alarm);
	return OK;
}

/* ----------------------------------------------------- answers: paid inside */

/* Nobody can pay the invoice any more: the reserve becomes the payee's. */
static void
pay_inside(const Bitcoin *context, Deposit *deposit, Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_RESERVED)
		return;
	if (deposit->state == DEPOSIT_SETTLED)
	{
		/* It was credited already, whatever the node says now. */
		withdrawal_refused_inside(withdrawal, result_text(RESULT_PAYMENT_REQUEST_USED)->name, now);
		context->alarms->raise(context->alarms, deposit->aggregate.id,
							   "the node cancelled an invoice that it had called settled");
		return;
	}
	deposit_settle_inside(deposit, withdrawal->aggregate.id, now);
	withdrawal_paid_inside(withdrawal, now);
}

static Result
apply_cancellation(const Bitcoin *context, UnitOfWork *work, const NodeTask *task)
{
	Instant		now = clock_now(work);
	Aggregate  *found_deposit;
	Aggregate  *found_withdrawal;
	Deposit    *deposit;
	Withdrawal *withdrawal;
	DepositState deposit_before;
	WithdrawalState withdrawal_before;

	TRY(unit_of_work_find(work, &context->deposits->repository, task->deposit_id, &found_deposit));
	TRY(unit_of_work_find(work, &context->withdrawals->repository, task->invoice_id, &found_withdrawal));
	if (found_deposit == NULL || found_withdrawal == NULL)
		return OK;
	deposit = (Deposit *) found_deposit;
	withdrawal = (Withdrawal *) found_withdrawal;
	deposit_before = deposit->state;
	withdrawal_before = withdrawal->state;
	switch (task->call.cancel)
	{
		case CANCEL_CANCELED:
			pay_inside(context, deposit, withdrawal, now);
			break;
		case CANCEL_ALREADY_SETTLED:
			withdrawal_refused_inside(withdrawal, result_text(RESULT_PAYMENT_REQUEST_USED)->name, now);
			deposit_want_look(deposit, now);
			break;
		case CANCEL_NOT_FOUND:
		case CANCEL_UNAVAILABLE:
			withdrawal_not_cancelled(withdrawal, now);
			break;
	}
	tell_deposit(work, deposit, deposit_before);
	tell_withdrawal(work, withdrawal, withdrawal_before);
	return OK;
}

/* ------------------------------------------------------------------ answers */

void
task_touches(const NodeTask *task, Uuid *deposit_id, Uuid *withdrawal_id)
{
	bool		is_deposits = task->call.operation == NODE_CREATE_INVOICE ||
		task->call.operation == NODE_LOOKUP_INVOICE;

	*deposit_id = is_deposits ? task->invoice_id : task->deposit_id;
	*withdrawal_id = is_deposits ? UUID_NIL : task->invoice_id;
}

Result
apply_answer(const Bitcoin *context, UnitOfWork *work, const NodeTask *task, const NodeStanding *standing)
{
	switch (task->call.operation)
	{
		case NODE_CREATE_INVOICE:
		case NODE_LOOKUP_INVOICE:
			return apply_to_deposit(context, work, task, standing);
		case NODE_CANCEL_INVOICE:
			return apply_cancellation(context, work, task);
		case NODE_PAY:
		case NODE_LOOKUP_PAYMENT:
			return apply_to_withdrawal(context, work, task, standing);
		case NODE_IDENTIFY:
		case NODE_SETTLED_SINCE:
		case NODE_BALANCE:
		case NODE_LIST_PAYMENTS:
		case NODE_LIST_INVOICES:
			break;
	}
	return FAIL_BECAUSE(INTERNAL, "The answer is about no row.");
}
