/*
 * lnbits_replies.c
 *		What the replies of LNbits mean.
 *
 * The status of HTTP proves little: 201 may stand for failed, 520 for paid, and
 * 201 pending for a payment that never left.  So after each attempt the payment
 * is looked up, and only a refusal from before LNbits asked its own node is
 * believed at once.  Amounts of what went out are negative.
 */
#include "lightning/node_json.h"

#include "lightning/lnbits_replies.h"

#include "lightning/bolt11.h"
#include "lightning/node_replies.h"
#include "lightning/public_key.h"
#include "lightning/secp256k1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_FOUND_WORDS "Payment does not exist."

/* ------------------------------------------------------------------- parts */

static bool
take_detail(NodeCall *call, const HttpReply *reply, const json_t *body)
{
	(void) reply;
	call->words = node_json_text(call->arena, body, "detail");
	return call->words != NULL;
}

/* The body of a reply of that status; NULL, and words, where it is another one. */
static json_t *
good_body(NodeCall *call, const HttpReply *reply, int status)
{
	call->words = NULL;
	return node_good_body(call, reply, status, take_detail);
}

/* Days from 1970 to that day of the Gregorian calendar. */
static int64_t
days_since_1970(int64_t year, int64_t month, int64_t day)
{
	/* The year begins in March here, so that a leap day is its last. */
	int64_t		years = month <= 2 ? year - 1 : year;
	int64_t		months = (month + 9) % 12;

	return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 - 719468;
}

/* "2025-11-21T19:02:11.5+00:00"; none where it is no such text, of another zone, or of none. */
static Instant
instant_of(const json_t *object, const char *name)
{
	const char *text = node_json_peek(object, name);
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;
	int			read = 0;

	if (text == NULL ||
		sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &read) != 6 ||
		year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 ||
		hour < 0 || minute < 0 || second < 0)
		return INSTANT_NONE;
	text += read;
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	if (strcmp(text, "Z") != 0 && strcmp(text, "+00:00") != 0)
		return INSTANT_NONE;
	return instant_plus_seconds((Instant) {0}, days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second);
}

/* What went out, without its sign; false where nothing did. */
static bool
read_sent(const json_t *payment, Amount *amount, Amount *fee)
{
	if (!node_json_msat(payment, "amount", amount) || amount->msat >= 0 || amount->msat == INT64_MIN)
		return false;
	amount->msat = -amount->msat;
	if (!node_json_msat(payment, "fee", fee) || fee->msat == INT64_MIN)
		return false;
	fee->msat = -fee->msat;
	return true;
}

/* ---------------------------------------------------------------- identity */

static void
tell_identity(const HttpNode *self, NodeCall *call)
{
	call->identity = (NodeIdentity) {
		.network = arena_text(call->arena, self->notes.network),
		.node_id = arena_text(call->arena, self->notes.node_id),
		.wallet = arena_text(call->arena, self->notes.wallet),
		.ready = true,
		.warning = "LNbits takes no highest fee and may call failed what goes on: for small sums only",
	};
	call->answered = true;
}

/* The wallet is there; true: it is not known yet who makes its invoices. */
static bool
hear_wallet(HttpNode *self, NodeCall *call, const HttpReply *reply)
{
	json_t	   *wallet = good_body(call, reply, 200);
	const char *id = node_json_peek(wallet, "id");
	/* It is written into the books, and its own are of hex digits. */
	size_t		length = id == NULL ? 0 : strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");
	bool		is_admin = length > 0 && id[length] == '\0' && length < sizeof(self->notes.wallet);
	Amount		balance;

	if (is_admin)
		strcpy(self->notes.wallet, id);
	if (wallet != NULL && !node_json_msat(wallet, "balance", &balance))
		call->words = NO_JSON_OF_A_NODE;
	else if (wallet != NULL && !is_admin)
		call->words = "the first key is not the admin key of a wallet";
	json_decref(wallet);
	if (call->words != NULL)
	{
		/* It was away: who knows what it comes back with. */
		self->notes.node_id[0] = '\0';
		return false;
	}
	if (self->notes.node_id[0] == '\0')
		return true;
	tell_identity(self, call);
	return false;
}

/* The invoice that was made to be asked who makes them; NULL, and words, where there is none. */
static const Bolt11 *
probe_of(NodeCall *call, const HttpReply *reply)
{
	json_t	   *made = good_body(call, reply, 201);
	const Bolt11Crypto *crypto = bolt11_crypto_open();
	const char *request = node_json_peek(made, "bolt11");
	Bolt11	   *invoice = NULL;

	if (request == NULL)
		request = node_json_peek(made, "payment_request");
	if (made != NULL &&
		(crypto == NULL || request == NULL || failed(bolt11_decode(request, crypto, call->arena, &invoice))))
	{
		invoice = NULL;
		call->words = "LNbits made no invoice that can be read, so that nobody knows whose node it is";
	}
	json_decref(made);
	return invoice;
}

static void
take_payee(HttpNode *self, NodeCall *call, const Bolt11 *probe)
{
	snprintf(self->notes.node_id, sizeof(self->notes.node_id), "%s", public_key_hex(call->arena, probe->payee));
	snprintf(self->notes.network, sizeof(self->notes.network), "%s", bolt11_network_name(probe->network));
	tell_identity(self, call);
}

static bool
has_two_keys(const HttpNode *self)
{
	const char *const *keys = (const char *const *) self->secrets;

	return keys[0] != NULL && keys[1] != NULL && strcmp(keys[0], keys[1]) != 0;
}

/* True: another key has made the invoice than the one that pays. */
static bool
hear_probe(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;
	const Bolt11 *probe = probe_of(call, reply);

	if (probe == NULL)
		return false;
	if (has_two_keys(self))
	{
		talk->record = probe;
		call->payment_hash = probe->payment_hash;
		return true;
	}
	take_payee(self, call, probe);
	return false;
}

/* True where it is the node that is known; where it is another one, that is forgotten and told at the next question. */
static bool
is_same_node(HttpNode *self, NodeCall *call, const HttpReply *reply)
{
	const Bolt11 *probe = probe_of(call, reply);

	if (probe == NULL)
		return false;
	if (strcmp(self->notes.node_id, public_key_hex(call->arena, probe->payee)) == 0 &&
		strcmp(self->notes.network, bolt11_network_name(probe->network)) == 0)
		return true;
	self->notes.node_id[0] = '\0';
	call->words = "another node makes the invoices of LNbits than before";
	return false;
}

/* ---------------------------------------------------------------- invoices */

/*
 * Its operator has set a limit.  What else it calls failed before its own node is
 * asked may pass: a wallet that is full, a key without the right.
 */
static bool
is_refused(const HttpReply *reply)
{
	json_t	   *body = reply->transport == HTTP_REPLIED && reply->status == 520 ? node_json_parse(reply) : NULL;
	const char *detail = node_json_peek(body, "detail");
	bool		is_so = detail != NULL && strstr(detail, "is too high") != NULL && node_json_is(body, "status", "failed");

	json_decref(body);
	return is_so;
}

static void
hear_created(NodeCall *call, const HttpReply *reply)
{
	json_t	   *made = good_body(call, reply, 201);

	call->created = node_json_text(call->arena, made, "bolt11");
	if (call->created == NULL)
		call->created = node_json_text(call->arena, made, "payment_request");
	call->answered = call->created != NULL;
	if (made != NULL && !call->answered)
		call->words = "LNbits made no invoice";
	if (is_refused(reply))
		call->failure = NODE_FAILURE_BAD_INVOICE;
	json_decref(made);
}

/* True where LNbits itself, and no proxy before it, knows no such payment in this wallet. */
static bool
is_unknown(const HttpReply *reply)
{
	json_t	   *body = reply->transport == HTTP_REPLIED && reply->status == 404 ? node_json_parse(reply) : NULL;
	bool		is_so = node_json_is(body, "detail", NOT_FOUND_WORDS);

	json_decref(body);
	return is_so;
}

/*
 * success, pending or failed, as both places that say so agree; else "".  Only
 * of what is paid may the outer place be silent: else LNbits could not ask its node.
 */
static const char *
status_of(const json_t *body, const json_t *details)
{
	const char *outer = node_json_peek(body, "status");
	const char *inner = node_json_peek(details, "status");
	bool		is_paid;

	if (inner == NULL || !node_json_bool(body, "paid", &is_paid) || is_paid != (strcmp(inner, "success") == 0) ||
		(outer == NULL ? !is_paid : strcmp(outer, inner) != 0))
		return "";
	return inner;
}

static void
hear_invoice(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply, 200);
	const json_t *details = node_json_object(body, "details");
	const char *status = status_of(body, details);
	Amount		amount;

	if (is_unknown(reply))
		call->invoice = INVOICE_NOT_FOUND;
	if (body == NULL)
		return;
	if (node_is_of_hash(call, details) && node_json_msat(details, "amount", &amount) && amount.msat > 0)
	{
		if (strcmp(status, "pending") == 0)
			call->invoice = INVOICE_OPEN;
		else if (strcmp(status, "failed") == 0)
			call->invoice = INVOICE_CANCELED;
		else if (strcmp(status, "success") == 0 && node_json_hex32(body, "preimage", &call->preimage))
		{
			call->invoice = INVOICE_SETTLED;
			call->received = amount;
		}
	}
	if (call->invoice == INVOICE_UNAVAILABLE && call->words == NULL)
		call->words = "LNbits tells of no incoming payment, or no state of it";
	json_decref(body);
}

/* Whether the wallet that pays knows the invoice that the other key has made. */
static void
hear_keys(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;

	hear_invoice(call, reply);
	if (call->invoice == INVOICE_OPEN)
		take_payee(self, call, talk->record);
	else if (call->invoice == INVOICE_NOT_FOUND)
		call->words = "the invoice key is of another wallet than the admin key";
}

/* ----------------------------------------------------------------- payments */

/* It pays whole satoshi only: a fraction is of no payment of ours. */
static bool
is_whole(NodeCall *call, Amount amount)
{
	if (amount.msat % MSAT_PER_SAT == 0)
		return true;
	call->words = "LNbits tells of a fraction of a satoshi, and pays none";
	return false;
}

/* What the look-up of a payment says, with call->payment. */
static PaymentAnswer
judge(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply, 200);
	const json_t *details = node_json_object(body, "details");
	const char *status = status_of(body, details);
	PaymentAnswer answer = PAYMENT_UNAVAILABLE;
	NodePayment payment = {.created_at = instant_of(details, "created_at")};
	Amount		amount;

	if (is_unknown(reply))
		return PAYMENT_NOT_FOUND;
	if (body == NULL)
		return PAYMENT_UNAVAILABLE;
	if (node_is_of_hash(call, details) && node_json_msat(details, "amount", &amount) && amount.msat > 0)
		answer = PAYMENT_NOT_FOUND;	/* the outgoing one would come before it */
	else if (call->words == NULL && read_sent(details, &payment.amount, &payment.fee) && is_whole(call, payment.amount))
	{
		if (strcmp(status, "pending") == 0)
			answer = PAYMENT_PENDING;
		else if (strcmp(status, "failed") == 0)
			answer = PAYMENT_FAILED;
		else if (strcmp(status, "success") == 0)
		{
			answer = PAYMENT_SUCCEEDED;
			payment.has_preimage = node_json_hex32(body, "preimage", &payment.preimage);
		}
		payment.reference = node_json_text(call->arena, details, "checking_id");
		call->payment = payment;
	}
	if (answer == PAYMENT_UNAVAILABLE && call->words == NULL)
		call->words = "LNbits tells no state of the payment";
	json_decref(body);
	return answer;
}

static void
hear_payment(NodeCall *call, const HttpReply *reply)
{
	call->verdict = judge(call, reply);
	if (call->verdict == PAYMENT_FAILED)
		call->failure = NODE_FAILURE_OTHER;
}

/* True: what it would set aside is reserved here, too. */
static bool
hear_reserve(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply, 200);
	Amount		reserve;
	bool		is_told = node_json_msat(body, "fee_reserve", &reserve) && reserve.msat >= 0;

	json_decref(body);
	call->submit = SUBMIT_NOT_SENT;
	if (!is_told)
	{
		call->words = call->words != NULL ? call->words : NO_JSON_OF_A_NODE;
		return false;
	}
	if (reserve.msat > call->max_fee.msat)
	{
		call->submit = SUBMIT_REJECTED;
		call->failure = NODE_FAILURE_FEE_LIMIT;
		call->words = "LNbits sets aside a higher fee than was reserved, and takes no limit";
		return false;
	}
	return true;
}

static bool
begins_with(const char *text, const char *words)
{
	return strncmp(text, words, strlen(words)) == 0;
}

/*
 * Why it refused before it asked its own node; NONE: it may have asked.  What its
 * node said may follow in the same text: only how it begins is its own.
 */
static NodeFailure
refusal_of(const HttpReply *reply, const char *detail)
{
	if (detail == NULL)
		return NODE_FAILURE_NONE;
	if (reply->status == 520)
		return begins_with(detail, "Insufficient balance") || begins_with(detail, "You must reserve") ?
			NODE_FAILURE_NO_FUNDS : NODE_FAILURE_NONE;
	if (reply->status == 400)
		return strstr(detail, "xpired") != NULL ? NODE_FAILURE_EXPIRED : NODE_FAILURE_OTHER;
	return reply->status == 401 || reply->status == 403 ? NODE_FAILURE_OTHER : NODE_FAILURE_NONE;
}

/*
 * The reply to an attempt, looked into for two things only: that LNbits has
 * taken it over, for then a look-up would last as long as the payment does; and
 * a refusal.
 */
static bool
hear_sent(NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;
	json_t	   *body;

	call->submit = SUBMIT_AMBIGUOUS;
	if (reply->transport == HTTP_NOT_SENT)
	{
		call->submit = SUBMIT_NOT_SENT;
		call->words = reply->words;
		return false;
	}
	if (reply->transport != HTTP_REPLIED)
	{
		call->words = reply->words;
		return false;
	}
	body = node_json_parse(reply);
	call->words = node_json_text(call->arena, body, "detail");
	talk->failure = refusal_of(reply, call->words);
	talk->record = call->words;
	if (reply->status == 201 && node_json_is(body, "status", "pending") && node_is_of_hash(call, body))
		call->submit = SUBMIT_ACKED;
	json_decref(body);
	return call->submit != SUBMIT_ACKED;
}

static void
hear_afterwards(NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;

	switch (judge(call, reply))
	{
		case PAYMENT_SUCCEEDED:
			call->submit = SUBMIT_SETTLED;
			break;
		case PAYMENT_PENDING:
			call->submit = SUBMIT_ACKED;
			break;
		case PAYMENT_NOT_FOUND:
			if (talk->failure != NODE_FAILURE_NONE)
			{
				call->submit = SUBMIT_REJECTED;
				call->failure = talk->failure;
			}
			break;
		case PAYMENT_FAILED:
			/* A record is there, so that its node may have been asked: its failure is as weak as any. */
		case PAYMENT_UNAVAILABLE:
			break;
	}
	if (talk->record != NULL)
		call->words = talk->record;
}

static bool
hear_paying(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	switch ((LnbitsPayStep) talk->step)
	{
		case LNBITS_PAY_PROBE:
			/* Nothing of the payment has left yet. */
			talk->call->submit = SUBMIT_NOT_SENT;
			return is_same_node(self, talk->call, reply);
		case LNBITS_PAY_RESERVE:
			return hear_reserve(talk->call, reply);
		case LNBITS_PAY_SEND:
			return hear_sent(talk, reply);
		case LNBITS_PAY_LOOK:
			hear_afterwards(talk, reply);
			return false;
	}
	return false;
}

/* -------------------------------------------------------- balance and lists */

static void
hear_balance(NodeCall *call, const HttpReply *reply)
{
	json_t	   *wallet = good_body(call, reply, 200);

	/* What is pending has been taken off it already, and is not told apart. */
	call->answered = node_json_msat(wallet, "balance", &call->balance.local);
	json_decref(wallet);
}

static void
list_payment(NodeCall *call, const json_t *row, ListedPayment *list)
{
	ListedPayment *listed = &list[call->listed_count];

	if (!node_json_hex32(row, "payment_hash", &listed->payment_hash) || !read_sent(row, &listed->amount, &listed->fee))
		return;
	listed->state = node_json_is(row, "status", "success") ? PAYMENT_SUCCEEDED :
		node_json_is(row, "status", "failed") ? PAYMENT_FAILED : PAYMENT_PENDING;
	listed->created_at = instant_of(row, "created_at");
	call->listed_count++;
}

static void
list_invoice(NodeCall *call, const json_t *row, ListedInvoice *list)
{
	ListedInvoice *listed = &list[call->listed_count];

	if (!node_json_hex32(row, "payment_hash", &listed->payment_hash) || !node_json_msat(row, "amount", &listed->amount) ||
		listed->amount.msat <= 0)
		return;
	listed->state = node_json_is(row, "status", "success") ? INVOICE_SETTLED :
		node_json_is(row, "status", "failed") ? INVOICE_CANCELED : INVOICE_OPEN;
	if (listed->state == INVOICE_SETTLED)
		listed->received = listed->amount;
	listed->created_at = instant_of(row, "created_at");
	call->listed_count++;
}

/* One list holds both kinds; each call takes its own out of it. */
static void
hear_page(NodeCall *call, const HttpReply *reply)
{
	json_t	   *body = good_body(call, reply, 200);
	const json_t *rows = json_object_get(body, "data");
	/* One that is longer than was asked for is no page of LNbits. */
	bool		is_page = json_is_array(rows) && json_array_size(rows) <= LNBITS_ROWS_A_PAGE;
	size_t		count = is_page ? json_array_size(rows) : 0;
	ListedPayment *payments = ARENA_ARRAY(call->arena, ListedPayment, count);
	ListedInvoice *invoices = ARENA_ARRAY(call->arena, ListedInvoice, count);
	const json_t *row;
	size_t		i;

	json_array_foreach(is_page ? rows : NULL, i, row)
	{
		if (call->operation == NODE_LIST_PAYMENTS)
			list_payment(call, row, payments);
		else
			list_invoice(call, row, invoices);
	}
	call->payments = payments;
	call->invoices = invoices;
	call->answered = is_page;
	call->has_more = count >= LNBITS_ROWS_A_PAGE;
	call->next_cursor = call->cursor + (int64_t) count;
	json_decref(body);
}

/* ------------------------------------------------------------------ dialect */

bool
lnbits_hear(HttpNode *self, NodeTalk *talk, const HttpReply *reply)
{
	NodeCall   *call = talk->call;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			if (talk->step == LNBITS_IDENTIFY_WALLET)
				return hear_wallet(self, call, reply);
			if (talk->step == LNBITS_IDENTIFY_PROBE)
				return hear_probe(self, talk, reply);
			hear_keys(self, talk, reply);
			return false;
		case NODE_CREATE_INVOICE:
			hear_created(call, reply);
			return false;
		case NODE_LOOKUP_INVOICE:
			hear_invoice(call, reply);
			return false;
		case NODE_PAY:
			return hear_paying(self, talk, reply);
		case NODE_LOOKUP_PAYMENT:
			hear_payment(call, reply);
			return false;
		case NODE_BALANCE:
			if (talk->step == LNBITS_BALANCE_PROBE)
				return is_same_node(self, call, reply);
			hear_balance(call, reply);
			return false;
		case NODE_LIST_PAYMENTS:
		case NODE_LIST_INVOICES:
			hear_page(call, reply);
			return false;
		case NODE_CANCEL_INVOICE:
		case NODE_SETTLED_SINCE:
			break;				/* never asked */
	}
	return false;
}
