/*
 * outflow.h
 *		What leaves by the node, of one account or of all together: what the
 *		limits of a day are held against.
 *
 * All that is reserved counts, however long ago it was asked for: it may leave
 * at any moment.  What has left counts from the moment it did, in sums of an
 * hour: until 24 whole hours have passed since that hour, so for a day and up to
 * an hour more.  What was given back counts no more.  To tell it is one row,
 * whatever the day has seen.
 *
 * Pure.  Whoever calls holds the lock of its row, and before that of the node's
 * account.
 */
#ifndef SPARK_ACCOUNTING_OUTFLOW_H
#define SPARK_ACCOUNTING_OUTFLOW_H

#include "accounting/transfer.h"

#define OUTFLOW_HOURS 25		/* the one that runs, and 24 before it */

typedef struct Outflow
{
	Aggregate	aggregate;		/* the id is that of the account, or all_accounts_id */
	Amount		reserved;		/* for payments that may still be made */
	Instant		hour;			/* when the newest hour of gone began */
	Amount		gone[OUTFLOW_HOURS];	/* what has left, by the hour, the newest first */
} Outflow;

extern const AggregateType outflow_type;

/* Of all accounts together, under an id that never changes. */
extern const Uuid all_accounts_id;

/* Of whom nothing has left yet. */
extern void outflow_open(Outflow *outflow, Uuid id, Instant now);

/* True where the row moves, reserves or gives back what leaves by the node, credit's owner. */
extern bool outflow_concerns(const Transfer *row, const LedgerAccount *credit);

/* Follows such a row; pending is what a post or void has ended. */
extern Result outflow_follow(Outflow *outflow, const Transfer *row, const Transfer *pending) MUST_CHECK;

/* What counts at that time. */
extern Result outflow_of_day(const Outflow *outflow, Instant now, Amount *sum) MUST_CHECK;

#endif
