/*
 * waiting.c
 *		What waits for each consumer, without reading the log or what is parked.
 *
 * What waits in the log is the difference of two numbers: how many messages that
 * it wants were emitted (traffic.h), and how many of them it has passed.
 *
 * Who locks what: it is counted, and changed, with the consumer's place in the
 * lane taken, which is let go after the change was applied.
 */
#include "postgres/counts/waiting.h"

#include "postgres/counts/counters.h"
#include "postgres/bus/detach.h"
#include "postgres/environment.h"
#include "postgres/counts/in_doubt.h"
#include "postgres/counts/prepared_before.h"
#include "postgres/bus/parking.h"
#include "postgres/bus/pause.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/counts/pressure.h"
#include "postgres/statement.h"
#include "postgres/counts/traffic.h"

#include "catalog/namespace.h"
#include "postmaster/bgworker.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#define COUNTED_EXACTLY 10000	/* messages of a lane behind a consumer, where they are read */
#define PATIENT_COUNTS 3		/* as long as somebody emits meanwhile */
#define COMPARED 10000			/* rows of what is parked, at most, are compared with what was counted */
#define CHECK_SECONDS 5
#define HEARS_NOTHING PG_INT64_MAX	/* has passed all that will ever be emitted */

static Statement read_failed = {
	.sql = "SELECT (SELECT pg_catalog.count(*) FROM spark_common.retry WHERE consumer = $1 AND lane = $2),"
	" (SELECT pg_catalog.count(*) FROM spark_common.dead_letter WHERE consumer = $1 AND lane = $2),"
	" (SELECT pg_catalog.count(*) FROM (" SHUT_KEYS("consumer = $1 AND lane = $2") ") k)",
	.read_only = true};

static Statement compare_failed = {
	.sql = "SELECT (SELECT pg_catalog.count(*) FROM"
	"  (SELECT FROM spark_common.retry WHERE consumer = $1 AND lane = $2 LIMIT $3) r),"
	" (SELECT pg_catalog.count(*) FROM"
	"  (SELECT FROM spark_common.dead_letter WHERE consumer = $1 AND lane = $2 LIMIT $4) d)"};

/* Of what is tried again, by its index: what is due last has failed last, mostly. */
static Statement read_last_error = {
	.sql = "SELECT error_message FROM spark_common.retry"
	" WHERE consumer = $1 AND lane = $2 AND due IS NOT NULL ORDER BY due DESC LIMIT 1",
	.read_only = true};

/* The table of what is parked: another one has not been counted.  InvalidOid: it is not there. */
static Oid
table_of_parked(void)
{
	Oid			schema = get_namespace_oid("spark_common", true);

	return OidIsValid(schema) ? get_relname_relid("retry", schema) : InvalidOid;
}

static double
seconds_since(Instant since, Instant now)
{
	return Max(0.0, (double) (now.microseconds - since.microseconds) / MICROSECONDS_PER_SECOND);
}

/* ------------------------------------------------------------------ reading */

static void
read_parked(const char *consumer, int lane, int64 *parked, int64 *dead, int64 *blocked)
{
	Rows		rows = rows_open(&read_failed, PARAMETERS(param_text(consumer), param_int(lane)));

	(void) rows_next(&rows);
	*parked = row_bigint(&rows, 1);
	*dead = row_bigint(&rows, 2);
	*blocked = row_bigint(&rows, 3);
	rows_close(&rows);
}

static Waiting
read_waiting(const Listener *listener, int lane, Arena *arena)
{
	Waiting		waiting = {0};
	Instant		oldest;

	waiting.messages = cursor_lag_about(listener, lane, COUNTED_EXACTLY, arena, &oldest);
	if (!instant_is_none(oldest))
		waiting.seconds = seconds_since(oldest, server_time());
	read_parked(listener->name, lane, &waiting.parked, &waiting.dead, &waiting.blocked);
	return waiting;
}

/* False where it is not counted.  Where nothing waits, nothing that comes is older than now. */
static bool
counted_waiting(const Listener *listener, int lane, Oid table, Waiting *waiting)
{
	Instant		now = server_time();
	int64		emitted = traffic_of(listener, lane);
	CounterSlot *slot = take_counter_slot(consumer_key(listener->name), false);
	WaitingCount *count;
	bool		is_counted;

	if (slot == NULL)
		return false;
	count = &slot->waiting[lane];
	is_counted = OidIsValid(table) && count->table == table;
	if (is_counted && emitted <= count->passed)
		count->since = now;
	if (is_counted)
		*waiting = (Waiting) {
			.messages = Max(0, emitted - count->passed),
			.seconds = emitted > count->passed ? seconds_since(count->since, now) : 0,
			.parked = count->parked,
			.dead = count->dead,
			.blocked = count->blocked,
		};
	let_counter_slot_go();
	return is_counted;
}

/* All of it by the same means, so that it is of one moment: false where some is not counted. */
static bool
all_counted(List *listeners, int lanes, Waiting *all)
{
	/* Before, as nobody may wait for a catalog while the others wait for him. */
	Oid			table = table_of_parked();
	ListCell   *cell;
	bool		is_counted = is_counting();

	begin_reading_counts();
	settle_doubts();
	foreach(cell, listeners)
		for (int lane = 0; lane < lanes && is_counted; lane++)
			is_counted = counted_waiting(lfirst(cell), lane, table, all++);
	end_with_counts();
	return is_counted;
}

Waiting *
waiting_for(List *listeners, int lanes, Arena *arena)
{
	Waiting    *all = ARENA_ARRAY(arena, Waiting, list_length(listeners) * lanes);
	Waiting    *next = all;
	ListCell   *cell;

	if (all_counted(listeners, lanes, all))
		return all;
	foreach(cell, listeners)
		for (int lane = 0; lane < lanes; lane++)
			*next++ = read_waiting(lfirst(cell), lane, arena);
	return all;
}

static const char *
read_why_stopped(const char *consumer)
{
	const char *why = why_operator_paused(consumer);

	if (why == NULL && is_detached(consumer))
		why = "it is detached, as it kept the log from being emptied: mend it, and call spark_ops.resync()";
	return why;
}

const char *
why_stopped(const Listener *listener)
{
	char		why[sizeof(((ConsumerCounters *) NULL)->stopped)];
	Oid			table = table_of_parked();
	CounterSlot *slot = take_counter_slot(consumer_key(listener->name), false);
	bool		is_counted;

	if (slot == NULL)
		return read_why_stopped(listener->name);
	/* Of all lanes, or of none: any of them will do. */
	is_counted = OidIsValid(table) && slot->waiting[0].table == table;
	strcpy(why, slot->counters.stopped);
	let_counter_slot_go();
	if (!is_counted)
		return read_why_stopped(listener->name);
	return why[0] != '\0' ? pstrdup(why) : NULL;
}

/* ----------------------------------------------------------------- counting */

static void
note_last_error(const Listener *listener, int lane)
{
	Rows		rows = rows_open(&read_last_error, PARAMETERS(param_text(listener->name), param_int(lane)));
	const char *error = rows_next(&rows) ? row_text(&rows, 1, context_arena(CurTransactionContext)) : NULL;
	char		clipped[sizeof(((ConsumerCounters *) NULL)->last_error)];
	CounterSlot *slot;

	rows_close(&rows);
	copy_clipped(clipped, sizeof(clipped), error != NULL ? error : "");
	slot = take_counter_slot(consumer_key(listener->name), true);
	if (slot == NULL)
		return;
	if (slot->counters.last_error[0] == '\0')
		strcpy(slot->counters.last_error, clipped);
	let_counter_slot_go();
}

/* What this transaction itself has done is seen, and what was done before it got the places. */
void
note_why_stopped(const char *consumer)
{
	if (!is_counting())
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	consumer_is_stopped_at_commit(consumer, read_why_stopped(consumer));
	PopActiveSnapshot();
}

/* What was prepared has ended: what it has emitted is there now, and counts, or never will be. */
static void
settle_what_ended(void)
{
	if (!something_is_in_doubt())
		return;
	begin_reading_counts();
	settle_doubts();
	end_with_counts();
}

bool
waiting_must_be_counted(const char *consumer, int lane)
{
	const CounterSlot *slot = take_counter_slot(consumer_key(consumer), true);
	bool		is_counted;

	/* Not preloaded, or no room for it. */
	if (slot == NULL)
		return false;
	is_counted = OidIsValid(slot->waiting[lane].table);
	let_counter_slot_go();
	return !is_counted;
}

/*
 * By the latest snapshot: the transaction's own may be older than the place.  A
 * message that is committed meanwhile may be counted in one of the numbers alone,
 * so all is counted another time if one was; though not for ever.
 */
void
waiting_count(const Listener *listener, int lane, bool has_cursor)
{
	static int	patience = PATIENT_COUNTS;
	Arena	   *arena = context_arena(CurrentMemoryContext);
	WaitingCount count = {.table = table_of_parked(), .passed = HEARS_NOTHING, .idle_at = -1, .unknown_ends = unknown_ends()};
	int64		emitted;

	if (!OidIsValid(count.table))
		return;
	if (!traffic_watch(listener))
	{
		traffic_begin_anew();
		return;
	}
	note_prepared_before();
	settle_what_ended();
	emitted = traffic_of(listener, lane);
	PushActiveSnapshot(GetLatestSnapshot());
	if (has_cursor)
		count.passed = emitted - cursor_lag(listener, lane, arena, &count.since);
	read_parked(listener->name, lane, &count.parked, &count.dead, &count.blocked);
	note_last_error(listener, lane);
	note_why_stopped(listener->name);
	(void) pressure_of(lane);
	PopActiveSnapshot();
	settle_what_ended();
	if (traffic_of(listener, lane) != emitted && patience-- > 0)
		return;
	patience = PATIENT_COUNTS;
	waiting_is_at_commit(consumer_key(listener->name), lane, &count);
}

int64
waiting_look(const Listener *listener, int lane)
{
	int64		emitted;
	Waiting		waiting;
	CounterSlot *slot;

	settle_what_ended();
	emitted = traffic_of(listener, lane);
	/* It notes, where nothing waits, that nothing older does. */
	if (counted_waiting(listener, lane, table_of_parked(), &waiting))
		return emitted;
	slot = take_counter_slot(consumer_key(listener->name), false);
	if (slot == NULL)
		return emitted;
	/* There is another table. */
	slot->waiting[lane].table = InvalidOid;
	let_counter_slot_go();
	return emitted;
}

void
waiting_passed(const char *consumer, int lane, int64 number, Instant emitted_at)
{
	WaitingCount by = {.passed = number, .since = emitted_at};

	if (is_counting())
		waiting_grows_at_commit(consumer_key(consumer), lane, &by);
}

/* Whether as much is parked and dead as was counted, as far as a few rows tell. */
static bool
parked_is(const char *consumer, int lane, int64 parked, int64 dead)
{
	Rows		rows = rows_open(&compare_failed, PARAMETERS(param_text(consumer), param_int(lane),
															 param_bigint(Min(parked + 1, COMPARED)),
															 param_bigint(Min(dead + 1, COMPARED))));
	bool		is_so = rows_next(&rows) && row_bigint(&rows, 1) == Min(parked, COMPARED) &&
		row_bigint(&rows, 2) == Min(dead, COMPARED);

	rows_close(&rows);
	return is_so;
}

/*
 * Now and then, in a worker, with the consumer's place taken and nothing to do:
 * somebody may have filled or emptied the tables by hand, as who restores their
 * data does.
 */
static void
check_parked(const char *consumer, int lane, const WaitingCount *count)
{
	bool		is_so = parked_is(consumer, lane, count->parked, count->dead);
	Instant		now = server_time();
	CounterSlot *slot = take_counter_slot(consumer_key(consumer), false);

	if (slot == NULL)
		return;
	slot->waiting[lane].checked_at = now;
	if (!is_so)
		slot->waiting[lane].table = InvalidOid;
	let_counter_slot_go();
}

/*
 * What two looks have found nothing of, with nothing emitted in between, does not
 * wait: it was counted twice, or not at all, while it was committed.
 */
void
waiting_is_over(const char *consumer, int lane, int64 emitted)
{
	CounterSlot *slot;
	WaitingCount *count;
	WaitingCount found;

	/* What this transaction has passed itself is not counted yet. */
	if (has_pending_counts())
		return;
	slot = take_counter_slot(consumer_key(consumer), false);
	if (slot == NULL)
		return;
	count = &slot->waiting[lane];
	if (count->passed != emitted && count->passed != HEARS_NOTHING)
	{
		if (count->idle_at == emitted)
			count->passed = emitted;
		count->idle_at = emitted;
	}
	found = *count;
	let_counter_slot_go();
	if (MyBgworkerEntry != NULL && OidIsValid(found.table) &&
		instant_before(found.checked_at, instant_plus_seconds(server_time(), -CHECK_SECONDS)))
		check_parked(consumer, lane, &found);
}
