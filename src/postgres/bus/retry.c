/*
 * retry.c
 *		A parked message that is due, in a transaction of its own.
 *
 * Its key waits for it, and for nothing else: whatever it fails for, it is
 * parked again, and all others go on.
 *
 * Who locks what: the consumer's place in the lane, as a batch does, then the
 * row of the message.
 */
#include "postgres/bus/retry.h"

#include "postgres/environment.h"
#include "postgres/bus/failure.h"
#include "postgres/bus/failure_class.h"
#include "postgres/bus/place.h"
#include "postgres/bus/stubborn.h"
#include "postgres/test_point.h"

static void
succeeded(Retry *retry, Instant begun)
{
	times_note(&retry->times, begun, server_time());
	TEST_POINT("unpark");
	unpark(retry->served.consumer, &retry->parked);
	TEST_POINT("unparked");
	failure_forget(retry->served.consumer, retry->served.lane);
	retry->handled = retry->done = 1;
}

static void
failed_again(Retry *retry, const ErrorData *error)
{
	const Message *message = &retry->parked.message;

	TEST_POINT("park_again");
	park_again(retry->served.listener, &retry->parked, error,
			   failure_blame(error, is_hopeless(&retry->served, message)));
	TEST_POINT("parked_again");
	stubborn_forget(retry->served.consumer, message->id);
	retry->done = 1;
}

void
run_retry(void *argument)
{
	Retry	   *retry = argument;
	Served	   *served = &retry->served;
	Instant		begun;
	ErrorData  *error;

	served->arena = context_arena(CurrentMemoryContext);
	retry->handled = retry->done = 0;
	take_place(served->consumer, served->lane);
	retry->found = find_listener(served) &&
		next_parked(served->consumer, served->lane, served->arena, &retry->parked) &&
		is_expected(served, &retry->parked.message);
	if (!retry->found)
	{
		leave_place(served->consumer, served->lane);
		return;
	}
	begun = server_time();
	error = try_message(served, &retry->parked.message, true);
	if (error == NULL)
		succeeded(retry, begun);
	else if (failure_class(error) == FAILURE_CANCELLED)
		ReThrowError(error);
	else if (lost_handlers(served))
		retry->found = false;
	else
		failed_again(retry, error);
}
