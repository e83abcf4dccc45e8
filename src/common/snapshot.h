/*
 * snapshot.h
 *		Which transactions a snapshot has seen: the ground of the batch rule.
 *
 * A batch of a consumer is what is visible in its new snapshot s2 and was not
 * in the one before, s1, in the order of the log's sequence.  Row locks make
 * that order the order of an aggregate's changes: who changes it later got its
 * lock later, drew a higher number, and is in no earlier window.
 *
 * The text form is that of PostgreSQL's pg_snapshot: xmin:xmax:xip,xip,..
 * Ids are 64 bit and never wrap.
 */
#ifndef SPARK_COMMON_SNAPSHOT_H
#define SPARK_COMMON_SNAPSHOT_H

#include "common/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LogSnapshot
{
	uint64_t	xmin;			/* all before it had ended */
	uint64_t	xmax;			/* none from it on had ended: the last ended one + 1 */
	const uint64_t *running;	/* between the two, ascending: those that had not ended */
	size_t		running_count;
} LogSnapshot;

/* False where text is no snapshot. */
extern bool snapshot_parse(Arena *arena, const char *text, LogSnapshot *snapshot);
extern const char *snapshot_format(Arena *arena, const LogSnapshot *snapshot);

/* True where that transaction had ended when the snapshot was taken. */
extern bool snapshot_sees(const LogSnapshot *snapshot, uint64_t xid);

/*
 * The snapshot with one transaction more counted as running: its own, which a
 * snapshot never lists.  Without it, what the transaction has emitted so far
 * would count as delivered.
 */
extern LogSnapshot snapshot_with_running(Arena *arena, LogSnapshot snapshot, uint64_t own_xid);

/*
 * The transactions that were running at s1 and have ended by s2: those listed
 * in s1, and those from s1.xmax up to, not including, next_xid, which was read
 * after s1 was taken (a snapshot lists nobody beyond its xmax).  Ascending;
 * returns how many.
 */
extern size_t snapshot_stragglers(Arena *arena, const LogSnapshot *s1, uint64_t next_xid, const LogSnapshot *s2,
								  const uint64_t **xids);

#endif
