/*
 * ops_functions.c
 *		Schema spark_ops: the state of the bus, and the repair of dead letters.
 *
 * Every repair is recorded in spark_common.operator_log with who and why.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/bus_functions.h"
#include "postgres/consumers.h"
#include "postgres/cursor.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/health.h"
#include "postgres/log.h"
#include "postgres/ownership.h"
#include "postgres/parking.h"
#include "postgres/place.h"
#include "postgres/relane.h"
#include "postgres/statement.h"
#include "postgres/wakeup.h"

#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(spark_ops_bus_status);
PG_FUNCTION_INFO_V1(spark_ops_dead_letters);
PG_FUNCTION_INFO_V1(spark_ops_retry_dead_letter);
PG_FUNCTION_INFO_V1(spark_ops_drop_dead_letter);
PG_FUNCTION_INFO_V1(spark_ops_mend_dead_letter);
PG_FUNCTION_INFO_V1(spark_ops_lanes);
PG_FUNCTION_INFO_V1(spark_ops_set_lanes);

#define MAX_DEAD_LETTERS 10000

static Statement count_parked = {
	.sql = "SELECT (SELECT pg_catalog.count(*) FROM spark_common.retry WHERE consumer = $1 AND lane = $2),"
	" (SELECT pg_catalog.count(*) FROM spark_common.dead_letter WHERE consumer = $1 AND lane = $2),"
	" (SELECT error_message FROM (SELECT error_message, first_failed_at FROM spark_common.retry WHERE consumer = $1"
	"   AND error_message IS NOT NULL UNION ALL SELECT error_message, died_at FROM spark_common.dead_letter"
	"   WHERE consumer = $1) e ORDER BY first_failed_at DESC LIMIT 1)",
	.read_only = true};

static Statement list_dead = {
	.sql = "SELECT id, consumer, type, aggregateid, payload, attempts, error_code, error_message, first_failed_at, died_at"
	" FROM spark_common.dead_letter ORDER BY died_at DESC, id DESC LIMIT $1",
	.read_only = true};

static Statement find_dead = {
	.sql = "SELECT aggregateid, payload FROM spark_common.dead_letter WHERE consumer = $1 AND id = $2 FOR UPDATE"};

static Statement revive = {
	.sql = "WITH dead AS (DELETE FROM spark_common.dead_letter WHERE consumer = $1 AND id = $2 RETURNING *)"
	" INSERT INTO spark_common.retry (consumer, lane, seq, id, aggregatetype, aggregateid, type, payload,"
	"  schemaversion, correlationid, causationid, traceparent, depth, created_at, attempts, due,"
	"  error_code, error_message, error_detail, error_context, first_failed_at)"
	" SELECT consumer, lane, seq, id, aggregatetype, aggregateid, type, COALESCE($3, payload),"
	"  schemaversion, correlationid, causationid, traceparent, depth, created_at, 0, pg_catalog.clock_timestamp(),"
	"  error_code, error_message, error_detail, error_context, first_failed_at FROM dead"};

static Statement remove_dead = {
	.sql = "DELETE FROM spark_common.dead_letter WHERE consumer = $1 AND id = $2"};

static Statement record = {
	.sql = "INSERT INTO spark_common.operator_log (at, operator, action, consumer, message_id, reason, before, after)"
	" VALUES (pg_catalog.clock_timestamp(), $1, $2, $3, $4, $5, $6, $7)"};

/* ------------------------------------------------------------------ status */

/* NULL where nothing was counted yet. */
static void
answer_mean(Answer *answer, bool counted, double value)
{
	if (counted)
		answer_double(answer, value);
	else
		answer_null(answer);
}

static void
put_status(Answer *answer, const Listener *listener, int lane, Arena *arena)
{
	ConsumerCounters counters = consumer_counters(listener->name);
	Instant		oldest = INSTANT_NONE;
	Instant		now = server_time();
	const char *last_error = counters.last_error[0] != '\0' ? counters.last_error : NULL;
	int64		lag = cursor_lag(listener, lane, arena, &oldest);
	int64		parked;
	int64		dead;
	Rows		rows;

	rows = rows_open(&count_parked, PARAMETERS(param_text(listener->name), param_int(lane)));
	(void) rows_next(&rows);
	parked = row_bigint(&rows, 1);
	dead = row_bigint(&rows, 2);
	if (last_error == NULL)
		last_error = row_text(&rows, 3, arena);
	rows_close(&rows);
	answer_text(answer, listener->name);
	answer_int(answer, lane);
	answer_bigint(answer, lag);
	answer_double(answer, instant_is_none(oldest) ? 0 :
				  Max(0.0, (double) (now.microseconds - oldest.microseconds) / MICROSECONDS_PER_SECOND));
	answer_bigint(answer, parked);
	answer_bigint(answer, dead);
	answer_bigint(answer, counters.handled[lane]);
	answer_text(answer, last_error);
	answer_double(answer, recent_rate(&counters.recent[lane]));
	answer_mean(answer, counters.handled[lane] > 0, (double) counters.handled[lane] / (double) Max(1, counters.batches[lane]));
	answer_mean(answer, counters.times.count > 0, times_mean(&counters.times));
	answer_mean(answer, counters.times.count > 0, times_quantile(&counters.times, 0.95));
	answer_text(answer, why_paused(listener));
	answer_put(answer);
}

Datum
spark_ops_bus_status(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	ListCell   *cell;

	bus_required();
	foreach(cell, listeners(arena))
		for (int lane = 0; lane < log_shape()->made; lane++)
			put_status(&answer, lfirst(cell), lane, arena);
	return (Datum) 0;
}

Datum
spark_ops_dead_letters(PG_FUNCTION_ARGS)
{
	int32		limit = PG_ARGISNULL(0) ? 100 : PG_GETARG_INT32(0);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	bus_required();
	if (limit < 1 || limit > MAX_DEAD_LETTERS)
		refuse(RESULT_INVALID_ARGUMENT, "Argument limit_ must be from 1 to %d.", MAX_DEAD_LETTERS);
	rows = rows_open(&list_dead, PARAMETERS(param_int(limit)));
	while (rows_next(&rows))
	{
		answer_uuid(&answer, row_uuid(&rows, 1));
		answer_text(&answer, row_text(&rows, 2, arena));
		answer_text(&answer, row_text(&rows, 3, arena));
		answer_uuid(&answer, row_uuid(&rows, 4));
		answer_jsonb(&answer, row_text(&rows, 5, arena));
		answer_int(&answer, row_int(&rows, 6));
		answer_text(&answer, row_text(&rows, 7, arena));
		answer_text(&answer, row_text(&rows, 8, arena));
		answer_instant(&answer, row_instant(&rows, 9));
		answer_instant(&answer, row_instant(&rows, 10));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}

/* ------------------------------------------------------------------ repair */

void
consumer_required(const char *consumer)
{
	if (listener_of(consumer, context_arena(CurrentMemoryContext)) == NULL)
		refuse(RESULT_NOT_FOUND, "There is no consumer of that name.");
}

/* A dead letter under the hands of an operator. */
typedef struct Repair
{
	Uuid		message_id;
	const char *consumer;
	const char *reason;			/* NULL where none is asked for */
	Uuid		key;
	const char *payload;		/* as it was */
} Repair;

static Repair
repair_begin(FunctionCallInfo fcinfo, int reason_argument)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Repair		repair = {
		.message_id = arg_uuid(fcinfo, 0, "message_id"),
		.consumer = arg_text(fcinfo, 1, "consumer"),
		.reason = reason_argument > 0 ? arg_reason(fcinfo, reason_argument, "reason") : NULL,
	};
	Rows		rows;

	bus_required();
	consumer_required(repair.consumer);
	take_all_places(repair.consumer);
	rows = rows_open(&find_dead, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id)));
	if (!rows_next(&rows))
		refuse(RESULT_NOT_FOUND, "That message is no dead letter of this consumer.");
	repair.key = row_uuid(&rows, 1);
	repair.payload = row_text(&rows, 2, arena);
	rows_close(&rows);
	return repair;
}

static void
repair_end(const Repair *repair, const char *action, const char *after)
{
	(void) statement_run(&record,
						 PARAMETERS(param_text(acting_role()), param_text(action), param_text(repair->consumer),
									param_uuid(repair->message_id), param_text(repair->reason),
									param_jsonb(repair->payload), param_jsonb(after)));
	wake_dispatchers_at_commit();
}

Datum
spark_ops_retry_dead_letter(PG_FUNCTION_ARGS)
{
	Repair		repair = repair_begin(fcinfo, 0);

	(void) statement_run(&revive, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id),
											 param_jsonb(NULL)));
	repair_end(&repair, "retry", NULL);
	PG_RETURN_VOID();
}

Datum
spark_ops_drop_dead_letter(PG_FUNCTION_ARGS)
{
	Repair		repair = repair_begin(fcinfo, 2);

	(void) statement_run(&remove_dead, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id)));
	open_key(repair.consumer, repair.key);
	repair_end(&repair, "drop", NULL);
	PG_RETURN_VOID();
}

Datum
spark_ops_mend_dead_letter(PG_FUNCTION_ARGS)
{
	const char *payload = arg_payload(fcinfo, 2);
	Repair		repair = repair_begin(fcinfo, 3);

	(void) statement_run(&revive, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id),
											 param_jsonb(payload)));
	repair_end(&repair, "mend", payload);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------- lanes */

Datum
spark_ops_lanes(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	bus_required();
	PG_RETURN_INT32(log_shape()->lanes);
}

Datum
spark_ops_set_lanes(PG_FUNCTION_ARGS)
{
	int32		lanes = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);

	if (!is_lane_count(lanes))
		refuse(RESULT_INVALID_ARGUMENT, "Argument lanes must be a power of two from 1 to %d.", MAX_LANES);
	PreventCommandIfReadOnly("spark_ops.set_lanes()");
	bus_required();
	change_lanes(lanes);
	PG_RETURN_VOID();
}
