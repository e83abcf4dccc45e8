/*
 * cln.c
 *		Core Lightning: which method is called for what.
 *
 * What the replies mean stands in cln_replies.c.  An invoice carries our key as
 * its label, so that a repeated call finds the one that was made before.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http_node.h"

#include "lightning/cln.h"

#include "common/json.h"
#include "lightning/bytes32.h"
#include "lightning/cln_replies.h"

#include <string.h>

/* --------------------------------------------------------------- credential */

static const char *
take_credential(HttpNode *self, const uint8_t *bytes, size_t length)
{
	char		rune[1024];
	bool		is_kept;

	if (self->peer.socket_path != NULL)
		return NULL;
	while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
		length--;
	if (length < 32 || length >= sizeof(rune))
		return "the file with the credential holds no rune";
	for (size_t i = 0; i < length; i++)
		if (bytes[i] <= ' ' || bytes[i] > '~' || bytes[i] == '"' || bytes[i] == '{')
			return "the file with the credential holds more than a rune as text: write the value of rune into it, and nothing else";
	memcpy(rune, bytes, length);
	rune[length] = '\0';
	is_kept = http_node_keep(self, CLN_RUNE, CLN_RUNE_HEADER, rune);
	explicit_bzero(rune, sizeof(rune));
	return is_kept ? NULL : "out of memory";
}

/* ---------------------------------------------------------------- requests */

/* A method with its parameters, in the form of the transport. */
static void
ask_method(const HttpNode *self, Arena *arena, const char *method, const char *parameters, HttpRequest *request)
{
	if (self->peer.socket_path != NULL)
	{
		request->method = NULL;
		request->body = arena_printf(arena, "{\"jsonrpc\":\"2.0\",\"id\":\"" CLN_REQUEST_ID "\",\"method\":\"%s\",\"params\":%s}\n\n",
									 method, parameters);
		return;
	}
	request->method = "POST";
	request->path = arena_printf(arena, "/v1/%s", method);
	request->body = parameters;
	request->headers[0] = self->secrets[CLN_RUNE];
}

static const char *
hash_parameter(const NodeCall *call)
{
	return arena_printf(call->arena, "{\"payment_hash\":\"%s\"}", bytes32_hex(call->arena, call->payment_hash));
}

static const char *
label_of(const NodeCall *call)
{
	char	   *label = arena_alloc(call->arena, UUID_TEXT_LENGTH + 1);

	uuid_format(call->key, label);
	return label;
}

static const char *
create_parameters(const NodeCall *call)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_integer(&body, "amount_msat", call->amount.msat);
	json_add_text(&body, "label", label_of(call));
	json_add_text(&body, "description", call->memo == NULL ? "" : call->memo);
	json_add_integer(&body, "expiry", call->seconds);
	return json_end(&body);
}

static const char *
pay_parameters(const NodeCall *call)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_text(&body, "invstring", call->payment_request);
	if (amount_is_positive(call->amount))
		json_add_integer(&body, "amount_msat", call->amount.msat);
	json_add_integer(&body, "maxfee", call->max_fee.msat);
	json_add_integer(&body, "retry_for", call->seconds);
	return json_end(&body);
}

static const char *
label_parameter(const NodeCall *call, const char *label, const char *status)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_text(&body, "label", label);
	if (status != NULL)
		json_add_text(&body, "status", status);
	return json_end(&body);
}

static const char *
page_parameters(const NodeCall *call)
{
	return arena_printf(call->arena, "{\"index\":\"created\",\"start\":%lld,\"limit\":%d}", (long long) call->cursor, CLN_ROWS_A_PAGE);
}

static void
ask_first(const HttpNode *self, const NodeCall *call, HttpRequest *request)
{
	Arena	   *arena = call->arena;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			ask_method(self, arena, "getinfo", "{}", request);
			break;
		case NODE_CREATE_INVOICE:
			ask_method(self, arena, "invoice", create_parameters(call), request);
			break;
		case NODE_LOOKUP_INVOICE:
		case NODE_CANCEL_INVOICE:
			ask_method(self, arena, "listinvoices", hash_parameter(call), request);
			break;
		case NODE_PAY:
			ask_method(self, arena, "xpay", pay_parameters(call), request);
			request->pays = true;
			break;
		case NODE_LOOKUP_PAYMENT:
			ask_method(self, arena, "listpays", hash_parameter(call), request);
			break;
		case NODE_BALANCE:
			ask_method(self, arena, "listpeerchannels", "{}", request);
			request->most_bytes = HTTP_NODE_MOST_LIST;
			break;
		case NODE_LIST_PAYMENTS:
			ask_method(self, arena, "listpays", page_parameters(call), request);
			request->most_bytes = HTTP_NODE_MOST_LIST;
			break;
		case NODE_LIST_INVOICES:
			ask_method(self, arena, "listinvoices", page_parameters(call), request);
			request->most_bytes = HTTP_NODE_MOST_LIST;
			break;
		case NODE_SETTLED_SINCE:
			break;				/* each step the same: cln_ask() */
	}
}

static bool
cln_ask(HttpNode *self, NodeTalk *talk, HttpRequest *request)
{
	const NodeCall *call = talk->call;

	if (call->operation == NODE_SETTLED_SINCE)
		ask_method(self, call->arena, "waitanyinvoice",
				   arena_printf(call->arena, "{\"lastpay_index\":%lld,\"timeout\":0}", (long long) call->next_cursor), request);
	else if (talk->step == 0)
		ask_first(self, call, request);
	else if (call->operation == NODE_PAY)
		ask_method(self, call->arena, "listpays", hash_parameter(call), request);
	else if (call->operation == NODE_CREATE_INVOICE)
		ask_method(self, call->arena, "listinvoices", label_parameter(call, label_of(call), NULL), request);
	else if (call->operation == NODE_CANCEL_INVOICE)
		ask_method(self, call->arena, "delinvoice", label_parameter(call, talk->record, "unpaid"), request);
	else
		ask_method(self, call->arena, "listconfigs", "{}", request);
	return true;
}

const NodeDialect cln_dialect = {
	.name = "cln",
	.kind = NODE_KIND_CLN,
	.take_credential = take_credential,
	.ask = cln_ask,
	.hear = cln_hear,
};
