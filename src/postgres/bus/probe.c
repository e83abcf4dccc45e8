/*
 * probe.c
 *		Is it the messages, or the consumer?
 *
 * Who locks what: the consumer's place in the lane, as a batch does.  Each
 * handler's own locks go with its subtransaction.
 */
#include "postgres/bus/probe.h"

#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/failure_class.h"
#include "postgres/bus/place.h"
#include "postgres/bus/relane.h"

#define PROBE_MICROSECONDS 200000	/* so long, more or less, it goes on */

/*
 * The place in the open window, or a new one, or in the one behind it: the
 * cursor is moved for this transaction alone, and never stored.
 */
static void
move_to(Probe *probe)
{
	Reading    *reading = &probe->batch.reading;
	Cursor	   *cursor = &reading->cursor;

	if (probe->place.gen != cursor->gen)
		probe->place = (ProbePlace) {.gen = cursor->gen};
	cursor_open(cursor, probe->batch.served.arena);
	if (probe->place.is_behind_window)
	{
		cursor_close(cursor);
		cursor_open(cursor, probe->batch.served.arena);
	}
	cursor->pos = Max(cursor->pos, probe->place.number);
}

/* What is to be tried next: of the window, then of the one behind it; false: there is no more. */
static bool
read_on(Probe *probe)
{
	Batch	   *batch = &probe->batch;
	Reading    *reading = &batch->reading;

	for (;;)
	{
		bool		is_whole = reading->last == NO_BARRIER || !window_crosses_barrier(&reading->cursor);

		reading->count = cursor_fetch(&reading->cursor, batch->served.listener, reading->last, batch->limit,
									  batch->served.arena, reading->messages);
		if (reading->count > 0)
			return true;
		if (probe->place.is_behind_window || !is_whole)
			return false;
		probe->place = (ProbePlace) {.gen = probe->place.gen, .is_behind_window = true};
		cursor_close(&reading->cursor);
		cursor_open(&reading->cursor, batch->served.arena);
	}
}

/*
 * One that holds up its lane is not passed, so it is the one to be blamed; what
 * can never succeed is dead whatever the others do.
 */
static bool
is_found_in(const Probe *probe, const Message *message, const ErrorData *error)
{
	const Served *served = &probe->batch.served;

	if (error == NULL || !failure_is_alike(served->consumer, error))
		return true;
	return is_hopeless(served, message) || order_of(served, message) == MESSAGE_ORDER_LANE;
}

/* True where the search is over with this message. */
static bool
try_one(Probe *probe, LoggedMessage *logged)
{
	Batch	   *batch = &probe->batch;
	Message    *message = whole_message(logged);
	ErrorData  *error;

	if (must_wait(batch, message))
	{
		probe->found = order_of(&batch->served, message) == MESSAGE_ORDER_LANE;
		return probe->found;
	}
	error = rehearse_message(&batch->served, message);
	if (error != NULL && failure_class(error) == FAILURE_CANCELLED)
		ReThrowError(error);
	probe->found = is_found_in(probe, message, error);
	if (!probe->found)
	{
		probe->in_vain = true;
		note_error(batch->served.consumer, error->message);
		shut_key_of(batch, message);
	}
	return probe->found;
}

/* True where the search is over, or it is time for others. */
static bool
try_what_was_read(Probe *probe, Instant end)
{
	Batch	   *batch = &probe->batch;

	find_shut(batch);
	for (int i = 0; i < batch->reading.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		probe->number = batch->reading.messages[i].seq;
		if (try_one(probe, &batch->reading.messages[i]))
			return true;
		batch->reading.cursor.pos = probe->place.number = probe->number;
		if (instant_before(end, server_time()))
			return true;
	}
	return false;
}

void
run_probe(void *argument)
{
	Probe	   *probe = argument;
	Batch	   *batch = &probe->batch;
	Instant		end = {server_time().microseconds + PROBE_MICROSECONDS};

	probe->in_vain = probe->found = false;
	probe->at_end = true;
	take_place(batch->served.consumer, batch->served.lane);
	if (!begin_batch(batch))
		return;
	probe->at_end = false;
	batch->reading.messages = ARENA_ARRAY(batch->served.arena, LoggedMessage, batch->limit);
	move_to(probe);
	while (read_on(probe))
		if (try_what_was_read(probe, end))
			return;
	probe->at_end = true;
}
