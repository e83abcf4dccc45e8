/*
 * detach.c
 *		A consumer of a user that is gone must not keep the log for ever.
 */
#include "postgres/bus/detach.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/log.h"
#include "postgres/operators/operator_log.h"
#include "postgres/bus/pause.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/bus/place.h"
#include "postgres/bus/relane.h"
#include "postgres/settings.h"
#include "postgres/statement.h"
#include "postgres/workers/wakeup.h"

PG_FUNCTION_INFO_V1(spark_ops_resync);

/* Of each lane by itself: one that goes on in another stands still here all the same. */
static Statement last_moved = {
	.sql = "SELECT at FROM spark_common.cursor_log WHERE consumer = $1 AND lane = $2 ORDER BY gen DESC LIMIT 1"};

static Statement last_resumed = {
	.sql = "SELECT at FROM spark_common.operator_log WHERE consumer = $1 AND action = 'resume_consumer'"
	" ORDER BY at DESC LIMIT 1"};

static SegmentStatement first_unheard = {
	.pattern = "SELECT m.created_at FROM spark_common.outbox_%1$d_%2$d m,"
	"  (SELECT s1 FROM spark_common.cursor_log WHERE consumer = $1 AND lane = %1$d ORDER BY gen DESC LIMIT 1) c"
	" WHERE m.xid >= pg_catalog.pg_snapshot_xmin(c.s1) AND NOT pg_catalog.pg_visible_in_snapshot(m.xid, c.s1)"
	" ORDER BY m.xid, m.seq LIMIT 1"};

static Statement insert_detached = {
	.sql = "INSERT INTO spark_common.detached (consumer, heard_until, detached_at)"
	" VALUES ($1, $2, pg_catalog.clock_timestamp()) ON CONFLICT DO NOTHING"};

static Statement find_detached = {
	.sql = "SELECT heard_until FROM spark_common.detached WHERE consumer = $1"};

static Statement delete_detached = {
	.sql = "DELETE FROM spark_common.detached WHERE consumer = $1"};

#define ALARM_SECONDS 3600		/* between two lines in the server's log */

static Instant
instant_of(Statement *statement, const Parameter *parameters, int parameter_count)
{
	Rows		rows = rows_open(statement, parameters, parameter_count);
	Instant		instant = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;

	rows_close(&rows);
	return instant;
}

static Instant
later_of(Instant a, Instant b)
{
	return instant_before(a, b) ? b : a;
}

static Instant
heard_until_in(const char *consumer, int lane)
{
	return instant_of(&last_moved, PARAMETERS(param_text(consumer), param_int(lane)));
}

/*
 * Who had nothing to hear did not stand still; and the time that an operator made
 * it stand is not its own: it counts from his word to go on.
 */
static Instant
stands_since(const char *consumer, int lane, int segment)
{
	Instant		since = later_of(heard_until_in(consumer, lane),
								 instant_of(&last_resumed, PARAMETERS(param_text(consumer))));

	return later_of(since, instant_of(segment_statement(&first_unheard, lane, segment), PARAMETERS(param_text(consumer))));
}

Instant
detached_from(const char *consumer, int lane, int segment)
{
	if (subscriber_max_lag == 0 || context_consumer(consumer) != NULL || why_operator_paused(consumer) != NULL)
		return INSTANT_NONE;
	return instant_plus_seconds(stands_since(consumer, lane, segment), subscriber_max_lag);
}

/* From half of its time on, once an hour. */
static void
sound_alarm(const char *consumer, int lane, Instant due)
{
	static char said_of[NAMEDATALEN];
	static Instant said_at;
	Instant		now = server_time();

	if (instant_before(now, instant_plus_seconds(due, -(subscriber_max_lag / 2))))
		return;
	if (strcmp(said_of, consumer) == 0 && instant_before(now, instant_plus_seconds(said_at, ALARM_SECONDS)))
		return;
	strlcpy(said_of, consumer, NAMEDATALEN);
	said_at = now;
	ereport(LOG,
			(errmsg("spark consumer \"%s\" stands still and keeps lane %d of the log from being emptied", consumer, lane),
			 errdetail("It is detached at %s, if it has not moved by then.",
					   timestamptz_to_str(timestamp_from_instant(due))),
			 errhint("Mend its handler, pause it by spark_ops.pause_consumer(), or have it unsubscribe.")));
}

static void
put_down(const char *action, const char *consumer, const char *reason, Instant heard_until)
{
	record_operation((Operation) {
		.action = action,
		.consumer = consumer,
		.reason = reason,
		.before = psprintf("{\"heard_until\": \"%s\"}", timestamptz_to_str(timestamp_from_instant(heard_until))),
	});
}

bool
detach_if_gone(const char *consumer, int lane, int segment)
{
	Instant		due;
	Instant		heard_until;

	/* One that is served just now is not gone. */
	if (!take_all_places_if_free(consumer))
		return false;
	due = detached_from(consumer, lane, segment);
	if (instant_is_none(due))
		return false;
	if (instant_before(server_time(), due))
	{
		sound_alarm(consumer, lane, due);
		return false;
	}
	heard_until = heard_until_in(consumer, lane);
	end_in_epoch(consumer);
	(void) statement_run(&insert_detached, PARAMETERS(param_text(consumer), param_instant(heard_until)));
	waiting_is_unknown_at_commit(consumer);
	put_down("detach", consumer, "it has not moved for longer than spark.subscriber_max_lag", heard_until);
	ereport(LOG,
			(errmsg("spark consumer \"%s\" is detached: it kept lane %d of the log from being emptied", consumer, lane),
			 errhint("Mend its handler, see to what it has missed, then call spark_ops.resync().")));
	return true;
}

bool
is_detached(const char *consumer)
{
	return !instant_is_none(instant_of(&find_detached, PARAMETERS(param_text(consumer))));
}

void
forget_detached(const char *consumer)
{
	(void) statement_run(&delete_detached, PARAMETERS(param_text(consumer)));
}

Datum
spark_ops_resync(PG_FUNCTION_ARGS)
{
	const char *consumer = arg_text(fcinfo, 0, "consumer");
	const char *reason = arg_reason(fcinfo, 1, "reason");
	Instant		heard_until;

	PreventCommandIfReadOnly("spark_ops.resync()");
	read_committed_required("spark_ops.resync()");
	bus_required();
	consumer_required(consumer);
	take_all_places(consumer);
	heard_until = instant_of(&find_detached, PARAMETERS(param_text(consumer)));
	if (instant_is_none(heard_until))
		refuse_now("Nothing is to be done: it hears what it wants.", "Consumer %s is not detached.", consumer);
	forget_detached(consumer);
	begin_in_epoch(consumer);
	waiting_is_unknown_at_commit(consumer);
	put_down("resync", consumer, reason, heard_until);
	/* Else its pause could outlast spark.subscriber_max_lag. */
	wake_everything_at_commit();
	PG_RETURN_VOID();
}
