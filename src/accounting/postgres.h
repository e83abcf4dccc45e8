/*
 * postgres.h
 *		Accounting on PostgreSQL: the wired ports, the consumer, the queries.
 *
 * Messages change the books through the ports.  Queries read with the caller's
 * own snapshot and lock nothing.
 */
#ifndef SPARK_ACCOUNTING_POSTGRES_H
#define SPARK_ACCOUNTING_POSTGRES_H

#include "postgres/statement.h"

#include "accounting/handlers.h"

extern const Accounting accounting;
extern const Consumer accounting_consumer;

/* The account of that id, NULL before its first message was handled. */
extern const LedgerAccount *account_query(Arena *arena, Uuid account_id);

/*
 * When a line of that account's statement was made; false where it has no such
 * line.
 */
extern bool statement_line_query(Uuid account_id, Uuid transfer_id, Instant *created_at);

/*
 * The lines of an account's statement that come after that one, newest first;
 * no time: from the newest on.  Columns as in type spark.statement_line.
 */
extern Rows statement_page(Uuid account_id, Instant created_at, Uuid transfer_id, int limit);

/* One row a class: name, accounts, then the four sums. */
extern Rows trial_balance_query(void);

#endif
