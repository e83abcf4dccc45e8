/*
 * ops_functions.c
 *		Schema spark_ops: what is dead, what is blocked, and the lanes.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/handler_call.h"
#include "postgres/bus/log.h"
#include "postgres/operators/operator_log.h"
#include "postgres/page.h"
#include "postgres/bus/relane.h"
#include "postgres/bus/rotation.h"
#include "postgres/statement.h"

PG_FUNCTION_INFO_V1(spark_ops_dead_letters);
PG_FUNCTION_INFO_V1(spark_ops_blocked_keys);
PG_FUNCTION_INFO_V1(spark_ops_lanes);
PG_FUNCTION_INFO_V1(spark_ops_set_lanes);
PG_FUNCTION_INFO_V1(spark_ops_rotate);

#define MAX_DEAD_LETTERS 10000

#define DEAD_LETTERS \
	"SELECT id, consumer, type, aggregateid, payload, attempts, error_code, error_message, first_failed_at, died_at," \
	" holds FROM spark_common.dead_letter "

static Statement list_dead = {
	.sql = DEAD_LETTERS "ORDER BY died_at DESC, id DESC LIMIT $1",
	.read_only = true};

static Statement list_dead_of = {
	.sql = DEAD_LETTERS "WHERE consumer = $4 AND (died_at, id) < (COALESCE($1, 'infinity'), $2)"
	" ORDER BY died_at DESC, id DESC LIMIT $3",
	.read_only = true};

static Statement find_death = {
	.sql = "SELECT died_at FROM spark_common.dead_letter WHERE consumer = $1 AND id = $2",
	.read_only = true};

/* The first of each key, or lane, that others wait for; a lane's others are in the log. */
static Statement list_blocked = {
	.sql = "SELECT h.consumer, h.aggregateid, w.waiting, h.holds, h.state, h.id, h.type, h.error_code, h.error_message,"
	"  h.first_failed_at, h.due FROM ("
	"  SELECT consumer, aggregateid, holds, 'dead' AS state, id, type, error_code, error_message, first_failed_at,"
	"   NULL::timestamptz AS due FROM spark_common.dead_letter WHERE holds <> 'none'"
	"  UNION ALL SELECT consumer, aggregateid, holds, 'parked', id, type, error_code, error_message, first_failed_at, due"
	"   FROM spark_common.retry WHERE holds <> 'none' AND due IS NOT NULL) h"
	" CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS waiting FROM spark_common.retry r"
	"  WHERE r.consumer = h.consumer AND r.aggregateid = h.aggregateid AND r.due IS NULL) w"
	" ORDER BY h.first_failed_at, h.consumer, h.id LIMIT $1",
	.read_only = true};

/* ------------------------------------------------------------ dead letters */

/* The place of the dead letter that argument after names, or the first page. */
static PagePlace
arg_dead_letter(FunctionCallInfo fcinfo, int number, const char *consumer)
{
	PagePlace	place = FIRST_PAGE;
	Rows		rows;

	if (PG_ARGISNULL(number))
		return place;
	if (consumer == NULL)
		refuse(RESULT_INVALID_ARGUMENT, "Argument after needs of_consumer, for a message may be dead for several.");
	place.id = arg_uuid(fcinfo, number, "after");
	rows = rows_open(&find_death, PARAMETERS(param_text(consumer), param_uuid(place.id)));
	if (!rows_next(&rows))
		refuse(RESULT_NOT_FOUND, "Argument after names no dead letter of this consumer.");
	place.created_at = row_instant(&rows, 1);
	rows_close(&rows);
	return place;
}

Datum
spark_ops_dead_letters(PG_FUNCTION_ARGS)
{
	int			limit = arg_limit_up_to(fcinfo, 0, 100, MAX_DEAD_LETTERS);
	const char *consumer = arg_text_or_null(fcinfo, 1);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	PagePlace	after;
	Rows		rows;

	bus_required();
	if (consumer != NULL)
		consumer_required(consumer);
	after = arg_dead_letter(fcinfo, 2, consumer);
	rows = consumer == NULL ? rows_open(&list_dead, PARAMETERS(param_int(limit)))
		: rows_open(&list_dead_of, PARAMETERS(PAGE_PARAMETERS(after, limit), param_text(consumer)));
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
		answer_text(&answer, row_text(&rows, 11, arena));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}

/* ----------------------------------------------------------------- blocked */

Datum
spark_ops_blocked_keys(PG_FUNCTION_ARGS)
{
	int			limit = arg_limit_up_to(fcinfo, 0, 100, MAX_DEAD_LETTERS);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	bus_required();
	rows = rows_open(&list_blocked, PARAMETERS(param_int(limit)));
	while (rows_next(&rows))
	{
		answer_text(&answer, row_text(&rows, 1, arena));
		answer_uuid(&answer, row_uuid(&rows, 2));
		answer_bigint(&answer, row_bigint(&rows, 3));
		answer_text(&answer, row_text(&rows, 4, arena));
		answer_text(&answer, row_text(&rows, 5, arena));
		answer_uuid(&answer, row_uuid(&rows, 6));
		for (int column = 7; column <= 9; column++)
			answer_text(&answer, row_text(&rows, column, arena));
		answer_instant(&answer, row_instant(&rows, 10));
		answer_instant(&answer, row_instant(&rows, 11));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
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
	const char *reason = arg_reason(fcinfo, 1, "reason");
	int			before;

	if (!is_lane_count(lanes))
		refuse(RESULT_INVALID_ARGUMENT, "Argument lanes must be a power of two from 1 to %d.", MAX_LANES);
	PreventCommandIfReadOnly("spark_ops.set_lanes()");
	/* A consumer that has come since its snapshot would have no place in the new lanes. */
	read_committed_required("spark_ops.set_lanes()");
	bus_required();
	before = log_shape()->lanes;
	change_lanes(lanes);
	if (before != lanes)
		record_operation((Operation) {
			.action = "set_lanes",
			.reason = reason,
			.before = psprintf("{\"lanes\": %d}", before),
			.after = psprintf("{\"lanes\": %d}", lanes),
		});
	PG_RETURN_VOID();
}

/* What a dispatcher does now and then, for databases without one. */
Datum
spark_ops_rotate(PG_FUNCTION_ARGS)
{
	int32		emptied = 0;

	(void) fcinfo;
	PreventCommandIfReadOnly("spark_ops.rotate()");
	/* Who has read what must be seen after the lock is had. */
	read_committed_required("spark_ops.rotate()");
	bus_required();
	no_handler_required("A handler reads the log, which cannot be emptied then.");
	for (int lane = 0; lane < log_shape()->made; lane++)
		emptied += rotate_lane(lane).emptied;
	PG_RETURN_INT32(emptied);
}
