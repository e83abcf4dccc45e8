/*
 * books.h
 *		How the handlers of accounting read and write the books.
 *
 * What a unit of work has decided but not written yet counts as decided: a
 * batch may hold a transfer, its repetition and its post.
 *
 * Every row gets here its id, its time (unless it shares that of another row), its
 * place among the rows of its debit account, and its seal; and what it moves or
 * reserves to leave by the node is counted, of its account and of all.
 */
#ifndef SPARK_ACCOUNTING_BOOKS_H
#define SPARK_ACCOUNTING_BOOKS_H

#include "accounting/ports.h"

/* The account of that id, locked; *account is NULL where there is none. */
extern Result books_account(const Accounting *context, UnitOfWork *work, Uuid id,
							LedgerAccount **account) MUST_CHECK;

/* The same; where there is none, one that books_keep() will open. */
extern Result books_account_or_new(const Accounting *context, UnitOfWork *work, Uuid id,
								   LedgerAccountClass class, LedgerAccount **account) MUST_CHECK;

/* Opens an account of books_account_or_new(), unless it is open. */
extern void books_keep(const Accounting *context, UnitOfWork *work, LedgerAccount *account);

/* What was decided under that name: a transfer, a refusal, or NULL. */
extern Result books_decided(const Accounting *context, UnitOfWork *work, Uuid debit_account_id,
							TransferPurpose purpose, const char *key, Transfer **decided) MUST_CHECK;

/* The row that ended a pending transfer, or NULL. */
extern Result books_end(const Accounting *context, UnitOfWork *work, Uuid pending_id, Transfer **end) MUST_CHECK;

/*
 * Decides what another context asks for.  *decided is what now stands for it:
 * asked itself, or what was decided first under its name.  Its refusal says
 * whether the money moved.
 */
extern Result books_order(const Accounting *context, UnitOfWork *work, Transfer *asked,
						  LedgerAccountClass credit_class, Transfer **decided) MUST_CHECK;

/*
 * The same for a withdrawal: LIMIT_EXCEEDED where more would leave in 24 hours than
 * the limits allow.
 */
extern Result books_order_withdrawal(const Accounting *context, UnitOfWork *work, Transfer *asked,
									 Transfer **decided) MUST_CHECK;

/* Books what has happened outside; either account is opened where it is missing. */
extern Result books_fact(const Accounting *context, UnitOfWork *work, Transfer *fact,
						 LedgerAccountClass debit_class, LedgerAccountClass credit_class) MUST_CHECK;

/*
 * Ends a pending transfer by a row prepared with transfer_begin_end(); what it
 * refuses is the answer, and nothing has changed.
 */
extern Result books_end_pending(const Accounting *context, UnitOfWork *work, Transfer *end,
								const Transfer *pending, const Transfer *ended_by) MUST_CHECK;

#endif
