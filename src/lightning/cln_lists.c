/*
 * cln_lists.c
 *		What Core Lightning has, and the pages of what it has done.
 */
#include "lightning/node_json.h"

#include "lightning/bytes32.h"
#include "lightning/cln_parts.h"

InvoiceAnswer
cln_invoice_state(const json_t *invoice)
{
	if (node_json_is(invoice, "status", "unpaid"))
		return INVOICE_OPEN;
	if (node_json_is(invoice, "status", "paid"))
		return INVOICE_SETTLED;
	if (node_json_is(invoice, "status", "expired"))
		return INVOICE_EXPIRED;
	return INVOICE_UNAVAILABLE;
}

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

void
cln_hear_balance(NodeCall *call, const json_t *result)
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

	/* One that is longer than was asked for is no page of this node's. */
	if (!json_is_array(rows) || json_array_size(rows) > CLN_ROWS_A_PAGE)
		return NULL;
	call->answered = true;
	/* Of payments the limit counts parts, of which a row may be several: only an empty page is the last. */
	call->has_more = json_array_size(rows) > 0;
	return rows;
}

/* True for what is left behind the cursor of a payment in parts that was listed before. */
static bool
is_rest_of_listed(HttpNode *self, Bytes32 payment_hash, const json_t *row)
{
	NodeNotes  *notes = &self->notes;
	const size_t room = sizeof(notes->in_parts) / sizeof(notes->in_parts[0]);
	size_t		kept = notes->in_parts_count < room ? notes->in_parts_count : room;
	int64_t		parts;

	for (size_t i = 0; i < kept; i++)
		if (bytes32_equal(notes->in_parts[i], payment_hash))
			return true;
	if (node_json_integer(row, "number_of_parts", &parts) && parts > 1)
		notes->in_parts[notes->in_parts_count++ % room] = payment_hash;
	return false;
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

void
cln_hear_payments(HttpNode *self, NodeCall *call, const json_t *result)
{
	const json_t *rows = begin_page(call, result, "pays");
	ListedPayment *list = ARENA_ARRAY(call->arena, ListedPayment, json_array_size(rows));
	const json_t *row;
	size_t		i;

	call->payments = list;
	if (call->cursor == 0)
		self->notes.in_parts_count = 0;
	json_array_foreach(rows, i, row)
	{
		ListedPayment *listed = &list[call->listed_count];
		NodePayment payment;

		if (!pass_row(call, row))
			return;
		listed->state = cln_entry_state(row);
		if (!node_json_hex32(row, "payment_hash", &listed->payment_hash) ||
			!cln_read_entry(call, row, listed->state, &payment) ||
			(listed->state == PAYMENT_SUCCEEDED && is_rest_of_listed(self, listed->payment_hash, row)))
			continue;
		listed->amount = payment.amount;
		if (listed->state != PAYMENT_SUCCEEDED && !node_json_msat(row, "amount_msat", &listed->amount))
			listed->amount = AMOUNT_ZERO;
		listed->fee = payment.fee;
		listed->created_at = payment.created_at;
		call->listed_count++;
	}
}

void
cln_hear_invoices(NodeCall *call, const json_t *result)
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
		listed->state = cln_invoice_state(row);
		if (!node_json_hex32(row, "payment_hash", &listed->payment_hash))
			continue;
		if (!node_json_msat(row, "amount_msat", &listed->amount))
			listed->amount = AMOUNT_ZERO;	/* "any" */
		if (listed->state == INVOICE_SETTLED && !node_json_msat(row, "amount_received_msat", &listed->received))
			listed->state = INVOICE_UNAVAILABLE;
		call->listed_count++;
	}
}
