/*
 * slow_context.c
 *		A context that keeps the others of its dispatcher waiting.
 */
#include "postgres/workers/slow_context.h"

#include "common/lane.h"
#include "postgres/environment.h"
#include "postgres/settings.h"
#include "postgres/test_point.h"
#include "postgres/workers/children.h"
#include "postgres/workers/precedence.h"
#include "postgres/workers/worker_slots.h"

#include "storage/ipc.h"

#define MAX_CONTEXTS 16
#define BORNE 1000000			/* microseconds of long turns ... */
#define BORNE_SHARE 10			/* ... and one in so many from then on */
#define STARTS_WITHIN 3000000	/* microseconds */
#define LOOKS_EVERY 100			/* milliseconds, meanwhile ... */
#define LOOKS_AT_LEAST 1000		/* ... and whether the worker is still there */
#ifdef SPARK_TEST_POINTS
#define CALM_SECONDS 1			/* no test waits for ten minutes */
#else
#define CALM_SECONDS 600		/* without a long turn, after which it is slow no more */
#endif

/* Of one lane. */
typedef struct OwnWorker
{
	char		name[NAMEDATALEN];
	Instant		starts_until;
} OwnWorker;

typedef struct Slowness
{
	char		context[NAMEDATALEN];
	int64		waited;			/* microseconds that others did, less what is borne */
	Instant		noted_at;
	Instant		rests_until;	/* in all lanes, as there is no slot for a worker */
	OwnWorker	workers[MAX_LANES];
} Slowness;

static Slowness contexts[MAX_CONTEXTS];
static int	context_count;

/* NULL: there are too many, and none of them is helped. */
static Slowness *
slowness_of(const char *context)
{
	for (int i = 0; i < context_count; i++)
		if (strcmp(contexts[i].context, context) == 0)
			return &contexts[i];
	if (context_count == MAX_CONTEXTS)
		return NULL;
	strlcpy(contexts[context_count].context, context, NAMEDATALEN);
	return &contexts[context_count++];
}

static Instant
after(int64 microseconds)
{
	return (Instant) {server_time().microseconds + microseconds};
}

static OwnWorker *
own_worker(Slowness *slow, int lane)
{
	OwnWorker  *worker = &slow->workers[lane];

	if (worker->name[0] == '\0')
		snprintf(worker->name, NAMEDATALEN, "%s/%d", slow->context, lane);
	return worker;
}

static ChildState
keep_own_worker(const OwnWorker *worker)
{
	return lightning_lacks_slot() ? CHILD_HAS_NO_SLOT : keep_child(MyDatabaseId, WORKER_CONTEXT, worker->name);
}

static void
give_own_worker(Slowness *slow, int lane)
{
	OwnWorker  *worker = own_worker(slow, lane);
	ChildState	state;

	TEST_POINT("give_worker");
	state = keep_own_worker(worker);
	TEST_POINT("worker_given");
	if (state == CHILD_HAS_NO_SLOT)
		slow->rests_until = after(slow->waited);
	else
		worker->starts_until = after(STARTS_WITHIN);
	if (state == CHILD_STARTS || state == CHILD_RESTS)
		ereport(LOG,
				(errmsg("context \"%s\" gets a worker of its own in lane %d: others have waited %lld ms for its handlers",
						slow->context, lane, (long long) slow->waited / 1000)));
	slow->waited = 0;
}

void
note_turn(const char *context, int lane, int64 microseconds)
{
	Slowness   *slow = microseconds < LONG_TURN ? NULL : slowness_of(context);
	Instant		now = server_time();

	if (slow == NULL)
		return;
	slow->waited = Max(0, slow->waited - (now.microseconds - slow->noted_at.microseconds) / BORNE_SHARE) + microseconds;
	slow->noted_at = now;
	if (slow->waited >= BORNE)
		give_own_worker(slow, lane);
}

/* One that has ended before, as all was quick again, is not started at once: so it is asked for until it runs. */
static bool
is_starting(const OwnWorker *worker)
{
	return instant_before(server_time(), worker->starts_until) && keep_own_worker(worker) != CHILD_HAS_NO_SLOT;
}

long
left_alone_for(const char *context, int lane)
{
	Slowness   *slow = slowness_of(context);
	const OwnWorker *worker;
	int64		left;

	if (slow == NULL)
		return 0;
	worker = own_worker(slow, lane);
	if (worker_pid(WORKER_CONTEXT, worker->name) != 0)
		return Min(LOOKS_AT_LEAST, dispatch_naptime);
	if (is_starting(worker))
		return Min(LOOKS_EVERY, dispatch_naptime);
	left = slow->rests_until.microseconds - server_time().microseconds;
	return left > 0 ? (long) Min(left / 1000 + 1, dispatch_naptime) : 0;
}

void
read_own_worker(const char *worker, char *context, int *lane)
{
	char	   *slash;

	strlcpy(context, worker, NAMEDATALEN);
	slash = strrchr(context, '/');
	Assert(slash != NULL);
	*lane = atoi(slash + 1);
	*slash = '\0';
}

void
note_own_turn(int64 microseconds)
{
	static Instant slow_at;
	Instant		now = server_time();

	if (instant_is_none(slow_at) || microseconds >= LONG_TURN)
		slow_at = now;
	if (!instant_before(instant_plus_seconds(slow_at, CALM_SECONDS), now) && !lightning_lacks_slot())
		return;
	TEST_POINT("own_worker_ends");
	proc_exit(0);
}
