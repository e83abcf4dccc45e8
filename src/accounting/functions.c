/*
 * functions.c
 *		The SQL functions of accounting: queries only.  What changes the books
 *		are messages.
 */
#include "postgres/server.h"

#include "accounting/postgres.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"

#define DEFAULT_LIMIT 50

PG_FUNCTION_INFO_V1(spark_accounting_balance);
PG_FUNCTION_INFO_V1(spark_accounting_statement);
PG_FUNCTION_INFO_V1(spark_accounting_trial_balance);

Datum
spark_accounting_balance(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("accounting");
	Answer		answer = answer_begin(fcinfo);
	const LedgerAccount *account = account_query(context_arena(CurrentMemoryContext), caller);
	LedgerAccount none;

	if (account == NULL)
	{
		ledger_account_open(&none, caller, LEDGER_USER, INSTANT_NONE);
		account = &none;
	}
	answer_uuid(&answer, caller);
	answer_amount(&answer, ledger_account_balance(account));
	answer_amount(&answer, account->debits_pending);
	answer_amount(&answer, account->credits_pending);
	answer_amount(&answer, ledger_account_available(account));
	answer_bigint(&answer, amount_whole_sat(ledger_account_available(account)));
	PG_RETURN_DATUM(answer_row(&answer));
}

Datum
spark_accounting_statement(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("accounting");
	int			limit = arg_limit(fcinfo, 0, DEFAULT_LIMIT);
	PagePlace	place = FIRST_PAGE;
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	if (!PG_ARGISNULL(1) && !statement_place(caller, arg_uuid_or_nil(fcinfo, 1), &place))
		refuse(RESULT_NOT_FOUND, "Argument after names no line of this statement.");
	rows = statement_page(caller, place, limit);
	while (rows_next(&rows))
	{
		answer_uuid(&answer, row_uuid(&rows, 1));
		answer_text(&answer, row_text(&rows, 2, arena));
		answer_text(&answer, row_text(&rows, 3, arena));
		answer_amount(&answer, row_amount(&rows, 4));
		answer_uuid(&answer, row_uuid(&rows, 5));
		answer_uuid(&answer, row_uuid(&rows, 6));
		answer_uuid(&answer, row_uuid(&rows, 7));
		answer_instant(&answer, row_instant(&rows, 8));
		answer_instant(&answer, row_instant(&rows, 9));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}

Datum
spark_accounting_trial_balance(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	installed_required("accounting");
	rows = trial_balance_query();
	while (rows_next(&rows))
	{
		answer_text(&answer, row_text(&rows, 1, arena));
		answer_bigint(&answer, row_bigint(&rows, 2));
		for (int column = 3; column <= 6; column++)
			answer_amount(&answer, row_amount(&rows, column));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}
