/*
 * trial.c
 *		One message that is handled with care (postgres/careful.h).
 *
 * Two transactions: one says which message comes, the other handles it.  The
 * first takes no place: a suspect may have to wait in it for other consumers.
 */
#include "postgres/trial.h"

#include "postgres/careful.h"

/* Nothing waits, and nothing keeps the consumer from it. */
static bool
is_at_the_end(const Batch *batch)
{
	return batch->listener != NULL && batch->why_not[0] == '\0' && !batch->is_held;
}

void
run_announcing(void *argument)
{
	Trial	   *trial = argument;
	Batch	   *batch = &trial->retry.batch;

	trial->found = look_ahead(batch, &trial->retry.parked, &trial->is_parked);
	if (!trial->found)
	{
		if (is_at_the_end(batch))
			end_of_care(batch->consumer, batch->lane);
		return;
	}
	batch->announced = trial->is_parked ? trial->retry.parked.message.id : batch->messages[0].message.id;
	batch->crashes = begin_trial(batch->consumer, batch->lane, batch->announced);
}

void
run_trial(void *argument)
{
	Trial	   *trial = argument;

	if (trial->is_parked)
		run_retry(&trial->retry);
	else
		run_batch(&trial->retry.batch);
	end_trial(trial->retry.batch.consumer, trial->retry.batch.announced);
}
