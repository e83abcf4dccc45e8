/*
 * cursor.c
 *		Where a consumer stands in the log, and what it reads next.
 *
 * The cursor is a ledger (spark_common.cursor_log): rows are inserted, never
 * updated, so that a held snapshot cannot slow its readers; its primary key
 * stops a second worker that would deliver the same batch.
 */
#include "postgres/bus/cursor.h"

#include "postgres/environment.h"
#include "postgres/bus/handler_call.h"
#include "postgres/bus/lane_reader.h"
#include "postgres/bus/log.h"
#include "postgres/bus/log_row.h"
#include "postgres/bus/message_rows.h"
#include "postgres/bus/pause.h"
#include "postgres/counts/pressure.h"
#include "postgres/statement.h"
#include "postgres/test_point.h"
#include "postgres/bus/twin.h"

#include "access/detoast.h"
#include "access/transam.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
#include "utils/xid8.h"

#include <inttypes.h>

#define KEPT_GENERATIONS 100

#define CURSOR \
	"SELECT gen, s1::text, q1, n1::text, s2::text, q2, n2::text, pos, at, " NOT_PAUSED \
	" FROM spark_common.cursor_log WHERE consumer = $1 AND lane = $2 ORDER BY gen DESC LIMIT 1"

static Statement find_cursor = {.sql = CURSOR, .of_now = true};
static Statement find_cursor_in_query = {.sql = CURSOR, .read_only = true};

static Statement insert_cursor = {
	.sql = "INSERT INTO spark_common.cursor_log (consumer, lane, gen, s1, q1, n1, s2, q2, n2, pos, at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, pg_catalog.clock_timestamp())"};

static Statement trim_cursor = {
	.sql = "DELETE FROM spark_common.cursor_log WHERE consumer = $1 AND lane = $2 AND gen < $3"};

static Statement drop_cursor = {
	.sql = "DELETE FROM spark_common.cursor_log WHERE consumer = $1"};

/*
 * A probe a transaction, of the index on (xid, seq), which the comparison of
 * rows and the LATERAL keep: in one sweep by seq, the whole log would be read
 * for a handful of rows.
 */
#define STRAGGLERS \
	" FROM spark_common.outbox_%1$d" \
	" WHERE (xid, seq) > (straggler.xid, $1) AND (xid, seq) <= (straggler.xid, $2)" \
	" AND (type = ANY ($4) OR destination = $5) "

/* What the lag is made of, by the snapshot of who asks. */
#define COUNTED "SELECT pg_catalog.count(*), pg_catalog.min(created_at) FROM "

static LaneStatement count_rest = {
	.pattern = COUNTED "spark_common.outbox_%1$d"
	" WHERE seq > $1 AND seq <= $2 AND pg_catalog.pg_visible_in_snapshot(xid, $3)"
	" AND (type = ANY ($4) OR destination = $5)", .read_only = true};

static LaneStatement find_oldest = {
	.pattern = "SELECT created_at FROM spark_common.outbox_%1$d WHERE seq > $1 ORDER BY seq LIMIT 1"};

static LaneStatement count_stragglers = {
	.pattern = COUNTED "pg_catalog.unnest($3) AS straggler (xid)"
	" CROSS JOIN LATERAL (SELECT created_at" STRAGGLERS "OFFSET 0) rows", .read_only = true};

/* --------------------------------------------------------------- positions */

/* One really taken now, also where the transaction keeps to an older one. */
static LogSnapshot
snapshot_of_now(Arena *arena)
{
	LogSnapshot	snapshot;
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	const char *text;

	PushActiveSnapshot(GetLatestSnapshot());
	text = OidOutputFunctionCall(F_PG_SNAPSHOT_OUT, OidFunctionCall0(F_PG_CURRENT_SNAPSHOT));
	PopActiveSnapshot();
	if (!snapshot_parse(arena, text, &snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("the snapshot of the server cannot be read")));
	if (FullTransactionIdIsValid(own))
		snapshot = snapshot_with_running(arena, snapshot, U64FromFullTransactionId(own));
	return snapshot;
}

int64
log_number(int lane)
{
	LOCAL_FCINFO(call, 1);
	FmgrInfo	function;
	Datum		last;
	int64		number;

	fmgr_info(F_PG_SEQUENCE_LAST_VALUE, &function);
	InitFunctionCallInfoData(*call, &function, 1, InvalidOid, NULL, NULL);
	call->args[0].value = ObjectIdGetDatum(log_sequence(lane));
	call->args[0].isnull = false;
	last = FunctionCallInvoke(call);
	/* NULL: none was drawn yet. */
	number = call->isnull ? 0 : DatumGetInt64(last);
	pressure_note_head(lane, number);
	return number;
}

LogPosition
log_position(int lane, Arena *arena)
{
	LogPosition position;

	/* The order of these three is the rule. */
	position.s = snapshot_of_now(arena);
	position.q = log_number(lane);
	position.n = U64FromFullTransactionId(ReadNextFullTransactionId());
	if (TWIN(listed_only))
		position.n = position.s.xmax;
	if (TWIN(xmin_cutoff))
		position.s = (LogSnapshot) {.xmin = position.s.xmin, .xmax = position.s.xmin};
	return position;
}

/* ------------------------------------------------------------------ ledger */

static Parameter
param_snapshot(Arena *arena, const LogSnapshot *snapshot)
{
	return param_typed(PG_SNAPSHOTOID, snapshot_format(arena, snapshot));
}

static Parameter
param_xid(uint64 xid)
{
	return param_typed(XID8OID, psprintf("%" PRIu64, xid));
}

static LogPosition
row_position(const Rows *rows, int first, Arena *arena)
{
	LogPosition position;

	if (!snapshot_parse(arena, row_text(rows, first, arena), &position.s))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a cursor of spark holds no snapshot")));
	position.q = row_bigint(rows, first + 1);
	position.n = strtoull(row_text(rows, first + 2, arena), NULL, 10);
	return position;
}

static bool
load(Statement *find, const char *consumer, int lane, Arena *arena, Cursor *cursor)
{
	Rows		rows = rows_open(find, PARAMETERS(param_text(consumer), param_int(lane)));
	bool		found = rows_next(&rows);

	if (found)
	{
		*cursor = (Cursor) {.consumer = consumer, .lane = lane, .gen = row_bigint(&rows, 1)};
		cursor->from = row_position(&rows, 2, arena);
		cursor->is_open = !row_is_null(&rows, 5);
		if (cursor->is_open)
			cursor->to = row_position(&rows, 5, arena);
		cursor->pos = row_bigint(&rows, 8);
		cursor->stored_at = row_instant(&rows, 9);
		cursor->is_paused = !row_bool(&rows, 10);
	}
	rows_close(&rows);
	return found;
}

bool
cursor_load(const char *consumer, int lane, Arena *arena, Cursor *cursor)
{
	return load(&find_cursor, consumer, lane, arena, cursor);
}

void
cursor_store(const Cursor *cursor)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "spark cursor", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Arena	   *arena = context_arena(context);
	int64		gen = cursor->gen + 1;

	(void) statement_run(&insert_cursor,
						 PARAMETERS(param_text(cursor->consumer), param_int(cursor->lane), param_bigint(gen),
									param_snapshot(arena, &cursor->from.s),
									param_bigint(cursor->from.q),
									param_xid(cursor->from.n),
									cursor->is_open ? param_snapshot(arena, &cursor->to.s) : param_typed(PG_SNAPSHOTOID, NULL),
									param_bigint_or_null(cursor->to.q, !cursor->is_open),
									cursor->is_open ? param_xid(cursor->to.n) : param_typed(XID8OID, NULL),
									param_bigint(cursor->pos)));
	TEST_POINT("cursor_stored");
	if (gen % KEPT_GENERATIONS == 0)
	{
		TEST_POINT("trim");
		(void) statement_run(&trim_cursor, PARAMETERS(param_text(cursor->consumer), param_int(cursor->lane),
													  param_bigint(gen - KEPT_GENERATIONS)));
		TEST_POINT("trimmed");
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

void
cursor_create(const char *consumer, int lane)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Cursor		cursor;

	if (cursor_load(consumer, lane, arena, &cursor))
		return;
	cursor = (Cursor) {.consumer = consumer, .lane = lane, .from = log_position(lane, arena)};
	cursor_store(&cursor);
}

void
cursor_drop(const char *consumer)
{
	(void) statement_run(&drop_cursor, PARAMETERS(param_text(consumer)));
}

/* ------------------------------------------------------------------ window */

void
cursor_open(Cursor *cursor, Arena *arena)
{
	if (cursor->is_open)
		return;
	TEST_POINT("snapshot");
	cursor->to = log_position(cursor->lane, arena);
	TEST_POINT("snapshot_taken");
	cursor->is_open = true;
	cursor->pos = 0;
}

void
cursor_close(Cursor *cursor)
{
	cursor->from = cursor->to;
	cursor->is_open = false;
	cursor->pos = 0;
}

static Parameter
param_xids(const uint64_t *xids, size_t count, Arena *arena)
{
	char	   *text = arena_alloc(arena, 22 * count + 3);
	char	   *at = text;

	*at++ = '{';
	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "%s%" PRIu64, i > 0 ? "," : "", xids[i]);
	strcpy(at, "}");
	return param_typed(XID8ARRAYOID, text);
}

/*
 * A context gets what is addressed to it, known or not: it is its dead letter.
 * A user's consumer gets what it has subscribed, nothing else.
 */
static const char *
addressee(const Listener *listener)
{
	return listener->context != NULL ? listener->name : NULL;
}

/* What a call of cursor_fetch() has read so far, and for whom. */
typedef struct Fetch
{
	const Listener *listener;
	Arena	   *arena;
	TupleDesc	description;	/* of spark_bus.message, for a user's consumer; else NULL */
	LoggedMessage *messages;
	int			count;
	int			limit;
} Fetch;

static bool
text_is(const text *value, const char *word)
{
	size_t		length = VARSIZE_ANY_EXHDR(value);

	return strncmp(word, VARDATA_ANY(value), length) == 0 && word[length] == '\0';
}

/* The word, if it is that; else a copy of the text. */
static const char *
word_or_copy(Fetch *fetch, Datum value, const char *word)
{
	const text *unpacked = DatumGetTextPP(value);

	if (word != NULL && text_is(unpacked, word))
		return word;
	return arena_text(fetch->arena, text_to_cstring(unpacked));
}

/* The name of its type as the listener has it; NULL where he has not asked for it. */
static const char *
wanted_type(const Listener *listener, Datum type)
{
	const text *unpacked = DatumGetTextPP(type);

	for (int i = 0; i < listener->wanted_count; i++)
		if (text_is(unpacked, listener->wanted[i]))
			return listener->wanted[i];
	return NULL;
}

static const char *
payload_text(Datum payload)
{
	Jsonb	   *jsonb = DatumGetJsonbP(payload);

	return JsonbToCString(NULL, &jsonb->root, (int) VARSIZE(jsonb));
}

/* Adds that row.  What is kept of it is in memory of the batch. */
static void
take_row(Fetch *fetch, const Datum *values, const bool *nulls)
{
	LoggedMessage *logged = &fetch->messages[fetch->count];
	Message    *message = &logged->message;
	const char *before = fetch->count > 0 ? logged[-1].message.aggregate_type : NULL;
	const char *type = wanted_type(fetch->listener, values[LOG_TYPE]);

	logged->seq = DatumGetInt64(values[LOG_SEQ]);
	*message = message_of_values(values, nulls);
	message->type_name = type != NULL ? type : word_or_copy(fetch, values[LOG_TYPE], NULL);
	message->aggregate_type = word_or_copy(fetch, values[LOG_AGGREGATE_TYPE], before);
	if (!nulls[LOG_TRACEPARENT])
		message->traceparent = word_or_copy(fetch, values[LOG_TRACEPARENT], NULL);
	logged->bytes = toast_raw_datum_size(values[LOG_PAYLOAD]);
	if (fetch->description != NULL)
		logged->row = message_value(fetch->description, values, nulls);
	else
		message->payload_json = payload_text(values[LOG_PAYLOAD]);
	fetch->count++;
}

Message *
whole_message(LoggedMessage *logged)
{
	bool		is_null;

	if (logged->message.payload_json == NULL)
		logged->message.payload_json = payload_text(
			GetAttributeByNum(DatumGetHeapTupleHeader(logged->row), MESSAGE_PAYLOAD, &is_null));
	return &logged->message;
}

static bool
is_for(const Listener *listener, const char *name, const TupleTableSlot *row)
{
	if (wanted_type(listener, row->tts_values[LOG_TYPE]) != NULL)
		return true;
	return name != NULL && !row->tts_isnull[LOG_DESTINATION] &&
		text_is(DatumGetTextPP(row->tts_values[LOG_DESTINATION]), name);
}

/* What was running when the window began, and has ended by its end. */
static void
read_stragglers(LaneReader *reader, const Cursor *cursor, int64 last, Arena *arena)
{
	const uint64_t *xids;
	size_t		count = snapshot_stragglers(arena, &cursor->from.s, cursor->from.n, &cursor->to.s, &xids);

	for (size_t i = 0; i < count; i++)
		lane_reader_add_of(reader, xids[i], cursor->pos, Min(cursor->from.q, last));
}

/* The stragglers, and what was drawn since: as far as the snapshot at its end sees it. */
static void
read_window(Fetch *fetch, const Cursor *cursor, int64 last)
{
	LaneReader *reader = lane_reader_open(cursor->lane);
	const char *name = addressee(fetch->listener);

	if (cursor->pos < cursor->from.q && !TWIN(last_number))
		read_stragglers(reader, cursor, last, fetch->arena);
	if (cursor->to.q > cursor->from.q)
		lane_reader_add(reader, Max(cursor->pos, cursor->from.q), Min(cursor->to.q, last));
	while (fetch->count < fetch->limit)
	{
		TupleTableSlot *row = lane_reader_next(reader);

		if (row == NULL)
			break;
		if (snapshot_sees(&cursor->to.s, U64FromFullTransactionId(DatumGetFullTransactionId(row->tts_values[LOG_XID]))) &&
			is_for(fetch->listener, name, row))
			take_row(fetch, row->tts_values, row->tts_isnull);
	}
	lane_reader_close(reader);
}

int
cursor_fetch(const Cursor *cursor, const Listener *listener, int64 last, int limit, Arena *arena,
			 LoggedMessage *messages)
{
	Fetch		fetch = {.listener = listener, .arena = arena, .messages = messages, .limit = limit};

	if (listener->context == NULL)
		fetch.description = lookup_rowtype_tupdesc(message_row_type(), -1);
	read_window(&fetch, cursor, last);
	if (fetch.description != NULL)
		ReleaseTupleDesc(fetch.description);
	return fetch.count;
}

/* -------------------------------------------------------------------- lag */

typedef struct Lag
{
	int			lane;
	Parameter	wanted;
	Parameter	addressee;
	Arena	   *arena;
	int64		messages;
	Instant		oldest;
} Lag;

/* Adds what a counting statement says of the numbers after low, up to high. */
static void
add_counted(Lag *lag, LaneStatement *statement, int64 low, int64 high, Parameter which)
{
	Rows		rows;

	if (low >= high)
		return;
	rows = rows_open(lane_statement(statement, lag->lane),
					 PARAMETERS(param_bigint(low), param_bigint(high), which, lag->wanted, lag->addressee));
	if (rows_next(&rows))
	{
		Instant		at = row_instant(&rows, 2);

		lag->messages += row_bigint(&rows, 1);
		if (!instant_is_none(at) && (instant_is_none(lag->oldest) || instant_before(at, lag->oldest)))
			lag->oldest = at;
	}
	rows_close(&rows);
}

/* After low, and no further than where s1 was taken: of those that have ended by s2. */
static void
add_stragglers(Lag *lag, const LogPosition *from, const LogSnapshot *s2, int64 low)
{
	const uint64_t *xids;
	size_t		count = snapshot_stragglers(lag->arena, &from->s, from->n, s2, &xids);

	if (count > 0)
		add_counted(lag, &count_stragglers, low, from->q, param_xids(xids, count, lag->arena));
}

/* What is left of the open window. */
static void
add_window(Lag *lag, const Cursor *cursor)
{
	add_stragglers(lag, &cursor->from, &cursor->to.s, cursor->pos);
	add_counted(lag, &count_rest, Max(cursor->pos, cursor->from.q), cursor->to.q,
				param_snapshot(lag->arena, &cursor->to.s));
}

/*
 * What is in no window yet, wherever the position in the open one is: its
 * numbers may be lower.  The latest snapshot knows of all that the caller's
 * can have seen end.
 */
static void
add_after(Lag *lag, const LogPosition *end)
{
	LogPosition now = log_position(lag->lane, lag->arena);

	add_stragglers(lag, end, &now.s, 0);
	add_counted(lag, &count_rest, end->q, PG_INT64_MAX, param_snapshot(lag->arena, &now.s));
}

int64
cursor_lag(const Listener *listener, int lane, Arena *arena, Instant *oldest)
{
	Lag			lag = {
		.lane = lane,
		.wanted = param_texts(listener->wanted, (size_t) listener->wanted_count),
		.addressee = param_text(addressee(listener)),
		.arena = arena,
		.oldest = INSTANT_NONE,
	};
	Cursor		cursor;

	if (load(&find_cursor_in_query, listener->name, lane, arena, &cursor))
	{
		if (cursor.is_open)
			add_window(&lag, &cursor);
		add_after(&lag, cursor.is_open ? &cursor.to : &cursor.from);
	}
	*oldest = lag.oldest;
	return lag.messages;
}

/* Of those that were not running when the window began, and whoever wants it. */
static Instant
oldest_after(const Cursor *cursor)
{
	int64		done = cursor->is_open ? Max(cursor->pos, cursor->from.q) : cursor->from.q;
	Rows		rows = rows_open(lane_statement(&find_oldest, cursor->lane), PARAMETERS(param_bigint(done)));
	Instant		oldest = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;

	rows_close(&rows);
	return oldest;
}

int64
cursor_lag_about(const Listener *listener, int lane, int64 most, Arena *arena, Instant *oldest)
{
	Cursor		cursor;
	int64		lag;

	*oldest = INSTANT_NONE;
	if (!cursor_load(listener->name, lane, arena, &cursor))
		return 0;
	lag = pressure_behind(&cursor);
	if (lag <= most)
		return cursor_lag(listener, lane, arena, oldest);
	*oldest = oldest_after(&cursor);
	return lag;
}
