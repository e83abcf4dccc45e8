/*
 * bus_status.c
 *		spark_ops.bus_status(): what waits for each consumer, and how fast it goes.
 *
 * From shared memory: a call costs the same whatever waits.  Where something has
 * to be read that somebody has locked, it fails soon instead of waiting for him.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/operators/health.h"
#include "postgres/operators/kept_off.h"
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

typedef struct Status
{
	Arena	   *arena;
	List	   *all;
	int			lanes;
	const Waiting *waiting;
	const char **paused;		/* a consumer each */
} Status;

static void
look(void *argument)
{
	Status	   *status = argument;

	bus_required();
	status->all = listeners_at_once(status->arena);
	status->lanes = log_shape()->made;
	status->waiting = waiting_for(status->all, status->lanes, status->arena);
	status->paused = ARENA_ARRAY(status->arena, const char *, list_length(status->all));
	for (int i = 0; i < list_length(status->all); i++)
		status->paused[i] = why_paused(list_nth(status->all, i));
}

Datum
spark_ops_bus_status(PG_FUNCTION_ARGS)
{
	Status		status = {.arena = context_arena(CurrentMemoryContext)};
	Answer		answer = answers_begin(fcinfo);
	const char *why = kept_off(look, &status);

	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the state of the bus %s", why),
				 errhint("Row \"locks\" of spark_ops.health() shows who holds what.")));
	for (int i = 0; i < list_length(status.all); i++)
	{
		const Listener *listener = list_nth(status.all, i);
		ConsumerCounters counters = consumer_counters(listener->name);

		for (int lane = 0; lane < status.lanes; lane++)
			put_status(&answer, listener, lane, &counters, status.waiting++, status.paused[i]);
	}
	return (Datum) 0;
}
