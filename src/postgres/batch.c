/*
 * batch.c
 *		One batch of one consumer, in one transaction.
 *
 * Who locks what: first the consumer's place in its lane (so that a session
 * and a worker take turns), then the aggregates in the global order, last the
 * new row of the cursor, whose primary key is the fence should the first lock
 * ever fail.
 */
#include "postgres/batch.h"

#include "postgres/batch_window.h"
#include "postgres/careful.h"
#include "postgres/counters.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/failure.h"
#include "postgres/log.h"
#include "postgres/place.h"
#include "postgres/pressure.h"
#include "postgres/relane.h"
#include "postgres/settings.h"
#include "postgres/stubborn.h"
#include "postgres/test_point.h"
#include "postgres/transaction.h"
#include "postgres/waiting.h"

#include "utils/inval.h"

#define BATCH_MICROSECONDS 20000	/* so long, more or less, a batch holds its locks */
#define BATCH_BYTES (4 * 1024 * 1024)

/* ---------------------------------------------------------------- handlers */

/*
 * What is subscribed, and can be called, at this moment: with the consumer's
 * place taken, so that unsubscribe() and a batch take turns.  False: nothing to
 * do, or something is missing.
 */
static bool
find_listener(Batch *batch)
{
	const char *why_not = NULL;

	batch->why_not[0] = '\0';
	if (context_consumer(batch->consumer) != NULL)
		return true;
	batch->listener = listener_of(batch->consumer, batch->arena);
	if (batch->listener == NULL)
		return false;
	batch->handlers = find_handlers(batch->listener, &why_not);
	if (batch->handlers != NULL)
		return true;
	strlcpy(batch->why_not, why_not, MAX_WHY);
	return false;
}

/* A message has failed: is it that its handler went in the middle of the batch? */
static bool
lost_handlers(Batch *batch)
{
	const char *why_not = NULL;

	if (batch->listener->context != NULL)
		return false;
	AcceptInvalidationMessages();
	if (find_handlers(batch->listener, &why_not) != NULL)
		return false;
	strlcpy(batch->why_not, why_not, MAX_WHY);
	return true;
}

/* ----------------------------------------------------------- one message */

typedef struct Handling
{
	Batch	   *batch;
	UnitOfWork *work;
	Message    *message;
	bool		in_run;			/* of calls, see handler_call.h */
	Datum		row;			/* what the handler gets, where in_run */
} Handling;

static void
name_the_message(void *argument)
{
	const Handling *handling = argument;
	char		id[UUID_TEXT_LENGTH + 1];

	uuid_format(handling->message->id, id);
	errcontext("spark consumer \"%s\" handling %s %s%s%s", handling->batch->consumer,
			   handling->message->type_name, id,
			   handling->message->traceparent != NULL ? ", traceparent " : "",
			   handling->message->traceparent != NULL ? handling->message->traceparent : "");
}

static Handler *
handler_for(const Batch *batch, const char *message_type)
{
	for (int i = 0; i < batch->listener->subscription_count; i++)
		if (strcmp(batch->listener->subscriptions[i].message_type, message_type) == 0)
			return &batch->handlers[i];
	return NULL;
}

static void
handle(Handling *handling)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = name_the_message, .arg = handling};
	const Listener *listener = handling->batch->listener;

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
		Handler    *handler = handler_for(handling->batch, handling->message->type_name);

		stubborn_watch(handling->batch->consumer, handling->message->id);
		/* None: it was parked, or addressed to it, before that type was unsubscribed. */
		if (handler != NULL && handling->in_run)
			call_handler_in_run(handler, handling->message, handling->row);
		else if (handler != NULL)
			call_handler(handler, handling->message);
	}
	TEST_POINT("handled");
	error_context_stack = callback.previous;
}

static void
complete(Batch *batch, UnitOfWork *work)
{
	Result		result;

	if (batch->listener->context == NULL)
		return;
	result = unit_of_work_complete(work);
	/* Another session was quicker with a row of that key: again, and see it. */
	if (result.code == RESULT_DUPLICATE)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("another session has written a row of the same key")));
	check(result);
}

/* One message by itself: handled and written, or undone by the caller. */
static void
handle_alone(void *argument)
{
	Handling   *handling = argument;

	handling->work = unit_of_work_new(handling->batch->arena, server_ports(), handling->message);
	handle(handling);
	complete(handling->batch, handling->work);
	/* A deferred constraint must fail here, not at the commit of all. */
	make_constraints_immediate();
}

static bool
has_crashed_enough(const Batch *batch)
{
	return batch->crashes >= crash_attempts;
}

/* NULL, or why not; one that crashes the server is not even tried. */
static ErrorData *
try_to_handle(Handling *handling)
{
	if (has_crashed_enough(handling->batch))
		return error_of_crashes(handling->batch->crashes);
	return try_in_subtransaction(handle_alone, handling);
}

static bool
is_hopeless(const Batch *batch, const Message *message)
{
	return has_crashed_enough(batch) || message_is_hopeless(batch->listener, message, batch->arena);
}

/* With care, only the message that was announced is handled. */
static bool
is_expected(const Batch *batch, const Message *message)
{
	return uuid_is_nil(batch->announced) || uuid_equal(batch->announced, message->id);
}

/* ------------------------------------------------------------------ batch */

static bool
is_shut(const Batch *batch, Uuid key)
{
	for (size_t i = 0; i < batch->shut_count; i++)
		if (uuid_equal(batch->shut[i], key))
			return true;
	return false;
}

static MessageOrder
order_of(const Batch *batch, const Message *message)
{
	return listener_order(batch->listener, message->type_name);
}

/* It has its place behind a message of its key that is parked or dead. */
static bool
must_wait(const Batch *batch, const Message *message)
{
	return is_shut(batch, message->aggregate_id) && order_of(batch, message) != MESSAGE_ORDER_NONE;
}

/* The batch ends here: what is left of it comes with the next. */
static void
cut(Batch *batch, int count)
{
	batch->was_cut = batch->was_cut || count < batch->count;
	batch->count = count;
}

/* The message there was parked: where its type holds up the lane, the batch ends with it. */
static void
cut_after_parked(Batch *batch, int place)
{
	if (order_of(batch, &batch->messages[place].message) == MESSAGE_ORDER_LANE)
		cut(batch, place + 1);
}

static void
find_shut(Batch *batch)
{
	Uuid	   *keys;

	batch->shut_count = 0;
	if (!any_shut_key(batch->consumer))
		return;
	keys = ARENA_ARRAY(batch->arena, Uuid, batch->count);
	for (int i = 0; i < batch->count; i++)
		keys[i] = batch->messages[i].message.aggregate_id;
	batch->shut_count = shut_keys(batch->consumer, keys, (size_t) batch->count, batch->arena, &batch->shut);
}

/* It could not be handled: the later ones of its key wait, unless its type says otherwise. */
static void
shut_key_of(Batch *batch, const Message *message)
{
	Uuid	   *more;

	if (order_of(batch, message) == MESSAGE_ORDER_NONE)
		return;
	more = ARENA_ARRAY(batch->arena, Uuid, batch->shut_count + 1);
	memcpy(more, batch->shut, batch->shut_count * sizeof(Uuid));
	more[batch->shut_count++] = message->aggregate_id;
	batch->shut = more;
}

/*
 * Counts it, to find whose fault failures are: a key each, or, where nothing
 * orders them, a message each.  One that holds up its lane blames no more than
 * itself anyway.
 */
static void
note_failure(const Batch *batch, const Message *message, const ErrorData *error)
{
	switch (order_of(batch, message))
	{
		case MESSAGE_ORDER_KEY:
			failure_note(batch->consumer, message->aggregate_id, error);
			break;
		case MESSAGE_ORDER_NONE:
			failure_note(batch->consumer, message->id, error);
			break;
		case MESSAGE_ORDER_LANE:
			break;
	}
}

/* Locks all that the batch will ask for, in one order. */
static void
lock_touched(Batch *batch, UnitOfWork *work)
{
	Touched		touched = {.arena = batch->arena};
	const Consumer *context = batch->listener->context;

	for (int i = 0; i < batch->count; i++)
	{
		Message    *message = &batch->messages[i].message;
		const Subscription *subscription = consumer_subscription(context, message->type_name);

		if (subscription == NULL || subscription->touches == NULL || must_wait(batch, message))
			continue;
		check(message_decode(subscription->type, message->schema_version, message->payload_json,
							 strlen(message->payload_json), batch->arena, &message->payload));
		subscription->touches(context->context, message, &touched);
	}
	check(touched_find(&touched, work));
}

/* Handles it, or parks it, which is no business of the handlers' settings. */
static void
handle_or_queue(Batch *batch, UnitOfWork *work, int place, int *run)
{
	LoggedMessage *logged = &batch->messages[place];
	bool		in_run = batch->listener->context == NULL;
	Handling	handling = {batch, work, &logged->message, in_run, logged->row};

	if (must_wait(batch, &logged->message))
	{
		if (*run != 0)
			end_calls(*run);
		*run = 0;
		park_behind(batch->listener, batch->lane, logged->seq, whole_message(logged));
		cut_after_parked(batch, place);
		return;
	}
	if (in_run && *run == 0)
		*run = begin_calls();
	handle(&handling);
	batch->handled++;
}

static void
handle_together(Batch *batch)
{
	UnitOfWork *work = unit_of_work_new(batch->arena, server_ports(), NULL);
	Instant		now = server_time();
	Instant		end = {now.microseconds + BATCH_MICROSECONDS};
	int			run = 0;		/* of calls that goes on; 0: none */

	if (batch->listener->context != NULL)
		lock_touched(batch, work);
	now = server_time();
	for (int i = 0; i < batch->count; i++)
	{
		Instant		begun = now;
		int			handled = batch->handled;

		CHECK_FOR_INTERRUPTS();
		handle_or_queue(batch, work, i, &run);
		batch->done++;
		now = server_time();
		if (batch->handled > handled)
			times_note(&batch->times, begun, now);
		if (instant_before(end, now))
			cut(batch, i + 1);
	}
	if (run != 0)
		end_calls(run);
	complete(batch, work);
}

/*
 * Many keys have failed alike.  Tries until one message does not, and returns
 * its place; -1 where all do, and then nothing was done and nobody is blamed.
 * One that holds up its lane is not passed: it is blamed, and the others wait.
 */
static int
find_innocent(Batch *batch, bool *handled)
{
	size_t		shut_before = batch->shut_count;
	int			innocent = -1;

	for (int i = 0; i < batch->count && innocent < 0; i++)
	{
		Message    *message = whole_message(&batch->messages[i]);
		Handling	handling = {batch, NULL, message};
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		*handled = false;
		if (must_wait(batch, message))
		{
			if (order_of(batch, message) == MESSAGE_ORDER_LANE)
				innocent = i;
			continue;
		}
		error = try_to_handle(&handling);
		if (error != NULL && failure_class(error) != FAILURE_OF_MESSAGE)
			ReThrowError(error);
		*handled = error == NULL;
		if (error == NULL || !failure_explains(batch->consumer, error) ||
			order_of(batch, message) == MESSAGE_ORDER_LANE ||
			is_hopeless(batch, message))
			innocent = i;
		else
		{
			note_error(batch->consumer, error->message);
			shut_key_of(batch, message);
		}
	}
	batch->shut_count = shut_before;
	return innocent;
}

/* Handles or parks one; false where it can be neither, for its handler is gone. */
static bool
handle_or_park(Batch *batch, int place)
{
	LoggedMessage *logged = &batch->messages[place];
	Message    *message = whole_message(logged);
	Handling	handling = {batch, NULL, message};
	Instant		begun = server_time();
	ErrorData  *error = try_to_handle(&handling);
	bool		hopeless;

	if (error == NULL)
	{
		times_note(&batch->times, begun, server_time());
		batch->handled++;
		failure_forget(batch->consumer);
		return true;
	}
	if (failure_class(error) != FAILURE_OF_MESSAGE)
		ReThrowError(error);
	if (lost_handlers(batch))
		return false;
	hopeless = is_hopeless(batch, message);
	TEST_POINT("park");
	if (park_failed(batch->listener, batch->lane, logged->seq, message, error, hopeless))
	{
		shut_key_of(batch, message);
		cut_after_parked(batch, place);
	}
	stubborn_forget(batch->consumer, message->id);
	TEST_POINT("parked");
	if (!hopeless)
		note_failure(batch, message, error);
	return true;
}

static void
handle_one_by_one(Batch *batch)
{
	int			innocent = -1;
	bool		innocent_is_handled = false;

	if (failure_is_common(batch->consumer))
	{
		innocent = find_innocent(batch, &innocent_is_handled);
		if (innocent < 0)
		{
			cut(batch, 0);
			return;
		}
		failure_forget(batch->consumer);
	}
	for (int i = 0; i < batch->count; i++)
	{
		LoggedMessage *logged = &batch->messages[i];

		CHECK_FOR_INTERRUPTS();
		if (i == innocent && innocent_is_handled)
			batch->handled++;
		else if (must_wait(batch, &logged->message))
		{
			park_behind(batch->listener, batch->lane, logged->seq, whole_message(logged));
			cut_after_parked(batch, i);
		}
		else if (!handle_or_park(batch, i))
		{
			cut(batch, i);
			break;
		}
		batch->done++;
		/* Before a hundred are blamed for one reason: but the innocent one is done. */
		if (failure_is_common(batch->consumer) && (i >= innocent || !innocent_is_handled))
			cut(batch, i + 1);
	}
}

/* How many of the messages one transaction can bear: at least one. */
static int
bearable_count(const Batch *batch)
{
	size_t		bytes = 0;

	for (int i = 0; i < batch->count; i++)
	{
		bytes += batch->messages[i].bytes;
		if (bytes > BATCH_BYTES)
			return Max(i, 1);
	}
	return batch->count;
}

/* False where it has nothing to read. */
static bool
begin_batch(Batch *batch)
{
	batch->arena = context_arena(CurrentMemoryContext);
	batch->done = batch->handled = 0;
	batch->times = (HandlerTimes) {0};
	batch->is_held = false;
	if (!cursor_load(batch->consumer, batch->lane, batch->arena, &batch->cursor) || !find_listener(batch))
		return false;
	batch->emitted = waiting_look(batch->listener, batch->lane);
	pressure_correct_position(&batch->cursor);
	batch->is_held = batch->cursor.is_paused ||
		(batch->listener->stops_lanes && lane_is_held(batch->consumer, batch->lane));
	if (batch->is_held)
		return false;
	batch->last = last_readable(batch->consumer);
	batch->waits_to_enter = batch->last != NO_BARRIER && lane_is_drained(&batch->cursor);
	return !batch->waits_to_enter;
}

/* What was read does not wait any more; and where nothing was, nothing waits. */
static void
note_waiting(const Batch *batch)
{
	if (batch->count > 0)
		waiting_passed(batch->consumer, batch->lane, batch->count, batch->messages[batch->count - 1].message.created_at);
	else if (!batch->cursor.is_open && batch->last == NO_BARRIER)
		waiting_is_over(batch->consumer, batch->lane, batch->emitted);
}

void
run_batch(void *argument)
{
	Batch	   *batch = argument;
	bool		was_open;
	LogPosition before;
	int			fetched;

	batch->was_cut = batch->is_last = batch->waits_to_enter = false;
	take_place(batch->consumer, batch->lane);
	if (!begin_batch(batch))
		return;
	before = batch->cursor.from;
	was_open = batch->cursor.is_open;
	fetched = batch->count = fetch_batch(batch);
	TEST_POINT("fetched");
	if (fetched > 0 && !is_expected(batch, &batch->messages[0].message))
		return;
	if (fetched > 0)
	{
		cut(batch, bearable_count(batch));
		find_shut(batch);
		if (batch->isolated)
			handle_one_by_one(batch);
		else
			handle_together(batch);
	}
	advance(batch, fetched, was_open);
	if (is_worth_storing(batch, fetched, was_open, &before))
		cursor_store(&batch->cursor);
	pressure_note_position(&batch->cursor);
	note_waiting(batch);
	batch->waits_to_enter = batch->last != NO_BARRIER && lane_is_drained(&batch->cursor);
}

void
run_counting(void *argument)
{
	Batch	   *batch = argument;
	const Listener *listener = batch->listener;
	Cursor		cursor;

	batch->arena = context_arena(CurrentMemoryContext);
	take_place(batch->consumer, batch->lane);
	/* As it is subscribed at this moment. */
	if (listener->context == NULL)
		listener = listener_of(batch->consumer, batch->arena);
	if (listener != NULL)
		waiting_count(listener, batch->lane, cursor_load(batch->consumer, batch->lane, batch->arena, &cursor));
}

void
run_entering(void *argument)
{
	Batch	   *batch = argument;

	batch->waits_to_enter = !enter_epoch(batch->consumer);
}

/* ----------------------------------------------------------------- retries */

void
run_retry(void *argument)
{
	Retry	   *retry = argument;
	Batch	   *batch = &retry->batch;
	Parked	   *parked = &retry->parked;
	Handling	handling = {batch, NULL, &parked->message};
	Instant		begun;
	bool		hopeless;

	batch->arena = context_arena(CurrentMemoryContext);
	batch->handled = batch->done = 0;
	take_place(batch->consumer, batch->lane);
	retry->found = find_listener(batch) && next_parked(batch->consumer, batch->lane, batch->arena, parked) &&
		is_expected(batch, &parked->message);
	if (!retry->found)
		return;
	begun = server_time();
	retry->error = try_to_handle(&handling);
	if (retry->error == NULL)
	{
		times_note(&batch->times, begun, server_time());
		TEST_POINT("unpark");
		unpark(batch->consumer, parked);
		TEST_POINT("unparked");
		failure_forget(batch->consumer);
		batch->handled = batch->done = 1;
		return;
	}
	if (failure_class(retry->error) != FAILURE_OF_MESSAGE)
		ReThrowError(retry->error);
	if (lost_handlers(batch))
	{
		retry->found = false;
		return;
	}
	hopeless = is_hopeless(batch, &parked->message);
	if (!hopeless && failure_explains(batch->consumer, retry->error))
	{
		postpone(batch->consumer, parked, retry->error);
		return;
	}
	batch->done = 1;
	TEST_POINT("park_again");
	park_again(batch->listener, parked, retry->error, hopeless);
	TEST_POINT("parked_again");
	stubborn_forget(batch->consumer, parked->message.id);
	if (!hopeless)
		note_failure(batch, &parked->message, retry->error);
}

bool
look_ahead(Batch *batch, Parked *parked, bool *is_parked)
{
	*is_parked = false;
	batch->arena = context_arena(CurrentMemoryContext);
	if (!find_listener(batch))
		return false;
	*is_parked = next_parked(batch->consumer, batch->lane, batch->arena, parked);
	return *is_parked || (begin_batch(batch) && fetch_batch(batch) > 0);
}
