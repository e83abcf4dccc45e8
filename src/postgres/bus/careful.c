/*
 * careful.c
 *		After a crash: which handler was it?
 *
 * Who locks what: a message that is handled carefully holds a lock of its
 * database for the whole of its trial, over its transactions: shared, and a
 * suspect exclusively.  It is taken with no place and no aggregate taken.
 */
#include "postgres/bus/careful.h"

#include "common/lane.h"
#include "postgres/environment.h"
#include "postgres/settings.h"
#include "postgres/statement.h"
#include "postgres/test_point.h"

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* Set in the postmaster each time it makes shared memory; inherited by all. */
static bool server_has_crashed;
static Instant server_started;

/* How many messages each consumer has still to handle carefully, by lane. */
typedef struct Care
{
	char		consumer[NAMEDATALEN];
	int			left[MAX_LANES];
	bool		last_was_parked[MAX_LANES]; /* of the messages that were tried */
} Care;

static List *cares;				/* of this process */

static Statement find_trial = {
	.sql = "SELECT crashes + (started_in < $3)::int FROM spark_common.trial WHERE consumer = $1 AND id = $2"};

static Statement insert_trial = {
	.sql = "INSERT INTO spark_common.trial (consumer, id, lane, crashes, started_in) VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (consumer, id) DO UPDATE SET lane = EXCLUDED.lane, crashes = EXCLUDED.crashes,"
	" started_in = EXCLUDED.started_in"};

static Statement delete_trial = {
	.sql = "DELETE FROM spark_common.trial WHERE consumer = $1 AND id = $2"};

static Statement leave_suspect = {
	.sql = "UPDATE spark_common.trial SET started_in = 'infinity' WHERE consumer = $1 AND id = $2"};

static Statement delete_trials = {
	.sql = "DELETE FROM spark_common.trial WHERE consumer = $1 AND lane = $2"};

/* A server that was stopped in order says so in its control file, until it runs. */
void
careful_startup(void)
{
	bool		is_whole;
	ControlFileData *control;

	if (IsUnderPostmaster)
		return;
	control = get_controlfile(DataDir, &is_whole);
	server_has_crashed = !is_whole ||
		(control->state != DB_SHUTDOWNED && control->state != DB_SHUTDOWNED_IN_RECOVERY);
	server_started = server_time();
	pfree(control);
}

static Care *
care_of(const char *consumer)
{
	MemoryContext caller;
	ListCell   *cell;
	Care	   *care;

	foreach(cell, cares)
	{
		care = lfirst(cell);
		if (strncmp(care->consumer, consumer, NAMEDATALEN - 1) == 0)
			return care;
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	care = palloc0(sizeof(Care));
	strlcpy(care->consumer, consumer, NAMEDATALEN);
	for (int i = 0; i < MAX_LANES; i++)
		care->left[i] = dispatch_batch_size;
	cares = lappend(cares, care);
	MemoryContextSwitchTo(caller);
	return care;
}

static int *
left_of(const char *consumer, int lane)
{
	return &care_of(consumer)->left[lane];
}

bool
must_be_careful(const char *consumer, int lane)
{
	return server_has_crashed && *left_of(consumer, lane) > 0;
}

bool
is_turn_of_parked(const char *consumer, int lane)
{
	return !care_of(consumer)->last_was_parked[lane];
}

void
note_trial(const char *consumer, int lane, bool is_parked)
{
	care_of(consumer)->last_was_parked[lane] = is_parked;
}

void
passed_carefully(const char *consumer, int lane)
{
	--*left_of(consumer, lane);
}

void
end_of_care(const char *consumer, int lane)
{
	*left_of(consumer, lane) = 0;
	(void) statement_run(&delete_trials, PARAMETERS(param_text(consumer), param_int(lane)));
}

static void
lock_trials(LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, 4);
	(void) LockAcquire(&tag, mode, true, false);
}

int
begin_trial(const char *consumer, int lane, Uuid id)
{
	Rows		rows = rows_open(&find_trial, PARAMETERS(param_text(consumer), param_uuid(id), param_instant(server_started)));
	int			crashes = rows_next(&rows) ? row_int(&rows, 1) : 0;

	rows_close(&rows);
	lock_trials(crashes > 0 ? ExclusiveLock : ShareLock);
	TEST_POINT("announce");
	(void) statement_run(&insert_trial, PARAMETERS(param_text(consumer), param_uuid(id), param_int(lane),
												   param_int(crashes), param_instant(server_started)));
	TEST_POINT("announced");
	return crashes;
}

void
end_trial(const char *consumer, Uuid id)
{
	(void) statement_run(&delete_trial, PARAMETERS(param_text(consumer), param_uuid(id)));
}

void
leave_trial(const char *consumer, Uuid id, int crashes)
{
	if (crashes > 0)
		(void) statement_run(&leave_suspect, PARAMETERS(param_text(consumer), param_uuid(id)));
	else
		end_trial(consumer, id);
}

void
trial_is_over(void)
{
	LockReleaseSession(USER_LOCKMETHOD);
}

ErrorData *
error_of_crashes(int crashes)
{
	ErrorData  *error = palloc0(sizeof(ErrorData));

	error->elevel = ERROR;
	error->sqlerrcode = ERRCODE_CRASH_SHUTDOWN;
	error->message = psprintf("the server has crashed %d times while this message was handled", crashes);
	return error;
}
