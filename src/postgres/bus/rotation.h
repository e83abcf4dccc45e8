/*
 * rotation.h
 *		Emptying the segments of the log that everybody has left behind.
 *
 * A lane has three segments, used in turn.  One is written to; when it is large
 * or old, the next one is, if it is empty.  One that is left is emptied by
 * TRUNCATE, which costs the same for one row and a million, when every cursor
 * has delivered all of it and it has been left for its least retention.
 */
#ifndef SPARK_POSTGRES_BUS_ROTATION_H
#define SPARK_POSTGRES_BUS_ROTATION_H

#include "postgres/server.h"

#include "common/arena.h"

/* What one step of a lane did. */
typedef struct Rotation
{
	int			segment;		/* that is written to from now on */
	int			emptied;		/* segments */
	const char *waits_for;		/* why a left segment is not emptied; NULL: none is left */
} Rotation;

/*
 * One step of a lane, in the transaction of the caller, which should end at
 * once: it holds the lock of what it emptied.  Waits for no lock for long.
 */
extern Rotation rotate_lane(int lane);

/*
 * No segment is emptied until the caller's transaction ends: for a cursor comes,
 * or goes back, that rotation cannot see yet.
 */
extern void hold_off_rotation(void);

/*
 * What keeps a segment that was left from being emptied, though its retention
 * has ended a minute ago; NULL: nothing does.  Reads only.
 */
extern const char *rotation_obstacle(Arena *arena);

#endif
