/*
 * gone_databases.h
 *		Gives back what is kept in shared memory for databases that are gone.
 */
#ifndef SPARK_POSTGRES_COUNTS_GONE_DATABASES_H
#define SPARK_POSTGRES_COUNTS_GONE_DATABASES_H

#include "postgres/server.h"

/*
 * Now and then, by the launcher, in a transaction that has not looked at
 * pg_database yet.  It says in the log, seldom, where a database found no place.
 */
extern void forget_gone_databases(void);

#endif
