/*
 * postgres_queries.c
 *		What callers read: invoices of both kinds as one list.
 */
#include "postgres/server.h"

#include "bitcoin/postgres.h"

#include "postgres/errors.h"

InvoiceView
deposit_view(const Deposit *deposit)
{
	return (InvoiceView) {
		.invoice_id = deposit->aggregate.id,
		.account_id = deposit->account_id,
		.kind = "deposit",
		.status = deposit_status(deposit->state),
		.state = deposit_state_name(deposit->state),
		.amount = deposit->amount,
		.is_paid = deposit->state == DEPOSIT_SETTLED,
		.received = deposit->received,
		.payment_hash = deposit->payment_hash,
		.payment_request = deposit->payment_request,
		.preimage = deposit->preimage,
		.reason = deposit->reason,
		.expires_at = deposit->expires_at,
		.created_at = deposit->created_at,
		.settled_at = deposit->settled_at,
		.idempotency_key = deposit->idempotency_key,
	};
}

InvoiceView
withdrawal_view(const Withdrawal *withdrawal)
{
	return (InvoiceView) {
		.invoice_id = withdrawal->aggregate.id,
		.account_id = withdrawal->account_id,
		.kind = "withdrawal",
		.status = withdrawal_status(withdrawal->state),
		.state = withdrawal_state_name(withdrawal->state),
		.amount = withdrawal->amount,
		.is_paid = withdrawal->state == WITHDRAWAL_SUCCEEDED,
		.received = withdrawal->amount,
		.fee = withdrawal->fee,
		.has_max_fee = true,
		.max_fee = withdrawal->max_fee,
		.payment_hash = withdrawal->payment_hash,
		.payment_request = withdrawal->payment_request,
		.preimage = withdrawal->preimage,
		.reason = withdrawal->reason,
		.expires_at = withdrawal->expires_at,
		.created_at = withdrawal->created_at,
		.settled_at = withdrawal->settled_at,
	};
}

/*
 * What the payee got and what it took beside is shown once it is known: of a
 * deposit there is no fee.
 */
#define INVOICES \
	"SELECT * FROM (" \
	"SELECT invoice_id, account_id, 'deposit' AS kind, state, amount_msat, received_msat, 0::bigint AS fee_msat," \
	" NULL::bigint AS max_fee_msat, payment_hash, payment_request, preimage, reason, expires_at, created_at," \
	" settled_at, idempotency_key" \
	"  FROM spark_bitcoin.deposits" \
	" UNION ALL " \
	"SELECT invoice_id, account_id, 'withdrawal', state, amount_msat, amount_msat, fee_msat," \
	" max_fee_msat, payment_hash, payment_request, preimage, reason, expires_at, created_at," \
	" settled_at, NULL" \
	"  FROM spark_bitcoin.withdrawals" \
	") invoices "

static const char *
status_of(const char *kind, const char *state)
{
	DepositState deposit;
	WithdrawalState withdrawal;

	if (strcmp(kind, "deposit") == 0 && deposit_state_by_name(state, &deposit))
		return deposit_status(deposit);
	if (strcmp(kind, "withdrawal") == 0 && withdrawal_state_by_name(state, &withdrawal))
		return withdrawal_status(withdrawal);
	refuse(RESULT_INTERNAL, "A %s has state %s.", kind, state);
}

InvoiceView
invoice_of_row(const Rows *rows, Arena *arena)
{
	InvoiceView view = {
		.invoice_id = row_uuid(rows, 1),
		.account_id = row_uuid(rows, 2),
		.kind = row_text(rows, 3, arena),
		.state = row_text(rows, 4, arena),
		.amount = row_amount(rows, 5),
		.is_paid = !row_is_null(rows, 15),
		.received = row_amount(rows, 6),
		.fee = row_amount(rows, 7),
		.has_max_fee = !row_is_null(rows, 8),
		.max_fee = row_amount(rows, 8),
		.payment_hash = row_text(rows, 9, arena),
		.payment_request = row_text(rows, 10, arena),
		.preimage = row_text(rows, 11, arena),
		.reason = row_text(rows, 12, arena),
		.expires_at = row_instant(rows, 13),
		.created_at = row_instant(rows, 14),
		.settled_at = row_instant(rows, 15),
		.idempotency_key = row_text(rows, 16, arena),
	};

	view.status = status_of(view.kind, view.state);
	return view;
}

bool
invoice_query(Arena *arena, Uuid account_id, Uuid invoice_id, InvoiceView *view)
{
	static Statement statement = {.sql = INVOICES "WHERE account_id = $1 AND invoice_id = $2", .read_only = true};
	Rows		rows = rows_open(&statement, PARAMETERS(param_uuid(account_id), param_uuid(invoice_id)));
	bool		found = rows_next(&rows);

	if (found)
		*view = invoice_of_row(&rows, arena);
	rows_close(&rows);
	return found;
}

/* amount_msat: the condition of the lists' indexes, which holds for every row. */
Rows
invoices_page(Uuid account_id, PagePlace after, int limit)
{
	static Statement statement = {
		.sql = INVOICES "WHERE account_id = $4 AND amount_msat > 0 AND " PAGE("invoice_id"),
		.read_only = true
	};

	return rows_open(&statement, PARAMETERS(PAGE_PARAMETERS(after, limit), param_uuid(account_id)));
}
