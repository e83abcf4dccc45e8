/*
 * functions.c
 *		The SQL functions of bitcoin, for people.  Operators have theirs in
 *		operator_functions.c, open_payments.c and node_health.c.
 *
 * Who is calling is asked before anything else: a protected call by nobody is
 * SP003, whatever else is wrong with it.
 */
#include "postgres/server.h"

#include "bitcoin/postgres.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"

#define DEFAULT_LIMIT 50

PG_FUNCTION_INFO_V1(spark_bitcoin_deposit);
PG_FUNCTION_INFO_V1(spark_bitcoin_verify_deposit);
PG_FUNCTION_INFO_V1(spark_bitcoin_withdraw);
PG_FUNCTION_INFO_V1(spark_bitcoin_invoice);
PG_FUNCTION_INFO_V1(spark_bitcoin_invoices);

static void
answer_amount_if(Answer *answer, bool is_there, Amount amount)
{
	if (is_there)
		answer_amount(answer, amount);
	else
		answer_null(answer);
}

static void
answer_invoice(Answer *answer, const InvoiceView *view)
{
	answer_uuid(answer, view->invoice_id);
	answer_uuid(answer, view->account_id);
	answer_text(answer, view->kind);
	answer_text(answer, view->status);
	answer_text(answer, view->state);
	answer_amount(answer, view->amount);
	answer_amount_if(answer, view->is_paid, view->received);
	answer_amount_if(answer, view->is_paid, view->fee);
	answer_amount_if(answer, view->has_max_fee, view->max_fee);
	answer_text(answer, view->payment_hash);
	answer_text(answer, view->payment_request);
	answer_text(answer, view->preimage);
	answer_text(answer, view->reason);
	answer_instant(answer, view->expires_at);
	answer_instant(answer, view->created_at);
	answer_instant(answer, view->settled_at);
	answer_text(answer, view->idempotency_key);
}

/* A function's one answer. */
static Datum
invoice_datum(FunctionCallInfo fcinfo, InvoiceView view)
{
	Answer		answer = answer_begin(fcinfo);

	answer_invoice(&answer, &view);
	return answer_row(&answer);
}

/* --------------------------------------------------------------- commands */

/* A highest fee in satoshi, which may be 0; what is more than all bitcoin is cut. */
static Amount
arg_fee_sat(FunctionCallInfo fcinfo, int number, const char *name)
{
	int64		sat = PG_GETARG_INT64(number);

	if (sat < 0)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be negative.", name);
	return AMOUNT_MSAT(Min(sat, MAX_SAT) * MSAT_PER_SAT);
}

Datum
spark_bitcoin_deposit(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("bitcoin");
	AskDeposit	command = {
		.account_id = caller,
		.amount = arg_sat(fcinfo, 0, "amount_sat"),
		.idempotency_key = arg_key_or_null(fcinfo, 1, "idempotency_key"),
	};
	UnitOfWork *work;
	Deposit    *deposit;

	COMMAND(work, bitcoin_deposit(&bitcoin, work, &command, &deposit));
	answer_accepted("invoice", "invoice_id", &deposit->aggregate);
	PG_RETURN_DATUM(invoice_datum(fcinfo, deposit_view(deposit)));
}

Datum
spark_bitcoin_verify_deposit(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("bitcoin");
	const char *payment_hash = arg_hash(fcinfo, 0, "payment_hash");
	UnitOfWork *work;
	Deposit    *deposit;

	/* It may ask for a look at the node, and that is written. */
	PreventCommandIfReadOnly("spark.verify_deposit()");
	COMMAND(work, bitcoin_verify_deposit(&bitcoin, work, caller, payment_hash, &deposit));
	answer_status(deposit->state == DEPOSIT_SETTLED ? 200 : 402);
	PG_RETURN_DATUM(invoice_datum(fcinfo, deposit_view(deposit)));
}

Datum
spark_bitcoin_withdraw(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("bitcoin");
	AskWithdrawal command = {
		.account_id = caller,
		.payment_request = arg_text(fcinfo, 0, "payment_request"),
		.amount = arg_sat_or_zero(fcinfo, 1, "amount_sat"),
		.has_max_fee = !PG_ARGISNULL(2),
	};
	UnitOfWork *work;
	Withdrawal *withdrawal;

	if (command.has_max_fee)
		command.max_fee = arg_fee_sat(fcinfo, 2, "max_fee_sat");
	COMMAND(work, bitcoin_withdraw(&bitcoin, work, &command, &withdrawal));
	answer_accepted("invoice", "invoice_id", &withdrawal->aggregate);
	PG_RETURN_DATUM(invoice_datum(fcinfo, withdrawal_view(withdrawal)));
}

/* ---------------------------------------------------------------- queries */

Datum
spark_bitcoin_invoice(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("bitcoin");
	Arena	   *arena = context_arena(CurrentMemoryContext);
	InvoiceView view;

	if (!invoice_query(arena, caller, arg_uuid(fcinfo, 0, "invoice_id"), &view))
		refuse(RESULT_NOT_FOUND, NULL);
	PG_RETURN_DATUM(invoice_datum(fcinfo, view));
}

Datum
spark_bitcoin_invoices(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("bitcoin");
	Arena	   *arena = context_arena(CurrentMemoryContext);
	int			limit = arg_limit(fcinfo, 0, DEFAULT_LIMIT);
	Uuid		after = arg_uuid_or_nil(fcinfo, 1);
	PagePlace	place = FIRST_PAGE;
	Answer		answer = answers_begin(fcinfo);
	InvoiceView view;
	Rows		rows;

	if (!PG_ARGISNULL(1))
	{
		if (!invoice_query(arena, caller, after, &view))
			refuse(RESULT_NOT_FOUND, "Argument after names no invoice of this list.");
		place = (PagePlace) {view.created_at, after};
	}
	rows = invoices_page(caller, place, limit);
	while (rows_next(&rows))
	{
		view = invoice_of_row(&rows, arena);
		answer_invoice(&answer, &view);
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}
