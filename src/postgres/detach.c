/*
 * detach.c
 *		A consumer of a user that is gone must not keep the log for ever.
 */
#include "postgres/detach.h"

#include "postgres/arguments.h"
#include "postgres/bus_functions.h"
#include "postgres/consumers.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/ownership.h"
#include "postgres/pause.h"
#include "postgres/pending_counts.h"
#include "postgres/place.h"
#include "postgres/relane.h"
#include "postgres/settings.h"
#include "postgres/statement.h"
#include "postgres/wakeup.h"

PG_FUNCTION_INFO_V1(spark_ops_resync);

/* The time that an operator made it stand still is not its own: it counts from his word to go on. */
static Statement last_moved = {
	.sql = "SELECT GREATEST((SELECT pg_catalog.max(at) FROM spark_common.cursor_log WHERE consumer = $1),"
	"  (SELECT pg_catalog.max(at) FROM spark_common.operator_log WHERE consumer = $1 AND action = 'resume_consumer'))"};

static Statement insert_detached = {
	.sql = "INSERT INTO spark_common.detached (consumer, heard_until, detached_at)"
	" VALUES ($1, $2, pg_catalog.clock_timestamp()) ON CONFLICT DO NOTHING"};

static Statement find_detached = {
	.sql = "SELECT heard_until FROM spark_common.detached WHERE consumer = $1"};

static Statement delete_detached = {
	.sql = "DELETE FROM spark_common.detached WHERE consumer = $1"};

static Statement record = {
	.sql = "INSERT INTO spark_common.operator_log (at, operator, action, consumer, reason, before)"
	" VALUES (pg_catalog.clock_timestamp(), $1, $2, $3, $4, pg_catalog.jsonb_build_object('heard_until', $5::timestamptz))"};

static Instant
instant_of(Statement *statement, const char *consumer)
{
	Rows		rows = rows_open(statement, PARAMETERS(param_text(consumer)));
	Instant		instant = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;

	rows_close(&rows);
	return instant;
}

static void
put_down(const char *action, const char *consumer, const char *reason, Instant heard_until)
{
	(void) statement_run(&record, PARAMETERS(param_text(acting_role()), param_text(action), param_text(consumer),
											 param_text(reason), param_instant(heard_until)));
}

bool
detach_if_gone(const char *consumer)
{
	Instant		heard_until;

	if (subscriber_max_lag == 0 || context_consumer(consumer) != NULL || !take_all_places_if_free(consumer))
		return false;
	/* It is not gone: it goes on where it stood, as pause_consumer() promises; health names it. */
	if (why_operator_paused(consumer) != NULL)
		return false;
	heard_until = instant_of(&last_moved, consumer);
	if (instant_before(server_time(), instant_plus_seconds(heard_until, subscriber_max_lag)))
		return false;
	end_in_epoch(consumer);
	(void) statement_run(&insert_detached, PARAMETERS(param_text(consumer), param_instant(heard_until)));
	waiting_is_unknown_at_commit(consumer);
	put_down("detach", consumer, "it has not moved for longer than spark.subscriber_max_lag", heard_until);
	ereport(LOG,
			(errmsg("spark consumer \"%s\" is detached: it kept the log from being emptied", consumer),
			 errhint("Mend its handler, see to what it has missed, then call spark_ops.resync().")));
	return true;
}

bool
is_detached(const char *consumer)
{
	return !instant_is_none(instant_of(&find_detached, consumer));
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
	bus_required();
	consumer_required(consumer);
	take_all_places(consumer);
	heard_until = instant_of(&find_detached, consumer);
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
