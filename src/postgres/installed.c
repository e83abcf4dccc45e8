/*
 * installed.c
 *		The books: whether their tables are there, in this code's version.
 *
 * The answer is kept for the backend and forgotten at any change of a relation
 * (spark.install() always makes one), so that a command pays nothing for it.
 */
#include "postgres/installed.h"

#include "postgres/environment.h"
#include "postgres/extension.h"
#include "postgres/bus/rebase.h"
#include "postgres/statement.h"
#include "postgres/tables.h"

#include "catalog/pg_extension.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#define MAX_CONTEXTS 16

static const char *current[MAX_CONTEXTS];	/* contexts known to be right, by name */
static int	current_count;
static const char *absent[MAX_CONTEXTS];	/* and known not to be installed */
static int	absent_count;
static uint64 changes;			/* of relations, that this backend has heard of */

static Statement find_version = {
	.sql = "SELECT version FROM spark_common.installed WHERE context = $1"};

static Statement list_installed = {
	.sql = "SELECT coalesce(pg_catalog.string_agg(context || ' ' || version, ', ' ORDER BY context), '')"
	" FROM spark_common.installed",
	.read_only = true};

static Statement find_script = {
	.sql = "SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'spark' AND extversion = $1"};

static Statement find_unfinished = {
	.sql = "SELECT 1 FROM spark_common.installed i"
	" JOIN pg_catalog.pg_namespace n ON n.nspname = 'spark_' || i.context"
	" JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid"
	" WHERE c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relhasindex) LIMIT 1"};

void
forget_installed(void)
{
	current_count = absent_count = 0;
}

static void
on_relation_change(Datum argument, Oid relation)
{
	(void) argument;
	(void) relation;
	forget_installed();
	changes++;
}

static void
watch_relations(void)
{
	static bool watching;

	if (!watching)
		CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	watching = true;
}

uint64
relation_changes(void)
{
	watch_relations();
	return changes;
}

int
newest_version(const char *context)
{
	int			newest = 0;

	for (int i = 0; i < embedded_table_count; i++)
		if (strcmp(embedded_tables[i].context, context) == 0)
			newest = Max(newest, embedded_tables[i].version);
	return newest;
}

static bool
bus_tables_exist(void)
{
	Oid			schema = get_namespace_oid("spark_common", true);

	return OidIsValid(schema) && OidIsValid(get_relname_relid("installed", schema));
}

int
installed_version(const char *context)
{
	Rows		rows;
	int			version = 0;

	if (!bus_tables_exist())
		return 0;
	rows = rows_open(&find_version, PARAMETERS(param_text(context)));
	if (rows_next(&rows))
		version = row_int(&rows, 1);
	rows_close(&rows);
	return version;
}

bool
script_is_current(void)
{
	return statement_run(&find_script, PARAMETERS(param_text(SPARK_VERSION))) > 0;
}

bool
tables_are_lost(const char *context)
{
	return installed_version(context) > 0 &&
		!OidIsValid(get_namespace_oid(psprintf("spark_%s", context), true));
}

static bool
is_noted(const char *const *contexts, int count, const char *context)
{
	for (int i = 0; i < count; i++)
		if (strcmp(contexts[i], context) == 0)
			return true;
	return false;
}

static void
note(const char **contexts, int *count, const char *context)
{
	if (*count == MAX_CONTEXTS)
		return;
	for (int i = 0; i < embedded_table_count; i++)
		if (strcmp(embedded_tables[i].context, context) == 0)
		{
			contexts[(*count)++] = embedded_tables[i].context;
			break;
		}
}

bool
tables_are_current(const char *context)
{
	uint64		changes_before;
	int			version;

	watch_relations();
	if (is_noted(current, current_count, context))
		return true;
	if (is_noted(absent, absent_count, context))
		return false;
	changes_before = changes;
	version = installed_version(context);
	/* Not by a snapshot, or news, of before it came. */
	if (version == 0 && changes == changes_before && !IsolationUsesXactSnapshot())
		note(absent, &absent_count, context);
	if (newest_version(context) == 0 || version != newest_version(context) ||
		installed_version("common") != newest_version("common") ||
		!script_is_current() || log_is_foreign() || tables_are_lost(context))
		return false;
	/* The reads above may have let invalidations in: note it only now. */
	note(current, &current_count, context);
	return true;
}

bool
books_are_whole(void)
{
	return statement_run(&find_unfinished, NO_PARAMETERS) == 0;
}

static const char *
installed_by_snapshot(Snapshot snapshot)
{
	const char *list;
	Rows		rows;

	PushActiveSnapshot(snapshot);
	rows = rows_open(&list_installed, NO_PARAMETERS);
	(void) rows_next(&rows);
	list = row_text(&rows, 1, context_arena(CurrentMemoryContext));
	rows_close(&rows);
	PopActiveSnapshot();
	return list;
}

bool
transaction_sees_installed(void)
{
	return !IsolationUsesXactSnapshot() || !bus_tables_exist() ||
		strcmp(installed_by_snapshot(GetTransactionSnapshot()), installed_by_snapshot(GetLatestSnapshot())) == 0;
}

bool
lock_spark_extension(LOCKMODE mode)
{
	Oid			extension = spark_extension();

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, mode);
	/* It may have been dropped, or dropped and made again, while we waited. */
	return spark_extension() == extension;
}
