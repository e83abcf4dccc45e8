/*
 * worker_purse.h
 *		The worker keeps the operator's own capital in the node: spark.own_capital.
 *
 * Used by the worker "spark lightning" alone; its state is a process's own.
 */
#ifndef SPARK_BITCOIN_WORKER_PURSE_H
#define SPARK_BITCOIN_WORKER_PURSE_H

#include "bitcoin/node_work.h"

/* Forgets what the node has; what was asked is taken back. */
extern void purse_begin(void);

/*
 * Asks the node for its balance, where payments need to know it, and takes in
 * what has come back.  Opens the breaker where one would touch the capital.
 */
extern void purse_turn(const NodeStanding *standing, Instant now);

/* What payments are taken from; NULL: there is no own capital. */
extern Purse *purse_now(void);

/* When purse_turn() is to be called again; none: not by itself. */
extern Instant purse_next(Instant now);

#endif
