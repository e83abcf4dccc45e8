/*
 * postgres.h
 *		Accounting on PostgreSQL: the wired ports, the consumer, the queries.
 *
 * Messages change the books through the ports.  Queries read with the caller's
 * own snapshot and lock nothing.
 */
#ifndef SPARK_ACCOUNTING_POSTGRES_H
#define SPARK_ACCOUNTING_POSTGRES_H

#include "postgres/page.h"

#include "accounting/handlers.h"

extern const Accounting accounting;
extern const Consumer accounting_consumer;

/* The account of that id, NULL before its first message was handled. */
extern const LedgerAccount *account_query(Arena *arena, Uuid account_id);

/* The place of a line in that account's statement; false where it has no such line. */
extern bool statement_place(Uuid account_id, Uuid transfer_id, PagePlace *place);

/* A page of an account's statement; columns as in type spark.statement_line. */
extern Rows statement_page(Uuid account_id, PagePlace after, int limit);

/* One row a class: name, accounts, then the four sums. */
extern Rows trial_balance_query(void);

/*
 * What users, guests and fees have; what of it is reserved to leave by nodes, not
 * for other accounts; and what has come in at nodes in all.  False where this
 * database has no ledger.
 */
extern bool liabilities_query(Amount *owed, Amount *reserved, Amount *received);

#endif
