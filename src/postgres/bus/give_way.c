/*
 * give_way.c
 *		A transaction of a worker that others wait for.
 */
#include "postgres/bus/give_way.h"

#include "postgres/counts/counters.h"
#include "postgres/environment.h"
#include "postgres/bus/missed_lock.h"
#include "postgres/transaction.h"

#include "common/pg_prng.h"

#define LOCK_WAIT "100ms"
#define MAX_PAUSES 256
#define SAID_AFTER 3			/* seconds */

void
give_way(void)
{
	forget_missed_lock();
	(void) set_config_option("lock_timeout", LOCK_WAIT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

typedef struct Yielding
{
	Act			act;
	void	   *argument;
} Yielding;

static void
give_way_and(void *argument)
{
	const Yielding *yielding = argument;

	give_way();
	yielding->act(yielding->argument);
}

bool
done_giving_way(Act act, void *argument)
{
	Yielding	yielding = {act, argument};
	ErrorData  *error = try_in_transaction(give_way_and, &yielding);

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

typedef struct Naming
{
	MemoryContext context;
	const char *message;
} Naming;

static void
name_holder(void *argument)
{
	Naming	   *naming = argument;

	naming->message = MemoryContextStrdup(naming->context, words_for_missed_lock());
}

/* Who holds what was not given; what the server has said of it. */
static const char *
who_was_in_the_way(void)
{
	Naming		naming = {.context = CurrentMemoryContext};

	return try_in_plain_transaction(name_holder, &naming) == NULL ? naming.message : "a lock is held";
}

/* ------------------------------------------------------------------ pauses */

/* Who pauses where. */
typedef struct Pause
{
	char		consumer[NAMEDATALEN];	/* empty: free */
	int			lane;
	int			times;			/* in a row */
	Instant		since;
	Instant		until;
} Pause;

static Pause pauses[MAX_PAUSES];
static int	pause_count;		/* that are not free */

/* NULL: it does not pause. */
static Pause *
pause_in(const char *consumer, int lane)
{
	for (int i = 0; i < MAX_PAUSES && pause_count > 0; i++)
		if (pauses[i].lane == lane && strncmp(pauses[i].consumer, consumer, NAMEDATALEN - 1) == 0)
			return &pauses[i];
	return NULL;
}

/* NULL: there are too many; then it is tried without one. */
static Pause *
new_pause(const char *consumer, int lane)
{
	for (int i = 0; i < MAX_PAUSES; i++)
		if (pauses[i].consumer[0] == '\0')
		{
			pauses[i] = (Pause) {.lane = lane, .since = server_time()};
			strlcpy(pauses[i].consumer, consumer, NAMEDATALEN);
			pause_count++;
			return &pauses[i];
		}
	return NULL;
}

/* A tenth of a second at first, doubled up to one second, less a chance. */
static int64
next_pause(const Pause *pause)
{
	int64		longest = Min(INT64CONST(1000), INT64CONST(100) << Min(pause->times, 4));

	return (int64) ((0.5 + 0.5 * pg_prng_double(&pg_global_prng_state)) * (double) longest);
}

void
gave_way(const char *consumer, int lane, ErrorData *error)
{
	Pause	   *pause;
	const char *who;

	if (!lock_was_missed())
		return;
	who = who_was_in_the_way();
	if (error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		error->message = unconstify(char *, who);
	pause = pause_in(consumer, lane);
	if (pause == NULL)
		pause = new_pause(consumer, lane);
	if (pause == NULL)
		return;
	pause->until = (Instant) {server_time().microseconds + 1000 * next_pause(pause)};
	pause->times++;
	if (instant_before(instant_plus_seconds(pause->since, SAID_AFTER), server_time()))
		note_in_the_way(consumer, lane, who);
}

long
pause_after_giving_way(const char *consumer, int lane)
{
	const Pause *pause = pause_in(consumer, lane);
	int64		left = pause != NULL ? pause->until.microseconds - server_time().microseconds : 0;

	return left > 0 ? (long) (left / 1000 + 1) : 0;
}

bool
had_its_way(const char *consumer, int lane)
{
	Pause	   *pause = pause_in(consumer, lane);

	if (pause == NULL || lock_was_missed())
		return false;
	memset(pause, 0, sizeof(*pause));
	pause_count--;
	note_in_the_way(consumer, lane, NULL);
	return true;
}
