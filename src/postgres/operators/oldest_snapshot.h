/*
 * oldest_snapshot.h
 *		Who holds the oldest snapshot, behind which vacuum cannot clean up.
 *
 * A session, a prepared transaction, a replication slot, or a standby that says
 * what its queries need.  The first two have a time; slots and standbys hold no
 * more than a transaction id, so how old that is is told in transactions.
 */
#ifndef SPARK_POSTGRES_OPERATORS_OLDEST_SNAPSHOT_H
#define SPARK_POSTGRES_OPERATORS_OLDEST_SNAPSHOT_H

#include "postgres/server.h"

#include "common/arena.h"

extern int	snapshot_max_age;	/* s */
extern int	snapshot_max_transactions;

extern void define_snapshot_settings(void);

typedef struct OldestSnapshot
{
	const char *holder;			/* in words; NULL: nobody but the caller holds any */
	const char *query;			/* what it asked last, or NULL */
	double		seconds;		/* below 0: nobody knows */
	int64		transactions;	/* that were begun since */
	double		longest;		/* seconds, of all holders that have a time */
	bool		is_too_old;
} OldestSnapshot;

/* The oldest of others; one that is too old, by time or by transactions, before one that is not. */
extern OldestSnapshot oldest_snapshot(Arena *arena);

#endif
