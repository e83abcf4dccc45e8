/*
 * parking.c
 *		Messages that could not be handled: parked, blocked behind, dead.
 */
#include "postgres/bus/parking.h"

#include "common/backoff.h"
#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/log.h"
#include "postgres/bus/message_rows.h"
#include "postgres/bus/pause.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/settings.h"
#include "postgres/statement.h"

#include "common/pg_prng.h"

#define PARKED_COLUMNS "consumer, lane, seq, " MESSAGE_COLUMNS \
	", holds, attempts, due, error_code, error_message, error_detail, error_context, first_failed_at"

static Statement find_shut_keys = {
	.sql = SHUT_KEYS("consumer = $1 AND aggregateid = ANY ($2)")};

static Statement find_lane_holder = {
	.sql = "SELECT FROM spark_common.retry WHERE consumer = $1 AND lane = $2 AND holds = 'lane'"
	" UNION ALL SELECT FROM spark_common.dead_letter WHERE consumer = $1 AND lane = $2 AND holds = 'lane' LIMIT 1"};

static Statement find_any_parked = {
	.sql = "SELECT 1 WHERE EXISTS (SELECT FROM spark_common.retry WHERE consumer = $1)"
	" OR EXISTS (SELECT FROM spark_common.dead_letter WHERE consumer = $1)"};

static Statement insert_parked = {
	.sql = "INSERT INTO spark_common.retry (" PARKED_COLUMNS ")"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::int2, $14,"
	" $15, $16, $17, $18, $19, $20, $21, $22)"};

/* Now is a parameter: compared with a volatile function, the index would be read to its end. */
static Statement find_due = {
	.sql = "SELECT lane, seq, attempts, first_failed_at, " MESSAGE_COLUMNS
	" FROM spark_common.retry WHERE consumer = $1 AND lane = $2 AND due <= $3 AND " NOT_PAUSED
	" ORDER BY due LIMIT 1 FOR UPDATE"};

static Statement find_due_at = {
	.sql = "SELECT due FROM spark_common.retry WHERE consumer = $1 AND lane = $2 AND due IS NOT NULL"
	" AND " NOT_PAUSED " ORDER BY due LIMIT 1"};

static Statement delete_parked = {
	.sql = "DELETE FROM spark_common.retry WHERE consumer = $1 AND id = $2"};

/*
 * Nothing holds it up: no earlier one of its key, nor, where it has its place in
 * the order of the lane, of that; and no dead letter.
 */
#define IS_FIRST \
	" r.due IS NULL" \
	" AND NOT EXISTS (SELECT FROM spark_common.retry e" \
	"  WHERE e.consumer = r.consumer AND e.aggregateid = r.aggregateid AND e.seq < r.seq AND e.holds <> 'none')" \
	" AND NOT EXISTS (SELECT FROM spark_common.dead_letter d" \
	"  WHERE d.consumer = r.consumer AND d.aggregateid = r.aggregateid AND d.holds <> 'none')" \
	" AND (r.holds <> 'lane' OR NOT EXISTS (SELECT FROM spark_common.retry e" \
	"  WHERE e.consumer = r.consumer AND e.lane = r.lane AND e.seq < r.seq AND e.holds = 'lane')" \
	" AND NOT EXISTS (SELECT FROM spark_common.dead_letter d" \
	"  WHERE d.consumer = r.consumer AND d.lane = r.lane AND d.holds = 'lane'))"

#define OPEN "UPDATE spark_common.retry r SET due = pg_catalog.clock_timestamp() WHERE r.consumer = $1 AND "

/* The first of a key may go. */
static Statement open_first = {
	.sql = OPEN "r.id ="
	" (SELECT id FROM spark_common.retry WHERE consumer = $1 AND aggregateid = $2 AND holds <> 'none'"
	"  ORDER BY seq LIMIT 1) AND" IS_FIRST};

/* The first of a lane, where its order is the lane's. */
static Statement open_first_of_lane = {
	.sql = OPEN "r.id ="
	" (SELECT id FROM spark_common.retry WHERE consumer = $1 AND lane = $2 AND holds = 'lane'"
	"  ORDER BY seq LIMIT 1) AND" IS_FIRST};

/* The same for every key, and lane. */
static Statement open_each_first = {.sql = OPEN IS_FIRST};

static Statement set_failed = {
	.sql = "UPDATE spark_common.retry SET attempts = $3, due = $4, error_code = $5, error_message = $6,"
	" error_detail = $7, error_context = $8, first_failed_at = COALESCE(first_failed_at, pg_catalog.clock_timestamp())"
	" WHERE consumer = $1 AND id = $2"};

/* With skip, nothing waits for it any more. */
static Statement insert_dead = {
	.sql = "WITH dead AS (DELETE FROM spark_common.retry WHERE consumer = $1 AND id = $2 RETURNING " PARKED_COLUMNS ")"
	" INSERT INTO spark_common.dead_letter (" PARKED_COLUMNS ", died_at)"
	" SELECT consumer, lane, seq, " MESSAGE_COLUMNS ", CASE WHEN $3 THEN 'none' ELSE holds END,"
	"  attempts, due, error_code, error_message, error_detail, error_context, first_failed_at,"
	"  pg_catalog.clock_timestamp() FROM dead"};

bool
has_parked(const char *consumer)
{
	return statement_run(&find_any_parked, PARAMETERS(param_text(consumer))) > 0;
}

size_t
shut_keys(const char *consumer, const Uuid *keys, size_t count, Uuid *shut)
{
	size_t		shut_count = 0;
	Rows		rows = rows_open(&find_shut_keys, PARAMETERS(param_text(consumer), param_uuids(keys, count)));

	while (rows_next(&rows))
		shut[shut_count++] = row_uuid(&rows, 1);
	rows_close(&rows);
	return shut_count;
}

bool
lane_is_held(const char *consumer, int lane)
{
	Rows		rows = rows_open(&find_lane_holder, PARAMETERS(param_text(consumer), param_int(lane)));
	bool		held = rows_next(&rows);

	rows_close(&rows);
	return held;
}

/* ----------------------------------------------------------- what is counted */

static bool
key_is_held(const char *consumer, Uuid key)
{
	Uuid		shut;

	return shut_keys(consumer, &key, 1, &shut) > 0;
}

KeyChange
begin_key_change(const char *consumer, int lane, Uuid key)
{
	return (KeyChange) {consumer, lane, key, key_is_held(consumer, key)};
}

void
end_key_change(const KeyChange *change, int parked, int dead)
{
	WaitingCount by = {
		.parked = parked,
		.dead = dead,
		.blocked = key_is_held(change->consumer, change->key) - change->was_held,
	};

	waiting_grows_at_commit(consumer_key(change->consumer), change->lane, &by);
}

/* ------------------------------------------------------------------- parking */

/* From now; where attempts are not counted, by the time since the first failure, or none. */
static Instant
next_attempt(int attempts, Blame blame, Instant first_failed_at)
{
	Backoff		backoff = {.base = INT64CONST(1000) * retry_base_delay, .longest = INT64CONST(1000) * retry_max_delay};
	double		chance = pg_prng_double(&pg_global_prng_state);
	int64		now = server_time().microseconds;

	if (blame != BLAME_NONE)
		return (Instant) {now + backoff_after(backoff, attempts, chance)};
	return (Instant) {now + backoff_again(backoff, instant_is_none(first_failed_at) ? 0 : now - first_failed_at.microseconds, chance)};
}

static const char *
error_code(const ErrorData *error)
{
	return error == NULL ? NULL : unpack_sql_state(error->sqlerrcode);
}

static void
insert(const Listener *listener, int lane, int64 seq, const Message *message, int attempts, Instant due,
	   const ErrorData *error)
{
	(void) statement_run(&insert_parked,
						 PARAMETERS(param_text(listener->name), param_int(lane), param_bigint(seq),
									param_uuid(message->id), param_text(message->aggregate_type),
									param_uuid(message->aggregate_id), param_text(message->type_name),
									param_jsonb(message->payload_json), param_int(message->schema_version),
									param_uuid(message->correlation_id), param_uuid_or_null(message->causation_id),
									param_text(message->traceparent), param_int(message->depth),
									param_instant(message->created_at),
									param_text(order_name(listener_order(listener, message->type_name))),
									param_int(attempts), param_instant(due),
									param_text(error_code(error)),
									param_text(error != NULL ? error->message : NULL),
									param_text(error != NULL ? error->detail : NULL),
									param_text(error != NULL ? error->context : NULL),
									param_instant(error != NULL ? server_time() : INSTANT_NONE)));
}

void
park_behind(const Listener *listener, int lane, int64 seq, const Message *message)
{
	WaitingCount by = {.parked = 1};

	insert(listener, lane, seq, message, 0, INSTANT_NONE, NULL);
	waiting_grows_at_commit(consumer_key(listener->name), lane, &by);
}

/* A line each time; its context names the message and the trace it is part of. */
static void
say_failed(const char *consumer, int attempt, Blame blame, const ErrorData *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 blame == BLAME_NONE
			 ? errmsg("spark consumer \"%s\" sets a message aside: %s", consumer, error->message)
			 : errmsg("attempt %d of spark consumer \"%s\" failed: %s", attempt, consumer, error->message),
			 error->context != NULL ? errcontext("%s", error->context) : 0));
}

static void
open_lane(const char *consumer, int lane)
{
	(void) statement_run(&open_first_of_lane, PARAMETERS(param_text(consumer), param_int(lane)));
}

static void
open_key_in(const char *consumer, Uuid key, int lane)
{
	(void) statement_run(&open_first, PARAMETERS(param_text(consumer), param_uuid(key)));
	open_lane(consumer, lane);
}

/* False where nobody waits for it. */
static bool
bury(const Listener *listener, int lane, const Message *message)
{
	bool		skips = listener_when_dead(listener, message->type_name) == MESSAGE_DEATH_SKIP;

	(void) statement_run(&insert_dead,
						 PARAMETERS(param_text(listener->name), param_uuid(message->id), param_bool(skips)));
	if (skips)
		open_key_in(listener->name, message->aggregate_id, lane);
	return !skips;
}

static bool
was_last_attempt(const Listener *listener, const Message *message, int attempts, Blame blame)
{
	switch (blame)
	{
		case BLAME_NONE:
			return false;
		case BLAME_ATTEMPT:
			return attempts >= listener_max_attempts(listener, message->type_name);
		case BLAME_FINAL:
			return true;
	}
	return false;
}

bool
park_failed(const Listener *listener, int lane, int64 seq, const Message *message,
			const ErrorData *error, Blame blame)
{
	KeyChange	change = begin_key_change(listener->name, lane, message->aggregate_id);
	bool		holds = listener_order(listener, message->type_name) != MESSAGE_ORDER_NONE;
	int			attempts = blame == BLAME_NONE ? 0 : 1;
	bool		dies = was_last_attempt(listener, message, attempts, blame);

	note_error(listener->name, error->message);
	say_failed(listener->name, attempts, blame, error);
	insert(listener, lane, seq, message, attempts, next_attempt(attempts, blame, INSTANT_NONE), error);
	if (dies)
		holds = bury(listener, lane, message) && holds;
	end_key_change(&change, dies ? 0 : 1, dies ? 1 : 0);
	return holds;
}

bool
next_parked(const char *consumer, int lane, Arena *arena, Parked *parked)
{
	Instant		now = server_time();
	Rows		rows = rows_open(&find_due, PARAMETERS(param_text(consumer), param_int(lane), param_instant(now)));
	bool		found = rows_next(&rows);

	if (found)
	{
		parked->lane = row_int(&rows, 1);
		parked->seq = row_bigint(&rows, 2);
		parked->attempts = row_int(&rows, 3);
		parked->first_failed_at = row_instant(&rows, 4);
		parked->message = message_of_row(&rows, 5, arena);
	}
	rows_close(&rows);
	return found;
}

Instant
next_parked_at(const char *consumer, int lane)
{
	Rows		rows = rows_open(&find_due_at, PARAMETERS(param_text(consumer), param_int(lane)));
	Instant		due = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;

	rows_close(&rows);
	return due;
}

void
open_key(const char *consumer, Uuid key)
{
	open_key_in(consumer, key, 0);
	for (int lane = 1; lane < log_shape()->made; lane++)
		open_lane(consumer, lane);
}

void
open_keys(const char *consumer)
{
	(void) statement_run(&open_each_first, PARAMETERS(param_text(consumer)));
}

void
unpark(const char *consumer, const Parked *parked)
{
	KeyChange	change = begin_key_change(consumer, parked->lane, parked->message.aggregate_id);

	(void) statement_run(&delete_parked, PARAMETERS(param_text(consumer), param_uuid(parked->message.id)));
	end_key_change(&change, -1, 0);
	open_key_in(consumer, parked->message.aggregate_id, parked->lane);
}

void
park_again(const Listener *listener, const Parked *parked, const ErrorData *error, Blame blame)
{
	int			attempts = blame == BLAME_NONE ? parked->attempts : parked->attempts + 1;
	Instant		due = next_attempt(attempts, blame, parked->first_failed_at);

	note_error(listener->name, error->message);
	say_failed(listener->name, attempts, blame, error);
	(void) statement_run(&set_failed,
						 PARAMETERS(param_text(listener->name), param_uuid(parked->message.id),
									param_int(attempts), param_instant(due),
									param_text(error_code(error)), param_text(error->message),
									param_text(error->detail), param_text(error->context)));
	if (was_last_attempt(listener, &parked->message, attempts, blame))
	{
		KeyChange	change = begin_key_change(listener->name, parked->lane, parked->message.aggregate_id);

		(void) bury(listener, parked->lane, &parked->message);
		end_key_change(&change, -1, 1);
	}
}
