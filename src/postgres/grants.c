/*
 * grants.c
 *		Who may call what: the roles of an HTTP front, authors, operators.
 *
 * Roles are never made here, only granted to.  What is granted is found in the
 * catalog, so that a function of a later version is granted with the rest.
 */
#include "postgres/server.h"

#include "postgres/bus/bus_functions.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/statement.h"

#include "utils/acl.h"
#include "commands/async.h"

PG_FUNCTION_INFO_V1(spark_grant_api);
PG_FUNCTION_INFO_V1(spark_bus_grant_author);
PG_FUNCTION_INFO_V1(spark_ops_grant_operator);

/* Functions of a schema, as GRANT takes them; some stay with the operator. */
static Statement find_functions = {
	.sql = "SELECT p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p"
	" JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
	" WHERE n.nspname = $1 AND p.proname <> ALL ($2) ORDER BY 1"};

static Statement remember_member = {
	.sql = "INSERT INTO spark_common.settings (name, value) VALUES ('member_role', $1)"
	" ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"};

static const char *
arg_role(FunctionCallInfo fcinfo, int number, const char *name)
{
	const char *role;

	if (PG_ARGISNULL(number))
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be NULL.", name);
	role = GetUserNameFromId(PG_GETARG_OID(number), true);
	if (role == NULL)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s names no role.", name);
	return role;
}

static void
run(const char *command)
{
	SPI_connect();
	if (SPI_execute(command, false, 0) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not grant")));
	SPI_finish();
}

static void
grant_functions(const char *schema, const char *const *kept, size_t kept_count, const char *role)
{
	const char *grantee = quote_identifier(role);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	MemoryContext caller = CurrentMemoryContext;
	List	   *commands = NIL;
	ListCell   *cell;
	Rows		rows = rows_open(&find_functions, PARAMETERS(param_text(schema), param_texts(kept, kept_count)));

	while (rows_next(&rows))
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		commands = lappend(commands, psprintf("GRANT EXECUTE ON FUNCTION %s TO %s", row_text(&rows, 1, arena), grantee));
		MemoryContextSwitchTo(spi);
	}
	rows_close(&rows);
	run(psprintf("GRANT USAGE ON SCHEMA %s TO %s", quote_identifier(schema), grantee));
	foreach(cell, commands)
		run(lfirst(cell));
}

Datum
spark_grant_api(PG_FUNCTION_ARGS)
{
	static const char *const kept[] = {"install", "grant_api"};
	const char *anonymous = arg_role(fcinfo, 0, "anonymous");
	const char *member = arg_role(fcinfo, 1, "member");

	bus_required();
	grant_functions("spark", kept, lengthof(kept), anonymous);
	grant_functions("spark", kept, lengthof(kept), member);
	(void) statement_run(&remember_member, PARAMETERS(param_text(member)));
	Async_Notify("pgrst", "reload schema");
	PG_RETURN_VOID();
}

Datum
spark_bus_grant_author(PG_FUNCTION_ARGS)
{
	static const char *const kept[] = {"grant_author"};

	grant_functions("spark_bus", kept, lengthof(kept), arg_role(fcinfo, 0, "author"));
	PG_RETURN_VOID();
}

Datum
spark_ops_grant_operator(PG_FUNCTION_ARGS)
{
	static const char *const kept[] = {"grant_operator"};

	grant_functions("spark_ops", kept, lengthof(kept), arg_role(fcinfo, 0, "operator"));
	PG_RETURN_VOID();
}
