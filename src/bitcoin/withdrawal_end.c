/*
 * withdrawal_end.c
 *		The rules of one withdrawal where its end hangs on more than the node's word
 *		about it: on an earlier one of the same hash, on an operator, on the audit.
 */
#include "bitcoin/withdrawal_parts.h"

#include "bitcoin/schedule.h"

/* ---------------------------------------------- the earlier one of its hash */

/* It is reserved and would be paid next, but for what became of the earlier one. */
static bool
awaits_check(const Withdrawal *withdrawal)
{
	return withdrawal->state == WITHDRAWAL_RESERVED && withdrawal->tried_before &&
		instant_is_none(withdrawal->checked_at);
}

/*
 * Nobody writes to the node for the earlier one since this one was asked for, or,
 * where these books are a copy, since they may act.
 */
static Attempt
attempt_before(const Withdrawal *withdrawal)
{
	return (Attempt) {
		.submitted_at = withdrawal->created_at,
		.submit_deadline = later(withdrawal->created_at, withdrawal->submit_deadline),
		.expires_at = withdrawal->expires_at,
		.not_found_at = withdrawal->not_found_at,
	};
}

/* Nothing of it was sent: where no payment could be open any more, it ends, however long the invoice is good for. */
static void
check_again(Withdrawal *withdrawal, Instant believed_from, Instant now)
{
	if (!instant_before(now, instant_plus_seconds(withdrawal->created_at, HTLC_LIFETIME_SECONDS)))
	{
		withdrawal_fail(withdrawal, result_text(RESULT_PAYMENT_REFUSED)->name, now);
		return;
	}
	withdrawal->next_look_at = after_backoff(now, withdrawal->look_count - 1, MOST_BACKOFF_SECONDS,
											 withdrawal->aggregate.id);
	if (instant_before(now, believed_from))
		withdrawal->next_look_at = sooner(withdrawal->next_look_at, instant_plus_seconds(believed_from, 1));
}

/* Should its failure be told once more, it is no word about this one. */
static void
remember_earlier(Withdrawal *withdrawal, const NodeRecord *record)
{
	if (record->reference != NULL)
		withdrawal->earlier_reference = record->reference;
}

static void
pass_check(Withdrawal *withdrawal, Instant now)
{
	withdrawal->checked_at = now;
	withdrawal->next_look_at = now;
}

/*
 * By the rule of the node, whatever gave the reserve back: that can be booked
 * again, a second payment cannot.  That such a node refuses to pay a hash twice
 * is no help: between two tries of a payment it refuses nothing.
 */
void
withdrawal_earlier_has_failed(Withdrawal *withdrawal, const NodeRecord *record, const NodeTrust *trust, Instant now)
{
	Attempt		attempt = attempt_before(withdrawal);
	Instant		believed_from = failure_is_believed_from(trust, &attempt);

	if (!awaits_check(withdrawal))
		return;
	remember_earlier(withdrawal, record);
	if (trust->node_is_known && instant_is_none(believed_from))
		pass_check(withdrawal, now);
	else
		check_again(withdrawal, believed_from, now);
}

/*
 * A node that refuses to pay a hash twice, has ended its own call and has no
 * record has never begun; but not where an operator, not the node, ended it.
 */
void
withdrawal_earlier_is_unknown(Withdrawal *withdrawal, bool is_doubted, const NodeTrust *trust, Instant now)
{
	Attempt		attempt = attempt_before(withdrawal);
	Instant		believed_from = not_found_is_believed_from(trust, &attempt);

	if (!awaits_check(withdrawal))
		return;
	if (!nothing_is_believed(trust) &&
		(instant_is_none(believed_from) || (trust->refuses_second_payment && !is_doubted)))
	{
		pass_check(withdrawal, now);
		return;
	}
	if (trust->node_is_known && instant_is_none(withdrawal->not_found_at))
		withdrawal->not_found_at = trust->asked_at;
	check_again(withdrawal, believed_from, now);
}

void
withdrawal_earlier_is_open(Withdrawal *withdrawal, const NodeRecord *record, Instant now)
{
	if (!awaits_check(withdrawal))
		return;
	remember_earlier(withdrawal, record);
	withdrawal->not_found_at = INSTANT_NONE;
	check_again(withdrawal, INSTANT_NONE, now);
}

/*
 * There is one payment, and one reserve left for it: this one's.  But where that
 * is for another amount it is no payment for this one, and there will be none.
 */
void
withdrawal_earlier_was_paid(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now)
{
	if (!awaits_check(withdrawal))
		return;
	if (withdrawal_is_paid_for_another(withdrawal, payment))
		withdrawal_fail(withdrawal, result_text(RESULT_PAYMENT_REQUEST_USED)->name, now);
	else
		withdrawal_take_payment(withdrawal, payment, now);
}

void
withdrawal_paid_beside(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_FAILED || withdrawal->attempt_no == 0)
		return;
	withdrawal_take_payment(withdrawal, payment, now);
	withdrawal->paid_beside = true;
}

void
withdrawal_want_look(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state == WITHDRAWAL_FAILED && withdrawal->attempt_no > 0)
		withdrawal->next_look_at = now;
}

/* ------------------------------------------------------------ the operator */

Result
withdrawal_decide_paid(Withdrawal *withdrawal, const ProvenPayment *payment, bool is_beside, Instant now)
{
	bool		can_be = withdrawal_is_open_at_node(withdrawal) && withdrawal->state != WITHDRAWAL_SUBMITTING;

	if (!can_be && !(withdrawal->state == WITHDRAWAL_FAILED && withdrawal->attempt_no > 0))
		return FAIL(REFUSED_NOW);
	if (is_beside)
		withdrawal_paid_beside(withdrawal, payment, now);
	else
		withdrawal_take_payment(withdrawal, payment, now);
	return OK;
}

Result
withdrawal_decide_failed(Withdrawal *withdrawal, Instant now)
{
	bool		was_sent = withdrawal->state == WITHDRAWAL_NEEDS_OPERATOR;

	/* Submitting is committed before the first byte: in reserved, nobody has begun to send it. */
	if (!was_sent && withdrawal->state != WITHDRAWAL_RESERVED)
		return FAIL(REFUSED_NOW);
	withdrawal_fail(withdrawal, result_text(RESULT_PAYMENT_REFUSED)->name, now);
	withdrawal->in_doubt = was_sent;
	return OK;
}

void
withdrawal_paid_twice(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_FAILED || withdrawal->attempt_no == 0)
		return;
	withdrawal_paid_beside(withdrawal, payment, now);
	withdrawal->alarm = "the node has paid a hash twice; the second payment was booked as a late one";
}
