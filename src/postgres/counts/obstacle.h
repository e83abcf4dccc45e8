/*
 * obstacle.h
 *		What keeps the segments of a lane from being emptied, as it was last seen.
 *
 * Who rotates a lane notes it in shared memory, so that spark_ops.health() need
 * not look for it.
 */
#ifndef SPARK_POSTGRES_COUNTS_OBSTACLE_H
#define SPARK_POSTGRES_COUNTS_OBSTACLE_H

#include "postgres/server.h"

#include "common/arena.h"

extern void obstacle_shmem_request(void);
extern void obstacle_shmem_startup(void);

/* Nothing is known of the database any more that has that place. */
extern void obstacles_forget(int place);

/* That, in words; NULL: nothing does. */
extern void note_obstacle(int lane, const char *what);

/* The same; false where nobody has looked for about a minute. */
extern bool noted_obstacle(int lane, Arena *arena, const char **what);

#endif
