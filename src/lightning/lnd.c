/*
 * lnd.c
 *		LND by its REST interface: which request asks for what.
 *
 * What the replies mean stands in lnd_replies.c.  A payment is one request on a
 * connection of its own; its stream is read until the first word of LND, and a
 * moment longer for the last one: LND goes on by itself when we hang up.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http_node.h"

#include "lightning/lnd.h"

#include "common/hex.h"
#include "common/json.h"
#include "lightning/base64.h"
#include "lightning/bytes32.h"
#include "lightning/http_reader.h"
#include "lightning/lnd_replies.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MACAROON 0				/* of the secrets: its header */
#define MACAROON_VERSION 0x02	/* its first byte */
#define PURPOSE "spark: preimages of invoices"
#define LINGER_MILLISECONDS 2000	/* for the end of a payment that has begun */

/* --------------------------------------------------------------- credential */

static const char *
take_credential(HttpNode *self, const uint8_t *bytes, size_t length)
{
	crypto_auth_hmacsha256_state state;
	char	   *hex;
	bool		is_kept;

	if (length < 32 || bytes[0] != MACAROON_VERSION)
		return "the file with the credential holds no macaroon as LND writes it: copy the file itself, not its hex digits";
	hex = malloc(2 * length + 1);
	if (hex == NULL)
		return "out of memory";
	hex_format(bytes, length, hex);
	is_kept = http_node_keep(self, MACAROON, "Grpc-Metadata-Macaroon: ", hex);
	wiping_free(hex);
	crypto_auth_hmacsha256_init(&state, bytes, length);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *) PURPOSE, strlen(PURPOSE));
	crypto_auth_hmacsha256_final(&state, self->derivation);
	sodium_memzero(&state, sizeof(state));
	return is_kept ? NULL : "out of memory";
}

/* The same key gives the same preimage for as long as the macaroon is the same. */
static void
derive(const HttpNode *self, NodeTalk *talk)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, self->derivation, sizeof(self->derivation));
	crypto_auth_hmacsha256_update(&state, talk->call->key.bytes, sizeof(talk->call->key.bytes));
	crypto_auth_hmacsha256_final(&state, talk->preimage.bytes);
	sodium_memzero(&state, sizeof(state));
	(void) crypto_hash_sha256(talk->hash.bytes, talk->preimage.bytes, sizeof(talk->preimage.bytes));
}

/* ---------------------------------------------------------------- requests */

static const char *
track_path(Arena *arena, Bytes32 hash)
{
	return arena_printf(arena, "/v2/router/track/%s?no_inflight_updates=false",
						base64_url_text(arena, hash.bytes, sizeof(hash.bytes)));
}

static void
ask_track(const NodeCall *call, HttpRequest *request)
{
	request->path = track_path(call->arena, call->payment_hash);
	request->reads_a_line = true;
}

static void
ask_invoice(const NodeCall *call, Bytes32 hash, HttpRequest *request)
{
	request->path = arena_printf(call->arena, "/v1/invoice/%s", bytes32_hex(call->arena, hash));
}

static void
ask_create(const HttpNode *self, NodeTalk *talk, HttpRequest *request)
{
	const NodeCall *call = talk->call;
	JsonWriter	body;

	derive(self, talk);
	json_begin(&body, call->arena);
	json_add_text(&body, "r_preimage", base64_text(call->arena, talk->preimage.bytes, sizeof(talk->preimage.bytes)));
	json_add_integer(&body, "value_msat", call->amount.msat);
	json_add_integer(&body, "expiry", call->seconds);
	json_add_text(&body, "memo", call->memo == NULL ? "" : call->memo);
	/* Its channels may be known to nobody else. */
	json_add_bool(&body, "private", true);
	request->method = "POST";
	request->path = "/v1/invoices";
	request->body = json_end(&body);
}

static void
ask_cancel(const NodeCall *call, HttpRequest *request)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_text(&body, "payment_hash", base64_text(call->arena, call->payment_hash.bytes, sizeof(Bytes32)));
	request->method = "POST";
	request->path = "/v2/invoices/cancel";
	request->body = json_end(&body);
}

static void
ask_pay(const NodeCall *call, HttpRequest *request)
{
	JsonWriter	body;

	json_begin(&body, call->arena);
	json_add_text(&body, "payment_request", call->payment_request);
	if (amount_is_positive(call->amount))
		json_add_integer(&body, "amt_msat", call->amount.msat);
	json_add_integer(&body, "fee_limit_msat", call->max_fee.msat);
	json_add_integer(&body, "timeout_seconds", call->seconds);
	json_add_integer(&body, "max_parts", 16);
	/* The first word comes as soon as the payment is stored; without it a held one is silent. */
	json_add_bool(&body, "no_inflight_updates", false);
	request->method = "POST";
	request->path = "/v2/router/send";
	request->body = json_end(&body);
	request->pays = true;
	request->reads_a_line = true;
	request->is_enough = lnd_is_final;
	request->linger = LINGER_MILLISECONDS;
}

static void
ask_settled(const NodeCall *call, HttpRequest *request)
{
	request->path = arena_printf(call->arena, "/v1/invoices/subscribe?settle_index=%lld", (long long) call->cursor);
	request->reads_a_line = true;
	request->is_enough = lnd_is_settled;
}

static void
ask_list(const NodeCall *call, const char *path, int rows, HttpRequest *request)
{
	request->path = arena_printf(call->arena, "%s=%d&index_offset=%lld&creation_date_start=%lld", path, rows,
								 (long long) call->cursor, (long long) (call->since.microseconds / MICROSECONDS_PER_SECOND));
	request->most_bytes = HTTP_NODE_MOST_LIST;
}

static void
ask_first(const HttpNode *self, NodeTalk *talk, HttpRequest *request)
{
	const NodeCall *call = talk->call;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			request->path = "/v1/getinfo";
			break;
		case NODE_CREATE_INVOICE:
			ask_create(self, talk, request);
			break;
		case NODE_LOOKUP_INVOICE:
			ask_invoice(call, call->payment_hash, request);
			break;
		case NODE_CANCEL_INVOICE:
			ask_cancel(call, request);
			break;
		case NODE_SETTLED_SINCE:
			ask_settled(call, request);
			break;
		case NODE_PAY:
			ask_pay(call, request);
			break;
		case NODE_LOOKUP_PAYMENT:
			ask_track(call, request);
			break;
		case NODE_BALANCE:
			request->path = "/v1/balance/channels";
			break;
		case NODE_LIST_PAYMENTS:
			ask_list(call, "/v1/payments?include_incomplete=true&omit_hops=true&max_payments", LND_PAYMENTS_A_PAGE, request);
			break;
		case NODE_LIST_INVOICES:
			ask_list(call, "/v1/invoices?num_max_invoices", LND_INVOICES_A_PAGE, request);
			break;
	}
}

static bool
lnd_ask(HttpNode *self, NodeTalk *talk, HttpRequest *request)
{
	request->headers[0] = self->secrets[MACAROON];
	if (talk->step == 0)
		ask_first(self, talk, request);
	else if (talk->call->operation == NODE_PAY)
		ask_track(talk->call, request);
	else if (talk->call->operation == NODE_CREATE_INVOICE)
		ask_invoice(talk->call, talk->hash, request);
	else
	{
		/* Whoever would not say who he is may say why, and to anybody. */
		request->headers[0] = NULL;
		request->path = "/v1/state";
	}
	return true;
}

/* ------------------------------------------------------------------ replies */

/* The reply to the first request; true: there is a second one. */
static bool
hear_first(NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			lnd_hear_identity(call, reply);
			return !call->answered && reply->transport == HTTP_REPLIED;
		case NODE_CREATE_INVOICE:
			return lnd_hear_created(call, reply, &talk->hash) == LND_LOOK_UP;
		case NODE_LOOKUP_INVOICE:
			lnd_hear_invoice(call, reply);
			break;
		case NODE_CANCEL_INVOICE:
			lnd_hear_cancelled(call, reply);
			break;
		case NODE_SETTLED_SINCE:
			lnd_hear_settled(call, reply);
			break;
		case NODE_PAY:
			return lnd_hear_paid(call, reply, &talk->failure) == LND_TRACK;
		case NODE_LOOKUP_PAYMENT:
			lnd_hear_payment(call, reply);
			break;
		case NODE_BALANCE:
			lnd_hear_balance(call, reply);
			break;
		case NODE_LIST_PAYMENTS:
			lnd_hear_payments(call, reply);
			break;
		case NODE_LIST_INVOICES:
			lnd_hear_invoices(call, reply);
			break;
	}
	return false;
}

static bool
lnd_hear(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;
	bool		goes_on = false;

	(void) self;
	if (talk->step == 0)
		goes_on = hear_first(talk, reply);
	else if (call->operation == NODE_PAY)
		lnd_hear_refused(call, reply, talk->failure);
	else if (call->operation == NODE_CREATE_INVOICE)
		lnd_hear_created_before(call, reply, &talk->hash);
	else
		lnd_hear_state(call, reply);
	return goes_on;
}

const NodeDialect lnd_dialect = {
	.name = "lnd",
	.kind = NODE_KIND_LND,
	.take_credential = take_credential,
	.ask = lnd_ask,
	.hear = lnd_hear,
};
