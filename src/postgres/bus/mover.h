/*
 * mover.h
 *		When a worker looks for delayed messages that are due.
 *
 * The first dispatcher sleeps no longer than until the next one is due.  While
 * there is work, every dispatcher and consumer looks between two turns of it:
 * so no backlog makes them late, nor does a handler that somebody waits for.
 */
#ifndef SPARK_POSTGRES_BUS_MOVER_H
#define SPARK_POSTGRES_BUS_MOVER_H

#include "postgres/server.h"

/* Moves what is due into the log. */
extern void move_now(void);

/* The same, unless nothing can be due: this worker has looked only now. */
extern void move_in_passing(void);

/* Milliseconds until more is due, as far as the last look has shown; at most nap. */
extern long until_next_due(long nap);

#endif
