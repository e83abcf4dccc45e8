/*
 * wishes.h
 *		Sessions that want the Lightning worker to look at the node now, and wait
 *		until it has.
 */
#ifndef SPARK_POSTGRES_WORKERS_WISHES_H
#define SPARK_POSTGRES_WORKERS_WISHES_H

#include "postgres/server.h"

/*
 * Asks the Lightning worker of this database at once, not at the commit.  Gives
 * the number of the wish and the worker's pid; 0: there is none.
 */
extern int	ask_lightning(int64 *wish);

/* The last wish that this worker was told of, from itself. */
extern int64 last_wish(void);

/* That and all before it are fulfilled. */
extern void fulfil_wishes(int64 wish);

/* True where the worker of that pid has fulfilled it; *is_there: it is still that one. */
extern bool wish_is_fulfilled(int pid, int64 wish, bool *is_there);

#endif
