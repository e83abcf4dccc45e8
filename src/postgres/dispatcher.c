/*
 * dispatcher.c
 *		One loop for every consumer: read a batch, handle it, advance.
 *
 * Who locks what: first the consumer's place in its lane (so that a session
 * and a worker take turns), then the aggregates in the global order, last the
 * new row of the cursor, whose primary key is the fence should the first lock
 * ever fail.
 */
#include "postgres/dispatcher.h"

#include "postgres/cursor.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/failure.h"
#include "postgres/handler_call.h"
#include "postgres/parking.h"
#include "postgres/place.h"
#include "postgres/settings.h"
#include "postgres/transaction.h"
#include "postgres/wakeup.h"
#include "postgres/worker.h"

#define LANE 0
#define ISOLATED_MESSAGES 32
#define RETRIES_A_TURN 100
#define IDLE_ADVANCE 256

/* One batch: what is asked, and what came of it. */
typedef struct Batch
{
	const Listener *listener;
	int			limit;
	bool		isolated;		/* each message in a subtransaction */
	Arena	   *arena;			/* of this batch */
	const Handler *handlers;	/* of a user's consumer */
	Cursor		cursor;
	LoggedMessage *messages;
	int			count;
	const Uuid *shut;			/* keys behind a parked message */
	size_t		shut_count;
	int			done;			/* handled, parked, or put behind */
	int			handled;
} Batch;

/* ----------------------------------------------------------- one message */

typedef struct Handling
{
	Batch	   *batch;
	UnitOfWork *work;
	Message    *message;
} Handling;

static void
name_the_message(void *argument)
{
	const Handling *handling = argument;
	char		id[UUID_TEXT_LENGTH + 1];

	uuid_format(handling->message->id, id);
	errcontext("spark consumer \"%s\" handling %s %s", handling->batch->listener->name,
			   handling->message->type_name, id);
}

static const Handler *
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
	if (handling->message->depth > max_depth)
		refuse(RESULT_REFUSED_NOW, "The message is more than %d hops from its cause.", max_depth);
	if (listener->context != NULL)
	{
		handling->work->cause = handling->message;
		check(consumer_handle(listener->context, handling->work, handling->message));
	}
	else
		call_handler(handler_for(handling->batch, handling->message->type_name), handling->message);
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

/* ------------------------------------------------------------------ batch */

static bool
is_shut(const Batch *batch, Uuid key)
{
	for (size_t i = 0; i < batch->shut_count; i++)
		if (uuid_equal(batch->shut[i], key))
			return true;
	return false;
}

static void
find_shut(Batch *batch)
{
	Uuid	   *keys = ARENA_ARRAY(batch->arena, Uuid, batch->count);

	for (int i = 0; i < batch->count; i++)
		keys[i] = batch->messages[i].message.aggregate_id;
	batch->shut_count = shut_keys(batch->listener->name, keys, (size_t) batch->count, batch->arena, &batch->shut);
}

static void
shut(Batch *batch, Uuid key)
{
	Uuid	   *more = ARENA_ARRAY(batch->arena, Uuid, batch->shut_count + 1);

	memcpy(more, batch->shut, batch->shut_count * sizeof(Uuid));
	more[batch->shut_count++] = key;
	batch->shut = more;
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

		if (subscription == NULL || subscription->touches == NULL || is_shut(batch, message->aggregate_id))
			continue;
		check(message_decode(subscription->type, message->schema_version, message->payload_json,
							 strlen(message->payload_json), batch->arena, &message->payload));
		subscription->touches(context->context, message, &touched);
	}
	check(touched_find(&touched, work));
}

static void
handle_together(Batch *batch)
{
	UnitOfWork *work = unit_of_work_new(batch->arena, server_ports(), NULL);

	if (batch->listener->context != NULL)
		lock_touched(batch, work);
	for (int i = 0; i < batch->count; i++)
	{
		LoggedMessage *logged = &batch->messages[i];
		Handling	handling = {batch, work, &logged->message};

		CHECK_FOR_INTERRUPTS();
		if (is_shut(batch, logged->message.aggregate_id))
			park_behind(batch->listener->name, LANE, logged->seq, &logged->message);
		else
		{
			handle(&handling);
			batch->handled++;
		}
		batch->done++;
	}
	complete(batch, work);
}

static void
handle_one_by_one(Batch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		LoggedMessage *logged = &batch->messages[i];
		Handling	handling = {batch, NULL, &logged->message};
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		if (is_shut(batch, logged->message.aggregate_id))
			park_behind(batch->listener->name, LANE, logged->seq, &logged->message);
		else if ((error = try_in_subtransaction(handle_alone, &handling)) == NULL)
		{
			batch->handled++;
			failure_forget(batch->listener->name);
		}
		else
		{
			if (failure_class(error) != FAILURE_OF_MESSAGE)
				ReThrowError(error);
			park_failed(batch->listener, LANE, logged->seq, &logged->message, error,
						message_is_hopeless(batch->listener, &logged->message, batch->arena));
			shut(batch, logged->message.aggregate_id);
			failure_note(batch->listener->name, error);
		}
		batch->done++;
		/* Systematic failure: stop before a hundred are blamed for one reason. */
		if (failure_pause(batch->listener->name) > 0)
		{
			batch->count = i + 1;
			break;
		}
	}
}

static void
advance(Batch *batch, int fetched)
{
	Cursor	   *cursor = &batch->cursor;
	bool		all = batch->count == fetched && fetched < batch->limit;

	if (batch->count > 0)
		cursor->pos = batch->messages[batch->count - 1].seq;
	if (all)
		cursor_close(cursor);
}

static void
run_batch(void *argument)
{
	Batch	   *batch = argument;
	int64		before;
	int			fetched;

	batch->arena = context_arena(CurrentMemoryContext);
	batch->done = batch->handled = 0;
	take_place(batch->listener->name);
	if (!cursor_load(batch->listener->name, LANE, batch->arena, &batch->cursor))
		return;
	before = batch->cursor.from.q;
	cursor_open(&batch->cursor, batch->arena);
	batch->messages = ARENA_ARRAY(batch->arena, LoggedMessage, batch->limit);
	fetched = batch->count = cursor_fetch(&batch->cursor, batch->listener, batch->limit, batch->arena, batch->messages);
	if (fetched > 0)
	{
		find_shut(batch);
		if (batch->isolated)
			handle_one_by_one(batch);
		else
			handle_together(batch);
	}
	advance(batch, fetched);
	/* An empty window writes nothing, unless much of the log was none of ours. */
	if (fetched > 0 || batch->cursor.from.q - before >= IDLE_ADVANCE)
		cursor_store(&batch->cursor);
}

/* ----------------------------------------------------------------- retries */

typedef struct Retry
{
	Batch		batch;			/* of one message */
	Parked		parked;
	bool		found;
	ErrorData  *error;			/* of the handler */
} Retry;

/* Locks the place, takes the next due message, handles it in a subtransaction. */
static void
run_retry(void *argument)
{
	Retry	   *retry = argument;
	Handling	handling = {&retry->batch, NULL, &retry->parked.message};

	retry->batch.arena = context_arena(CurrentMemoryContext);
	take_place(retry->batch.listener->name);
	retry->found = next_parked(retry->batch.listener->name, retry->batch.arena, &retry->parked);
	if (!retry->found)
		return;
	retry->error = try_in_subtransaction(handle_alone, &handling);
	if (retry->error == NULL)
	{
		unpark(retry->batch.listener->name, &retry->parked);
		failure_forget(retry->batch.listener->name);
		retry->batch.handled = 1;
		return;
	}
	if (failure_class(retry->error) != FAILURE_OF_MESSAGE)
		ReThrowError(retry->error);
	park_again(retry->batch.listener, &retry->parked, retry->error,
			   message_is_hopeless(retry->batch.listener, &retry->parked.message, retry->batch.arena));
	failure_note(retry->batch.listener->name, retry->error);
}

/* ----------------------------------------------------------------- serving */

/* Runs act by itself, all or not at all; false and the error where it failed. */
static bool
attempt(Act act, void *argument, bool in_session, ErrorData **error)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "spark batch", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(context);
	*error = in_session ? try_in_subtransaction(act, argument) : try_in_transaction(act, argument);
	MemoryContextSwitchTo(caller);
	if (*error == NULL)
	{
		MemoryContextDelete(context);
		return true;
	}
	/* The error lives in that context; both go with the caller's. */
	if (in_session && failure_class(*error) != FAILURE_OF_MESSAGE)
		ReThrowError(*error);
	return false;
}

static int64
serve_retries(const Listener *listener, const Handler *handlers, int64 most, bool in_session)
{
	int64		done = 0;

	while (done < Min(most, RETRIES_A_TURN) && failure_pause(listener->name) == 0)
	{
		Retry		retry = {.batch = {.listener = listener, .handlers = handlers}};
		ErrorData  *error;

		if (!attempt(run_retry, &retry, in_session, &error))
		{
			failure_wait(listener->name, error);
			break;
		}
		if (!retry.found)
			break;
		count_handled(listener->name, retry.batch.handled);
		done++;
	}
	return done;
}

/* One batch, together; where that fails, one by one.  False: wait. */
static bool
serve_batch(Batch *batch, bool in_session)
{
	ErrorData  *error;
	int			limit = batch->limit;

	if (failure_suspected(batch->listener->name))
		batch->limit = 1, batch->isolated = true;
	if (attempt(run_batch, batch, in_session, &error))
		return true;
	if (failure_class(error) != FAILURE_OF_MESSAGE)
	{
		failure_wait(batch->listener->name, error);
		return false;
	}
	batch->isolated = true;
	batch->limit = Min(limit, ISOLATED_MESSAGES);
	if (attempt(run_batch, batch, in_session, &error))
		return true;
	failure_wait(batch->listener->name, error);
	return false;
}

static int64
serve_log(const Listener *listener, const Handler *handlers, int64 most, bool in_session)
{
	int64		done = 0;

	while (done < most && failure_pause(listener->name) == 0)
	{
		Batch		batch = {
			.listener = listener,
			.handlers = handlers,
			.limit = (int) Min(most - done, dispatch_batch_size),
		};

		if (!serve_batch(&batch, in_session))
			break;
		count_handled(listener->name, batch.handled);
		if (batch.handled > 0 && !batch.isolated)
			failure_forget(listener->name);
		done += batch.done;
		if (batch.done == 0)
			break;
	}
	return done;
}

typedef struct Finding
{
	const Listener *listener;
	const Handler *handlers;
	const char *why_not;
	MemoryContext context;
} Finding;

static void
find_in_transaction(void *argument)
{
	Finding    *finding = argument;
	MemoryContext caller = MemoryContextSwitchTo(finding->context);

	finding->handlers = find_handlers(finding->listener, &finding->why_not);
	MemoryContextSwitchTo(caller);
}

/* False where a user's handler cannot be called; the listener then waits, and says why. */
static bool
handlers_are_there(const Listener *listener, bool in_session, const Handler **handlers)
{
	Finding		finding = {.listener = listener, .context = CurrentMemoryContext};

	*handlers = NULL;
	if (listener->context != NULL)
		return true;
	if (in_session)
		find_in_transaction(&finding);
	else
		worker_transaction(find_in_transaction, &finding);
	*handlers = finding.handlers;
	if (finding.handlers != NULL)
		return true;
	if (in_session)
		note_paused(listener->name, finding.why_not);
	else
		failure_missing(listener->name, finding.why_not);
	return false;
}

int64
serve(const Listener *listener, int64 most, bool in_session)
{
	const Handler *handlers;
	int64		done;

	if (in_session)
		failure_look_again(listener->name);
	else if (failure_pause(listener->name) > 0)
		return 0;
	if (!handlers_are_there(listener, in_session, &handlers))
		return 0;
	done = serve_retries(listener, handlers, most, in_session);
	return done + serve_log(listener, handlers, most - done, in_session);
}

long
next_serving(const Listener *listener, long nap)
{
	long		pause = failure_pause(listener->name);
	Instant		due;
	int64		wait;

	if (pause > 0)
		return Min(pause, nap);
	due = next_parked_at(listener->name);
	if (instant_is_none(due))
		return nap;
	wait = (due.microseconds - server_ports()->clock->now(server_ports()->clock).microseconds) / 1000 + 1;
	return Max(0, Min(wait, nap));
}
