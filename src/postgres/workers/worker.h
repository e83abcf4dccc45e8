/*
 * worker.h
 *		What a background worker of spark does, apart from being one.
 *
 * The loop (connection, signals, waiting, errors, the guards against a missing
 * or upgraded extension) is the same for all and stands in worker.c; a task
 * says what is done in it.  Who wakes it does so by wakeup.h.
 */
#ifndef SPARK_POSTGRES_WORKERS_WORKER_H
#define SPARK_POSTGRES_WORKERS_WORKER_H

#include "postgres/server.h"

#include "common/clock.h"

typedef struct WorkerTask
{
	/* Once after each start of the worker, and again after an error. */
	void		(*begin) (void);

	/*
	 * Does what is ready, without waiting for anything; called with no
	 * transaction open.  Returns in how many milliseconds it wants to be called
	 * again at the latest (0: at once).
	 */
	long		(*turn) (void);

	/* Where its session looks names up; NULL: where spark's own statements do (statement.h). */
	const char *search_path;

	/* It acts on the world: not where that is paused (postgres/outside.h). */
	bool		acts_outside;

	/* A descriptor whose readability means work, or -1.  May be NULL. */
	int			(*descriptor) (void);
} WorkerTask;

/* What the worker "spark lightning" does: wired by the composition root. */
extern void set_lightning_task(const WorkerTask *task);

/* The entry of every worker that is started by another. */
extern PGDLLEXPORT void spark_worker_main(Datum argument);

/*
 * One transaction of a worker around act(argument), READ COMMITTED, committed
 * durably before this returns (synchronous_commit at least on).  Afterwards it
 * lets interrupts in and leaves the process where the postmaster is gone, so
 * that nothing outside is done on the strength of a commit that may not be
 * replicated.  An error of act aborts it and is thrown on.
 */
extern void worker_transaction(void (*act) (void *argument), void *argument);

#endif
