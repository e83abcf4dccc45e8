/*
 * node_plan.c
 *		What the node is asked about a row that is due.
 *
 * Locks: whoever calls has locked the row.
 */
#include "bitcoin/node_work.h"

#include "bitcoin/node_tell.h"

#include "lightning/bytes32.h"

#include <string.h>

#define SUBMIT_SECONDS 10		/* within which a committed submission must begin */
#define GIVE_UP_SECONDS 60		/* within which the node may start attempts */
#define WAIT_SECONDS 10			/* where nothing may be paid for now */
#define BALANCE_SECONDS 1		/* until a balance is known that covers it, or is known not to */
#define LEASE_SECONDS 5			/* beyond the end of a call, until its row is due again */

/* ------------------------------------------------------------------- tasks */

static void
begin_task(NodeTask *task, NodeOperation operation, Uuid invoice_id, const NodeStanding *standing, Instant now)
{
	Arena	   *arena = task->call.arena;

	memset(task, 0, sizeof(*task));
	task->invoice_id = invoice_id;
	task->asked_at = now;
	task->asked_node = standing->node != NULL ? standing->node->node_account_id : UUID_NIL;
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

/* ---------------------------------------------------------------- deposits */

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
		case DEPOSIT_LEAVE:
			deposit->next_look_at = INSTANT_NONE;
			break;
		case DEPOSIT_GIVE_UP:
			deposit_give_up(deposit);
			break;
		case DEPOSIT_MAKE_INVOICE:
			if (standing->node == NULL || !standing->is_ready)
				break;
			begin_task(task, NODE_CREATE_INVOICE, deposit->aggregate.id, standing, now);
			task->call.key = deposit->aggregate.id;
			task->call.amount = deposit->amount;
			task->call.memo = DEPOSIT_DESCRIPTION;
			task->call.seconds = deposit->expiry_seconds;
			deposit_ask(deposit, now, terms.call_timeout + LEASE_SECONDS);
			*is_call = true;
			break;
		case DEPOSIT_LOOK:
			if (standing->node == NULL)
				break;
			begin_task(task, NODE_LOOKUP_INVOICE, deposit->aggregate.id, standing, now);
			TRY(set_hash(task, deposit->payment_hash));
			task->has_ended = deposit->state != DEPOSIT_OPEN;
			deposit_ask(deposit, now, terms.call_timeout + LEASE_SECONDS);
			*is_call = true;
			break;
	}
	tell_deposit(work, deposit, before);
	return OK;
}

/* ------------------------------------------------------------- withdrawals */

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
	if (!standing->may_pay)
	{
		withdrawal_wait(withdrawal, WAIT_SECONDS, now);
		return OK;
	}
	if (is_own_of_node(context, work->arena, withdrawal, standing->node))
	{
		withdrawal_turn_away(withdrawal, now);
		return OK;
	}
	if (!uuid_equal(standing->node->node_account_id, withdrawal->node_account_id))
		return FAIL_BECAUSE(INTERNAL, "A withdrawal belongs to another node.");
	if (standing->purse != NULL && !purse_take(standing->purse, withdrawal->amount, withdrawal->max_fee))
	{
		withdrawal_wait(withdrawal, BALANCE_SECONDS, now);
		return OK;
	}
	begin_task(task, NODE_PAY, withdrawal->aggregate.id, standing, now);
	TRY(set_hash(task, withdrawal->payment_hash));
	withdrawal_submit(withdrawal, standing->node, now, SUBMIT_SECONDS, GIVE_UP_SECONDS,
					  terms->call_timeout + LEASE_SECONDS);
	if (withdrawal->state != WITHDRAWAL_SUBMITTING)
		return FAIL_BECAUSE(INTERNAL, "A withdrawal could not be submitted.");
	task->attempt_no = withdrawal->attempt_no;
	task->call.write_before = withdrawal->submit_deadline;
	task->call.payment_request = arena_text(task->call.arena, withdrawal->payment_request);
	task->call.amount = withdrawal->amount_given ? withdrawal->amount : AMOUNT_ZERO;
	task->call.due = withdrawal->amount;
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
	/* It was asked for by another node. */
	if (standing->capabilities != NULL && !standing->capabilities->can_cancel_invoice)
	{
		withdrawal_refused_inside(withdrawal, result_text(RESULT_PAYMENT_REFUSED)->name, now);
		return OK;
	}
	begin_task(task, NODE_CANCEL_INVOICE, withdrawal->aggregate.id, standing, now);
	TRY(set_hash(task, withdrawal->payment_hash));
	task->deposit_id = withdrawal->deposit_id;
	withdrawal_ask(withdrawal, now, terms->call_timeout + LEASE_SECONDS);
	*is_call = true;
	return OK;
}

static Result
plan_look(Withdrawal *withdrawal, const NodeStanding *standing, const BitcoinTerms *terms,
		  NodeTask *task, Instant now, bool *is_call)
{
	/* Due although it was being submitted: whoever did that is gone. */
	withdrawal_abandon(withdrawal, now);
	if (standing->is_another)
		withdrawal_node_is_another(withdrawal, now);
	else if (standing->node != NULL)
		withdrawal_node_is_back(withdrawal, now);
	else
		return OK;
	begin_task(task, NODE_LOOKUP_PAYMENT, withdrawal->aggregate.id, standing, now);
	TRY(set_hash(task, withdrawal->payment_hash));
	task->attempt_no = withdrawal->attempt_no;
	task->has_ended = withdrawal->state == WITHDRAWAL_FAILED;
	withdrawal_ask(withdrawal, now, terms->call_timeout + LEASE_SECONDS);
	*is_call = true;
	return OK;
}

/* What became of the earlier one of its hash. */
static Result
plan_check(Withdrawal *withdrawal, const NodeStanding *standing, const BitcoinTerms *terms,
		   NodeTask *task, Instant now, bool *is_call)
{
	if (standing->node == NULL || !standing->is_ready)
		return OK;
	begin_task(task, NODE_LOOKUP_PAYMENT, withdrawal->aggregate.id, standing, now);
	TRY(set_hash(task, withdrawal->payment_hash));
	task->is_check = true;
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
		case WITHDRAWAL_LEAVE:
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
		case WITHDRAWAL_CHECK:
			TRY(plan_check(withdrawal, standing, &terms, task, now, is_call));
			break;
		case WITHDRAWAL_LOOK:
			TRY(plan_look(withdrawal, standing, &terms, task, now, is_call));
			break;
	}
	tell_withdrawal(work, withdrawal, before);
	return OK;
}
