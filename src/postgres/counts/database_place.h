/*
 * database_place.h
 *		Which of a few places in shared memory is this database's.
 *
 * Without a place nothing is counted of a database, and nothing limited.  It is
 * kept until the database is gone (gone_databases.h).
 */
#ifndef SPARK_POSTGRES_COUNTS_DATABASE_PLACE_H
#define SPARK_POSTGRES_COUNTS_DATABASE_PLACE_H

#include "postgres/server.h"

extern int	max_databases;		/* places; kept while the server runs */

extern void define_place_setting(void);
extern void database_place_shmem_request(void);
extern void database_place_shmem_startup(void);

/* From 0 on, and kept; -1 where the library is not preloaded or all are taken. */
extern int	database_place(void);

/* Who has which, of max_databases; InvalidOid: nobody.  False where there are none. */
extern bool copy_database_places(Oid *databases);

/* Nobody uses it any more, nor what is kept there: it is the next one's. */
extern void give_database_place_up(int place);

/* A database that has found none since this was asked last; InvalidOid: none. */
extern Oid	database_without_place(void);

#endif
