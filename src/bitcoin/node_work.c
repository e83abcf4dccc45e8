/*
 * node_work.c
 *		What the answer of a node means.
 *
 * Locks: apply_answer() locks the deposit before the withdrawal.
 */
#include "bitcoin/node_work.h"

#include "bitcoin/node_tell.h"

#include "lightning/bytes32.h"

#include <string.h>

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
		case NODE_FAILURE_NOT_ALLOWED:
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

/* The answer is of the node that the books belong to: since it was asked they may have been given another. */
static bool
is_of_our_node(const NodeTask *task, const NodeStanding *standing)
{
	return standing->node != NULL && uuid_equal(task->asked_node, standing->node->node_account_id);
}

/* ---------------------------------------------------------------- deposits */

/* Only the node of the books refuses for good. */
static void
apply_not_created(Deposit *deposit, const NodeCall *call, bool is_ours, const char *words, Instant now)
{
	if (is_ours && answer_ends_something(call))
		deposit_refused(deposit, words);
	else
		deposit_not_made(deposit, words, now);
}

static Result
apply_created(const Bitcoin *context, UnitOfWork *work, Deposit *deposit, const NodeTask *task,
			  const NodeStanding *standing, Instant now)
{
	DecodedInvoice invoice;
	Deposit    *other;
	bool		is_ours = is_of_our_node(task, standing);

	if (!task->call.answered || task->call.created == NULL || !is_ours)
	{
		apply_not_created(deposit, &task->call, is_ours, harmless_words(work->arena, task->call.words), now);
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
			{
				deposit_settle(deposit, call->received, bytes32_hex(work->arena, call->preimage), now);
				deposit_bear_fee(deposit, call->receive_fee);
			}
			else
				deposit_settled_unproven(deposit, now);
			break;
		case INVOICE_EXPIRED:
			deposit_expired_at_node(deposit, now);
			break;
		case INVOICE_CANCELED:
			TRY(is_being_paid_inside(context, work, deposit, &is_paid_inside));
			if (is_paid_inside)
				deposit_undecided(deposit, now);
			else
				deposit_cancelled_at_node(deposit, now);
			break;
		case INVOICE_NOT_FOUND:
			TRY(is_being_paid_inside(context, work, deposit, &is_paid_inside));
			if (is_paid_inside)
				deposit_undecided(deposit, now);
			else
				deposit_unknown_to_node(deposit, now);
			break;
		case INVOICE_UNAVAILABLE:
			deposit_undecided(deposit, now);
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
	else if (is_of_our_node(task, standing))
		TRY(apply_invoice(context, work, deposit, &task->call, now));
	else
		deposit_undecided(deposit, now);
	tell_deposit(work, deposit, before);
	raise_new_alarm(context, deposit->aggregate.id, alarm, deposit->alarm);
	return OK;
}

/* ------------------------------------------------------------- withdrawals */

static NodeRecord
record_of(const NodeCall *call, Arena *arena)
{
	return (NodeRecord) {
		.reference = harmless_words(arena, call->payment.reference),
		.created_at = call->payment.created_at,
	};
}

static bool
is_proven(const Bitcoin *context, const Withdrawal *withdrawal, const NodePayment *claim)
{
	return claim->has_preimage && preimage_fits(context->digest, claim->preimage, withdrawal->payment_hash);
}

static ProvenPayment
proven_payment(const NodeCall *call, Arena *arena)
{
	return (ProvenPayment) {
		.preimage = bytes32_hex(arena, call->payment.preimage),
		.amount = call->payment.amount,
		.fee = call->payment.fee,
		.record = record_of(call, arena),
	};
}

/* What was paid is the earlier one's, if it asked for that: it is looked at in turn, and booked as a late one. */
static Result
look_at_earlier(const Bitcoin *context, UnitOfWork *work, const Withdrawal *withdrawal, Amount amount, Instant now)
{
	Withdrawal *earlier;
	Aggregate  *found;

	TRY(context->withdrawals->find_failed(context->withdrawals, work, withdrawal->payment_hash, amount, &earlier));
	if (earlier == NULL)
		return OK;
	TRY(unit_of_work_find(work, &context->withdrawals->repository, earlier->aggregate.id, &found));
	if (found != NULL)
		withdrawal_want_look((Withdrawal *) found, now);
	return OK;
}

/*
 * Asked for anew since, the one payment there is belongs to the one that asked
 * for what was paid; of two that did, or where none did, to the live one.  It is
 * booked once: of several that failed the newest has it, and no other after it.
 */
static Result
book_late(const Bitcoin *context, UnitOfWork *work, Withdrawal *failed_one, const ProvenPayment *payment, Instant now)
{
	Withdrawal *newest;
	Withdrawal *fitting;
	bool		fits = amount_equal(payment->amount, failed_one->amount);
	bool		is_its_own;
	bool		is_booked;

	TRY(context->withdrawals->is_booked(context->withdrawals, work, failed_one->payment_hash, payment->amount, &is_booked));
	TRY(context->withdrawals->find_by_hash(context->withdrawals, work, failed_one->payment_hash, &newest));
	TRY(context->withdrawals->find_failed(context->withdrawals, work, failed_one->payment_hash, payment->amount, &fitting));
	is_its_own = fitting != NULL && uuid_equal(fitting->aggregate.id, failed_one->aggregate.id);
	if (newest != NULL && withdrawal_is_live(newest))
	{
		if (fits && is_its_own && !is_booked && !amount_equal(newest->amount, payment->amount))
			withdrawal_paid_beside(failed_one, payment, now);
		else
			withdrawal_undecided(failed_one, now);
	}
	else if (fitting != NULL && !is_its_own)
	{
		withdrawal_undecided(failed_one, now);
		return look_at_earlier(context, work, failed_one, payment->amount, now);
	}
	else
		withdrawal_succeed(failed_one, payment, now);
	return OK;
}

/* The node says that it has paid. */
static Result
apply_success(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task, Instant now)
{
	ProvenPayment payment = proven_payment(&task->call, work->arena);

	if (!is_proven(context, withdrawal, &task->call.payment))
	{
		withdrawal_success_unproven(withdrawal, task->attempt_no, now);
		return OK;
	}
	if (withdrawal->state == WITHDRAWAL_FAILED)
		return book_late(context, work, withdrawal, &payment, now);
	withdrawal_succeed(withdrawal, &payment, now);
	return OK;
}

static Result
apply_submit(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task, Instant now)
{
	NodeRecord	record = record_of(&task->call, work->arena);

	switch (task->call.submit)
	{
		case SUBMIT_ACKED:
			withdrawal_acknowledged(withdrawal, task->attempt_no, now);
			break;
		case SUBMIT_SETTLED:
			return apply_success(context, work, withdrawal, task, now);
		case SUBMIT_REJECTED:
			withdrawal_refused(withdrawal, task->attempt_no, failure_reason(task->call.failure), &record, now);
			break;
		case SUBMIT_NOT_SENT:
		case SUBMIT_NOT_ALLOWED:
			withdrawal_not_sent(withdrawal, task->attempt_no, now);
			break;
		case SUBMIT_AMBIGUOUS:
			withdrawal_ambiguous(withdrawal, task->attempt_no, now);
			break;
	}
	return OK;
}

static NodeTrust
trust_in(const Bitcoin *context, const NodeTask *task, const NodeStanding *standing)
{
	const NodeCapabilities *capabilities = standing->capabilities;
	BitcoinTerms terms = context->terms();
	NodeTrust	trust = {
		.node_is_known = is_of_our_node(task, standing) && standing->is_ready,
		.asked_at = task->asked_at,
		.delay_seconds = terms.not_found_delay,
		.weak_seconds = terms.weak_failure_delay,
		.forgets = standing->forgets,
	};

	if (capabilities != NULL)
	{
		trust.failure_rule = capabilities->failure_rule;
		trust.not_found_rule = capabilities->not_found_rule;
		trust.refuses_second_payment = capabilities->refuses_second_payment;
	}
	return trust;
}

/* What the node says of the earlier one of that hash. */
static Result
apply_check(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task,
			const NodeStanding *standing, Instant now)
{
	NodeTrust	trust = trust_in(context, task, standing);
	ProvenPayment payment = proven_payment(&task->call, work->arena);
	NodeRecord	record = record_of(&task->call, work->arena);
	bool		is_doubted;
	bool		was_left;

	TRY(context->withdrawals->was_left(context->withdrawals, work, withdrawal->payment_hash,
									   withdrawal->node_account_id, &was_left));
	/* Only its own node could tell that it is dead. */
	if (was_left && task->call.verdict != PAYMENT_SUCCEEDED)
	{
		withdrawal_turn_away(withdrawal, now);
		return OK;
	}
	TRY(context->withdrawals->has_doubtful(context->withdrawals, work, withdrawal->payment_hash, &is_doubted));
	switch (task->call.verdict)
	{
		case PAYMENT_NOT_FOUND:
			withdrawal_earlier_is_unknown(withdrawal, is_doubted, &trust, now);
			break;
		case PAYMENT_FAILED:
			withdrawal_earlier_has_failed(withdrawal, &record, &trust, now);
			break;
		case PAYMENT_SUCCEEDED:
			if (!is_proven(context, withdrawal, &task->call.payment))
			{
				withdrawal_earlier_is_open(withdrawal, &record, now);
				break;
			}
			withdrawal_earlier_was_paid(withdrawal, &payment, now);
			if (withdrawal->state == WITHDRAWAL_FAILED)
				return look_at_earlier(context, work, withdrawal, payment.amount, now);
			break;
		case PAYMENT_PENDING:
		case PAYMENT_UNAVAILABLE:
			withdrawal_earlier_is_open(withdrawal, &record, now);
			break;
	}
	return OK;
}

/* Under way is what was sent last: of one that has failed, that says nothing where another one was sent since. */
static Result
apply_pending(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task, Instant now)
{
	NodeRecord	record = record_of(&task->call, work->arena);
	Withdrawal *newest = NULL;

	if (withdrawal->state == WITHDRAWAL_FAILED)
		TRY(context->withdrawals->find_by_hash(context->withdrawals, work, withdrawal->payment_hash, &newest));
	if (newest != NULL && withdrawal_is_live(newest) && newest->attempt_no > 0)
		withdrawal_undecided(withdrawal, now);
	else
		withdrawal_pending(withdrawal, task->attempt_no, &record, now);
	return OK;
}

static Result
apply_verdict(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal, const NodeTask *task,
			  const NodeStanding *standing, Instant now)
{
	NodeRecord	record = record_of(&task->call, work->arena);
	NodeTrust	trust = trust_in(context, task, standing);

	/* Of another node's words, only the proof of a payment counts, and without it there is no alarm but its being another. */
	if (!is_of_our_node(task, standing) &&
		(task->call.verdict != PAYMENT_SUCCEEDED || !is_proven(context, withdrawal, &task->call.payment)))
	{
		withdrawal_undecided(withdrawal, now);
		return OK;
	}
	switch (task->call.verdict)
	{
		case PAYMENT_NOT_FOUND:
			withdrawal_unknown_to_node(withdrawal, task->attempt_no, &trust, now);
			break;
		case PAYMENT_PENDING:
			return apply_pending(context, work, withdrawal, task, now);
		case PAYMENT_SUCCEEDED:
			return apply_success(context, work, withdrawal, task, now);
		case PAYMENT_FAILED:
			withdrawal_failed_at_node(withdrawal, task->attempt_no, failure_reason(task->call.failure),
									  &record, &trust, now);
			break;
		case PAYMENT_UNAVAILABLE:
			withdrawal_undecided(withdrawal, now);
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
	if (task->is_check)
		TRY(apply_check(context, work, withdrawal, task, standing, now));
	else if (task->call.operation == NODE_PAY)
		TRY(apply_submit(context, work, withdrawal, task, now));
	else
		TRY(apply_verdict(context, work, withdrawal, task, standing, now));
	if (task->call.words != NULL)
		withdrawal->node_words = harmless_words(work->arena, task->call.words);
	tell_withdrawal(work, withdrawal, before);
	raise_new_alarm(context, withdrawal->aggregate.id, alarm, withdrawal->alarm);
	return OK;
}

/* ------------------------------------------------------------- paid inside */

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
apply_cancellation(const Bitcoin *context, UnitOfWork *work, const NodeTask *task, const NodeStanding *standing)
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
	switch (is_of_our_node(task, standing) ? task->call.cancel : CANCEL_UNAVAILABLE)
	{
		case CANCEL_CANCELED:
			pay_inside(context, deposit, withdrawal, now);
			break;
		case CANCEL_ALREADY_SETTLED:
			withdrawal_refused_inside(withdrawal, result_text(RESULT_PAYMENT_REQUEST_USED)->name, now);
			deposit_want_look(deposit, now);
			break;
		case CANCEL_NOT_FOUND:
			if (!standing->is_ready)
				withdrawal_not_cancelled(withdrawal, now);
			else if (withdrawal_cancelled_unheard(withdrawal, now))
				pay_inside(context, deposit, withdrawal, now);
			break;
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

/* The node was asked who it is after the answer was there, and is the one of the books. */
static bool
is_from_known_node(const NodeTask *task, const NodeStanding *standing)
{
	return standing->node != NULL && identity_is_known_by(&standing->questions, task->named_by);
}

static bool
needs_identity(const NodeTask *task)
{
	return !task->has_ended && answer_ends_something(&task->call);
}

bool
answer_waits_for_identity(const NodeTask *task, const NodeStanding *standing)
{
	return standing->node != NULL && needs_identity(task) && !is_from_known_node(task, standing);
}

static Result
apply_believed(const Bitcoin *context, UnitOfWork *work, const NodeTask *task, const NodeStanding *standing)
{
	switch (task->call.operation)
	{
		case NODE_CREATE_INVOICE:
		case NODE_LOOKUP_INVOICE:
			return apply_to_deposit(context, work, task, standing);
		case NODE_CANCEL_INVOICE:
			return apply_cancellation(context, work, task, standing);
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

Result
apply_answer(const Bitcoin *context, UnitOfWork *work, const NodeTask *task, const NodeStanding *standing)
{
	NodeTask	believed = *task;

	if (needs_identity(task) && !is_from_known_node(task, standing))
		take_answer_back(&believed.call);
	return apply_believed(context, work, &believed, standing);
}
