/*
 * lnd_replies.c
 *		What the replies of LND's REST interface mean.
 */
#include "lightning/node_json.h"

#include "lightning/lnd_replies.h"

#include "common/array.h"
#include "lightning/node_replies.h"

#include <stdlib.h>
#include <string.h>

/* Codes of gRPC that are told apart. */
#define CODE_UNKNOWN 2
#define CODE_INVALID_ARGUMENT 3
#define CODE_NOT_FOUND 5
#define CODE_PERMISSION_DENIED 7
#define CODE_FAILED_PRECONDITION 9
#define CODE_UNIMPLEMENTED 12
#define CODE_UNAUTHENTICATED 16

/* Versions before this one have ways to lose money that are known. */
#define LEAST_VERSION {0, 18, 6}

/* ------------------------------------------------------------------- errors */

/* An error as LND tells it; of a stream it is wrapped once more. */
typedef struct LndError
{
	bool		is_one;
	int64_t		code;
	const char *message;		/* in the call's arena */
} LndError;

/* The macaroon lacks the right to it. */
static bool
is_denied(const LndError *error)
{
	return error->code == CODE_PERMISSION_DENIED || strcmp(error->message, "permission denied") == 0;
}

static LndError
error_of(NodeCall *call, const HttpReply *reply, const json_t *body)
{
	const json_t *wrapped = node_json_object(body, "error");
	LndError	error = {0};

	if (wrapped != NULL)
		body = wrapped;
	if (reply->transport != HTTP_REPLIED || reply->status < 400 || !json_is_integer(json_object_get(body, "code")) ||
		!node_json_integer(body, "code", &error.code))
		return error;
	error.message = node_json_text(call->arena, body, "message");
	error.is_one = error.message != NULL;
	if (error.is_one)
		call->words = error.message;
	if (error.is_one && is_denied(&error))
		call->failure = NODE_FAILURE_NOT_ALLOWED;
	return error;
}

static bool
take_error(NodeCall *call, const HttpReply *reply, const json_t *body)
{
	return error_of(call, reply, body).is_one;
}

/* The body of a good reply; NULL where it is none. */
static json_t *
good_body(NodeCall *call, const HttpReply *reply)
{
	return node_good_body(call, reply, 200, take_error);
}

/* The error that a reply is. */
static LndError
read_error(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = reply->transport == HTTP_REPLIED ? node_json_parse(reply) : NULL;
	LndError	error = error_of(call, reply, body);

	json_decref(body);
	return error;
}

static bool
says(const LndError *error, const char *words)
{
	return error->is_one && strstr(error->message, words) != NULL;
}

/* LND's own word that it never began to pay that hash. */
static bool
is_unknown_payment(const LndError *error, const HttpReply *reply)
{
	return reply->status == 404 && error->is_one && error->code == CODE_NOT_FOUND && says(error, "payment isn't initiated");
}

static bool
is_unknown_invoice(const LndError *error)
{
	return says(error, "unable to locate invoice") || says(error, "there are no existing invoices");
}

/* ----------------------------------------------------------------- identity */

/* As the books and payment requests call it. */
static const char *
network_of(Arena *arena, const json_t *info)
{
	const json_t *chain = json_array_get(json_object_get(info, "chains"), 0);
	const char *network = node_json_text(arena, chain, "network");

	return network != NULL && strcmp(network, "mainnet") == 0 ? "bitcoin" : network;
}

static bool
is_old(const char *version)
{
	const long	least[] = LEAST_VERSION;
	const char *rest = version;

	for (int i = 0; i < 3; i++)
	{
		char	   *end;
		long		part = strtol(rest, &end, 10);

		/* What is no version is not called old. */
		if (end == rest)
			return false;
		if (part != least[i])
			return part < least[i];
		rest = *end == '.' ? end + 1 : end;
	}
	return false;
}

/* What the node says of its channels: right after a start none can be used yet. */
static bool
has_usable_channels(const json_t *info)
{
	int64_t		active = 0;
	int64_t		inactive = 0;

	return node_json_integer(info, "num_active_channels", &active) &&
		node_json_integer(info, "num_inactive_channels", &inactive) && (active > 0 || inactive == 0);
}

void
lnd_hear_identity(NodeCall *call, const HttpReply *reply)
{
	json_t	   *info = good_body(call, reply);
	NodeIdentity identity = {0};
	bool		is_synced;

	if (info == NULL)
		return;
	identity.node_id = node_json_text(call->arena, info, "identity_pubkey");
	identity.network = network_of(call->arena, info);
	identity.version = node_json_text(call->arena, info, "version");
	if (node_json_bool(info, "synced_to_chain", &is_synced) && identity.node_id != NULL && identity.network != NULL)
	{
		identity.ready = is_synced && has_usable_channels(info);
		if (!is_synced)
			call->words = "it does not know the newest blocks yet";
		else if (!identity.ready)
			call->words = "none of its channels is connected";
		if (identity.version != NULL && is_old(identity.version))
			identity.warning = "this version of LND has known ways to lose money; use 0.18.6 or later";
		call->identity = identity;
		call->answered = true;
	}
	else
		call->words = "the node does not say who it is";
	json_decref(info);
}

void
lnd_hear_state(NodeCall *call, const HttpReply *reply)
{
	const char *words = call->words;
	json_t	   *body = good_body(call, reply);

	call->words = words;
	if (node_json_is(body, "state", "LOCKED"))
		call->words = "its wallet is locked";
	else if (node_json_is(body, "state", "NON_EXISTING"))
		call->words = "it has no wallet yet";
	else if (node_json_is(body, "state", "UNLOCKED") || node_json_is(body, "state", "RPC_ACTIVE") ||
			 node_json_is(body, "state", "WAITING_TO_START"))
		call->words = "it is starting";
	json_decref(body);
}

/* ----------------------------------------------------------------- invoices */

/*
 * It will not make such an invoice.  Nearly all that goes wrong has the same code,
 * and only this of it is about the amount.
 */
static bool
is_refused(const LndError *error)
{
	return error->is_one && says(error, "too large, max");
}

LndNext
lnd_hear_created(NodeCall *call, const HttpReply *reply, const Bytes32 *hash)
{
	json_t	   *body = good_body(call, reply);
	Bytes32		made;

	if (body == NULL)
	{
		LndError	error = read_error(call, reply);

		if (is_refused(&error))
			call->failure = NODE_FAILURE_BAD_INVOICE;
		return says(&error, "payment hash already exists") ? LND_LOOK_UP : LND_DONE;
	}
	if (node_json_base64_32(body, "r_hash", &made) && memcmp(made.bytes, hash->bytes, sizeof(made.bytes)) == 0)
	{
		call->created = node_json_text(call->arena, body, "payment_request");
		call->answered = call->created != NULL;
	}
	if (!call->answered)
		call->words = "the node made another invoice than it was asked for";
	json_decref(body);
	return LND_DONE;
}

void
lnd_hear_created_before(NodeCall *call, const HttpReply *reply, const Bytes32 *hash)
{
	call->words = NULL;
	(void) lnd_hear_created(call, reply, hash);
	/* It is there: whatever keeps it from being shown, it was not refused. */
	call->failure = call->failure == NODE_FAILURE_BAD_INVOICE ? NODE_FAILURE_NONE : call->failure;
}

static InvoiceAnswer
invoice_state(const json_t *invoice)
{
	if (node_json_is(invoice, "state", "OPEN"))
		return INVOICE_OPEN;
	if (node_json_is(invoice, "state", "ACCEPTED"))
		return INVOICE_HELD;
	if (node_json_is(invoice, "state", "SETTLED"))
		return INVOICE_SETTLED;
	/* Of one that has run out it says so, too: whoever knows when that is tells the two apart. */
	if (node_json_is(invoice, "state", "CANCELED"))
		return INVOICE_CANCELED;
	return INVOICE_UNAVAILABLE;
}

void
lnd_hear_invoice(NodeCall *call, const HttpReply *reply)
{
	json_t	   *invoice = good_body(call, reply);
	InvoiceAnswer state = invoice_state(invoice);
	Bytes32		hash;

	if (invoice == NULL)
	{
		LndError	error = read_error(call, reply);

		if (is_unknown_invoice(&error) && error.code == CODE_NOT_FOUND)
			call->invoice = INVOICE_NOT_FOUND;
		return;
	}
	if (!node_json_base64_32(invoice, "r_hash", &hash) ||
		memcmp(hash.bytes, call->payment_hash.bytes, sizeof(hash.bytes)) != 0)
		call->words = "the node tells of another invoice than it was asked about";
	else if (state != INVOICE_SETTLED)
		call->invoice = state;
	else if (node_json_msat(invoice, "amt_paid_msat", &call->received) &&
			 node_json_base64_32(invoice, "r_preimage", &call->preimage))
		call->invoice = INVOICE_SETTLED;
	else
		call->words = "the node calls an invoice settled and does not say by what";
	json_decref(invoice);
}

void
lnd_hear_cancelled(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply);
	LndError	error;

	if (body != NULL)
	{
		/* Nothing but an empty object is its word. */
		if (json_object_size(body) == 0)
			call->cancel = CANCEL_CANCELED;
		json_decref(body);
		return;
	}
	error = read_error(call, reply);
	if (says(&error, "already settled"))
		call->cancel = CANCEL_ALREADY_SETTLED;
	else if (is_unknown_invoice(&error))
		call->cancel = CANCEL_NOT_FOUND;
}

bool
lnd_is_settled(const char *line, size_t length)
{
	(void) length;
	return strstr(line, "\"SETTLED\"") != NULL || strstr(line, "\"error\"") != NULL;
}

void
lnd_hear_settled(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply);
	const json_t *invoice = node_json_object(body, "result");
	Bytes32	   *hash = ARENA_NEW(call->arena, Bytes32);
	int64_t		index;

	call->answered = invoice != NULL;
	if (invoice_state(invoice) == INVOICE_SETTLED && node_json_base64_32(invoice, "r_hash", hash) &&
		node_json_integer(invoice, "settle_index", &index))
	{
		call->settled = hash;
		call->settled_count = 1;
		/* One that goes backwards would be told again for ever. */
		call->next_cursor = index > call->cursor ? index : call->cursor;
	}
	json_decref(body);
}

/* ----------------------------------------------------------------- payments */

typedef enum LndStatus
{
	LND_NO_STATUS,
	LND_UNDER_WAY,
	LND_SUCCEEDED,
	LND_FAILED
} LndStatus;

static LndStatus
payment_status(const json_t *payment)
{
	if (node_json_is(payment, "status", "IN_FLIGHT") || node_json_is(payment, "status", "INITIATED"))
		return LND_UNDER_WAY;
	if (node_json_is(payment, "status", "SUCCEEDED"))
		return LND_SUCCEEDED;
	if (node_json_is(payment, "status", "FAILED"))
		return LND_FAILED;
	return LND_NO_STATUS;
}

static NodeFailure
failure_of(const json_t *payment)
{
	static const struct
	{
		const char *name;
		NodeFailure failure;
	} reasons[] = {
		{"FAILURE_REASON_TIMEOUT", NODE_FAILURE_GAVE_UP},
		{"FAILURE_REASON_NO_ROUTE", NODE_FAILURE_NO_ROUTE},
		{"FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", NODE_FAILURE_REFUSED_BY_PAYEE},
		{"FAILURE_REASON_INSUFFICIENT_BALANCE", NODE_FAILURE_NO_FUNDS},
		{"FAILURE_REASON_CANCELED", NODE_FAILURE_CANCELED},
	};

	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (node_json_is(payment, "failure_reason", reasons[i].name))
			return reasons[i].failure;
	return NODE_FAILURE_OTHER;
}

/* What a line says of the very payment that was asked about; nothing else counts. */
static LndStatus
read_payment(NodeCall *call, const json_t *body)
{
	const json_t *payment = node_json_object(body, "result");
	LndStatus	status = payment_status(payment);
	NodePayment found = {0};
	Bytes32		hash;
	int64_t		index;

	if (!node_json_hex32(payment, "payment_hash", &hash) ||
		memcmp(hash.bytes, call->payment_hash.bytes, sizeof(hash.bytes)) != 0)
	{
		call->words = "the node tells of another payment than it was asked about";
		return LND_NO_STATUS;
	}
	if (status == LND_NO_STATUS)
		call->words = "the node tells no state of the payment";
	if (node_json_integer(payment, "payment_index", &index))
		found.reference = arena_printf(call->arena, "%lld", (long long) index);
	found.created_at = node_json_nanoseconds(payment, "creation_time_ns");
	if (status == LND_SUCCEEDED)
	{
		found.has_preimage = node_json_hex32(payment, "payment_preimage", &found.preimage);
		if (!node_json_msat(payment, "value_msat", &found.amount) || !node_json_msat(payment, "fee_msat", &found.fee))
		{
			call->words = "the node calls a payment made and does not say what it cost";
			return LND_NO_STATUS;
		}
	}
	if (status == LND_FAILED)
	{
		call->failure = failure_of(payment);
		call->words = node_json_text(call->arena, payment, "failure_reason");
	}
	call->payment = found;
	return status;
}

/* Why it would not even begin. */
static NodeFailure
refusal_of(const LndError *error)
{
	if (is_denied(error))
		return NODE_FAILURE_NOT_ALLOWED;
	if (says(error, "invoice expired"))
		return NODE_FAILURE_EXPIRED;
	if (says(error, "bech32") || says(error, "checksum") || says(error, "invalid index of 1") ||
		says(error, "invoice not for current active network"))
		return NODE_FAILURE_BAD_INVOICE;
	return NODE_FAILURE_OTHER;
}

/*
 * The reply to a payment that is an error.  One that LND's own code makes
 * before it begins is a refusal, if nothing is known of the payment afterwards;
 * one that stands for a connection or a time that ended within LND is nothing.
 */
static LndNext
hear_refusal(NodeCall *call, const HttpReply *reply, NodeFailure *failure)
{
	LndError	error = read_error(call, reply);

	if (!error.is_one)
		return LND_DONE;
	switch (error.code)
	{
		case CODE_UNKNOWN:
		case CODE_INVALID_ARGUMENT:
		case CODE_NOT_FOUND:
		case CODE_PERMISSION_DENIED:
		case CODE_FAILED_PRECONDITION:
		case CODE_UNIMPLEMENTED:
		case CODE_UNAUTHENTICATED:
			*failure = refusal_of(&error);
			return LND_TRACK;
		default:
			return LND_DONE;
	}
}

LndNext
lnd_hear_paid(NodeCall *call, const HttpReply *reply, NodeFailure *failure)
{
	json_t	   *body;

	if (reply->transport == HTTP_NOT_SENT)
		call->submit = SUBMIT_NOT_SENT;
	body = good_body(call, reply);
	if (body == NULL)
		return hear_refusal(call, reply, failure);
	switch (read_payment(call, body))
	{
		case LND_UNDER_WAY:
			call->submit = SUBMIT_ACKED;
			break;
		case LND_SUCCEEDED:
			call->submit = SUBMIT_SETTLED;
			break;
		case LND_FAILED:
			call->submit = SUBMIT_REJECTED;
			break;
		case LND_NO_STATUS:
			break;
	}
	json_decref(body);
	return LND_DONE;
}

bool
lnd_is_final(const char *line, size_t length)
{
	(void) length;
	return strstr(line, "\"IN_FLIGHT\"") == NULL && strstr(line, "\"INITIATED\"") == NULL;
}

void
lnd_hear_refused(NodeCall *call, const HttpReply *reply, NodeFailure failure)
{
	const char *words = call->words;
	json_t	   *body = good_body(call, reply);
	LndStatus	status = body == NULL ? LND_NO_STATUS : read_payment(call, body);
	LndError	error = read_error(call, reply);

	json_decref(body);
	call->words = words;
	if (is_unknown_payment(&error, reply))
	{
		call->submit = failure == NODE_FAILURE_NOT_ALLOWED ? SUBMIT_NOT_ALLOWED : SUBMIT_REJECTED;
		call->failure = failure;
	}
	else if (status == LND_UNDER_WAY)
		call->submit = SUBMIT_ACKED;
	else if (status == LND_SUCCEEDED)
		call->submit = SUBMIT_SETTLED;
	/* A failed one may be of an earlier attempt: a look-up compares the times. */
}

void
lnd_hear_payment(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply);

	if (body == NULL)
	{
		LndError	error = read_error(call, reply);

		if (is_unknown_payment(&error, reply))
			call->verdict = PAYMENT_NOT_FOUND;
		return;
	}
	switch (read_payment(call, body))
	{
		case LND_UNDER_WAY:
			call->verdict = PAYMENT_PENDING;
			break;
		case LND_SUCCEEDED:
			call->verdict = PAYMENT_SUCCEEDED;
			break;
		case LND_FAILED:
			call->verdict = PAYMENT_FAILED;
			break;
		case LND_NO_STATUS:
			break;
	}
	json_decref(body);
}

/* ------------------------------------------------------- balance and lists */

void
lnd_hear_balance(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply);
	NodeBalance balance;

	if (body == NULL)
		return;
	/* What LND calls unsettled and remote is what has left our side and not arrived. */
	if (node_json_msat(node_json_object(body, "local_balance"), "msat", &balance.local) &&
		node_json_msat(node_json_object(body, "unsettled_remote_balance"), "msat", &balance.in_flight))
	{
		call->balance = balance;
		call->answered = true;
	}
	else
		call->words = "the node does not tell its balance";
	json_decref(body);
}

/* One that cannot be read spoils the page: a comparison must not miss any. */
static bool
read_listed_payment(const json_t *row, ListedPayment *listed)
{
	LndStatus	status = payment_status(row);

	listed->state = status == LND_SUCCEEDED ? PAYMENT_SUCCEEDED :
		status == LND_FAILED ? PAYMENT_FAILED : PAYMENT_PENDING;
	listed->created_at = node_json_nanoseconds(row, "creation_time_ns");
	return status != LND_NO_STATUS && node_json_hex32(row, "payment_hash", &listed->payment_hash) &&
		node_json_msat(row, "value_msat", &listed->amount) && node_json_msat(row, "fee_msat", &listed->fee);
}

static bool
read_listed_invoice(const json_t *row, ListedInvoice *listed)
{
	listed->state = invoice_state(row);
	listed->created_at = node_json_seconds(row, "creation_date");
	return listed->state != INVOICE_UNAVAILABLE && node_json_base64_32(row, "r_hash", &listed->payment_hash) &&
		node_json_msat(row, "value_msat", &listed->amount) && node_json_msat(row, "amt_paid_msat", &listed->received);
}

/* True where a page of rows is there and leads on. */
static bool
read_page(NodeCall *call, const json_t *body, const json_t *rows, size_t full)
{
	size_t		count = json_array_size(rows);

	call->has_more = count >= full;
	if (!json_is_array(rows) || !node_json_integer(body, "last_index_offset", &call->next_cursor))
		return false;
	/* A page that leads nowhere else would be read for ever; nor is one longer than was asked for. */
	return count <= full && (!call->has_more || call->next_cursor > call->cursor);
}

void
lnd_hear_payments(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply);
	const json_t *rows = json_object_get(body, "payments");
	size_t		count = json_array_size(rows);
	ListedPayment *listed = ARENA_ARRAY(call->arena, ListedPayment, count + 1);

	call->answered = body != NULL && read_page(call, body, rows, LND_PAYMENTS_A_PAGE);
	for (size_t i = 0; i < count && call->answered; i++)
		call->answered = read_listed_payment(json_array_get(rows, i), &listed[i]);
	call->payments = listed;
	call->listed_count = call->answered ? count : 0;
	if (body != NULL && !call->answered)
		call->words = "the node's list of payments cannot be read";
	json_decref(body);
}

void
lnd_hear_invoices(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply);
	const json_t *rows = json_object_get(body, "invoices");
	size_t		count = json_array_size(rows);
	ListedInvoice *listed = ARENA_ARRAY(call->arena, ListedInvoice, count + 1);

	call->answered = body != NULL && read_page(call, body, rows, LND_INVOICES_A_PAGE);
	for (size_t i = 0; i < count && call->answered; i++)
		call->answered = read_listed_invoice(json_array_get(rows, i), &listed[i]);
	call->invoices = listed;
	call->listed_count = call->answered ? count : 0;
	if (body != NULL && !call->answered)
		call->words = "the node's list of invoices cannot be read";
	json_decref(body);
}
