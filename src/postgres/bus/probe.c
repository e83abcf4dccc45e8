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
	{
		failure_begin_anew(cursor->consumer, cursor->lane);
		probe->place = (ProbePlace) {.gen = cursor->gen};
	}
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
 * It has its place behind one of its key, that is parked or has failed in this
 * round: what it would do without that one tells nothing.
 */
static bool
is_behind(const Probe *probe, const Message *message)
{
	const Served *served = &probe->batch.served;

	return must_wait(&probe->batch, message) ||
		(order_of(served, message) != MESSAGE_ORDER_NONE &&
		 failure_has_shut_key(served->consumer, served->lane, message->aggregate_id));
}

/*
 * It fails as all others do, or is behind one that does.  What has a place among
 * others lets none of those behind it be tried: of its key, or of its whole lane,
 * so that the round is over.
 */
static void
note_in_vain(Probe *probe, const Message *message)
{
	const Served *served = &probe->batch.served;

	probe->in_vain = true;
	switch (order_of(served, message))
	{
		case MESSAGE_ORDER_NONE:
			break;
		case MESSAGE_ORDER_KEY:
			failure_shut_key(served->consumer, served->lane, message->aggregate_id);
			break;
		case MESSAGE_ORDER_LANE:
			probe->at_end = true;
			break;
	}
}

static bool
is_found(Probe *probe, Message *message)
{
	const Served *served = &probe->batch.served;
	ErrorData  *error;

	/* Dead whatever the others do, and one that crashes the server is not even tried. */
	if (is_hopeless(served, message) || must_wait(&probe->batch, message))
		return true;
	if (is_behind(probe, message))
	{
		note_in_vain(probe, message);
		return false;
	}
	error = rehearse_message(served, message);
	if (error != NULL && failure_class(error) == FAILURE_CANCELLED)
		ReThrowError(error);
	if (error == NULL || !failure_is_alike(served->consumer, error))
		return true;
	note_error(served->consumer, error->message);
	note_in_vain(probe, message);
	return false;
}

/* When it is time for others: before that, where the turn ends earlier. */
static Instant
end_of_search(Instant until)
{
	Instant		end = {server_time().microseconds + PROBE_MICROSECONDS};

	return !instant_is_none(until) && instant_before(until, end) ? until : end;
}

/* That one is done with, and was not found. */
static void
pass(Probe *probe)
{
	probe->batch.reading.cursor.pos = probe->place.number = probe->number;
}

static bool
is_late(const Probe *probe)
{
	return instant_before(probe->end, server_time());
}

/* Of what was read, the next one that is not behind another, or that is in the way of all; NULL: none is. */
static Message *
next_of_read(Probe *probe)
{
	Batch	   *batch = &probe->batch;

	while (probe->next < batch->reading.count)
	{
		LoggedMessage *logged = &batch->reading.messages[probe->next++];

		probe->number = logged->seq;
		if (!is_behind(probe, &logged->message) || order_of(&batch->served, &logged->message) == MESSAGE_ORDER_LANE)
			return whole_message(logged);
		pass(probe);
	}
	return NULL;
}

/* The next one to be tried; NULL: there is none, or it is time for others. */
static Message *
next_to_try(Probe *probe)
{
	Message    *message;

	while ((message = next_of_read(probe)) == NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (probe->next > 0 && is_late(probe))
			return NULL;
		probe->next = 0;
		probe->at_end = !read_on(probe);
		if (probe->at_end)
			return NULL;
		find_shut(&probe->batch);
	}
	return message;
}

/* False where the consumer may not read. */
static bool
begin_probe(Probe *probe)
{
	Batch	   *batch = &probe->batch;

	probe->end = end_of_search(batch->served.until);
	probe->in_vain = probe->found = false;
	probe->next = batch->reading.count = 0;
	probe->at_end = !begin_batch(batch);
	if (probe->at_end)
		return false;
	batch->reading.messages = ARENA_ARRAY(batch->served.arena, LoggedMessage, batch->limit);
	move_to(probe);
	return true;
}

const Message *
probe_look_ahead(Probe *probe)
{
	return begin_probe(probe) ? next_to_try(probe) : NULL;
}

void
run_probe(void *argument)
{
	Probe	   *probe = argument;
	const Served *served = &probe->batch.served;
	Message    *message;

	take_place(served->consumer, served->lane);
	if (!begin_probe(probe))
		return;
	/* With care, one at a time, and none where somebody else was quicker. */
	while ((message = next_to_try(probe)) != NULL && is_expected(served, message))
	{
		CHECK_FOR_INTERRUPTS();
		probe->found = is_found(probe, message);
		if (probe->found)
			return;
		pass(probe);
		if (probe->at_end || is_announced(served) || is_late(probe))
			return;
	}
}
