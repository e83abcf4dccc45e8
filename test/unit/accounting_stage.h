/*
 * accounting_stage.h
 *		Accounting with ports in memory: messages in, books and answers out.
 *
 * Messages are handled as the dispatcher handles them: what a batch touches is
 * locked together, and each account is written once.
 */
#ifndef SPARK_TEST_ACCOUNTING_STAGE_H
#define SPARK_TEST_ACCOUNTING_STAGE_H

#include "in_memory.h"

#include "accounting/handlers.h"
#include "accounting/messages.h"
#include "auth/messages.h"
#include "bitcoin/messages.h"

#include <string.h>

__extension__ typedef __int128 Wide;

typedef struct TransferRows
{
	TransferRepository port;
	InMemoryRepository *rows;
} TransferRows;

typedef struct Books
{
	World		world;
	InMemoryRepository accounts;
	InMemoryRepository outflows;
	InMemoryRepository rows;
	TransferRows transfers;
	SealDigest		digest;
	Accounting	context;
	Consumer	consumer;
} Books;

#define NODE id_of(900)
#define ALICE id_of(1)
#define BOB id_of(2)
#define CAROL id_of(3)
#define INVOICE id_of(500)
#define CAMPAIGN id_of(600)

#define SEND(books, message, key, ...) \
	assert_ok(books_handle((books), MESSAGE_OF(&(books)->world, message, key, __VA_ARGS__)))

#define LAST(books, message) \
	((const message *) world_emitted(&(books)->world, &message##_type)->payload)
#define EMITTED(books, message) world_count(&(books)->world, &message##_type)

/* Empty books, or such that Alice and Bob have deposited that much. */
/* In msat; 0: no limit, as books_new() leaves it. */
extern void books_limit(int64_t of_account, int64_t of_all);

extern Books *books_new(void);
extern Books *books_with(int64_t alice_msat, int64_t bob_msat);
extern void books_free(Books *books);

/* Handles one message, or several in one unit of work. */
extern Result books_handle(Books *books, Message message);
extern Result books_handle_batch(Books *books, Message *messages, size_t count);

/* What is stored: an account or NULL; its balance and what is available, 0 without one. */
extern LedgerAccount *books_account_of(Books *books, Uuid id);
extern int64_t books_balance(Books *books, Uuid id);
extern int64_t books_available(Books *books, Uuid id);

/* I1 to I5 and the sequences of I9, over what is stored. */
extern void assert_books_balance(Books *books);

/* Messages, to and from NODE. */
extern Message books_deposit(Books *books, Uuid account, const char *hash, int64_t msat);
extern Message books_transfer(Books *books, const char *purpose, Uuid from, Uuid to, const char *key,
							  int64_t msat, bool pending);
extern Message books_post(Books *books, Uuid from, const char *key);
extern Message books_void(Books *books, Uuid from, const char *key);
extern Message books_withdraw(Books *books, Uuid account, Uuid invoice, int64_t msat, int64_t max_fee);
extern Message books_paid(Books *books, Uuid account, Uuid invoice, int64_t msat, int64_t fee, int64_t max_fee);
extern Message books_failed(Books *books, Uuid account, Uuid invoice, int64_t msat, int64_t max_fee);

/* The digest of these books: no cryptography, but each byte counts. */
extern void books_weak_digest(const SealDigest *self, const void *data, size_t length, uint8_t digest[SEAL_LENGTH]);

/* The next number of a repeatable walk; *state is not 0. */
extern uint64_t books_random(uint64_t *state);

#endif
