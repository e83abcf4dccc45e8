/*
 * audit.h
 *		What the node has done, compared with what the books say; and whether it has
 *		what the books owe.
 *
 * A difference is told, never booked, but one: a hash that the node has paid
 * once more than the books know, beside a withdrawal that had failed, is that
 * withdrawal's late success.
 *
 * The lists of a node are older than the books they are compared with, and a
 * row may be on its way.  So only what no later news can explain is a
 * difference, and whoever calls has the rows of a first comparison looked up
 * and compares again.  Pure.
 */
#ifndef SPARK_BITCOIN_AUDIT_H
#define SPARK_BITCOIN_AUDIT_H

#include "common/arena.h"

#include "lightning/lightning_node.h"

#include <stdbool.h>
#include <stddef.h>

/* X(symbol, word): as spark_ops.reconcile() names them. */
#define DIFFERENCE_KINDS(X) \
	X(NONE, "") \
	X(PAYMENT_UNKNOWN, "payment_unknown")	/* the node has made it, or is at it; no withdrawal asked for it */ \
	X(PAYMENT_MISSING, "payment_missing")	/* the books say that the node made it, or is at it; it does not */ \
	X(PAYMENT_STATE, "payment_state")		/* made here, not made there */ \
	X(PAYMENT_AMOUNT, "payment_amount")		/* another amount or fee */ \
	X(PAID_TWICE, "paid_twice")				/* the node has paid the hash more often than the books say */ \
	X(INVOICE_UNKNOWN, "invoice_unknown")	/* paid at the node; no deposit asked for it */ \
	X(INVOICE_MISSING, "invoice_missing")	/* of a deposit; the node does not tell of it */ \
	X(INVOICE_STATE, "invoice_state")		/* paid here, not paid there */ \
	X(INVOICE_AMOUNT, "invoice_amount")		/* another amount came in */

typedef enum DifferenceKind
{
#define DIFFERENCE_ENUM(symbol, word) DIFFERENCE_##symbol,
	DIFFERENCE_KINDS(DIFFERENCE_ENUM)
#undef DIFFERENCE_ENUM
} DifferenceKind;

extern const char *difference_kind_word(DifferenceKind kind);

/* All that the node lists under one hash. */
typedef struct PaymentAtNode
{
	Bytes32		payment_hash;
	int64_t		succeeded;
	int64_t		pending;
	int64_t		failed;
	Amount		amount;			/* of all that succeeded; where none did, of any one */
	Amount		fees;			/* of all that succeeded */
} PaymentAtNode;

/* All withdrawals of one hash that went, or may have gone, to the node. */
typedef struct PaymentInBooks
{
	int64_t		succeeded;
	int64_t		must_be_listed; /* of those that succeeded: the list is of their time */
	int64_t		open;
	int64_t		failed;
	Amount		amount;			/* likewise */
	Amount		fees;
} PaymentInBooks;

typedef struct InvoiceInBooks
{
	bool		is_settled;
	bool		is_paid_inside;
	bool		is_open;		/* neither settled, expired nor cancelled */
	Amount		received;		/* settled */
} InvoiceInBooks;

typedef struct Difference
{
	DifferenceKind kind;
	const char *books;			/* what each says; NULL: nothing */
	const char *node;
	const char *detail;			/* what it means, static text */
} Difference;

/* Sums a list up by hash, in the order of hashes; returns how many. */
extern size_t payments_by_hash(const ListedPayment *listed, size_t count, Arena *arena, PaymentAtNode **sums);

/* Either side may be NULL.  kind NONE: no difference. */
extern Difference compare_payment(const PaymentAtNode *node, const PaymentInBooks *books, Arena *arena);
extern Difference compare_invoice(const ListedInvoice *node, const InvoiceInBooks *books, Arena *arena);

/*
 * Of a hash that the node has paid more often than the books say: what each
 * payment beside was of.  False where that cannot be told.
 */
extern bool payment_beside(const PaymentAtNode *node, const PaymentInBooks *books, Amount *amount);

/* ---- does the node have what is owed */

typedef struct Solvency
{
	Amount		owed;			/* what users, guests and fees have, reserves included */
	Amount		may_have_left;	/* of it: reserved for payments that were begun; what waits is in the node */
	Amount		lately_credited;	/* of it: what the balance may be older than */
	Amount		own;			/* beside it: the operator's, that has to stay in the node */
	NodeBalance has;
	Amount		tolerance;
	Amount		accepted;		/* a shortfall that an operator knows of */
} Solvency;

/*
 * How much the node lacks of what must be there whatever is on its way: zero
 * where nothing.  Figures that cannot be are a shortfall of all.
 */
extern Amount solvency_shortfall(const Solvency *solvency);

/* True where that is more than is tolerated and accepted. */
extern bool solvency_is_broken(const Solvency *solvency);

#endif
