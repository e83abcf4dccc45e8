/*
 * simulator_condition.c
 *		How the whole simulated node is.
 */
#include "postgres/server.h"

#include "lightning/simulator_condition.h"

/* The public key of nobody here: the generator of the curve. */
#define ANOTHER_NODE_ID "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

static void
answer_as_another(NodeCall *call)
{
	call->identity = (NodeIdentity) {.network = "regtest", .node_id = ANOTHER_NODE_ID, .ready = true, .version = "simulator"};
	call->answered = call->operation == NODE_IDENTIFY;
	call->verdict = PAYMENT_NOT_FOUND;
	call->invoice = INVOICE_NOT_FOUND;
	call->cancel = CANCEL_NOT_FOUND;
	call->words = "another node";
}

bool
simulator_condition_answers(const SimulatorScript *condition, NodeCall *call, bool begins)
{
	switch (condition->condition)
	{
		case CONDITION_WELL:
		case CONDITION_SYNCING:
		case CONDITION_PRUNED:
			return false;
		case CONDITION_DOWN:
			if (begins)
				call->submit = SUBMIT_NOT_SENT;
			call->words = "connection refused";
			break;
		case CONDITION_LOCKED:
			call->words = "the wallet is locked";
			break;
		case CONDITION_ANOTHER:
			answer_as_another(call);
			break;
	}
	call->done = true;
	return true;
}

void
simulator_condition_colours(const SimulatorScript *condition, NodeCall *call)
{
	bool		tells_payment = call->operation == NODE_PAY || call->operation == NODE_LOOKUP_PAYMENT;

	if (!call->done)
		return;
	if (call->operation == NODE_IDENTIFY && condition->condition == CONDITION_SYNCING)
	{
		call->identity.ready = false;
		call->words = "it does not know the newest blocks yet";
	}
	if (call->operation == NODE_IDENTIFY && condition->condition == CONDITION_PRUNED)
		call->identity.keeps_seconds = 1;
	if (call->operation == NODE_LOOKUP_PAYMENT && condition->condition == CONDITION_PRUNED &&
		(call->verdict == PAYMENT_SUCCEEDED || call->verdict == PAYMENT_FAILED))
	{
		call->verdict = PAYMENT_NOT_FOUND;
		call->failure = NODE_FAILURE_NONE;
		call->payment = (NodePayment) {.has_preimage = false};
	}
	if (tells_payment && !instant_is_none(call->payment.created_at))
		call->payment.created_at = instant_plus_seconds(call->payment.created_at, condition->skew_s);
}
