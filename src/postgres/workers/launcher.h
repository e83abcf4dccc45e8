/*
 * launcher.h
 *		The one static worker: keeps a dispatcher for each database of
 *		spark.databases.
 */
#ifndef SPARK_POSTGRES_WORKERS_LAUNCHER_H
#define SPARK_POSTGRES_WORKERS_LAUNCHER_H

#include "postgres/server.h"

/* While preloading: the launcher starts with the server. */
extern void register_launcher(void);

extern PGDLLEXPORT void spark_launcher_main(Datum argument);

#endif
