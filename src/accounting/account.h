/*
 * account.h
 *		An account of the ledger: four counters, and what may not happen to them.
 *
 * Each movement is checked before it is made: a function that answers with a
 * refusal has changed nothing.  Counters only ever hold what transfers brought,
 * never less than 0; of a strict account, debits posted and pending together
 * never exceed the credits posted, so what is available is never below 0.
 *
 * Pure.  Whoever calls holds the row's lock.
 */
#ifndef SPARK_ACCOUNTING_ACCOUNT_H
#define SPARK_ACCOUNTING_ACCOUNT_H

#include "common/aggregate.h"
#include "common/amount.h"
#include "common/clock.h"
#include "common/result.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * X(class, name, strict)
 *
 * strict: a debit beyond what is available is refused.  What has happened
 * outside already is booked on the others, below 0 too; their balance is the
 * alarm.
 */
#define LEDGER_ACCOUNT_CLASSES(X) \
	X(USER, "user", true)			/* deposits and donations received */ \
	X(GUEST, "guest", true)			/* money of somebody without an account */ \
	X(NODE, "node", false)			/* mirror: what the books say the node has */ \
	X(FEE, "fee", true)				/* the operator's income */ \
	X(OPERATOR, "operator", false)	/* own capital; fees beyond what users agreed to */ \
	X(SUSPENSE, "suspense", false)	/* receipts and losses that belong to nobody yet */

typedef enum LedgerAccountClass
{
#define LEDGER_ACCOUNT_ENUM(class, name, strict) LEDGER_##class,
	LEDGER_ACCOUNT_CLASSES(LEDGER_ACCOUNT_ENUM)
#undef LEDGER_ACCOUNT_ENUM
} LedgerAccountClass;

#define SEAL_LENGTH 32

typedef struct LedgerAccount
{
	Aggregate	aggregate;
	Amount		debits_posted;
	Amount		credits_posted;
	Amount		debits_pending;
	Amount		credits_pending;
	LedgerAccountClass class;
	bool		strict;
	bool		closed;			/* only voids pass */
	const char *frozen_reason;	/* NULL: not frozen.  Else no new debit; credits, posts, voids pass */
	Instant		frozen_at;
	Instant		opened_at;
	int64_t		sequence;		/* how many transfer rows have debited it: no gap */
	uint8_t		seal[SEAL_LENGTH];	/* of the last of them; zeros before the first */
} LedgerAccount;

extern const AggregateType ledger_account_type;

/* The two accounts that every ledger has once, under ids that never change. */
extern const Uuid operator_account_id;
extern const Uuid suspense_account_id;

extern const char *ledger_account_class_name(LedgerAccountClass class);

/* False where no class has that name. */
extern bool ledger_account_class_by_name(const char *name, LedgerAccountClass *class);

/* A new account without a movement. */
extern void ledger_account_open(LedgerAccount *account, Uuid id, LedgerAccountClass class, Instant now);

/* Credits posted - debits posted; of an unchecked account also below 0. */
extern Amount ledger_account_balance(const LedgerAccount *account);

/* What a debit may take: the balance without the debits that are pending. */
extern Amount ledger_account_available(const LedgerAccount *account);

/* ACCOUNT_CLOSED where no new debit, or no new credit, may come; ACCOUNT_FROZEN where no debit may. */
extern Result ledger_account_accepts_debit(const LedgerAccount *account) MUST_CHECK;
extern Result ledger_account_accepts_credit(const LedgerAccount *account) MUST_CHECK;

/*
 * One leg of a transfer, posted or (pending) reserved: INVALID_ARGUMENT where
 * a counter cannot hold it, then, of a debit, INSUFFICIENT_FUNDS.
 */
extern Result ledger_account_debit(LedgerAccount *account, Amount amount, bool pending) MUST_CHECK;
extern Result ledger_account_credit(LedgerAccount *account, Amount amount, bool pending) MUST_CHECK;

/*
 * One leg of the end of a reserve: all of reserved ends, posted of it (0 of a
 * void) has moved.  INTERNAL where that much was never reserved.
 */
extern Result ledger_account_settle_debit(LedgerAccount *account, Amount reserved, Amount posted) MUST_CHECK;
extern Result ledger_account_settle_credit(LedgerAccount *account, Amount reserved, Amount posted) MUST_CHECK;

/* No new debit from now on.  The first reason stays. */
extern void ledger_account_freeze(LedgerAccount *account, const char *reason, Instant now);

/* Debits come again.  REFUSED_NOW where it is not frozen. */
extern Result ledger_account_unfreeze(LedgerAccount *account) MUST_CHECK;

#endif
