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
	" VALUES (pg_catalog.nextval('spark_common.outbox_%1$d_seq'), pg_catalog.pg_current_xact_id(),"
	"  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::int2, $12)"};

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
	for (size_t i = 0; i < count; i++)
	{
		const Message *message = &messages[i];
		int			lane = lane_of(message->aggregate_id, shape->lanes);

		(void) statement_run(segment_statement(&append, lane, shape->segment[lane]),
							 PARAMETERS(param_uuid(message->id),
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
										param_instant(message->created_at)));
		pressure_count(lane);
	}
	wake_dispatchers_at_commit();
	return OK;
}

Outbox *
outbox_log(void)
{
	static Outbox log = {log_store};

	return &log;
}
