/*
 * relane.h
 *		Changing the number of lanes while all runs.
 *
 * A key may come into another lane by the change.  So that its messages keep
 * their order, a consumer handles all of the old epoch, in every lane, before
 * it enters the new one; and what is parked for it moves to the lane of its key.
 */
#ifndef SPARK_POSTGRES_BUS_RELANE_H
#define SPARK_POSTGRES_BUS_RELANE_H

#include "postgres/server.h"

#include "postgres/bus/cursor.h"

#define NO_BARRIER PG_INT64_MAX

/*
 * The last number that the consumer may read: the barrier of the last change,
 * until it has handled all before it; then NO_BARRIER.
 */
extern int64 last_readable(const char *consumer);

/* True where the open window has rows of before the last change and of after it. */
extern bool window_crosses_barrier(const Cursor *cursor);

/* True where the consumer has handled all of that lane's earlier epochs. */
extern bool lane_is_drained(const Cursor *cursor);

/*
 * Enters the epoch where every lane is drained; false where one is not.  Takes
 * the consumer's places of all lanes: call it with none of them taken.
 */
extern bool enter_epoch(const char *consumer);

/* Makes the cursors of a consumer in all lanes, and where it is new, lets it into the epoch. */
extern void begin_in_epoch(const char *consumer);

/* Lets it in as one that has nothing from before: all that was is parked. */
extern void let_into_epoch(const char *consumer);

/* Forgets the cursors of a consumer that is gone, and its epochs. */
extern void end_in_epoch(const char *consumer);

/* Moves what is parked or dead for a consumer into the lanes of its keys. */
extern void move_parked_to_their_lanes(const char *consumer);

/* The lanes that emitters use from the commit on: waits until nobody emits. */
extern void change_lanes(int lanes);

#endif
