/*
 * simulator_receive.c
 *		The rules of the simulated node, as far as it is paid.
 */
#include "lightning/simulator.h"

/* With `*`, only `receive` speaks of invoices; for its hash any outcome does. */
static bool
is_for_invoice(const SimulatorScript *script, const SimulatedInvoice *invoice)
{
	return (script->outcome == OUTCOME_RECEIVE || !script->for_any) &&
		simulator_script_is_for(script, invoice->payment_hash, invoice->amount, invoice->memo);
}

/* More than twice the amount, or less than it, no node takes (BOLT 4). */
static bool
is_acceptable(const SimulatedInvoice *invoice, Amount received)
{
	return amount_is_payable(received) && received.msat >= invoice->amount.msat &&
		(invoice->amount.msat == 0 || received.msat / 2 < invoice->amount.msat ||
		 received.msat == 2 * invoice->amount.msat);
}

void
simulator_bind_invoice(SimulatedInvoice *invoice, const SimulatorScript *scripts, size_t script_count)
{
	for (size_t i = 0; i < script_count; i++)
		if (is_for_invoice(&scripts[i], invoice) && simulator_script_is_next(&scripts[i]) &&
			simulator_script_beats(&scripts[i], invoice->script))
			invoice->script = &scripts[i];
	invoice->bound_at = invoice->created_at;
}

/* From when on an HTLC is there, and with what; none: its script lets nobody pay it. */
static Instant
arrives_at(const SimulatedInvoice *invoice, Amount *received)
{
	const SimulatorScript *script = invoice->script;

	if (script == NULL || script->outcome != OUTCOME_RECEIVE ||
		(!instant_is_none(invoice->canceled_at) && !script->pays_cancelled))
		return INSTANT_NONE;
	*received = script->has_received ? script->received : invoice->amount;
	if (!is_acceptable(invoice, *received))
		return INSTANT_NONE;
	return instant_plus_seconds(invoice->bound_at,
								larger_of(simulator_script_delay(script, invoice->payment_hash), SIMULATOR_RECEIVE_DELAY));
}

/* When it is settled, or released. */
static Instant
decided_at(const SimulatedInvoice *invoice, Amount *received)
{
	Instant		arrives = arrives_at(invoice, received);

	return instant_is_none(arrives) ? arrives : instant_plus_seconds(arrives, invoice->script->held_s);
}

bool
simulator_follow_invoice(SimulatedInvoice *invoice, const SimulatorScript *scripts, size_t script_count,
						 Instant now)
{
	Amount		received;
	Instant		due;

	if (!instant_is_none(invoice->settled_at))
		return false;
	for (size_t i = 0; i < script_count; i++)
	{
		const SimulatorScript *script = &scripts[i];
		Instant		from = later_of(script->made_at, invoice->bound_at);

		due = decided_at(invoice, &received);
		if (!instant_is_none(due) && has_come(due, from))
			break;
		if (script->call != 0 || !is_for_invoice(script, invoice) || !simulator_script_beats(script, invoice->script))
			continue;
		invoice->script = script;
		invoice->bound_at = from;
	}
	due = decided_at(invoice, &received);
	if (instant_is_none(due) || !has_come(due, now))
		return false;
	if (invoice->script->then_fails)
	{
		if (!instant_is_none(invoice->canceled_at))
			return false;
		invoice->canceled_at = due;
		return true;
	}
	invoice->settled_at = due;
	invoice->received = received;
	invoice->kept = amount_compare(invoice->script->kept, received) > 0 ? received : invoice->script->kept;
	invoice->events = invoice->script->events;
	return true;
}

/* Taken, and neither settled nor released. */
static bool
is_held(const SimulatedInvoice *invoice, Instant now)
{
	Amount		received;
	Instant		arrives = arrives_at(invoice, &received);

	return instant_is_none(invoice->canceled_at) && !instant_is_none(arrives) && has_come(arrives, now) &&
		!has_come(decided_at(invoice, &received), now);
}

static bool
never_answers(const SimulatedInvoice *invoice)
{
	return invoice->script != NULL && invoice->script->outcome == OUTCOME_NEVER_ANSWER;
}

void
simulator_look_up_invoice(const SimulatedInvoice *invoice, Instant now, NodeCall *call)
{
	if (invoice != NULL && never_answers(invoice))
		return;
	call->done = true;
	if (invoice == NULL)
		call->invoice = INVOICE_NOT_FOUND;
	else if (!instant_is_none(invoice->settled_at))
	{
		call->invoice = INVOICE_SETTLED;
		call->received = invoice->received;
		call->receive_fee = invoice->kept;
		call->preimage = invoice->preimage;
	}
	else if (!instant_is_none(invoice->canceled_at))
		call->invoice = INVOICE_CANCELED;
	else if (is_held(invoice, now))
		call->invoice = INVOICE_HELD;
	else
		call->invoice = has_come(invoice->expires_at, now) ? INVOICE_EXPIRED : INVOICE_OPEN;
}

bool
simulator_cancel_invoice(SimulatedInvoice *invoice, Instant now, NodeCall *call)
{
	if (invoice != NULL && never_answers(invoice))
		return false;
	call->done = true;
	if (invoice == NULL)
		call->cancel = CANCEL_NOT_FOUND;
	else if (!instant_is_none(invoice->settled_at))
		call->cancel = CANCEL_ALREADY_SETTLED;
	else
	{
		call->cancel = CANCEL_CANCELED;
		if (instant_is_none(invoice->canceled_at))
		{
			invoice->canceled_at = now;
			return true;
		}
	}
	return false;
}

Result
simulator_wallet_pays(SimulatedInvoice *invoice, Amount received, bool late, Instant now)
{
	if (!instant_is_none(invoice->settled_at))
		return FAIL_BECAUSE(PAYMENT_REQUEST_USED, "The invoice has been paid.");
	if (!instant_is_none(invoice->canceled_at))
		return FAIL_BECAUSE(PAYMENT_REQUEST_USED, "The node has cancelled the invoice.");
	if (!late && has_come(invoice->expires_at, now))
		return FAIL(PAYMENT_REQUEST_EXPIRED);
	if (received.msat == 0)
		received = invoice->amount;
	if (!is_acceptable(invoice, received))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							"Argument received_msat must be the invoice's amount at least, and twice that at most.");
	invoice->settled_at = now;
	invoice->received = received;
	/* The script no longer decides what is paid, but still how the hint travels. */
	invoice->events = invoice->script != NULL ? invoice->script->events : EVENTS_ONCE;
	return OK;
}

Instant
simulator_event_at(const SimulatedInvoice *invoice)
{
	if (instant_is_none(invoice->settled_at) || invoice->events == EVENTS_MISSED || invoice->events == EVENTS_INDEX_0)
		return INSTANT_NONE;
	return instant_plus_seconds(invoice->settled_at,
								invoice->events == EVENTS_REORDERED ? SIMULATOR_REORDER_DELAY : 0);
}
