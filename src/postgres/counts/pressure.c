/*
 * pressure.c
 *		Back-pressure: how much of the log the contexts have still to handle.
 *
 * One array in shared memory, a place a database; what is in it are atomic
 * numbers, so that nobody waits for anybody.
 * A lane is read from the tables once after the start of the server, by the
 * first who asks.  Where the library is not preloaded, or more databases use it
 * than there are places, nothing is limited.
 *
 * A change of the number of lanes raises all numbers to one barrier: the gap
 * that it leaves in a lane is kept, and no message.
 */
#include "postgres/counts/pressure.h"

#include "postgres/bus/consumers.h"
#include "postgres/counts/database_place.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/bus/handler_call.h"
#include "postgres/bus/log.h"
#include "postgres/statement.h"

#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#define MAX_CONTEXTS 16
#define FAR 256					/* a cursor that moves within its window is stored so late */
#define WARNING_MICROSECONDS (60 * INT64CONST(1000000))

typedef struct LanePressure
{
	pg_atomic_uint32 is_known;	/* all below was read from the tables once */
	pg_atomic_uint64 head;
	pg_atomic_uint64 gap_from;
	pg_atomic_uint64 gap_to;
	pg_atomic_uint64 warned_at;
	pg_atomic_uint64 positions[MAX_CONTEXTS];	/* one more than it; 0: none */
} LanePressure;

typedef struct DatabasePressure
{
	LanePressure lanes[MAX_LANES];
} DatabasePressure;

int			lane_soft_limit;
int			lane_hard_limit;
int			transaction_max_messages;
int			transaction_max_size;

static DatabasePressure *shared;	/* one a place */

/* The last number of before a barrier that has a message. */
static LaneStatement last_before = {
	.pattern = "SELECT pg_catalog.max(seq) FROM spark_common.outbox_%1$d WHERE seq <= $1"};

void
define_pressure_settings(void)
{
	DefineCustomIntVariable("spark.lane_soft_limit",
							"Sets how many unhandled messages of a lane are warned of, and shown in health; 0: none.",
							NULL, &lane_soft_limit, 100000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spark.lane_hard_limit",
							"Sets at how many unhandled messages of a lane commands are refused; 0: never.",
							NULL, &lane_hard_limit, 10000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spark.transaction_max_messages",
							"Sets how many messages one transaction may emit; 0: any number.",
							"Handlers may emit more.",
							&transaction_max_messages, 1000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spark.transaction_max_size",
							"Sets how large the payloads may be that one transaction emits; 0: any size.",
							"Handlers may emit more.",
							&transaction_max_size, 1024 * 1024, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
}

void
pressure_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(max_databases * sizeof(DatabasePressure)));
}

static void
start_lane(LanePressure *lane)
{
	pg_atomic_init_u32(&lane->is_known, 0);
	pg_atomic_init_u64(&lane->head, 0);
	pg_atomic_init_u64(&lane->gap_from, 0);
	pg_atomic_init_u64(&lane->gap_to, 0);
	pg_atomic_init_u64(&lane->warned_at, 0);
	for (int i = 0; i < MAX_CONTEXTS; i++)
		pg_atomic_init_u64(&lane->positions[i], 0);
}

void
pressure_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark pressure", max_databases * sizeof(DatabasePressure), &found);
	for (int i = 0; i < max_databases && !found; i++)
		pressure_forget(i);
	LWLockRelease(AddinShmemInitLock);
}

void
pressure_forget(int place)
{
	for (int lane = 0; lane < MAX_LANES; lane++)
		start_lane(&shared[place].lanes[lane]);
}

/* This database's; NULL: nothing is counted. */
static LanePressure *
counted_lane(int lane)
{
	int			place = database_place();

	return shared != NULL && place >= 0 ? &shared[place].lanes[lane] : NULL;
}

/* ----------------------------------------------------------------- counting */

static int
context_number(const char *name)
{
	int			count;
	const Consumer *const *contexts = all_contexts(&count);

	for (int i = 0; i < Min(count, MAX_CONTEXTS); i++)
		if (strcmp(contexts[i]->name, name) == 0)
			return i;
	return -1;
}

/* All up to there was delivered. */
static int64
position_of(const Cursor *cursor)
{
	return cursor->is_open ? Max(cursor->pos, cursor->from.q) : cursor->from.q;
}

void
pressure_count(int lane)
{
	LanePressure *counted = counted_lane(lane);

	if (counted != NULL)
		(void) pg_atomic_fetch_add_u64(&counted->head, 1);
}

void
pressure_note_head(int lane, int64 number)
{
	LanePressure *counted = counted_lane(lane);

	if (counted != NULL && !RecoveryInProgress())
		pg_atomic_write_u64(&counted->head, (uint64) number);
}

void
pressure_note_gap(int lane, int64 from, int64 to)
{
	LanePressure *counted = counted_lane(lane);

	if (counted == NULL || to <= from)
		return;
	pg_atomic_write_u64(&counted->gap_from, (uint64) from);
	pg_atomic_write_u64(&counted->gap_to, (uint64) to);
	pg_atomic_write_u64(&counted->head, (uint64) to);
}

void
pressure_note_position(const Cursor *cursor)
{
	LanePressure *counted = counted_lane(cursor->lane);
	int			context = context_number(cursor->consumer);

	if (counted != NULL && context >= 0)
		pg_atomic_write_u64(&counted->positions[context], (uint64) position_of(cursor) + 1);
}

void
pressure_correct_position(const Cursor *cursor)
{
	LanePressure *counted = counted_lane(cursor->lane);
	int			context = context_number(cursor->consumer);

	if (counted == NULL || context < 0)
		return;
	if ((uint64) position_of(cursor) + FAR < pg_atomic_read_u64(&counted->positions[context]))
		pressure_note_position(cursor);
}

/* ------------------------------------------------------------------ reading */

/* A lane as plain numbers. */
typedef struct Measure
{
	int64		head;
	int64		gap_from;
	int64		gap_to;
	int64		positions[MAX_CONTEXTS];	/* -1: none */
} Measure;

static int64
messages_behind(const Measure *measure, int64 position)
{
	int64		missing = Max(0, measure->gap_to - Max(position, measure->gap_from));

	return Max(0, measure->head - position - missing);
}

static Measure
counted_measure(LanePressure *counted)
{
	Measure		measure = {
		.head = (int64) pg_atomic_read_u64(&counted->head),
		.gap_from = (int64) pg_atomic_read_u64(&counted->gap_from),
		.gap_to = (int64) pg_atomic_read_u64(&counted->gap_to),
	};

	for (int i = 0; i < MAX_CONTEXTS; i++)
		measure.positions[i] = (int64) pg_atomic_read_u64(&counted->positions[i]) - 1;
	return measure;
}

static void
read_gap(int lane, Measure *measure)
{
	const LogShape *shape = log_shape();
	Rows		rows;

	if (shape->epoch == 0)
		return;
	rows = rows_open(lane_statement(&last_before, lane), PARAMETERS(param_bigint(shape->barrier)));
	if (rows_next(&rows))
		measure->gap_from = row_bigint(&rows, 1);
	measure->gap_to = Min(shape->barrier, measure->head);
	rows_close(&rows);
}

/* As the tables have it, and into shared memory with it. */
static Measure
read_measure(int lane)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	LanePressure *counted = counted_lane(lane);
	Measure		measure = {.head = log_number(lane)};
	int			count;
	const Consumer *const *contexts = all_contexts(&count);

	for (int i = 0; i < MAX_CONTEXTS; i++)
	{
		Cursor		cursor;

		measure.positions[i] = -1;
		if (i >= count || !cursor_load(contexts[i]->name, lane, arena, &cursor))
			continue;
		measure.positions[i] = position_of(&cursor);
		pressure_note_position(&cursor);
	}
	read_gap(lane, &measure);
	pressure_note_gap(lane, measure.gap_from, measure.gap_to);
	pressure_note_head(lane, measure.head);
	if (counted != NULL)
		pg_atomic_write_u32(&counted->is_known, 1);
	return measure;
}

/* A standby is told of nothing, so there it is read each time. */
static Measure
measure_of(int lane)
{
	LanePressure *counted = counted_lane(lane);

	if (counted == NULL || RecoveryInProgress() || pg_atomic_read_u32(&counted->is_known) == 0)
		return read_measure(lane);
	return counted_measure(counted);
}

static Backlog
longest_of(const Measure *measure)
{
	Backlog		longest = {0};
	int			count;
	const Consumer *const *contexts = all_contexts(&count);

	for (int i = 0; i < Min(count, MAX_CONTEXTS); i++)
	{
		int64		behind;

		if (measure->positions[i] < 0)
			continue;
		behind = messages_behind(measure, measure->positions[i]);
		if (longest.context == NULL || behind > longest.messages)
			longest = (Backlog) {behind, contexts[i]->name};
	}
	return longest;
}

Backlog
pressure_of(int lane)
{
	Measure		measure = measure_of(lane);

	return longest_of(&measure);
}

int64
pressure_behind(const Cursor *cursor)
{
	Measure		measure = measure_of(cursor->lane);
	int			context = context_number(cursor->consumer);
	int64		position = context >= 0 ? measure.positions[context] : -1;

	return messages_behind(&measure, position >= 0 ? position : position_of(cursor));
}

/* ---------------------------------------------------------------- admission */

/* Whoever works the log off, or does what a message has caused. */
static bool
passes(void)
{
	return current_cause() != NULL ||
		(MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_library_name, "spark") == 0);
}

/* Once a minute, by one of all who meet it. */
static void
warn(LanePressure *counted, int lane, const Backlog *backlog)
{
	uint64		before = pg_atomic_read_u64(&counted->warned_at);
	int64		now = server_time().microseconds;

	if (now - (int64) before < WARNING_MICROSECONDS ||
		!pg_atomic_compare_exchange_u64(&counted->warned_at, &before, (uint64) now))
		return;
	ereport(WARNING,
			(errmsg("%lld messages of lane %d wait for context %s",
					(long long) backlog->messages, lane, backlog->context),
			 errhint("Look at spark_ops.health(); at spark.lane_hard_limit commands are refused.")));
}

static void
admit_to(int lane)
{
	LanePressure *counted = counted_lane(lane);
	Backlog		backlog;

	if (counted == NULL || (lane_soft_limit == 0 && lane_hard_limit == 0))
		return;
	backlog = pressure_of(lane);
	if (lane_hard_limit > 0 && backlog.messages >= lane_hard_limit)
		refuse(RESULT_BACK_PRESSURE, "%lld messages of lane %d wait for context %s, and spark.lane_hard_limit is %d.",
			   (long long) backlog.messages, lane, backlog.context, lane_hard_limit);
	if (lane_soft_limit > 0 && backlog.messages >= lane_soft_limit)
		warn(counted, lane, &backlog);
}

void
pressure_admit(Uuid key)
{
	if (!passes())
		admit_to(lane_of(key, log_shape()->lanes));
}

void
pressure_admit_all(const UnitOfWork *work)
{
	if (passes() || work->first_emitted == NULL)
		return;
	for (const Emitted *emitted = work->first_emitted; emitted != NULL; emitted = emitted->next)
		admit_to(lane_of(emitted->message.aggregate_id, log_shape()->lanes));
}

/*
 * What the running transaction has emitted so far; what a savepoint has taken
 * back counts on.
 */
static struct
{
	uint64		xid;
	int64		messages;
	int64		bytes;
}			emitted;

void
pressure_admit_size(size_t bytes)
{
	uint64		xid;

	if (passes() || (transaction_max_messages == 0 && transaction_max_size == 0))
		return;
	xid = U64FromFullTransactionId(GetTopFullTransactionId());
	if (emitted.xid != xid)
	{
		emitted.xid = xid;
		emitted.messages = emitted.bytes = 0;
	}
	emitted.messages++;
	emitted.bytes += (int64) bytes;
	if (transaction_max_messages > 0 && emitted.messages > transaction_max_messages)
		refuse_now("Commit, and emit the rest in further transactions; the setting spark.transaction_max_messages is the limit.",
				   "One transaction emits at most %d messages.", transaction_max_messages);
	if (transaction_max_size > 0 && emitted.bytes > (int64) transaction_max_size * 1024)
		refuse_now("Commit, and emit the rest in further transactions; the setting spark.transaction_max_size is the limit.",
				   "One transaction emits payloads of at most %d kB.", transaction_max_size);
}
