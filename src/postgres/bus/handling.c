/*
 * handling.c
 *		One message, handled for the consumer that is being served.
 */
#include "postgres/bus/handling.h"

#include "postgres/bus/careful.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/failure_class.h"
#include "postgres/settings.h"
#include "postgres/bus/stubborn.h"
#include "postgres/test_point.h"
#include "postgres/transaction.h"

#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "utils/inval.h"

#define TIMES_AT_ONCE 5
#define LONGEST_GAP 20000		/* microseconds between two of them, by chance */

/* ---------------------------------------------------------------- handlers */

bool
find_listener(Served *served)
{
	const char *why_not = NULL;

	served->why_not[0] = '\0';
	if (context_consumer(served->consumer) != NULL)
		return true;
	served->listener = listener_of(served->consumer, served->arena);
	if (served->listener == NULL)
		return false;
	served->handlers = find_handlers(served->listener, &why_not);
	if (served->handlers != NULL)
		return true;
	strlcpy(served->why_not, why_not, MAX_WHY);
	return false;
}

bool
lost_handlers(Served *served)
{
	const char *why_not = NULL;

	if (served->listener->context != NULL)
		return false;
	AcceptInvalidationMessages();
	if (find_handlers(served->listener, &why_not) != NULL)
		return false;
	strlcpy(served->why_not, why_not, MAX_WHY);
	return true;
}

static Handler *
handler_for(const Served *served, const char *message_type)
{
	for (int i = 0; i < served->listener->subscription_count; i++)
		if (strcmp(served->listener->subscriptions[i].message_type, message_type) == 0)
			return &served->handlers[i];
	return NULL;
}

/* ---------------------------------------------------------------- messages */

bool
is_announced(const Served *served)
{
	return !uuid_is_nil(served->announced.id);
}

bool
is_expected(const Served *served, const Message *message)
{
	return !is_announced(served) || uuid_equal(served->announced.id, message->id);
}

static bool
has_crashed_enough(const Served *served)
{
	return served->announced.crashes >= crash_attempts;
}

static bool
is_decodable(const Subscription *subscription, const Message *message, Arena *arena)
{
	const void *payload;

	return !failed(message_decode(subscription->type, message->schema_version, message->payload_json,
								  strlen(message->payload_json), arena, &payload));
}

bool
is_hopeless(const Served *served, const Message *message)
{
	const Subscription *subscription;

	if (has_crashed_enough(served) || message->depth > max_depth)
		return true;
	if (served->listener->context == NULL)
		return false;
	subscription = consumer_subscription(served->listener->context, message->type_name);
	return subscription == NULL || !is_decodable(subscription, message, served->arena);
}

/* ---------------------------------------------------------------- handling */

static void
name_the_message(void *argument)
{
	const Handling *handling = argument;
	char		id[UUID_TEXT_LENGTH + 1];

	uuid_format(handling->message->id, id);
	errcontext("spark consumer \"%s\" handling %s %s%s%s", handling->served->consumer,
			   handling->message->type_name, id,
			   handling->message->traceparent != NULL ? ", traceparent " : "",
			   handling->message->traceparent != NULL ? handling->message->traceparent : "");
}

void
handle(Handling *handling)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = name_the_message, .arg = handling};
	const Listener *listener = handling->served->listener;

	error_context_stack = &callback;
	TEST_POINT("handle");
	if (handling->message->depth > max_depth)
		refuse_now("See what goes in a circle; the setting spark.max_depth is the limit.",
				   "The message is more than %d hops from its cause.", max_depth);
	if (listener->context != NULL)
	{
		handling->work->cause = handling->message;
		check(consumer_handle(listener->context, handling->work, handling->message));
	}
	else
	{
		Handler    *handler = handler_for(handling->served, handling->message->type_name);

		stubborn_watch(handling->served->consumer, handling->message->id);
		/* None: it was parked, or addressed to it, before that type was unsubscribed. */
		if (handler != NULL && handling->in_run)
			call_handler_in_run(handler, handling->message, handling->row);
		else if (handler != NULL)
			call_handler(handler, handling->message);
	}
	TEST_POINT("handled");
	error_context_stack = callback.previous;
}

void
complete(const Served *served, UnitOfWork *work)
{
	Result		result;

	if (served->listener->context == NULL)
		return;
	result = unit_of_work_complete(work);
	/* Another session was quicker with a row of that key: again, and see it. */
	if (result.code == RESULT_DUPLICATE)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("another session has written a row of the same key")));
	check(result);
}

/* What is deferred must fail in this subtransaction, not at the commit of all. */
static void
make_constraints_immediate(void)
{
	ConstraintsSetStmt all = {.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&all);
}

void
act_for(const Served *served, Act act, void *argument)
{
	if (served->gives_way && served->listener->context != NULL)
		act_in_time(act, argument, handler_timeout, TIME_LIMIT_MESSAGE);
	else
		act(argument);
}

static void
handle_and_complete(void *argument)
{
	Handling   *handling = argument;

	handling->work = unit_of_work_new(handling->served->arena, server_ports(), handling->message);
	handle(handling);
	complete(handling->served, handling->work);
}

/* One message by itself: handled and written, or undone by the caller. */
static void
handle_alone(void *argument)
{
	Handling   *handling = argument;

	act_for(handling->served, handle_and_complete, handling);
	make_constraints_immediate();
}

/* By chance, so that two rivals part. */
static void
wait_a_moment(void)
{
	pg_usleep((long) (LONGEST_GAP * pg_prng_double(&pg_global_prng_state)));
	CHECK_FOR_INTERRUPTS();
}

/*
 * Whether to try it again at once.  Not where others wait for this worker and it
 * would wait for the same lock as long again.
 */
static bool
may_pass_at_once(const Served *served, const ErrorData *error)
{
	return failure_is_passing(error) && !(served->gives_way && failure_class(error) == FAILURE_OF_LOCK);
}

ErrorData *
try_message(const Served *served, Message *message, bool is_alone)
{
	Handling	handling = {.served = served, .message = message};
	ErrorData  *error = NULL;

	/* One that crashes the server is not even tried. */
	if (has_crashed_enough(served))
		return error_of_crashes(served->announced.crashes);
	for (int i = 0; i < (is_alone ? TIMES_AT_ONCE : 1); i++)
	{
		if (i > 0)
			wait_a_moment();
		error = try_in_subtransaction(handle_alone, &handling);
		if (error == NULL || !may_pass_at_once(served, error))
			break;
	}
	return error;
}

ErrorData *
rehearse_message(const Served *served, Message *message)
{
	Handling	handling = {.served = served, .message = message};

	return rehearse_in_subtransaction(handle_alone, &handling);
}
