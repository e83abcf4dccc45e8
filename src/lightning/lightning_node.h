/*
 * lightning_node.h
 *		The port to a Lightning node, whichever it is.
 *
 * A node is asked by calls that take time.  start() begins one and never
 * blocks; progress() moves all that are under way and marks the finished ones
 * done; between the two the worker sleeps on descriptor() and until next().  So
 * one hanging payment holds nothing else up.
 *
 * A node's answer is a claim.  Each says how sure it is:
 * - a payment counts as made only with a preimage that hashes to the payment
 *   hash; as failed only where the node will never try it again by itself;
 * - whatever broke on the way is AMBIGUOUS or UNAVAILABLE, never a verdict;
 * - NOT_SENT is said only with proof that no byte has left.
 *
 * An adapter never raises, opens no transaction of the ledger, retries nothing
 * and keeps what it must release in itself until release().
 * Pure C: no server, no library.  How one is written: docs/how-to/add-a-node.md.
 */
#ifndef SPARK_LIGHTNING_NODE_H
#define SPARK_LIGHTNING_NODE_H

#include "common/amount.h"
#include "common/arena.h"
#include "common/clock.h"
#include "common/uuid.h"

typedef struct Bytes32
{
	uint8_t		bytes[32];
} Bytes32;

typedef enum NodeOperation
{
	NODE_IDENTIFY,				/* who are you, on which network, are you ready; health too */
	NODE_CREATE_INVOICE,
	NODE_LOOKUP_INVOICE,
	NODE_CANCEL_INVOICE,
	NODE_SETTLED_SINCE,			/* hints: what was paid, and which payments moved; may miss and repeat */
	NODE_PAY,					/* never repeated blindly */
	NODE_LOOKUP_PAYMENT,
	NODE_BALANCE,				/* what it has; where capabilities say that it tells */
	NODE_LIST_PAYMENTS,			/* a page of those it made, for the comparison with the books; likewise */
	NODE_LIST_INVOICES			/* a page of those it issued; likewise */
} NodeOperation;

/* When a failure that a look-up tells is believed. */
typedef enum FailureRule
{
	FAILURE_IS_FINAL,			/* at once: LND, eclair, phoenixd, the simulator */
	FAILURE_AFTER_EXPIRY,		/* once the node cannot start an attempt any more and the invoice has run out: Core Lightning */
	FAILURE_IS_WEAK				/* spark.lightning_weak_failure_delay after that, with an alarm: LNbits, which knows only its own rows */
} FailureRule;

/* When "I do not know this payment" is believed; never before the submitter's time is over. */
typedef enum NotFoundRule
{
	NOT_FOUND_AFTER_DELAY,		/* after spark.lightning_not_found_delay: LND, phoenixd, the simulator */
	NOT_FOUND_AFTER_EXPIRY,		/* once, besides, no attempt can start any more and the invoice has run out: Core Lightning */
	NOT_FOUND_TWICE				/* said twice, that delay apart: eclair, LNbits */
} NotFoundRule;

/*
 * What kind of node it is.  Set when the port is made; an adapter may correct
 * it while an identification is under way (the version decides), never else.
 */
typedef struct NodeCapabilities
{
	bool		is_exact;		/* takes amounts in msat; else whole satoshi only */
	bool		pays_amountless;	/* pays a request that names no amount */
	bool		can_cancel_invoice;	/* so that nobody can pay it any more */
	bool		refuses_second_payment;	/* of a hash that is under way or paid */
	bool		tells_balance;
	bool		balance_is_net; /* of what is pending, which is not told apart */
	bool		lists_payments;
	bool		lists_invoices;
	FailureRule failure_rule;
	NotFoundRule not_found_rule;
} NodeCapabilities;

/* Why a payment failed for good. */
typedef enum NodeFailure
{
	NODE_FAILURE_NONE,
	NODE_FAILURE_NO_ROUTE,
	NODE_FAILURE_FEE_LIMIT,
	NODE_FAILURE_EXPIRED,
	NODE_FAILURE_REFUSED_BY_PAYEE,
	NODE_FAILURE_NO_FUNDS,
	NODE_FAILURE_BAD_INVOICE,
	NODE_FAILURE_GAVE_UP,
	NODE_FAILURE_CANCELED,
	NODE_FAILURE_OTHER,
	NODE_FAILURE_NOT_ALLOWED	/* to this credential: nothing is said of the payment */
} NodeFailure;

/* What a node says of a payment it made. */
typedef struct NodePayment
{
	Bytes32		preimage;
	bool		has_preimage;	/* it gave one; whether it fits is for the caller to check */
	Amount		amount;			/* what the payee got */
	Amount		fee;			/* what it took beside; may be a lie */
	Instant		created_at;		/* of the node's record, or none */
	const char *reference;		/* the node's name of its record, or NULL */
} NodePayment;

/* What a node has.  Negative or absurd: a lie that the caller must stand. */
typedef struct NodeBalance
{
	Amount		local;			/* ours to spend; what payments under way have taken is no part of it */
	Amount		in_flight;		/* taken by payments under way; zero where the node does not tell */
} NodeBalance;

typedef enum SubmitAnswer
{
	SUBMIT_ACKED,				/* the node has it and goes on by itself */
	SUBMIT_SETTLED,				/* paid: see payment */
	SUBMIT_REJECTED,			/* will never be tried: see failure */
	SUBMIT_NOT_SENT,			/* proof that no byte has left */
	SUBMIT_NOT_ALLOWED,			/* proof that it was not begun, as the credential may not pay */
	SUBMIT_AMBIGUOUS			/* anything else */
} SubmitAnswer;

typedef enum PaymentAnswer
{
	PAYMENT_NOT_FOUND,			/* well-formed "I do not know it" */
	PAYMENT_PENDING,
	PAYMENT_SUCCEEDED,			/* see payment */
	PAYMENT_FAILED,				/* final: see failure, payment.created_at */
	PAYMENT_UNAVAILABLE			/* no answer about this hash */
} PaymentAnswer;

typedef enum InvoiceAnswer
{
	INVOICE_OPEN,
	INVOICE_HELD,
	INVOICE_SETTLED,			/* see received, preimage */
	INVOICE_EXPIRED,
	INVOICE_CANCELED,
	INVOICE_NOT_FOUND,
	INVOICE_UNAVAILABLE
} InvoiceAnswer;

typedef enum CancelAnswer
{
	CANCEL_CANCELED,			/* nobody can pay it any more */
	CANCEL_ALREADY_SETTLED,
	CANCEL_NOT_FOUND,
	CANCEL_UNAVAILABLE
} CancelAnswer;

typedef struct NodeIdentity
{
	const char *network;		/* "regtest", "bitcoin", .. */
	const char *node_id;		/* public key, 66 hex digits */
	const char *wallet;			/* which of several that it keeps apart, or NULL */
	bool		ready;			/* unlocked, synced, can pay and be paid */
	const char *version;		/* the node's own words, or NULL */
	int64_t		keeps_seconds;	/* for how long it remembers payments; 0: for ever, or it does not say */
	const char *warning;		/* what an operator should know of this node, its version or its settings, or NULL */
} NodeIdentity;

/* A line of a list; the judging of what it says is the caller's. */
typedef struct ListedPayment
{
	Bytes32		payment_hash;
	PaymentAnswer state;		/* PENDING, SUCCEEDED or FAILED */
	Amount		amount;			/* without fee */
	Amount		fee;
	Instant		created_at;		/* or none */
} ListedPayment;

typedef struct ListedInvoice
{
	Bytes32		payment_hash;
	InvoiceAnswer state;
	Amount		amount;			/* asked for; zero: none was named */
	Amount		received;		/* settled: what came */
	Instant		created_at;		/* or none */
} ListedInvoice;

typedef struct NodeCall NodeCall;

struct NodeCall
{
	NodeOperation operation;
	Arena	   *arena;			/* of the answer's texts */
	Instant		deadline;		/* past it the answer is AMBIGUOUS or UNAVAILABLE */

	/* What is asked; each operation reads what its line names. */
	Bytes32		payment_hash;	/* LOOKUP_*, CANCEL_INVOICE, PAY */
	Uuid		key;			/* CREATE_INVOICE: the same key gives the same invoice */
	Amount		amount;			/* CREATE_INVOICE; PAY of a request that names none */
	Amount		due;			/* PAY: what the payee is to get, whoever names it */
	Amount		max_fee;		/* PAY: the highest fee, as reserved */
	const char *payment_request;	/* PAY */
	const char *memo;			/* CREATE_INVOICE */
	Instant		write_before;	/* PAY: from then on no byte of it leaves; none: no such moment */
	int64_t		seconds;		/* CREATE_INVOICE: expiry; PAY: how long new attempts may start */
	int64_t		cursor;			/* SETTLED_SINCE; LIST_*: 0 for the first page, then next_cursor */
	Instant		since;			/* LIST_*: made at that moment or later; more may be told */

	/* What is answered, once done. */
	bool		done;
	bool		answered;		/* IDENTIFY, CREATE_INVOICE, SETTLED_SINCE, BALANCE, LIST_*: there is an answer at all */
	NodeIdentity identity;		/* IDENTIFY */
	const char *created;		/* CREATE_INVOICE: the payment request */
	SubmitAnswer submit;		/* PAY */
	PaymentAnswer verdict;		/* LOOKUP_PAYMENT */
	NodeFailure failure;		/* PAY, LOOKUP_PAYMENT; CREATE_INVOICE, not answered: BAD_INVOICE, it makes none like
								 * that, however often it is asked; of any, not answered: NOT_ALLOWED or nothing */
	NodePayment payment;		/* PAY, LOOKUP_PAYMENT */
	InvoiceAnswer invoice;		/* LOOKUP_INVOICE */
	Amount		received;		/* LOOKUP_INVOICE, settled: what came, before any receive_fee */
	Amount		receive_fee;	/* LOOKUP_INVOICE, settled: what the node kept of it for itself */
	Bytes32		preimage;		/* LOOKUP_INVOICE, settled */
	CancelAnswer cancel;		/* CANCEL_INVOICE */
	const Bytes32 *settled;		/* SETTLED_SINCE: hashes of invoices that were paid */
	size_t		settled_count;
	const Bytes32 *moved;		/* SETTLED_SINCE: hashes of payments that a look may find elsewhere now */
	size_t		moved_count;
	int64_t		next_cursor;	/* SETTLED_SINCE, LIST_* */
	NodeBalance balance;		/* BALANCE */
	const ListedPayment *payments;	/* LIST_PAYMENTS */
	const ListedInvoice *invoices;	/* LIST_INVOICES */
	size_t		listed_count;	/* of either */
	bool		has_more;		/* LIST_*: another page may follow next_cursor */
	const char *words;			/* the node's own, for operators: hostile text, or NULL */
};

typedef struct LightningNode LightningNode;

struct LightningNode
{
	const char *name;			/* as in spark.lightning_node */
	NodeCapabilities capabilities;

	/* Begins the call.  It may be done at once.  The caller keeps it alive until released. */
	void		(*start) (LightningNode *self, NodeCall *call);

	/* Moves every call that was started; sets done where an answer or the deadline came. */
	void		(*progress) (LightningNode *self);

	/* When progress() wants to be called again at the latest; none: only for the descriptor. */
	Instant		(*next) (LightningNode *self);

	/* A descriptor that becomes readable when progress() has work; -1: none. */
	int			(*descriptor) (LightningNode *self);

	/* The call is no longer wanted, done or not; its transport is given back. */
	void		(*release) (LightningNode *self, NodeCall *call);
};

/*
 * What a call is worth to which nothing of use was said: not answered, AMBIGUOUS,
 * UNAVAILABLE.  An adapter begins each call with it, and writes down what is proven.
 * done is left as it is.
 */
extern void node_call_give_up(NodeCall *call);

#endif
