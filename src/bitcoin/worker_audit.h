/*
 * worker_audit.h
 *		The worker compares the books with its node: at its start, when the node is
 *		back, daily, and when somebody waits for it (spark_ops.reconcile()).
 *
 *		everything open is looked up -> balance -> lists -> compared -> what differs
 *		is looked up once more -> compared -> told
 *
 * It holds nothing else up: one call of its own at a time, and short
 * transactions between.  Its state is a process's own and is begun anew after
 * each error; what it has found stays in tables.
 */
#ifndef SPARK_BITCOIN_WORKER_AUDIT_H
#define SPARK_BITCOIN_WORKER_AUDIT_H

#include "postgres/server.h"

#include "bitcoin/node_work.h"

/* Forgets what was under way. */
extern void audit_begin(void);

/* One is due: everything open was made due at that moment. */
extern void audit_want(Instant looked_from);

/*
 * Goes on with it, or begins one that is due; is_awaited: nothing is paid before
 * one has passed.  oldest_look: when the oldest of the look-ups that are under way
 * began, or none.  No transaction is open.
 */
extern void audit_turn(const NodeStanding *standing, bool is_awaited, Instant oldest_look, Instant now);

/* When audit_turn() wants to be called again at the latest; never none. */
extern Instant audit_next(Instant now);

#endif
