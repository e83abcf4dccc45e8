/*
 * test_ledger_histories.c
 *		Whole histories: what must hold whatever came before.
 */
#include "accounting_stage.h"

/* ----------------------------------------------------------- whole histories */

static Message
random_message(Books *books, uint64_t *random)
{
	Uuid		people[] = {ALICE, BOB, CAROL, id_of(4)};
	Uuid		one = people[books_random(random) % 4];
	Uuid		other = people[books_random(random) % 4];
	Uuid		invoice = id_of(500 + books_random(random) % 8);
	int64_t		msat = 1 + (int64_t) (books_random(random) % 40);
	const char *key = arena_printf(books->world.arena, "%d", (int) (books_random(random) % 10));
	Uuid		owner = people[invoice.bytes[15] % 4];

	switch (books_random(random) % 8)
	{
		case 0:
			return MESSAGE_OF(&books->world, auth_signed_up, one, .account_id = one, .username = "x");
		case 1:
			return books_deposit(books, people[key[0] % 4], arena_printf(books->world.arena, "hash %s", key), 10 * key[0]);
		case 2:
			return books_transfer(books, "donation", one, other, key, msat, msat % 2 == 0);
		case 3:
			return books_post(books, one, key);
		case 4:
			return books_void(books, one, key);
		case 5:
			return books_withdraw(books, owner, invoice, msat, msat % 3);
		case 6:
			return books_paid(books, owner, invoice, 20, msat % 5 - 1, 2);
		default:
			return books_failed(books, owner, invoice, 20, 2);
	}
}

/*
 * The same messages, one by one and in batches, each some times over: the books
 * balance after each step, and both histories agree (I7, S47).
 */
static void
S47_I2_random_histories_balance_alone_and_in_batches(void **state)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
	{
		Books	   *books = books_new();
		Books	   *batched = books_new();
		uint64_t	random = seed * UINT64_C(0x9E3779B97F4A7C15);

		for (int step = 0; step < 40; step++)
		{
			Message		batch[6];
			size_t		count = 0;

			while (count < 6)
			{
				Message		message = random_message(books, &random);
				Message		again = message;

				if (failed(books_handle(books, message)))
					continue;	/* contradicts the books: a dead letter, which changes nothing */
				batch[count++] = message;
				if (books_random(&random) % 4 == 0)
				{
					size_t		rows = books->rows.inserts;

					(void) books_handle(books, again);
					assert_int_equal(books->rows.inserts, rows);
				}
			}
			assert_books_balance(books);
			assert_ok(books_handle_batch(batched, batch, 6));
			assert_books_balance(batched);
		}
		for (InMemoryRow *row = books->accounts.rows; row != NULL; row = row->next)
		{
			LedgerAccount *account = (LedgerAccount *) row->aggregate;
			LedgerAccount *same = books_account_of(batched, account->aggregate.id);

			assert_int_equal(account->credits_posted.msat, same->credits_posted.msat);
			assert_int_equal(account->debits_posted.msat, same->debits_posted.msat);
			assert_int_equal(account->debits_pending.msat, same->debits_pending.msat);
			assert_int_equal(account->sequence, same->sequence);
		}
		books_free(books);
		books_free(batched);
	}
}

static void
I9_each_row_is_sealed_onto_the_one_before(void **state)
{
	Books	   *books = books_with(5000, 0);
	uint8_t		seal[SEAL_LENGTH] = {0};

	for (int i = 0; i < 5; i++)
		assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB,
											arena_printf(books->world.arena, "%d", i), 10, i % 2 == 0)));
	assert_ok(books_handle(books, books_void(books, ALICE, "2")));
	for (int64_t sequence = 1; sequence <= 6; sequence++)
	{
		const Transfer *transfer = NULL;
		uint8_t		sealed[2048];
		const char *content;

		for (InMemoryRow *row = books->rows.rows; row != NULL; row = row->next)
			if (uuid_equal(((Transfer *) row->aggregate)->debit_account_id, ALICE) &&
				((Transfer *) row->aggregate)->sequence == sequence)
				transfer = (Transfer *) row->aggregate;
		assert_non_null(transfer);
		content = transfer_content(transfer, books->world.arena);
		memcpy(sealed, seal, SEAL_LENGTH);
		memcpy(sealed + SEAL_LENGTH, content, strlen(content));
		books_weak_digest(&books->digest, sealed, SEAL_LENGTH + strlen(content), seal);
		assert_memory_equal(seal, transfer->seal, SEAL_LENGTH);
	}
	assert_memory_equal(seal, books_account_of(books, ALICE)->seal, SEAL_LENGTH);
	books_free(books);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S47_I2_random_histories_balance_alone_and_in_batches),
		cmocka_unit_test(I9_each_row_is_sealed_onto_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
