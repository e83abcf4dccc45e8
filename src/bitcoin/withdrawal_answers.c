/*
 * withdrawal_answers.c
 *		The rules of one withdrawal: what the node says, of the attempt and of its
 *		looks.
 *
 * Each answer of a node names the attempt that it is about.  Only a proven
 * payment is believed whatever the state and the attempt: it is the truth.
 */
#include "bitcoin/withdrawal_parts.h"

#include "bitcoin/schedule.h"

#include <string.h>

#define CLOCK_SKEW_SECONDS 5	/* between the node and the database, for stale records */

/* A look tells about it: sent, and its submitter done with it. */
static bool
is_looked_at(const Withdrawal *withdrawal, int64_t attempt_no)
{
	return withdrawal_is_open_at_node(withdrawal) && withdrawal->state != WITHDRAWAL_SUBMITTING &&
		withdrawal->attempt_no == attempt_no;
}

/* The submitter's own answer can still decide: nobody else has heard otherwise. */
static bool
is_undecided_submit(const Withdrawal *withdrawal, int64_t attempt_no)
{
	return (withdrawal->state == WITHDRAWAL_SUBMITTING || withdrawal->state == WITHDRAWAL_UNKNOWN) &&
		withdrawal->attempt_no == attempt_no && instant_is_none(withdrawal->acknowledged_at);
}

/* -------------------------------------------- the answer to the submission */

static void
remember(Withdrawal *withdrawal, const NodeRecord *record)
{
	if (record->reference != NULL)
		withdrawal->node_reference = record->reference;
}

void
withdrawal_acknowledged(Withdrawal *withdrawal, int64_t attempt_no, Instant now)
{
	if (!is_undecided_submit(withdrawal, attempt_no))
		return;
	withdrawal->state = WITHDRAWAL_IN_FLIGHT;
	withdrawal->acknowledged_at = now;
	withdrawal_look_again(withdrawal, now);
}

/* Its record is told from that of a later attempt by name: clocks may differ. */
void
withdrawal_refused(Withdrawal *withdrawal, int64_t attempt_no, const char *reason, const NodeRecord *record, Instant now)
{
	if (!is_undecided_submit(withdrawal, attempt_no))
		return;
	remember(withdrawal, record);
	withdrawal_fail(withdrawal, reason, now);
}

/* Proof that the node has never had this attempt. */
static void
give_back_to_worker(Withdrawal *withdrawal, Instant next_try, Instant now)
{
	if (withdrawal_has_expired(withdrawal, now))
	{
		withdrawal_fail(withdrawal, result_text(RESULT_PAYMENT_REQUEST_EXPIRED)->name, now);
		return;
	}
	withdrawal->state = WITHDRAWAL_RESERVED;
	withdrawal->next_look_at = next_try;
	withdrawal->checked_at = INSTANT_NONE;
}

void
withdrawal_not_sent(Withdrawal *withdrawal, int64_t attempt_no, Instant now)
{
	if (is_undecided_submit(withdrawal, attempt_no))
		give_back_to_worker(withdrawal,
							after_backoff(now, withdrawal->attempt_no - 1, MOST_BACKOFF_SECONDS,
										  withdrawal->aggregate.id),
							now);
}

void
withdrawal_ambiguous(Withdrawal *withdrawal, int64_t attempt_no, Instant now)
{
	if (!is_undecided_submit(withdrawal, attempt_no))
		return;
	withdrawal->state = WITHDRAWAL_UNKNOWN;
	/* A slow call may have been writing until now, whatever became of the row meanwhile. */
	withdrawal->submit_deadline = later(withdrawal->submit_deadline, now);
	withdrawal_look_again(withdrawal, now);
}

/* --------------------------------------------------- the answers to a look */

/* The fee as it will be booked: never negative, never more than there is. */
static Amount
believable_fee(Withdrawal *withdrawal, Amount fee)
{
	if (fee.msat < 0)
	{
		withdrawal->alarm = "the node reported a negative fee; none was booked";
		return AMOUNT_ZERO;
	}
	if (fee.msat > 0 && !amount_is_payable(fee))
	{
		withdrawal->alarm = "the node reported a fee of more than all bitcoin; the highest fee was booked";
		return withdrawal->max_fee;
	}
	if (amount_compare(fee, withdrawal->max_fee) > 0)
		withdrawal->alarm = "the node took a higher fee than it was allowed to";
	return fee;
}

void
withdrawal_take_payment(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now)
{
	bool		was_given_back = withdrawal->state == WITHDRAWAL_FAILED;

	withdrawal->fee = believable_fee(withdrawal, payment->fee);
	if (was_given_back)
		withdrawal->alarm = "a payment succeeded after it had failed and its reserve had been given back";
	else if (!amount_equal(payment->amount, AMOUNT_ZERO) &&
			 !amount_equal(payment->amount, withdrawal->amount))
		withdrawal->alarm = "the node says that the payee got another amount";
	withdrawal->state = WITHDRAWAL_SUCCEEDED;
	withdrawal->reason = NULL;
	withdrawal->late = was_given_back;
	withdrawal->in_doubt = false;
	withdrawal->preimage = payment->preimage;
	withdrawal->settled_at = now;
	withdrawal->next_look_at = INSTANT_NONE;
	remember(withdrawal, &payment->record);
}

bool
withdrawal_is_paid_for_another(const Withdrawal *withdrawal, const ProvenPayment *payment)
{
	if (amount_equal(payment->amount, AMOUNT_ZERO))
		return withdrawal->tried_before && withdrawal->amount_given;
	return withdrawal->tried_before && !amount_equal(payment->amount, withdrawal->amount);
}

/* The node has one payment of the hash, and it is the earlier withdrawal's; whether it has begun another nobody knows. */
static void
leave_to_operator(Withdrawal *withdrawal, Instant now)
{
	if (withdrawal->state != WITHDRAWAL_FAILED)
	{
		withdrawal->state = WITHDRAWAL_NEEDS_OPERATOR;
		withdrawal->alarm = "the node has paid another amount than this withdrawal of the same hash asked for; its reserve is held";
	}
	withdrawal_look_again(withdrawal, now);
}

void
withdrawal_succeed(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now)
{
	/* Before the first attempt, or inside, no payment of the node's can be this one. */
	if (withdrawal->state == WITHDRAWAL_SUCCEEDED || withdrawal->state == WITHDRAWAL_REJECTED ||
		withdrawal->state == WITHDRAWAL_REQUESTED || withdrawal->attempt_no == 0 ||
		withdrawal_is_inside(withdrawal))
		return;
	if (withdrawal_is_paid_for_another(withdrawal, payment))
		leave_to_operator(withdrawal, now);
	else
		withdrawal_take_payment(withdrawal, payment, now);
}

void
withdrawal_success_unproven(Withdrawal *withdrawal, int64_t attempt_no, Instant now)
{
	if (!withdrawal_is_open_at_node(withdrawal) || withdrawal->attempt_no != attempt_no)
	{
		withdrawal_look_again(withdrawal, now);
		return;
	}
	withdrawal->alarm = "the node calls a payment made without a preimage that fits; its reserve is held";
	if (instant_is_none(withdrawal->acknowledged_at))
		withdrawal->acknowledged_at = now;
	if (withdrawal->state != WITHDRAWAL_NEEDS_OPERATOR)
		withdrawal->state = WITHDRAWAL_UNKNOWN;
	withdrawal_look_again(withdrawal, now);
}

void
withdrawal_pending(Withdrawal *withdrawal, int64_t attempt_no, const NodeRecord *record, Instant now)
{
	if (is_looked_at(withdrawal, attempt_no))
	{
		if (instant_is_none(withdrawal->acknowledged_at))
			withdrawal->acknowledged_at = now;
		if (withdrawal->state == WITHDRAWAL_UNKNOWN)
			withdrawal->state = WITHDRAWAL_IN_FLIGHT;
		withdrawal->not_found_at = INSTANT_NONE;
		remember(withdrawal, record);
	}
	else if (withdrawal->state == WITHDRAWAL_FAILED)
	{
		withdrawal->in_doubt = true;
		withdrawal->alarm = "a payment that had failed is under way again";
	}
	withdrawal_look_again(withdrawal, now);
}

static Attempt
attempt_of(const Withdrawal *withdrawal)
{
	return (Attempt) {
		.submitted_at = withdrawal->submitted_at,
		.submit_deadline = withdrawal->submit_deadline,
		.give_up_seconds = withdrawal->give_up_seconds,
		.expires_at = withdrawal->expires_at,
		.not_found_at = withdrawal->not_found_at,
	};
}

static bool
is_same_name(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/*
 * True where a failure may be that of an earlier attempt, which says nothing
 * about this one.
 */
static bool
is_stale(const Withdrawal *withdrawal, const NodeRecord *record, const NodeTrust *trust)
{
	bool		was_under_way = is_same_name(record->reference, withdrawal->node_reference);

	/* Such a node may have one record a hash, which each attempt begins anew. */
	if (was_under_way && trust->failure_rule == FAILURE_IS_WEAK)
		return false;
	if (is_same_name(record->reference, withdrawal->earlier_reference))
		return true;
	/* Heard of while it was under way: its name counts for more than the node's clock. */
	if (was_under_way)
		return false;
	if (!instant_is_none(record->created_at))
		return instant_before(record->created_at,
							  instant_plus_seconds(withdrawal->submitted_at, -CLOCK_SKEW_SECONDS));
	return withdrawal->tried_before &&
		(record->reference == NULL || withdrawal->earlier_reference == NULL);
}

/*
 * A stale failure is no word about this attempt, if it is stale: clocks may
 * differ by more than was thought.  So it gives nothing back before a failure of
 * this attempt would.
 */
void
withdrawal_failed_at_node(Withdrawal *withdrawal, int64_t attempt_no, const char *reason,
						  const NodeRecord *record, const NodeTrust *trust, Instant now)
{
	Attempt		attempt = attempt_of(withdrawal);
	bool		is_believed = trust->node_is_known && instant_is_none(failure_is_believed_from(trust, &attempt));

	if (!is_looked_at(withdrawal, attempt_no))
	{
		withdrawal_look_again(withdrawal, now);
		return;
	}
	if (is_stale(withdrawal, record, trust))
	{
		if (is_believed)
		{
			withdrawal_unknown_to_node(withdrawal, attempt_no, trust, now);
			return;
		}
	}
	else
		remember(withdrawal, record);
	withdrawal->not_found_at = INSTANT_NONE;
	if (!is_believed)
	{
		withdrawal_look_again(withdrawal, now);
		return;
	}
	if (trust->failure_rule == FAILURE_IS_WEAK)
		withdrawal->alarm = "a reserve was given back on the word of a node that only knows its own records";
	withdrawal_fail(withdrawal, reason, now);
}

void
withdrawal_unknown_to_node(Withdrawal *withdrawal, int64_t attempt_no, const NodeTrust *trust,
						   Instant now)
{
	Attempt		attempt = attempt_of(withdrawal);
	Instant		believed_from;

	if (!is_looked_at(withdrawal, attempt_no) || withdrawal->state == WITHDRAWAL_NEEDS_OPERATOR)
	{
		withdrawal_look_again(withdrawal, now);
		return;
	}
	if (!instant_is_none(withdrawal->acknowledged_at))
	{
		/* It had it: its memory is gone, not the payment. */
		withdrawal->alarm = "the node no longer knows a payment that it had; its reserve is held";
		withdrawal->state = trust->node_is_known && trust->forgets ? WITHDRAWAL_NEEDS_OPERATOR : WITHDRAWAL_UNKNOWN;
		withdrawal_look_again(withdrawal, now);
		return;
	}
	believed_from = not_found_is_believed_from(trust, &attempt);
	if (!nothing_is_believed(trust) && instant_is_none(believed_from))
	{
		give_back_to_worker(withdrawal, now, now);
		return;
	}
	/* What was said while somebody could still write is no first time. */
	if (trust->node_is_known && (instant_is_none(withdrawal->not_found_at) ||
								 !instant_before(withdrawal->submit_deadline, withdrawal->not_found_at)))
		withdrawal->not_found_at = trust->asked_at;
	withdrawal_look_again(withdrawal, now);
	if (instant_before(now, believed_from))
		withdrawal->next_look_at = sooner(withdrawal->next_look_at, instant_plus_seconds(believed_from, 1));
}

void
withdrawal_undecided(Withdrawal *withdrawal, Instant now)
{
	withdrawal_look_again(withdrawal, now);
}
