/*
 * withdrawal.c
 *		The rules of one withdrawal: what is asked for, what the ledger says, what
 *		the worker does with it.  What a node says of it is in withdrawal_answers.c.
 */
#include "bitcoin/withdrawal_parts.h"

#include "bitcoin/schedule.h"

#include "common/names.h"

#include <string.h>

#define PPM INT64_C(1000000)

static const char *const another_node = "another node answers than the one that has this payment; its reserve is held";

const AggregateType withdrawal_type = {"withdrawal", sizeof(Withdrawal), RANK_WITHDRAWAL};

static const char *const state_names[WITHDRAWAL_STATE_COUNT] = {
	[WITHDRAWAL_REQUESTED] = "requested",
	[WITHDRAWAL_RESERVED] = "reserved",
	[WITHDRAWAL_SUBMITTING] = "submitting",
	[WITHDRAWAL_IN_FLIGHT] = "in_flight",
	[WITHDRAWAL_UNKNOWN] = "unknown",
	[WITHDRAWAL_SUCCEEDED] = "succeeded",
	[WITHDRAWAL_FAILED] = "failed",
	[WITHDRAWAL_REJECTED] = "rejected",
	[WITHDRAWAL_NEEDS_OPERATOR] = "needs_operator",
};

static const char *const statuses[WITHDRAWAL_STATE_COUNT] = {
	[WITHDRAWAL_REQUESTED] = "pending",
	[WITHDRAWAL_RESERVED] = "pending",
	[WITHDRAWAL_SUBMITTING] = "pending",
	[WITHDRAWAL_IN_FLIGHT] = "pending",
	[WITHDRAWAL_UNKNOWN] = "pending",
	[WITHDRAWAL_SUCCEEDED] = "paid",
	[WITHDRAWAL_FAILED] = "failed",
	[WITHDRAWAL_REJECTED] = "rejected",
	[WITHDRAWAL_NEEDS_OPERATOR] = "pending",
};

/* --------------------------------------------------------------- commands */

Result
withdrawal_amount(const AskWithdrawal *command, const DecodedInvoice *invoice, Amount *amount)
{
	bool		is_given = !amount_equal(command->amount, AMOUNT_ZERO);

	if (invoice->has_amount && is_given)
		return FAIL_BECAUSE(AMOUNT_MISSING, "The payment request names its amount; leave amount_sat out.");
	if (!invoice->has_amount && !is_given)
		return FAIL_BECAUSE(AMOUNT_MISSING, "The payment request names no amount; give amount_sat.");
	*amount = is_given ? command->amount : invoice->amount;
	if (!amount_is_payable(*amount))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							"A withdrawal must be more than nothing and no more than all bitcoin.");
	return OK;
}

Result
withdrawal_fee_cap(const AskWithdrawal *command, const WithdrawalRules *rules, Amount amount, Amount *cap)
{
	Amount		share;

	if (command->has_max_fee && command->max_fee.msat < 0)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The highest fee must not be negative.");
	if (!amount_share(amount, rules->fee_ppm, PPM, &share))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The highest fee for this amount cannot be reckoned.");
	*cap = amount_compare(share, rules->fee_floor) < 0 ? rules->fee_floor : share;
	if (command->has_max_fee && amount_compare(command->max_fee, *cap) < 0)
		*cap = command->max_fee;
	return OK;
}

Result
withdrawal_create(const AskWithdrawal *command, const DecodedInvoice *invoice, const WithdrawalRules *rules,
				  Uuid node_account_id, Uuid deposit_id, Uuid payee_id, Uuid invoice_id, Instant now,
				  Withdrawal *withdrawal)
{
	Amount		amount;
	Amount		cap;
	Amount		reserve;

	TRY(withdrawal_amount(command, invoice, &amount));
	TRY(withdrawal_fee_cap(command, rules, amount, &cap));
	if (!uuid_is_nil(deposit_id))
		cap = AMOUNT_ZERO;
	if (!amount_add(amount, cap, &reserve) || !amount_is_payable(reserve))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Amount and highest fee together are more than all bitcoin.");
	memset(withdrawal, 0, sizeof(*withdrawal));
	withdrawal->aggregate.type = &withdrawal_type;
	withdrawal->aggregate.id = invoice_id;
	withdrawal->account_id = command->account_id;
	withdrawal->node_account_id = node_account_id;
	withdrawal->payment_hash = invoice->payment_hash;
	withdrawal->payment_request = invoice->payment_request;
	withdrawal->amount = amount;
	withdrawal->amount_given = !invoice->has_amount;
	withdrawal->max_fee = cap;
	withdrawal->has_asked_max_fee = command->has_max_fee;
	withdrawal->asked_max_fee = command->has_max_fee ? command->max_fee : AMOUNT_ZERO;
	withdrawal->expires_at = invoice->expires_at;
	withdrawal->created_at = now;
	withdrawal->deposit_id = deposit_id;
	withdrawal->payee_id = uuid_is_nil(deposit_id) ? UUID_NIL : payee_id;
	withdrawal->state = WITHDRAWAL_REQUESTED;
	return OK;
}

static bool
asks_same_fee(const Withdrawal *withdrawal, const AskWithdrawal *command, const WithdrawalRules *rules)
{
	Amount		cap;

	if (withdrawal->has_asked_max_fee == command->has_max_fee &&
		(!command->has_max_fee || amount_equal(withdrawal->asked_max_fee, command->max_fee)))
		return true;
	/* A higher one is cut to the cap, so it asks for the same as none. */
	return !withdrawal_is_inside(withdrawal) &&
		!failed(withdrawal_fee_cap(command, rules, withdrawal->amount, &cap)) &&
		amount_equal(cap, withdrawal->max_fee);
}

Result
withdrawal_repeats(const Withdrawal *withdrawal, const AskWithdrawal *command,
				   const DecodedInvoice *invoice, const WithdrawalRules *rules)
{
	Amount		amount;

	if (!uuid_equal(withdrawal->account_id, command->account_id))
		return FAIL(PAYMENT_REQUEST_USED);
	TRY(withdrawal_amount(command, invoice, &amount));
	if (!amount_equal(amount, withdrawal->amount) ||
		strcmp(invoice->payment_request, withdrawal->payment_request) != 0 ||
		!asks_same_fee(withdrawal, command, rules))
		return FAIL(IDEMPOTENCY_MISMATCH);
	return OK;
}

void
withdrawal_follows(Withdrawal *withdrawal, const Withdrawal *earlier)
{
	withdrawal->follows = earlier->aggregate.id;
	withdrawal->tried_before = earlier->attempt_no > 0 || earlier->tried_before;
	withdrawal->earlier_reference = earlier->node_reference != NULL ?
		earlier->node_reference : earlier->earlier_reference;
}

bool
withdrawal_is_inside(const Withdrawal *withdrawal)
{
	return !uuid_is_nil(withdrawal->deposit_id);
}

bool
withdrawal_is_live(const Withdrawal *withdrawal)
{
	return withdrawal->state != WITHDRAWAL_REJECTED && withdrawal->state != WITHDRAWAL_FAILED;
}

/* ------------------------------------------------------------- the ledger */

bool
withdrawal_accept(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_REQUESTED)
		return false;
	/* Of books that are a copy, it may have been sent before these knew of the reserve. */
	withdrawal->state = withdrawal->attempt_no > 0 ? WITHDRAWAL_UNKNOWN : WITHDRAWAL_RESERVED;
	withdrawal->next_look_at = now;
	if (withdrawal->state == WITHDRAWAL_RESERVED && withdrawal->tried_before)
		withdrawal->next_look_at = later(now, instant_plus_seconds(withdrawal->created_at, WITHDRAWAL_REST_SECONDS));
	return true;
}

bool
withdrawal_reject(Withdrawal *withdrawal, const char *reason)
{
	if (withdrawal->state != WITHDRAWAL_REQUESTED)
		return false;
	withdrawal->state = WITHDRAWAL_REJECTED;
	withdrawal->reason = reason;
	return true;
}

/* ----------------------------------------------------------------- states */

/* Sent, and not ended: the reserve hangs on what the node says. */
bool
withdrawal_is_open_at_node(const Withdrawal *withdrawal)
{
	return withdrawal->state == WITHDRAWAL_SUBMITTING ||
		withdrawal->state == WITHDRAWAL_IN_FLIGHT ||
		withdrawal->state == WITHDRAWAL_UNKNOWN ||
		withdrawal->state == WITHDRAWAL_NEEDS_OPERATOR;
}

bool
withdrawal_has_expired(const Withdrawal *withdrawal, Instant now)
{
	return !instant_before(now, withdrawal->expires_at);
}

void
withdrawal_fail(Withdrawal *withdrawal, const char *reason, Instant now)
{
	withdrawal->state = WITHDRAWAL_FAILED;
	withdrawal->reason = reason;
	withdrawal->failed_at = now;
	withdrawal->in_doubt = false;
	withdrawal->next_look_at = withdrawal->attempt_no > 0 && !withdrawal_is_inside(withdrawal) ?
		next_look_at_failed_payment(now, now) : INSTANT_NONE;
}

/*
 * After an answer that decides nothing: when to look again.  What is being
 * submitted is left to its submitter.
 */
void
withdrawal_look_again(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal_is_open_at_node(withdrawal) && withdrawal->state != WITHDRAWAL_SUBMITTING)
	{
		if (withdrawal->state != WITHDRAWAL_NEEDS_OPERATOR &&
			!instant_before(now, instant_plus_seconds(withdrawal->submitted_at, HTLC_LIFETIME_SECONDS)))
		{
			withdrawal->state = WITHDRAWAL_NEEDS_OPERATOR;
			withdrawal->alarm = "a payment has been open for longer than one can be; its reserve is held";
		}
		withdrawal->next_look_at = next_look_at_payment(now, withdrawal->look_count, withdrawal->submitted_at);
	}
	else if (withdrawal->state == WITHDRAWAL_FAILED && withdrawal->attempt_no > 0 &&
			 !withdrawal_is_inside(withdrawal))
		withdrawal->next_look_at = next_look_at_failed_payment(now, withdrawal->failed_at);
}

/* ------------------------------------------------------ the worker's steps */

WithdrawalStep
withdrawal_step(const Withdrawal *withdrawal, Instant now)
{
	switch (withdrawal->state)
	{
		case WITHDRAWAL_REQUESTED:
		case WITHDRAWAL_SUCCEEDED:
		case WITHDRAWAL_REJECTED:
			return WITHDRAWAL_LEAVE;
		case WITHDRAWAL_RESERVED:
			if (withdrawal_has_expired(withdrawal, now))
				return WITHDRAWAL_EXPIRE;
			if (withdrawal_is_inside(withdrawal))
				return WITHDRAWAL_CANCEL_INVOICE;
			return withdrawal->tried_before && instant_is_none(withdrawal->checked_at) ?
				WITHDRAWAL_CHECK : WITHDRAWAL_PAY;
		case WITHDRAWAL_SUBMITTING:
		case WITHDRAWAL_IN_FLIGHT:
		case WITHDRAWAL_UNKNOWN:
		case WITHDRAWAL_NEEDS_OPERATOR:
			return WITHDRAWAL_LOOK;
		case WITHDRAWAL_FAILED:
			return withdrawal->attempt_no > 0 && !withdrawal_is_inside(withdrawal) ?
				WITHDRAWAL_LOOK : WITHDRAWAL_LEAVE;
	}
	return WITHDRAWAL_LEAVE;
}

void
withdrawal_submit(Withdrawal *withdrawal, const KnownNode *node, Instant now,
				  int64_t submit_seconds, int64_t give_up_seconds, int64_t lease_seconds)
{
	int64_t		left = (withdrawal->expires_at.microseconds - now.microseconds) / MICROSECONDS_PER_SECOND;

	if (withdrawal->state != WITHDRAWAL_RESERVED || withdrawal_is_inside(withdrawal))
		return;
	withdrawal->state = WITHDRAWAL_SUBMITTING;
	withdrawal->attempt_no++;
	withdrawal->backend = node->backend;
	withdrawal->node_id = node->node_id;
	withdrawal->submitted_at = now;
	withdrawal->submit_deadline = instant_plus_seconds(now, submit_seconds);
	withdrawal->give_up_seconds = left < 1 ? 1 : left < give_up_seconds ? left : give_up_seconds;
	withdrawal->acknowledged_at = INSTANT_NONE;
	withdrawal->not_found_at = INSTANT_NONE;
	withdrawal->node_reference = NULL;
	withdrawal->look_count = 0;
	withdrawal->next_look_at = instant_plus_seconds(withdrawal->submit_deadline, lease_seconds);
}

void
withdrawal_ask(Withdrawal *withdrawal, Instant now, int64_t lease_seconds)
{
	withdrawal->asked_at = now;
	withdrawal->look_count++;
	withdrawal->next_look_at = instant_plus_seconds(now, lease_seconds);
}

void
withdrawal_abandon(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_SUBMITTING)
		return;
	withdrawal->state = WITHDRAWAL_UNKNOWN;
	withdrawal->submit_deadline = later(withdrawal->submit_deadline, now);
	withdrawal->next_look_at = now;
}

void
withdrawal_expire(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state == WITHDRAWAL_RESERVED && withdrawal_has_expired(withdrawal, now))
		withdrawal_fail(withdrawal, result_text(RESULT_PAYMENT_REQUEST_EXPIRED)->name, now);
}

/* Without its node nobody can tell what became of it, but an operator. */
void
withdrawal_node_is_another(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_IN_FLIGHT && withdrawal->state != WITHDRAWAL_UNKNOWN)
		return;
	withdrawal->state = WITHDRAWAL_NEEDS_OPERATOR;
	withdrawal->alarm = another_node;
	withdrawal_look_again(withdrawal, now);
}

void
withdrawal_node_is_back(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_NEEDS_OPERATOR || withdrawal->alarm == NULL ||
		strcmp(withdrawal->alarm, another_node) != 0)
		return;
	withdrawal->state = WITHDRAWAL_UNKNOWN;
	withdrawal->alarm = NULL;
	withdrawal_look_again(withdrawal, now);
}

void
withdrawal_wait(Withdrawal *withdrawal, int64_t seconds, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_RESERVED)
		return;
	withdrawal->next_look_at = sooner(instant_plus_seconds(now, seconds), withdrawal->expires_at);
	/* What became of an earlier one may be known by then: it is asked for again. */
	withdrawal->checked_at = INSTANT_NONE;
}

void
withdrawal_turn_away(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state == WITHDRAWAL_RESERVED && !withdrawal_is_inside(withdrawal))
		withdrawal_fail(withdrawal, result_text(RESULT_PAYMENT_REFUSED)->name, now);
}

/* ------------------------------------------------------------- paid inside */

void
withdrawal_paid_inside(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_RESERVED || !withdrawal_is_inside(withdrawal))
		return;
	withdrawal->state = WITHDRAWAL_SUCCEEDED;
	withdrawal->fee = AMOUNT_ZERO;
	withdrawal->settled_at = now;
	withdrawal->next_look_at = INSTANT_NONE;
}

void
withdrawal_refused_inside(Withdrawal *withdrawal, const char *reason, Instant now)
{
	if (withdrawal->state == WITHDRAWAL_RESERVED && withdrawal_is_inside(withdrawal))
		withdrawal_fail(withdrawal, reason, now);
}

void
withdrawal_not_cancelled(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state == WITHDRAWAL_RESERVED && withdrawal_is_inside(withdrawal))
		withdrawal->next_look_at = after_backoff(now, withdrawal->look_count - 1, MOST_BACKOFF_SECONDS,
												 withdrawal->aggregate.id);
}

bool
withdrawal_cancelled_unheard(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_RESERVED || !withdrawal_is_inside(withdrawal))
		return false;
	if (withdrawal->look_count > 1 && instant_is_none(withdrawal->not_found_at))
		return true;
	withdrawal->not_found_at = now;
	withdrawal_not_cancelled(withdrawal, now);
	return false;
}

/* ------------------------------------------------------------------ names */

DEFINE_NAME_OF(withdrawal_state_name, WithdrawalState, state_names)
DEFINE_VALUE_OF_NAME(withdrawal_state_by_name, WithdrawalState, state_names)
DEFINE_NAME_OF(withdrawal_status, WithdrawalState, statuses)
