/*
 * cln_replies.c
 *		What the replies of Core Lightning mean.
 *
 * Its word on a payment is listpays, all entries of a hash together: one that
 * is complete wins over all, one that is pending over those that failed.  What
 * xpay answers is believed only where it says why it will not go on, the node is
 * new enough to mean it, and listpays has nothing against it: it may come back
 * while parts are still out, and an error may stand for another attempt.
 */
#include "lightning/node_json.h"

#include "lightning/cln_replies.h"

#include "lightning/bytes32.h"

#include <stdlib.h>

#define MOST_HINTS 32			/* asked for in one call */

/* Errors of its methods that are told apart. */
#define CODE_INVALID_PARAMETERS -32602
#define CODE_REFUSED_BY_PAYEE 203
#define CODE_NO_ROUTE 205
#define CODE_TOO_EXPENSIVE 206
#define CODE_EXPIRED 207
#define CODE_LABEL_TAKEN 900
#define CODE_TIMED_OUT 904
#define CODE_NO_SUCH_INVOICE 905
#define CODE_OTHER_STATUS 906

/* From here on an error of xpay for one of these reasons is its last word. */
#define FIRST_FINAL_VERSION 2606
#define FIRST_XPAY_VERSION 2411

/* A reply taken apart: its result, or the node's own error, or neither. */
typedef struct Answered
{
	json_t	   *body;			/* to be given back */
	const json_t *result;
	bool		is_error;
	int64_t		code;
} Answered;

static void
take_error(NodeCall *call, const json_t *error, Answered *answered)
{
	const char *message = node_json_text(call->arena, error, "message");

	answered->is_error = message != NULL && json_is_integer(json_object_get(error, "code")) &&
		node_json_integer(error, "code", &answered->code);
	call->words = message != NULL ? message : "an error that is not the node's own";
}

static Answered
take_apart(const HttpNode *self, NodeCall *call, const HttpReply *reply)
{
	Answered	answered = {0};
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
			call->words = "an error that is not the node's own";
	}
	if (answered.result == NULL && call->words == NULL)
		call->words = "the reply is not the JSON of a node";
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
	else if (self->notes.version < FIRST_FINAL_VERSION)
		identity.warning = "this version of Core Lightning calls payments failed that go on; they stay unknown until their invoice has run out: use v26.06 or later";
	call->identity = identity;
	call->answered = true;
	return true;
}

/* After how many seconds one of the two kinds of payments is forgotten. */
static void
hear_configs(NodeCall *call, const json_t *result)
{
	static const char *const names[] = {"autoclean-succeededpays-age", "autoclean-failedpays-age"};
	const json_t *configs = node_json_object(result, "configs");
	int64_t		age;

	if (configs == NULL)
	{
		if (call->identity.warning == NULL)
			call->identity.warning = "the node does not show its configuration, so that nobody knows whether it forgets payments: allow listconfigs to the rune";
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (node_json_integer(node_json_object(configs, names[i]), "value_int", &age) && age > 0 &&
			(call->identity.keeps_seconds == 0 || age < call->identity.keeps_seconds))
			call->identity.keeps_seconds = age;
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

static bool
is_of_hash(NodeCall *call, const json_t *entry)
{
	Bytes32		hash;

	if (node_json_hex32(entry, "payment_hash", &hash) && bytes32_equal(hash, call->payment_hash))
		return true;
	call->words = "the node tells of another hash than it was asked about";
	return false;
}

static InvoiceAnswer
invoice_state(const json_t *invoice)
{
	if (node_json_is(invoice, "status", "unpaid"))
		return INVOICE_OPEN;
	if (node_json_is(invoice, "status", "paid"))
		return INVOICE_SETTLED;
	if (node_json_is(invoice, "status", "expired"))
		return INVOICE_EXPIRED;
	return INVOICE_UNAVAILABLE;
}

/* Made now, or found under the label that is taken; true: it must be looked for there. */
static bool
hear_created(NodeCall *call, const Answered *answered, bool is_second)
{
	const json_t *invoice = answered->result;
	bool		is_empty;

	if (answered->is_error && answered->code == CODE_LABEL_TAKEN && !is_second)
		return true;
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
	InvoiceAnswer state = invoice_state(invoice);

	if (is_empty)
		call->invoice = INVOICE_NOT_FOUND;
	if (invoice == NULL || !is_of_hash(call, invoice))
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
	if (invoice == NULL || !is_of_hash(call, invoice))
		return false;
	switch (invoice_state(invoice))
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
hear_deleted(NodeCall *call, const Answered *answered)
{
	const json_t *data = node_json_object(answered->body, "data");

	if (answered->result != NULL && is_of_hash(call, answered->result))
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
hear_settled(NodeTalk *talk, const Answered *answered)
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

/* ----------------------------------------------------------------- payments */

static NodeFailure
failure_of(int64_t code)
{
	switch (code)
	{
		case CODE_REFUSED_BY_PAYEE:
			return NODE_FAILURE_REFUSED_BY_PAYEE;
		case CODE_NO_ROUTE:
			return NODE_FAILURE_NO_ROUTE;
		case CODE_TOO_EXPENSIVE:
			return NODE_FAILURE_FEE_LIMIT;
		case CODE_EXPIRED:
			return NODE_FAILURE_EXPIRED;
		case CODE_INVALID_PARAMETERS:
			return NODE_FAILURE_BAD_INVOICE;
		default:
			return NODE_FAILURE_NONE;
	}
}

static PaymentAnswer
entry_state(const json_t *entry)
{
	if (node_json_is(entry, "status", "complete"))
		return PAYMENT_SUCCEEDED;
	if (node_json_is(entry, "status", "pending"))
		return PAYMENT_PENDING;
	if (node_json_is(entry, "status", "failed"))
		return PAYMENT_FAILED;
	return PAYMENT_UNAVAILABLE;
}

/* Which of two entries of a hash counts: the better word, then the newer one. */
static bool
counts_more(PaymentAnswer state, Instant created_at, PaymentAnswer best, Instant best_created_at)
{
	static const int ranks[] = {
		[PAYMENT_NOT_FOUND] = 0, [PAYMENT_UNAVAILABLE] = 0, [PAYMENT_FAILED] = 1, [PAYMENT_PENDING] = 2, [PAYMENT_SUCCEEDED] = 3,
	};

	return ranks[state] > ranks[best] ||
		(ranks[state] == ranks[best] && instant_before(best_created_at, created_at));
}

static bool
read_entry(NodeCall *call, const json_t *entry, PaymentAnswer state, NodePayment *payment)
{
	Amount		sent;
	int64_t		index;

	*payment = (NodePayment) {.created_at = node_json_seconds(entry, "created_at")};
	if (node_json_integer(entry, "created_index", &index))
		payment->reference = arena_printf(call->arena, "%lld", (long long) index);
	if (state != PAYMENT_SUCCEEDED)
		return true;
	payment->has_preimage = node_json_hex32(entry, "preimage", &payment->preimage);
	if (node_json_msat(entry, "amount_msat", &payment->amount) && node_json_msat(entry, "amount_sent_msat", &sent) &&
		!__builtin_sub_overflow(sent.msat, payment->amount.msat, &payment->fee.msat))
		return true;
	call->words = "the node calls a payment complete and does not say what it cost";
	return false;
}

/* What all entries of the hash say together. */
static PaymentAnswer
judge_entries(NodeCall *call, const json_t *result)
{
	const json_t *entries = json_object_get(result, "pays");
	PaymentAnswer best = PAYMENT_NOT_FOUND;
	NodePayment payment;
	const json_t *entry;
	size_t		i;

	if (!json_is_array(entries))
	{
		call->words = call->words != NULL ? call->words : "the reply is not the JSON of a node";
		return PAYMENT_UNAVAILABLE;
	}
	json_array_foreach(entries, i, entry)
	{
		PaymentAnswer state = entry_state(entry);

		if (!is_of_hash(call, entry) || state == PAYMENT_UNAVAILABLE || !read_entry(call, entry, state, &payment))
			return PAYMENT_UNAVAILABLE;
		if (counts_more(state, payment.created_at, best, call->payment.created_at))
		{
			best = state;
			call->payment = payment;
		}
	}
	return best;
}

static void
hear_payment(NodeCall *call, const json_t *result)
{
	call->verdict = judge_entries(call, result);
	if (call->verdict == PAYMENT_FAILED)
		call->failure = NODE_FAILURE_OTHER;
}

/* The reply of xpay; true: what it means is seen in listpays only. */
static bool
hear_paid(NodeTalk *talk, const HttpReply *reply, const Answered *answered)
{
	NodeCall   *call = talk->call;
	const json_t *result = answered->result;
	Amount		sent;

	if (reply->transport == HTTP_NOT_SENT)
	{
		call->submit = SUBMIT_NOT_SENT;
		return false;
	}
	if (node_json_hex32(result, "payment_preimage", &call->payment.preimage) &&
		node_json_msat(result, "amount_msat", &call->payment.amount) && node_json_msat(result, "amount_sent_msat", &sent) &&
		!__builtin_sub_overflow(sent.msat, call->payment.amount.msat, &call->payment.fee.msat))
	{
		call->payment.has_preimage = true;
		call->submit = SUBMIT_SETTLED;
		return false;
	}
	call->payment = (NodePayment) {.has_preimage = false};
	if (call->words == NULL)
		call->words = "the node calls a payment made and does not say by what";
	talk->number = answered->code;
	talk->record = call->words;
	return answered->is_error;
}

/* What listpays says of a payment that xpay answered with an error. */
static void
hear_refused(const HttpNode *self, NodeTalk *talk, const json_t *result)
{
	NodeCall   *call = talk->call;
	NodeFailure failure = failure_of(talk->number);

	switch (judge_entries(call, result))
	{
		case PAYMENT_SUCCEEDED:
			call->submit = SUBMIT_SETTLED;
			break;
		case PAYMENT_PENDING:
			call->submit = SUBMIT_ACKED;
			break;
		case PAYMENT_NOT_FOUND:
		case PAYMENT_FAILED:
			if (failure != NODE_FAILURE_NONE && self->notes.version >= FIRST_FINAL_VERSION)
			{
				call->submit = SUBMIT_REJECTED;
				call->failure = failure;
			}
			break;
		case PAYMENT_UNAVAILABLE:
			break;
	}
	call->words = talk->record;
}

/* -------------------------------------------------------- balance and lists */

/* What HTLCs on their way out have taken of a channel. */
static bool
add_outgoing(const json_t *channel, Amount *in_flight)
{
	const json_t *htlcs = json_object_get(channel, "htlcs");
	const json_t *htlc;
	size_t		i;

	json_array_foreach(htlcs, i, htlc)
	{
		Amount		amount;

		if (!node_json_is(htlc, "direction", "out"))
			continue;
		if (!node_json_msat(htlc, "amount_msat", &amount) ||
			__builtin_add_overflow(in_flight->msat, amount.msat, &in_flight->msat))
			return false;
	}
	return true;
}

static void
hear_balance(NodeCall *call, const json_t *result)
{
	const json_t *channels = json_object_get(result, "channels");
	NodeBalance balance = {AMOUNT_ZERO, AMOUNT_ZERO};
	const json_t *channel;
	size_t		i;

	if (!json_is_array(channels))
		return;
	json_array_foreach(channels, i, channel)
	{
		Amount		ours;

		if (!node_json_is(channel, "state", "CHANNELD_NORMAL") && !node_json_is(channel, "state", "CHANNELD_AWAITING_SPLICE"))
			continue;
		if (!node_json_msat(channel, "to_us_msat", &ours) || !add_outgoing(channel, &balance.in_flight) ||
			__builtin_add_overflow(balance.local.msat, ours.msat, &balance.local.msat))
			return;
	}
	/* Ours until the payee has it, as this node counts. */
	if (__builtin_sub_overflow(balance.local.msat, balance.in_flight.msat, &balance.local.msat))
		return;
	call->balance = balance;
	call->answered = true;
}

/* The array of a page, its length noted; NULL where there is none. */
static const json_t *
begin_page(NodeCall *call, const json_t *result, const char *name)
{
	const json_t *rows = json_object_get(result, name);

	if (!json_is_array(rows))
		return NULL;
	call->answered = true;
	call->has_more = json_array_size(rows) >= CLN_ROWS_A_PAGE;
	return rows;
}

/* The next page begins behind this row. */
static bool
pass_row(NodeCall *call, const json_t *row)
{
	int64_t		index;

	if (!node_json_integer(row, "created_index", &index) || index < call->next_cursor || index == INT64_MAX)
	{
		call->answered = false;
		call->words = "a list of the node is not in its order";
		return false;
	}
	call->next_cursor = index + 1;
	return true;
}

static void
hear_payments(NodeCall *call, const json_t *result)
{
	const json_t *rows = begin_page(call, result, "pays");
	ListedPayment *list = ARENA_ARRAY(call->arena, ListedPayment, json_array_size(rows));
	const json_t *row;
	size_t		i;

	call->payments = list;
	json_array_foreach(rows, i, row)
	{
		ListedPayment *listed = &list[call->listed_count];
		NodePayment payment;

		if (!pass_row(call, row))
			return;
		listed->state = entry_state(row);
		if (!node_json_hex32(row, "payment_hash", &listed->payment_hash) || !read_entry(call, row, listed->state, &payment))
			continue;
		listed->amount = payment.amount;
		if (listed->state != PAYMENT_SUCCEEDED && !node_json_msat(row, "amount_msat", &listed->amount))
			listed->amount = AMOUNT_ZERO;
		listed->fee = payment.fee;
		listed->created_at = payment.created_at;
		call->listed_count++;
	}
}

static void
hear_invoices(NodeCall *call, const json_t *result)
{
	const json_t *rows = begin_page(call, result, "invoices");
	ListedInvoice *list = ARENA_ARRAY(call->arena, ListedInvoice, json_array_size(rows));
	const json_t *row;
	size_t		i;

	call->invoices = list;
	json_array_foreach(rows, i, row)
	{
		ListedInvoice *listed = &list[call->listed_count];

		if (!pass_row(call, row))
			return;
		listed->state = invoice_state(row);
		if (!node_json_hex32(row, "payment_hash", &listed->payment_hash))
			continue;
		if (!node_json_msat(row, "amount_msat", &listed->amount))
			listed->amount = AMOUNT_ZERO;	/* "any" */
		if (listed->state == INVOICE_SETTLED && !node_json_msat(row, "amount_received_msat", &listed->received))
			listed->state = INVOICE_UNAVAILABLE;
		call->listed_count++;
	}
}

/* ------------------------------------------------------------------ dialect */

static bool
hear_answer(HttpNode *self, NodeTalk *talk, const HttpReply *reply, const Answered *answered)
{
	NodeCall   *call = talk->call;
	bool		is_first = talk->step == 0;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			if (is_first)
				return hear_identity(self, call, answered->result);
			hear_configs(call, answered->result);
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
				return hear_paid(talk, reply, answered);
			hear_refused(self, talk, answered->result);
			return false;
		case NODE_LOOKUP_PAYMENT:
			hear_payment(call, answered->result);
			return false;
		case NODE_BALANCE:
			hear_balance(call, answered->result);
			return false;
		case NODE_LIST_PAYMENTS:
			hear_payments(call, answered->result);
			return false;
		case NODE_LIST_INVOICES:
			hear_invoices(call, answered->result);
			return false;
	}
	return false;
}

bool
cln_hear(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;
	const char *words = call->words;
	Answered	answered = take_apart(self, call, reply);
	bool		goes_on;

	/* The second question to its identity is no reason not to be ready. */
	if (call->operation == NODE_IDENTIFY && talk->step > 0)
		call->words = words;
	goes_on = hear_answer(self, talk, reply, &answered);
	json_decref(answered.body);
	http_node_say(self, call, call->words);
	return goes_on;
}
