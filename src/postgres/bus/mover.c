/*
 * mover.c
 *		When a worker looks for delayed messages that are due.
 */
#include "postgres/bus/mover.h"

#include "postgres/bus/delayed.h"
#include "postgres/bus/give_way.h"
#include "postgres/environment.h"

#define MOVED_AT_ONCE 1000
#define MOVING_MILLISECONDS 50	/* so long at once; the handlers have their turn, too */
#define LOOK_MILLISECONDS 200
#define REST_MILLISECONDS 1000	/* after a lock that was not to be had */

static bool is_under_way;		/* still, at the next beginning: it was undone */
static Instant looked_at;
static Instant rests_until;		/* what is delayed waits, all else does not */
static Instant next_due;		/* as the last look has found it; none: nothing waits */

typedef struct Moving
{
	int64		count;
	Instant		next;
} Moving;

static void
move(void *argument)
{
	Moving	   *moving = argument;

	moving->count = move_due(MOVED_AT_ONCE);
	moving->next = next_delayed_at();
}

static Instant
plus_milliseconds(Instant instant, int64 milliseconds)
{
	return (Instant) {instant.microseconds + milliseconds * 1000};
}

void
move_now(void)
{
	Moving		moving;
	Instant		end = plus_milliseconds(server_time(), MOVING_MILLISECONDS);

	if (instant_before(server_time(), rests_until))
		return;
	if (is_under_way)
		look_at_all_delayed();
	do
	{
		moving = (Moving) {0};
		is_under_way = true;
		if (!done_giving_way(move, &moving))
		{
			next_due = rests_until = plus_milliseconds(server_time(), REST_MILLISECONDS);
			return;
		}
		is_under_way = false;
		looked_at = server_time();
	} while (moving.count == MOVED_AT_ONCE && instant_before(looked_at, end));
	next_due = moving.next;
	/* Due, and still there: somebody else has it in hand. */
	if (moving.count == 0 && !instant_is_none(next_due) && !instant_before(looked_at, next_due))
		next_due = plus_milliseconds(looked_at, LOOK_MILLISECONDS);
}

static bool
may_be_due(void)
{
	Instant		now = server_time();

	return !instant_before(now, plus_milliseconds(looked_at, LOOK_MILLISECONDS)) ||
		(!instant_is_none(next_due) && !instant_before(now, next_due));
}

void
move_in_passing(void)
{
	if (may_be_due())
		move_now();
}

long
until_next_due(long nap)
{
	if (instant_is_none(next_due))
		return nap;
	return Max(0, Min((next_due.microseconds - server_time().microseconds) / 1000 + 1, nap));
}
