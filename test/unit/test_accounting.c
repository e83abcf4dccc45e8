/*
 * test_accounting.c
 *		Accounts, deposits, donations and pending transfers.
 */
#include "accounting_stage.h"

/* ---------------------------------------------------- accounts and deposits */

static void
S7_signed_up_opens_one_account_also_after_a_credit(void **state)
{
	Books	   *books = books_with(5000, 0);

	for (int i = 0; i < 2; i++)
	{
		SEND(books, auth_signed_up, ALICE, .account_id = ALICE, .username = "alice");
		SEND(books, auth_signed_up, BOB, .account_id = BOB, .username = "bob");
	}
	assert_int_equal(books_balance(books, ALICE), 5000);
	assert_int_equal(books_account_of(books, BOB)->class, LEDGER_USER);
	assert_true(books_account_of(books, BOB)->strict);
	assert_int_equal(books->accounts.inserts, 3);
	assert_int_equal(books->world.outbox.count, 1);
	books_free(books);
}

static void
S14_one_payment_hash_is_credited_once(void **state)
{
	Books	   *books = books_with(5000, 0);

	assert_int_equal(LAST(books, accounting_deposit_succeeded)->amount_msat.msat, 5000);
	for (int i = 0; i < 3; i++)
		assert_ok(books_handle(books, books_deposit(books, ALICE, "hash of alice", 5000)));
	assert_int_equal(EMITTED(books, accounting_deposit_succeeded), 1);
	assert_int_equal(books_balance(books, ALICE), 5000);
	assert_int_equal(books_balance(books, NODE), -5000);
	assert_int_equal(books_account_of(books, NODE)->class, LEDGER_NODE);

	/* A contradiction is no deposit, and not silent either. */
	assert_refused(books_handle(books, books_deposit(books, ALICE, "hash of alice", 6000)), IDEMPOTENCY_MISMATCH);
	assert_refused(books_handle(books, books_deposit(books, BOB, "hash of alice", 5000)), IDEMPOTENCY_MISMATCH);
	assert_refused(books_handle(books, books_deposit(books, ALICE, "other hash", 0)), INVALID_ARGUMENT);
	assert_refused(books_handle(books, books_deposit(books, ALICE, "other hash", -1)), INVALID_ARGUMENT);
	assert_int_equal(books_balance(books, ALICE), 5000);
	assert_books_balance(books);
	books_free(books);
}

static void
BK11_a_closed_account_takes_no_deposit_but_the_books_do(void **state)
{
	Books	   *books = books_with(5000, 0);

	((LedgerAccount *) books->accounts.rows->aggregate)->closed = true;
	for (InMemoryRow *row = books->accounts.rows; row != NULL; row = row->next)
		((LedgerAccount *) row->aggregate)->closed = uuid_equal(row->aggregate->id, ALICE);
	assert_ok(books_handle(books, books_deposit(books, ALICE, "later", 70)));
	assert_ok(books_handle(books, books_deposit(books, ALICE, "later", 70)));
	assert_int_equal(books_balance(books, suspense_account_id), 70);
	assert_int_equal(EMITTED(books, accounting_deposit_succeeded), 1);
	assert_books_balance(books);
	books_free(books);
}

/* --------------------------------------------------------------- donations */

static void
S18_a_donation_moves_from_donor_to_owner(void **state)
{
	Books	   *books = books_with(5000, 0);
	const accounting_transfer_succeeded *event;

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 2000, false)));
	event = LAST(books, accounting_transfer_succeeded);
	assert_int_equal(event->amount_msat.msat, 2000);
	assert_false(event->pending);
	assert_true(uuid_equal(event->campaign_id, CAMPAIGN));
	assert_int_equal(event->created_at.microseconds, event->posted_at.microseconds);
	assert_true(uuid_equal(world_emitted(&books->world, &accounting_transfer_succeeded_type)->aggregate_id, id_of(700)));
	assert_int_equal(books_balance(books, ALICE), 3000);
	assert_int_equal(books_balance(books, BOB), 2000);	/* BK21: the credit has opened it */
	assert_books_balance(books);
	books_free(books);
}

static void
S19_a_donation_repeated_is_answered_again_and_moves_nothing(void **state)
{
	Books	   *books = books_with(5000, 0);
	Uuid		transfer_id;

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 2000, false)));
	transfer_id = LAST(books, accounting_transfer_succeeded)->transfer_id;
	world_wait(&books->world, 60);
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 2000, false)));
	assert_int_equal(EMITTED(books, accounting_transfer_succeeded), 2);
	assert_true(uuid_equal(LAST(books, accounting_transfer_succeeded)->transfer_id, transfer_id));
	assert_true(instant_before(LAST(books, accounting_transfer_succeeded)->posted_at, books->world.clock.now));
	assert_int_equal(books_balance(books, BOB), 2000);
	books_free(books);
}

static void
S20_D1_one_key_for_several_owners_lands_once(void **state)
{
	Books	   *books = books_with(5000, 0);
	const int64_t before = books_balance(books, NODE);

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 2000, false)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, CAROL, "key", 2000, false)));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "idempotency_mismatch");
	assert_true(uuid_equal(LAST(books, accounting_transfer_rejected)->to_account_id, CAROL));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 2001, false)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 2000, true)));
	assert_int_equal(EMITTED(books, accounting_transfer_rejected), 3);
	assert_int_equal(EMITTED(books, accounting_transfer_succeeded), 1);
	assert_int_equal(books_balance(books, ALICE) + books_balance(books, BOB), 5000);
	assert_null(books_account_of(books, CAROL));
	assert_int_equal(books_balance(books, NODE), before);
	assert_books_balance(books);
	books_free(books);
}

static void
S21_D2_two_donors_with_one_key_both_count(void **state)
{
	Books	   *books = books_with(5000, 5000);

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, CAROL, "key", 100, false)));
	assert_ok(books_handle(books, books_transfer(books, "donation", BOB, CAROL, "key", 100, false)));
	assert_int_equal(books_balance(books, CAROL), 200);
	assert_int_equal(books_balance(books, ALICE) + books_balance(books, BOB), 9800);
	assert_books_balance(books);
	books_free(books);
}

static void
S22_D3_keys_of_other_purposes_never_meet(void **state)
{
	Books	   *books = books_with(5000, 0);
	char		key[UUID_TEXT_LENGTH + 1];

	uuid_format(INVOICE, key);
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "hash of alice", 100, false)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, key, 100, false)));
	assert_int_equal(books_balance(books, BOB), 200);
	assert_ok(books_handle(books, books_withdraw(books, ALICE, INVOICE, 1000, 10)));
	assert_int_equal(EMITTED(books, accounting_withdraw_accepted), 1);
	assert_ok(books_handle(books, books_deposit(books, ALICE, "hash of alice", 5000)));
	assert_int_equal(books_balance(books, ALICE), 4800);

	/* What was donated under a payment's key pays for no withdrawal. */
	assert_ok(books_handle(books, books_withdraw(books, CAROL, id_of(501), 5000, 0)));
	assert_string_equal(LAST(books, accounting_withdraw_rejected)->reason, "account_unknown");
	assert_books_balance(books);
	books_free(books);
}

static void
S25_a_donation_over_the_balance_is_rejected_and_stays_so(void **state)
{
	Books	   *books = books_with(5000, 0);
	LedgerAccount *before = books_account_of(books, ALICE);

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 5001, false)));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "insufficient_funds");
	assert_memory_equal(before, books_account_of(books, ALICE), sizeof(LedgerAccount));
	assert_null(books_account_of(books, BOB));

	/* BK6: a late retry does not succeed unseen; other content says so. */
	assert_ok(books_handle(books, books_deposit(books, ALICE, "more", 9000)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 5001, false)));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "insufficient_funds");
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 5002, false)));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "idempotency_mismatch");
	assert_int_equal(books_balance(books, ALICE), 14000);
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "new key", 5001, false)));
	assert_int_equal(books_balance(books, BOB), 5001);
	assert_books_balance(books);
	books_free(books);
}

static void
BK21_a_debit_of_an_unknown_account_is_rejected(void **state)
{
	Books	   *books = books_new();

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 1, false)));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "account_unknown");
	assert_int_equal(books->accounts.inserts, 0);
	assert_ok(books_handle(books, books_deposit(books, ALICE, "hash", 1)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 1, false)));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "account_unknown");
	books_free(books);
}

static void
D4_D23_malformed_requests_are_answered_and_not_remembered(void **state)
{
	Books	   *books = books_with(5000, 0);

	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, ALICE, "key", 1, false)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 0, false)));
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", -120, false)));
	assert_ok(books_handle(books, books_transfer(books, "deposit", NODE, BOB, "key", 10, false)));
	assert_ok(books_handle(books, books_transfer(books, "post", ALICE, BOB, "key", 10, false)));
	assert_ok(books_handle(books, books_transfer(books, "bribe", ALICE, BOB, "key", 10, false)));
	assert_int_equal(EMITTED(books, accounting_transfer_rejected), 6);
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "invalid_argument");
	assert_int_equal(books->rows.inserts, 1);
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "key", 10, false)));
	assert_int_equal(books_balance(books, BOB), 10);
	books_free(books);
}

static void
S28_D20_a_batch_writes_each_account_once(void **state)
{
	Books	   *books = books_with(100, 0);
	Message    *batch = ARENA_ARRAY(books->world.arena, Message, 102);
	size_t		loads = books->accounts.loads;
	size_t		updates = books->accounts.updates;

	for (int i = 0; i < 101; i++)
		batch[i] = books_transfer(books, "donation", ALICE, BOB, arena_printf(books->world.arena, "key %d", i), 1, false);
	batch[101] = books_transfer(books, "donation", ALICE, BOB, "key 7", 1, false);
	assert_ok(books_handle_batch(books, batch, 102));
	assert_int_equal(EMITTED(books, accounting_transfer_succeeded), 101);	/* 100 and a replay inside the batch */
	assert_int_equal(EMITTED(books, accounting_transfer_rejected), 1);
	assert_int_equal(books_balance(books, ALICE), 0);
	assert_int_equal(books_balance(books, BOB), 100);
	assert_int_equal(books->accounts.updates - updates, 1);
	assert_int_equal(books->accounts.loads - loads, 1);	/* the owner who was not there yet is looked for in it, too */
	assert_books_balance(books);
	books_free(books);
}

/* -------------------------------------------------------- pending transfers */

static void
S47_reserve_post_and_void_take_effect_once(void **state)
{
	Books	   *books = books_with(5000, 0);

	for (int i = 0; i < 2; i++)
	{
		assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "one", 1000, true)));
		assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "two", 2000, true)));
	}
	assert_int_equal(EMITTED(books, accounting_transfer_reserved), 4);
	assert_int_equal(books_available(books, ALICE), 2000);
	assert_int_equal(books_available(books, BOB), 0);
	assert_int_equal(books_account_of(books, BOB)->credits_pending.msat, 3000);
	world_wait(&books->world, 5);
	for (int i = 0; i < 2; i++)
	{
		assert_ok(books_handle(books, books_post(books, ALICE, "one")));
		assert_ok(books_handle(books, books_void(books, ALICE, "two")));
	}
	assert_int_equal(EMITTED(books, accounting_transfer_succeeded), 1);
	assert_int_equal(EMITTED(books, accounting_transfer_voided), 1);
	assert_true(LAST(books, accounting_transfer_succeeded)->pending);
	assert_true(instant_before(LAST(books, accounting_transfer_succeeded)->created_at,
							   LAST(books, accounting_transfer_succeeded)->posted_at));
	assert_string_equal(LAST(books, accounting_transfer_voided)->reason, "campaign_failed");
	assert_int_equal(books_available(books, ALICE), 4000);
	assert_int_equal(books_available(books, BOB), 1000);

	/* The other end is told that it is too late; nothing moves. */
	assert_ok(books_handle(books, books_void(books, ALICE, "one")));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "pending_resolved");
	assert_ok(books_handle(books, books_post(books, ALICE, "two")));
	assert_int_equal(EMITTED(books, accounting_transfer_rejected), 2);
	assert_ok(books_handle(books, books_post(books, ALICE, "three")));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "not_found");
	assert_ok(books_handle(books, books_transfer(books, "donation", ALICE, BOB, "direct", 1, false)));
	assert_ok(books_handle(books, books_void(books, ALICE, "direct")));
	assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "pending_resolved");
	assert_int_equal(books_available(books, ALICE), 3999);
	assert_books_balance(books);
	books_free(books);
}

static void
BK8_an_expired_reserve_is_given_back_and_its_post_rejected(void **state)
{
	Books	   *books = books_with(5000, 0);
	Instant		deadline = instant_plus_seconds(books->world.clock.now, 100);

	SEND(books, accounting_request_transfer, id_of(700), .idempotency_key = "key", .from_account_id = ALICE,
		 .to_account_id = BOB, .amount_msat = AMOUNT_MSAT(1000), .purpose = "donation", .pending = true,
		 .expires_at = deadline);
	world_wait(&books->world, 100);
	for (int i = 0; i < 2; i++)
	{
		assert_ok(books_handle(books, books_post(books, ALICE, "key")));
		assert_string_equal(LAST(books, accounting_transfer_rejected)->reason, "pending_expired");
	}
	assert_int_equal(EMITTED(books, accounting_transfer_voided), 1);
	assert_int_equal(books_available(books, ALICE), 5000);
	assert_books_balance(books);
	books_free(books);
}

static void
BK7_a_batch_may_hold_a_reserve_and_its_post(void **state)
{
	Books	   *books = books_with(5000, 0);
	Message		batch[] = {
		books_transfer(books, "donation", ALICE, BOB, "key", 1000, true),
		books_post(books, ALICE, "key"),
		books_post(books, ALICE, "key"),
		books_transfer(books, "donation", BOB, CAROL, "key", 1000, false),
	};

	assert_ok(books_handle_batch(books, batch, 4));
	assert_int_equal(books_balance(books, CAROL), 1000);
	assert_int_equal(EMITTED(books, accounting_transfer_succeeded), 2);
	assert_books_balance(books);
	books_free(books);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S7_signed_up_opens_one_account_also_after_a_credit),
		cmocka_unit_test(S14_one_payment_hash_is_credited_once),
		cmocka_unit_test(BK11_a_closed_account_takes_no_deposit_but_the_books_do),
		cmocka_unit_test(S18_a_donation_moves_from_donor_to_owner),
		cmocka_unit_test(S19_a_donation_repeated_is_answered_again_and_moves_nothing),
		cmocka_unit_test(S20_D1_one_key_for_several_owners_lands_once),
		cmocka_unit_test(S21_D2_two_donors_with_one_key_both_count),
		cmocka_unit_test(S22_D3_keys_of_other_purposes_never_meet),
		cmocka_unit_test(S25_a_donation_over_the_balance_is_rejected_and_stays_so),
		cmocka_unit_test(BK21_a_debit_of_an_unknown_account_is_rejected),
		cmocka_unit_test(D4_D23_malformed_requests_are_answered_and_not_remembered),
		cmocka_unit_test(S28_D20_a_batch_writes_each_account_once),
		cmocka_unit_test(S47_reserve_post_and_void_take_effect_once),
		cmocka_unit_test(BK8_an_expired_reserve_is_given_back_and_its_post_rejected),
		cmocka_unit_test(BK7_a_batch_may_hold_a_reserve_and_its_post),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
