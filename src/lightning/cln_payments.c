/*
 * cln_payments.c
 *		What the replies of Core Lightning mean for a payment.
 *
 * Its word is listpays, all entries of a hash together: one that is complete
 * wins over all, one that is pending over those that failed.  What xpay answers
 * is believed only where it says why it will not go on, the node is new enough
 * to mean it, and listpays has nothing against it: it may come back while parts
 * are still out, and an error may stand for another attempt.
 */
#include "lightning/node_json.h"

#include "lightning/cln_parts.h"

/* Errors of xpay that are told apart. */
#define CODE_REFUSED_BY_PAYEE 203
#define CODE_NO_ROUTE 205
#define CODE_TOO_EXPENSIVE 206
#define CODE_EXPIRED 207

/* A rune that is not for this node, does not allow this call, or was called back. */
#define FIRST_CODE_OF_RUNES 1501
#define LAST_CODE_OF_RUNES 1503

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
		case CLN_INVALID_PARAMETERS:
			return NODE_FAILURE_BAD_INVOICE;
		default:
			return NODE_FAILURE_NONE;
	}
}

PaymentAnswer
cln_entry_state(const json_t *entry)
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

bool
cln_read_entry(NodeCall *call, const json_t *entry, PaymentAnswer state, NodePayment *payment)
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
		call->words = call->words != NULL ? call->words : NO_JSON_OF_A_NODE;
		return PAYMENT_UNAVAILABLE;
	}
	json_array_foreach(entries, i, entry)
	{
		PaymentAnswer state = cln_entry_state(entry);

		if (!node_is_of_hash(call, entry) || state == PAYMENT_UNAVAILABLE || !cln_read_entry(call, entry, state, &payment))
			return PAYMENT_UNAVAILABLE;
		if (counts_more(state, payment.created_at, best, call->payment.created_at))
		{
			best = state;
			call->payment = payment;
		}
	}
	return best;
}

void
cln_hear_payment(NodeCall *call, const json_t *result)
{
	call->verdict = judge_entries(call, result);
	if (call->verdict == PAYMENT_FAILED)
		call->failure = NODE_FAILURE_OTHER;
}

/* A rune is looked at before anything is begun. */
static bool
is_not_allowed(const HttpReply *reply, const ClnAnswered *answered)
{
	int64_t		code;

	return reply->transport == HTTP_REPLIED && (reply->status == 401 || reply->status == 403) &&
		node_json_peek(answered->body, "message") != NULL && node_json_integer(answered->body, "code", &code) &&
		code >= FIRST_CODE_OF_RUNES && code <= LAST_CODE_OF_RUNES;
}

/* The reply of xpay; true: what it means is seen in listpays only. */
bool
cln_hear_paid(NodeTalk *talk, const HttpReply *reply, const ClnAnswered *answered)
{
	NodeCall   *call = talk->call;
	const json_t *result = answered->result;
	Amount		sent;

	if (reply->transport == HTTP_NOT_SENT)
	{
		call->submit = SUBMIT_NOT_SENT;
		return false;
	}
	if (is_not_allowed(reply, answered))
	{
		talk->failure = NODE_FAILURE_NOT_ALLOWED;
		talk->record = call->words;
		return true;
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

/*
 * What listpays says of a payment that xpay answered with an error.  A rune that
 * may not pay waits for a better one where nothing is known of the payment, or
 * where the rune may not ask for that either.
 */
void
cln_hear_refused(const HttpNode *self, NodeTalk *talk, const HttpReply *reply, const ClnAnswered *answered)
{
	NodeCall   *call = talk->call;
	NodeFailure failure = failure_of(talk->number);
	bool		is_forbidden = talk->failure == NODE_FAILURE_NOT_ALLOWED;
	PaymentAnswer answer = judge_entries(call, answered->result);

	if (is_forbidden && (answer == PAYMENT_NOT_FOUND || is_not_allowed(reply, answered)))
	{
		call->submit = SUBMIT_NOT_ALLOWED;
		call->failure = talk->failure;
	}
	switch (answer)
	{
		case PAYMENT_SUCCEEDED:
			call->submit = SUBMIT_SETTLED;
			break;
		case PAYMENT_PENDING:
			call->submit = SUBMIT_ACKED;
			break;
		case PAYMENT_NOT_FOUND:
		case PAYMENT_FAILED:
			if (!is_forbidden && failure != NODE_FAILURE_NONE && self->notes.version >= CLN_FIRST_FINAL_VERSION)
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
