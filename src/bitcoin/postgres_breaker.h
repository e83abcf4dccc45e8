/*
 * postgres_breaker.h
 *		The breaker: while it is open nothing is paid, and deposits go on.
 *
 * The worker opens it, where the comparison with the node or its balance speaks
 * against paying; so may an operator, who alone closes it.  One row, read and
 * written in the transaction of whoever calls; it takes no lock but that row's.
 */
#ifndef SPARK_BITCOIN_POSTGRES_BREAKER_H
#define SPARK_BITCOIN_POSTGRES_BREAKER_H

#include "postgres/server.h"

#include "common/amount.h"
#include "common/arena.h"
#include "common/clock.h"

typedef struct Breaker
{
	bool		is_open;
	const char *reason;			/* of an open one, else NULL; text of the arena */
	Instant		opened_at;		/* likewise, else none */
	Amount		accepted;		/* what the node may lack, as an operator knew of it when he closed it */
	bool		audit_first;	/* nothing is paid either: these books are a copy, and were not compared yet */
} Breaker;

/* Closed, with nothing accepted, where it was never written.  read_only: for a function that only reads. */
extern Breaker breaker_query(Arena *arena, bool read_only);

/* Warns in the log; one that is open already keeps its reason. */
extern void breaker_open(const char *reason, Instant now);

extern void breaker_close(Amount accepted);

/* No more than that is accepted from now on: what was made up for may not be lacking again. */
extern void breaker_accept(Amount accepted);

/* True: these books are a copy, and an audit comes before the first payment.  False: it has passed. */
extern void breaker_wants_audit(bool audit_first);

#endif
