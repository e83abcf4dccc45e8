/*
 * children.h
 *		Workers that a worker keeps alive.
 *
 * The launcher keeps a dispatcher for each database, a dispatcher keeps what its
 * database needs besides.  One that ends is started again with backoff; the
 * server itself never restarts them.
 */
#ifndef SPARK_POSTGRES_WORKERS_CHILDREN_H
#define SPARK_POSTGRES_WORKERS_CHILDREN_H

#include "postgres/server.h"

#include "postgres/workers/worker_slots.h"

typedef enum ChildState
{
	CHILD_RUNS,
	CHILD_STARTS,
	CHILD_RESTS,				/* it has ended, and has no slot until its next start */
	CHILD_HAS_NO_SLOT			/* max_worker_processes is used up */
} ChildState;

/* What a child reads from its bgw_extra. */
typedef struct ChildStart
{
	Oid			database;
	WorkerKind	kind;
	char		name[NAMEDATALEN];
} ChildStart;

/* Keeps such a child alive from now on. */
extern ChildState keep_child(Oid database, WorkerKind kind, const char *name);

/* Forgets the children of that kind, each of which has ended, whose names are not among these. */
extern void keep_only(Oid database, WorkerKind kind, List *names);

/* Ends that child, and forgets it. */
extern void drop_child(Oid database, WorkerKind kind, const char *name);

#endif
