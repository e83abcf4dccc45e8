/*
 * books.c
 *		How the handlers of accounting read and write the books.
 */
#include "accounting/books.h"

#include <string.h>

#define WINDOW_SECONDS INT64_C(86400)	/* of the limits of withdrawals */

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

/* What left, or may leave, in the 24 hours before now; with what this unit has added. */
static Result
books_withdrawn(const Accounting *context, UnitOfWork *work, Uuid account_id, Uuid node_account_id, Amount *sum)
{
	Instant		since = instant_plus_seconds(clock_now(work), -WINDOW_SECONDS);

	TRY(context->transfers->sum_withdrawn(context->transfers, work->arena, account_id, node_account_id, since, sum));
	for (Tracked *tracked = work->tracked; tracked != NULL; tracked = tracked->next)
	{
		const Transfer *added = (Transfer *) tracked->aggregate;

		if (added->aggregate.type == &transfer_type && tracked->image == NULL && added->refusal == RESULT_OK &&
			added->purpose == PURPOSE_WITHDRAWAL && added->form == TRANSFER_PENDING &&
			uuid_equal(added->credit_account_id, node_account_id) &&
			(uuid_is_nil(account_id) || uuid_equal(added->debit_account_id, account_id)) &&
			!amount_add(*sum, added->amount, sum))
			return FAIL(LIMIT_EXCEEDED);
	}
	return OK;
}

/* One of the two limits, with what is asked on top; zero: there is none. */
static Result
check_limit(const Accounting *context, UnitOfWork *work, const Transfer *asked, Uuid account_id, Amount limit)
{
	Amount		sum;

	if (limit.msat == 0)
		return OK;
	TRY(books_withdrawn(context, work, account_id, asked->credit_account_id, &sum));
	if (!amount_add(sum, asked->amount, &sum) || amount_compare(sum, limit) > 0)
		return FAIL(LIMIT_EXCEEDED);
	return OK;
}

static Result
check_limits(const Accounting *context, UnitOfWork *work, const Transfer *asked)
{
	WithdrawalLimits limits = context->limits();

	TRY(check_limit(context, work, asked, asked->debit_account_id, limits.of_account));
	return check_limit(context, work, asked, UUID_NIL, limits.of_all);
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
	return OK;
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
	return OK;
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
	return OK;
}
