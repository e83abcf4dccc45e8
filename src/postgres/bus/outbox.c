/*
 * outbox.c
 *		The outbox: an insert-only log, written in the transaction of the state.
 *
 * The transaction's id is assigned before the sequence number is drawn: the
 * batch rule (common/snapshot.h) rests on that order.  Rows of the aggregates
 * are locked and written before (the unit of work does it so), hence a later
 * change of an aggregate has the higher number.
 */
#include "postgres/bus/outbox.h"

#include "postgres/errors.h"
#include "postgres/installed.h"
#include "postgres/bus/log.h"
#include "postgres/counts/pressure.h"
#include "postgres/bus/segment_writer.h"
#include "postgres/test_point.h"
#include "postgres/counts/traffic.h"
#include "postgres/workers/wakeup.h"

#include "utils/jsonb.h"

/* Who gets it is woken, by its type; a context listens to all that bears its name, too. */
static void
tell_of(const Message *message, int lane)
{
	pressure_count(lane);
	traffic_count_at_commit(message, lane);
	wake_listeners_at_commit(message->type_name);
	wake_listeners_at_commit(pnstrdup(message->type_name, strcspn(message->type_name, ".")));
}

static Datum
payload_of(const Message *message)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(message->payload_json));
}

/* In the order of the messages: so the numbers of a lane are drawn. */
static void
append_to_lane(const LogShape *shape, int lane, const Message *messages, size_t count)
{
	SegmentWriter *writer = NULL;

	for (size_t i = 0; i < count; i++)
	{
		if (lane_of(messages[i].aggregate_id, shape->lanes) != lane)
			continue;
		if (writer == NULL)
			writer = segment_writer_open(lane, shape->segment[lane]);
		segment_append(writer, &messages[i], payload_of(&messages[i]));
		tell_of(&messages[i], lane);
	}
	if (writer != NULL)
		segment_writer_close(writer);
}

/* The lanes stay as they are, and the transaction has its id, before a number is drawn. */
static const LogShape *
begin_appending(void)
{
	const LogShape *shape = log_shape_for_writing();

	PreventCommandIfReadOnly("spark_bus.emit()");
	TEST_POINT("insert");
	(void) GetTopFullTransactionId();
	return shape;
}

void
outbox_append(const Message *message, Datum payload)
{
	const LogShape *shape = begin_appending();
	int			lane = lane_of(message->aggregate_id, shape->lanes);
	SegmentWriter *writer = segment_writer_open(lane, shape->segment[lane]);

	segment_append(writer, message, payload);
	segment_writer_close(writer);
	TEST_POINT("inserted");
	tell_of(message, lane);
}

static Result
log_store(Outbox *self, UnitOfWork *work, const Message *messages, size_t count)
{
	const LogShape *shape;

	(void) self;
	(void) work;
	if (!tables_are_current("common"))
		return FAIL(NOT_INSTALLED);
	shape = begin_appending();
	for (int lane = 0; lane < shape->lanes; lane++)
		append_to_lane(shape, lane, messages, count);
	TEST_POINT("inserted");
	return OK;
}

Outbox *
outbox_log(void)
{
	static Outbox log = {log_store};

	return &log;
}
