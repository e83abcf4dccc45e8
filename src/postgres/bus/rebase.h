/*
 * rebase.h
 *		A log that another cluster has written.
 *
 * The batch rule compares transaction ids, and those mean nothing in another
 * cluster.  After a dump was restored, or after pg_upgrade, new messages would
 * count as delivered.  So the log remembers who wrote it, emitting is refused
 * while that is somebody else, and spark.install() or the worker rebases it.
 */
#ifndef SPARK_POSTGRES_BUS_REBASE_H
#define SPARK_POSTGRES_BUS_REBASE_H

#include "postgres/server.h"

/* True where the log was written by another cluster and was not rebased yet. */
extern bool log_is_foreign(void);

/* Remembers this cluster as the writer of the log. */
extern void claim_log(void);

/*
 * Makes the log this cluster's own, in the running transaction, unless somebody
 * else has done so meanwhile: what a consumer
 * had not handled, by the old cluster's reckoning, becomes a retry due now, in
 * order; the log is emptied; every cursor starts anew.  Nothing is lost and
 * nothing comes twice.
 */
extern void rebase_log(void);

#endif
