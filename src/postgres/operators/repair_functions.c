/*
 * repair_functions.c
 *		Schema spark_ops: the repair of messages that failed.
 *
 * Each is recorded in spark_common.operator_log with who and why.
 *
 * Who locks what: the consumer's places in all lanes, so that its batches and an
 * operator take turns.
 */
#include "postgres/server.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/message_rows.h"
#include "postgres/operators/operator_log.h"
#include "postgres/bus/parking.h"
#include "postgres/bus/payload.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/bus/place.h"
#include "postgres/statement.h"
#include "postgres/workers/wakeup.h"

PG_FUNCTION_INFO_V1(spark_ops_retry_dead_letter);
PG_FUNCTION_INFO_V1(spark_ops_drop_dead_letter);
PG_FUNCTION_INFO_V1(spark_ops_mend_dead_letter);
PG_FUNCTION_INFO_V1(spark_ops_retry_key);
PG_FUNCTION_INFO_V1(spark_ops_retry_all);
PG_FUNCTION_INFO_V1(spark_ops_unblock_key);

#define MAX_RETRIED 10000

static Statement find_dead = {
	.sql = "SELECT aggregateid, payload, lane FROM spark_common.dead_letter WHERE consumer = $1 AND id = $2 FOR UPDATE"};

/* From dead to parked, due now, its attempts counted from 0; what waits for it goes on waiting. */
#define REVIVE(which, payload) \
	"WITH dead AS (DELETE FROM spark_common.dead_letter WHERE consumer = $1 AND " which " RETURNING *)" \
	" INSERT INTO spark_common.retry (consumer, lane, seq, id, aggregatetype, aggregateid, type, payload," \
	"  schemaversion, correlationid, causationid, traceparent, depth, created_at, holds, attempts, due," \
	"  error_code, error_message, error_detail, error_context, first_failed_at)" \
	" SELECT consumer, lane, seq, id, aggregatetype, aggregateid, type, " payload "," \
	"  schemaversion, correlationid, causationid, traceparent, depth, created_at, holds, 0, pg_catalog.clock_timestamp()," \
	"  error_code, error_message, error_detail, error_context, first_failed_at FROM dead ORDER BY seq"

static Statement revive = {
	.sql = REVIVE("id = $2", "COALESCE($3, payload)")};

static Statement revive_key = {
	.sql = REVIVE("aggregateid = $2", "payload")};

static Statement revive_some = {
	.sql = REVIVE("id IN (SELECT id FROM spark_common.dead_letter WHERE consumer = $1 ORDER BY died_at, id LIMIT $2)", "payload")};

/* What waits for a later attempt has it now. */
static Statement hasten_key = {
	.sql = "UPDATE spark_common.retry SET due = pg_catalog.clock_timestamp()"
	" WHERE consumer = $1 AND aggregateid = $2 AND due > pg_catalog.clock_timestamp()"};

static Statement hasten_some = {
	.sql = "UPDATE spark_common.retry SET due = pg_catalog.clock_timestamp() WHERE consumer = $1 AND id IN"
	" (SELECT id FROM spark_common.retry WHERE consumer = $1 AND due > pg_catalog.clock_timestamp() ORDER BY due LIMIT $2)"};

static Statement set_dead_aside = {
	.sql = "UPDATE spark_common.dead_letter SET holds = 'none' WHERE consumer = $1 AND aggregateid = $2 AND holds <> 'none'"};

static Statement set_parked_aside = {
	.sql = "UPDATE spark_common.retry SET holds = 'none'"
	" WHERE consumer = $1 AND aggregateid = $2 AND holds <> 'none' AND due IS NOT NULL"};

static Statement remove_dead = {
	.sql = "DELETE FROM spark_common.dead_letter WHERE consumer = $1 AND id = $2"};

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
	const char *reason;
	Uuid		key;
	const char *payload;		/* as it was */
	KeyChange	change;
} Repair;

static Repair
repair_begin(FunctionCallInfo fcinfo, int reason_argument)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Repair		repair = {
		.message_id = arg_uuid(fcinfo, 0, "message_id"),
		.consumer = arg_text(fcinfo, 1, "consumer"),
		.reason = arg_reason(fcinfo, reason_argument, "reason"),
	};
	Rows		rows;
	int			lane;

	bus_required();
	consumer_required(repair.consumer);
	take_all_places(repair.consumer);
	rows = rows_open(&find_dead, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id)));
	if (!rows_next(&rows))
		refuse(RESULT_NOT_FOUND, "That message is no dead letter of this consumer.");
	repair.key = row_uuid(&rows, 1);
	repair.payload = row_text(&rows, 2, arena);
	lane = row_int(&rows, 3);
	rows_close(&rows);
	repair.change = begin_key_change(repair.consumer, lane, repair.key);
	return repair;
}

static void
repair_end(const Repair *repair, const char *action, const char *after)
{
	record_operation((Operation) {
		.action = action,
		.consumer = repair->consumer,
		.message_id = repair->message_id,
		.reason = repair->reason,
		.before = repair->payload,
		.after = after,
	});
	wake_dispatchers_at_commit();
}

Datum
spark_ops_retry_dead_letter(PG_FUNCTION_ARGS)
{
	Repair		repair = repair_begin(fcinfo, 2);

	(void) statement_run(&revive, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id),
											 param_jsonb(NULL)));
	end_key_change(&repair.change, 1, -1);
	repair_end(&repair, "retry", NULL);
	PG_RETURN_VOID();
}

Datum
spark_ops_drop_dead_letter(PG_FUNCTION_ARGS)
{
	Repair		repair = repair_begin(fcinfo, 2);

	(void) statement_run(&remove_dead, PARAMETERS(param_text(repair.consumer), param_uuid(repair.message_id)));
	end_key_change(&repair.change, 0, -1);
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
	end_key_change(&repair.change, 1, -1);
	repair_end(&repair, "mend", payload);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------- many */

/* Repairs of more than one message name their consumer first. */
static const char *
repair_many_begin(FunctionCallInfo fcinfo)
{
	const char *consumer = arg_text(fcinfo, 0, "consumer");

	PreventCommandIfReadOnly("a repair of messages");
	bus_required();
	consumer_required(consumer);
	take_all_places(consumer);
	return consumer;
}

static Datum
repair_many_end(const char *action, const char *consumer, const char *reason, const char *after, uint64 count)
{
	record_operation((Operation) {
		.action = action,
		.consumer = consumer,
		.reason = reason,
		.after = after,
	});
	waiting_is_unknown_at_commit(consumer);
	wake_dispatchers_at_commit();
	return Int64GetDatum((int64) count);
}

static const char *
json_of_key(Uuid key, uint64 count)
{
	char		text[UUID_TEXT_LENGTH + 1];

	uuid_format(key, text);
	return psprintf("{\"aggregate_id\": \"%s\", \"messages\": " UINT64_FORMAT "}", text, count);
}

Datum
spark_ops_retry_key(PG_FUNCTION_ARGS)
{
	Uuid		key = arg_uuid(fcinfo, 1, "aggregate_id");
	const char *reason = arg_reason(fcinfo, 2, "reason");
	const char *consumer = repair_many_begin(fcinfo);
	uint64		count = statement_run(&hasten_key, PARAMETERS(param_text(consumer), param_uuid(key))) +
		statement_run(&revive_key, PARAMETERS(param_text(consumer), param_uuid(key)));

	if (count == 0)
		refuse(RESULT_NOT_FOUND, "No message of that key is dead for this consumer, or waits for an attempt.");
	PG_RETURN_DATUM(repair_many_end("retry_key", consumer, reason, json_of_key(key, count), count));
}

Datum
spark_ops_retry_all(PG_FUNCTION_ARGS)
{
	const char *reason = arg_reason(fcinfo, 1, "reason");
	int			limit = arg_limit_up_to(fcinfo, 2, 1000, MAX_RETRIED);
	const char *consumer = repair_many_begin(fcinfo);
	uint64		count = statement_run(&hasten_some, PARAMETERS(param_text(consumer), param_int(limit)));

	if (count < (uint64) limit)
		count += statement_run(&revive_some, PARAMETERS(param_text(consumer), param_int(limit - (int) count)));
	if (count == 0)
		PG_RETURN_INT64(0);
	PG_RETURN_DATUM(repair_many_end("retry_all", consumer, reason,
									psprintf("{\"messages\": " UINT64_FORMAT "}", count), count));
}

Datum
spark_ops_unblock_key(PG_FUNCTION_ARGS)
{
	Uuid		key = arg_uuid(fcinfo, 1, "aggregate_id");
	const char *reason = arg_reason(fcinfo, 2, "reason");
	const char *consumer = repair_many_begin(fcinfo);
	uint64		count = statement_run(&set_dead_aside, PARAMETERS(param_text(consumer), param_uuid(key))) +
		statement_run(&set_parked_aside, PARAMETERS(param_text(consumer), param_uuid(key)));

	if (count == 0)
		refuse(RESULT_NOT_FOUND, "No message of that key holds up others of this consumer.");
	open_key(consumer, key);
	PG_RETURN_DATUM(repair_many_end("unblock_key", consumer, reason, json_of_key(key, count), count));
}
