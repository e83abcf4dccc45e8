/*
 * wakeup.h
 *		Who of spark's workers runs where, and how they are woken.
 *
 * A latch set at commit is a hint that makes things quick; a slow poll covers
 * every lost one.  Correctness lives in tables alone.  All of it is in one
 * piece of shared memory, which is absent where the library is not preloaded:
 * then each function here does nothing.
 */
#ifndef SPARK_POSTGRES_WAKEUP_H
#define SPARK_POSTGRES_WAKEUP_H

#include "postgres/server.h"

#include "common/clock.h"
#include "common/lane.h"
#include "postgres/handler_times.h"

typedef enum WorkerKind
{
	WORKER_LAUNCHER,
	WORKER_DISPATCHER,			/* of the contexts */
	WORKER_CONSUMER,			/* of one user's consumer */
	WORKER_LIGHTNING
} WorkerKind;

extern void wakeup_shmem_request(void);
extern void wakeup_shmem_startup(void);

/* False where the library was not preloaded. */
extern bool is_preloaded(void);

/* This process is such a worker of its database, until it exits. */
extern void register_worker(WorkerKind kind, const char *name);

/* The pid of such a worker of that database; 0: none. */
extern int	worker_pid_in(Oid database, WorkerKind kind, const char *name);

/* The same of this database; name NULL: any. */
extern int	worker_pid(WorkerKind kind, const char *name);

/* Once this transaction has committed: dispatchers and consumers look at the log. */
extern void wake_dispatchers_at_commit(void);

/*
 * Message types as bits, several types a bit: a hint that may be wrong in one
 * way only.  A worker is woken where what was emitted meets what it listens to.
 */
typedef struct Interest
{
	uint64		bits[4];
} Interest;

extern void interest_add(Interest *interest, const char *message_type);

/* What this worker listens to from now on; before the first time it is all. */
extern void note_interest(const Interest *interest);

/* Once this transaction has committed: who listens to that type looks at the log. */
extern void wake_listeners_at_commit(const char *message_type);

/* Once this transaction has committed: everything looks anew, and pauses end (tables or handlers came or went). */
extern void wake_everything_at_commit(void);

/* The end of each transaction of this backend is seen from now on; once is enough. */
extern void watch_transaction_end(void);

/* At once, from a worker: its own database's worker of that kind. */
extern void wake_worker(WorkerKind kind);

typedef enum Woken
{
	WOKEN_NOT,
	WOKEN_FOR_WORK,				/* something was emitted */
	WOKEN_ANEW					/* by wake_everything_at_commit() */
} Woken;

/*
 * Whether this worker was woken since it last asked.  To be asked before the
 * tables are read, and again before it sleeps: a wait for a lock in between has
 * taken the latch's word.
 */
extern Woken was_woken(void);

#define RECENT_SLICES 7
#define SLICE_SECONDS 10

/* How many there were a slice of time, as far back as there are slices. */
typedef struct Recent
{
	int64		slice;			/* the newest one, since the epoch */
	int32		counts[RECENT_SLICES];	/* by number modulo their count */
} Recent;

/* How many a second, in about the last minute. */
extern double recent_rate(const Recent *recent);

/*
 * A session that wants the Lightning worker of this database to look at the node
 * now, and to know when it has.  It asks at once, not at its commit.  Gives the
 * number of its wish and the worker's pid; 0: there is none.
 */
extern int	ask_lightning(int64 *wish);

/* The last wish that this worker was told of, from itself. */
extern int64 last_wish(void);

/* That and all before it are fulfilled. */
extern void fulfil_wishes(int64 wish);

/* True where the worker of that pid has fulfilled it; *is_there: it is still that one. */
extern bool wish_is_fulfilled(int pid, int64 wish, bool *is_there);

/* Counts for spark_ops.bus_status(), a consumer of this database each. */
typedef struct ConsumerCounters
{
	int64		handled[MAX_LANES];
	int64		batches[MAX_LANES];
	Recent		recent[MAX_LANES];	/* of handled */
	HandlerTimes times;
	int64		failed;
	char		last_error[256];
	char		paused[256];	/* why it waits; empty: it does not */
	bool		shared;			/* a user's without a worker of its own */
} ConsumerCounters;

/* A batch of it was committed, or a retry. */
extern void count_handled(const char *consumer, int lane, int64 handled, const HandlerTimes *times);
extern void note_error(const char *consumer, const char *message);
extern void note_paused(const char *consumer, const char *why);	/* NULL: it goes on */
extern void note_shared(const char *consumer, bool is_shared);
extern ConsumerCounters consumer_counters(const char *consumer);

/* It is gone: another one may have its place. */
extern void forget_counters(const char *consumer);

#endif
