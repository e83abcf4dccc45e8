/*
 * node_work.h
 *		What the node is asked about a row that is due, and what its answer
 *		means.
 *
 * Pure, and in two halves with the call between them: a plan is made and
 * committed, the worker makes the call with no transaction open, the answer is
 * applied and committed.  A crash anywhere leaves a row that is looked up.
 *
 * A node's answer is a claim: paid is what comes with a preimage that hashes to
 * the payment hash and is not all zero.  Everything else is judged by the
 * aggregates.
 */
#ifndef SPARK_BITCOIN_NODE_WORK_H
#define SPARK_BITCOIN_NODE_WORK_H

#include "bitcoin/identity_questions.h"
#include "bitcoin/ports.h"
#include "bitcoin/purse.h"

/* How the worker stands with the node at this moment. */
typedef struct NodeStanding
{
	const KnownNode *node;		/* recorded, and the one that answers; else NULL */
	IdentityQuestions questions;	/* who it is; and when it was last that one */
	bool		is_ready;		/* unlocked, synced */
	bool		may_pay;		/* nothing stops withdrawals */
	bool		is_another;		/* not the recorded one answers: nothing is paid, reading goes on */
	bool		forgets;		/* it drops payments sooner than they can be open */
	Purse	   *purse;			/* what payments are taken from; NULL: nothing has to stay */
	const NodeCapabilities *capabilities;	/* NULL: of a node that can be believed in all */
} NodeStanding;

/* One call about one row. */
typedef struct NodeTask
{
	Uuid		invoice_id;		/* of the deposit or the withdrawal */
	Uuid		deposit_id;		/* of a cancellation: the payee's */
	int64_t		attempt_no;		/* of a withdrawal */
	Instant		asked_at;		/* when the plan was made */
	Uuid		asked_node;		/* mirror of the recorded node that is asked; nil: another one is */
	bool		is_check;		/* about the earlier withdrawal of that hash */
	bool		has_ended;		/* the row: nothing but a payment changes it any more */
	int64_t		named_by;		/* the question that tells who has answered; 0: nobody has; whoever makes the call sets it */
	NodeCall	call;
} NodeTask;

/*
 * Decides what to do with a locked row that is due.  *is_call says whether the
 * task is to be started once this has been committed; texts of the task live in
 * task->call.arena, which the caller has set.
 */
extern Result plan_deposit(const Bitcoin *context, UnitOfWork *work, Deposit *deposit,
						   const NodeStanding *standing, NodeTask *task, bool *is_call) MUST_CHECK;
extern Result plan_withdrawal(const Bitcoin *context, UnitOfWork *work, Withdrawal *withdrawal,
							  const NodeStanding *standing, NodeTask *task, bool *is_call) MUST_CHECK;

/* What the answer of a finished task touches, so that a batch of them locks in the one order. */
extern void task_touches(const NodeTask *task, Uuid *deposit_id, Uuid *withdrawal_id);

/*
 * True for an answer that is worth something only from the node of the books,
 * while it is not known yet who gave it: the node is to be asked who it is.
 */
extern bool answer_waits_for_identity(const NodeTask *task, const NodeStanding *standing);

/*
 * Applies the answer of a finished task to its row, and tells what came of it.
 * One that is worth nothing without the identity of whoever gave it, and lacks
 * that, counts as none.
 */
extern Result apply_answer(const Bitcoin *context, UnitOfWork *work, const NodeTask *task,
						   const NodeStanding *standing) MUST_CHECK;

/* True for the preimage of that hash (64 hex digits), unless it is all zero. */
extern bool preimage_fits(const Digest *digest, Bytes32 preimage, const char *payment_hash);

/* What a user is told of a failure: a name of the error table. */
extern const char *failure_reason(NodeFailure failure);

/* A node's own words, cut and made harmless; NULL stays NULL. */
extern const char *harmless_words(Arena *arena, const char *words);

#endif
