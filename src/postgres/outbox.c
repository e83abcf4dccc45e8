/*
 * outbox.c
 *		The outbox: an insert-only log, written in the transaction of the state.
 *
 * The transaction's id is assigned before the sequence number is drawn: the
 * batch rule (common/snapshot.h) rests on that order.  Rows of the aggregates
 * are locked and written before (the unit of work does it so), hence a later
 * change of an aggregate has the higher number.
 */
#include "postgres/outbox.h"

#include "postgres/consumers.h"
#include "postgres/errors.h"
#include "postgres/installed.h"
#include "postgres/log.h"
#include "postgres/pressure.h"
#include "postgres/statement.h"
#include "postgres/wakeup.h"

static SegmentStatement append = {
	.pattern = "INSERT INTO spark_common.outbox_%1$d_%2$d"
	" (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion,"
	"  correlationid, causationid, traceparent, destination, depth, created_at)"
	" SELECT pg_catalog.nextval('spark_common.outbox_%1$d_seq'), pg_catalog.pg_current_xact_id(),"
	"  id, aggregatetype, aggregateid, type, payload, schemaversion,"
	"  correlationid, causationid, traceparent, destination, depth::int2, created_at"
	" FROM rows AS m (id, aggregatetype, aggregateid, type, payload, schemaversion,"
	"  correlationid, causationid, traceparent, destination, depth, created_at)"};

static int
put_message(const void *item, Parameter *row)
{
	const Message *message = item;

	return PUT_ROW(row,
				   param_uuid(message->id),
				   param_text(message->aggregate_type),
				   param_uuid(message->aggregate_id),
				   param_text(message->type_name),
				   param_jsonb(message->payload_json),
				   param_int(message->schema_version),
				   param_uuid(message->correlation_id),
				   param_uuid_or_null(message->causation_id),
				   param_text(message->traceparent),
				   param_text(message_destination(message)),
				   param_int(message->depth),
				   param_instant(message->created_at));
}

/* In the order of the messages: so the numbers of a lane are drawn. */
static void
append_to_lane(const LogShape *shape, int lane, const Message *messages, size_t count)
{
	const void **items = palloc(sizeof(void *) * count);
	size_t		wanted = 0;

	for (size_t i = 0; i < count; i++)
		if (lane_of(messages[i].aggregate_id, shape->lanes) == lane)
			items[wanted++] = &messages[i];
	if (wanted > 0)
		(void) statement_run_rows(segment_statement(&append, lane, shape->segment[lane]),
								  items, wanted, put_message);
	for (size_t i = 0; i < wanted; i++)
		pressure_count(lane);
	pfree(items);
}

static Result
log_store(Outbox *self, UnitOfWork *work, const Message *messages, size_t count)
{
	const LogShape *shape;

	(void) self;
	(void) work;
	if (!tables_are_current("common"))
		return FAIL(NOT_INSTALLED);
	shape = log_shape_for_writing();
	(void) GetTopFullTransactionId();
	for (int lane = 0; lane < shape->lanes; lane++)
		append_to_lane(shape, lane, messages, count);
	wake_dispatchers_at_commit();
	return OK;
}

Outbox *
outbox_log(void)
{
	static Outbox log = {log_store};

	return &log;
}
