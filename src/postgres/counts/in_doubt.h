/*
 * in_doubt.h
 *		Prepared transactions of which nobody knows yet what they will have emitted.
 *
 * They end in a process that does not know what they did, so that it cannot be
 * counted at their commit.  As long as there is one, and until all is counted
 * anew after it, what waits is read from the tables (waiting.h).
 */
#ifndef SPARK_POSTGRES_COUNTS_IN_DOUBT_H
#define SPARK_POSTGRES_COUNTS_IN_DOUBT_H

#include "postgres/server.h"

extern void in_doubt_shmem_request(void);
extern void in_doubt_shmem_startup(void);

/* The running transaction is about to be prepared. */
extern void note_in_doubt(TransactionId transaction);

/* The same of each that is prepared in this database: after the start of the server nobody has noted them. */
extern void note_prepared_in_doubt(void);

/* True where there is one of this database, ended or not. */
extern bool something_is_in_doubt(void);

/* Forgets those of this database that have ended; true where there were any. */
extern bool forget_ended_doubts(void);

/* So often some were forgotten: what was counted before that is of no worth. */
extern uint64 doubts_forgotten(void);

#endif
