/*
 * metrics.c
 *		spark_ops.metrics(): what a monitoring system collects, as Prometheus reads it.
 *
 * Read from shared memory and by index: a call costs the same whatever waits in
 * the log.  A family of samples stands together, as the format asks, so each is
 * collected by itself and all are put one behind the other at the end.
 */
#include "postgres/server.h"

#include "postgres/bus_functions.h"
#include "postgres/consumers.h"
#include "postgres/cursor.h"
#include "postgres/environment.h"
#include "postgres/health.h"
#include "postgres/log.h"
#include "postgres/pressure.h"
#include "postgres/statement.h"
#include "postgres/wakeup.h"

#include "lib/stringinfo.h"

PG_FUNCTION_INFO_V1(spark_ops_metrics);

#define FEW 1000				/* messages: so many are counted */

/* name, type, help */
#define FAMILIES(X) \
	X(INFO, "spark_info", "gauge", "The version of the code; always 1.") \
	X(HEALTH, "spark_health_ok", "gauge", "1 where that check of spark_ops.health() is ok.") \
	X(NODE, "spark_node_ready", "gauge", "1 where the Lightning node is reachable and ready.") \
	X(LANES, "spark_lanes", "gauge", "Lanes that new messages go through.") \
	X(DRAWN, "spark_lane_messages_total", "counter", "Messages appended to a lane, also those rolled back.") \
	X(BACKLOG, "spark_lane_backlog_messages", "gauge", "Messages of a lane that the slowest context has not passed.") \
	X(LAG, "spark_lag_messages", "gauge", "Messages that wait for a consumer; where they are many, also those it will skip.") \
	X(LAG_SECONDS, "spark_lag_seconds", "gauge", "Age of the oldest message that waits for a consumer.") \
	X(PARKED, "spark_parked_messages", "gauge", "Messages that wait for a retry, or behind one that does.") \
	X(DEAD, "spark_dead_messages", "gauge", "Messages that failed for good.") \
	X(BLOCKED, "spark_blocked_keys", "gauge", "Keys that wait behind a failed message.") \
	X(PAUSED, "spark_consumer_paused", "gauge", "1 where a consumer waits for what it lacks.") \
	X(HANDLED, "spark_handled_messages_total", "counter", "Messages handled.") \
	X(BATCHES, "spark_batches_total", "counter", "Transactions in which messages were handled.") \
	X(FAILED, "spark_failures_total", "counter", "Failures of handlers, and of batches.") \
	X(TIMES, "spark_handler_seconds", "histogram", "Time of a call of a handler.") \
	X(SNAPSHOT, "spark_oldest_snapshot_seconds", "gauge", "Age of the oldest snapshot that a session holds.")

typedef enum Family
{
#define FAMILY_ENUM(family, name, type, help) FAMILY_##family,
	FAMILIES(FAMILY_ENUM)
	FAMILY_COUNT
} Family;

static const struct
{
	const char *name;
	const char *type;
	const char *help;
}			families[FAMILY_COUNT] = {
#define FAMILY_ROW(family, name, type, help) {name, type, help},
	FAMILIES(FAMILY_ROW)
};

typedef struct Metrics
{
	StringInfoData samples[FAMILY_COUNT];
	Arena	   *arena;
} Metrics;

static Statement count_failed = {
	.sql = "SELECT (SELECT pg_catalog.count(*) FROM spark_common.retry r WHERE r.consumer = $1 AND r.lane = $2),"
	" (SELECT pg_catalog.count(*) FROM spark_common.dead_letter d WHERE d.consumer = $1 AND d.lane = $2)",
	.read_only = true};

static Statement count_blocked = {
	.sql = "SELECT pg_catalog.count(*) FROM (SELECT aggregateid FROM spark_common.retry"
	"  WHERE consumer = $1 AND holds <> 'none'"
	" UNION SELECT aggregateid FROM spark_common.dead_letter WHERE consumer = $1 AND holds <> 'none') k",
	.read_only = true};

static Statement read_health = {
	.sql = "SELECT check_name, ok FROM spark_ops.health()"};

/* ------------------------------------------------------------------ samples */

/* Labels are values of users: quotes, backslashes and ends of lines are escaped. */
static void
append_label(StringInfo labels, const char *name, const char *value)
{
	appendStringInfo(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
	for (; *value != '\0'; value++)
	{
		if (*value == '\n')
			appendStringInfoString(labels, "\\n");
		else
		{
			if (*value == '"' || *value == '\\')
				appendStringInfoChar(labels, '\\');
			appendStringInfoChar(labels, *value);
		}
	}
	appendStringInfoChar(labels, '"');
}

/* The labels of a lane of a consumer; either may be missing: NULL, below 0. */
static const char *
labels_of(const char *consumer, int lane)
{
	StringInfoData labels;

	initStringInfo(&labels);
	if (consumer != NULL)
		append_label(&labels, "consumer", consumer);
	if (lane >= 0)
		append_label(&labels, "lane", psprintf("%d", lane));
	return labels.data;
}

static void
sample_as(Metrics *metrics, Family family, const char *suffix, const char *labels, double value)
{
	appendStringInfo(&metrics->samples[family], "%s%s%s%s%s %.15g\n", families[family].name, suffix,
					 labels[0] != '\0' ? "{" : "", labels, labels[0] != '\0' ? "}" : "", value);
}

static void
sample(Metrics *metrics, Family family, const char *labels, double value)
{
	sample_as(metrics, family, "", labels, value);
}

/* ---------------------------------------------------------------- consumers */

static double
seconds_since(Instant instant)
{
	if (instant_is_none(instant))
		return 0;
	return Max(0.0, (double) (server_time().microseconds - instant.microseconds) / MICROSECONDS_PER_SECOND);
}

static void
add_lag(Metrics *metrics, const Listener *listener, int lane, const char *labels)
{
	Instant		oldest;
	int64		lag = cursor_lag_about(listener, lane, FEW, metrics->arena, &oldest);

	sample(metrics, FAMILY_LAG, labels, (double) lag);
	sample(metrics, FAMILY_LAG_SECONDS, labels, seconds_since(oldest));
}

static void
add_lane_of(Metrics *metrics, const Listener *listener, int lane, const ConsumerCounters *counters)
{
	const char *labels = labels_of(listener->name, lane);
	Rows		rows = rows_open(&count_failed, PARAMETERS(param_text(listener->name), param_int(lane)));

	(void) rows_next(&rows);
	sample(metrics, FAMILY_PARKED, labels, (double) row_bigint(&rows, 1));
	sample(metrics, FAMILY_DEAD, labels, (double) row_bigint(&rows, 2));
	rows_close(&rows);
	sample(metrics, FAMILY_HANDLED, labels, (double) counters->handled[lane]);
	sample(metrics, FAMILY_BATCHES, labels, (double) counters->batches[lane]);
	add_lag(metrics, listener, lane, labels);
}

static void
add_times(Metrics *metrics, const char *labels, const HandlerTimes *times)
{
	int64		count = 0;

	for (int i = 0; i < TIME_BUCKETS; i++)
	{
		StringInfoData bucket;

		count += times->buckets[i];
		initStringInfo(&bucket);
		appendStringInfoString(&bucket, labels);
		append_label(&bucket, "le", i < TIME_BUCKETS - 1 ? psprintf("%g", (double) time_bound(i) / 1e6) : "+Inf");
		sample_as(metrics, FAMILY_TIMES, "_bucket", bucket.data, (double) count);
	}
	sample_as(metrics, FAMILY_TIMES, "_sum", labels, (double) times->microseconds / 1e6);
	sample_as(metrics, FAMILY_TIMES, "_count", labels, (double) times->count);
}

static void
add_consumer(Metrics *metrics, const Listener *listener)
{
	ConsumerCounters counters = consumer_counters(listener->name);
	const char *labels = labels_of(listener->name, -1);
	Rows		rows = rows_open(&count_blocked, PARAMETERS(param_text(listener->name)));

	(void) rows_next(&rows);
	sample(metrics, FAMILY_BLOCKED, labels, (double) row_bigint(&rows, 1));
	rows_close(&rows);
	sample(metrics, FAMILY_PAUSED, labels, why_paused(listener) != NULL ? 1 : 0);
	sample(metrics, FAMILY_FAILED, labels, (double) counters.failed);
	add_times(metrics, labels, &counters.times);
	for (int lane = 0; lane < log_shape()->made; lane++)
		add_lane_of(metrics, listener, lane, &counters);
}

/* ------------------------------------------------------------ the log, health */

static void
add_log(Metrics *metrics)
{
	sample(metrics, FAMILY_LANES, "", log_shape()->lanes);
	for (int lane = 0; lane < log_shape()->made; lane++)
	{
		const char *labels = labels_of(NULL, lane);

		sample(metrics, FAMILY_DRAWN, labels, (double) log_number(lane));
		sample(metrics, FAMILY_BACKLOG, labels, (double) pressure_of(lane).messages);
	}
}

static void
add_health(Metrics *metrics)
{
	Rows		rows = rows_open(&read_health, NO_PARAMETERS);
	const char *holder;
	const char *query;

	while (rows_next(&rows))
	{
		const char *name = row_text(&rows, 1, metrics->arena);
		StringInfoData labels;

		initStringInfo(&labels);
		append_label(&labels, "check", name);
		sample(metrics, FAMILY_HEALTH, labels.data, row_bool(&rows, 2) ? 1 : 0);
		if (strcmp(name, "node") == 0)
			sample(metrics, FAMILY_NODE, "", row_bool(&rows, 2) ? 1 : 0);
	}
	rows_close(&rows);
	sample(metrics, FAMILY_SNAPSHOT, "", oldest_snapshot_seconds(metrics->arena, &holder, &query));
}

Datum
spark_ops_metrics(PG_FUNCTION_ARGS)
{
	Metrics		metrics = {.arena = context_arena(CurrentMemoryContext)};
	StringInfoData text;
	StringInfoData version;
	ListCell   *cell;

	(void) fcinfo;
	bus_required();
	for (int i = 0; i < FAMILY_COUNT; i++)
		initStringInfo(&metrics.samples[i]);
	initStringInfo(&version);
	append_label(&version, "version", SPARK_VERSION);
	sample(&metrics, FAMILY_INFO, version.data, 1);
	add_log(&metrics);
	add_health(&metrics);
	foreach(cell, listeners(metrics.arena))
		add_consumer(&metrics, lfirst(cell));
	initStringInfo(&text);
	for (int i = 0; i < FAMILY_COUNT; i++)
		if (metrics.samples[i].len > 0)
			appendStringInfo(&text, "# HELP %s %s\n# TYPE %s %s\n%s", families[i].name, families[i].help,
							 families[i].name, families[i].type, metrics.samples[i].data);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
