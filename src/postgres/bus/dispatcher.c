/*
 * dispatcher.c
 *		One loop for every consumer: read a batch, handle it, advance.
 *
 * What happens within one transaction stands in batch.c, retry.c, probe.c and
 * trial.c; here is what comes between them: which of them is next, and how large,
 * and what follows a failure.
 *
 * How much of the log one transaction takes is said by what has failed before, the
 * stage (failure.h), and by care, which follows a crash of the server: then each
 * message is announced by a transaction of its own before (careful.h).
 *
 *		stage				without care					with care
 *		TOGETHER			a batch, all or none			one message
 *		ALONE				one message						one message
 *		EACH_FOR_ITSELF		some, a subtransaction each		one message
 *		PROBE				some, each undone				one message, undone
 *
 * Retries that are due come first, in any stage, one a transaction; with care
 * they are announced, too.
 */
#include "postgres/bus/dispatcher.h"

#include "postgres/bus/batch.h"
#include "postgres/bus/careful.h"
#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/failure.h"
#include "postgres/bus/failure_class.h"
#include "postgres/bus/give_way.h"
#include "postgres/bus/log.h"
#include "postgres/bus/probe.h"
#include "postgres/bus/retry.h"
#include "postgres/bus/retry_clock.h"
#include "postgres/bus/stubborn.h"
#include "postgres/settings.h"
#include "postgres/test_point.h"
#include "postgres/transaction.h"
#include "postgres/bus/trial.h"
#include "postgres/counts/waiting.h"
#include "postgres/workers/worker_slots.h"

#define ISOLATED_MESSAGES 32
#define RETRIES_A_TURN 100
#define FIRST_LIMIT 100

/* What comes after an act. */
typedef enum Step
{
	STEP_DONE,					/* a batch is committed */
	STEP_AGAIN,					/* nothing is done, but it is known how to go on */
	STEP_REST					/* the turn is over */
} Step;

static Served
served_in(const Turn *turn)
{
	return (Served) {
		.consumer = turn->listener->name,
		.lane = turn->lane,
		.listener = turn->listener,
		.gives_way = turn->gives_way,
		.until = turn->until,
	};
}

/* Milliseconds in which nothing of that lane is tried. */
static long
pause_of(const Listener *listener, int lane)
{
	long		failing = failure_pause(listener->name, lane);

	return Max(failing, pause_after_giving_way(listener->name, lane));
}

/* So much time has the part of the turn that begins now. */
static void
begin_part(Turn *turn, int64 microseconds)
{
	turn->until = turn->share == 0 ? INSTANT_NONE : (Instant) {server_time().microseconds + microseconds};
}

/* More may be handled, and nothing keeps the consumer from it. */
static bool
goes_on(const Turn *turn)
{
	return turn->done < turn->most &&
		(instant_is_none(turn->until) || instant_before(server_time(), turn->until)) &&
		pause_of(turn->listener, turn->lane) == 0;
}

/* ------------------------------------------------------------------ attempts */

/* An act with a memory of its own, gone when it has ended, however that was. */
typedef struct Enclosed
{
	Act			act;
	void	   *argument;
	MemoryContext context;
	bool		gives_way;
	Instant		begun;			/* none: it did not come to that */
	Instant		ended;			/* none: it failed */
} Enclosed;

static void
act_enclosed(void *argument)
{
	Enclosed   *enclosed = argument;
	MemoryContext outside = MemoryContextSwitchTo(enclosed->context);

	if (enclosed->gives_way)
	{
		/* For who changes the lanes, all wait. */
		(void) log_shape_for_writing();
		give_way();
	}
	enclosed->begun = server_time();
	enclosed->act(enclosed->argument);
	enclosed->ended = server_time();
	MemoryContextSwitchTo(outside);
}

static int64
time_of_act(const Enclosed *enclosed)
{
	Instant		ended = instant_is_none(enclosed->ended) ? server_time() : enclosed->ended;

	return instant_is_none(enclosed->begun) ? 0 : ended.microseconds - enclosed->begun.microseconds;
}

/* Runs act by itself, all or not at all; false and the error where it failed. */
static bool
attempt(Turn *turn, Act act, void *argument, ErrorData **error)
{
	Enclosed	enclosed = {
		.act = act,
		.argument = argument,
		.context = AllocSetContextCreate(CurrentMemoryContext, "spark batch", ALLOCSET_DEFAULT_SIZES),
		.gives_way = turn->gives_way,
	};

	*error = turn->in_session ? try_in_subtransaction(act_enclosed, &enclosed) : try_in_transaction(act_enclosed, &enclosed);
	turn->worked += time_of_act(&enclosed);
	MemoryContextDelete(enclosed.context);
	if (*error != NULL && failure_class(*error) == FAILURE_CANCELLED)
		ReThrowError(*error);
	if (turn->gives_way)
		gave_way(turn->listener->name, turn->lane, *error);
	return *error == NULL;
}

/*
 * That error was no message's own.  A session is told where nothing can be done
 * about it at once.
 */
static Step
taken_back(Turn *turn, ErrorData *error)
{
	FailureClass class = failure_class(error);

	turn->has_tried = true;
	if (turn->in_session && class == FAILURE_OF_ENVIRONMENT && turn->shortage == NULL)
		turn->shortage = error;
	else if (turn->in_session && class != FAILURE_OF_MESSAGE)
		ReThrowError(error);
	failure_wait(turn->listener->name, turn->lane, error);
	return pause_of(turn->listener, turn->lane) == 0 ? STEP_AGAIN : STEP_REST;
}

/* What the last batch told of the handlers; false: the consumer waits for them. */
static bool
handlers_are_there(const Turn *turn, const Served *served)
{
	bool		are_there = served->why_not[0] == '\0';

	if (are_there)
		failure_missing(served->consumer, served->lane, NULL);
	else if (!turn->in_session)
		failure_missing(served->consumer, served->lane, served->why_not);
	return are_there;
}

/* ------------------------------------------------------------------- retries */

static void
serve_retries(Turn *turn)
{
	const char *consumer = turn->listener->name;

	for (int i = 0; i < RETRIES_A_TURN && goes_on(turn); i++)
	{
		Retry		retry = {.served = served_in(turn)};
		ErrorData  *error;

		if (!attempt(turn, run_retry, &retry, &error))
		{
			(void) taken_back(turn, error);
			break;
		}
		if (!handlers_are_there(turn, &retry.served) || !retry.found)
			break;
		count_handled(consumer, turn->lane, retry.handled, &retry.times);
		turn->done += retry.done;
	}
}

/* ------------------------------------------------------------------- batches */

static Step
serve_in_mode(Turn *turn, Batch *batch, BatchMode mode, int limit)
{
	ErrorData  *error;

	batch->mode = mode;
	batch->limit = Min(batch->limit, limit);
	if (attempt(turn, run_batch, batch, &error))
		return STEP_DONE;
	/* A worker tries that again a few times before. */
	if (turn->in_session && batch->limit > 1 && failure_is_passing(error))
		return serve_in_mode(turn, batch, mode, 1);
	return taken_back(turn, error);
}

/* All together; where that fails, one by one. */
static Step
serve_together(Turn *turn, Batch *batch)
{
	ErrorData  *error;

	batch->mode = BATCH_TOGETHER;
	if (attempt(turn, run_batch, batch, &error))
		return STEP_DONE;
	/* Of a context it was the time of all of them, else the last one's: that was its attempt. */
	if (failure_is_of_time(error) && turn->listener->context == NULL)
		stubborn_note();
	if (failure_class(error) == FAILURE_OF_MESSAGE)
		return serve_in_mode(turn, batch, BATCH_ONE_BY_ONE, ISOLATED_MESSAGES);
	if (turn->in_session && failure_is_passing(error))
		return serve_in_mode(turn, batch, BATCH_ONE_BY_ONE, 1);
	return taken_back(turn, error);
}

/* What a probe has come to.  Where there is none to be tried, the batch takes what only waits. */
static Step
after_probe(Turn *turn, const Probe *probe, Batch *batch)
{
	const char *consumer = turn->listener->name;

	if (probe->found)
	{
		failure_found_one(consumer, turn->lane, probe->number, probe->in_vain);
		return STEP_AGAIN;
	}
	switch (failure_found_none(consumer, turn->lane, probe->place, probe->in_vain, probe->at_end))
	{
		case SEARCH_GOES_ON:
			return STEP_AGAIN;
		case SEARCH_IN_VAIN:
			if (turn->shortage != NULL)
				ReThrowError(turn->shortage);
			return STEP_REST;
		case SEARCH_OF_NOTHING:
			return serve_in_mode(turn, batch, BATCH_ONLY_BEHIND, batch->limit);
	}
	return STEP_REST;
}

static Probe
probe_of(const Turn *turn, int limit)
{
	return (Probe) {
		.batch = {.served = served_in(turn), .mode = BATCH_ONE_BY_ONE, .limit = limit},
		.place = failure_place(turn->listener->name, turn->lane),
	};
}

/* Is one there that does not fail as all others do? */
static Step
look_for_one(Turn *turn, Batch *batch)
{
	Probe		probe = probe_of(turn, dispatch_batch_size);
	ErrorData  *error;
	Step		step;

	if (!attempt(turn, run_probe, &probe, &error))
	{
		failure_begin_anew(turn->listener->name, turn->lane);
		return taken_back(turn, error);
	}
	turn->has_tried = true;
	if (!handlers_are_there(turn, &probe.batch.served))
	{
		failure_begin_anew(turn->listener->name, turn->lane);
		return STEP_REST;
	}
	step = after_probe(turn, &probe, batch);
	if (!probe.found && !probe.at_end)
		failure_rest(turn->listener->name, turn->lane);
	return step;
}

static Step
serve_batch(Turn *turn, Batch *batch)
{
	switch (failure_stage(batch->served.consumer, batch->served.lane))
	{
		case STAGE_TOGETHER:
			return serve_together(turn, batch);
		case STAGE_ALONE:
			return serve_in_mode(turn, batch, BATCH_ONE_BY_ONE, 1);
		case STAGE_EACH_FOR_ITSELF:
			return serve_in_mode(turn, batch, BATCH_ONE_BY_ONE, ISOLATED_MESSAGES);
		case STAGE_PROBE:
			return look_for_one(turn, batch);
	}
	return STEP_REST;
}

/* It is committed: only now that is remembered. */
static void
remember(const Turn *turn, const Batch *batch)
{
	const BatchOutcome *outcome = &batch->outcome;

	count_handled(turn->listener->name, turn->lane, outcome->handled, &outcome->times);
	if (outcome->handled > 0 && batch->mode == BATCH_TOGETHER)
		failure_forget(turn->listener->name, turn->lane);
	failure_passed(turn->listener->name, turn->lane, outcome->passed);
	if (had_its_way(turn->listener->name, turn->lane))
		failure_rivals_gone(turn->listener->name, turn->lane);
}

/* True where the last lane was drained just now: the new epoch may be read. */
static bool
enters(Turn *turn, Batch *batch)
{
	ErrorData  *error;

	if (!attempt(turn, run_entering, batch, &error))
	{
		(void) taken_back(turn, error);
		return false;
	}
	return !batch->outcome.waits_to_enter;
}

/* What the last batch could bear: a user's consumer is alone in its worker, mostly. */
static int	last_limit = FIRST_LIMIT;

static int
first_limit(const Turn *turn)
{
	return turn->in_session || turn->listener->context != NULL ? FIRST_LIMIT : last_limit;
}

static int
next_limit(const Turn *turn, const Batch *batch, int limit)
{
	int			next = Min(2 * (batch->outcome.was_cut ? batch->reading.count : limit), dispatch_batch_size);

	if (!turn->in_session)
		last_limit = next;
	return next;
}

/* A batch is committed; false: that was all for now. */
static bool
settles(Turn *turn, Batch *batch)
{
	if (!handlers_are_there(turn, &batch->served))
		return false;
	TEST_POINT("batch_committed");
	remember(turn, batch);
	TEST_POINT("remembered");
	turn->done += batch->outcome.done;
	return batch->outcome.waits_to_enter ? enters(turn, batch) : batch->outcome.done > 0;
}

static void
serve_log(Turn *turn)
{
	int			limit = Min(first_limit(turn), dispatch_batch_size);

	while (goes_on(turn))
	{
		Batch		batch = {.served = served_in(turn), .limit = (int) Min(turn->most - turn->done, limit)};
		Step		step = serve_batch(turn, &batch);

		if (step == STEP_AGAIN)
			continue;
		if (step == STEP_REST || !settles(turn, &batch))
			break;
		turn->at_end = batch.outcome.is_last;
		/* What was committed since has woken this worker, or comes with the next call. */
		if (turn->at_end && !turn->in_session)
			break;
		limit = next_limit(turn, &batch, limit);
	}
}

/* ---------------------------------------------------------------- with care */

/* One message, announced before and then handled or tried; false: wait. */
static bool
try_with_care(Turn *turn, Trial *trial)
{
	ErrorData  *error;
	ErrorData  *ignored;
	Turn		waiting = *turn;

	/* Whom a suspect waits for, or who waits for one, has to wait: it gives way to nobody. */
	waiting.gives_way = false;
	if (!attempt(&waiting, run_announcing, trial, &error))
	{
		trial_is_over();
		(void) taken_back(turn, error);
		return false;
	}
	if (trial->of == TRIAL_OF_NOTHING)
		return true;
	note_trial(turn->listener->name, turn->lane, trial->of == TRIAL_OF_PARKED);
	if (attempt(turn, run_trial, trial, &error))
	{
		trial_is_over();
		return true;
	}
	(void) attempt(&waiting, run_leaving, trial, &ignored);
	trial_is_over();
	if (trial->of == TRIAL_OF_PROBE)
		failure_begin_anew(turn->listener->name, turn->lane);
	(void) taken_back(turn, error);
	return false;
}

/*
 * Of what is handled in order, some must pass before the consumer is trusted
 * again: as many as its last batch may have had.  What is parked was in no batch,
 * and what is looked for may lie anywhere: none of that brings it nearer.
 */
static void
remember_trial(Turn *turn, const Trial *trial, Stage stage)
{
	if (stage != STAGE_EACH_FOR_ITSELF)
		passed_carefully(turn->listener->name, turn->lane);
	remember(turn, &trial->batch);
	turn->done += trial->batch.outcome.done;
}

static Step
serve_with_care(Turn *turn)
{
	Stage		stage = failure_stage(turn->listener->name, turn->lane);
	Batch		behind = {.served = served_in(turn), .limit = ISOLATED_MESSAGES};
	Step		step;
	Trial		trial = {
		.probes = stage == STAGE_PROBE,
		.batch = {.served = served_in(turn), .mode = BATCH_ONE_BY_ONE, .limit = 1},
		.probe = probe_of(turn, ISOLATED_MESSAGES),
	};

	if (!try_with_care(turn, &trial))
		return STEP_REST;
	if (!handlers_are_there(turn, served_by(&trial)))
	{
		failure_begin_anew(turn->listener->name, turn->lane);
		return STEP_REST;
	}
	switch (trial.of)
	{
		case TRIAL_OF_PARKED:
			count_handled(turn->listener->name, turn->lane, trial.retry.handled, &trial.retry.times);
			turn->done += trial.retry.done;
			return STEP_AGAIN;
		case TRIAL_OF_LOG:
			remember_trial(turn, &trial, stage);
			return STEP_AGAIN;
		case TRIAL_OF_NOTHING:
			if (!trial.probes)
				return STEP_REST;
			break;
		case TRIAL_OF_PROBE:
			break;
	}
	step = after_probe(turn, &trial.probe, &behind);
	return step != STEP_DONE || settles(turn, &behind) ? step : STEP_REST;
}

static bool
is_careful(const Turn *turn)
{
	return !turn->in_session && must_be_careful(turn->listener->name, turn->lane);
}

static void
serve_carefully(Turn *turn)
{
	while (is_careful(turn) && goes_on(turn))
		if (serve_with_care(turn) == STEP_REST)
			break;
}

/* What waits for it, before the first look and when it has become unknown; false: wait. */
static bool
count_what_waits(Turn *turn)
{
	Batch		batch = {.served = served_in(turn)};
	ErrorData  *error;

	/* It takes the place to the end of the transaction: a session leaves it to the workers, if there are some. */
	if (turn->in_session && worker_pid(WORKER_DISPATCHER, "") != 0)
		return true;
	if (!waiting_must_be_counted(turn->listener->name, turn->lane) || attempt(turn, run_counting, &batch, &error))
		return true;
	(void) taken_back(turn, error);
	return false;
}

static void
serve_parts(Turn *turn)
{
	Instant		end = {server_time().microseconds + turn->share};

	begin_part(turn, turn->share);
	serve_carefully(turn);
	if (is_careful(turn))
		return;
	begin_part(turn, turn->share / 2);
	if (turn->in_session || retry_may_be_due(turn->listener->name, turn->lane))
		serve_retries(turn);
	begin_part(turn, Max(turn->share / 2, end.microseconds - server_time().microseconds));
	serve_log(turn);
}

void
serve(Turn *turn)
{
	Instant		begun = server_time();

	turn->done = turn->spent = turn->worked = 0;
	turn->at_end = turn->has_tried = false;
	turn->shortage = NULL;
	if (pause_of(turn->listener, turn->lane) == 0 && count_what_waits(turn))
		serve_parts(turn);
	if (turn->done > 0 || turn->has_tried)
		turn->spent = server_time().microseconds - begun.microseconds;
	else
		turn->worked = 0;
}

long
next_serving(const Listener *listener, int lane, long nap)
{
	long		pause = pause_of(listener, lane);
	Instant		due;
	int64		wait;

	if (pause > 0)
	{
		retry_clock_forget(listener->name, lane);
		return Min(pause, nap);
	}
	due = next_parked_at(listener->name, lane);
	retry_clock_set(listener->name, lane, due);
	if (instant_is_none(due))
		return nap;
	wait = (due.microseconds - server_time().microseconds) / 1000 + 1;
	return Max(0, Min(wait, nap));
}
