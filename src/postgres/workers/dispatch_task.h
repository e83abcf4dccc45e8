/*
 * dispatch_task.h
 *		What the workers "spark dispatcher", "spark consumer" and "spark context" do.
 */
#ifndef SPARK_POSTGRES_WORKERS_DISPATCH_TASK_H
#define SPARK_POSTGRES_WORKERS_DISPATCH_TASK_H

#include "postgres/workers/worker.h"

/* Serves the contexts; the first one keeps the other workers of its database alive. */
extern const WorkerTask dispatcher_task;
extern void set_dispatcher_number(const char *name);	/* "": the first */

/* Serves one consumer of a user. */
extern const WorkerTask consumer_task;
extern void set_consumer_name(const char *name);

/* The same for a context in the one lane where it is slow. */
extern const WorkerTask context_task;
extern void set_own_worker(const char *name);

#endif
