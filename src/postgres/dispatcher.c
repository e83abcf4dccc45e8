/*
 * dispatcher.c
 *		One loop for every consumer: read a batch, handle it, advance.
 *
 * What happens within one transaction stands in batch.c; here is what comes
 * between them: how large the next one is, and what follows a failure.
 */
#include "postgres/dispatcher.h"

#include "postgres/batch.h"
#include "postgres/careful.h"
#include "postgres/counters.h"
#include "postgres/environment.h"
#include "postgres/failure.h"
#include "postgres/retry_clock.h"
#include "postgres/settings.h"
#include "postgres/test_point.h"
#include "postgres/transaction.h"
#include "postgres/trial.h"
#include "postgres/waiting.h"

#define ISOLATED_MESSAGES 32
#define RETRIES_A_TURN 100
#define FIRST_LIMIT 100
#define TURN_MICROSECONDS 200000	/* a worker has more to do than one consumer's lane */

/* One listener's lane, served for a while. */
typedef struct Turn
{
	const Listener *listener;
	int			lane;
	bool		in_session;
	Instant		end;			/* of a worker's */
} Turn;

/* An act with a memory of its own, gone when it has ended, however that was. */
typedef struct Enclosed
{
	Act			act;
	void	   *argument;
	MemoryContext context;
} Enclosed;

static void
act_enclosed(void *argument)
{
	Enclosed   *enclosed = argument;
	MemoryContext outside = MemoryContextSwitchTo(enclosed->context);

	enclosed->act(enclosed->argument);
	MemoryContextSwitchTo(outside);
}

/* Runs act by itself, all or not at all; false and the error where it failed. */
static bool
attempt(Act act, void *argument, bool in_session, ErrorData **error)
{
	Enclosed	enclosed = {act, argument, AllocSetContextCreate(CurrentMemoryContext, "spark batch", ALLOCSET_DEFAULT_SIZES)};

	*error = in_session ? try_in_subtransaction(act_enclosed, &enclosed) : try_in_transaction(act_enclosed, &enclosed);
	MemoryContextDelete(enclosed.context);
	if (*error != NULL && in_session && failure_class(*error) != FAILURE_OF_MESSAGE)
		ReThrowError(*error);
	return *error == NULL;
}

/* What the last batch told of the handlers; false: the consumer waits for them. */
static bool
handlers_are_there(const Batch *batch, bool in_session)
{
	if (batch->why_not[0] == '\0')
		failure_found(batch->consumer);
	else if (!in_session)
		failure_missing(batch->consumer, batch->why_not);
	return batch->why_not[0] == '\0';
}

/* Asked after each transaction, so that a turn has one at least. */
static bool
is_over(const Turn *turn)
{
	return !turn->in_session && !instant_before(server_time(), turn->end);
}

static int64
serve_retries(const Turn *turn, int64 most)
{
	const char *consumer = turn->listener->name;
	int64		done = 0;

	for (int i = 0; done < most && i < RETRIES_A_TURN && failure_pause(consumer) == 0; i++)
	{
		Retry		retry = {.batch = {.consumer = consumer, .lane = turn->lane, .listener = turn->listener}};
		ErrorData  *error;

		if (!attempt(run_retry, &retry, turn->in_session, &error))
		{
			failure_wait(consumer, error);
			break;
		}
		if (!handlers_are_there(&retry.batch, turn->in_session) || !retry.found)
			break;
		count_handled(consumer, turn->lane, retry.batch.handled, &retry.batch.times);
		done += retry.batch.done;
		if (is_over(turn))
			break;
	}
	return done;
}

/* One batch, together; where that fails, one by one.  False: wait. */
static bool
serve_batch(Batch *batch, bool in_session)
{
	ErrorData  *error;

	if (failure_is_crowded(batch->consumer))
		batch->limit = 1;
	batch->isolated = failure_is_common(batch->consumer);
	if (!batch->isolated)
	{
		if (attempt(run_batch, batch, in_session, &error))
			return true;
		if (failure_class(error) != FAILURE_OF_MESSAGE)
		{
			failure_wait(batch->consumer, error);
			return false;
		}
	}
	batch->limit = batch->isolated ? failure_trials(batch->consumer) : Min(batch->limit, ISOLATED_MESSAGES);
	batch->isolated = true;
	if (attempt(run_batch, batch, in_session, &error))
		return true;
	failure_wait(batch->consumer, error);
	return false;
}

/* True where the last lane was drained just now: the new epoch may be read. */
static bool
enters(Batch *batch, bool in_session)
{
	ErrorData  *error;

	if (!attempt(run_entering, batch, in_session, &error))
	{
		failure_wait(batch->consumer, error);
		return false;
	}
	return !batch->waits_to_enter;
}

/* What the last batch could bear: a user's consumer is alone in its worker, mostly. */
static int	last_limit = FIRST_LIMIT;

static int
first_limit(const Turn *turn)
{
	return turn->in_session || turn->listener->context != NULL ? FIRST_LIMIT : last_limit;
}

static int64
serve_log(const Turn *turn, int64 most, bool *at_end)
{
	const char *consumer = turn->listener->name;
	int64		done = 0;
	int			limit = Min(first_limit(turn), dispatch_batch_size);

	while (done < most && failure_pause(consumer) == 0)
	{
		Batch		batch = {
			.consumer = consumer,
			.lane = turn->lane,
			.listener = turn->listener,
			.limit = (int) Min(most - done, limit),
		};

		if (!serve_batch(&batch, turn->in_session) || !handlers_are_there(&batch, turn->in_session))
			break;
		TEST_POINT("batch_committed");
		count_handled(consumer, turn->lane, batch.handled, &batch.times);
		if (batch.handled > 0 && !batch.isolated)
			failure_forget(consumer);
		TEST_POINT("remembered");
		done += batch.done;
		if (batch.waits_to_enter ? !enters(&batch, turn->in_session) : batch.done == 0)
			break;
		*at_end = batch.is_last;
		/* What was committed since has woken this worker, or comes with the next call. */
		if (*at_end && !turn->in_session)
			break;
		limit = Min(2 * (batch.was_cut ? batch.count : limit), dispatch_batch_size);
		if (!turn->in_session)
			last_limit = limit;
		if (is_over(turn))
			break;
	}
	return done;
}

static void
forget_trial(void *argument)
{
	const Batch *batch = argument;

	end_trial(batch->consumer, batch->announced);
}

/* One message, announced before and then handled; false: wait, or nothing is left. */
static bool
serve_with_care(Batch *batch, Trial *trial)
{
	ErrorData  *error;
	ErrorData  *ignored;

	if (!attempt(run_announcing, trial, false, &error))
	{
		trial_is_over();
		failure_wait(batch->consumer, error);
		return false;
	}
	if (!handlers_are_there(batch, false) || !trial->found)
		return false;
	if (!attempt(run_trial, trial, false, &error))
	{
		(void) attempt(forget_trial, batch, false, &ignored);
		trial_is_over();
		failure_wait(batch->consumer, error);
		return false;
	}
	trial_is_over();
	return handlers_are_there(batch, false);
}

/* Many that fail alike are another case: to find that out, many are tried together. */
static bool
is_careful(const Listener *listener, int lane)
{
	return must_be_careful(listener->name, lane) && !failure_is_common(listener->name);
}

static int64
serve_carefully(const Turn *turn, int64 most)
{
	const Listener *listener = turn->listener;
	int64		done = 0;

	while (done < most && is_careful(listener, turn->lane) && failure_pause(listener->name) == 0)
	{
		Trial		trial = {.retry.batch = {
			.consumer = listener->name, .lane = turn->lane, .listener = listener, .limit = 1, .isolated = true}};
		Batch	   *batch = &trial.retry.batch;

		if (!serve_with_care(batch, &trial))
			break;
		passed_carefully(listener->name, turn->lane);
		count_handled(listener->name, turn->lane, batch->handled, &batch->times);
		done += batch->done;
		if (is_over(turn))
			break;
	}
	return done;
}

/* What waits for it, before the first look and when it has become unknown; false: wait. */
static bool
count_what_waits(const Listener *listener, int lane, bool in_session)
{
	Batch		batch = {.consumer = listener->name, .lane = lane, .listener = listener};
	ErrorData  *error;

	if (!waiting_must_be_counted(listener->name, lane) || attempt(run_counting, &batch, in_session, &error))
		return true;
	failure_wait(listener->name, error);
	return false;
}

int64
serve(const Listener *listener, int lane, int64 most, bool in_session, bool *at_end)
{
	Turn		turn = {listener, lane, in_session, {server_time().microseconds + TURN_MICROSECONDS}};
	int64		done = 0;

	*at_end = false;
	if (in_session)
		failure_look_again(listener->name);
	else if (failure_pause(listener->name) > 0)
		return 0;
	if (!count_what_waits(listener, lane, in_session))
		return 0;
	if (!in_session)
		done = serve_carefully(&turn, most);
	if (in_session || !is_careful(listener, lane))
	{
		if (in_session || retry_may_be_due(listener->name, lane))
			done += serve_retries(&turn, most - done);
		done += serve_log(&turn, most - done, at_end);
	}
	if (failure_is_common(listener->name) && failure_pause(listener->name) == 0)
		failure_go_on_waiting(listener->name);
	return done;
}

long
next_serving(const Listener *listener, int lane, long nap)
{
	long		pause = failure_pause(listener->name);
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
