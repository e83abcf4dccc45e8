/*
 * withdrawal.h
 *		A withdrawal: a payment request that somebody wants paid from his
 *		balance, and what is known about it.
 *
 *		requested -> reserved -> submitting -> in_flight -> succeeded
 *
 * is the straight way.  All ways:
 *
 *		requested		reserved; rejected, by the ledger
 *		reserved		submitting; succeeded, inside or as the earlier one of its
 *						hash was paid; failed, as nothing was sent and nothing will be
 *		submitting		in_flight; unknown; succeeded; failed; needs_operator;
 *						reserved, on the proof that nothing was sent
 *		in_flight		succeeded; failed; unknown; needs_operator
 *		unknown			in_flight; succeeded; failed; needs_operator; reserved, on the
 *						proof that the node never had it
 *		needs_operator	succeeded; failed; unknown, when its node is back
 *		failed			succeeded, late
 *
 * And in books that are a copy, what was not sent by them becomes unknown.
 *
 * Invariants: amount and highest fee are reserved in the ledger before the node
 * hears of the payment, and the node is told that very fee.  What the node did
 * not finally settle or finally fail stays reserved: silence is no failure.
 * Submitting is committed before any byte leaves; nothing leads back from it
 * but the proof that nothing was sent.  Succeeded needs a preimage that fits
 * the hash, and never changes.  At most one withdrawal of a hash is not
 * rejected or failed, but for what was paid late beside it.
 *
 * One that pays an invoice of our own never goes through the node: the payee's
 * invoice is cancelled there, then the ledger moves the reserve.
 *
 * Pure: whoever calls has checked the preimage (preimage_fits() in node_work.h).
 */
#ifndef SPARK_BITCOIN_WITHDRAWAL_H
#define SPARK_BITCOIN_WITHDRAWAL_H

#include "bitcoin/evidence.h"
#include "bitcoin/invoice.h"
#include "bitcoin/known_node.h"

#include "common/aggregate.h"
#include "common/result.h"

#include <stddef.h>

typedef enum WithdrawalState
{
	WITHDRAWAL_REQUESTED,		/* the ledger was asked to reserve */
	WITHDRAWAL_RESERVED,		/* it has; the worker is to act */
	WITHDRAWAL_SUBMITTING,		/* a call may be on its way: committed before it */
	WITHDRAWAL_IN_FLIGHT,		/* the node has it */
	WITHDRAWAL_UNKNOWN,			/* nobody knows whether the node has it */
	WITHDRAWAL_SUCCEEDED,
	WITHDRAWAL_FAILED,			/* the reserve was given back */
	WITHDRAWAL_REJECTED,		/* nothing was ever reserved */
	WITHDRAWAL_NEEDS_OPERATOR	/* open for longer than a payment can be, or nobody is left to ask */
} WithdrawalState;

#define WITHDRAWAL_STATE_COUNT 9

typedef struct Withdrawal
{
	Aggregate	aggregate;		/* its id is the invoice_id */
	Uuid		account_id;		/* who pays */
	Uuid		node_account_id;	/* the node's mirror, whom the ledger debits him to */
	const char *payment_hash;
	const char *payment_request;
	Amount		amount;
	bool		amount_given;	/* by the caller: the request names none */
	Amount		max_fee;		/* reserved beside the amount; the cap that the node is told */
	bool		has_asked_max_fee;
	Amount		asked_max_fee;	/* as the caller said it, before it was cut */
	Instant		expires_at;
	Instant		created_at;
	Uuid		deposit_id;		/* of ours, where it is paid inside; else nil */
	Uuid		payee_id;		/* the account of that deposit; else nil */
	Uuid		follows;		/* the newest of this hash when it was asked for, or nil; not stored */
	bool		tried_before;	/* an earlier withdrawal of this hash went to a node */
	const char *earlier_reference;	/* the node's name of that record, or NULL */
	Instant		checked_at;		/* when the node had no objection left to paying it again; else none */

	WithdrawalState state;
	const char *reason;			/* of a failed or rejected one: a name of the error table */
	Amount		fee;			/* what the node says it took; zero before succeeded */
	const char *preimage;		/* after succeeded, and never of one paid inside */
	Instant		settled_at;
	Instant		failed_at;
	bool		late;			/* succeeded after it had failed */
	bool		paid_beside;	/* and beside another one of its hash, which was live */
	bool		in_doubt;		/* failed, and no node's word proves that it stays so */

	int64_t		attempt_no;		/* how often it was submitted */
	const char *backend;		/* of the last attempt, like the following ones */
	const char *node_id;
	Instant		submitted_at;
	Instant		submit_deadline;	/* past it nobody begins, or goes on, writing to the node */
	int64_t		give_up_seconds;
	Instant		acknowledged_at;	/* when the node first had it */
	Instant		not_found_at;	/* since when it says that it does not know it, or the payee's invoice; else none */
	const char *node_reference; /* the node's name of its record */
	const char *node_words;		/* the node's own, cleaned, for operators */

	Instant		next_look_at;	/* when the worker acts; none: never */
	Instant		asked_at;		/* when the node was last asked */
	int64_t		look_count;
	const char *alarm;			/* what an operator should see, or NULL */
} Withdrawal;

extern const AggregateType withdrawal_type;

/* The command. */
typedef struct AskWithdrawal
{
	Uuid		account_id;
	const char *payment_request;
	Amount		amount;			/* zero: none given */
	bool		has_max_fee;
	Amount		max_fee;
} AskWithdrawal;

/* The limits that settings give. */
typedef struct WithdrawalRules
{
	Amount		fee_floor;
	int64_t		fee_ppm;
} WithdrawalRules;

/*
 * What the transfer of one paid inside is for.  The ledger names a transfer by its
 * payer, its purpose and a key: so both steps bear it, and every answer does.
 */
#define WITHDRAWAL_PURPOSE "withdrawal"

#define WITHDRAWAL_LEAST_SECONDS INT64_C(30)	/* that an invoice must be good for */

/*
 * How long a hash rests whose payment has failed, once it is asked for anew.  A
 * node can call a payment failed that is made a moment later; sent at once, the
 * second one would be a second payment.  After the rest the node knows better,
 * and refuses it.
 */
#define WITHDRAWAL_REST_SECONDS INT64_C(10)

/* What is to be paid: AMOUNT_MISSING unless exactly one of the two names it. */
extern Result withdrawal_amount(const AskWithdrawal *command, const DecodedInvoice *invoice,
								Amount *amount) MUST_CHECK;

/* The highest fee: the larger of floor and share, or less where the caller wants less. */
extern Result withdrawal_fee_cap(const AskWithdrawal *command, const WithdrawalRules *rules,
								 Amount amount, Amount *cap) MUST_CHECK;

/*
 * Fills in a new withdrawal in state requested: to be paid by the node, or,
 * where deposit_id is not nil, inside, to that account.
 */
extern Result withdrawal_create(const AskWithdrawal *command, const DecodedInvoice *invoice,
								const WithdrawalRules *rules, Uuid node_account_id,
								Uuid deposit_id, Uuid payee_id, Uuid invoice_id, Instant now,
								Withdrawal *withdrawal) MUST_CHECK;

/*
 * What asking again for a request that is live comes to: OK for the same
 * account and content, else IDEMPOTENCY_MISMATCH, or PAYMENT_REQUEST_USED for
 * another account.
 */
extern Result withdrawal_repeats(const Withdrawal *withdrawal, const AskWithdrawal *command,
								 const DecodedInvoice *invoice, const WithdrawalRules *rules) MUST_CHECK;

/* An earlier withdrawal of the same hash, which has failed. */
extern void withdrawal_follows(Withdrawal *withdrawal, const Withdrawal *earlier);

extern bool withdrawal_is_inside(const Withdrawal *withdrawal);

/* Neither rejected nor failed: its hash is taken. */
extern bool withdrawal_is_live(const Withdrawal *withdrawal);

/* ---- the ledger's answers; false where they change nothing any more */

extern bool withdrawal_accept(Withdrawal *withdrawal, Instant now);
extern bool withdrawal_reject(Withdrawal *withdrawal, const char *reason);

/* ---- what the worker is to do with it now that it is due: a step, not a state */

typedef enum WithdrawalStep
{
	WITHDRAWAL_LEAVE,			/* nothing: it is due no more, unless it is made so */
	WITHDRAWAL_EXPIRE,			/* nothing was sent, and the invoice has run out */
	WITHDRAWAL_CHECK,			/* what became of the earlier one of its hash, before it is paid */
	WITHDRAWAL_PAY,
	WITHDRAWAL_CANCEL_INVOICE,	/* the payee's own, so that it can be paid inside */
	WITHDRAWAL_LOOK
} WithdrawalStep;

extern WithdrawalStep withdrawal_step(const Withdrawal *withdrawal, Instant now);

/* It goes out: to be committed before the call. */
extern void withdrawal_submit(Withdrawal *withdrawal, const KnownNode *node, Instant now,
							  int64_t submit_seconds, int64_t give_up_seconds, int64_t lease_seconds);

/* The node is being asked; without an answer the next time is after so many seconds. */
extern void withdrawal_ask(Withdrawal *withdrawal, Instant now, int64_t lease_seconds);

/* Found in submitting, and whoever submitted it is gone. */
extern void withdrawal_abandon(Withdrawal *withdrawal, Instant now);

/* Found in reserved, and the invoice has run out; also for one paid inside. */
extern void withdrawal_expire(Withdrawal *withdrawal, Instant now);

/* Another node answers than the one that was told to pay; and that one is back. */
extern void withdrawal_node_is_another(Withdrawal *withdrawal, Instant now);
extern void withdrawal_node_is_back(Withdrawal *withdrawal, Instant now);

/* Nothing may be paid for now. */
extern void withdrawal_wait(Withdrawal *withdrawal, int64_t seconds, Instant now);

/* Found in reserved, and the node would have to pay itself. */
extern void withdrawal_turn_away(Withdrawal *withdrawal, Instant now);

/* ---- what the node said to attempt number attempt_no */

/* A record of the node's. */
typedef struct NodeRecord
{
	const char *reference;		/* its name of it, or NULL */
	Instant		created_at;		/* or none */
} NodeRecord;

/* A payment with a preimage that fits the hash. */
typedef struct ProvenPayment
{
	const char *preimage;		/* 64 lower-case hex digits */
	Amount		amount;			/* what the payee got, as the node says; zero: it does not say */
	Amount		fee;			/* as the node says */
	NodeRecord	record;
} ProvenPayment;

extern void withdrawal_acknowledged(Withdrawal *withdrawal, int64_t attempt_no, Instant now);
extern void withdrawal_refused(Withdrawal *withdrawal, int64_t attempt_no, const char *reason,
							   const NodeRecord *record, Instant now);
extern void withdrawal_not_sent(Withdrawal *withdrawal, int64_t attempt_no, Instant now);
extern void withdrawal_ambiguous(Withdrawal *withdrawal, int64_t attempt_no, Instant now);

extern void withdrawal_succeed(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now);

/* One that had failed, while another one of its hash is live. */
extern void withdrawal_paid_beside(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now);

extern void withdrawal_success_unproven(Withdrawal *withdrawal, int64_t attempt_no, Instant now);
extern void withdrawal_pending(Withdrawal *withdrawal, int64_t attempt_no, const NodeRecord *record, Instant now);
extern void withdrawal_failed_at_node(Withdrawal *withdrawal, int64_t attempt_no, const char *reason,
									  const NodeRecord *record, const NodeTrust *trust, Instant now);
extern void withdrawal_unknown_to_node(Withdrawal *withdrawal, int64_t attempt_no,
									   const NodeTrust *trust, Instant now);

/* Nothing was said, or nothing that is about this one or counts: it is looked at again later. */
extern void withdrawal_undecided(Withdrawal *withdrawal, Instant now);

/* ---- what the node says of the earlier one of that hash, while this one is reserved */

extern void withdrawal_earlier_has_failed(Withdrawal *withdrawal, const NodeRecord *record,
										  const NodeTrust *trust, Instant now);

/* is_doubted: of the earlier ones, one is in doubt. */
extern void withdrawal_earlier_is_unknown(Withdrawal *withdrawal, bool is_doubted,
										  const NodeTrust *trust, Instant now);
extern void withdrawal_earlier_is_open(Withdrawal *withdrawal, const NodeRecord *record, Instant now);

/*
 * It was paid after all: that is the payment which this one asks for, and nothing
 * more is sent.  Of another amount it is not, and this one fails.
 */
extern void withdrawal_earlier_was_paid(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now);

/* That earlier one may have been paid: to be looked at now. */
extern void withdrawal_want_look(Withdrawal *withdrawal, Instant now);

/* ---- what an operator has found out where no node can tell; REFUSED_NOW in any other state */

/*
 * With the proof that it was paid: of anything that was sent and is open, or has
 * failed.  is_beside: another one of its hash is live.
 */
extern Result withdrawal_decide_paid(Withdrawal *withdrawal, const ProvenPayment *payment, bool is_beside,
									 Instant now) MUST_CHECK;

/*
 * That it never will be: of one that needs an operator, and then it is in doubt;
 * or of one that is reserved, as nothing of it is with the node.
 */
extern Result withdrawal_decide_failed(Withdrawal *withdrawal, Instant now) MUST_CHECK;

/*
 * The audit has found one payment more of its hash than is booked: this one, which
 * had failed, was paid beside the one that followed it.
 */
extern void withdrawal_paid_twice(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now);

/* ---- one paid inside */

extern void withdrawal_paid_inside(Withdrawal *withdrawal, Instant now);
extern void withdrawal_refused_inside(Withdrawal *withdrawal, const char *reason, Instant now);

/* The payee's invoice could not be cancelled for now. */
extern void withdrawal_not_cancelled(Withdrawal *withdrawal, Instant now);

/*
 * The node does not know that invoice.  True where it was asked before to cancel
 * it, and nobody heard what it said: it has.  Else it is not cancelled.
 */
extern bool withdrawal_cancelled_unheard(Withdrawal *withdrawal, Instant now);

/* As stored and shown. */
extern const char *withdrawal_state_name(WithdrawalState state);
extern bool withdrawal_state_by_name(const char *name, WithdrawalState *state);
extern const char *withdrawal_status(WithdrawalState state);

#endif
