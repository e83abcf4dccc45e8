/*
 * install.c
 *		spark.install(): makes the books, or brings them to this code's version.
 *
 * Runs the files of sql/tables/, each once, in the order of their versions.
 * Refuses to run inside an extension script, where its tables would become
 * members of that extension and fall out of dumps.  Holds the extension against
 * a second installer, and against DROP, until it commits.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/bus/consumers.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/installed.h"
#include "postgres/outside.h"
#include "postgres/bus/rebase.h"
#include "postgres/bus/relane.h"
#include "postgres/statement.h"
#include "postgres/tables.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/workers/wakeup.h"

#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/extension.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(spark_install);
PG_FUNCTION_INFO_V1(spark_version);

/* The contexts of Satoshi Spark, in the order in which they are made. */
static const char *const satoshi_spark[] = {
	"common", "auth", "accounting", "crowdfunding", "bitcoin", "dashboard"};

static Statement record_version = {
	.sql = "INSERT INTO spark_common.installed (context, version, code_version, installed_at)"
	" VALUES ($1, $2, $3, pg_catalog.now()) ON CONFLICT (context) DO UPDATE"
	" SET version = EXCLUDED.version, code_version = EXCLUDED.code_version, installed_at = EXCLUDED.installed_at"};

static void
run_script(const char *script)
{
	SPI_connect();
	if (SPI_execute(script, false, 0) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make the tables of spark")));
	SPI_finish();
}

/* Runs what is missing; what it did, as a word. */
static const char *
bring_to_newest(const char *context)
{
	int			version = installed_version(context);
	int			newest = newest_version(context);

	if (tables_are_lost(context))
		refuse(RESULT_NOT_INSTALLED, "The tables of context %s were dropped: restore schema spark_%s from a backup,"
			   " or give its rows up by DELETE FROM spark_common.installed WHERE context = '%s'.",
			   context, context, context);
	if (version > newest)
		refuse(RESULT_NOT_INSTALLED, "The tables of context %s have version %d, this code knows up to %d."
			   " Install the newer code.", context, version, newest);
	if (version == newest)
		return "unchanged";
	if (version == 0)
		run_script(psprintf("CREATE SCHEMA spark_%s;"
							" REVOKE ALL ON SCHEMA spark_%s FROM PUBLIC", context, context));
	for (int i = 0; i < embedded_table_count; i++)
		if (strcmp(embedded_tables[i].context, context) == 0 && embedded_tables[i].version > version)
			run_script(embedded_tables[i].ddl);
	CommandCounterIncrement();
	(void) statement_run(&record_version,
						 PARAMETERS(param_text(context), param_int(newest), param_text(SPARK_VERSION)));
	return version == 0 ? "created" : "upgraded";
}

static bool
is_wanted(ArrayType *contexts, const char *context)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	if (contexts == NULL || strcmp(context, "common") == 0)
		return true;
	deconstruct_array(contexts, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i] && strcmp(TextDatumGetCString(names[i]), context) == 0)
			return true;
	return false;
}

static void
check_names(ArrayType *contexts)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	deconstruct_array(contexts, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	if (count == 0)
		refuse(RESULT_INVALID_ARGUMENT, "Argument contexts names no context; leave it out for all of them.");
	for (int i = 0; i < count; i++)
		if (nulls[i] || newest_version(TextDatumGetCString(names[i])) == 0)
			refuse(RESULT_INVALID_ARGUMENT,
				   "Argument contexts may name auth, accounting, crowdfunding, bitcoin and dashboard.");
}

static void
make_log_ours(const char *common_action)
{
	if (strcmp(common_action, "created") == 0)
	{
		claim_log();
		claim_outside();
	}
	else if (log_is_foreign())
		rebase_log();
}

Datum
spark_install(PG_FUNCTION_ARGS)
{
	ArrayType  *contexts = PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0);
	Answer		answer;

	if (creating_extension)
		refuse_now("Call it after CREATE EXTENSION has ended.", "spark.install() was called within an extension's script.");
	if (contexts != NULL)
		check_names(contexts);
	PreventCommandIfReadOnly("spark.install()");
	if (!lock_spark_extension(ShareUpdateExclusiveLock))
		refuse(RESULT_NOT_INSTALLED, "The extension spark is being dropped.");
	if (!script_is_current())
		refuse(RESULT_NOT_INSTALLED, "The SQL of the extension is not of the library's version, %s."
			   " Run ALTER EXTENSION spark UPDATE first.", SPARK_VERSION);
	CommandCounterIncrement();
	forget_installed();
	if (!transaction_sees_installed())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("another session has called spark.install() since this transaction began"),
				 errhint("Call it again, in a new transaction.")));
	answer = answers_begin(fcinfo);
	for (size_t i = 0; i < lengthof(satoshi_spark); i++)
	{
		const char *context = satoshi_spark[i];
		const char *action;

		if (!is_wanted(contexts, context))
			continue;
		action = bring_to_newest(context);
		if (strcmp(context, "common") == 0)
			make_log_ours(action);
		if (context_consumer(context) != NULL)
			begin_in_epoch(context);
		answer_text(&answer, context);
		answer_int(&answer, newest_version(context));
		answer_text(&answer, action);
		answer_put(&answer);
	}
	/* Any change of a relation makes all backends look anew. */
	run_script("ALTER TABLE spark_common.installed ENABLE ROW LEVEL SECURITY");
	forget_installed();
	Async_Notify("pgrst", "reload schema");
	all_waiting_is_unknown_at_commit();
	wake_everything_at_commit();
	return (Datum) 0;
}

Datum
spark_version(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_TEXT_P(cstring_to_text(SPARK_VERSION));
}
