/*
 * handler_call.c
 *		Handlers of others: any SQL function f(message spark_bus.message).
 *
 * A handler runs as the role that subscribed it, in a restricted security
 * context: it can switch to no other role and leaves nothing behind that would
 * run as the worker.  Settings it changes are undone after the call.  On an
 * error the server's abort of the (sub)transaction restores user and settings.
 *
 * Settings cost more than an ordinary handler: in a run of calls those of all
 * are made once, on a level below that of each call.
 */
#include "postgres/bus/handler_call.h"

#include "postgres/environment.h"
#include "postgres/bus/log_row.h"
#include "postgres/bus/message_rows.h"
#include "postgres/settings.h"
#include "postgres/transaction.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "parser/parse_func.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static const Message *cause;

const Message *
current_cause(void)
{
	return cause;
}

Oid
message_row_type(void)
{
	Oid			schema = get_namespace_oid("spark_bus", true);

	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("message"), ObjectIdGetDatum(schema));
}

bool
may_call(Oid function, Oid schema, Oid role)
{
	return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK &&
		pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
}

static const char *
find_handler(const UserSubscription *subscription, Handler *handler)
{
	Oid			schema = get_namespace_oid(subscription->handler_schema, true);
	Oid			argument = message_row_type();
	oidvector  *arguments;

	if (!OidIsValid(argument))
		return "type spark_bus.message is missing";
	arguments = buildoidvector(&argument, 1);
	handler->function = !OidIsValid(schema) ? InvalidOid :
		GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(subscription->handler_name),
						PointerGetDatum(arguments), ObjectIdGetDatum(schema));
	if (!OidIsValid(handler->function))
		return psprintf("function %s.%s(spark_bus.message) is missing",
						subscription->handler_schema, subscription->handler_name);
	handler->role = get_role_oid(subscription->role, true);
	if (!OidIsValid(handler->role))
		return psprintf("role %s is missing", subscription->role);
	if (!may_call(handler->function, schema, handler->role))
		return psprintf("role %s may not call %s.%s",
						subscription->role, subscription->handler_schema, subscription->handler_name);
	return NULL;
}

Handler *
find_handlers(const Listener *listener, const char **why_not)
{
	Handler    *handlers = palloc0(sizeof(Handler) * Max(listener->subscription_count, 1));

	for (int i = 0; i < listener->subscription_count; i++)
	{
		*why_not = find_handler(&listener->subscriptions[i], &handlers[i]);
		if (*why_not != NULL)
			return NULL;
	}
	return handlers;
}

static Datum
message_datum(const Message *message)
{
	TupleDesc	description = lookup_rowtype_tupdesc(message_row_type(), -1);
	Datum		values[LOG_COLUMNS];
	bool		nulls[LOG_COLUMNS];
	Datum		row;

	message_columns(message, DirectFunctionCall1(jsonb_in, CStringGetDatum(message->payload_json)), values, nulls);
	row = message_value(description, values, nulls);
	ReleaseTupleDesc(description);
	return row;
}

/* What it returns is nothing: functions of language sql say so by NULL. */
static void
call_function(FmgrInfo *function, Datum argument)
{
	LOCAL_FCINFO(call, 1);

	InitFunctionCallInfoData(*call, function, 1, InvalidOid, NULL, NULL);
	call->args[0].value = argument;
	call->args[0].isnull = false;
	(void) FunctionCallInvoke(call);
}

/*
 * Until the level of settings ends, with whatever the handler itself sets.  One
 * that is as it should be is not touched: of a transaction in which nothing was
 * set, no level costs anything to end (15 looks at all settings there are).
 */
static void
set_for_calls(const char *name, const char *value)
{
	const char *present = GetConfigOption(name, true, false);

	if (present != NULL && strcmp(present, value) == 0)
		return;
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int
begin_calls(void)
{
	int			nest_level = NewGUCNestLevel();

	set_for_calls("search_path", HANDLERS_SEARCH_PATH);
	/* Policies hold for its role, as in a session of that role. */
	set_for_calls("row_security", "on");
	/* In a session: who dispatches lends the handler no identity. */
	set_for_calls("spark.token", "");
	return nest_level;
}

/* As after an abort: also what a handler meant to stay is taken back. */
void
end_calls(int run)
{
	AtEOXact_GUC(false, run);
}

/* The memory of all cursors that are open. */
static MemoryContext
memory_of_cursors(void)
{
	static MemoryContext found;

	for (MemoryContext child = TopMemoryContext->firstchild; found == NULL && child != NULL; child = child->nextchild)
		if (strcmp(child->name, "TopPortalContext") == 0)
			found = child;
	return found;
}

/*
 * What is left open would be in the way of the next call, under its name.  A worker
 * has no cursors but its handlers'; those of a session may be the caller's.
 */
static void
close_cursors(void)
{
	MemoryContext memory = MyBgworkerEntry != NULL ? memory_of_cursors() : NULL;

	if (memory != NULL && memory->firstchild != NULL)
		PortalHashTableDeleteAll();
}

static void
as_role(const Handler *handler, FmgrInfo *function, Datum row)
{
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(handler->role,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	/* What earlier messages of the batch have written is there for this one. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	call_function(function, row);
	close_cursors();
	PopActiveSnapshot();
	SetUserIdAndSecContext(user, security);
}

static void
call_in_time(const Handler *handler, FmgrInfo *function, const Message *message, Datum row)
{
	const Message *outer = cause;

	cause = message;
	time_limit_begin(handler_timeout);
	PG_TRY();
	{
		as_role(handler, function, row);
		(void) time_limit_end();
	}
	PG_CATCH();
	{
		cause = outer;
		if (time_limit_end() && geterrcode() == ERRCODE_QUERY_CANCELED)
			errmsg(TIME_LIMIT_MESSAGE);
		PG_RE_THROW();
	}
	PG_END_TRY();
	cause = outer;
}

void
call_handler(Handler *handler, const Message *message)
{
	int			run = begin_calls();
	FmgrInfo	function;

	fmgr_info(handler->function, &function);
	call_in_time(handler, &function, message, message_datum(message));
	end_calls(run);
}

void
call_handler_in_run(Handler *handler, const Message *message, Datum row)
{
	int			own_settings = NewGUCNestLevel();

	if (!OidIsValid(handler->kept.fn_oid))
		fmgr_info(handler->function, &handler->kept);
	call_in_time(handler, &handler->kept, message, row);
	end_calls(own_settings);
}
