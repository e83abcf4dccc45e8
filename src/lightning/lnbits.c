/*
 * lnbits.c
 *		LNbits: which request asks for what.
 *
 * What the replies mean stands in lnbits_replies.c.  LNbits takes no highest
 * fee.  So before it pays, it is asked what it would set aside, and where that
 * is more than was reserved here, nothing is sent.
 *
 * Its own node may be exchanged at any time, and only its invoices tell: it makes
 * one for us when it is met, before each payment and before each balance, with
 * which the comparison with the books begins.
 *
 * What is paid, what was paid and what is there is asked with the admin key, and
 * where a second key makes the invoices, the first must see what it has made:
 * else the one wallet would be asked what became of the payments of the other.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http_node.h"

#include "lightning/lnbits.h"

#include "common/json.h"
#include "lightning/bytes32.h"
#include "lightning/lnbits_replies.h"

#include <string.h>

/* Of the secrets: headers with the keys; without an invoice key both are the same. */
#define ADMIN_KEY 0
#define INVOICE_KEY 1
#define KEY_HEADER "X-Api-Key: "

#define PROBE_SECONDS 600

/* --------------------------------------------------------------- credential */

/* Keeps the key on the line that begins here; how many bytes it has, or 0. */
static size_t
keep_key(HttpNode *self, int index, const char *line)
{
	char		key[129];
	size_t		length = strspn(line, "0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ_-");
	bool		is_kept;

	if (length < 16 || length >= sizeof(key))
		return 0;
	memcpy(key, line, length);
	key[length] = '\0';
	is_kept = http_node_keep(self, index, KEY_HEADER, key);
	explicit_bzero(key, sizeof(key));
	return is_kept ? length : 0;
}

static const char *
take_keys(HttpNode *self, const char *text)
{
	static const char problem[] = "the file with the credential holds no keys: write the admin key of the wallet on its first line and, if you like, the invoice key on the second";
	const char *rest = text;
	size_t		length = keep_key(self, ADMIN_KEY, rest);

	if (length == 0)
		return problem;
	rest += length;
	rest += strspn(rest, "\r\n");
	if (*rest == '\0')
		return keep_key(self, INVOICE_KEY, text) == 0 ? "out of memory" : NULL;
	length = keep_key(self, INVOICE_KEY, rest);
	rest += length;
	rest += strspn(rest, "\r\n");
	return length == 0 || *rest != '\0' ? problem : NULL;
}

static const char *
take_credential(HttpNode *self, const uint8_t *bytes, size_t length)
{
	char		text[512];
	const char *problem;

	if (length >= sizeof(text) || memchr(bytes, '\0', length) != NULL)
		return "the file with the credential holds no keys";
	memcpy(text, bytes, length);
	text[length] = '\0';
	problem = take_keys(self, text);
	explicit_bzero(text, sizeof(text));
	return problem;
}

/* ---------------------------------------------------------------- requests */

static void
ask_create(const NodeCall *call, int64_t satoshi, const char *memo, int64_t seconds, HttpRequest *request)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_bool(&body, "out", false);
	json_add_text(&body, "unit", "sat");
	json_add_integer(&body, "amount", satoshi);
	json_add_text(&body, "memo", memo);
	json_add_integer(&body, "expiry", seconds);
	request->method = "POST";
	request->path = "/api/v1/payments";
	request->body = json_end(&body);
}

static void
ask_send(const HttpNode *self, const NodeCall *call, HttpRequest *request)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_bool(&body, "out", true);
	json_add_text(&body, "bolt11", call->payment_request);
	request->method = "POST";
	request->path = "/api/v1/payments";
	request->body = json_end(&body);
	request->headers[0] = self->secrets[ADMIN_KEY];
	request->pays = true;
}

static void
ask_payment(const NodeCall *call, HttpRequest *request)
{
	request->path = arena_printf(call->arena, "/api/v1/payments/%s", bytes32_hex(call->arena, call->payment_hash));
}

static bool
reject(NodeCall *call, NodeFailure failure, const char *words)
{
	call->submit = SUBMIT_REJECTED;
	call->failure = failure;
	call->words = words;
	return false;
}

/* An invoice that nobody is shown: who makes it? */
static void
ask_probe(const NodeCall *call, HttpRequest *request)
{
	ask_create(call, 1, "not to be paid: asks who makes invoices", PROBE_SECONDS, request);
}

/* The steps of a payment; false: it can be paid by none. */
static bool
ask_pay(const HttpNode *self, NodeTalk *talk, HttpRequest *request)
{
	NodeCall   *call = talk->call;
	const char *text = call->payment_request;

	switch ((LnbitsPayStep) talk->step)
	{
		case LNBITS_PAY_PROBE:
			/* What is no bare request would be another address. */
			if (amount_is_positive(call->amount) || text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz")] != '\0')
				return reject(call, NODE_FAILURE_BAD_INVOICE, "LNbits pays no request that names no amount");
			if (call->due.msat % MSAT_PER_SAT != 0)
				return reject(call, NODE_FAILURE_OTHER, "LNbits pays whole satoshi only");
			ask_probe(call, request);
			return true;
		case LNBITS_PAY_RESERVE:
			request->path = arena_printf(call->arena, "/api/v1/payments/fee-reserve?invoice=%s", text);
			return true;
		case LNBITS_PAY_SEND:
			ask_send(self, call, request);
			return true;
		case LNBITS_PAY_LOOK:
			request->headers[0] = self->secrets[ADMIN_KEY];
			ask_payment(call, request);
			return true;
	}
	return false;
}

/* Only the admin key is told which wallet it is. */
static void
ask_wallet(const HttpNode *self, HttpRequest *request)
{
	request->headers[0] = self->secrets[ADMIN_KEY];
	request->path = "/api/v1/wallet";
}

static bool
ask_identity(const HttpNode *self, const NodeTalk *talk, HttpRequest *request)
{
	switch ((LnbitsIdentifyStep) talk->step)
	{
		case LNBITS_IDENTIFY_WALLET:
			ask_wallet(self, request);
			return true;
		case LNBITS_IDENTIFY_PROBE:
			ask_probe(talk->call, request);
			return true;
		case LNBITS_IDENTIFY_KEYS:
			request->headers[0] = self->secrets[ADMIN_KEY];
			ask_payment(talk->call, request);
			return true;
	}
	return false;
}

static void
ask_page(const NodeCall *call, HttpRequest *request)
{
	request->path = arena_printf(call->arena, "/api/v1/payments/paginated?limit=%d&offset=%lld&sortby=created_at&direction=asc",
								 LNBITS_ROWS_A_PAGE, (long long) call->cursor);
	request->most_bytes = HTTP_NODE_MOST_LIST;
}

/* What only makes invoices, or looks at them, needs no more than the lesser key. */
static int
key_for(NodeOperation operation)
{
	return operation == NODE_LOOKUP_PAYMENT || operation == NODE_LIST_PAYMENTS || operation == NODE_LIST_INVOICES ?
		ADMIN_KEY : INVOICE_KEY;
}

static bool
lnbits_ask(HttpNode *self, NodeTalk *talk, HttpRequest *request)
{
	NodeCall   *call = talk->call;

	request->headers[0] = self->secrets[key_for(call->operation)];
	switch (call->operation)
	{
		case NODE_IDENTIFY:
			return ask_identity(self, talk, request);
		case NODE_CREATE_INVOICE:
			if (call->amount.msat % MSAT_PER_SAT != 0)
			{
				call->words = "LNbits makes invoices of whole satoshi only";
				return false;
			}
			ask_create(call, call->amount.msat / MSAT_PER_SAT, call->memo == NULL ? "" : call->memo, call->seconds, request);
			return true;
		case NODE_LOOKUP_INVOICE:
		case NODE_LOOKUP_PAYMENT:
			ask_payment(call, request);
			return true;
		case NODE_PAY:
			return ask_pay(self, talk, request);
		case NODE_BALANCE:
			if (talk->step == LNBITS_BALANCE_PROBE)
				ask_probe(call, request);
			else
				ask_wallet(self, request);
			return true;
		case NODE_LIST_PAYMENTS:
		case NODE_LIST_INVOICES:
			ask_page(call, request);
			return true;
		case NODE_SETTLED_SINCE:
			/* It pushes only what it settles while somebody listens: each invoice is looked up instead. */
			call->answered = true;
			return false;
		case NODE_CANCEL_INVOICE:
			call->words = "LNbits cancels no invoices";
			return false;
	}
	return false;
}

const NodeDialect lnbits_dialect = {
	.name = "lnbits",
	.kind = NODE_KIND_LNBITS,
	.take_credential = take_credential,
	.ask = lnbits_ask,
	.hear = lnbits_hear,
};
