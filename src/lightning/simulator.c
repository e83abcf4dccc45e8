/*
 * simulator.c
 *		The rules of the simulated node, as far as it pays.
 */
#include "lightning/simulator.h"

#include "lightning/simulator_kind.h"

#include <string.h>

/* What `receive`, `make` and `node` say is nothing of a payment of the node's own. */
static bool
is_for_payment(const SimulatorScript *script, const SimulatedPayment *payment)
{
	return script->outcome != OUTCOME_RECEIVE && script->outcome != OUTCOME_MAKE && script->outcome != OUTCOME_NODE &&
		simulator_script_is_for(script, payment->payment_hash, payment->amount, payment->memo);
}

static Amount
fee_of(const SimulatedPayment *payment)
{
	Amount		fee = SIMULATOR_FEE;

	if (payment->script != NULL && payment->script->has_fee)
		fee = payment->script->fee;
	if (payment->script != NULL && payment->script->over.msat > 0)
		return AMOUNT_MSAT(payment->max_fee.msat + payment->script->over.msat);
	return amount_compare(fee, payment->max_fee) > 0 ? payment->max_fee : fee;
}

static SimulatedEnd
end_after(const SimulatedPayment *payment, bool fails, int64_t seconds)
{
	return (SimulatedEnd) {
		.kind = fails ? END_FAILURE : END_SUCCESS,
		.at = instant_plus_seconds(payment->bound_at, seconds),
		.fee = fails ? AMOUNT_ZERO : fee_of(payment),
		.failure = fails ? payment->script->reason : NODE_FAILURE_NONE,
	};
}

SimulatedEnd
simulator_end(const SimulatedPayment *payment)
{
	const SimulatorScript *script = payment->script;
	const SimulatedEnd never = {.kind = END_NONE};
	int64_t		delay;

	if (payment->closed)
		return payment->end;
	if (instant_is_none(payment->created_at))
		return never;
	if (script == NULL)
		return end_after(payment, false, 0);
	delay = simulator_script_delay(script, payment->payment_hash);
	switch (script->outcome)
	{
		case OUTCOME_SUCCEED:
		case OUTCOME_FLIP:
			return end_after(payment, false, delay);
		case OUTCOME_FAIL:
			return end_after(payment, true, delay);
		case OUTCOME_LOST_REPLY:
			return end_after(payment, script->then_fails,
							 script->at == LOST_AT_READ ? larger_of(delay, SIMULATOR_READ_DELAY) : delay);
		case OUTCOME_UNKNOWN:
		case OUTCOME_NOT_SENT:
		case OUTCOME_BAD_REPLY:
		case OUTCOME_STALE:
			return end_after(payment, script->then_fails, delay);
		case OUTCOME_NEVER_ANSWER:
		case OUTCOME_STUCK:
		case OUTCOME_BAD_PREIMAGE:
		case OUTCOME_RECEIVE:
		case OUTCOME_MAKE:
		case OUTCOME_NODE:
		case OUTCOME_COUNT:
			break;
	}
	return never;
}

static void
follow_scripts(SimulatedPayment *payment, const SimulatorScript *scripts, size_t script_count)
{
	for (size_t i = 0; i < script_count; i++)
	{
		const SimulatorScript *script = &scripts[i];
		Instant		from = later_of(script->made_at, payment->bound_at);
		SimulatedEnd end = simulator_end(payment);

		if (end.kind != END_NONE && has_come(end.at, from))
			return;
		/* The n-th call is counted when it comes, not afterwards. */
		if (script->call != 0 || !is_for_payment(script, payment) || !simulator_script_beats(script, payment->script))
			continue;
		payment->script = script;
		payment->bound_at = from;
		payment->refusals = 0;
		payment->changed = true;
	}
}

void
simulator_follow_payments(SimulatedPayment *attempts, size_t count,
						  const SimulatorScript *scripts, size_t script_count, Instant now)
{
	for (size_t i = 0; i < count; i++)
	{
		SimulatedPayment *payment = &attempts[i];
		SimulatedEnd end;

		if (payment->closed)
			continue;
		if (i + 1 == count)
			follow_scripts(payment, scripts, script_count);
		end = simulator_end(payment);
		if (end.kind != END_NONE && has_come(end.at, now))
		{
			payment->end = end;
			payment->closed = true;
			payment->changed = true;
		}
	}
}

static const SimulatorScript *
script_for_new(const SimulatedPayment *payment, const SimulatorScript *scripts, size_t script_count)
{
	const SimulatorScript *chosen = NULL;

	for (size_t i = 0; i < script_count; i++)
		if (is_for_payment(&scripts[i], payment) && simulator_script_is_next(&scripts[i]) && simulator_script_beats(&scripts[i], chosen))
			chosen = &scripts[i];
	return chosen;
}

static bool
shows_failure(const SimulatedPayment *payment)
{
	return payment->closed ? payment->end.kind == END_FAILURE
		: payment->script != NULL && payment->script->outcome == OUTCOME_FLIP;
}

/* Of nearly every kind: a hash in flight or paid is refused, a failed one may be paid again. */
static const char *
why_not_again(NodeKind kind, const SimulatedPayment *attempts, size_t count)
{
	if (simulator_kind_pays_again(kind))
		return NULL;
	for (size_t i = 0; i < count; i++)
	{
		if (attempts[i].closed && attempts[i].end.kind == END_SUCCESS)
			return "invoice is already paid";
		if (!instant_is_none(attempts[i].created_at) && !shows_failure(&attempts[i]))
			return "payment is in transition";
	}
	return NULL;
}

static void
reject(NodeCall *call, NodeFailure failure)
{
	call->submit = SUBMIT_REJECTED;
	call->failure = failure;
	call->done = true;
}

bool
simulator_pay(const SimulatorOrder *order, const SimulatedPayment *attempts, size_t count,
			  const SimulatorScript *scripts, size_t script_count, Instant now,
			  NodeCall *call, SimulatedPayment *changed)
{
	bool		was_refused = count > 0 && instant_is_none(attempts[count - 1].created_at);
	const char *why_not = why_not_again(order->kind, attempts, count);
	NodeFailure refusal = simulator_kind_refusal(order->kind, order);

	*changed = (SimulatedPayment) {
		.payment_hash = order->payment_hash,
		.attempt = was_refused ? attempts[count - 1].attempt : (int32_t) count + 1,
		.preimage = order->preimage,
		.amount = order->amount,
		.max_fee = simulator_kind_fee_cap(order->kind, order->max_fee),
		.memo = order->memo,
		.called_at = was_refused ? attempts[count - 1].called_at : now,
		.refusals = was_refused ? attempts[count - 1].refusals : 0,
		.bound_at = now,
	};
	if (refusal != NODE_FAILURE_NONE)
	{
		reject(call, refusal);
		return false;
	}
	changed->script = was_refused ? attempts[count - 1].script : script_for_new(changed, scripts, script_count);
	if (why_not == NULL && changed->script != NULL && changed->script->outcome == OUTCOME_NOT_SENT &&
		changed->refusals < changed->script->times)
	{
		changed->refusals++;
		call->submit = SUBMIT_NOT_SENT;
		call->done = true;
		return true;
	}
	if (why_not != NULL)
	{
		/* No verdict about the payment that is known: a look-up tells. */
		call->submit = SUBMIT_AMBIGUOUS;
		call->words = why_not;
		call->done = true;
		return false;
	}
	if (order->refusal != NODE_FAILURE_NONE || has_come(order->expires_at, now))
	{
		reject(call, order->refusal != NODE_FAILURE_NONE ? order->refusal : NODE_FAILURE_EXPIRED);
		return false;
	}
	changed->created_at = now;
	simulator_follow_payments(changed, 1, NULL, 0, now);
	simulator_reply_to_pay(changed, order->kind, call);
	return true;
}

/* ----------------------------------------------------- what the node says */

static void
tell_record(const SimulatedPayment *payment, NodeCall *call)
{
	call->payment = (NodePayment) {
		.amount = payment->amount,
		.created_at = payment->created_at,
		.reference = arena_printf(call->arena, "%d", (int) payment->attempt),
	};
}

static void
tell_success(const SimulatedPayment *payment, NodeCall *call)
{
	call->payment.fee = payment->script != NULL && payment->script->has_told_fee ? payment->script->told_fee :
		payment->closed ? payment->end.fee : fee_of(payment);
	call->payment.preimage = payment->preimage;
	call->payment.has_preimage = true;
	if (payment->closed || payment->script == NULL || payment->script->outcome != OUTCOME_BAD_PREIMAGE)
		return;
	switch (payment->script->kind)
	{
		case PREIMAGE_WRONG:
			call->payment.preimage.bytes[0] ^= 1;
			break;
		case PREIMAGE_ZERO:
			memset(&call->payment.preimage, 0, sizeof(Bytes32));
			break;
		case PREIMAGE_MISSING:
			memset(&call->payment.preimage, 0, sizeof(Bytes32));
			call->payment.has_preimage = false;
			break;
	}
}

static const char *
words_of_stuck(StuckAs as)
{
	switch (as)
	{
		case STUCK_NO_HTLC:
			return "IN_FLIGHT, no HTLC";
		case STUCK_INITIATED:
			return "INITIATED";
		case STUCK_PART:
			return "IN_FLIGHT, 1 of 2 parts settled";
	}
	return NULL;
}

/* Silence until the deadline, unlike a broken reply. */
static bool
is_silence(ReplyFault fault)
{
	return fault >= FAULT_ENDLESS;
}

static void
reply_is_lost(NodeCall *call, const char *words)
{
	call->submit = SUBMIT_AMBIGUOUS;
	call->words = words;
	call->payment = (NodePayment) {.has_preimage = false};
	call->done = true;
}

/* What a node that answers says: where the payment stands. */
static void
reply_with_state(const SimulatedPayment *payment, NodeKind kind, NodeCall *call)
{
	call->done = true;
	if (!payment->closed)
		call->submit = SUBMIT_ACKED;
	else if (payment->end.kind == END_SUCCESS)
	{
		call->submit = SUBMIT_SETTLED;
		tell_success(payment, call);
	}
	else if (simulator_kind_rejects(kind, payment->end.failure))
		reject(call, payment->end.failure);
	else
		reply_is_lost(call, "failed, it seems");
}

/* While it goes on, the outcome decides; once closed, only how the reply travels. */
static void
reply_by_outcome(const SimulatedPayment *payment, NodeKind kind, NodeCall *call)
{
	const SimulatorScript *script = payment->script;

	tell_record(payment, call);
	if (script == NULL)
	{
		reply_with_state(payment, kind, call);
		return;
	}
	switch (script->outcome)
	{
		case OUTCOME_SUCCEED:
		case OUTCOME_FAIL:
		case OUTCOME_NOT_SENT:
		case OUTCOME_RECEIVE:
		case OUTCOME_MAKE:
		case OUTCOME_NODE:
		case OUTCOME_COUNT:
			reply_with_state(payment, kind, call);
			break;
		case OUTCOME_LOST_REPLY:
		case OUTCOME_STALE:
			reply_is_lost(call, "connection closed");
			break;
		case OUTCOME_UNKNOWN:
			reply_is_lost(call, "unknown");
			if (script->is_acknowledged)
				call->submit = SUBMIT_ACKED;
			break;
		case OUTCOME_BAD_REPLY:
			if (!is_silence(script->fault))
				reply_is_lost(call, "reply could not be read");
			break;
		case OUTCOME_NEVER_ANSWER:
			break;
		case OUTCOME_STUCK:
			reply_with_state(payment, kind, call);
			call->words = words_of_stuck(script->as);
			break;
		case OUTCOME_FLIP:
			if (simulator_kind_rejects_too_early(kind))
				reject(call, script->reason);
			else
				reply_is_lost(call, "failed, it seems");
			break;
		case OUTCOME_BAD_PREIMAGE:
			call->submit = SUBMIT_SETTLED;
			tell_success(payment, call);
			call->done = true;
			break;
	}
}

void
simulator_reply_to_pay(const SimulatedPayment *payment, NodeKind kind, NodeCall *call)
{
	reply_by_outcome(payment, kind, call);
	if (!call->done || !simulator_kind_only_acknowledges(kind) || call->submit == SUBMIT_AMBIGUOUS)
		return;
	call->submit = SUBMIT_ACKED;
	call->failure = NODE_FAILURE_NONE;
	call->payment = (NodePayment) {.has_preimage = false};
}

static void
verdict_is(NodeCall *call, PaymentAnswer verdict)
{
	call->verdict = verdict;
	call->done = true;
	if (verdict == PAYMENT_NOT_FOUND || verdict == PAYMENT_UNAVAILABLE)
		call->payment = (NodePayment) {.has_preimage = false};
}

static void
look_up_closed(const SimulatedPayment *payment, NodeCall *call)
{
	if (payment->end.kind == END_SUCCESS)
	{
		tell_success(payment, call);
		verdict_is(call, PAYMENT_SUCCEEDED);
		return;
	}
	call->failure = payment->end.failure;
	verdict_is(call, PAYMENT_FAILED);
}

static void
look_up_unknown(LookupSays says, NodeCall *call)
{
	switch (says)
	{
		case LOOKUP_SAYS_UNAVAILABLE:
			verdict_is(call, PAYMENT_UNAVAILABLE);
			break;
		case LOOKUP_SAYS_NOT_FOUND:
			verdict_is(call, PAYMENT_NOT_FOUND);
			break;
		case LOOKUP_SAYS_PENDING:
			verdict_is(call, PAYMENT_PENDING);
			break;
	}
}

/* The record of a try before this one, which says nothing of it. */
static void
look_up_stale(const SimulatedPayment *payment, NodeCall *call)
{
	call->payment.created_at = instant_plus_seconds(payment->created_at, -SIMULATOR_STALE_AGE);
	call->payment.reference = "0";
	call->failure = payment->script->reason;
	verdict_is(call, PAYMENT_FAILED);
}

/* One that is under way. */
static void
look_up_open(const SimulatedPayment *payment, Instant now, NodeCall *call)
{
	const SimulatorScript *script = payment->script;

	switch (script->outcome)
	{
		case OUTCOME_SUCCEED:
		case OUTCOME_FAIL:
		case OUTCOME_NOT_SENT:
		case OUTCOME_BAD_REPLY:
		case OUTCOME_RECEIVE:
		case OUTCOME_MAKE:
		case OUTCOME_NODE:
		case OUTCOME_COUNT:
			verdict_is(call, PAYMENT_PENDING);
			break;
		case OUTCOME_STUCK:
			verdict_is(call, PAYMENT_PENDING);
			call->words = words_of_stuck(script->as);
			break;
		case OUTCOME_LOST_REPLY:
			verdict_is(call, script->at == LOST_AT_READ &&
					   !has_come(instant_plus_seconds(payment->created_at, SIMULATOR_READ_DELAY), now)
					   ? PAYMENT_NOT_FOUND : PAYMENT_PENDING);
			break;
		case OUTCOME_UNKNOWN:
			look_up_unknown(script->lookup, call);
			break;
		case OUTCOME_STALE:
			look_up_stale(payment, call);
			break;
		case OUTCOME_FLIP:
			call->failure = script->reason;
			verdict_is(call, PAYMENT_FAILED);
			break;
		case OUTCOME_BAD_PREIMAGE:
			tell_success(payment, call);
			verdict_is(call, PAYMENT_SUCCEEDED);
			break;
		case OUTCOME_NEVER_ANSWER:
			break;
	}
}

/* Of several attempts at a hash: made counts more than under way, that more than failed, then the later one. */
static int
weight_of(const SimulatedPayment *payment)
{
	if (payment->closed && payment->end.kind == END_SUCCESS)
		return 2;
	return shows_failure(payment) ? 0 : 1;
}

void
simulator_look_up_payment(const SimulatedPayment *attempts, size_t count, Instant now, NodeCall *call)
{
	const SimulatedPayment *payment = NULL;

	for (size_t i = 0; i < count; i++)
		if (!instant_is_none(attempts[i].created_at) &&
			(payment == NULL || weight_of(&attempts[i]) >= weight_of(payment)))
			payment = &attempts[i];
	if (payment == NULL)
	{
		verdict_is(call, PAYMENT_NOT_FOUND);
		return;
	}
	tell_record(payment, call);
	if (payment->closed)
		look_up_closed(payment, call);
	else
		look_up_open(payment, now, call);
}

/* -------------------------------------------------------------- every call */

void
simulator_give_up(NodeCall *call)
{
	node_call_give_up(call);
	call->done = true;
}
