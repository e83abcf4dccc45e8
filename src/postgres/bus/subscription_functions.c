/*
 * subscription_functions.c
 *		spark_bus.subscribe() and unsubscribe(): who handles which messages.
 *
 * Function and role are stored by name, for an oid does not survive a restore.
 * A message type is either a command with one handler or an event with any
 * number of listeners.
 */
#include "postgres/server.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/commands_of_users.h"
#include "postgres/bus/consumers.h"
#include "postgres/bus/cursor.h"
#include "postgres/bus/detach.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/handler_call.h"
#include "postgres/operators/operator_log.h"
#include "postgres/ownership.h"
#include "postgres/bus/parking.h"
#include "postgres/bus/pause.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/bus/place.h"
#include "postgres/bus/log.h"
#include "postgres/bus/relane.h"
#include "postgres/statement.h"
#include "postgres/workers/wakeup.h"

#include "catalog/pg_proc.h"
#include "utils/acl.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(spark_bus_subscribe);
PG_FUNCTION_INFO_V1(spark_bus_unsubscribe);

#define MAX_CONSUMER_LENGTH 63

static Statement find_type = {
	.sql = "SELECT consumer, kind FROM spark_common.subscription WHERE message_type = $1",
	.of_now = true};

/*
 * One subscribes at a time: the rules are between rows.  Readers do not wait.  What
 * is read then is of now, for the transaction's snapshot may be older than the lock.
 */
static Statement lock_subscriptions = {
	.sql = "LOCK TABLE spark_common.subscription IN SHARE ROW EXCLUSIVE MODE"};

static Statement find_roles = {
	.sql = "SELECT DISTINCT role FROM spark_common.subscription WHERE consumer = $1",
	.of_now = true};

static Statement put_subscription = {
	.sql = "INSERT INTO spark_common.subscription"
	" (consumer, message_type, kind, handler_schema, handler_name, role, max_attempts, ordering, when_dead, subscribed_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.now())"
	" ON CONFLICT (consumer, message_type) DO UPDATE SET handler_schema = EXCLUDED.handler_schema,"
	" handler_name = EXCLUDED.handler_name, role = EXCLUDED.role, max_attempts = EXCLUDED.max_attempts,"
	" ordering = EXCLUDED.ordering, when_dead = EXCLUDED.when_dead"};

static Statement delete_subscription = {
	.sql = "DELETE FROM spark_common.subscription WHERE consumer = $1 AND message_type = $2"};

static Statement count_waiting = {
	.sql = "SELECT (SELECT pg_catalog.count(*) FROM spark_common.retry WHERE consumer = $1 AND type = $2)"
	" + (SELECT pg_catalog.count(*) FROM spark_common.dead_letter WHERE consumer = $1 AND type = $2)"};

static Statement discard_parked = {
	.sql = "DELETE FROM spark_common.retry WHERE consumer = $1 AND type = $2"};

static Statement discard_dead = {
	.sql = "DELETE FROM spark_common.dead_letter WHERE consumer = $1 AND type = $2"};

static Statement count_of_type = {
	.sql = "SELECT pg_catalog.count(*) FROM spark_common.subscription WHERE consumer = $1 AND message_type = $2",
	.of_now = true};

static Statement count_subscriptions = {
	.sql = "SELECT pg_catalog.count(*) FROM spark_common.subscription WHERE consumer = $1"};

static const char *
arg_consumer(FunctionCallInfo fcinfo, int number)
{
	const char *consumer = arg_text(fcinfo, number, "consumer");

	if (consumer[0] == '\0' || strlen(consumer) > MAX_CONSUMER_LENGTH)
		refuse(RESULT_INVALID_ARGUMENT, "Argument consumer must have 1 to %d bytes.", MAX_CONSUMER_LENGTH);
	if (context_consumer(consumer) != NULL)
		refuse_now("Choose a consumer of a name of its own; those of contexts stay as they are.",
				   "Consumer %s is a context of spark.", consumer);
	return consumer;
}

/* SP001 unless it is f(spark_bus.message) returning void; SP004 without the right to call it. */
static void
check_handler(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		refuse(RESULT_INVALID_ARGUMENT, "Argument handler names no function.");
	form = (Form_pg_proc) GETSTRUCT(tuple);
	fits = form->prokind == PROKIND_FUNCTION && form->pronargs == 1 && !form->proretset &&
		form->proargtypes.values[0] == message_row_type() && form->prorettype == VOIDOID;
	ReleaseSysCache(tuple);
	if (!fits)
		refuse(RESULT_INVALID_ARGUMENT, "A handler takes one argument of type spark_bus.message and returns void.");
	if (!may_call(function, get_func_namespace(function), GetUserId()))
		refuse(RESULT_NOT_ALLOWED, "The caller may not execute the handler.");
}

static const char one_handler[] = "A command has one handler: unsubscribe that one first, or subscribe an event.";

/* Known types have their kind and, if commands, their handler; others by what was subscribed. */
static void
check_kind(const char *consumer, const char *type, const char *kind)
{
	const MessageType *known = known_message_type(type);
	bool		is_command = strcmp(kind, "command") == 0;
	Rows		rows;

	if (known == NULL && belongs_to_spark(type))
		refuse(RESULT_INVALID_ARGUMENT, "Argument message_type names no message that a context of spark has: %s.", type);
	if (known != NULL && known->kind == MESSAGE_COMMAND)
		refuse_now(one_handler, "%s is a command and has its handler.", type);
	if (known != NULL && is_command)
		refuse_now("Subscribe it as an event.", "%s is an event.", type);
	rows = rows_open(&find_type, PARAMETERS(param_text(type)));
	while (rows_next(&rows))
	{
		const char *other = row_text(&rows, 1, context_arena(CurTransactionContext));
		const char *other_kind = row_text(&rows, 2, context_arena(CurTransactionContext));

		if (strcmp(other_kind, kind) != 0)
			refuse_now("Subscribe it as the others do, or after all of them have unsubscribed.",
					   "%s is subscribed as %s already.", type, is_command ? "an event" : "a command");
		if (is_command && strcmp(other, consumer) != 0)
			refuse_now(one_handler, "%s is a command and has its handler.", type);
	}
	rows_close(&rows);
}

/* SP004 where somebody else's role owns the consumer; where that is gone, a superuser has it. */
static void
check_own_consumer(const char *consumer, Oid caller)
{
	Rows		rows = rows_open(&find_roles, PARAMETERS(param_text(consumer)));

	while (rows_next(&rows))
	{
		const char *name = row_text(&rows, 1, context_arena(CurTransactionContext));
		Oid			role = get_role_oid(name, true);

		if (OidIsValid(role) ? !has_privs_of_role(caller, role) : !superuser_arg(caller))
			refuse(RESULT_NOT_ALLOWED, "Consumer %s belongs to another role, %s.", consumer, name);
	}
	rows_close(&rows);
}

static int64
count_of(Statement *statement, const Parameter *parameters, int parameter_count)
{
	Rows		rows = rows_open(statement, parameters, parameter_count);
	int64		count = rows_next(&rows) ? row_bigint(&rows, 1) : 0;

	rows_close(&rows);
	return count;
}

static bool
is_subscribed(const char *consumer, const char *type)
{
	return count_of(&count_of_type, PARAMETERS(param_text(consumer), param_text(type))) > 0;
}

static void
move_lane_to_now(const Listener *listener, int lane, Arena *arena)
{
	Cursor		cursor;
	LoggedMessage message;

	if (!cursor_load(listener->name, lane, arena, &cursor))
		return;
	for (int window = 0; window < 2; window++)
	{
		/* The first may be the rest of one that was left open. */
		cursor_open(&cursor, arena);
		if (cursor_fetch(&cursor, listener, NO_BARRIER, 1, arena, &message) > 0)
			return;
		cursor_close(&cursor);
	}
	cursor_store(&cursor);
}

/*
 * A new consumer starts now.  One that is there and has handled all it wanted
 * stands at now as well, though its cursor may be older: so a type added later
 * brings nothing from before.
 */
static void
move_to_now(const char *consumer)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Listener   *listener = listener_of(consumer, arena);

	if (listener == NULL)
		begin_in_epoch(consumer);
	else if (last_readable(consumer) == NO_BARRIER)
		for (int lane = 0; lane < log_shape()->made; lane++)
			move_lane_to_now(listener, lane, arena);
}

static MessageOrder
arg_ordering(FunctionCallInfo fcinfo, int number)
{
	MessageOrder order = MESSAGE_ORDER_KEY;

	if (!order_of_name(arg_text(fcinfo, number, "ordering"), &order))
		refuse(RESULT_INVALID_ARGUMENT, "Argument ordering must be key, none or lane.");
	return order;
}

static MessageDeath
arg_when_dead(FunctionCallInfo fcinfo, int number)
{
	MessageDeath when_dead = MESSAGE_DEATH_BLOCK;

	if (!when_dead_of_name(arg_text(fcinfo, number, "when_dead"), &when_dead))
		refuse(RESULT_INVALID_ARGUMENT, "Argument when_dead must be block or skip.");
	return when_dead;
}

Datum
spark_bus_subscribe(PG_FUNCTION_ARGS)
{
	const char *consumer = arg_consumer(fcinfo, 0);
	const char *type = arg_message_type(fcinfo, 1, "message_type");
	Oid			handler = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	int32		max_attempts = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);
	const char *kind = arg_text(fcinfo, 4, "kind");
	MessageOrder order = arg_ordering(fcinfo, 5);
	MessageDeath when_dead = arg_when_dead(fcinfo, 6);
	Oid			caller = GetUserId();
	Ownership	ownership;

	bus_required();
	if (strcmp(kind, "event") != 0 && strcmp(kind, "command") != 0)
		refuse(RESULT_INVALID_ARGUMENT, "Argument kind must be event or command.");
	if (max_attempts < 1)
		refuse(RESULT_INVALID_ARGUMENT, "Argument max_attempts must be at least 1.");
	check_handler(handler);
	ownership = become_owner();
	(void) statement_run(&lock_subscriptions, NO_PARAMETERS);
	check_own_consumer(consumer, caller);
	check_kind(consumer, type, kind);
	if (!is_subscribed(consumer, type))
	{
		take_all_places(consumer);
		move_to_now(consumer);
		waiting_is_unknown_at_commit(consumer);
	}
	(void) statement_run(&put_subscription,
						 PARAMETERS(param_text(consumer), param_text(type), param_text(kind),
									param_text(get_namespace_name(get_func_namespace(handler))),
									param_text(get_func_name(handler)),
									param_text(GetUserNameFromId(caller, false)),
									param_int(max_attempts),
									param_text(order_name(order)),
									param_text(when_dead_name(when_dead))));
	subscriptions_changed();
	wake_everything_at_commit();
	become_caller(ownership);
	PG_RETURN_VOID();
}

/* What of it is parked or dead goes, and that is put down: its effects will never be. */
static void
discard(const char *consumer, const char *type, const char *reason)
{
	uint64		parked = statement_run(&discard_parked, PARAMETERS(param_text(consumer), param_text(type)));
	uint64		dead = statement_run(&discard_dead, PARAMETERS(param_text(consumer), param_text(type)));
	StringInfoData before;

	if (parked + dead == 0)
		return;
	open_keys(consumer);
	initStringInfo(&before);
	appendStringInfoString(&before, "{\"type\": ");
	escape_json(&before, type);
	appendStringInfo(&before, ", \"parked\": " UINT64_FORMAT ", \"dead\": " UINT64_FORMAT "}", parked, dead);
	record_operation((Operation) {
		.action = "discard",
		.consumer = consumer,
		.reason = reason,
		.before = before.data,
	});
}

Datum
spark_bus_unsubscribe(PG_FUNCTION_ARGS)
{
	const char *consumer = arg_consumer(fcinfo, 0);
	const char *type = arg_message_type(fcinfo, 1, "message_type");
	bool		discards = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	const char *reason = arg_reason(fcinfo, 3, "reason");
	Oid			caller = GetUserId();
	Ownership	ownership;

	bus_required();
	/* Else it leaves the place that a batch has stored since its snapshot. */
	read_committed_required("spark_bus.unsubscribe()");
	no_handler_required("A consumer does not end while it handles a message.");
	ownership = become_owner();
	(void) statement_run(&lock_subscriptions, NO_PARAMETERS);
	check_own_consumer(consumer, caller);
	/* A batch that is running ends first. */
	take_all_places(consumer);
	if (count_of(&count_waiting, PARAMETERS(param_text(consumer), param_text(type))) > 0 && !discards)
		refuse_now("Retry or drop them first, as spark_ops.dead_letters() shows them, or give discard => true.",
				   "Messages are parked or dead for it.");
	if (statement_run(&delete_subscription, PARAMETERS(param_text(consumer), param_text(type))) == 0)
		refuse(RESULT_NOT_FOUND, "Consumer %s has not subscribed %s.", consumer, type);
	if (discards)
		discard(consumer, type, reason);
	waiting_is_unknown_at_commit(consumer);
	if (count_of(&count_subscriptions, PARAMETERS(param_text(consumer))) == 0)
	{
		end_in_epoch(consumer);
		forget_detached(consumer);
		forget_paused(consumer);
		forget_counters_at_commit(consumer);
	}
	subscriptions_changed();
	wake_dispatchers_at_commit();
	become_caller(ownership);
	PG_RETURN_VOID();
}
