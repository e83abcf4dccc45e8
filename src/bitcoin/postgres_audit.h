/*
 * postgres_audit.h
 *		The comparison of the books with the node, over SPI: what it reads and what
 *		it leaves behind.
 *
 * All of it runs in a transaction of whoever calls: the worker's, or an
 * operator's.  Only the worker writes differences and the audit's row.
 */
#ifndef SPARK_BITCOIN_POSTGRES_AUDIT_H
#define SPARK_BITCOIN_POSTGRES_AUDIT_H

#include "bitcoin/postgres.h"

#include "bitcoin/audit.h"

/* ---- what an audit starts from */

/* From when on the lists are read; none: all.  Older differences are looked at again. */
extern Instant audit_reads_from(void);

/*
 * Such rows are due now.  The answer to a question from before that moment may
 * have put one off since it was made due with all others.
 */
extern void make_unasked_due(Instant start, Instant now);

/* True while a row that can be looked up was not asked about since then. */
extern bool is_anything_unasked_since(Instant start);
extern bool is_any_unasked_of(const char *const *hashes, size_t count, Instant start);

/* ---- the books of many hashes; is_there[i] is false where they know nothing of hashes[i] */
extern void books_of_payments(const char *const *hashes, size_t count, Instant from, Instant until,
							  PaymentInBooks *books, bool *is_there);
extern void books_of_invoices(const char *const *hashes, size_t count, InvoiceInBooks *books, bool *is_there);

/*
 * Hashes of what the node has settled between, or has taken and not ended, and is
 * none of those hashes.
 */
extern size_t payments_without(Instant from, Instant until, const char *const *hashes, size_t count,
							   Arena *arena, const char ***missing);
extern size_t settled_invoices_without(Instant from, Instant until, const char *const *hashes, size_t count,
									   Arena *arena, const char ***missing);

/*
 * The newest failed withdrawal of that hash and amount that was sent, locked;
 * NULL: none.  And the proof of one that was paid.
 */
extern Withdrawal *failed_withdrawal_of(UnitOfWork *work, const char *payment_hash, Amount amount,
										const char **preimage);

/* ---- what it leaves */

typedef struct FoundDifference
{
	const char *payment_hash;
	Difference	difference;
} FoundDifference;

/* These stand, and no others. */
extern void differences_store(const FoundDifference *found, size_t count, Instant read_from, Instant now);

/* The audit's row.  Figures are of use where has_figures is set. */
typedef struct AuditOutcome
{
	Instant		began_at;
	const char *problem;		/* why it was not finished; NULL: it was */
	bool		has_figures;
	Solvency	solvency;
} AuditOutcome;

extern void audit_store(const AuditOutcome *outcome, Instant now);

/* The last one; false where there was none. */
typedef struct AuditView
{
	Instant		ended_at;
	Instant		watermark;
	const char *problem;
	bool		has_figures;
	Amount		owed;
	Amount		may_have_left;
	Amount		local;
	Amount		in_flight;
	Amount		shortfall;
} AuditView;

extern bool audit_query(Arena *arena, AuditView *view);
extern int64 differences_count(void);

/* kind, payment_hash, books, node, detail of each that stands. */
extern Rows differences_query(void);

/*
 * kind, payment_hash, books, node of what a former node may still do: payments
 * that failed there, invoices that were not paid in time, as long as they would
 * be looked at.
 */
extern Rows left_behind_query(void);

/*
 * What the ledger owes, from the composition root; false where there is no ledger
 * in this database.  reserved: of it, what may leave by nodes.  received: by nodes,
 * in all; it only grows.
 */
typedef bool (*LedgerFigures) (Amount *owed, Amount *reserved, Amount *received);
extern void bitcoin_set_ledger(LedgerFigures figures);
extern bool ledger_figures(Amount *owed, Amount *reserved, Amount *received);

#endif
