/*
 * lightning_node.c
 *		The port to a Lightning node: what a call is worth without an answer.
 */
#include "lightning/lightning_node.h"

#include <string.h>

void
node_call_give_up(NodeCall *call)
{
	call->answered = false;
	call->identity = (NodeIdentity) {0};
	call->created = NULL;
	call->submit = SUBMIT_AMBIGUOUS;
	call->verdict = PAYMENT_UNAVAILABLE;
	call->invoice = INVOICE_UNAVAILABLE;
	call->cancel = CANCEL_UNAVAILABLE;
	call->failure = NODE_FAILURE_NONE;
	call->payment = (NodePayment) {.has_preimage = false};
	call->received = AMOUNT_ZERO;
	call->receive_fee = AMOUNT_ZERO;
	memset(&call->preimage, 0, sizeof(Bytes32));
	call->settled = NULL;
	call->settled_count = 0;
	call->moved = NULL;
	call->moved_count = 0;
	call->next_cursor = call->cursor;
	call->balance = (NodeBalance) {AMOUNT_ZERO, AMOUNT_ZERO};
	call->payments = NULL;
	call->invoices = NULL;
	call->listed_count = 0;
	call->has_more = false;
	call->words = NULL;
}
