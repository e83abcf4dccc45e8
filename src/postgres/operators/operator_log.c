/*
 * operator_log.c
 *		Who did what to the bus, or to the system, and why.
 */
#include "postgres/operators/operator_log.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/ownership.h"
#include "postgres/statement.h"

PG_FUNCTION_INFO_V1(spark_ops_operations);

#define MAX_OPERATIONS 10000

static Statement insert_operation = {
	.sql = "INSERT INTO spark_common.operator_log (at, operator, action, consumer, message_id, reason, before, after)"
	" VALUES (pg_catalog.clock_timestamp(), $1, $2, $3, $4, $5, $6, $7)"};

static Statement list_operations = {
	.sql = "SELECT at, operator, action, consumer, message_id, reason, before, after"
	" FROM spark_common.operator_log ORDER BY at DESC LIMIT $1",
	.read_only = true};

void
record_operation(Operation operation)
{
	(void) statement_run(&insert_operation,
						 PARAMETERS(param_text(acting_role()), param_text(operation.action),
									param_text(operation.consumer), param_uuid_or_null(operation.message_id),
									param_text(operation.reason), param_jsonb(operation.before),
									param_jsonb(operation.after)));
}

Datum
spark_ops_operations(PG_FUNCTION_ARGS)
{
	int			limit = arg_limit_up_to(fcinfo, 0, 100, MAX_OPERATIONS);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	bus_required();
	rows = rows_open(&list_operations, PARAMETERS(param_int(limit)));
	while (rows_next(&rows))
	{
		answer_instant(&answer, row_instant(&rows, 1));
		for (int column = 2; column <= 4; column++)
			answer_text(&answer, row_text(&rows, column, arena));
		answer_uuid(&answer, row_uuid(&rows, 5));
		answer_text(&answer, row_text(&rows, 6, arena));
		answer_jsonb(&answer, row_text(&rows, 7, arena));
		answer_jsonb(&answer, row_text(&rows, 8, arena));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}
