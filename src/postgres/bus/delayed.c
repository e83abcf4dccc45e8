/*
 * delayed.c
 *		Messages that are due later.
 *
 * The index on due is read from the last that was taken, not from its lowest
 * end: under an old snapshot of somebody, entries of what was moved long ago
 * stay there, and would be walked over each time.  A message may come below that
 * bound, if its transaction took long: that says so when it ends (late_due.h).
 * Should nobody have said so, the bound stays a while behind, and once a minute
 * one worker reads the index from its end.
 *
 * Where more is due than one look takes, the next one goes on at the very entry
 * at which it ended: else each would walk over all that those before have moved.
 *
 * Who locks what: the place of the mover, which is not waited for; and the rows
 * that are moved: one that a cancel holds is left to it.
 */
#include "postgres/bus/delayed.h"

#include "postgres/bus/late_due.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/message_rows.h"
#include "postgres/bus/outbox.h"
#include "postgres/bus/place.h"
#include "postgres/statement.h"
#include "postgres/test_point.h"
#include "postgres/workers/wakeup.h"

#include "utils/acl.h"

#define BEHIND_SECONDS 60
#define WHOLE_SECONDS 60

static Instant taken_up_to = {1};	/* all due before were taken, here or by others, but for late commits */
static Uuid last_taken;			/* of those that were due just then */
static bool is_whole;			/* this pass began at the end of the index */
static int	full_looks;			/* of this pass, which took as many as they might: it goes on */
static Instant next_whole;		/* when the index is read from its end again */
static bool leaves_late_ones;	/* to others */

static Statement insert_delayed = {
	.sql = "INSERT INTO spark_common.delayed (id, due, aggregatetype, aggregateid, type, payload, schemaversion,"
	" correlationid, causationid, traceparent, depth, emitted_by, created_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::int2, $12, $13)"};

static Statement find_delayed = {
	.sql = "SELECT emitted_by, due FROM spark_common.delayed WHERE id = $1 FOR UPDATE"};

static Statement delete_delayed = {
	.sql = "DELETE FROM spark_common.delayed WHERE id = $1"};

static Statement take_due = {
	.sql = "WITH gone AS (DELETE FROM spark_common.delayed WHERE ctid = ANY (ARRAY("
	"  SELECT ctid FROM spark_common.delayed WHERE (due, id) > ($1, $4) AND due <= $2"
	"  ORDER BY due, id LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING *)"
	" SELECT " MESSAGE_COLUMNS ", due FROM gone ORDER BY due, id"};

static Statement find_next = {
	.sql = "SELECT due FROM spark_common.delayed WHERE due >= $1 ORDER BY due LIMIT 1"};

void
delay_message(const Message *message, Instant due, const char *emitted_by)
{
	(void) statement_run(&insert_delayed,
						 PARAMETERS(param_uuid(message->id), param_instant(due),
									param_text(message->aggregate_type), param_uuid(message->aggregate_id),
									param_text(message->type_name), param_jsonb(message->payload_json),
									param_int(message->schema_version), param_uuid(message->correlation_id),
									param_uuid_or_null(message->causation_id), param_text(message->traceparent),
									param_int(message->depth), param_text(emitted_by), param_instant(message->created_at)));
	due_at_commit(due);
	wake_dispatchers_at_commit();
}

Cancelling
cancel_delayed(Uuid id, Oid role)
{
	Rows		rows = rows_open(&find_delayed, PARAMETERS(param_uuid(id)));
	Oid			emitter;

	if (!rows_next(&rows))
	{
		rows_close(&rows);
		return CANCELLED_TOO_LATE;
	}
	emitter = get_role_oid(row_text(&rows, 1, context_arena(CurrentMemoryContext)), true);
	due_at_abort(row_instant(&rows, 2));
	rows_close(&rows);
	if (OidIsValid(emitter) ? !has_privs_of_role(role, emitter) : !superuser_arg(role))
		return CANCELLED_BY_ANOTHER;
	return statement_run(&delete_delayed, PARAMETERS(param_uuid(id))) > 0 ? CANCELLED : CANCELLED_TOO_LATE;
}

void
leave_late_delayed(void)
{
	leaves_late_ones = true;
}

void
look_at_all_delayed(void)
{
	taken_up_to = (Instant) {1};
	full_looks = 0;
	next_whole = INSTANT_NONE;
}

/*
 * By index, whatever the session's settings are: a plan that was made while few
 * waited is kept, and must do for a million.
 */
static Rows
take_due_rows(Instant from, Uuid behind, Instant now, int64 most)
{
	int			level = NewGUCNestLevel();
	Rows		rows;

	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rows = rows_open(&take_due, PARAMETERS(param_instant(from), param_instant(now), param_bigint(most), param_uuid(behind)));
	AtEOXact_GUC(true, level);
	return rows;
}

/*
 * Where a pass goes on, or begins: from the end of the index, or a while behind
 * the last one, or with what has appeared before that.  However long a pass is,
 * it is left for such a one, and once a minute for a whole one.
 */
static Rows
open_due(Instant now, int64 most)
{
	bool		must_be_whole = !leaves_late_ones && !instant_before(now, next_whole);
	Instant		behind = instant_plus_seconds(taken_up_to, -BEHIND_SECONDS);
	Instant		late = take_late_due();

	if (full_looks > 0 && !must_be_whole && (instant_is_none(late) || instant_before(taken_up_to, late)))
		return take_due_rows(taken_up_to, last_taken, now, most);
	full_looks = 0;
	is_whole = must_be_whole;
	if (is_whole)
		next_whole = instant_plus_seconds(now, WHOLE_SECONDS);
	if (!instant_is_none(late) && instant_before(late, behind))
		behind = late;
	return take_due_rows(is_whole ? (Instant) {1} : behind, (Uuid) {{0}}, now, most);
}

/* Nothing more is due; what has committed late below a pass of many looks is looked for at once. */
static void
end_pass(Instant now)
{
	if (is_whole || leaves_late_ones)
		taken_up_to = now;
	if (is_whole && full_looks > 0)
		next_whole = now;
	full_looks = 0;
}

int64
move_due(int64 most)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	UnitOfWork *work = unit_of_work_new(arena, server_ports(), NULL);
	Instant		now = clock_now(work);
	Message    *messages = ARENA_ARRAY(arena, Message, most);
	int64		count = 0;
	Rows		rows;

	if (!take_place_of_mover())
		return 0;
	rows = open_due(now, most);
	while (rows_next(&rows))
	{
		messages[count++] = message_of_row(&rows, 1, arena);
		taken_up_to = row_instant(&rows, 12);
	}
	rows_close(&rows);
	if (count > 0)
	{
		last_taken = messages[count - 1].id;
		TEST_POINT("move");
		check(outbox_log()->store(outbox_log(), work, messages, (size_t) count));
		TEST_POINT("moved");
	}
	else
		give_back_place_of_mover();
	if (count == most)
		full_looks++;
	else
		end_pass(now);
	return count;
}

Instant
next_delayed_at(void)
{
	Rows		rows;
	Instant		due;

	/* There may be more that is due. */
	if (full_looks > 0)
		return taken_up_to;
	rows = rows_open(&find_next, PARAMETERS(param_instant(instant_plus_seconds(taken_up_to, -BEHIND_SECONDS))));
	due = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;
	rows_close(&rows);
	return due;
}
