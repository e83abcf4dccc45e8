/*
 * accounting_stage.c
 *		Accounting with ports in memory.
 */
#include "accounting_stage.h"

static bool
same_name(const Aggregate *stored, const Aggregate *inserted)
{
	const Transfer *a = (const Transfer *) stored;
	const Transfer *b = (const Transfer *) inserted;

	return (a->purpose == b->purpose && uuid_equal(a->debit_account_id, b->debit_account_id) &&
			strcmp(a->key, b->key) == 0) ||
		(!uuid_is_nil(a->pending_id) && uuid_equal(a->pending_id, b->pending_id));
}

static Result
find_transfer(const TransferRepository *self, Arena *arena, Uuid debit_account_id,
			  TransferPurpose purpose, const char *key, Transfer **found)
{
	const InMemoryRepository *rows = ((const TransferRows *) self)->rows;

	*found = NULL;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Transfer   *stored = (Transfer *) row->aggregate;

		if (stored->purpose == purpose && uuid_equal(stored->debit_account_id, debit_account_id) &&
			strcmp(stored->key, key) == 0)
			*found = (Transfer *) in_memory_copy(rows, row->aggregate);
	}
	return OK;
}

static Result
books_find_end(const TransferRepository *self, Arena *arena, Uuid pending_id, Transfer **found)
{
	const InMemoryRepository *rows = ((const TransferRows *) self)->rows;

	*found = NULL;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
		if (uuid_equal(((Transfer *) row->aggregate)->pending_id, pending_id))
			*found = (Transfer *) in_memory_copy(rows, row->aggregate);
	return OK;
}

static WithdrawalLimits limits;

static WithdrawalLimits
limits_now(void)
{
	return limits;
}

void
books_limit(int64_t of_account, int64_t of_all)
{
	limits = (WithdrawalLimits) {AMOUNT_MSAT(of_account), AMOUNT_MSAT(of_all)};
}

static Result
pass_insert(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	const InMemoryRepository *rows = ((const TransferRows *) self)->rows;

	return rows->repository.insert(&rows->repository, work, aggregate);
}

void
books_weak_digest(const SealDigest *self, const void *data, size_t length, uint8_t digest[SEAL_LENGTH])
{
	uint64_t	hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const uint8_t *) data)[i]) * UINT64_C(1099511628211);
	memset(digest, 0, SEAL_LENGTH);
	memcpy(digest, &hash, sizeof(hash));
}

Books *
books_new(void)
{
	Books	   *books = test_calloc(1, sizeof(Books));

	world_init(&books->world);
	books->accounts = in_memory_repository(&books->world, &ledger_account_type);
	books->outflows = in_memory_repository(&books->world, &outflow_type);
	books->rows = in_memory_repository(&books->world, &transfer_type);
	books->rows.same_key = same_name;
	books->transfers.port.repository = books->rows.repository;
	books->transfers.port.repository.insert = pass_insert;
	books->transfers.port.find = find_transfer;
	books->transfers.port.find_end = books_find_end;
	books_limit(0, 0);
	books->transfers.rows = &books->rows;
	books->digest.digest = books_weak_digest;
	books->context = (Accounting) {&books->accounts.repository, &books->outflows.repository, &books->transfers.port,
	&books->digest, limits_now};
	books->consumer = (Consumer) ACCOUNTING_CONSUMER(&books->context);
	return books;
}

void
books_free(Books *books)
{
	world_destroy(&books->world);
	test_free(books);
}

Result
books_handle_batch(Books *books, Message *messages, size_t count)
{
	UnitOfWork *work = world_work(&books->world, NULL);
	Touched		touched = {.arena = books->world.arena};

	for (size_t i = 0; i < count; i++)
		consumer_subscription(&books->consumer, messages[i].type_name)->touches(&books->context, &messages[i], &touched);
	TRY(touched_find(&touched, work));
	for (size_t i = 0; i < count; i++)
	{
		work->cause = &messages[i];
		TRY(consumer_handle(&books->consumer, work, &messages[i]));
	}
	return unit_of_work_complete(work);
}

Result
books_handle(Books *books, Message message)
{
	return books_handle_batch(books, &message, 1);
}

LedgerAccount *
books_account_of(Books *books, Uuid id)
{
	return (LedgerAccount *) in_memory_stored(&books->accounts, id);
}

int64_t
books_available(Books *books, Uuid id)
{
	LedgerAccount *account = books_account_of(books, id);

	return account == NULL ? 0 : ledger_account_available(account).msat;
}

int64_t
books_balance(Books *books, Uuid id)
{
	LedgerAccount *account = books_account_of(books, id);

	return account == NULL ? 0 : ledger_account_balance(account).msat;
}

Message
books_deposit(Books *books, Uuid account, const char *hash, int64_t msat)
{
	return MESSAGE_OF(&books->world, accounting_deposit, INVOICE, .account_id = account,
					  .idempotency_key = hash, .amount_msat = AMOUNT_MSAT(msat),
					  .node_account_id = NODE, .invoice_id = INVOICE);
}

Message
books_transfer(Books *books, const char *purpose, Uuid from, Uuid to, const char *key, int64_t msat, bool pending)
{
	return MESSAGE_OF(&books->world, accounting_request_transfer, id_of(700), .idempotency_key = key,
					  .from_account_id = from, .to_account_id = to, .amount_msat = AMOUNT_MSAT(msat),
					  .purpose = purpose, .pending = pending, .campaign_id = CAMPAIGN);
}

Message
books_post(Books *books, Uuid from, const char *key)
{
	return MESSAGE_OF(&books->world, accounting_post_transfer, id_of(700),
					  .from_account_id = from, .idempotency_key = key, .purpose = "donation");
}

Message
books_void(Books *books, Uuid from, const char *key)
{
	return MESSAGE_OF(&books->world, accounting_void_transfer, id_of(700),
					  .from_account_id = from, .idempotency_key = key, .purpose = "donation", .reason = "campaign_failed");
}

Message
books_withdraw(Books *books, Uuid account, Uuid invoice, int64_t msat, int64_t max_fee)
{
	char		key[UUID_TEXT_LENGTH + 1];

	uuid_format(invoice, key);
	return MESSAGE_OF(&books->world, accounting_request_withdraw, invoice, .account_id = account,
					  .idempotency_key = key, .amount_msat = AMOUNT_MSAT(msat),
					  .max_fee_msat = AMOUNT_MSAT(max_fee), .node_account_id = NODE, .invoice_id = invoice);
}

Message
books_paid(Books *books, Uuid account, Uuid invoice, int64_t msat, int64_t fee, int64_t max_fee)
{
	return MESSAGE_OF(&books->world, bitcoin_payment_succeeded, invoice, .invoice_id = invoice,
					  .account_id = account, .payment_hash = "hash", .amount_msat = AMOUNT_MSAT(msat),
					  .fee_msat = AMOUNT_MSAT(fee), .max_fee_msat = AMOUNT_MSAT(max_fee), .node_account_id = NODE);
}

Message
books_failed(Books *books, Uuid account, Uuid invoice, int64_t msat, int64_t max_fee)
{
	return MESSAGE_OF(&books->world, bitcoin_payment_failed, invoice, .invoice_id = invoice,
					  .account_id = account, .payment_hash = "hash", .amount_msat = AMOUNT_MSAT(msat),
					  .max_fee_msat = AMOUNT_MSAT(max_fee), .node_account_id = NODE, .reason = "payment_refused");
}

Books *
books_with(int64_t alice_msat, int64_t bob_msat)
{
	Books	   *books = books_new();

	if (alice_msat > 0)
		assert_ok(books_handle(books, books_deposit(books, ALICE, "hash of alice", alice_msat)));
	if (bob_msat > 0)
		assert_ok(books_handle(books, books_deposit(books, BOB, "hash of bob", bob_msat)));
	return books;
}

/* What the rows say of an outflow: reserved, and gone in the hour that began then. */
static void
sum_outflow(Books *books, Uuid id, Instant hour, Wide *reserved, Wide *gone)
{
	*reserved = *gone = 0;
	for (InMemoryRow *row = books->rows.rows; row != NULL; row = row->next)
	{
		const Transfer *transfer = (Transfer *) row->aggregate;
		LedgerAccount *credit = books_account_of(books, transfer->credit_account_id);
		Transfer   *end;

		if (transfer->refusal != RESULT_OK || credit->class != LEDGER_NODE ||
			(!uuid_equal(id, all_accounts_id) && !uuid_equal(id, transfer->debit_account_id)))
			continue;
		assert_ok(books_find_end(&books->transfers.port, books->world.arena, transfer->aggregate.id, &end));
		if (transfer->form == TRANSFER_PENDING && end == NULL)
			*reserved += transfer->amount.msat;
		else if ((transfer->form == TRANSFER_POST || transfer->form == TRANSFER_DIRECT) &&
				 transfer->purpose != PURPOSE_RECEIVE_FEE && !instant_before(transfer->created_at, hour) &&
				 instant_before(transfer->created_at, instant_plus_seconds(hour, 3600)))
			*gone += transfer->amount.msat;
	}
}

static void
assert_outflows_balance(Books *books)
{
	for (InMemoryRow *row = books->outflows.rows; row != NULL; row = row->next)
	{
		const Outflow *outflow = (Outflow *) row->aggregate;
		Wide		reserved;
		Wide		gone;

		for (int64_t i = 0; i < OUTFLOW_HOURS; i++)
		{
			sum_outflow(books, outflow->aggregate.id, instant_plus_seconds(outflow->hour, -3600 * i), &reserved, &gone);
			assert_true(outflow->gone[i].msat == gone);
			assert_true(outflow->reserved.msat == reserved);
		}
	}
}

void
assert_books_balance(Books *books)
{
	Wide		posted = 0;
	Wide		pending = 0;

	for (InMemoryRow *row = books->accounts.rows; row != NULL; row = row->next)
	{
		const LedgerAccount *account = (LedgerAccount *) row->aggregate;
		Wide		expected[4] = {0};
		int64_t		debits = 0;

		for (InMemoryRow *other = books->rows.rows; other != NULL; other = other->next)
		{
			const Transfer *transfer = (Transfer *) other->aggregate;
			bool		debited = uuid_equal(transfer->debit_account_id, account->aggregate.id);
			Transfer   *end;

			if (transfer->refusal != RESULT_OK || (!debited && !uuid_equal(transfer->credit_account_id, account->aggregate.id)))
				continue;
			debits += debited;
			assert_ok(books_find_end(&books->transfers.port, books->world.arena, transfer->aggregate.id, &end));
			if (transfer->form == TRANSFER_DIRECT || transfer->form == TRANSFER_POST)
				expected[debited ? 0 : 1] += transfer->amount.msat;
			else if (transfer->form == TRANSFER_PENDING && end == NULL)
				expected[debited ? 2 : 3] += transfer->amount.msat;
			if (end != NULL)
				assert_true(end->amount.msat <= transfer->amount.msat);
		}
		assert_true(account->debits_posted.msat == expected[0]);
		assert_true(account->credits_posted.msat == expected[1]);
		assert_true(account->debits_pending.msat == expected[2]);
		assert_true(account->credits_pending.msat == expected[3]);
		assert_int_equal(account->sequence, debits);
		if (account->strict)
			assert_true(ledger_account_available(account).msat >= 0);
		posted += (Wide) account->debits_posted.msat - account->credits_posted.msat;
		pending += (Wide) account->debits_pending.msat - account->credits_pending.msat;
	}
	assert_true(posted == 0);
	assert_true(pending == 0);
	assert_outflows_balance(books);
}

uint64_t
books_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
