/*
 * rotation.c
 *		Emptying the segments of the log that everybody has left behind.
 *
 * TRUNCATE is not seen by old snapshots as deletes are: an older snapshot finds
 * the table empty.  So under the table's lock, where nobody writes or reads any
 * more, every row that is there must be visible in the persisted beginning of
 * every cursor; and a segment stays for spark.segment_retention after it was
 * left.  A dump takes its snapshot first and its locks a moment later: so what
 * was delivered only now stays also while a transaction of this database holds a
 * snapshot that may not see the cursors so far, for as long as the retention.
 *
 * Who locks what: first SHARE on spark_common.subscription, so that no new
 * cursor is on its way, then ACCESS EXCLUSIVE on the segment.  Neither is waited
 * for longer than a tenth of a second: readers wait behind us for so long.
 */
#include "postgres/bus/rotation.h"

#include "postgres/brief_lock.h"
#include "postgres/bus/detach.h"
#include "postgres/environment.h"
#include "postgres/bus/log.h"
#include "postgres/counts/obstacle.h"
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

/* Another one after each TRUNCATE. */
static SegmentStatement find_file = {
	.pattern = "SELECT pg_catalog.pg_relation_filenode('spark_common.outbox_%1$d_%2$d')::bigint"};

static Statement find_older_snapshot = {
	.sql = "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
	" AND backend_xmin IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()"
	" AND COALESCE(xact_start, '-infinity') < $1 LIMIT 1"};

/* The first of the current cursors that has not delivered a row of it. */
static SegmentStatement find_reader = {
	.pattern = "SELECT c.consumer FROM (SELECT DISTINCT ON (consumer) consumer, s1 FROM spark_common.cursor_log"
	"  WHERE lane = %1$d ORDER BY consumer, gen DESC) c"
	" WHERE EXISTS (SELECT FROM spark_common.outbox_%1$d_%2$d m"
	"  WHERE m.xid >= pg_catalog.pg_snapshot_xmin(c.s1) AND NOT pg_catalog.pg_visible_in_snapshot(m.xid, c.s1))"
	" LIMIT 1"};

/* The oldest, as readers come and go.  A prepared transaction is known by the lock on its own id. */
static SegmentStatement find_locker = {
	.pattern = "SELECT CASE WHEN l.pid IS NOT NULL THEN 'process ' || l.pid"
	"  ELSE 'prepared transaction ' || COALESCE(p.gid, '') END FROM pg_catalog.pg_locks l"
	" LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
	" LEFT JOIN pg_catalog.pg_locks t ON l.pid IS NULL AND t.pid IS NULL"
	"  AND t.locktype = 'transactionid' AND t.virtualtransaction = l.virtualtransaction"
	" LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = t.transactionid"
	" WHERE l.granted AND l.relation = 'spark_common.outbox_%1$d_%2$d'::regclass"
	"  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
	"  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()"
	" ORDER BY l.pid IS NOT NULL, a.xact_start LIMIT 1"};

static Statement lock_cursors = {
	.sql = "LOCK TABLE spark_common.subscription IN ROW EXCLUSIVE MODE"};

static SegmentStatement empty = {
	.pattern = "TRUNCATE spark_common.outbox_%1$d_%2$d"};

/* Since when a segment has been delivered by all, as far as this process has seen. */
typedef struct Delivered
{
	int64		file;			/* 0: it is not delivered by all */
	Instant		since;
} Delivered;

static Delivered all_delivered[MAX_LANES][LOG_SEGMENTS];

static int64
number_of(SegmentStatement *statement, int lane, int segment)
{
	Rows		rows = rows_open(segment_statement(statement, lane, segment), NO_PARAMETERS);
	int64		number = rows_next(&rows) ? row_bigint(&rows, 1) : 0;

	rows_close(&rows);
	return number;
}

static int64
size_of(int lane, int segment)
{
	return number_of(&find_size, lane, segment);
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

/* A process that holds a snapshot, as a dump does, from before all of it was delivered; 0: none. */
static int
holder_of_older_snapshot(int lane, int segment)
{
	Delivered  *delivered = &all_delivered[lane][segment];
	int64		file = number_of(&find_file, lane, segment);
	Instant		now = server_time();
	Rows		rows;
	int			pid;

	if (delivered->file != file)
		*delivered = (Delivered) {file, now};
	if (!instant_before(now, instant_plus_seconds(delivered->since, segment_retention)))
		return 0;
	rows = rows_open(&find_older_snapshot, PARAMETERS(param_instant(delivered->since)));
	pid = rows_next(&rows) ? row_int(&rows, 1) : 0;
	rows_close(&rows);
	return pid;
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
	int			holder;

	if (reader != NULL && !detach_if_gone(reader, lane, segment))
	{
		all_delivered[lane][segment].file = 0;
		return psprintf("consumer %s has not delivered it", reader);
	}
	holder = holder_of_older_snapshot(lane, segment);
	if (holder != 0)
		return psprintf("process %d holds a snapshot from before it was delivered", holder);
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

/* That consumer, and what is done about it at last. */
static const char *
reader_as_holder(const char *reader, int lane, int segment, Arena *arena)
{
	Instant		detached = detached_from(reader, lane, segment);

	if (instant_is_none(detached))
		return arena_printf(arena, "consumer %s has not delivered it", reader);
	return arena_printf(arena, "consumer %s has not delivered it, and is detached at %s unless it moves",
						reader, timestamptz_to_str(timestamp_from_instant(detached)));
}

/* Of a left segment: whose cursor, or whose lock. */
static const char *
holder_of(int lane, int segment, Arena *arena)
{
	const char *reader = reader_of(lane, segment, arena);
	const char *holder;
	Rows		rows;

	if (reader != NULL)
		return reader_as_holder(reader, lane, segment, arena);
	rows = rows_open(segment_statement(&find_locker, lane, segment), NO_PARAMETERS);
	holder = rows_next(&rows) ? arena_printf(arena, "%s holds a lock on it", row_text(&rows, 1, arena)) : NULL;
	rows_close(&rows);
	return holder;
}

/* It has been left for so long that somebody should look why it is still there. */
static bool
is_overdue(double age)
{
	return age >= segment_retention + OBSTACLE_SECONDS;
}

static const char *
obstacle_text(int lane, int segment, const char *why, Arena *arena)
{
	return arena_printf(arena, "spark_common.outbox_%d_%d cannot be emptied: %s", lane, segment, why);
}

/* For want of somebody who has tried. */
static const char *
find_obstacle(int lane, Arena *arena)
{
	if (!is_overdue(age_of_current(lane)))
		return NULL;
	for (int segment = 0; segment < LOG_SEGMENTS; segment++)
	{
		const char *holder = NULL;

		if (segment != log_shape()->segment[lane] && size_of(lane, segment) > 0)
			holder = holder_of(lane, segment, arena);
		if (holder != NULL)
			return obstacle_text(lane, segment, holder, arena);
	}
	return NULL;
}

const char *
rotation_obstacle(Arena *arena)
{
	const char *obstacle = NULL;

	for (int lane = 0; lane < log_shape()->made && obstacle == NULL; lane++)
		if (!noted_obstacle(lane, arena, &obstacle))
			obstacle = find_obstacle(lane, arena);
	return obstacle;
}

void
hold_off_rotation(void)
{
	(void) statement_run(&lock_cursors, NO_PARAMETERS);
}

Rotation
rotate_lane(int lane)
{
	Rotation	rotation = {.segment = log_shape()->segment[lane]};
	double		age = age_of_current(lane);
	int			next = (rotation.segment + 1) % LOG_SEGMENTS;
	Arena	   *arena = context_arena(CurrentMemoryContext);
	const char *obstacle = NULL;

	if (is_due_to_be_left(size_of(lane, rotation.segment), age) && size_of(lane, next) == 0)
	{
		TEST_POINT("leave");
		(void) statement_run(&make_current, PARAMETERS(param_int(lane), param_int(next)));
		log_shape_changed();
		TEST_POINT("left");
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
		else if (is_overdue(age) && obstacle == NULL)
		{
			const char *holder = holder_of(lane, segment, arena);

			obstacle = obstacle_text(lane, segment, holder != NULL ? holder : rotation.waits_for, arena);
		}
	}
	note_obstacle(lane, obstacle);
	return rotation;
}
