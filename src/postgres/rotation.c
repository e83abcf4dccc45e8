/*
 * rotation.c
 *		Emptying the segments of the log that everybody has left behind.
 *
 * TRUNCATE is not seen by old snapshots as deletes are: an older snapshot finds
 * the table empty.  So under the table's lock, where nobody writes or reads any
 * more, every row that is there must be visible in the persisted beginning of
 * every cursor; and a segment stays for spark.segment_retention after it was
 * left, so that a dump which took its snapshot then has taken its locks, too.
 *
 * Who locks what: first SHARE on spark_common.subscription, so that no new
 * cursor is on its way, then ACCESS EXCLUSIVE on the segment.  Neither is waited
 * for longer than a tenth of a second: readers wait behind us for so long.
 */
#include "postgres/rotation.h"

#include "postgres/brief_lock.h"
#include "postgres/detach.h"
#include "postgres/environment.h"
#include "postgres/log.h"
#include "postgres/settings.h"
#include "postgres/statement.h"
#include "postgres/test_point.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"

#define OBSTACLE_SECONDS 60
#define LOCK_WAIT 100			/* ms */

static Statement find_since = {
	.sql = "SELECT since FROM spark_common.lane_segment WHERE lane = $1"};

static Statement make_current = {
	.sql = "UPDATE spark_common.lane_segment SET segment = $2, since = pg_catalog.clock_timestamp() WHERE lane = $1"};

static SegmentStatement find_size = {
	.pattern = "SELECT pg_catalog.pg_relation_size('spark_common.outbox_%1$d_%2$d')"};

/* The first of the current cursors that has not delivered a row of it. */
static SegmentStatement find_reader = {
	.pattern = "SELECT c.consumer FROM (SELECT DISTINCT ON (consumer) consumer, s1 FROM spark_common.cursor_log"
	"  WHERE lane = %1$d ORDER BY consumer, gen DESC) c"
	" WHERE EXISTS (SELECT FROM spark_common.outbox_%1$d_%2$d m"
	"  WHERE m.xid >= pg_catalog.pg_snapshot_xmin(c.s1) AND NOT pg_catalog.pg_visible_in_snapshot(m.xid, c.s1))"
	" LIMIT 1"};

static SegmentStatement find_locker = {
	.pattern = "SELECT COALESCE(pid, 0) FROM pg_catalog.pg_locks WHERE granted"
	" AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
	" AND relation = 'spark_common.outbox_%1$d_%2$d'::regclass AND pid IS DISTINCT FROM pg_catalog.pg_backend_pid()"
	" LIMIT 1"};

static SegmentStatement empty = {
	.pattern = "TRUNCATE spark_common.outbox_%1$d_%2$d"};

static int64
size_of(int lane, int segment)
{
	Rows		rows = rows_open(segment_statement(&find_size, lane, segment), NO_PARAMETERS);
	int64		size = rows_next(&rows) ? row_bigint(&rows, 1) : 0;

	rows_close(&rows);
	return size;
}

/* Seconds since the lane's current segment became it. */
static double
age_of_current(int lane)
{
	Rows		rows = rows_open(&find_since, PARAMETERS(param_int(lane)));
	Instant		since = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;
	Instant		now = server_time();

	rows_close(&rows);
	return instant_is_none(since) ? 0 : (double) (now.microseconds - since.microseconds) / MICROSECONDS_PER_SECOND;
}

static bool
lock_table(const char *table_name, LOCKMODE mode)
{
	Oid			table = get_relname_relid(table_name, get_namespace_oid("spark_common", false));

	return OidIsValid(table) && lock_briefly(table, mode, LOCK_WAIT);
}

/* A consumer that has not delivered all of it; NULL: there is none. */
static const char *
reader_of(int lane, int segment, Arena *arena)
{
	Rows		rows = rows_open(segment_statement(&find_reader, lane, segment), NO_PARAMETERS);
	const char *reader = rows_next(&rows) ? row_text(&rows, 1, arena) : NULL;

	rows_close(&rows);
	return reader;
}

/*
 * NULL: it is empty now; else why not.  Looks for a reader before it asks for the
 * lock, as the lock alone would be written to the log of the server each time;
 * and again under the lock, as only that counts.
 */
static const char *
empty_segment(int lane, int segment)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	const char *reader = reader_of(lane, segment, arena);

	if (reader != NULL && !detach_if_gone(reader))
		return psprintf("consumer %s has not delivered it", reader);
	if (!lock_table("subscription", ShareLock))
		return "somebody subscribes";
	if (!lock_table(psprintf("outbox_%d_%d", lane, segment), AccessExclusiveLock))
		return "its lock is held by a transaction, a dump or a vacuum";
	reader = reader_of(lane, segment, arena);
	if (reader != NULL)
		return psprintf("consumer %s has not delivered it", reader);
	TEST_POINT("truncate");
	(void) statement_run(segment_statement(&empty, lane, segment), NO_PARAMETERS);
	TEST_POINT("truncated");
	return NULL;
}

static bool
is_due_to_be_left(int64 size, double age)
{
	return size >= (int64) segment_size * 1024 || (size > 0 && age >= segment_age);
}

/* Of a left segment: whose cursor, or whose lock. */
static const char *
holder_of(int lane, int segment, Arena *arena)
{
	const char *holder = reader_of(lane, segment, arena);
	Rows		rows;

	if (holder != NULL)
		return arena_printf(arena, "consumer %s has not delivered it", holder);
	rows = rows_open(segment_statement(&find_locker, lane, segment), NO_PARAMETERS);
	holder = rows_next(&rows) ? arena_printf(arena, "process %d, or a prepared transaction, holds a lock on it",
											 row_int(&rows, 1)) : NULL;
	rows_close(&rows);
	return holder;
}

const char *
rotation_obstacle(Arena *arena)
{
	const LogShape *shape = log_shape();

	for (int lane = 0; lane < shape->made; lane++)
	{
		if (age_of_current(lane) < segment_retention + OBSTACLE_SECONDS)
			continue;
		for (int segment = 0; segment < LOG_SEGMENTS; segment++)
		{
			const char *holder = NULL;

			if (segment != shape->segment[lane] && size_of(lane, segment) > 0)
				holder = holder_of(lane, segment, arena);
			if (holder != NULL)
				return arena_printf(arena, "spark_common.outbox_%d_%d cannot be emptied: %s", lane, segment, holder);
		}
	}
	return NULL;
}

Rotation
rotate_lane(int lane)
{
	Rotation	rotation = {.segment = log_shape()->segment[lane]};
	double		age = age_of_current(lane);
	int			next = (rotation.segment + 1) % LOG_SEGMENTS;

	if (is_due_to_be_left(size_of(lane, rotation.segment), age) && size_of(lane, next) == 0)
	{
		(void) statement_run(&make_current, PARAMETERS(param_int(lane), param_int(next)));
		log_shape_changed();
		rotation.segment = next;
		age = 0;
	}
	for (int segment = 0; segment < LOG_SEGMENTS; segment++)
	{
		if (segment == rotation.segment || size_of(lane, segment) == 0)
			continue;
		rotation.waits_for = age < segment_retention ? "it was left only now" : empty_segment(lane, segment);
		if (rotation.waits_for == NULL)
			rotation.emptied++;
	}
	return rotation;
}
