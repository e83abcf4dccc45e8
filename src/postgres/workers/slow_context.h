/*
 * slow_context.h
 *		A context that keeps the others of its dispatcher waiting.
 *
 * The contexts share dispatchers, one after the other.  A call is not interrupted
 * to let others through; but who has kept them waiting gets a worker of its own,
 * for as long as it is slow and a while longer, and from then on keeps nobody
 * waiting.  It is a worker "spark context", which serves it in the one lane where
 * it was slow, so that its other lanes are not kept waiting either; that it runs
 * is all that dispatchers need to know.
 *
 * Where no worker slot is free, the context rests for as long as it was slow, so
 * that half of the time is the others'.
 *
 * What is remembered here is one process's, and only saves waiting.
 */
#ifndef SPARK_POSTGRES_WORKERS_SLOW_CONTEXT_H
#define SPARK_POSTGRES_WORKERS_SLOW_CONTEXT_H

#include "postgres/server.h"

#include "common/clock.h"

#define LONG_TURN 200000		/* microseconds: others notice */

/* In a dispatcher: its turn in a lane has taken so long. */
extern void note_turn(const char *context, int lane, int64 microseconds);

/* In a dispatcher: milliseconds in which it is left alone in that lane; 0: it is to be served here. */
extern long left_alone_for(const char *context, int lane);

/* The context and the lane that such a worker is named after, the first in room for NAMEDATALEN. */
extern void read_own_worker(const char *worker, char *context, int *lane);

/*
 * In its own worker: its turn in the lane has taken so long; the worker ends where
 * it is slow no more, or where another one needs its slot (precedence.h).
 */
extern void note_own_turn(int64 microseconds);

#endif
