/*
 * cln_replies.c
 *		What the replies of Core Lightning mean: taken apart, and handed to
 *		whoever reads payments, lists, or, here, identity and invoices.
 */
#include "lightning/node_json.h"

#include "lightning/cln_parts.h"

#include <stdlib.h>

#define MOST_HINTS 32			/* asked for in one call */

/* Errors of its methods that are told apart. */
#define CODE_LABEL_TAKEN 900
#define CODE_TIMED_OUT 904
#define CODE_NO_SUCH_INVOICE 905
#define CODE_OTHER_STATUS 906

#define FIRST_XPAY_VERSION 2411

static void
take_error(NodeCall *call, const json_t *error, ClnAnswered *answered)
{
	const char *message = node_json_text(call->arena, error, "message");

	answered->is_error = message != NULL && json_is_integer(json_object_get(error, "code")) &&
		node_json_integer(error, "code", &answered->code);
	call->words = message != NULL ? message : NO_ERROR_OF_A_NODE;
}

static ClnAnswered
take_apart(const HttpNode *self, NodeCall *call, const HttpReply *reply)
{
	ClnAnswered	answered = {0};
	bool		is_raw = self->peer.socket_path != NULL;

	call->words = NULL;
	if (reply->transport != HTTP_REPLIED)
	{
		call->words = reply->words;
		return answered;
	}
	answered.body = node_json_parse(reply);
	if (is_raw && node_json_is(answered.body, "id", CLN_REQUEST_ID))
	{
		answered.result = node_json_object(answered.body, "result");
		if (answered.result == NULL)
			take_error(call, node_json_object(answered.body, "error"), &answered);
	}
	else if (!is_raw && (reply->status == 201 || reply->status == 200))
		answered.result = answered.body;
	else if (!is_raw && reply->status == 500)
		take_error(call, answered.body, &answered);
	else if (!is_raw)
	{
		/* A rune that is refused, a method that is not there: words, but no verdict. */
		call->words = node_json_text(call->arena, answered.body, "message");
		if (call->words == NULL)
			call->words = NO_ERROR_OF_A_NODE;
	}
	if (answered.result == NULL && call->words == NULL)
		call->words = NO_JSON_OF_A_NODE;
	return answered;
}

/* ---------------------------------------------------------------- identity */

/* "v26.06.6" is 2606; 0 where it is no version. */
static int64_t
version_number(const char *version)
{
	char	   *end;
	long		year;
	long		month;

	if (version == NULL)
		return 0;
	version += version[0] == 'v';
	year = strtol(version, &end, 10);
	if (end == version || *end != '.' || year < 0 || year > 99)
		return 0;
	version = end + 1;
	month = strtol(version, &end, 10);
	return end == version || month < 0 || month > 12 ? 0 : year * 100 + month;
}

static bool
hear_identity(HttpNode *self, NodeCall *call, const json_t *info)
{
	int64_t		active = 0;
	int64_t		inactive = 0;
	NodeIdentity identity = {
		.node_id = node_json_text(call->arena, info, "id"),
		.network = node_json_text(call->arena, info, "network"),
		.version = node_json_text(call->arena, info, "version"),
	};

	if (identity.node_id == NULL || identity.network == NULL)
	{
		call->words = call->words != NULL ? call->words : "the node does not say who it is";
		return false;
	}
	self->notes.version = version_number(identity.version);
	if (json_object_get(info, "warning_bitcoind_sync") != NULL || json_object_get(info, "warning_lightningd_sync") != NULL)
		call->words = "it does not know the newest blocks yet";
	else if (!node_json_integer(info, "num_active_channels", &active) ||
			 !node_json_integer(info, "num_inactive_channels", &inactive) || (active == 0 && inactive > 0))
		call->words = "none of its channels is connected";
	else
		identity.ready = true;
	if (self->notes.version < FIRST_XPAY_VERSION)
	{
		identity.ready = false;
		call->words = "this version of Core Lightning has no xpay; use v26.06 or later";
	}
	else if (self->notes.version < CLN_FIRST_FINAL_VERSION)
		identity.warning = "this version of Core Lightning calls payments failed that go on; they stay unknown until their invoice has run out: use v26.06 or later";
	call->identity = identity;
	call->answered = true;
	return true;
}

/* ----------------------------------------------------------------- invoices */

/* The one invoice of the list; NULL, and whether there is none at all. */
static const json_t *
only_invoice(NodeCall *call, const json_t *result, bool *is_empty)
{
	const json_t *invoices = json_object_get(result, "invoices");

	*is_empty = json_is_array(invoices) && json_array_size(invoices) == 0;
	if (json_array_size(invoices) == 1)
		return json_array_get(invoices, 0);
	if (!*is_empty && result != NULL)
		call->words = "the node tells of more than one invoice, or of none";
	return NULL;
}

/* Made now, or found under the label that is taken; true: it must be looked for there. */
static bool
hear_created(NodeCall *call, const ClnAnswered *answered, bool is_second)
{
	const json_t *invoice = answered->result;
	bool		is_empty;

	if (answered->is_error && answered->code == CODE_LABEL_TAKEN && !is_second)
		return true;
	if (answered->is_error && answered->code == CLN_INVALID_PARAMETERS && !is_second)
		call->failure = NODE_FAILURE_BAD_INVOICE;
	if (is_second)
		invoice = only_invoice(call, answered->result, &is_empty);
	call->created = node_json_text(call->arena, invoice, "bolt11");
	call->answered = call->created != NULL;
	return false;
}

static void
hear_invoice(NodeCall *call, const json_t *result)
{
	bool		is_empty;
	const json_t *invoice = only_invoice(call, result, &is_empty);
	InvoiceAnswer state = cln_invoice_state(invoice);

	if (is_empty)
		call->invoice = INVOICE_NOT_FOUND;
	if (invoice == NULL || !node_is_of_hash(call, invoice))
		return;
	if (state != INVOICE_SETTLED)
		call->invoice = state;
	else if (node_json_msat(invoice, "amount_received_msat", &call->received) &&
			 node_json_hex32(invoice, "payment_preimage", &call->preimage))
		call->invoice = INVOICE_SETTLED;
	else
		call->words = "the node calls an invoice paid and does not say by what";
}

/* True: it is there and unpaid, and its label is known: delete it. */
static bool
hear_invoice_to_cancel(NodeTalk *talk, const json_t *result)
{
	NodeCall   *call = talk->call;
	bool		is_empty;
	const json_t *invoice = only_invoice(call, result, &is_empty);

	if (is_empty)
		call->cancel = CANCEL_NOT_FOUND;
	if (invoice == NULL || !node_is_of_hash(call, invoice))
		return false;
	switch (cln_invoice_state(invoice))
	{
		case INVOICE_SETTLED:
			call->cancel = CANCEL_ALREADY_SETTLED;
			return false;
		case INVOICE_EXPIRED:
			call->cancel = CANCEL_CANCELED;
			return false;
		case INVOICE_OPEN:
			talk->record = node_json_text(call->arena, invoice, "label");
			return talk->record != NULL;
		case INVOICE_HELD:
		case INVOICE_CANCELED:
		case INVOICE_NOT_FOUND:
		case INVOICE_UNAVAILABLE:
			break;
	}
	return false;
}

static void
hear_deleted(NodeCall *call, const ClnAnswered *answered)
{
	const json_t *data = node_json_object(answered->body, "data");

	if (answered->result != NULL && node_is_of_hash(call, answered->result))
		call->cancel = CANCEL_CANCELED;
	if (!answered->is_error)
		return;
	if (data == NULL)
		data = node_json_object(node_json_object(answered->body, "error"), "data");
	if (answered->code == CODE_NO_SUCH_INVOICE)
		call->cancel = CANCEL_NOT_FOUND;
	else if (answered->code == CODE_OTHER_STATUS && node_json_is(data, "current_status", "paid"))
		call->cancel = CANCEL_ALREADY_SETTLED;
	else if (answered->code == CODE_OTHER_STATUS && node_json_is(data, "current_status", "expired"))
		call->cancel = CANCEL_CANCELED;
}

/* One more that was paid; true: ask for the next one. */
static bool
hear_settled(NodeTalk *talk, const ClnAnswered *answered)
{
	NodeCall   *call = talk->call;
	Bytes32    *hashes = (Bytes32 *) talk->record;
	int64_t		index;

	if (hashes == NULL)
		talk->record = hashes = ARENA_ARRAY(call->arena, Bytes32, MOST_HINTS);
	call->settled = hashes;
	/* One that went backwards would be told again for ever. */
	if (node_json_is(answered->result, "status", "paid") && node_json_integer(answered->result, "pay_index", &index) &&
		index > call->next_cursor && node_json_hex32(answered->result, "payment_hash", &hashes[call->settled_count]))
	{
		call->next_cursor = index;
		call->settled_count++;
		call->answered = true;
		return call->settled_count < MOST_HINTS;
	}
	if (answered->is_error && answered->code == CODE_TIMED_OUT)
	{
		call->answered = true;
		call->words = NULL;
	}
	return false;
}

/* ------------------------------------------------------------------ dialect */

static bool
hear_answer(HttpNode *self, NodeTalk *talk, const HttpReply *reply, const ClnAnswered *answered)
{
	NodeCall   *call = talk->call;
	bool		is_first = talk->step == 0;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			if (is_first)
				return hear_identity(self, call, answered->result);
			cln_hear_configs(self, call, answered->result);
			return false;
		case NODE_CREATE_INVOICE:
			return hear_created(call, answered, !is_first);
		case NODE_LOOKUP_INVOICE:
			hear_invoice(call, answered->result);
			return false;
		case NODE_CANCEL_INVOICE:
			if (is_first)
				return hear_invoice_to_cancel(talk, answered->result);
			hear_deleted(call, answered);
			return false;
		case NODE_SETTLED_SINCE:
			return hear_settled(talk, answered);
		case NODE_PAY:
			if (is_first)
				return cln_hear_paid(talk, reply, answered);
			cln_hear_refused(self, talk, reply, answered);
			return false;
		case NODE_LOOKUP_PAYMENT:
			cln_hear_payment(call, answered->result);
			return false;
		case NODE_BALANCE:
			cln_hear_balance(call, answered->result);
			return false;
		case NODE_LIST_PAYMENTS:
			cln_hear_payments(self, call, answered->result);
			return false;
		case NODE_LIST_INVOICES:
			cln_hear_invoices(call, answered->result);
			return false;
	}
	return false;
}

bool
cln_hear(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;
	const char *words = call->words;
	ClnAnswered	answered = take_apart(self, call, reply);
	bool		goes_on;

	/* The second question to its identity is no reason not to be ready. */
	if (call->operation == NODE_IDENTIFY && talk->step > 0)
		call->words = words;
	goes_on = hear_answer(self, talk, reply, &answered);
	json_decref(answered.body);
	return goes_on;
}
