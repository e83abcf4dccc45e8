/*
 * worker_slots.h
 *		Who of spark's workers runs where.
 *
 * An array of slots in shared memory, which is absent where the library is not
 * preloaded: then nobody is found.
 */
#ifndef SPARK_POSTGRES_WORKERS_WORKER_SLOTS_H
#define SPARK_POSTGRES_WORKERS_WORKER_SLOTS_H

#include "postgres/server.h"

#include "postgres/counts/interest.h"

#include "storage/latch.h"

typedef enum WorkerKind
{
	WORKER_LAUNCHER,			/* of the server; its database is none */
	WORKER_DISPATCHER,			/* of the contexts */
	WORKER_CONSUMER,			/* of one user's consumer */
	WORKER_CONTEXT,				/* of one context in a lane, while it is slow there */
	WORKER_LIGHTNING			/* talks with the node */
} WorkerKind;

typedef enum Woken
{
	WOKEN_NOT,
	WOKEN_FOR_WORK,				/* something was emitted */
	WOKEN_ANEW					/* tables or handlers came or went */
} Woken;

typedef struct WorkerSlot
{
	bool		used;
	WorkerKind	kind;
	Oid			database;
	int			pid;
	Latch	   *latch;
	Interest	interest;		/* of a dispatcher or a consumer */
	Woken		woken;			/* since it was last asked */
	int64		wishes;			/* of sessions, counted: see wishes.h */
	int64		fulfilled;		/* of them */
	bool		lightning_lacks_slot;	/* of a first dispatcher: see precedence.h */
	char		name[NAMEDATALEN];
} WorkerSlot;

extern void worker_slots_shmem_request(void);
extern void worker_slots_shmem_startup(void);

/* False where the library was not preloaded. */
extern bool is_preloaded(void);

/*
 * This process is such a worker of its database, until it exits: at once where
 * another one is already, as several parents may have started one each.
 */
extern void register_worker(WorkerKind kind, const char *name);

/* The pid of such a worker of that database; 0: none. */
extern int	worker_pid_in(Oid database, WorkerKind kind, const char *name);

/* The same of this database; name NULL: any. */
extern int	worker_pid(WorkerKind kind, const char *name);

/* What the process is, its name in room for NAMEDATALEN; false: it is no worker. */
extern bool find_worker(int pid, WorkerKind *kind, char *name);

#define MAX_WORKERS 1024

/*
 * All slots that were ever used, under their lock, until they are let go: no
 * longer than a walk through them, with nothing that can fail.  0: there is
 * neither a slot nor a lock to let go.
 */
extern int	take_worker_slots(WorkerSlot **slots);
extern void let_worker_slots_go(void);

/* This process's own, to be changed only with the slots taken; NULL: it has none. */
extern WorkerSlot *my_worker_slot(void);

#endif
