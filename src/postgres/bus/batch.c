/*
 * batch.c
 *		One batch of one consumer, in one transaction.
 *
 * Who locks what: first the consumer's place in its lane (so that a session
 * and a worker take turns), then the aggregates in the global order, last the
 * new row of the cursor, whose primary key is the fence should the first lock
 * ever fail.
 */
#include "postgres/bus/batch.h"

#include "postgres/bus/batch_window.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/failure.h"
#include "postgres/bus/failure_class.h"
#include "postgres/bus/parking.h"
#include "postgres/bus/place.h"
#include "postgres/counts/pressure.h"
#include "postgres/bus/relane.h"
#include "postgres/bus/stubborn.h"
#include "postgres/test_point.h"
#include "postgres/counts/waiting.h"

#define BATCH_MICROSECONDS 20000	/* so long, more or less, a batch holds its locks */
#define BATCH_BYTES (4 * 1024 * 1024)

/* --------------------------------------------------------------- shut keys */

static bool
is_shut(const Batch *batch, Uuid key)
{
	for (size_t i = 0; i < batch->shut.count; i++)
		if (uuid_equal(batch->shut.keys[i], key))
			return true;
	return false;
}

MessageOrder
order_of(const Served *served, const Message *message)
{
	return listener_order(served->listener, message->type_name);
}

bool
must_wait(const Batch *batch, const Message *message)
{
	return is_shut(batch, message->aggregate_id) && order_of(&batch->served, message) != MESSAGE_ORDER_NONE;
}

void
find_shut(Batch *batch)
{
	const Served *served = &batch->served;
	size_t		count = (size_t) batch->reading.count;
	Uuid	   *keys;

	batch->shut = (ShutKeys) {0};
	/* Those of a batch that is handled together are as they are: it is all or none. */
	if (batch->mode != BATCH_TOGETHER)
		batch->shut.keys = ARENA_ARRAY(served->arena, Uuid, 2 * count);
	if (!has_parked(served->consumer))
		return;
	if (batch->shut.keys == NULL)
		batch->shut.keys = ARENA_ARRAY(served->arena, Uuid, count);
	keys = ARENA_ARRAY(served->arena, Uuid, count);
	for (size_t i = 0; i < count; i++)
		keys[i] = batch->reading.messages[i].message.aggregate_id;
	batch->shut.count = shut_keys(served->consumer, keys, count, batch->shut.keys);
}

void
shut_key_of(Batch *batch, const Message *message)
{
	if (order_of(&batch->served, message) != MESSAGE_ORDER_NONE)
		batch->shut.keys[batch->shut.count++] = message->aggregate_id;
}

/* ------------------------------------------------------------- where it ends */

/* The batch ends here: what is left of it comes with the next. */
static void
cut(Batch *batch, int count)
{
	batch->outcome.was_cut = batch->outcome.was_cut || count < batch->reading.count;
	batch->reading.count = count;
}

/* The message there was parked: where its type holds up the lane, the batch ends with it. */
static void
cut_after_parked(Batch *batch, int place)
{
	if (order_of(&batch->served, &batch->reading.messages[place].message) == MESSAGE_ORDER_LANE)
		cut(batch, place + 1);
}

static void
put_behind(Batch *batch, int place)
{
	LoggedMessage *logged = &batch->reading.messages[place];

	park_behind(batch->served.listener, batch->served.lane, logged->seq, whole_message(logged));
	cut_after_parked(batch, place);
}

/* ---------------------------------------------------------------- together */

/* Locks all that the batch will ask for, in one order. */
static void
lock_touched(Batch *batch, UnitOfWork *work)
{
	Arena	   *arena = batch->served.arena;
	Touched		touched = {.arena = arena};
	const Consumer *context = batch->served.listener->context;

	for (int i = 0; i < batch->reading.count; i++)
	{
		Message    *message = &batch->reading.messages[i].message;
		const Subscription *subscription = consumer_subscription(context, message->type_name);

		if (subscription == NULL || subscription->touches == NULL || must_wait(batch, message))
			continue;
		check(message_decode(subscription->type, message->schema_version, message->payload_json,
							 strlen(message->payload_json), arena, &message->payload));
		subscription->touches(context->context, message, &touched);
	}
	check(touched_find(&touched, work));
}

/* Handles it, or parks it, which is no business of the handlers' settings. */
static void
handle_or_queue(Batch *batch, UnitOfWork *work, int place, int *run)
{
	LoggedMessage *logged = &batch->reading.messages[place];
	bool		in_run = batch->served.listener->context == NULL;
	Handling	handling = {&batch->served, work, &logged->message, in_run, logged->row};

	if (must_wait(batch, &logged->message))
	{
		if (*run != 0)
			end_calls(*run);
		*run = 0;
		put_behind(batch, place);
		return;
	}
	if (in_run && *run == 0)
		*run = begin_calls();
	handle(&handling);
	batch->outcome.handled++;
}

/* When a batch that begins now ends: after the message that is handled then. */
static Instant
end_of(const Batch *batch)
{
	Instant		end = {server_time().microseconds + BATCH_MICROSECONDS};
	Instant		until = batch->served.until;

	return !instant_is_none(until) && instant_before(until, end) ? until : end;
}

static void
handle_together(void *argument)
{
	Batch	   *batch = argument;
	BatchOutcome *outcome = &batch->outcome;
	UnitOfWork *work = unit_of_work_new(batch->served.arena, server_ports(), NULL);
	Instant		end = end_of(batch);
	Instant		now;
	int			run = 0;		/* of calls that goes on; 0: none */

	if (batch->served.listener->context != NULL)
		lock_touched(batch, work);
	now = server_time();
	for (int i = 0; i < batch->reading.count; i++)
	{
		Instant		begun = now;
		int			handled = outcome->handled;

		CHECK_FOR_INTERRUPTS();
		handle_or_queue(batch, work, i, &run);
		outcome->done++;
		now = server_time();
		if (outcome->handled > handled)
			times_note(&outcome->times, begun, now);
		if (instant_before(end, now))
			cut(batch, i + 1);
	}
	if (run != 0)
		end_calls(run);
	complete(&batch->served, work);
}

/* --------------------------------------------------------------- one by one */

/* One message a transaction: a rival is in no other's way. */
static bool
is_alone(const Batch *batch)
{
	return batch->limit == 1;
}

/*
 * Whether the failure is the message's, as far as is known: of one that was
 * alone with its rivals, or where others succeed, it is.  Else the batch is
 * taken back.
 */
static bool
is_its_own(const Batch *batch, const LoggedMessage *logged, const ErrorData *error)
{
	switch (failure_class(error))
	{
		case FAILURE_OF_MESSAGE:
			return true;
		case FAILURE_OF_RIVAL:
		case FAILURE_OF_LOCK:
			return is_alone(batch);
		case FAILURE_OF_ENVIRONMENT:
			return failure_is_excused(batch->served.consumer, batch->served.lane, logged->seq);
		case FAILURE_CANCELLED:
			return false;
	}
	return false;
}

/*
 * Counts it, to find whose fault failures are: a key each, or, where nothing
 * orders them, a message each.  One that holds up its lane blames no more than
 * itself anyway.
 */
static void
note_failure(const Batch *batch, const LoggedMessage *logged, const ErrorData *error)
{
	const Served *served = &batch->served;

	if (failure_is_excused(served->consumer, served->lane, logged->seq))
		return;
	switch (order_of(served, &logged->message))
	{
		case MESSAGE_ORDER_KEY:
			failure_note(served->consumer, served->lane, logged->message.aggregate_id, error);
			break;
		case MESSAGE_ORDER_NONE:
			failure_note(served->consumer, served->lane, logged->message.id, error);
			break;
		case MESSAGE_ORDER_LANE:
			break;
	}
}

static void
park(Batch *batch, int place, const ErrorData *error)
{
	const Served *served = &batch->served;
	LoggedMessage *logged = &batch->reading.messages[place];
	Blame		blame = failure_blame(error, is_hopeless(served, &logged->message));

	TEST_POINT("park");
	if (park_failed(served->listener, served->lane, logged->seq, &logged->message, error, blame))
	{
		shut_key_of(batch, &logged->message);
		cut_after_parked(batch, place);
	}
	stubborn_forget(served->consumer, logged->message.id);
	TEST_POINT("parked");
	if (blame != BLAME_FINAL)
		note_failure(batch, logged, error);
}

/* Handles or parks one; false where it can be neither, for its handler is gone. */
static bool
handle_or_park(Batch *batch, int place)
{
	LoggedMessage *logged = &batch->reading.messages[place];
	Instant		begun = server_time();
	ErrorData  *error = try_message(&batch->served, whole_message(logged), is_alone(batch));

	if (error == NULL)
	{
		times_note(&batch->outcome.times, begun, server_time());
		batch->outcome.handled++;
		failure_forget(batch->served.consumer, batch->served.lane);
		return true;
	}
	if (!is_its_own(batch, logged, error))
		ReThrowError(error);
	if (lost_handlers(&batch->served))
		return false;
	park(batch, place, error);
	return true;
}

static void
handle_one_by_one(Batch *batch)
{
	Instant		end = end_of(batch);

	for (int i = 0; i < batch->reading.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (must_wait(batch, &batch->reading.messages[i].message))
			put_behind(batch, i);
		else if (batch->mode == BATCH_ONLY_BEHIND || !handle_or_park(batch, i))
		{
			cut(batch, i);
			break;
		}
		batch->outcome.done++;
		/* Before a hundred are blamed for one reason. */
		if (failure_pause(batch->served.consumer, batch->served.lane) > 0 || instant_before(end, server_time()))
			cut(batch, i + 1);
	}
}

/* -------------------------------------------------------------------- batch */

/* How many of the messages one transaction can bear: at least one. */
static int
bearable_count(const Reading *reading)
{
	size_t		bytes = 0;

	for (int i = 0; i < reading->count; i++)
	{
		bytes += reading->messages[i].bytes;
		if (bytes > BATCH_BYTES)
			return Max(i, 1);
	}
	return reading->count;
}

bool
begin_batch(Batch *batch)
{
	Served	   *served = &batch->served;
	Reading    *reading = &batch->reading;
	BatchOutcome *outcome = &batch->outcome;

	served->arena = context_arena(CurrentMemoryContext);
	*outcome = (BatchOutcome) {0};
	if (!cursor_load(served->consumer, served->lane, served->arena, &reading->cursor) || !find_listener(served))
		return false;
	reading->emitted = waiting_look(served->listener, served->lane);
	pressure_correct_position(&reading->cursor);
	outcome->is_held = reading->cursor.is_paused ||
		(served->listener->stops_lanes && lane_is_held(served->consumer, served->lane));
	if (outcome->is_held)
		return false;
	reading->last = last_readable(served->consumer);
	outcome->waits_to_enter = reading->last != NO_BARRIER && lane_is_drained(&reading->cursor);
	return !outcome->waits_to_enter;
}

static void
handle_what_was_read(Batch *batch)
{
	cut(batch, bearable_count(&batch->reading));
	find_shut(batch);
	if (batch->mode == BATCH_TOGETHER)
		act_for(&batch->served, handle_together, batch);
	else
		handle_one_by_one(batch);
}

/* The last number that is done with; all, where there was nothing. */
static int64
passed(const Reading *reading, int fetched)
{
	if (reading->count > 0)
		return reading->messages[reading->count - 1].seq;
	return fetched > 0 ? 0 : PG_INT64_MAX;
}

/* What was read does not wait any more; and where nothing was, nothing waits. */
static void
note_waiting(const Batch *batch)
{
	const Served *served = &batch->served;
	const Reading *reading = &batch->reading;

	if (reading->count > 0)
		waiting_passed(served->consumer, served->lane, reading->count,
					   reading->messages[reading->count - 1].message.created_at);
	else if (!reading->cursor.is_open && reading->last == NO_BARRIER)
		waiting_is_over(served->consumer, served->lane, reading->emitted);
}

/* False where nothing was done, not even with the cursor. */
static bool
handle_window(Batch *batch)
{
	Reading    *reading = &batch->reading;
	bool		was_open;
	bool		is_stored;
	LogPosition before;
	int			fetched;

	if (!begin_batch(batch))
		return false;
	before = reading->cursor.from;
	was_open = reading->cursor.is_open;
	fetched = reading->count = fetch_batch(batch);
	TEST_POINT("fetched");
	if (fetched > 0 && !is_expected(&batch->served, &reading->messages[0].message))
		return false;
	if (fetched > 0)
		handle_what_was_read(batch);
	batch->outcome.passed = passed(reading, fetched);
	advance(batch, fetched, was_open);
	is_stored = is_worth_storing(batch, fetched, was_open, &before);
	if (is_stored)
		cursor_store(&reading->cursor);
	pressure_note_position(&reading->cursor);
	note_waiting(batch);
	batch->outcome.waits_to_enter = reading->last != NO_BARRIER && lane_is_drained(&reading->cursor);
	return is_stored;
}

void
run_batch(void *argument)
{
	Batch	   *batch = argument;

	take_place(batch->served.consumer, batch->served.lane);
	if (!handle_window(batch))
		leave_place(batch->served.consumer, batch->served.lane);
}

void
run_counting(void *argument)
{
	Batch	   *batch = argument;
	Served	   *served = &batch->served;
	const Listener *listener = served->listener;
	Cursor		cursor;

	served->arena = context_arena(CurrentMemoryContext);
	take_place(served->consumer, served->lane);
	/* As it is subscribed at this moment. */
	if (listener->context == NULL)
		listener = listener_of(served->consumer, served->arena);
	if (listener != NULL)
		waiting_count(listener, served->lane, cursor_load(served->consumer, served->lane, served->arena, &cursor));
}

void
run_entering(void *argument)
{
	Batch	   *batch = argument;

	batch->outcome.waits_to_enter = !enter_epoch(batch->served.consumer);
	if (batch->outcome.waits_to_enter)
		leave_all_places(batch->served.consumer);
}
