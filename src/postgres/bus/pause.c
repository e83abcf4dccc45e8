/*
 * pause.c
 *		Consumers that an operator has paused.
 *
 * Who locks what: the consumer's places, so that a batch that runs ends first,
 * and the next one sees the row.
 */
#include "postgres/bus/pause.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/operators/operator_log.h"
#include "postgres/ownership.h"
#include "postgres/counts/waiting.h"
#include "postgres/bus/place.h"
#include "postgres/statement.h"
#include "postgres/workers/wakeup.h"

PG_FUNCTION_INFO_V1(spark_ops_pause_consumer);
PG_FUNCTION_INFO_V1(spark_ops_resume_consumer);

static Statement find_paused = {
	.sql = "SELECT operator, reason FROM spark_common.paused WHERE consumer = $1",
	.read_only = true};

static Statement insert_paused = {
	.sql = "INSERT INTO spark_common.paused (consumer, operator, reason, at)"
	" VALUES ($1, $2, $3, pg_catalog.clock_timestamp()) ON CONFLICT DO NOTHING"};

static Statement delete_paused = {
	.sql = "DELETE FROM spark_common.paused WHERE consumer = $1"};

const char *
why_operator_paused(const char *consumer)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Rows		rows = rows_open(&find_paused, PARAMETERS(param_text(consumer)));
	const char *why = NULL;

	if (rows_next(&rows))
		why = arena_printf(arena, "paused by %s: %s", row_text(&rows, 1, arena), row_text(&rows, 2, arena));
	rows_close(&rows);
	return why;
}

void
forget_paused(const char *consumer)
{
	(void) statement_run(&delete_paused, PARAMETERS(param_text(consumer)));
}

/* The consumer and the reason that both functions take, with its places taken. */
static Operation
begin(FunctionCallInfo fcinfo, const char *action)
{
	Operation	operation = {
		.action = action,
		.consumer = arg_text(fcinfo, 0, "consumer"),
		.reason = arg_reason(fcinfo, 1, "reason"),
	};

	PreventCommandIfReadOnly("a pause of a consumer");
	bus_required();
	consumer_required(operation.consumer);
	take_all_places(operation.consumer);
	return operation;
}

static void
end(Operation operation)
{
	record_operation(operation);
	note_why_stopped(operation.consumer);
	wake_dispatchers_at_commit();
}

Datum
spark_ops_pause_consumer(PG_FUNCTION_ARGS)
{
	Operation	operation = begin(fcinfo, "pause_consumer");

	if (statement_run(&insert_paused, PARAMETERS(param_text(operation.consumer), param_text(acting_role()),
												 param_text(operation.reason))) == 0)
		refuse_now("Call spark_ops.resume_consumer() first, to give another reason.",
				   "Consumer %s is paused already.", operation.consumer);
	end(operation);
	PG_RETURN_VOID();
}

Datum
spark_ops_resume_consumer(PG_FUNCTION_ARGS)
{
	Operation	operation = begin(fcinfo, "resume_consumer");

	if (statement_run(&delete_paused, PARAMETERS(param_text(operation.consumer))) == 0)
		refuse_now("Nothing is to be done; why a consumer waits by itself, spark_ops.health() tells.",
				   "Consumer %s is not paused by an operator.", operation.consumer);
	end(operation);
	PG_RETURN_VOID();
}
