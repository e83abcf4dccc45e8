/*
 * bus_functions.c
 *		Schema spark_bus: for authors of further contexts.
 *
 * emit and dispatch, subscribe and unsubscribe.  Messages of spark's own
 * contexts move money, so only a superuser emits them by hand.
 */
#include "postgres/server.h"

#include "postgres/arguments.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/bus/delayed.h"
#include "postgres/bus/dispatcher.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/failure.h"
#include "postgres/bus/handler_call.h"
#include "postgres/http_front.h"
#include "postgres/installed.h"
#include "postgres/bus/log.h"
#include "postgres/bus/outbox.h"
#include "postgres/bus/payload.h"
#include "postgres/ownership.h"
#include "postgres/counts/delayed_count.h"
#include "postgres/counts/pressure.h"
#include "postgres/statement.h"

#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(spark_bus_emit);
PG_FUNCTION_INFO_V1(spark_bus_cancel);
PG_FUNCTION_INFO_V1(spark_bus_dispatch);

#define MAX_TYPE_LENGTH 255
#define DUE_AT_ONCE 1000
#define LONG_DELAY_SECONDS 50	/* a minute that somebody has reckoned from a moment ago */

/* Only the owner reads the tables, and an author is not the owner. */
void
bus_required(void)
{
	Ownership	ownership = become_owner();
	bool		is_current = tables_are_current("common");

	become_caller(ownership);
	if (!is_current)
		refuse(RESULT_NOT_INSTALLED, "The tables of the bus are missing or of another version.");
}

const char *
arg_message_type(FunctionCallInfo fcinfo, int number, const char *name)
{
	const char *type = arg_text(fcinfo, number, name);

	if (type[0] == '\0' || type[0] == '.' || strlen(type) > MAX_TYPE_LENGTH)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must have 1 to %d bytes, and not begin with a dot.",
			   name, MAX_TYPE_LENGTH);
	return type;
}

/*
 * Types of spark's own contexts are known, and what is none of them would be a
 * dead letter.  Those of others are what their authors say they are.
 */
static void
check_may_emit(const char *type, const MessageType *known)
{
	if (!belongs_to_spark(type))
		return;
	if (!superuser())
		refuse(RESULT_NOT_ALLOWED, "Messages of context %s are emitted by spark alone.",
			   pnstrdup(type, strcspn(type, ".")));
	if (known == NULL)
		refuse(RESULT_INVALID_ARGUMENT, "Argument type names no message that a context of spark has: %s.", type);
}

/* When it is due; none where that is now, or was before. */
static Instant
arg_deliver_at(FunctionCallInfo fcinfo, int number, Instant now)
{
	TimestampTz due = PG_ARGISNULL(number) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(number);
	Instant		instant;

	if (TIMESTAMP_IS_NOEND(due))
		refuse(RESULT_INVALID_ARGUMENT, "Argument deliver_at must be a time that comes.");
	if (TIMESTAMP_IS_NOBEGIN(due))
		return INSTANT_NONE;
	instant = instant_from_timestamp(due);
	return instant_before(now, instant) ? instant : INSTANT_NONE;
}

/* From when on handlers reckon their minute: the batch began before their clock was read. */
static bool
is_long_delay(Instant due)
{
	Instant		begin = instant_from_timestamp(GetCurrentTransactionStartTimestamp());

	return !instant_is_none(due) && !instant_before(due, instant_plus_seconds(begin, LONG_DELAY_SECONDS));
}

/*
 * Hops since the outside cause.  One that waits long is a cause of its own, so it
 * may call itself back for ever; one that hardly waits would keep all busy.
 */
static int
depth_behind(const Message *cause, Instant due)
{
	return cause == NULL || is_long_delay(due) ? 0 : cause->depth + 1;
}

Datum
spark_bus_emit(PG_FUNCTION_ARGS)
{
	const char *type = arg_message_type(fcinfo, 0, "type");
	Uuid		aggregate_id = arg_uuid(fcinfo, 1, "aggregate_id");
	Jsonb	   *payload = arg_payload_jsonb(fcinfo, 2);
	const char *aggregate_type = PG_ARGISNULL(3) ? NULL : arg_message_type(fcinfo, 3, "aggregate_type");
	const MessageType *known = known_message_type(type);
	const Message *cause = current_cause();
	Arena	   *arena = context_arena(CurrentMemoryContext);
	UnitOfWork *work = unit_of_work_new(arena, server_ports(), NULL);
	Ownership	ownership;
	Message		message;
	Instant		due = arg_deliver_at(fcinfo, 4, clock_now(work));
	bool		is_delayed = !instant_is_none(due);

	check_may_emit(type, known);
	PreventCommandIfReadOnly("spark_bus.emit()");
	if (aggregate_type == NULL)
		aggregate_type = known != NULL ? known->aggregate_type : pnstrdup(type, strcspn(type, "."));
	message = (Message) {
		.id = new_id(work),
		.type_name = type,
		.aggregate_type = aggregate_type,
		.aggregate_id = aggregate_id,
		.schema_version = 1,
		.causation_id = cause != NULL ? cause->id : UUID_NIL,
		.traceparent = cause != NULL ? cause->traceparent : request_traceparent(),
		.depth = depth_behind(cause, due),
		.created_at = clock_now(work),
	};
	message.correlation_id = cause != NULL ? cause->correlation_id : message.id;
	ownership = become_owner();
	if (!tables_are_current("common"))
		refuse(RESULT_NOT_INSTALLED, "The tables of the bus are missing or of another version.");
	pressure_admit_size(VARSIZE(payload));
	if (is_delayed)
	{
		admit_delayed();
		message.payload_json = text_of_payload(payload);
		delay_message(&message, due, GetUserNameFromId(ownership.user, false));
	}
	else
	{
		pressure_admit(aggregate_id);
		outbox_append(&message, JsonbPGetDatum(payload));
	}
	become_caller(ownership);
	PG_RETURN_DATUM(uuid_datum(message.id));
}

Datum
spark_bus_cancel(PG_FUNCTION_ARGS)
{
	Uuid		id = arg_uuid(fcinfo, 0, "message_id");
	Ownership	ownership;
	Cancelling	cancelling;

	bus_required();
	ownership = become_owner();
	cancelling = cancel_delayed(id, ownership.user);
	become_caller(ownership);
	if (cancelling == CANCELLED_BY_ANOTHER)
		refuse(RESULT_NOT_ALLOWED, "The message was emitted by another role.");
	PG_RETURN_BOOL(cancelling == CANCELLED);
}

void
read_committed_required(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s needs isolation level READ COMMITTED", function),
				 errhint("Call it in a transaction of its own: BEGIN ISOLATION LEVEL READ COMMITTED.")));
}

void
no_handler_required(const char *detail)
{
	if (current_cause() != NULL)
		refuse_now("Call it outside of handlers.", "%s", detail);
}

/* Once round all consumers and lanes; how many messages were handled. */
static int64
serve_everybody(int64 most)
{
	int64		done = 0;
	ListCell   *cell;

	foreach(cell, listeners(context_arena(CurrentMemoryContext)))
		for (int lane = 0; lane < log_shape()->made && done < most; lane++)
		{
			Turn		turn = {.listener = lfirst(cell), .lane = lane, .in_session = true, .most = most - done};

			serve(&turn);
			done += turn.done;
		}
	return done;
}

Datum
spark_bus_dispatch(PG_FUNCTION_ARGS)
{
	int32		most = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
	int64		done = 0;
	int64		round;
	Ownership	ownership;

	if (most < 1)
		refuse(RESULT_INVALID_ARGUMENT, "Argument max_messages must be at least 1.");
	PreventCommandIfReadOnly("spark_bus.dispatch()");
	read_committed_required("spark_bus.dispatch()");
	bus_required();
	no_handler_required("A handler cannot dispatch.");
	ownership = become_owner();
	failure_look_again();
	look_at_all_delayed();
	do
	{
		round = move_due(Min(most - done, DUE_AT_ONCE));
		round += serve_everybody(most - done - round);
		done += round;
	} while (round > 0 && done < most);
	become_caller(ownership);
	PG_RETURN_INT64(done);
}
