/*
 * evidence.c
 *		How far a node is to be believed.
 */
#include "bitcoin/evidence.h"

#include "bitcoin/schedule.h"

/* What a try begun at the last moment may take until the node has written it down. */
#define LAST_TRY_SECONDS 60

/* Past it no attempt of the node's can begin, and none that began can be taken. */
static Instant
all_is_over(const Attempt *attempt)
{
	return later(instant_plus_seconds(attempt->submitted_at, attempt->give_up_seconds + LAST_TRY_SECONDS),
				 attempt->expires_at);
}

/* none where that moment was before the look began */
static Instant
unless_past(const NodeTrust *trust, Instant from)
{
	return instant_before(from, trust->asked_at) ? INSTANT_NONE : from;
}

bool
nothing_is_believed(const NodeTrust *trust)
{
	return !trust->node_is_known || trust->forgets;
}

Instant
failure_is_believed_from(const NodeTrust *trust, const Attempt *attempt)
{
	switch (trust->failure_rule)
	{
		case FAILURE_IS_FINAL:
			break;
		case FAILURE_AFTER_EXPIRY:
			return unless_past(trust, all_is_over(attempt));
		case FAILURE_IS_WEAK:
			return unless_past(trust, instant_plus_seconds(all_is_over(attempt), trust->weak_seconds));
	}
	return INSTANT_NONE;
}

Instant
not_found_is_believed_from(const NodeTrust *trust, const Attempt *attempt)
{
	Instant		nobody_writes = attempt->submit_deadline;

	switch (trust->not_found_rule)
	{
		case NOT_FOUND_AFTER_DELAY:
			break;
		case NOT_FOUND_AFTER_EXPIRY:
			nobody_writes = later(nobody_writes, all_is_over(attempt));
			return unless_past(trust, nobody_writes);
		case NOT_FOUND_TWICE:
			/* The first time counts only when nobody can have written since. */
			if (instant_is_none(attempt->not_found_at) || !instant_before(nobody_writes, attempt->not_found_at))
				return unless_past(trust, instant_plus_seconds(later(nobody_writes, trust->asked_at), trust->delay_seconds + 1));
			nobody_writes = attempt->not_found_at;
			break;
	}
	return unless_past(trust, instant_plus_seconds(nobody_writes, trust->delay_seconds));
}

bool
answer_ends_something(const NodeCall *call)
{
	switch (call->operation)
	{
		case NODE_PAY:
			return call->submit == SUBMIT_REJECTED || call->submit == SUBMIT_NOT_ALLOWED;
		case NODE_LOOKUP_PAYMENT:
			return call->verdict == PAYMENT_NOT_FOUND || call->verdict == PAYMENT_FAILED;
		case NODE_LOOKUP_INVOICE:
			return call->invoice == INVOICE_NOT_FOUND || call->invoice == INVOICE_EXPIRED ||
				call->invoice == INVOICE_CANCELED;
		case NODE_CANCEL_INVOICE:
			return call->cancel != CANCEL_UNAVAILABLE;
		case NODE_CREATE_INVOICE:
			return !call->answered && call->failure == NODE_FAILURE_BAD_INVOICE;
		case NODE_IDENTIFY:
		case NODE_SETTLED_SINCE:
		case NODE_BALANCE:
		case NODE_LIST_PAYMENTS:
		case NODE_LIST_INVOICES:
			break;
	}
	return false;
}

void
take_answer_back(NodeCall *call)
{
	call->submit = SUBMIT_AMBIGUOUS;
	call->verdict = PAYMENT_UNAVAILABLE;
	call->invoice = INVOICE_UNAVAILABLE;
	call->cancel = CANCEL_UNAVAILABLE;
	call->failure = NODE_FAILURE_NONE;
}
