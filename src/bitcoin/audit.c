/*
 * audit.c
 *		The node's word against the books'.
 */
#include "bitcoin/audit.h"

#include "lightning/bytes32.h"

#include <stdlib.h>
#include <string.h>

const char *
difference_kind_word(DifferenceKind kind)
{
	static const char *const words[] = {
#define DIFFERENCE_WORD(symbol, word) [DIFFERENCE_##symbol] = word,
		DIFFERENCE_KINDS(DIFFERENCE_WORD)
#undef DIFFERENCE_WORD
	};

	return words[kind];
}

/* ---------------------------------------------------------------- payments */

static int
by_hash(const void *a, const void *b)
{
	return memcmp(&((const ListedPayment *) a)->payment_hash, &((const ListedPayment *) b)->payment_hash,
				  sizeof(Bytes32));
}

static void
add_listed(PaymentAtNode *sum, const ListedPayment *listed)
{
	switch (listed->state)
	{
		case PAYMENT_SUCCEEDED:
			if (sum->succeeded++ == 0)
				sum->amount = AMOUNT_ZERO;
			/* A lie that cannot be counted is one of any size. */
			if (!amount_add(sum->amount, listed->amount, &sum->amount))
				sum->amount = AMOUNT_MSAT(INT64_MAX);
			if (!amount_add(sum->fees, listed->fee, &sum->fees))
				sum->fees = AMOUNT_MSAT(INT64_MAX);
			return;
		case PAYMENT_PENDING:
			sum->pending++;
			break;
		case PAYMENT_FAILED:
			sum->failed++;
			break;
		case PAYMENT_NOT_FOUND:
		case PAYMENT_UNAVAILABLE:
			break;
	}
	if (sum->succeeded == 0)
		sum->amount = listed->amount;
}

size_t
payments_by_hash(const ListedPayment *listed, size_t count, Arena *arena, PaymentAtNode **sums)
{
	ListedPayment *sorted = ARENA_ARRAY(arena, ListedPayment, count + 1);
	size_t		found = 0;

	*sums = ARENA_ARRAY(arena, PaymentAtNode, count + 1);
	if (count > 0)
	{
		memcpy(sorted, listed, count * sizeof(ListedPayment));
		qsort(sorted, count, sizeof(ListedPayment), by_hash);
	}
	for (size_t i = 0; i < count; i++)
	{
		if (found == 0 || !bytes32_equal((*sums)[found - 1].payment_hash, sorted[i].payment_hash))
			(*sums)[found++] = (PaymentAtNode) {.payment_hash = sorted[i].payment_hash};
		add_listed(&(*sums)[found - 1], &sorted[i]);
	}
	return found;
}

static const char *
node_words(const PaymentAtNode *node, Arena *arena)
{
	if (node == NULL)
		return NULL;
	return arena_printf(arena, "%lld made, %lld under way, %lld failed: %lld msat, fees %lld msat",
						(long long) node->succeeded, (long long) node->pending, (long long) node->failed,
						(long long) node->amount.msat, (long long) node->fees.msat);
}

static const char *
books_words(const PaymentInBooks *books, Arena *arena)
{
	if (books == NULL)
		return NULL;
	return arena_printf(arena, "%lld made, %lld open, %lld failed: %lld msat, fees %lld msat",
						(long long) books->succeeded, (long long) books->open, (long long) books->failed,
						(long long) books->amount.msat, (long long) books->fees.msat);
}

static DifferenceKind
payment_kind(const PaymentAtNode *node, const PaymentInBooks *books, const char **detail)
{
	*detail = NULL;
	if (books == NULL)
	{
		*detail = "no withdrawal asked for this payment";
		return node != NULL && node->succeeded + node->pending > 0 ? DIFFERENCE_PAYMENT_UNKNOWN : DIFFERENCE_NONE;
	}
	if (node == NULL)
	{
		*detail = "the node does not list a payment that it was said to have";
		return books->succeeded + books->open > 0 ? DIFFERENCE_PAYMENT_MISSING : DIFFERENCE_NONE;
	}
	/* What is open here may have ended there meanwhile; the next look tells. */
	if (node->succeeded + node->pending > books->succeeded + books->open)
	{
		*detail = "the node is at a payment that the books call failed, or over";
		if (node->succeeded <= books->succeeded + books->open)
			return DIFFERENCE_PAYMENT_STATE;
		*detail = "the node has made a payment that the books call failed";
		if (books->succeeded == 0 && node->succeeded == 1)
			return DIFFERENCE_PAYMENT_STATE;
		*detail = "the node has paid one hash more often than the books say";
		return DIFFERENCE_PAID_TWICE;
	}
	if (books->succeeded > 0 && node->succeeded == 0)
	{
		*detail = "the books call it paid, the node does not";
		return DIFFERENCE_PAYMENT_STATE;
	}
	if (books->must_be_listed > node->succeeded + node->pending)
	{
		*detail = "the books call it paid more often than the node does";
		return DIFFERENCE_PAYMENT_STATE;
	}
	if (books->succeeded > 0 && books->open == 0 && node->succeeded == books->succeeded &&
		(!amount_equal(books->amount, node->amount) || !amount_equal(books->fees, node->fees)))
	{
		*detail = "another amount or fee was booked than the node tells";
		return DIFFERENCE_PAYMENT_AMOUNT;
	}
	return DIFFERENCE_NONE;
}

Difference
compare_payment(const PaymentAtNode *node, const PaymentInBooks *books, Arena *arena)
{
	Difference	difference = {.kind = DIFFERENCE_NONE};

	difference.kind = payment_kind(node, books, &difference.detail);
	difference.node = node_words(node, arena);
	difference.books = books_words(books, arena);
	return difference;
}

bool
payment_beside(const PaymentAtNode *node, const PaymentInBooks *books, Amount *amount)
{
	int64_t		more = node->succeeded - books->succeeded;

	if (more <= 0 || books->succeeded == 0 || !amount_subtract(node->amount, books->amount, amount) ||
		amount->msat <= 0 || amount->msat % more != 0)
		return false;
	amount->msat /= more;
	return true;
}

/* ---------------------------------------------------------------- invoices */

static const char *
invoice_words(const ListedInvoice *node, Arena *arena)
{
	const char *state = "open";

	if (node == NULL)
		return NULL;
	switch (node->state)
	{
		case INVOICE_OPEN:
			break;
		case INVOICE_HELD:
			state = "held";
			break;
		case INVOICE_SETTLED:
			return arena_printf(arena, "settled: %lld msat", (long long) node->received.msat);
		case INVOICE_EXPIRED:
			state = "expired";
			break;
		case INVOICE_CANCELED:
			state = "cancelled";
			break;
		case INVOICE_NOT_FOUND:
		case INVOICE_UNAVAILABLE:
			state = "unknown";
			break;
	}
	return state;
}

static const char *
deposit_words(const InvoiceInBooks *books, Arena *arena)
{
	if (books == NULL)
		return NULL;
	if (!books->is_settled)
		return books->is_open ? "open" : "not paid";
	return arena_printf(arena, "settled%s: %lld msat", books->is_paid_inside ? " inside" : "",
						(long long) books->received.msat);
}

static DifferenceKind
invoice_kind(const ListedInvoice *node, const InvoiceInBooks *books, const char **detail)
{
	*detail = NULL;
	if (node == NULL)
	{
		*detail = "the node does not list the invoice of a deposit";
		return books != NULL && (books->is_open || (books->is_settled && !books->is_paid_inside)) ?
			DIFFERENCE_INVOICE_MISSING : DIFFERENCE_NONE;
	}
	if (node->state != INVOICE_SETTLED)
	{
		*detail = "the books call it paid, the node does not";
		return books != NULL && books->is_settled && !books->is_paid_inside ?
			DIFFERENCE_INVOICE_STATE : DIFFERENCE_NONE;
	}
	if (books == NULL)
	{
		*detail = "money came in that no account asked for";
		return DIFFERENCE_INVOICE_UNKNOWN;
	}
	if (!books->is_settled || books->is_paid_inside)
	{
		*detail = books->is_paid_inside ? "paid at the node and inside" : "the node calls it paid, and it was not credited";
		return DIFFERENCE_INVOICE_STATE;
	}
	*detail = "another amount was credited than the node tells";
	return amount_equal(node->received, books->received) ? DIFFERENCE_NONE : DIFFERENCE_INVOICE_AMOUNT;
}

Difference
compare_invoice(const ListedInvoice *node, const InvoiceInBooks *books, Arena *arena)
{
	Difference	difference = {.kind = DIFFERENCE_NONE};

	difference.kind = invoice_kind(node, books, &difference.detail);
	difference.node = invoice_words(node, arena);
	difference.books = deposit_words(books, arena);
	return difference;
}

/* ---------------------------------------------------------------- solvency */

Amount
solvency_shortfall(const Solvency *solvency)
{
	Amount		may_be_paid;
	Amount		all;
	Amount		must_be_there;
	Amount		has;
	Amount		lack;

	if (!amount_add(solvency->owed, solvency->own, &all))
		return AMOUNT_MSAT(INT64_MAX);
	if (solvency->has.in_flight.msat < 0 ||
		!amount_subtract(solvency->may_have_left, solvency->has.in_flight, &may_be_paid) ||
		!amount_add(solvency->has.local, solvency->has.in_flight, &has))
		return all;
	/* What was begun may have left by now; what is under way has not: it counts once. */
	if (may_be_paid.msat < 0)
		may_be_paid = AMOUNT_ZERO;
	if (!amount_subtract(all, may_be_paid, &must_be_there) ||
		!amount_subtract(must_be_there, solvency->lately_credited, &must_be_there))
		return all;
	if (!amount_subtract(must_be_there, has, &lack))
		return all;
	return lack.msat > 0 ? lack : AMOUNT_ZERO;
}

bool
solvency_is_broken(const Solvency *solvency)
{
	Amount		borne;

	return !amount_add(solvency->tolerance, solvency->accepted, &borne) ||
		amount_compare(solvency_shortfall(solvency), borne) > 0;
}
