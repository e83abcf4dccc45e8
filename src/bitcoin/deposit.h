/*
 * deposit.h
 *		A deposit: an invoice that the node makes for us, and what came in by it.
 *
 *		intent ---> open ---> settled
 *		   \         |  \        ^ ^
 *		    \        v   v       | |
 *		     `-> cancelled expired | late: what came in is credited all the same
 *				   `---------`-----'
 *
 * Invariants: payment_hash, payment_request and expires_at appear together,
 * when the node's invoice has passed every check; settled is final, and only
 * reached by what was received with a preimage that fits the hash, or by a
 * payment between two accounts that never left; credited once, by the event of
 * that one step.  A silent node changes nothing but the time of the next look.
 *
 * Pure: whoever calls has checked the preimage (preimage_fits() in node_work.h).
 */
#ifndef SPARK_BITCOIN_DEPOSIT_H
#define SPARK_BITCOIN_DEPOSIT_H

#include "bitcoin/invoice.h"
#include "bitcoin/known_node.h"

#include "common/aggregate.h"
#include "common/result.h"

#include <stddef.h>

typedef enum DepositState
{
	DEPOSIT_INTENT,				/* the node is to make the invoice */
	DEPOSIT_OPEN,				/* it can be paid */
	DEPOSIT_SETTLED,			/* it has been */
	DEPOSIT_EXPIRED,			/* not in time, as the node says */
	DEPOSIT_CANCELLED			/* the node would not make it, or took it back early */
} DepositState;

#define DEPOSIT_STATE_COUNT 5

typedef struct Deposit
{
	Aggregate	aggregate;		/* its id is the invoice_id */
	Uuid		account_id;		/* whom it credits */
	const char *idempotency_key;	/* of the caller's making, or NULL */
	Amount		amount;			/* asked for */
	int64_t		expiry_seconds; /* asked for */
	Instant		created_at;

	DepositState state;
	const char *reason;			/* of a cancelled one: a name of the error table */
	const char *payment_hash;	/* these three: NULL and none before open */
	const char *payment_request;
	Instant		expires_at;
	Uuid		node_account_id;	/* whose invoice it is; nil before open */
	Amount		received;		/* zero before settled */
	Amount		receive_fee;	/* of it: what the node kept for itself; the operator bears it */
	const char *preimage;		/* after settled, and never of one paid inside */
	Instant		settled_at;
	Uuid		paid_by;		/* the withdrawal that paid it inside, or nil */
	bool		held;			/* the node has the payment and has not decided */
	bool		late;			/* settled after it had expired or been cancelled */

	Instant		next_look_at;	/* when the worker asks the node; none: never */
	Instant		asked_at;		/* when it last did */
	Instant		wanted_at;		/* when somebody last wanted it to */
	int64_t		look_count;
	const char *alarm;			/* what an operator should see, or NULL */
	const char *node_words;		/* why the node made no invoice when last asked, in its own words, cleaned; or NULL */
} Deposit;

extern const AggregateType deposit_type;

/* The command. */
typedef struct AskDeposit
{
	Uuid		account_id;
	Amount		amount;
	const char *idempotency_key;	/* NULL: none */
} AskDeposit;

/* Fills in a new deposit in state intent. */
extern Result deposit_create(const AskDeposit *command, Uuid invoice_id, int64_t expiry_seconds,
							 Instant now, Deposit *deposit) MUST_CHECK;

/* OK where the command asks for this very deposit again, else IDEMPOTENCY_MISMATCH. */
extern Result deposit_repeats(const Deposit *deposit, const AskDeposit *command) MUST_CHECK;

/* What each invoice of ours says that it is for. */
#define DEPOSIT_DESCRIPTION "deposit"

/* What the worker is to do with it now that it is due. */
typedef enum DepositStep
{
	DEPOSIT_LEAVE,				/* nothing: it is due no more, unless it is made so */
	DEPOSIT_MAKE_INVOICE,
	DEPOSIT_GIVE_UP,			/* the deadline for making it has passed */
	DEPOSIT_LOOK
} DepositStep;

extern DepositStep deposit_step(const Deposit *deposit, Instant now, int64_t create_deadline_seconds);

/* The node is being asked; without an answer the next look is after so many seconds. */
extern void deposit_ask(Deposit *deposit, Instant now, int64_t lease_seconds);

/* Somebody wants a look soon; at most one a second comes of it. */
extern void deposit_want_look(Deposit *deposit, Instant now);

/* True where deposit_want_look() would bring the next look nearer. */
extern bool deposit_look_is_of_use(const Deposit *deposit, Instant now);

/*
 * The node made this invoice: open where it is exactly what was asked for, by
 * the node that the books know; else cancelled, with an alarm.
 */
extern void deposit_invoice_made(Deposit *deposit, const DecodedInvoice *invoice,
								 const KnownNode *node, Instant now);

/* The node made something that is no invoice, or one of another deposit. */
extern void deposit_invoice_is_bad(Deposit *deposit, const char *alarm);

/* The node did not make it; words: its own, cleaned, or NULL.  Try later. */
extern void deposit_not_made(Deposit *deposit, const char *words, Instant now);

/* Nor will it, however often it is asked: the amount, for one, is none that it takes. */
extern void deposit_refused(Deposit *deposit, const char *words);

/* The deadline for making it has passed. */
extern void deposit_give_up(Deposit *deposit);

/* The node says that it was paid, and the preimage fits. */
extern void deposit_settle(Deposit *deposit, Amount received, const char *preimage, Instant now);

/* Just settled: what the node kept of it for itself. */
extern void deposit_bear_fee(Deposit *deposit, Amount fee);

/* That withdrawal of another account has paid it, and nobody else can any more. */
extern void deposit_settle_inside(Deposit *deposit, Uuid withdrawal_id, Instant now);

/* The node says that it was paid, without proof. */
extern void deposit_settled_unproven(Deposit *deposit, Instant now);

/* The other answers of a node to a look. */
extern void deposit_not_paid(Deposit *deposit, bool held, Instant now);
extern void deposit_unknown_to_node(Deposit *deposit, Instant now);
extern void deposit_expired_at_node(Deposit *deposit, Instant now);
extern void deposit_cancelled_at_node(Deposit *deposit, Instant now);

/* Nothing was said, or nothing that counts: it is looked at again later. */
extern void deposit_undecided(Deposit *deposit, Instant now);

/* As stored and shown. */
extern const char *deposit_state_name(DepositState state);
extern bool deposit_state_by_name(const char *name, DepositState *state);
extern const char *deposit_status(DepositState state);

#endif
