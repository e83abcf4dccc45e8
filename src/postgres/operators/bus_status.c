/*
 * bus_status.c
 *		spark_ops.bus_status(): what waits for each consumer, and how fast it goes.
 *
 * From shared memory: a call costs the same whatever waits.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/operators/health.h"
#include "postgres/bus/log.h"
#include "postgres/counts/waiting.h"

PG_FUNCTION_INFO_V1(spark_ops_bus_status);

/* NULL where nothing was counted yet. */
static void
answer_mean(Answer *answer, bool counted, double value)
{
	if (counted)
		answer_double(answer, value);
	else
		answer_null(answer);
}

static void
put_status(Answer *answer, const Listener *listener, int lane, const ConsumerCounters *counters,
		   const Waiting *waiting, const char *paused)
{
	int64		handled = counters->handled[lane];

	answer_text(answer, listener->name);
	answer_int(answer, lane);
	answer_bigint(answer, waiting->messages);
	answer_double(answer, waiting->seconds);
	answer_bigint(answer, waiting->parked);
	answer_bigint(answer, waiting->dead);
	answer_bigint(answer, handled);
	answer_text(answer, counters->last_error[0] != '\0' ? counters->last_error : NULL);
	answer_double(answer, recent_rate(&counters->recent[lane], server_time()));
	answer_mean(answer, handled > 0, (double) handled / (double) Max(1, counters->batches[lane]));
	answer_mean(answer, counters->times.count > 0, times_mean(&counters->times));
	answer_mean(answer, counters->times.count > 0, times_quantile(&counters->times, 0.95));
	answer_text(answer, paused);
	answer_bigint(answer, waiting->blocked);
	answer_put(answer);
}

Datum
spark_ops_bus_status(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	const Waiting *waiting;
	List	   *all;
	ListCell   *cell;
	int			lanes;

	bus_required();
	all = listeners(arena);
	lanes = log_shape()->made;
	waiting = waiting_for(all, lanes, arena);
	foreach(cell, all)
	{
		const Listener *listener = lfirst(cell);
		ConsumerCounters counters = consumer_counters(listener->name);
		const char *paused = why_paused(listener);

		for (int lane = 0; lane < lanes; lane++)
			put_status(&answer, listener, lane, &counters, waiting++, paused);
	}
	return (Datum) 0;
}
