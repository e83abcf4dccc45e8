/*
 * open_payments.c
 *		Which payments are not over: what an operator needs to know to look at the
 *		node, and to decide.
 *
 * Read only; locks nothing.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/statement.h"

PG_FUNCTION_INFO_V1(spark_bitcoin_open_payments);

#define DEFAULT_LIMIT 100
#define MAX_PAYMENTS 10000

/*
 * What only an operator can end comes first, then what has an alarm, then the
 * oldest.  Each half has an index of its own.
 */
static Rows
open_payments(int limit)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT invoice_id, account_id, state, payment_hash, amount_msat, max_fee_msat, attempt_no,"
		" created_at, submitted_at, asked_at, expires_at, alarm, node_words"
		"  FROM (SELECT * FROM spark_bitcoin.withdrawals WHERE state = 'reserved'"
		"  UNION ALL SELECT * FROM spark_bitcoin.withdrawals"
		"   WHERE state IN ('submitting', 'in_flight', 'unknown', 'needs_operator')) w"
		" ORDER BY state <> 'needs_operator', alarm IS NULL, created_at, invoice_id LIMIT $1",
		.read_only = true
	};

	return rows_open(&statement, PARAMETERS(param_int(limit)));
}

Datum
spark_bitcoin_open_payments(PG_FUNCTION_ARGS)
{
	int			limit = arg_limit_up_to(fcinfo, 0, DEFAULT_LIMIT, MAX_PAYMENTS);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	installed_required("bitcoin");
	rows = open_payments(limit);
	while (rows_next(&rows))
	{
		answer_uuid(&answer, row_uuid(&rows, 1));
		answer_uuid(&answer, row_uuid(&rows, 2));
		answer_text(&answer, row_text(&rows, 3, arena));
		answer_text(&answer, row_text(&rows, 4, arena));
		answer_amount(&answer, row_amount(&rows, 5));
		answer_amount(&answer, row_amount(&rows, 6));
		answer_bigint(&answer, row_bigint(&rows, 7));
		answer_instant(&answer, row_instant(&rows, 8));
		answer_instant(&answer, row_instant(&rows, 9));
		answer_instant(&answer, row_instant(&rows, 10));
		answer_instant(&answer, row_instant(&rows, 11));
		answer_text(&answer, row_text(&rows, 12, arena));
		answer_text(&answer, row_text(&rows, 13, arena));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}
