/*
 * trial.c
 *		One message that is handled with care (postgres/bus/careful.h).
 *
 * Two transactions: one says which message comes, the other handles it.  The
 * first takes no place: a suspect may have to wait in it for other consumers.
 */
#include "postgres/bus/trial.h"

#include "postgres/bus/batch_window.h"
#include "postgres/bus/careful.h"
#include "postgres/environment.h"

const Served *
served_by(const Trial *trial)
{
	switch (trial->of)
	{
		case TRIAL_OF_NOTHING:
		case TRIAL_OF_LOG:
			break;
		case TRIAL_OF_PARKED:
			return &trial->retry.served;
		case TRIAL_OF_PROBE:
			return &trial->probe.batch.served;
	}
	return &trial->batch.served;
}

/* Nothing waits, and nothing keeps the consumer from it. */
static bool
is_at_the_end(const Batch *batch)
{
	return batch->served.listener != NULL && batch->served.why_not[0] == '\0' && !batch->outcome.is_held;
}

static const Message *
first_parked(Trial *trial)
{
	const Served *served = &trial->batch.served;

	if (!next_parked(served->consumer, served->lane, served->arena, &trial->retry.parked))
		return NULL;
	trial->of = TRIAL_OF_PARKED;
	return &trial->retry.parked.message;
}

static const Message *
first_of_batch(Batch *batch)
{
	return begin_batch(batch) && fetch_batch(batch) > 0 ? &batch->reading.messages[0].message : NULL;
}

static const Message *
first_of_log(Trial *trial)
{
	const Message *next = trial->probes ? probe_look_ahead(&trial->probe) : first_of_batch(&trial->batch);

	if (next != NULL)
		trial->of = trial->probes ? TRIAL_OF_PROBE : TRIAL_OF_LOG;
	return next;
}

/*
 * What comes next: a parked message that is due, or of the log the first one, or
 * the next one of a probe; NULL: none does.  Takes no place, so that somebody
 * else may be quicker.
 */
static const Message *
look_ahead(Trial *trial)
{
	Served	   *served = &trial->batch.served;
	const Message *next;

	served->arena = context_arena(CurrentMemoryContext);
	trial->of = TRIAL_OF_NOTHING;
	if (!find_listener(served))
		return NULL;
	if (is_turn_of_parked(served->consumer, served->lane))
	{
		next = first_parked(trial);
		return next != NULL ? next : first_of_log(trial);
	}
	next = first_of_log(trial);
	return next != NULL ? next : first_parked(trial);
}

void
run_announcing(void *argument)
{
	Trial	   *trial = argument;
	Served	   *served = &trial->batch.served;
	const Message *next = look_ahead(trial);

	if (next != NULL)
	{
		served->announced.id = next->id;
		served->announced.crashes = begin_trial(served->consumer, served->lane, next->id);
	}
	else if (!trial->probes && is_at_the_end(&trial->batch))
		end_of_care(served->consumer, served->lane);
}

void
run_leaving(void *argument)
{
	const Trial *trial = argument;
	const Served *served = &trial->batch.served;

	leave_trial(served->consumer, served->announced.id, served->announced.crashes);
}

void
run_trial(void *argument)
{
	Trial	   *trial = argument;
	const Served *served = &trial->batch.served;

	switch (trial->of)
	{
		case TRIAL_OF_NOTHING:
			return;
		case TRIAL_OF_PARKED:
			trial->retry.served = *served;
			run_retry(&trial->retry);
			break;
		case TRIAL_OF_LOG:
			run_batch(&trial->batch);
			break;
		case TRIAL_OF_PROBE:
			trial->probe.batch.served = *served;
			run_probe(&trial->probe);
			run_leaving(trial);
			return;
	}
	end_trial(served->consumer, served->announced.id);
}
