/*
 * books.c
 *		How the handlers of accounting read and write the books.
 */
#include "accounting/books.h"

#include <string.h>

/* ---------------------------------------------------------------- accounts */

Result
books_account(const Accounting *context, UnitOfWork *work, Uuid id, LedgerAccount **account)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, context->accounts, id, &found));
	*account = (LedgerAccount *) found;
	return OK;
}

Result
books_account_or_new(const Accounting *context, UnitOfWork *work, Uuid id,
					 LedgerAccountClass class, LedgerAccount **account)
{
	TRY(books_account(context, work, id, account));
	if (*account == NULL)
	{
		*account = ARENA_NEW(work->arena, LedgerAccount);
		ledger_account_open(*account, id, class, clock_now(work));
	}
	return OK;
}

void
books_keep(const Accounting *context, UnitOfWork *work, LedgerAccount *account)
{
	if (account->aggregate.version > 0)
		return;
	for (Tracked *tracked = work->tracked; tracked != NULL; tracked = tracked->next)
		if (tracked->aggregate == &account->aggregate)
			return;
	unit_of_work_add(work, context->accounts, &account->aggregate);
}

/* --------------------------------------------------------------- transfers */

Result
books_decided(const Accounting *context, UnitOfWork *work, Uuid debit_account_id,
			  TransferPurpose purpose, const char *key, Transfer **decided)
{
	for (Tracked *tracked = work->tracked; tracked != NULL; tracked = tracked->next)
	{
		Transfer   *added = (Transfer *) tracked->aggregate;

		if (added->aggregate.type == &transfer_type && added->purpose == purpose &&
			uuid_equal(added->debit_account_id, debit_account_id) && strcmp(added->key, key) == 0)
		{
			*decided = added;
			return OK;
		}
	}
	return context->transfers->find(context->transfers, work->arena, debit_account_id, purpose, key, decided);
}

Result
books_end(const Accounting *context, UnitOfWork *work, Uuid pending_id, Transfer **end)
{
	for (Tracked *tracked = work->tracked; tracked != NULL; tracked = tracked->next)
	{
		Transfer   *added = (Transfer *) tracked->aggregate;

		if (added->aggregate.type == &transfer_type && uuid_equal(added->pending_id, pending_id))
		{
			*end = added;
			return OK;
		}
	}
	return context->transfers->find_end(context->transfers, work->arena, pending_id, end);
}

/* Makes a decided transfer, or the memory of a refusal, a row. */
static void
books_write(const Accounting *context, UnitOfWork *work, Transfer *transfer, LedgerAccount *debit)
{
	transfer->aggregate.type = &transfer_type;
	transfer->aggregate.id = new_id(work);
	if (instant_is_none(transfer->created_at))
		transfer->created_at = clock_now(work);
	if (transfer->refusal == RESULT_OK)
	{
		const char *content;
		size_t		length;
		uint8_t    *sealed;

		transfer->sequence = ++debit->sequence;
		content = transfer_content(transfer, work->arena);
		length = strlen(content);
		sealed = arena_alloc(work->arena, SEAL_LENGTH + length);
		memcpy(sealed, debit->seal, SEAL_LENGTH);
		memcpy(sealed + SEAL_LENGTH, content, length);
		context->digest->digest(context->digest, sealed, SEAL_LENGTH + length, transfer->seal);
		memcpy(debit->seal, transfer->seal, SEAL_LENGTH);
	}
	unit_of_work_add(work, &context->transfers->repository, &transfer->aggregate);
}

/* ---------------------------------------------------------------- outflows */

/* What leaves, of one account or of all; *outflow is NULL where nothing ever was to. */
static Result
books_outflow(const Accounting *context, UnitOfWork *work, Uuid id, Outflow **outflow)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, context->outflows, id, &found));
	*outflow = (Outflow *) found;
	return OK;
}

static Result
count_outflow_of(const Accounting *context, UnitOfWork *work, Uuid id, const Transfer *row, const Transfer *pending)
{
	Outflow    *outflow;

	TRY(books_outflow(context, work, id, &outflow));
	if (outflow == NULL)
	{
		outflow = ARENA_NEW(work->arena, Outflow);
		outflow_open(outflow, id, clock_now(work));
		unit_of_work_add(work, context->outflows, &outflow->aggregate);
	}
	return outflow_follow(outflow, row, pending);
}

/* Counts a row that was written; pending: what it ends, or NULL. */
static Result
count_outflow(const Accounting *context, UnitOfWork *work, const Transfer *row, const Transfer *pending,
			  const LedgerAccount *credit)
{
	if (!outflow_concerns(row, credit))
		return OK;
	TRY(count_outflow_of(context, work, row->debit_account_id, row, pending));
	return count_outflow_of(context, work, all_accounts_id, row, pending);
}

/* One of the two limits, with what is asked on top; zero: there is none. */
static Result
check_limit(const Accounting *context, UnitOfWork *work, const Transfer *asked, Uuid id, Amount limit)
{
	Outflow    *outflow;
	Amount		sum = AMOUNT_ZERO;

	if (limit.msat == 0)
		return OK;
	TRY(books_outflow(context, work, id, &outflow));
	if (outflow != NULL)
		TRY(outflow_of_day(outflow, clock_now(work), &sum));
	if (!amount_add(sum, asked->amount, &sum) || amount_compare(sum, limit) > 0)
		return FAIL(LIMIT_EXCEEDED);
	return OK;
}

static Result
check_limits(const Accounting *context, UnitOfWork *work, const Transfer *asked)
{
	WithdrawalLimits limits = context->limits();

	TRY(check_limit(context, work, asked, asked->debit_account_id, limits.of_account));
	return check_limit(context, work, asked, all_accounts_id, limits.of_all);
}

static Result
order(const Accounting *context, UnitOfWork *work, Transfer *asked, LedgerAccountClass credit_class,
	  bool is_limited, Transfer **decided)
{
	LedgerAccount *debit;
	LedgerAccount *credit;
	LedgerAccount debit_before;
	LedgerAccount credit_before;
	Transfer   *first;

	*decided = asked;
	TRY(books_account(context, work, asked->debit_account_id, &debit));
	TRY(books_decided(context, work, asked->debit_account_id, asked->purpose, asked->key, &first));
	if (first != NULL)
	{
		asked->refusal = transfer_is_same(first, asked).code;
		if (asked->refusal == RESULT_OK)
			*decided = first;
		return OK;
	}
	asked->refusal = transfer_is_well_formed(asked).code;
	if (asked->refusal != RESULT_OK)
		return OK;				/* no state can change that: nothing to remember */
	TRY(books_account_or_new(context, work, asked->credit_account_id, credit_class, &credit));
	if (debit != NULL)
		debit_before = *debit;
	credit_before = *credit;
	asked->refusal = transfer_execute(asked, debit, credit).code;
	if (asked->refusal == RESULT_OK && is_limited)
	{
		asked->refusal = check_limits(context, work, asked).code;
		if (asked->refusal != RESULT_OK)
		{
			/* Nothing has moved. */
			*debit = debit_before;
			*credit = credit_before;
		}
	}
	if (asked->refusal == RESULT_OK)
		books_keep(context, work, credit);
	books_write(context, work, asked, debit);
	return asked->refusal == RESULT_OK ? count_outflow(context, work, asked, NULL, credit) : OK;
}

Result
books_order(const Accounting *context, UnitOfWork *work, Transfer *asked,
			LedgerAccountClass credit_class, Transfer **decided)
{
	return order(context, work, asked, credit_class, false, decided);
}

Result
books_order_withdrawal(const Accounting *context, UnitOfWork *work, Transfer *asked, Transfer **decided)
{
	return order(context, work, asked, LEDGER_NODE, true, decided);
}

Result
books_fact(const Accounting *context, UnitOfWork *work, Transfer *fact,
		   LedgerAccountClass debit_class, LedgerAccountClass credit_class)
{
	LedgerAccount *debit;
	LedgerAccount *credit;

	TRY(transfer_is_well_formed(fact));
	TRY(books_account_or_new(context, work, fact->debit_account_id, debit_class, &debit));
	TRY(books_account_or_new(context, work, fact->credit_account_id, credit_class, &credit));
	TRY(transfer_book(fact, debit, credit));
	books_keep(context, work, debit);
	books_keep(context, work, credit);
	books_write(context, work, fact, debit);
	return count_outflow(context, work, fact, NULL, credit);
}

Result
books_end_pending(const Accounting *context, UnitOfWork *work, Transfer *end,
				  const Transfer *pending, const Transfer *ended_by)
{
	LedgerAccount *debit;
	LedgerAccount *credit;

	TRY(books_account(context, work, pending->debit_account_id, &debit));
	TRY(books_account(context, work, pending->credit_account_id, &credit));
	TRY(transfer_end(end, pending, ended_by, clock_now(work), debit, credit));
	books_write(context, work, end, debit);
	return count_outflow(context, work, end, pending, credit);
}
