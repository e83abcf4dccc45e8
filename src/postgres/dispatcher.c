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
#include "postgres/environment.h"
#include "postgres/failure.h"
#include "postgres/retry_clock.h"
#include "postgres/settings.h"
#include "postgres/test_point.h"
#include "postgres/transaction.h"
#include "postgres/trial.h"
#include "postgres/wakeup.h"

#define ISOLATED_MESSAGES 32
#define RETRIES_A_TURN 100
#define FIRST_LIMIT 100

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

static int64
serve_retries(const Listener *listener, int lane, int64 most, bool in_session)
{
	int64		done = 0;

	for (int i = 0; done < most && i < RETRIES_A_TURN && failure_pause(listener->name) == 0; i++)
	{
		Retry		retry = {.batch = {.consumer = listener->name, .lane = lane, .listener = listener}};
		ErrorData  *error;

		if (!attempt(run_retry, &retry, in_session, &error))
		{
			failure_wait(listener->name, error);
			break;
		}
		if (!handlers_are_there(&retry.batch, in_session) || !retry.found)
			break;
		count_handled(listener->name, lane, retry.batch.handled, &retry.batch.times);
		done += retry.batch.done;
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
first_limit(const Listener *listener, bool in_session)
{
	return in_session || listener->context != NULL ? FIRST_LIMIT : last_limit;
}

static int64
serve_log(const Listener *listener, int lane, int64 most, bool in_session, bool *at_end)
{
	int64		done = 0;
	int			limit = Min(first_limit(listener, in_session), dispatch_batch_size);

	while (done < most && failure_pause(listener->name) == 0)
	{
		Batch		batch = {
			.consumer = listener->name,
			.lane = lane,
			.listener = listener,
			.limit = (int) Min(most - done, limit),
		};

		if (!serve_batch(&batch, in_session) || !handlers_are_there(&batch, in_session))
			break;
		TEST_POINT("batch_committed");
		count_handled(listener->name, lane, batch.handled, &batch.times);
		if (batch.handled > 0 && !batch.isolated)
			failure_forget(listener->name);
		TEST_POINT("remembered");
		done += batch.done;
		if (batch.waits_to_enter ? !enters(&batch, in_session) : batch.done == 0)
			break;
		*at_end = batch.is_last;
		/* What was committed since has woken this worker, or comes with the next call. */
		if (*at_end && !in_session)
			break;
		limit = Min(2 * (batch.was_cut ? batch.count : limit), dispatch_batch_size);
		if (!in_session)
			last_limit = limit;
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
serve_carefully(const Listener *listener, int lane, int64 most)
{
	int64		done = 0;

	while (done < most && is_careful(listener, lane) && failure_pause(listener->name) == 0)
	{
		Trial		trial = {.retry.batch = {
			.consumer = listener->name, .lane = lane, .listener = listener, .limit = 1, .isolated = true}};
		Batch	   *batch = &trial.retry.batch;

		if (!serve_with_care(batch, &trial))
			break;
		passed_carefully(listener->name, lane);
		count_handled(listener->name, lane, batch->handled, &batch->times);
		done += batch->done;
	}
	return done;
}

int64
serve(const Listener *listener, int lane, int64 most, bool in_session, bool *at_end)
{
	int64		done = 0;

	*at_end = false;
	if (in_session)
		failure_look_again(listener->name);
	else if (failure_pause(listener->name) > 0)
		return 0;
	if (!in_session)
		done = serve_carefully(listener, lane, most);
	if (in_session || !is_careful(listener, lane))
	{
		if (in_session || retry_may_be_due(listener->name, lane))
			done += serve_retries(listener, lane, most - done, in_session);
		done += serve_log(listener, lane, most - done, in_session, at_end);
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
