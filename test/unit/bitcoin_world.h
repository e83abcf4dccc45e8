/*
 * bitcoin_world.h
 *		Bitcoin without a server and without a node: its ports in memory.
 *
 * A payment request of this world reads "<network>/<hash letter>/<msat>/<s>/<payee letter>":
 * 0 msat names no amount, s are seconds after the world's beginning.  The hash
 * of a preimage is each of its bytes with all bits turned.
 */
#ifndef SPARK_TEST_BITCOIN_WORLD_H
#define SPARK_TEST_BITCOIN_WORLD_H

#include "in_memory.h"

#include "accounting/messages.h"
#include "bitcoin/handlers.h"
#include "bitcoin/messages.h"
#include "bitcoin/node_work.h"
#include "lightning/bytes32.h"

#include <stdio.h>
#include <string.h>

#define HELPER static inline __attribute__((unused))

#define NODE_KEY "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_KEY "03bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* The repositories of memory with the finders of this context before them. */
typedef struct Deposits
{
	DepositRepository port;
	InMemoryRepository rows;
} Deposits;

typedef struct Withdrawals
{
	WithdrawalRepository port;
	InMemoryRepository rows;
} Withdrawals;

typedef struct Nodes
{
	NodeBook	port;
	bool		is_recorded;
	KnownNode	node;
} Nodes;

typedef struct Limiter
{
	LookLimiter port;
	Instant		last;
} Limiter;

typedef struct Wakes
{
	Wakeup		port;
	int			count;
} Wakes;

typedef struct RaisedAlarms
{
	Alarms		port;
	int			count;
	const char *last;
} RaisedAlarms;

typedef struct BitcoinWorld
{
	World		world;
	Deposits	deposits;
	Withdrawals withdrawals;
	InvoiceDecoder decoder;
	Digest		digest;
	Nodes		nodes;
	Limiter		limiter;
	Wakes		wakes;
	RaisedAlarms alarms;
	Instant		begin;
	Bitcoin		context;
	Consumer	consumer;
	NodeStanding standing;
} BitcoinWorld;

/* ---- repositories: the port begins with a Repository, so its calls come here */

HELPER InMemoryRepository *
rows_behind(const Repository *port)
{
	return port->type == &deposit_type ? &((Deposits *) port)->rows : &((Withdrawals *) port)->rows;
}

HELPER Result
world_load(const Repository *self, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found)
{
	Repository *rows = &rows_behind(self)->repository;

	return rows->load(rows, work, ids, count, lock, found);
}

HELPER Result
world_insert(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	Repository *rows = &rows_behind(self)->repository;

	return rows->insert(rows, work, aggregate);
}

HELPER Result
world_update(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	Repository *rows = &rows_behind(self)->repository;

	return rows->update(rows, work, aggregate);
}

HELPER Result
find_deposit_by_key(const DepositRepository *self, UnitOfWork *work, Uuid account_id, const char *key, Deposit **found)
{
	const InMemoryRepository *rows = &((const Deposits *) self)->rows;

	(void) work;
	*found = NULL;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Deposit    *stored = (Deposit *) row->aggregate;

		if (uuid_equal(stored->account_id, account_id) && stored->idempotency_key != NULL &&
			strcmp(stored->idempotency_key, key) == 0)
			*found = (Deposit *) in_memory_copy(rows, row->aggregate);
	}
	return OK;
}

HELPER Result
find_deposit_by_hash(const DepositRepository *self, UnitOfWork *work, const char *hash, Deposit **found)
{
	const InMemoryRepository *rows = &((const Deposits *) self)->rows;

	(void) work;
	*found = NULL;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Deposit    *stored = (Deposit *) row->aggregate;

		if (stored->payment_hash != NULL && strcmp(stored->payment_hash, hash) == 0)
			*found = (Deposit *) in_memory_copy(rows, row->aggregate);
	}
	return OK;
}

HELPER Result
find_withdrawal_by_hash(const WithdrawalRepository *self, UnitOfWork *work, const char *hash, Withdrawal **found)
{
	const InMemoryRepository *rows = &((const Withdrawals *) self)->rows;

	(void) work;
	*found = NULL;
	/* newest first, as they were put in */
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Withdrawal *stored = (Withdrawal *) row->aggregate;

		if (strcmp(stored->payment_hash, hash) != 0 || stored->state == WITHDRAWAL_REJECTED)
			continue;
		if (*found == NULL || (withdrawal_is_live(stored) && !withdrawal_is_live(*found)))
			*found = (Withdrawal *) in_memory_copy(rows, row->aggregate);
	}
	return OK;
}

HELPER Result
find_failed_withdrawal(const WithdrawalRepository *self, UnitOfWork *work, const char *hash, Amount amount, Withdrawal **found)
{
	const InMemoryRepository *rows = &((const Withdrawals *) self)->rows;

	(void) work;
	*found = NULL;
	for (InMemoryRow *row = rows->rows; row != NULL && *found == NULL; row = row->next)
	{
		Withdrawal *stored = (Withdrawal *) row->aggregate;

		if (strcmp(stored->payment_hash, hash) == 0 && amount_equal(stored->amount, amount) &&
			stored->state == WITHDRAWAL_FAILED && stored->attempt_no > 0)
			*found = (Withdrawal *) in_memory_copy(rows, row->aggregate);
	}
	return OK;
}

HELPER Result
is_payment_booked(const WithdrawalRepository *self, UnitOfWork *work, const char *hash, Amount amount, bool *is)
{
	const InMemoryRepository *rows = &((const Withdrawals *) self)->rows;

	(void) work;
	*is = false;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Withdrawal *stored = (Withdrawal *) row->aggregate;

		*is |= strcmp(stored->payment_hash, hash) == 0 && stored->state == WITHDRAWAL_SUCCEEDED &&
			amount_equal(stored->amount, amount) && !withdrawal_is_inside(stored);
	}
	return OK;
}

HELPER Result
has_doubtful_withdrawal(const WithdrawalRepository *self, UnitOfWork *work, const char *hash, bool *has)
{
	const InMemoryRepository *rows = &((const Withdrawals *) self)->rows;

	(void) work;
	*has = false;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Withdrawal *stored = (Withdrawal *) row->aggregate;

		*has |= strcmp(stored->payment_hash, hash) == 0 && stored->state == WITHDRAWAL_FAILED &&
			stored->attempt_no > 0 && stored->in_doubt;
	}
	return OK;
}

HELPER Result
was_withdrawal_left(const WithdrawalRepository *self, UnitOfWork *work, const char *hash, Uuid node_account_id, bool *was)
{
	const InMemoryRepository *rows = &((const Withdrawals *) self)->rows;

	(void) work;
	*was = false;
	for (InMemoryRow *row = rows->rows; row != NULL; row = row->next)
	{
		Withdrawal *stored = (Withdrawal *) row->aggregate;

		*was |= strcmp(stored->payment_hash, hash) == 0 && stored->state == WITHDRAWAL_FAILED &&
			stored->attempt_no > 0 && !uuid_equal(stored->node_account_id, node_account_id);
	}
	return OK;
}

HELPER bool
same_deposit_key(const Aggregate *stored, const Aggregate *inserted)
{
	const Deposit *a = (const Deposit *) stored;
	const Deposit *b = (const Deposit *) inserted;

	return uuid_equal(a->account_id, b->account_id) && a->idempotency_key != NULL &&
		b->idempotency_key != NULL && strcmp(a->idempotency_key, b->idempotency_key) == 0;
}

HELPER bool
same_live_hash(const Aggregate *stored, const Aggregate *inserted)
{
	const Withdrawal *a = (const Withdrawal *) stored;
	const Withdrawal *b = (const Withdrawal *) inserted;

	return withdrawal_is_live(a) && withdrawal_is_live(b) && strcmp(a->payment_hash, b->payment_hash) == 0;
}

/* ---- services */

HELPER Bytes32
preimage_of(char letter)
{
	Bytes32		preimage;

	memset(preimage.bytes, letter, sizeof(preimage.bytes));
	return preimage;
}

HELPER Bytes32
turn_bits(const Digest *self, const uint8_t *bytes, size_t length)
{
	Bytes32		hash = {{0}};

	(void) self;
	for (size_t i = 0; i < length && i < sizeof(hash.bytes); i++)
		hash.bytes[i] = (uint8_t) ~bytes[i];
	return hash;
}

HELPER Bytes32
hash_of(char letter)
{
	Bytes32		preimage = preimage_of(letter);

	return turn_bits(NULL, preimage.bytes, sizeof(preimage.bytes));
}

HELPER Result
read_request(const InvoiceDecoder *self, Arena *arena, const char *text, DecodedInvoice *invoice)
{
	BitcoinWorld *world = (BitcoinWorld *) ((char *) self - offsetof(BitcoinWorld, decoder));
	char		network[16];
	char		letter;
	char		payee;
	long long	msat;
	long long	seconds;

	if (sscanf(text, "%15[a-z]/%c/%lld/%lld/%c", network, &letter, &msat, &seconds, &payee) != 5)
		return FAIL(PAYMENT_REQUEST_MALFORMED);
	*invoice = (DecodedInvoice) {
		.payment_request = arena_text(arena, text),
		.payment_hash = bytes32_hex(arena, hash_of(letter)),
		.network = arena_text(arena, network),
		.payee = payee == 'n' ? NODE_KEY : OTHER_KEY,
		.has_amount = msat != 0,
		.amount = AMOUNT_MSAT(msat),
		.expires_at = instant_plus_seconds(world->begin, seconds),
		.description = DEPOSIT_DESCRIPTION,
	};
	return OK;
}

HELPER Result
find_node(const NodeBook *self, UnitOfWork *work, KnownNode **known)
{
	Nodes	   *nodes = (Nodes *) self;

	(void) work;
	*known = nodes->is_recorded ? &nodes->node : NULL;
	return OK;
}

HELPER Result
record_node(const NodeBook *self, UnitOfWork *work, const KnownNode *node)
{
	Nodes	   *nodes = (Nodes *) self;

	(void) work;
	if (nodes->is_recorded)
		return FAIL(DUPLICATE);
	nodes->node = *node;
	nodes->is_recorded = true;
	return OK;
}

HELPER Result
limit_looks(const LookLimiter *self, UnitOfWork *work, Uuid invoice_id, Instant now, bool *granted)
{
	Limiter    *limiter = (Limiter *) self;

	(void) work;
	(void) invoice_id;
	*granted = !instant_before(now, instant_plus_seconds(limiter->last, 1));
	if (*granted)
		limiter->last = now;
	return OK;
}

HELPER void
count_wake(const Wakeup *self)
{
	((Wakes *) self)->count++;
}

HELPER void
keep_alarm(const Alarms *self, Uuid invoice_id, const char *what)
{
	RaisedAlarms *alarms = (RaisedAlarms *) self;

	(void) invoice_id;
	alarms->count++;
	alarms->last = what;
}

HELPER BitcoinTerms
usual_terms(void)
{
	return (BitcoinTerms) {
		.network = "regtest",
		.invoice_expiry = 3600,
		.create_deadline = 600,
		.call_timeout = 10,
		.not_found_delay = 60,
		.weak_failure_delay = 86400,
		.node = {.pays_amountless = true, .is_exact = true, .can_cancel_invoice = true},
		.fees = {AMOUNT_MSAT(10000), 10000},
	};
}

/* ---- the world */

HELPER void
bitcoin_world_init(BitcoinWorld *self)
{
	memset(self, 0, sizeof(*self));
	world_init(&self->world);
	self->begin = self->world.clock.now;
	self->deposits.rows = in_memory_repository(&self->world, &deposit_type);
	self->deposits.rows.same_key = same_deposit_key;
	self->deposits.port = (DepositRepository) {
		{&deposit_type, world_load, world_insert, world_update}, find_deposit_by_key, find_deposit_by_hash
	};
	self->withdrawals.rows = in_memory_repository(&self->world, &withdrawal_type);
	self->withdrawals.rows.same_key = same_live_hash;
	self->withdrawals.port = (WithdrawalRepository) {
		{&withdrawal_type, world_load, world_insert, world_update}, find_withdrawal_by_hash, find_failed_withdrawal,
		is_payment_booked, has_doubtful_withdrawal, was_withdrawal_left
	};
	self->decoder.decode = read_request;
	self->digest.sha256 = turn_bits;
	self->nodes.port = (NodeBook) {find_node, record_node};
	self->nodes.node = (KnownNode) {"simulator", "regtest", NODE_KEY, id_of(900), self->begin};
	self->nodes.is_recorded = true;
	self->limiter.port.ask = limit_looks;
	self->wakes.port.wake = count_wake;
	self->alarms.port.raise = keep_alarm;
	self->context = (Bitcoin) {
		.deposits = &self->deposits.port,
		.withdrawals = &self->withdrawals.port,
		.decoder = &self->decoder,
		.digest = &self->digest,
		.nodes = &self->nodes.port,
		.limiter = &self->limiter.port,
		.wakeup = &self->wakes.port,
		.alarms = &self->alarms.port,
		.terms = usual_terms,
	};
	self->consumer = (Consumer) BITCOIN_CONSUMER(&self->context);
	self->standing = (NodeStanding) {.node = &self->nodes.node, .is_ready = true, .may_pay = true};
}

HELPER int
open_bitcoin_world(void **state)
{
	static BitcoinWorld unused;	/* only for its size: each test has its own */
	BitcoinWorld *self = test_malloc(sizeof(unused));

	bitcoin_world_init(self);
	*state = self;
	return 0;
}

HELPER int
close_bitcoin_world(void **state)
{
	BitcoinWorld *self = *state;

	world_destroy(&self->world);
	test_free(self);
	return 0;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_bitcoin_world, close_bitcoin_world)

HELPER Instant
now_of(const BitcoinWorld *self)
{
	return self->world.clock.now;
}

HELPER Instant
at(const BitcoinWorld *self, int64_t seconds)
{
	return instant_plus_seconds(self->begin, seconds);
}

HELPER Deposit *
stored_deposit(BitcoinWorld *self, Uuid id)
{
	Deposit    *stored = (Deposit *) in_memory_stored(&self->deposits.rows, id);

	assert_non_null(stored);
	return stored;
}

HELPER Withdrawal *
stored_withdrawal(BitcoinWorld *self, Uuid id)
{
	Withdrawal *stored = (Withdrawal *) in_memory_stored(&self->withdrawals.rows, id);

	assert_non_null(stored);
	return stored;
}

/* Commands, completed. */

HELPER Deposit *
deposit_of(BitcoinWorld *self, Uuid account_id, int64_t sat)
{
	UnitOfWork *work = world_work(&self->world, NULL);
	AskDeposit	command = {account_id, AMOUNT_MSAT(sat * 1000), NULL};
	Deposit    *deposit;

	assert_ok(bitcoin_deposit(&self->context, work, &command, &deposit));
	assert_ok(unit_of_work_complete(work));
	return stored_deposit(self, deposit->aggregate.id);
}

HELPER Result
try_withdraw(BitcoinWorld *self, Uuid account_id, const char *request, Withdrawal **withdrawal)
{
	UnitOfWork *work = world_work(&self->world, NULL);
	AskWithdrawal command = {.account_id = account_id, .payment_request = request};

	TRY(bitcoin_withdraw(&self->context, work, &command, withdrawal));
	return unit_of_work_complete(work);
}

HELPER Uuid
withdraw(BitcoinWorld *self, Uuid account_id, const char *request)
{
	Withdrawal *withdrawal;

	assert_ok(try_withdraw(self, account_id, request, &withdrawal));
	return withdrawal->aggregate.id;
}

/* A message from the bus, handled and completed. */
HELPER void
hear(BitcoinWorld *self, Message message)
{
	UnitOfWork *work = world_work(&self->world, &message);

	assert_ok(consumer_handle(&self->consumer, work, &message));
	assert_ok(unit_of_work_complete(work));
}

HELPER void
hear_accepted(BitcoinWorld *self, Uuid id)
{
	Withdrawal *asked = stored_withdrawal(self, id);

	hear(self, MESSAGE_OF(&self->world, accounting_withdraw_accepted, id,
						  .account_id = asked->account_id, .idempotency_key = "k",
						  .amount_msat = asked->amount, .max_fee_msat = asked->max_fee,
						  .invoice_id = id, .node_account_id = asked->node_account_id,
						  .transfer_id = id_of(800), .created_at = now_of(self)));
}

HELPER void
hear_reserved(BitcoinWorld *self, Uuid id)
{
	Withdrawal *asked = stored_withdrawal(self, id);

	hear(self, MESSAGE_OF(&self->world, accounting_transfer_reserved, id,
						  .idempotency_key = "k", .from_account_id = asked->account_id,
						  .to_account_id = asked->payee_id, .amount_msat = asked->amount,
						  .purpose = "withdrawal", .from_invoice_id = id, .to_invoice_id = asked->deposit_id,
						  .transfer_id = id_of(800), .created_at = now_of(self)));
}

/* The worker's two halves, each completed. */

HELPER bool
plan(BitcoinWorld *self, Aggregate *row, NodeTask *task)
{
	UnitOfWork *work = world_work(&self->world, NULL);
	bool		is_deposit = row->type == &deposit_type;
	bool		is_call;
	Aggregate  *found;

	memset(task, 0, sizeof(*task));
	task->call.arena = self->world.arena;
	assert_ok(unit_of_work_find(work, is_deposit ? &self->deposits.port.repository :
								&self->withdrawals.port.repository, row->id, &found));
	if (is_deposit)
		assert_ok(plan_deposit(&self->context, work, (Deposit *) found, &self->standing, task, &is_call));
	else
		assert_ok(plan_withdrawal(&self->context, work, (Withdrawal *) found, &self->standing, task, &is_call));
	assert_ok(unit_of_work_complete(work));
	return is_call;
}

/* Unless the task says which question tells who has answered it, the node has said so since. */
HELPER void
answer(BitcoinWorld *self, NodeTask *task)
{
	UnitOfWork *work = world_work(&self->world, NULL);
	NodeStanding standing = self->standing;
	NodeTask	heard = *task;

	if (heard.named_by == 0)
	{
		heard.named_by = identity_question_after(&standing.questions);
		identity_question_begin(&standing.questions);
		identity_question_recognise(&standing.questions);
	}
	assert_ok(apply_answer(&self->context, work, &heard, &standing));
	assert_ok(unit_of_work_complete(work));
}

/* A deposit whose invoice is there; its hash is that of the letter. */
HELPER Deposit *
open_deposit(BitcoinWorld *self, Uuid account_id, int64_t sat, char letter)
{
	Deposit    *deposit = deposit_of(self, account_id, sat);
	NodeTask	task;

	assert_true(plan(self, &deposit->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_CREATE_INVOICE);
	task.call.answered = true;
	task.call.created = arena_printf(self->world.arena, "regtest/%c/%lld/%lld/n", letter,
									 (long long) sat * 1000,
									 (long long) (now_of(self).microseconds - self->begin.microseconds) / 1000000 + 3600);
	answer(self, &task);
	deposit = stored_deposit(self, deposit->aggregate.id);
	assert_int_equal(deposit->state, DEPOSIT_OPEN);
	return deposit;
}

/* A withdrawal whose reserve is there, due for the worker. */
HELPER Withdrawal *
reserved_withdrawal(BitcoinWorld *self, Uuid account_id, const char *request)
{
	Uuid		id = withdraw(self, account_id, request);

	hear_accepted(self, id);
	return stored_withdrawal(self, id);
}

HELPER const char *
text_of(const Uuid *id)
{
	static char text[UUID_TEXT_LENGTH + 1];

	uuid_format(*id, text);
	return text;
}

/* ---- what both tests of bitcoin say often */

#define ALICE id_of(1)
#define BOB id_of(2)
#define CAROL id_of(3)
#define OUTSIDE "regtest/x/5000000/3600/o"	/* 5,000 sat, of somebody outside */

HELPER NodePayment
payment_with(char letter, int64_t fee)
{
	return (NodePayment) {
		.preimage = preimage_of(letter), .has_preimage = true, .amount = AMOUNT_MSAT(5000000),
		.fee = AMOUNT_MSAT(fee), .reference = "1",
	};
}

/* The node is asked to pay; the call as it was planned. */
HELPER NodeTask
submitted(BitcoinWorld *self, Withdrawal *withdrawal)
{
	NodeTask	task;

	assert_true(plan(self, &withdrawal->aggregate, &task));
	assert_int_equal(task.call.operation, NODE_PAY);
	assert_int_equal(stored_withdrawal(self, withdrawal->aggregate.id)->state, WITHDRAWAL_SUBMITTING);
	return task;
}

HELPER NodeTask
looked_up(BitcoinWorld *self, Aggregate *row)
{
	NodeTask	task;

	assert_true(plan(self, row, &task));
	assert_true(task.call.operation == NODE_LOOKUP_PAYMENT || task.call.operation == NODE_LOOKUP_INVOICE);
	return task;
}

HELPER void
look_up_as(BitcoinWorld *self, Withdrawal *withdrawal, PaymentAnswer verdict)
{
	NodeTask	task = looked_up(self, &withdrawal->aggregate);

	task.call.verdict = verdict;
	task.call.payment = payment_with('x', 700);
	answer(self, &task);
}

/* A withdrawal that went out, and nobody knows whether it arrived. */
HELPER Withdrawal *
unknown_withdrawal(BitcoinWorld *self)
{
	Withdrawal *withdrawal = reserved_withdrawal(self, ALICE, OUTSIDE);
	NodeTask	task = submitted(self, withdrawal);

	task.call.submit = SUBMIT_AMBIGUOUS;
	answer(self, &task);
	withdrawal = stored_withdrawal(self, withdrawal->aggregate.id);
	assert_int_equal(withdrawal->state, WITHDRAWAL_UNKNOWN);
	return withdrawal;
}

HELPER WithdrawalState
state_of(BitcoinWorld *self, const Withdrawal *withdrawal)
{
	return stored_withdrawal(self, withdrawal->aggregate.id)->state;
}

HELPER void
settle(BitcoinWorld *self, Deposit *deposit, int64_t received, char letter)
{
	NodeTask	task = looked_up(self, &deposit->aggregate);

	task.call.invoice = INVOICE_SETTLED;
	task.call.received = AMOUNT_MSAT(received);
	task.call.preimage = preimage_of(letter);
	answer(self, &task);
}

#endif
