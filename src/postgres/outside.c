/*
 * outside.c
 *		Whether this database may act on the world.
 *
 * spark_common.settings holds the cluster and the oid of the database that the
 * books act for.  Workers that act outside ask before each turn.
 */
#include "postgres/outside.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/operators/operator_log.h"
#include "postgres/settings.h"
#include "postgres/statement.h"
#include "postgres/workers/wakeup.h"

#include "access/xlog.h"
#include "miscadmin.h"

#include <inttypes.h>

PG_FUNCTION_INFO_V1(spark_ops_pause_outside);
PG_FUNCTION_INFO_V1(spark_ops_resume_outside);

#define MAX_RESUMPTIONS 8
#define NOBODY "nobody"			/* an operator has paused it */

static Resumption resumptions[MAX_RESUMPTIONS];
static int	resumption_count;

static Statement find_database = {
	.sql = "SELECT value FROM spark_common.settings WHERE name = 'acts_for'",
	.read_only = true};

static Statement set_database = {
	.sql = "INSERT INTO spark_common.settings (name, value) VALUES ('acts_for', $1)"
	" ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"};

static const char *
this_database(void)
{
	return psprintf("%" PRIu64 "/%u", GetSystemIdentifier(), MyDatabaseId);
}

void
claim_outside(void)
{
	(void) statement_run(&set_database, PARAMETERS(param_text(this_database())));
}

/* The database that the books act for; "" where they do not say. */
static const char *
acting_database(void)
{
	Rows		rows = rows_open(&find_database, NO_PARAMETERS);
	const char *database = rows_next(&rows) ? row_text(&rows, 1, context_arena(CurrentMemoryContext)) : "";

	rows_close(&rows);
	return database;
}

const char *
why_outside_is_paused(void)
{
	const char *database;

	if (!acts_outside)
		return "spark.outside is off";
	database = acting_database();
	if (strcmp(database, NOBODY) == 0)
		return "an operator has paused it; SELECT spark_ops.resume_outside('why')";
	if (strcmp(database, this_database()) != 0)
		return "these books are a copy: see that no other copy calls the node,"
			" then SELECT spark_ops.resume_outside('why')";
	return NULL;
}

void
add_resumption(Resumption resumption)
{
	if (resumption_count < MAX_RESUMPTIONS)
		resumptions[resumption_count++] = resumption;
}

static void
put_down(const char *action, const char *reason)
{
	record_operation((Operation) {.action = action, .reason = reason});
	wake_everything_at_commit();
}

Datum
spark_ops_pause_outside(PG_FUNCTION_ARGS)
{
	const char *reason = arg_reason(fcinfo, 0, "reason");

	PreventCommandIfReadOnly("spark_ops.pause_outside()");
	bus_required();
	(void) statement_run(&set_database, PARAMETERS(param_text(NOBODY)));
	put_down("pause_outside", reason);
	PG_RETURN_VOID();
}

Datum
spark_ops_resume_outside(PG_FUNCTION_ARGS)
{
	const char *reason = arg_reason(fcinfo, 0, "reason");

	PreventCommandIfReadOnly("spark_ops.resume_outside()");
	bus_required();
	if (!acts_outside)
		refuse_now("Set it on and reload, then call again.", "The setting spark.outside is off.");
	if (why_outside_is_paused() == NULL)
		PG_RETURN_VOID();
	claim_outside();
	for (int i = 0; i < resumption_count; i++)
		resumptions[i] (server_time());
	put_down("resume_outside", reason);
	PG_RETURN_VOID();
}
