/*
 * metrics.c
 *		spark_ops.metrics(): what a monitoring system collects, as Prometheus reads it.
 *
 * Read from shared memory: a call costs the same whatever waits in the log.  A family of samples stands together, as the format asks, so each is
 * collected by itself and all are put one behind the other at the end.
 */
#include "postgres/server.h"

#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/counters.h"
#include "postgres/bus/cursor.h"
#include "postgres/environment.h"
#include "postgres/operators/health.h"
#include "postgres/operators/kept_off.h"
#include "postgres/bus/log.h"
#include "postgres/operators/oldest_snapshot.h"
#include "postgres/counts/delayed_count.h"
#include "postgres/counts/pressure.h"
#include "postgres/statement.h"
#include "postgres/counts/waiting.h"

#include "lib/stringinfo.h"

PG_FUNCTION_INFO_V1(spark_ops_metrics);

/* name, type, help */
#define FAMILIES(X) \
	X(INFO, "spark_info", "gauge", "The version of the code; always 1.") \
	X(HEALTH, "spark_health_ok", "gauge", "1 where that check of spark_ops.health() is ok.") \
	X(NODE, "spark_node_ready", "gauge", "1 where the Lightning node is reachable and ready.") \
	X(LANES, "spark_lanes", "gauge", "Lanes that new messages go through.") \
	X(DRAWN, "spark_lane_messages_total", "counter", "Messages appended to a lane, also those rolled back.") \
	X(BACKLOG, "spark_lane_backlog_messages", "gauge", "Messages of a lane that the slowest context has not passed.") \
	X(DELAYED, "spark_delayed_messages", "gauge", "Messages that wait until they are due, about.") \
	X(LAG, "spark_lag_messages", "gauge", "Messages that wait for a consumer.") \
	X(LAG_SECONDS, "spark_lag_seconds", "gauge", "Age of the oldest message that waits for a consumer.") \
	X(PARKED, "spark_parked_messages", "gauge", "Messages that wait for a retry, or behind one that does.") \
	X(DEAD, "spark_dead_messages", "gauge", "Messages that failed for good.") \
	X(BLOCKED, "spark_blocked_keys", "gauge", "Keys that wait behind a failed message.") \
	X(PAUSED, "spark_consumer_paused", "gauge", "1 where a consumer waits for what it lacks.") \
	X(HANDLED, "spark_handled_messages_total", "counter", "Messages handled.") \
	X(BATCHES, "spark_batches_total", "counter", "Transactions in which messages were handled.") \
	X(FAILED, "spark_failures_total", "counter", "Failures of handlers, and of batches.") \
	X(TIMES, "spark_handler_seconds", "histogram", "Time of a call of a handler.") \
	X(SNAPSHOT, "spark_oldest_snapshot_seconds", "gauge", "Age of the oldest snapshot that a session, or a prepared transaction, holds.") \
	X(SNAPSHOT_XIDS, "spark_oldest_snapshot_transactions", "gauge", "Transactions begun since the oldest snapshot of all was taken.")

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

static void
add_lane_of(Metrics *metrics, const Listener *listener, int lane, const ConsumerCounters *counters, const Waiting *waiting)
{
	const char *labels = labels_of(listener->name, lane);

	sample(metrics, FAMILY_PARKED, labels, (double) waiting->parked);
	sample(metrics, FAMILY_DEAD, labels, (double) waiting->dead);
	sample(metrics, FAMILY_HANDLED, labels, (double) counters->handled[lane]);
	sample(metrics, FAMILY_BATCHES, labels, (double) counters->batches[lane]);
	sample(metrics, FAMILY_LAG, labels, (double) waiting->messages);
	sample(metrics, FAMILY_LAG_SECONDS, labels, waiting->seconds);
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

/* Waiting: a lane an entry. */
static void
add_consumer(Metrics *metrics, const Listener *listener, const Waiting *waiting, int lanes)
{
	ConsumerCounters counters = consumer_counters(listener->name);
	const char *labels = labels_of(listener->name, -1);
	int64		blocked = 0;

	for (int lane = 0; lane < lanes; lane++)
	{
		blocked += waiting[lane].blocked;
		add_lane_of(metrics, listener, lane, &counters, &waiting[lane]);
	}
	sample(metrics, FAMILY_BLOCKED, labels, (double) blocked);
	sample(metrics, FAMILY_PAUSED, labels, why_paused(listener) != NULL ? 1 : 0);
	sample(metrics, FAMILY_FAILED, labels, (double) counters.failed);
	add_times(metrics, labels, &counters.times);
}

static void
add_consumers(void *argument)
{
	Metrics    *metrics = argument;
	List	   *all = listeners_at_once(metrics->arena);
	int			lanes = log_shape()->made;
	const Waiting *waiting = waiting_for(all, lanes, metrics->arena);
	ListCell   *cell;

	foreach(cell, all)
	{
		add_consumer(metrics, lfirst(cell), waiting, lanes);
		waiting += lanes;
	}
}

/* ------------------------------------------------------------ the log, health */

static void
add_log(void *argument)
{
	Metrics    *metrics = argument;

	sample(metrics, FAMILY_LANES, "", log_shape()->lanes);
	sample(metrics, FAMILY_DELAYED, "", (double) delayed_about());
	for (int lane = 0; lane < log_shape()->made; lane++)
	{
		const char *labels = labels_of(NULL, lane);

		sample(metrics, FAMILY_DRAWN, labels, (double) log_number(lane));
		sample(metrics, FAMILY_BACKLOG, labels, (double) pressure_of(lane).messages);
	}
}

static void
add_health(void *argument)
{
	Metrics    *metrics = argument;
	Rows		rows = rows_open(&read_health, NO_PARAMETERS);
	OldestSnapshot oldest = oldest_snapshot(metrics->arena);

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
	sample(metrics, FAMILY_SNAPSHOT, "", oldest.longest);
	sample(metrics, FAMILY_SNAPSHOT_XIDS, "", (double) oldest.transactions);
}

static void
require_bus(void *argument)
{
	(void) argument;
	bus_required();
}

/* What somebody has locked is left out: the checks of health say so. */
static void
add_all(Metrics *metrics)
{
	(void) kept_off(require_bus, NULL);
	(void) kept_off(add_log, metrics);
	(void) kept_off(add_health, metrics);
	(void) kept_off(add_consumers, metrics);
}

Datum
spark_ops_metrics(PG_FUNCTION_ARGS)
{
	Metrics		metrics = {.arena = context_arena(CurrentMemoryContext)};
	StringInfoData text;
	StringInfoData version;

	(void) fcinfo;
	for (int i = 0; i < FAMILY_COUNT; i++)
		initStringInfo(&metrics.samples[i]);
	initStringInfo(&version);
	append_label(&version, "version", SPARK_VERSION);
	sample(&metrics, FAMILY_INFO, version.data, 1);
	add_all(&metrics);
	initStringInfo(&text);
	for (int i = 0; i < FAMILY_COUNT; i++)
		if (metrics.samples[i].len > 0)
			appendStringInfo(&text, "# HELP %s %s\n# TYPE %s %s\n%s", families[i].name, families[i].help,
							 families[i].name, families[i].type, metrics.samples[i].data);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
