/*
 * simulator.h
 *		The rules of the simulated node, and of the wallet outside of it.
 *
 * State, a call and the time come in; the answer and the new state go out.
 * What a payment or an invoice will be is computed from its row, the scripts
 * and the clock whenever somebody looks, so a script that comes later wins at
 * once and nothing has to happen at the moment in which a payment ends.  Only
 * an end that somebody has seen is kept (`closed`): no later script can take
 * it back.
 *
 * An answer is written into the NodeCall.  Where none comes, the call is left
 * undone and simulator_give_up() ends it at its deadline.
 * Pure C: no server, no library.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_H
#define SPARK_LIGHTNING_SIMULATOR_H

#include "lightning/node_kinds.h"
#include "lightning/simulator_script.h"

/* The fee of a payment without script, or its cap where that is lower. */
#define SIMULATOR_FEE AMOUNT_MSAT(INT64_C(1000))

/*
 * An invoice that a script lets be paid is paid no sooner than this many
 * seconds after the script (or the invoice) was made: time in which the outside
 * wallet can still pay it itself.
 */
#define SIMULATOR_RECEIVE_DELAY INT64_C(1)

/* How long the record of a payment whose reply was lost at `read` stays away. */
#define SIMULATOR_READ_DELAY INT64_C(1)

/* How much older than a payment the record is that `stale` tells in its place, in seconds. */
#define SIMULATOR_STALE_AGE INT64_C(3600)

/* How long a hint that is to come late is held back. */
#define SIMULATOR_REORDER_DELAY INT64_C(2)

/* ------------------------------------------------------- outgoing payments */

typedef enum EndKind
{
	END_NONE,					/* not by itself */
	END_SUCCESS,
	END_FAILURE
} EndKind;

typedef struct SimulatedEnd
{
	EndKind		kind;
	Instant		at;
	Amount		fee;			/* of a success */
	NodeFailure failure;		/* of a failure */
} SimulatedEnd;

/* One attempt at a payment.  A failed one may be followed by another of the same hash. */
typedef struct SimulatedPayment
{
	Bytes32		payment_hash;
	int32_t		attempt;		/* 1, 2, .. of this hash */
	Bytes32		preimage;		/* as the payee knows it */
	Amount		amount;
	Amount		max_fee;
	const char *memo;
	Instant		called_at;		/* first asked for */
	int64_t		refusals;		/* calls that found no open port */
	Instant		created_at;		/* of the node's record; none: refused so far */
	const SimulatorScript *script;	/* what becomes of it; NULL: none */
	Instant		bound_at;		/* from when on that script holds */
	bool		closed;			/* the end has come and was seen */
	SimulatedEnd end;			/* closed: what it was */
	bool		changed;		/* since it was loaded */
} SimulatedPayment;

/* What a pay call asks for, once its payment request was read. */
typedef struct SimulatorOrder
{
	NodeKind	kind;			/* that the node passes for */
	Bytes32		payment_hash;
	Bytes32		preimage;
	Amount		amount;
	bool		names_amount;	/* the request does; else the caller did */
	Amount		max_fee;
	const char *memo;
	Instant		expires_at;
	NodeFailure refusal;		/* why the node does not even try; NONE: it does */
} SimulatorOrder;

/* How it ends, as far as is known now. */
extern SimulatedEnd simulator_end(const SimulatedPayment *payment);

/*
 * Brings the attempts at one hash, in their order, up to now: the last one
 * follows the scripts (in the order of their making); what has ended is closed.
 */
extern void simulator_follow_payments(SimulatedPayment *attempts, size_t count,
									  const SimulatorScript *scripts, size_t script_count, Instant now);

/*
 * The node is asked to pay.  attempts: those at this hash, followed up to now.
 * True where *changed is to be stored: a new attempt, or the last one again.
 */
extern bool simulator_pay(const SimulatorOrder *order, const SimulatedPayment *attempts, size_t count,
						  const SimulatorScript *scripts, size_t script_count, Instant now,
						  NodeCall *call, SimulatedPayment *changed);

/* What comes back to the call that began this attempt. */
extern void simulator_reply_to_pay(const SimulatedPayment *payment, NodeKind kind, NodeCall *call);

extern void simulator_look_up_payment(const SimulatedPayment *attempts, size_t count, Instant now, NodeCall *call);

/* ---------------------------------------------------------------- invoices */

/* An invoice of the node. */
typedef struct SimulatedInvoice
{
	Bytes32		payment_hash;
	Bytes32		preimage;
	Amount		amount;			/* zero: it names none */
	const char *memo;
	Instant		created_at;
	Instant		expires_at;
	Instant		canceled_at;
	Instant		settled_at;
	Amount		received;		/* settled: what came */
	Amount		kept;			/* of it: what the node keeps for itself */
	SettleEvents events;		/* settled: how the hint arrives */
	const SimulatorScript *script;
	Instant		bound_at;
} SimulatedInvoice;

/* A new invoice takes the script that fits. */
extern void simulator_bind_invoice(SimulatedInvoice *invoice, const SimulatorScript *scripts, size_t script_count);

/* Brings it up to now: true where a script has just settled it, or had it released. */
extern bool simulator_follow_invoice(SimulatedInvoice *invoice, const SimulatorScript *scripts, size_t script_count,
									 Instant now);

/* invoice NULL: the node knows none of that hash. */
extern void simulator_look_up_invoice(const SimulatedInvoice *invoice, Instant now, NodeCall *call);

/* True where the invoice has changed. */
extern bool simulator_cancel_invoice(SimulatedInvoice *invoice, Instant now, NodeCall *call);

/*
 * The outside wallet pays: all of it, or `received` where positive.  late: also
 * after it has expired.  PAYMENT_REQUEST_USED, PAYMENT_REQUEST_EXPIRED,
 * INVALID_ARGUMENT.
 */
extern Result simulator_wallet_pays(SimulatedInvoice *invoice, Amount received, bool late, Instant now) MUST_CHECK;

/* When the hint of a settled invoice arrives; none: never. */
extern Instant simulator_event_at(const SimulatedInvoice *invoice);

/* -------------------------------------------------------------- every call */

/* The answer to a call that got none: AMBIGUOUS, UNAVAILABLE, nothing. */
extern void simulator_give_up(NodeCall *call);

#endif
