/*
 * evidence.h
 *		How far a node is to be believed that says of a payment what would give its
 *		reserve back: "it has failed", "I do not know it".
 *
 * Nodes differ in what these words are worth (lightning/lightning_node.h, the
 * two rules of its capabilities).  A success is none of this: its proof is the
 * preimage.
 *
 * And whatever the kind: a word by which something ends, or is given back, says
 * who spoke only where the node was asked after it who it is, and is the one of
 * the books.  That it was so some seconds before is no proof.  Pure.
 */
#ifndef SPARK_BITCOIN_EVIDENCE_H
#define SPARK_BITCOIN_EVIDENCE_H

#include "common/clock.h"

#include "lightning/lightning_node.h"

#include <stdbool.h>

/* What is known of whoever speaks. */
typedef struct NodeTrust
{
	bool		node_is_known;	/* the recorded identity answered, ready */
	Instant		asked_at;		/* when that look began */
	int64_t		delay_seconds;	/* spark.lightning_not_found_delay */
	bool		forgets;		/* it drops payments sooner than they can be open */
	FailureRule failure_rule;
	NotFoundRule not_found_rule;
	bool		refuses_second_payment;	/* of a hash that is under way or paid */
	int64_t		weak_seconds;	/* beyond the invoice's end, until a weak failure is believed */
} NodeTrust;

/* The attempt that it speaks of. */
typedef struct Attempt
{
	Instant		submitted_at;
	Instant		submit_deadline;	/* past it nobody writes to the node any more */
	int64_t		give_up_seconds;	/* after submitted_at the node starts no new try */
	Instant		expires_at;		/* of the invoice: past it no payee takes the payment */
	Instant		not_found_at;	/* since when the node says that it does not know it; none: it did not */
} Attempt;

/* None where it is believed now; else from when on a look would be. */
extern Instant failure_is_believed_from(const NodeTrust *trust, const Attempt *attempt);
extern Instant not_found_is_believed_from(const NodeTrust *trust, const Attempt *attempt);

/* A node of which neither is ever believed, however long one waits. */
extern bool nothing_is_believed(const NodeTrust *trust);

/*
 * True for an answer by which a payment, an invoice or its cancellation would end:
 * of any node but the one of the books it says nothing.
 */
extern bool answer_ends_something(const NodeCall *call);

/* As if the node had not answered, or had broken off. */
extern void take_answer_back(NodeCall *call);

#endif
