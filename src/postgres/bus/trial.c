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

/* Nothing waits, and nothing keeps the consumer from it. */
static bool
is_at_the_end(const Batch *batch)
{
	return batch->served.listener != NULL && batch->served.why_not[0] == '\0' && !batch->outcome.is_held;
}

/*
 * What comes next: a parked message that is due, or the first of the log; NULL:
 * none does.  Takes no place, so that somebody else may be quicker.
 */
static const Message *
look_ahead(Trial *trial)
{
	Batch	   *batch = &trial->batch;
	Served	   *served = &batch->served;

	served->arena = context_arena(CurrentMemoryContext);
	trial->is_parked = false;
	if (!find_listener(served))
		return NULL;
	trial->is_parked = next_parked(served->consumer, served->lane, served->arena, &trial->retry.parked);
	if (trial->is_parked)
		return &trial->retry.parked.message;
	return begin_batch(batch) && fetch_batch(batch) > 0 ? &batch->reading.messages[0].message : NULL;
}

void
run_announcing(void *argument)
{
	Trial	   *trial = argument;
	Served	   *served = &trial->batch.served;
	const Message *next = look_ahead(trial);

	trial->found = next != NULL;
	if (trial->found)
	{
		served->announced.id = next->id;
		served->announced.crashes = begin_trial(served->consumer, served->lane, next->id);
	}
	else if (is_at_the_end(&trial->batch))
		end_of_care(served->consumer, served->lane);
}

void
run_trial(void *argument)
{
	Trial	   *trial = argument;
	const Served *served = &trial->batch.served;

	trial->retry.served = *served;
	if (trial->is_parked)
		run_retry(&trial->retry);
	else
		run_batch(&trial->batch);
	end_trial(served->consumer, served->announced.id);
}
