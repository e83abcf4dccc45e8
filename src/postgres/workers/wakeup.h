/*
 * wakeup.h
 *		Waking spark's workers.
 *
 * A latch set at commit is a hint that makes things quick; a slow poll covers
 * every lost one.  Correctness lives in tables alone.
 */
#ifndef SPARK_POSTGRES_WORKERS_WAKEUP_H
#define SPARK_POSTGRES_WORKERS_WAKEUP_H

#include "postgres/server.h"

#include "postgres/workers/worker_slots.h"

/* Once this transaction has committed: dispatchers and consumers look at the log. */
extern void wake_dispatchers_at_commit(void);

/* Once this transaction has committed: who listens to that type looks at the log. */
extern void wake_listeners_at_commit(const char *message_type);

/* Once this transaction has committed: the Lightning worker looks for rows that are due. */
extern void wake_lightning_at_commit(void);

/* Once this transaction has committed: everything looks anew, and pauses end (tables or handlers came or went). */
extern void wake_everything_at_commit(void);

/* At once, from a worker: its own database's worker of that kind. */
extern void wake_worker(WorkerKind kind);

/* What this worker listens to from now on; before the first time it is all. */
extern void note_interest(const Interest *interest);

/*
 * Whether this worker was woken since it last asked.  To be asked before the
 * tables are read, and again before it sleeps: a wait for a lock in between has
 * taken the latch's word.
 */
extern Woken was_woken(void);

/* For the callback at the end of a transaction: what it wanted, done or forgotten. */
extern bool transaction_wakes(void);
extern void wake_wanted(void);
extern void forget_wanted(void);

#endif
