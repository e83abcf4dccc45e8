/*
 * dispatch_task.c
 *		What the workers "spark dispatcher" and "spark consumer" do.
 *
 * The contexts share one dispatcher.  Each consumer of a user has a worker of
 * its own, so that a slow handler delays nobody else; where no worker slot is
 * left, the dispatcher serves it too.
 */
#include "postgres/dispatch_task.h"

#include "postgres/children.h"
#include "postgres/dispatcher.h"
#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/settings.h"
#include "postgres/wakeup.h"

#include "storage/ipc.h"
#include "storage/lock.h"

#define MESSAGES_A_TURN 5000

static char consumer_name[NAMEDATALEN];

typedef struct Loading
{
	MemoryContext context;
	List	   *listeners;
	bool		has_bitcoin;
} Loading;

static void
load_listeners(void *argument)
{
	Loading    *loading = argument;
	MemoryContext caller = MemoryContextSwitchTo(loading->context);

	loading->listeners = listeners(context_arena(loading->context));
	loading->has_bitcoin = tables_are_current("bitcoin");
	MemoryContextSwitchTo(caller);
}

static Loading
loaded(void)
{
	Loading		loading = {.context = CurrentMemoryContext};

	worker_transaction(load_listeners, &loading);
	return loading;
}

typedef struct Waiting
{
	const Listener *listener;
	long		wait;
} Waiting;

static void
ask_for_wait(void *argument)
{
	Waiting    *waiting = argument;

	waiting->wait = next_serving(waiting->listener, waiting->wait);
}

/* Serves one; 0 where it may have more, else how long it can wait. */
static long
serve_listener(const Listener *listener)
{
	Waiting		waiting = {listener, dispatch_naptime};

	int64		done = serve(listener, MESSAGES_A_TURN, false);

	/* A session's advisory locks outlive its transactions: no handler's may. */
	LockReleaseSession(USER_LOCKMETHOD);
	if (done > 0)
		return 0;
	worker_transaction(ask_for_wait, &waiting);
	return waiting.wait;
}

/* A consumer of a user has a worker of its own, or is served here with the contexts. */
static bool
has_worker(const char *consumer)
{
	bool		has_slot = keep_child(MyDatabaseId, WORKER_CONSUMER, consumer) != CHILD_HAS_NO_SLOT;

	note_shared(consumer, !has_slot);
	return has_slot;
}

static long
dispatcher_turn(void)
{
	Loading		loading = loaded();
	long		wait = dispatch_naptime;
	List	   *names = NIL;
	ListCell   *cell;

	if (loading.has_bitcoin)
		(void) keep_child(MyDatabaseId, WORKER_LIGHTNING, "");
	foreach(cell, loading.listeners)
	{
		const Listener *listener = lfirst(cell);

		if (listener->context == NULL)
			names = lappend(names, (void *) listener->name);
		if (listener->context != NULL || !has_worker(listener->name))
			wait = Min(wait, serve_listener(listener));
	}
	keep_only(MyDatabaseId, WORKER_CONSUMER, names);
	return wait;
}

void
set_consumer_name(const char *name)
{
	strlcpy(consumer_name, name, NAMEDATALEN);
}

static long
consumer_turn(void)
{
	Loading		loading = loaded();
	ListCell   *cell;

	foreach(cell, loading.listeners)
	{
		const Listener *listener = lfirst(cell);

		if (listener->context == NULL && strncmp(listener->name, consumer_name, NAMEDATALEN - 1) == 0)
			return serve_listener(listener);
	}
	/* Unsubscribed: nothing is left to do here. */
	proc_exit(0);
}

const WorkerTask dispatcher_task = {.turn = dispatcher_turn};
const WorkerTask consumer_task = {.turn = consumer_turn};
