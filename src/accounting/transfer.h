/*
 * transfer.h
 *		One movement between two accounts, and every rule about it.
 *
 * A transfer is a row that never changes.  One that is pending reserves on both
 * sides and ends once, by a further row: a post (of all or a part: the rest is
 * free again) or a void.  Its state is told by its rows.
 *
 * It is named by (debit account, purpose, key).  The purpose is spark's, never
 * a caller's, so the keys of two accounts or two purposes never meet.  Under
 * that name stands what was decided first: a transfer, or its refusal.
 *
 * The order of the checks is part of the contract: what was decided before, a
 * malformed request, unknown accounts, the state of a pending transfer, closed
 * and frozen accounts, counters that overflow, missing funds.
 *
 * Pure.  Whoever calls holds the locks of both accounts.
 */
#ifndef SPARK_ACCOUNTING_TRANSFER_H
#define SPARK_ACCOUNTING_TRANSFER_H

#include "accounting/account.h"
#include "common/arena.h"

/* X(kind, name): what a statement calls it. */
#define TRANSFER_KINDS(X) \
	X(DEPOSIT, "deposit") \
	X(DONATION, "donation") \
	X(WITHDRAWAL, "withdrawal") \
	X(FEE, "fee") \
	X(REFUND, "refund")

/*
 * X(purpose, name, kind, ordered)
 *
 * ordered: another context may ask for it by accounting.request_transfer.
 */
#define TRANSFER_PURPOSES(X) \
	X(DEPOSIT, "deposit", DEPOSIT, false)		/* node -> account; key: the payment hash */ \
	X(DONATION, "donation", DONATION, true)		/* donor -> owner; key: the donor's */ \
	X(WITHDRAWAL, "withdrawal", WITHDRAWAL, true)	/* account -> node, or another's account; key: the invoice */ \
	X(REFUND, "refund", REFUND, true)			/* owner -> donor */ \
	X(FEE, "fee", FEE, false)					/* account -> node, beside a withdrawal */ \
	X(EXCESS, "excess", FEE, false)				/* operator -> node: a fee above what was agreed */ \
	X(RECEIVE_FEE, "receive_fee", FEE, false)	/* operator -> node: what it kept of a receipt */ \
	X(SURPLUS, "surplus", DEPOSIT, false)		/* node -> suspense: the node sent less than the amount */ \
	X(LATE, "late", WITHDRAWAL, false)			/* account, suspense -> node: paid after the reserve was gone */ \
	X(POST, "post", WITHDRAWAL, false)			/* the end of a pending one; its kind is that one's */ \
	X(VOID, "void", WITHDRAWAL, false)

#define TRANSFER_FORMS(X) \
	X(DIRECT, "direct")			/* posted at once */ \
	X(PENDING, "pending") \
	X(POST, "post") \
	X(VOID, "void")

typedef enum TransferKind
{
#define TRANSFER_ENUM(kind, name) TRANSFER_KIND_##kind,
	TRANSFER_KINDS(TRANSFER_ENUM)
#undef TRANSFER_ENUM
} TransferKind;

typedef enum TransferPurpose
{
#define TRANSFER_ENUM(purpose, name, kind, ordered) PURPOSE_##purpose,
	TRANSFER_PURPOSES(TRANSFER_ENUM)
#undef TRANSFER_ENUM
} TransferPurpose;

typedef enum TransferForm
{
#define TRANSFER_ENUM(form, name) TRANSFER_##form,
	TRANSFER_FORMS(TRANSFER_ENUM)
#undef TRANSFER_ENUM
} TransferForm;

typedef struct Transfer
{
	Aggregate	aggregate;		/* the id is the transfer_id */
	Uuid		debit_account_id;
	Uuid		credit_account_id;
	Amount		amount;			/* of a void: what had been reserved */
	Amount		fee_limit;		/* the part of amount that is kept for a fee */
	const char *key;
	TransferPurpose purpose;
	TransferKind kind;
	TransferForm form;
	ResultCode	refusal;		/* not OK: no transfer, but the memory of its refusal */
	Uuid		pending_id;		/* of a post or void: what it ends */
	Uuid		linked_id;		/* the transfer it belongs to: of a fee, the withdrawal */
	Uuid		campaign_id;
	Uuid		from_invoice_id;
	Uuid		to_invoice_id;
	const char *reason;			/* of a void, or NULL */
	Instant		expires_at;		/* of a pending one, or none */
	Instant		created_at;
	int64_t		sequence;		/* among the rows that debit the same account, from 1 */
	uint8_t		seal[SEAL_LENGTH];	/* digest of the seal before it and of its content */
} Transfer;

extern const AggregateType transfer_type;

extern const char *transfer_kind_name(TransferKind kind);
extern const char *transfer_form_name(TransferForm form);
extern const char *transfer_purpose_name(TransferPurpose purpose);

/* These are false where nothing has that name. */
extern bool transfer_kind_by_name(const char *name, TransferKind *kind);
extern bool transfer_form_by_name(const char *name, TransferForm *form);
extern bool transfer_purpose_by_name(const char *name, TransferPurpose *purpose);

/* The same, for purposes that another context may ask for. */
extern bool transfer_purpose_by_order(const char *name, TransferPurpose *purpose);

/* How a transfer of that purpose shows, unless it ends another one. */
extern TransferKind transfer_purpose_kind(TransferPurpose purpose);

/* OK where asked is what was decided first under its name; else IDEMPOTENCY_MISMATCH. */
extern Result transfer_is_same(const Transfer *first, const Transfer *asked) MUST_CHECK;

/* INVALID_ARGUMENT for what no state of the ledger could make right. */
extern Result transfer_is_well_formed(const Transfer *asked) MUST_CHECK;

/*
 * Moves or reserves what is asked, on both accounts or on none.  debit may be
 * NULL: ACCOUNT_UNKNOWN.
 */
extern Result transfer_execute(const Transfer *asked, LedgerAccount *debit, LedgerAccount *credit) MUST_CHECK;

/*
 * The same for what has happened outside already: closed and frozen accounts
 * are no reason to leave it out of the books.
 */
extern Result transfer_book(const Transfer *fact, LedgerAccount *debit, LedgerAccount *credit) MUST_CHECK;

/* The row that ends pending: a post of that amount, or a void (amount is not looked at). */
extern void transfer_begin_end(Transfer *end, const Transfer *pending, TransferForm form, Amount amount, Arena *arena);

/* True where a pending transfer was ended in that form already: nothing is left to do. */
extern bool transfer_has_ended(const Transfer *ended_by, TransferForm form);

/*
 * Ends a pending transfer, on both accounts or on none.  pending is NULL or a
 * refusal where there is none: NOT_FOUND.  ended_by: the row that has ended it
 * before, or NULL.
 */
extern Result transfer_end(const Transfer *end, const Transfer *pending, const Transfer *ended_by,
						   Instant now, LedgerAccount *debit, LedgerAccount *credit) MUST_CHECK;

/*
 * What the seal of a row covers, as text: every column, so that a row changed
 * by whatever means no longer fits its seal.  The query that verifies the books
 * writes the same text (accounting/postgres_verification.c).
 */
extern const char *transfer_content(const Transfer *transfer, Arena *arena);

#endif
