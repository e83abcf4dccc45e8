/*
 * postgres.h
 *		Bitcoin on PostgreSQL: the wired ports, the consumer, what the worker and
 *		the queries read.
 *
 * Commands go through the ports, as aggregates.  Queries read with the caller's
 * own snapshot and lock nothing.
 */
#ifndef SPARK_BITCOIN_POSTGRES_H
#define SPARK_BITCOIN_POSTGRES_H

#include "postgres/page.h"

#include "bitcoin/handlers.h"
#include "bitcoin/purse.h"

#include "postgres/workers/worker.h"

extern const Bitcoin bitcoin;
extern const Consumer bitcoin_consumer;

/*
 * Where the node is found that the worker talks to, by its name; NULL: there is
 * none of that name.  From the composition root.
 */
typedef LightningNode *(*NodeFinder) (const char *name);
extern void bitcoin_set_nodes(NodeFinder find);

/* What the worker "spark lightning" does (worker_turn.c). */
extern const WorkerTask bitcoin_lightning_task;

/* ---- rows for the worker: locked, what others have locked is left out */

/* Which rows that are due. */
typedef enum DueKind
{
	DUE_DEPOSITS,				/* all */
	DUE_OPEN_DEPOSITS,			/* but those whose invoice is still to be made */
	DUE_LATE_INTENTS,			/* whose invoice was not made in time; they need no node */
	DUE_PAYMENTS,				/* withdrawals to be submitted or paid inside */
	DUE_EXPIRED,				/* the same whose invoice has run out; they need no node */
	DUE_LOOKS					/* withdrawals to be looked up */
} DueKind;

/*
 * Up to limit rows that are due at that moment, longest first, without those
 * of ids; tracked by the unit of work.  Returns how many.
 */
extern size_t due_rows(UnitOfWork *work, DueKind kind, Instant now, const Uuid *without, size_t without_count,
					   size_t limit, Aggregate **found);

/* When the next row is due; none: none ever. */
extern Instant next_due(void);

/* Every payment that is open, every one that failed lately and every open invoice is due now. */
extern void make_all_due(Instant now, int64_t failed_for_seconds);

/*
 * At the start of a worker, after that: what was being submitted becomes unknown,
 * but for those ids, whose submitter is this worker and still at it.
 */
extern void abandon_submissions(Instant now, const Uuid *without, size_t without_count);

/*
 * These books are a copy: what they have not sent may have been sent by another
 * life of theirs, so it is looked up at the node before it is paid.
 */
extern void doubt_unsent_payments(Instant now);

/* What is reserved for a payment and was put off is due now; what waits for an earlier one of its hash is not. */
extern void make_waiting_payments_due(Instant now);

extern PaymentsBegun payments_begun(void);

/* What is reserved for payments by the node of which nothing was sent: with their highest fees. */
extern Amount waiting_payments_sum(void);

/* True while a payment that is open, none of those ids, was not asked about since then. */
extern bool is_payment_unasked_since(Instant start, const Uuid *without, size_t without_count);

/* Hints that these invoices were paid: they are due now. */
extern void make_due_by_hash(const char *const *hashes, size_t count, Instant now);

/* Hints that these payments have moved: those that are not over are due now. */
extern void make_payments_due_by_hash(const char *const *hashes, size_t count, Instant now);

/* ---- the node that the books belong to */

/*
 * Until the transaction ends nobody gives the books another node.  False where
 * somebody is about to; it does not wait.
 */
extern bool node_is_kept(void);

/* Nobody but this transaction acts on which node the books belong to; it waits for those that do. */
extern void node_keep_alone(void);

/* ---- how the worker stands with the node */

typedef struct NodeState
{
	const char *backend;
	bool		ready;
	Instant		last_answer_at;
	const char *last_error;		/* NULL: none */
	int64		settled_cursor;
} NodeState;

extern bool node_state_query(Arena *arena, bool read_only, NodeState *state);
extern void node_state_store(const NodeState *state);

/* ---- queries */

/* An invoice of either kind, as its owner sees it. */
typedef struct InvoiceView
{
	Uuid		invoice_id;
	Uuid		account_id;
	const char *kind;			/* "deposit", "withdrawal" */
	const char *status;
	const char *state;
	Amount		amount;
	bool		is_paid;		/* else received and fee are not known yet */
	Amount		received;
	Amount		fee;
	bool		has_max_fee;
	Amount		max_fee;
	const char *payment_hash;
	const char *payment_request;
	const char *preimage;
	const char *reason;
	Instant		expires_at;
	Instant		created_at;
	Instant		settled_at;
	const char *idempotency_key;
} InvoiceView;

extern InvoiceView deposit_view(const Deposit *deposit);
extern InvoiceView withdrawal_view(const Withdrawal *withdrawal);

/* One of that account's; false where there is none. */
extern bool invoice_query(Arena *arena, Uuid account_id, Uuid invoice_id, InvoiceView *view);

/* A page of that account's; invoice_of_row() reads its current row. */
extern Rows invoices_page(Uuid account_id, PagePlace after, int limit);
extern InvoiceView invoice_of_row(const Rows *rows, Arena *arena);

#endif
