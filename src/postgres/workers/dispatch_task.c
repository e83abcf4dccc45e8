/*
 * dispatch_task.c
 *		What the workers "spark dispatcher", "spark consumer" and "spark context" do.
 *
 * The contexts share a dispatcher a lane, or spark.dispatchers of them for all
 * lanes.  The first one also keeps the others alive, and the rest of the
 * database's workers.  Each consumer of a user has a worker of its own, and so
 * has a context in a lane while it is slow there (slow_context.h), so that a slow
 * handler delays nobody else; where no worker slot is left, the first dispatcher does the work
 * of consumers too.
 *
 * Who shares a worker gets a share of each turn, and gives way: to others where
 * a lock is not to be had (give_way.h), and, without being a context, to all
 * that donations need.
 */
#include "postgres/workers/dispatch_task.h"

#include "postgres/workers/children.h"
#include "postgres/counts/counters.h"
#include "postgres/bus/delayed.h"
#include "postgres/bus/dispatcher.h"
#include "postgres/bus/give_way.h"
#include "postgres/bus/handler_call.h"
#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/bus/log.h"
#include "postgres/bus/mover.h"
#include "postgres/workers/precedence.h"
#include "postgres/bus/retry_clock.h"
#include "postgres/bus/rotation.h"
#include "postgres/settings.h"
#include "postgres/test_point.h"
#include "postgres/workers/slow_context.h"
#include "postgres/workers/wakeup.h"

#include "storage/ipc.h"
#include "storage/lock.h"

#define MESSAGES_A_TURN 5000
#define CONTEXT_SHARE 50000		/* microseconds a turn, of a context in a lane */
#define CONSUMER_SHARE 200000	/* of a lane, in a worker that one consumer has for itself */
#define OTHERS_SHARE 5000		/* of all together that have no worker of their own */
#define ROTATION_SECONDS 5
#define LOCKED_MILLISECONDS 1000	/* until it is looked again at what somebody has locked */

static char consumer_name[NAMEDATALEN];
static int	only_lane = -1;		/* of a context's own worker; -1: all of them */
static int	dispatcher_number;	/* the first is 0 */
static bool lightning_waits;	/* it has no slot, in the first dispatcher */

typedef struct Loading
{
	MemoryContext context;		/* NULL: nothing was loaded yet */
	List	   *listeners;
	bool		with_users;		/* else the contexts alone are among them */
	bool		has_bitcoin;
	int			lanes;			/* that are read */
} Loading;

static void
load(Loading *loading)
{
	Arena	   *arena = context_arena(loading->context);
	MemoryContext caller = MemoryContextSwitchTo(loading->context);

	loading->listeners = loading->with_users ? listeners(arena) : context_listeners(arena);
	loading->has_bitcoin = tables_are_current("bitcoin");
	loading->lanes = tables_are_current("common") ? log_shape()->made : 0;
	MemoryContextSwitchTo(caller);
}

static void
load_all(void *argument)
{
	Loading    *loading = argument;

	loading->with_users = true;
	load(loading);
}

/* Which needs no subscription. */
static void
load_contexts(void *argument)
{
	Loading    *loading = argument;

	loading->with_users = false;
	load(loading);
}

static bool
is_loaded(Act act, Loading *loading)
{
	if (loading->context == NULL)
		loading->context = AllocSetContextCreate(TopMemoryContext, "spark listeners", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(loading->context);
	return done_giving_way(act, loading);
}

/*
 * As at the last look, while somebody's lock keeps the worker from another, and a
 * moment longer.  Where the lock was there before the worker, it knows of the
 * contexts alone, or of nobody yet.
 */
static Loading
loaded(void)
{
	static Loading kept[2];
	static int	last;
	static Instant rests_until;
	Loading    *next = &kept[1 - last];

	if (instant_before(server_time(), rests_until))
		return kept[last];
	if (is_loaded(load_all, next))
	{
		last = 1 - last;
		return kept[last];
	}
	if (!kept[last].with_users && is_loaded(load_contexts, next))
		last = 1 - last;
	rests_until = (Instant) {server_time().microseconds + LOCKED_MILLISECONDS * 1000};
	return kept[last];
}

static bool
was_loaded(const Loading *loading)
{
	return loading->context != NULL;
}

/* Until it is looked again. */
static long
wait_for_loading(void)
{
	return Min(LOCKED_MILLISECONDS, dispatch_naptime);
}

typedef struct Waiting
{
	const Listener *listener;
	int			lane;
	long		wait;
} Waiting;

static void
ask_for_wait(void *argument)
{
	Waiting    *waiting = argument;

	waiting->wait = next_serving(waiting->listener, waiting->lane, waiting->wait);
}

/* A function, as Min() would take one of its arguments twice. */
static long
sooner(long wait, long other)
{
	return wait < other ? wait : other;
}

/* How long that lane of it can wait. */
static long
wait_after(const Turn *turn)
{
	Waiting		waiting = {turn->listener, turn->lane, dispatch_naptime};

	if (done_giving_way(ask_for_wait, &waiting))
		return waiting.wait;
	retry_clock_forget(turn->listener->name, turn->lane);
	return sooner(LOCKED_MILLISECONDS, dispatch_naptime);
}

/* Serves one lane of one; 0 where it may have more, else how long it can wait. */
static long
serve_lane(Turn *turn)
{
	move_in_passing();
	turn->most = MESSAGES_A_TURN;
	serve(turn);
	/* A session's advisory locks outlive its transactions: no handler's may. */
	LockReleaseSession(USER_LOCKMETHOD);
	if (turn->done > 0 && !turn->at_end)
	{
		retry_clock_forget(turn->listener->name, turn->lane);
		return 0;
	}
	return wait_after(turn);
}

/* -------------------------------------------------------------- dispatcher */

/*
 * Before all others: who was refused a slot asks again every few seconds, and
 * would take that of the Lightning worker while it rests between two starts.
 */
static void
keep_lightning(const Loading *loading)
{
	ChildState	state = loading->has_bitcoin ? keep_child(MyDatabaseId, WORKER_LIGHTNING, "") : CHILD_RUNS;

	lightning_waits = state == CHILD_RESTS || state == CHILD_HAS_NO_SLOT;
	note_lightning_lacks_slot(state == CHILD_HAS_NO_SLOT);
}

/* One for whom this worker stands in where it has no slot. */
static bool
keep_helper(WorkerKind kind, const char *name)
{
	if (lightning_waits || lightning_lacks_slot())
		return worker_pid(kind, name) != 0;
	return keep_child(MyDatabaseId, kind, name) != CHILD_HAS_NO_SLOT;
}

/* A consumer of a user has a worker of its own, or is served here with the contexts. */
static bool
has_worker(const char *consumer)
{
	bool		has_slot = keep_helper(WORKER_CONSUMER, consumer);

	note_shared(consumer, !has_slot);
	return has_slot;
}

/* How many dispatchers share the lanes. */
static int
dispatcher_count(int lanes)
{
	return dispatchers == 0 ? lanes : Min(dispatchers, lanes);
}

/* Lane l belongs to dispatcher l modulo their number; the first stands in for one that has no slot. */
static void
choose_lanes(bool *mine, int lanes)
{
	int			count = dispatcher_count(lanes);
	List	   *names = NIL;

	for (int lane = 0; lane < lanes; lane++)
		mine[lane] = lane % count == dispatcher_number;
	if (dispatcher_number > 0)
		return;
	for (int number = 1; number < count; number++)
	{
		char	   *name = psprintf("%d", number);

		names = lappend(names, name);
		if (!keep_helper(WORKER_DISPATCHER, name))
			for (int lane = number; lane < lanes; lane += count)
				mine[lane] = true;
	}
	keep_only(MyDatabaseId, WORKER_DISPATCHER, names);
}

static void
rotate(void *argument)
{
	const int  *lane = argument;
	Rotation	rotation = rotate_lane(*lane);

	if (rotation.emptied > 0)
		ereport(DEBUG1, (errmsg_internal("lane %d: %d segments emptied", *lane, rotation.emptied)));
}

/* Now and then; a lane that cannot be rotated now can be so later. */
static void
rotate_lanes(const bool *mine, int lanes)
{
	static Instant next = {0};
	Instant		now = server_time();

	if (instant_before(now, next))
		return;
	next = instant_plus_seconds(now, Min(ROTATION_SECONDS, Max(segment_age, 1)));
	for (int lane = 0; lane < lanes; lane++)
		if (mine[lane])
			(void) done_giving_way(rotate, &lane);
}

/* A context also gets what bears its name and is none of its messages. */
static void
add_interest(Interest *interest, const Listener *listener)
{
	if (listener->context != NULL)
		interest_add(interest, listener->name);
	for (int i = 0; i < listener->wanted_count; i++)
		interest_add(interest, listener->wanted[i]);
}

/* The consumers of users get workers, which the first dispatcher starts; who has none is returned. */
static List *
tend_consumers(const Loading *loading)
{
	List	   *without_worker = NIL;
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, loading->listeners)
	{
		const Listener *listener = lfirst(cell);

		if (listener->context != NULL)
			continue;
		names = lappend(names, (void *) listener->name);
		if (!has_worker(listener->name))
			without_worker = lappend(without_worker, (void *) listener);
	}
	if (loading->with_users)
		keep_only(MyDatabaseId, WORKER_CONSUMER, names);
	return without_worker;
}

/* Before anything is read: who emits later wakes this worker. */
static void
listen_for(const Loading *loading, const List *without_worker)
{
	Interest	interest = {{0}};
	ListCell   *cell;

	foreach(cell, loading->listeners)
		if (((const Listener *) lfirst(cell))->context != NULL)
			add_interest(&interest, lfirst(cell));
	foreach(cell, without_worker)
		add_interest(&interest, lfirst(cell));
	note_interest(&interest);
}

/* One of the contexts, in the lanes of this worker: unless another worker does it. */
static long
serve_context(const Listener *listener, const bool *mine, int lanes)
{
	long		wait = dispatch_naptime;

	for (int lane = 0; lane < lanes; lane++)
	{
		Turn		turn = {.listener = listener, .lane = lane, .gives_way = true, .share = CONTEXT_SHARE};
		long		alone = mine[lane] ? left_alone_for(listener->name, lane) : 0;

		if (!mine[lane])
			continue;
		wait = sooner(wait, alone > 0 ? alone : serve_lane(&turn));
		note_turn(listener->name, lane, turn.worked);
	}
	return wait;
}

static long
serve_contexts(const Loading *loading, const bool *mine)
{
	long		wait = dispatch_naptime;
	ListCell   *cell;

	foreach(cell, loading->listeners)
		if (((const Listener *) lfirst(cell))->context != NULL)
			wait = sooner(wait, serve_context(lfirst(cell), mine, loading->lanes));
	return wait;
}

/*
 * Consumers of users that have no worker of their own.  Each lane of each is a
 * place in a ring.  A turn goes on where the last one has ended, and ends when
 * its share is spent, or when each place was looked at once.  Then what is left
 * comes with the next turn, at once: 0.
 *
 * Whatever was handled, or tried in vain, is paid from the share.  A place where
 * nothing is ready costs nothing: with many such places, a turn would else end
 * among them, and the worker would never learn that it may sleep.
 *
 * A call may take much longer than the share: then all of them rest for as long,
 * so that half of the time is the contexts'.
 */
static long
serve_others(List *others, int lanes)
{
	static int	next;
	static Instant rest_until;
	int			places = list_length(others) * lanes;
	int			first = next;
	int64		left = OTHERS_SHARE;
	int64		rest = (rest_until.microseconds - server_time().microseconds) / 1000;
	long		wait = dispatch_naptime;

	if (rest > 0)
		return (long) Min(rest, wait);
	for (int i = 0; i < places && left > 0; i++)
	{
		int			place = (first + i) % places;
		Turn		turn = {
			.listener = list_nth(others, place / lanes),
			.lane = place % lanes,
			.gives_way = true,
			.share = left,
		};

		next = place + 1;
		wait = sooner(wait, serve_lane(&turn));
		left -= turn.spent;
	}
	if (-left > LONG_TURN)
		rest_until = (Instant) {server_time().microseconds - left};
	return left > 0 ? wait : 0;
}

static long
dispatcher_turn(void)
{
	Loading		loading = loaded();
	long		wait = dispatch_naptime;
	bool		mine[MAX_LANES] = {false};
	List	   *others;

	if (!was_loaded(&loading))
		return wait_for_loading();
	/* There were more lanes, or more dispatchers, when it was started. */
	if (dispatcher_number > 0 && dispatcher_number >= dispatcher_count(loading.lanes))
		proc_exit(0);
	if (dispatcher_number == 0)
		keep_lightning(&loading);
	if (loading.lanes > 0)
		choose_lanes(mine, loading.lanes);
	rotate_lanes(mine, loading.lanes);
	others = dispatcher_number == 0 ? tend_consumers(&loading) : NIL;
	listen_for(&loading, others);
	if (dispatcher_number == 0 && loading.lanes > 0)
		move_now();
	wait = sooner(serve_contexts(&loading, mine), serve_others(others, loading.lanes));
	return dispatcher_number == 0 && loading.lanes > 0 ? sooner(wait, until_next_due(dispatch_naptime)) : wait;
}

void
set_dispatcher_number(const char *name)
{
	dispatcher_number = atoi(name);
	if (dispatcher_number > 0)
		leave_late_delayed();
}

/* ---------------------------------------------------------------- consumer */

void
set_consumer_name(const char *name)
{
	strlcpy(consumer_name, name, NAMEDATALEN);
	leave_late_delayed();
}

void
set_own_worker(const char *name)
{
	read_own_worker(name, consumer_name, &only_lane);
	leave_late_delayed();
	TEST_POINT("own_worker_starts");
}

/* Beginning with another one each time, as one that fails may end the turn. */
static long
serve_all_lanes(const Listener *listener, int lanes)
{
	static int	first;
	long		wait = dispatch_naptime;

	first = (first + 1) % MAX_LANES;
	for (int i = 0; i < lanes; i++)
	{
		Turn		turn = {
			.listener = listener,
			.lane = (first + i) % lanes,
			.share = CONSUMER_SHARE,
		};

		wait = sooner(wait, serve_lane(&turn));
	}
	if (lightning_lacks_slot())
		proc_exit(0);
	return wait;
}

static long
serve_only_lane(const Listener *listener)
{
	Turn		turn = {.listener = listener, .lane = only_lane, .gives_way = true, .share = CONTEXT_SHARE};
	long		wait = serve_lane(&turn);

	note_own_turn(turn.worked);
	return wait;
}

static long
consumer_turn(void)
{
	Loading		loading = loaded();
	ListCell   *cell;

	if (!was_loaded(&loading))
		return wait_for_loading();
	if (only_lane >= loading.lanes)
		proc_exit(0);
	foreach(cell, loading.listeners)
	{
		const Listener *listener = lfirst(cell);

		/* No user's consumer bears the name of a context. */
		if (strncmp(listener->name, consumer_name, NAMEDATALEN - 1) == 0)
		{
			Interest	interest = {{0}};

			add_interest(&interest, listener);
			note_interest(&interest);
			if (listener->context != NULL)
				return serve_only_lane(listener);
			return serve_all_lanes(listener, loading.lanes);
		}
	}
	if (!loading.with_users)
		return wait_for_loading();
	/* Unsubscribed: nothing is left to do here. */
	proc_exit(0);
}

const WorkerTask dispatcher_task = {.turn = dispatcher_turn};
/* Its handlers find their settings as they should be (begin_calls). */
const WorkerTask consumer_task = {.turn = consumer_turn, .search_path = HANDLERS_SEARCH_PATH};
const WorkerTask context_task = {.turn = consumer_turn};
