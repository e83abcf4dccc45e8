/*
 * handlers.c
 *		What accounting does when it is asked or told something.
 */
#include "accounting/handlers.h"

#include "accounting/books.h"
#include "accounting/messages.h"
#include "accounting/settlement.h"
#include "auth/messages.h"
#include "bitcoin/messages.h"

#include <string.h>

static Transfer *
new_transfer(UnitOfWork *work, TransferForm form, TransferPurpose purpose, const char *key)
{
	Transfer   *transfer = ARENA_NEW(work->arena, Transfer);

	transfer->form = form;
	transfer->purpose = purpose;
	transfer->kind = transfer_purpose_kind(purpose);
	transfer->key = key;
	return transfer;
}

/* An invoice's transfers have its id as their key. */
static const char *
invoice_key(UnitOfWork *work, Uuid invoice_id)
{
	char		text[UUID_TEXT_LENGTH + 1];

	uuid_format(invoice_id, text);
	return arena_text(work->arena, text);
}

static const char *
reason_of(ResultCode code)
{
	return result_text(code)->name;
}

/* -------------------------------------------------------- accounts, deposits */

static Result
on_signed_up(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const auth_signed_up *event = message->payload;
	LedgerAccount *account;

	TRY(books_account_or_new(context, work, event->account_id, LEDGER_USER, &account));
	books_keep(context, work, account);
	return OK;
}

static Result
on_deposit(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const accounting_deposit *command = message->payload;
	Transfer   *receipt = new_transfer(work, TRANSFER_DIRECT, PURPOSE_DEPOSIT, command->idempotency_key);
	LedgerAccount *node;
	LedgerAccount *account;
	Transfer   *first;

	receipt->debit_account_id = command->node_account_id;
	receipt->credit_account_id = command->account_id;
	receipt->amount = command->amount_msat;
	receipt->to_invoice_id = command->invoice_id;
	/* The lock of the node's account first: it orders receipts of one hash. */
	TRY(books_account(context, work, command->node_account_id, &node));
	TRY(books_account(context, work, command->account_id, &account));
	if (account != NULL && failed(ledger_account_accepts_credit(account)))
		receipt->credit_account_id = suspense_account_id;
	TRY(books_decided(context, work, command->node_account_id, PURPOSE_DEPOSIT, command->idempotency_key, &first));
	if (first != NULL)
		return transfer_is_same(first, receipt);
	TRY(books_fact(context, work, receipt, LEDGER_NODE,
				   uuid_equal(receipt->credit_account_id, suspense_account_id) ? LEDGER_SUSPENSE : LEDGER_USER));
	if (amount_is_positive(command->receive_fee_msat))
	{
		Transfer   *fee = new_transfer(work, TRANSFER_DIRECT, PURPOSE_RECEIVE_FEE, command->idempotency_key);

		fee->debit_account_id = operator_account_id;
		fee->credit_account_id = command->node_account_id;
		fee->amount = command->receive_fee_msat;
		fee->linked_id = receipt->aggregate.id;
		fee->to_invoice_id = command->invoice_id;
		TRY(books_fact(context, work, fee, LEDGER_OPERATOR, LEDGER_NODE));
	}
	if (uuid_equal(receipt->credit_account_id, command->account_id))
		EMIT(work, accounting_deposit_succeeded, message->aggregate_id,
			 .account_id = command->account_id,
			 .idempotency_key = command->idempotency_key,
			 .amount_msat = receipt->amount,
			 .invoice_id = command->invoice_id,
			 .transfer_id = receipt->aggregate.id,
			 .node_account_id = command->node_account_id,
			 .created_at = receipt->created_at);
	return OK;
}

/* --------------------------------------- transfers that other contexts ask for */

/* The fields that all that is told of a decided transfer has in common. */
#define WHAT_WAS_ASKED(transfer) \
	.idempotency_key = (transfer)->key, \
	.from_account_id = (transfer)->debit_account_id, \
	.to_account_id = (transfer)->credit_account_id, \
	.campaign_id = (transfer)->campaign_id, \
	.from_invoice_id = (transfer)->from_invoice_id, \
	.to_invoice_id = (transfer)->to_invoice_id

#define WHAT_WAS_DECIDED(transfer) \
	WHAT_WAS_ASKED(transfer), \
	.purpose = transfer_purpose_name((transfer)->purpose), \
	.transfer_id = (transfer)->aggregate.id, \
	.created_at = (transfer)->created_at

static void
tell_rejected(UnitOfWork *work, Uuid key, const Transfer *asked, const char *purpose, const char *reason)
{
	EMIT(work, accounting_transfer_rejected, key,
		 WHAT_WAS_ASKED(asked),
		 .amount_msat = asked->amount,
		 .purpose = purpose,
		 .pending = asked->form == TRANSFER_PENDING,
		 .reason = reason);
}

/* amount: what has moved, of a pending transfer the part that was posted. */
static void
tell_succeeded(UnitOfWork *work, Uuid key, const Transfer *transfer, Amount amount, Instant posted_at)
{
	EMIT(work, accounting_transfer_succeeded, key,
		 WHAT_WAS_DECIDED(transfer),
		 .amount_msat = amount,
		 .pending = transfer->form == TRANSFER_PENDING,
		 .posted_at = posted_at);
}

static void
tell_reserved(UnitOfWork *work, Uuid key, const Transfer *transfer)
{
	EMIT(work, accounting_transfer_reserved, key,
		 WHAT_WAS_DECIDED(transfer),
		 .amount_msat = transfer->amount);
}

static void
tell_voided(UnitOfWork *work, Uuid key, const Transfer *transfer, const char *reason)
{
	EMIT(work, accounting_transfer_voided, key,
		 WHAT_WAS_DECIDED(transfer),
		 .amount_msat = transfer->amount,
		 .reason = reason);
}

static Result
on_request_transfer(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const accounting_request_transfer *command = message->payload;
	TransferPurpose purpose = PURPOSE_DONATION;
	bool		known = transfer_purpose_by_order(command->purpose, &purpose);
	Transfer   *asked = new_transfer(work, command->pending ? TRANSFER_PENDING : TRANSFER_DIRECT,
									 purpose, command->idempotency_key);
	Transfer   *decided;

	asked->debit_account_id = command->from_account_id;
	asked->credit_account_id = command->to_account_id;
	asked->amount = command->amount_msat;
	asked->expires_at = command->expires_at;
	asked->campaign_id = command->campaign_id;
	asked->from_invoice_id = command->from_invoice_id;
	asked->to_invoice_id = command->to_invoice_id;
	if (!known)
	{
		tell_rejected(work, message->aggregate_id, asked, command->purpose, reason_of(RESULT_INVALID_ARGUMENT));
		return OK;
	}
	TRY(books_order(context, work, asked, LEDGER_USER, &decided));
	if (decided->refusal != RESULT_OK)
		tell_rejected(work, message->aggregate_id, asked, command->purpose, reason_of(decided->refusal));
	else if (decided->form == TRANSFER_PENDING)
		tell_reserved(work, message->aggregate_id, decided);
	else
		tell_succeeded(work, message->aggregate_id, decided, decided->amount, decided->created_at);
	return OK;
}

/* A pending transfer that a command names, and what has ended it; NULL each. */
static Result
find_pending(const Accounting *context, UnitOfWork *work, Uuid from_account_id, TransferPurpose purpose,
			 const char *key, Transfer **pending, Transfer **ended_by)
{
	LedgerAccount *account;

	*ended_by = NULL;
	TRY(books_account(context, work, from_account_id, &account));	/* its lock orders what follows */
	TRY(books_decided(context, work, from_account_id, purpose, key, pending));
	if (*pending != NULL && (*pending)->refusal != RESULT_OK)
		*pending = NULL;
	if (*pending != NULL && (*pending)->form == TRANSFER_PENDING)
		TRY(books_end(context, work, (*pending)->aggregate.id, ended_by));
	return OK;
}

/* Ends a pending transfer; *end is the new row, NULL where it was refused. */
static Result
end_transfer(const Accounting *context, UnitOfWork *work, const Transfer *pending, const Transfer *ended_by,
			 TransferForm form, Amount amount, const char *reason, Transfer **end)
{
	Transfer   *row = new_transfer(work, form, PURPOSE_VOID, NULL);
	Result		result;

	transfer_begin_end(row, pending, form, amount, work->arena);
	row->reason = reason;
	result = books_end_pending(context, work, row, pending, ended_by);
	*end = failed(result) ? NULL : row;
	return result;
}

/* The answer to a post or void that cannot be: what is pending stays as it is. */
static Result
reject_end(UnitOfWork *work, const Message *message, const Transfer *pending, Uuid from_account_id,
		   const char *key, const char *purpose, Result result)
{
	Transfer	unknown = {.debit_account_id = from_account_id, .key = key};

	if (result.code == RESULT_INTERNAL)
		return result;
	tell_rejected(work, message->aggregate_id, pending != NULL ? pending : &unknown, purpose,
				  reason_of(result.code));
	return OK;
}

static Result
on_post_transfer(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const accounting_post_transfer *command = message->payload;
	TransferPurpose purpose;
	Transfer   *pending = NULL;
	Transfer   *ended_by = NULL;
	Transfer   *end;
	Result		result = FAIL(NOT_FOUND);

	if (transfer_purpose_by_order(command->purpose, &purpose))
		TRY(find_pending(context, work, command->from_account_id, purpose, command->idempotency_key,
						 &pending, &ended_by));
	if (transfer_has_ended(ended_by, TRANSFER_POST))
		return OK;
	if (pending != NULL)
		result = end_transfer(context, work, pending, ended_by, TRANSFER_POST, pending->amount, NULL, &end);
	if (!failed(result))
	{
		tell_succeeded(work, message->aggregate_id, pending, end->amount, end->created_at);
		return OK;
	}
	if (result.code == RESULT_PENDING_EXPIRED && ended_by == NULL)
	{
		/* Nobody has given the reserve back yet. */
		TRY(end_transfer(context, work, pending, NULL, TRANSFER_VOID, pending->amount,
						 reason_of(RESULT_PENDING_EXPIRED), &end));
		tell_voided(work, message->aggregate_id, pending, end->reason);
	}
	return reject_end(work, message, pending, command->from_account_id, command->idempotency_key,
					  command->purpose, result);
}

static Result
on_void_transfer(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const accounting_void_transfer *command = message->payload;
	TransferPurpose purpose;
	Transfer   *pending = NULL;
	Transfer   *ended_by = NULL;
	Transfer   *end;
	Result		result = FAIL(NOT_FOUND);

	if (transfer_purpose_by_order(command->purpose, &purpose))
		TRY(find_pending(context, work, command->from_account_id, purpose, command->idempotency_key,
						 &pending, &ended_by));
	if (transfer_has_ended(ended_by, TRANSFER_VOID))
		return OK;
	if (pending != NULL)
		result = end_transfer(context, work, pending, ended_by, TRANSFER_VOID, pending->amount,
							  command->reason, &end);
	if (failed(result))
		return reject_end(work, message, pending, command->from_account_id, command->idempotency_key,
						  command->purpose, result);
	tell_voided(work, message->aggregate_id, pending, command->reason);
	return OK;
}

/* ------------------------------------------------------------- withdrawals */

static Result
on_request_withdraw(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const accounting_request_withdraw *command = message->payload;
	Transfer   *asked = new_transfer(work, TRANSFER_PENDING, PURPOSE_WITHDRAWAL, command->idempotency_key);
	Transfer   *decided;

	asked->debit_account_id = command->account_id;
	asked->credit_account_id = command->node_account_id;
	asked->fee_limit = command->max_fee_msat;
	asked->from_invoice_id = command->invoice_id;
	if (!amount_add(command->amount_msat, command->max_fee_msat, &asked->amount))
		asked->amount = AMOUNT_ZERO;	/* is refused */
	TRY(books_order_withdrawal(context, work, asked, &decided));
	if (decided->refusal != RESULT_OK)
		EMIT(work, accounting_withdraw_rejected, message->aggregate_id,
			 .account_id = command->account_id,
			 .idempotency_key = command->idempotency_key,
			 .amount_msat = command->amount_msat,
			 .max_fee_msat = command->max_fee_msat,
			 .invoice_id = command->invoice_id,
			 .reason = reason_of(decided->refusal));
	else
		EMIT(work, accounting_withdraw_accepted, message->aggregate_id,
			 .account_id = command->account_id,
			 .idempotency_key = command->idempotency_key,
			 .amount_msat = command->amount_msat,
			 .max_fee_msat = command->max_fee_msat,
			 .invoice_id = command->invoice_id,
			 .node_account_id = command->node_account_id,
			 .transfer_id = decided->aggregate.id,
			 .created_at = decided->created_at);
	return OK;
}

/* One payment that the node has made, while its legs are booked. */
typedef struct Payment
{
	const bitcoin_payment_succeeded *event;
	const char *key;
	Uuid		linked_id;		/* the withdrawal, or nil where nothing was ever reserved */
	Instant		booked_at;		/* one time for all legs */
	Settlement	settlement;
} Payment;

/* Books one leg of a payment; *leg is NULL where there is nothing to move. */
static Result
book_leg(const Accounting *context, UnitOfWork *work, const Payment *payment, TransferPurpose purpose,
		 Uuid from, Uuid to, Amount amount, Transfer **leg)
{
	LedgerAccountClass counterpart = uuid_equal(from, operator_account_id) ? LEDGER_OPERATOR : LEDGER_SUSPENSE;

	*leg = NULL;
	if (amount.msat == 0)
		return OK;
	*leg = new_transfer(work, TRANSFER_DIRECT, purpose, payment->key);
	(*leg)->debit_account_id = from;
	(*leg)->credit_account_id = to;
	(*leg)->amount = amount;
	(*leg)->linked_id = payment->linked_id;
	(*leg)->created_at = payment->booked_at;
	(*leg)->from_invoice_id = payment->event->invoice_id;
	if (purpose == PURPOSE_SURPLUS)
		return books_fact(context, work, *leg, LEDGER_NODE, LEDGER_SUSPENSE);
	if (uuid_equal(from, payment->event->account_id))
		counterpart = LEDGER_USER;
	return books_fact(context, work, *leg, counterpart, LEDGER_NODE);
}

/* The legs that every payment may have beside its amount. */
static Result
book_fee_legs(const Accounting *context, UnitOfWork *work, const Payment *payment, Transfer **fee)
{
	const bitcoin_payment_succeeded *event = payment->event;
	const Settlement *settlement = &payment->settlement;
	Transfer   *other;

	TRY(book_leg(context, work, payment, PURPOSE_FEE, event->account_id, event->node_account_id,
				 settlement->fee, fee));
	TRY(book_leg(context, work, payment, PURPOSE_EXCESS, operator_account_id, event->node_account_id,
				 settlement->excess, &other));
	return book_leg(context, work, payment, PURPOSE_SURPLUS, event->node_account_id, suspense_account_id,
					settlement->surplus, &other);
}

static void
tell_withdrawn(UnitOfWork *work, Uuid key, const Payment *payment, const Transfer *withdrawal,
			   const Transfer *posted, const Transfer *fee)
{
	EMIT(work, accounting_withdraw_succeeded, key,
		 .account_id = payment->event->account_id,
		 .idempotency_key = payment->key,
		 .amount_msat = payment->settlement.amount,
		 .fee_msat = payment->settlement.fee,
		 .released_msat = withdrawal->form == TRANSFER_PENDING ? withdrawal->amount : AMOUNT_ZERO,
		 .invoice_id = payment->event->invoice_id,
		 .node_account_id = payment->event->node_account_id,
		 .transfer_id = withdrawal->aggregate.id,
		 .fee_transfer_id = fee != NULL ? fee->aggregate.id : UUID_NIL,
		 .created_at = withdrawal->created_at,
		 .posted_at = posted->created_at,
		 .late = withdrawal->form != TRANSFER_PENDING);
}

/*
 * The reserve is gone, or never was, but the money has left the node: the
 * account pays what it can, suspense the rest, and the account withdraws nothing
 * more until somebody has looked.
 */
static Result
book_late_payment(const Accounting *context, UnitOfWork *work, const Message *message, Payment *payment)
{
	const bitcoin_payment_succeeded *event = payment->event;
	LedgerAccount *account;
	Transfer   *paid;
	Transfer   *uncovered;
	Transfer   *fee;

	TRY(books_decided(context, work, event->account_id, PURPOSE_LATE, payment->key, &paid));
	TRY(books_decided(context, work, suspense_account_id, PURPOSE_LATE, payment->key, &uncovered));
	if (paid != NULL || uncovered != NULL)
		return OK;
	payment->booked_at = clock_now(work);
	TRY(books_account_or_new(context, work, event->account_id, LEDGER_USER, &account));
	TRY(settlement_of_late(ledger_account_available(account), event->amount_msat, event->fee_msat,
						   event->max_fee_msat, &payment->settlement));
	TRY(book_leg(context, work, payment, PURPOSE_LATE, event->account_id, event->node_account_id,
				 payment->settlement.amount, &paid));
	TRY(book_leg(context, work, payment, PURPOSE_LATE, suspense_account_id, event->node_account_id,
				 payment->settlement.uncovered, &uncovered));
	TRY(book_fee_legs(context, work, payment, &fee));
	ledger_account_freeze(account, arena_printf(work->arena, "withdrawal %s, hash %s, was paid after its reserve was gone",
												payment->key, event->payment_hash), payment->booked_at);
	books_keep(context, work, account);
	if (paid == NULL)
		paid = uncovered;
	tell_withdrawn(work, message->aggregate_id, payment, paid, paid, fee);
	return OK;
}

static Result
on_payment_succeeded(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const bitcoin_payment_succeeded *event = message->payload;
	Payment		payment = {.event = event, .key = invoice_key(work, event->invoice_id)};
	Transfer   *withdrawal;
	Transfer   *ended_by;
	Transfer   *end;
	Transfer   *fee;

	TRY(find_pending(context, work, event->account_id, PURPOSE_WITHDRAWAL, payment.key, &withdrawal, &ended_by));
	if (transfer_has_ended(ended_by, TRANSFER_POST))
		return OK;
	if (withdrawal != NULL)
		payment.linked_id = withdrawal->aggregate.id;
	if (withdrawal == NULL || ended_by != NULL)
		return book_late_payment(context, work, message, &payment);
	TRY(settlement_of_reserve(withdrawal->amount, event->amount_msat, event->fee_msat, &payment.settlement));
	TRY(end_transfer(context, work, withdrawal, NULL, TRANSFER_POST, payment.settlement.amount, NULL, &end));
	payment.booked_at = end->created_at;
	TRY(book_fee_legs(context, work, &payment, &fee));
	tell_withdrawn(work, message->aggregate_id, &payment, withdrawal, end, fee);
	return OK;
}

static Result
on_payment_failed(const void *self, UnitOfWork *work, const Message *message)
{
	const Accounting *context = self;
	const bitcoin_payment_failed *event = message->payload;
	const char *key = invoice_key(work, event->invoice_id);
	Transfer   *withdrawal;
	Transfer   *ended_by;
	Transfer   *end;

	TRY(find_pending(context, work, event->account_id, PURPOSE_WITHDRAWAL, key, &withdrawal, &ended_by));
	if (withdrawal == NULL || transfer_has_ended(ended_by, TRANSFER_VOID))
		return OK;
	TRY(end_transfer(context, work, withdrawal, ended_by, TRANSFER_VOID, withdrawal->amount, event->reason, &end));
	EMIT(work, accounting_withdraw_voided, message->aggregate_id,
		 .account_id = event->account_id,
		 .idempotency_key = key,
		 .released_msat = end->amount,
		 .invoice_id = event->invoice_id,
		 .node_account_id = event->node_account_id,
		 .transfer_id = withdrawal->aggregate.id,
		 .created_at = withdrawal->created_at,
		 .reason = event->reason);
	return OK;
}

/* ------------------------------------------------------ what a batch locks */

/* What a message touches that names both accounts, by its fields. */
#define TOUCHES_BOTH(function, message_type, one, other) \
	static void \
	function(const void *self, const Message *message, Touched *touched) \
	{ \
		const Accounting *context = self; \
		const message_type *payload = message->payload; \
	\
		touch(touched, context->accounts, payload->one); \
		touch(touched, context->accounts, payload->other); \
	}

TOUCHES_BOTH(deposit_touches, accounting_deposit, node_account_id, account_id)
TOUCHES_BOTH(request_transfer_touches, accounting_request_transfer, from_account_id, to_account_id)

/* The same of a payment by the node, and what counts how much leaves. */
#define TOUCHES_OUTFLOW(function, message_type) \
	TOUCHES_BOTH(function##_accounts, message_type, account_id, node_account_id) \
	static void \
	function(const void *self, const Message *message, Touched *touched) \
	{ \
		const Accounting *context = self; \
		const message_type *payload = message->payload; \
	\
		function##_accounts(self, message, touched); \
		touch(touched, context->outflows, payload->account_id); \
		touch(touched, context->outflows, all_accounts_id); \
	}

TOUCHES_OUTFLOW(request_withdraw_touches, accounting_request_withdraw)
TOUCHES_OUTFLOW(payment_succeeded_touches, bitcoin_payment_succeeded)
TOUCHES_OUTFLOW(payment_failed_touches, bitcoin_payment_failed)

/* A post and a void name the debit account only; the row knows the other. */
static void
touch_pending(const void *self, Touched *touched, Uuid from_account_id, const char *purpose_name, const char *key)
{
	const Accounting *context = self;
	TransferPurpose purpose;
	Transfer   *pending;

	touch(touched, context->accounts, from_account_id);
	if (transfer_purpose_by_order(purpose_name, &purpose) &&
		!failed(context->transfers->find(context->transfers, touched->arena, from_account_id, purpose, key,
										 &pending)) &&
		pending != NULL)
		touch(touched, context->accounts, pending->credit_account_id);
}

static void
signed_up_touches(const void *self, const Message *message, Touched *touched)
{
	const Accounting *context = self;
	const auth_signed_up *event = message->payload;

	touch(touched, context->accounts, event->account_id);
}

static void
post_transfer_touches(const void *self, const Message *message, Touched *touched)
{
	const accounting_post_transfer *command = message->payload;

	touch_pending(self, touched, command->from_account_id, command->purpose, command->idempotency_key);
}

static void
void_transfer_touches(const void *self, const Message *message, Touched *touched)
{
	const accounting_void_transfer *command = message->payload;

	touch_pending(self, touched, command->from_account_id, command->purpose, command->idempotency_key);
}

const Subscription accounting_subscriptions[] = {
	{&auth_signed_up_type, on_signed_up, signed_up_touches},
	{&accounting_deposit_type, on_deposit, deposit_touches},
	{&accounting_request_transfer_type, on_request_transfer, request_transfer_touches},
	{&accounting_post_transfer_type, on_post_transfer, post_transfer_touches},
	{&accounting_void_transfer_type, on_void_transfer, void_transfer_touches},
	{&accounting_request_withdraw_type, on_request_withdraw, request_withdraw_touches},
	{&bitcoin_payment_succeeded_type, on_payment_succeeded, payment_succeeded_touches},
	{&bitcoin_payment_failed_type, on_payment_failed, payment_failed_touches},
};
