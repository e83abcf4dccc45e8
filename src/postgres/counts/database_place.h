/*
 * database_place.h
 *		Which of a few places in shared memory is this database's.
 */
#ifndef SPARK_POSTGRES_COUNTS_DATABASE_PLACE_H
#define SPARK_POSTGRES_COUNTS_DATABASE_PLACE_H

#include "postgres/server.h"

#define MAX_DATABASES 32

extern void database_place_shmem_request(void);
extern void database_place_shmem_startup(void);

/* From 0 on, and kept; -1 where the library is not preloaded or all are taken. */
extern int	database_place(void);

#endif
