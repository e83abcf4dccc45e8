/*
 * in_doubt.h
 *		What prepared transactions will have emitted, if they commit.
 *
 * They end in a process that does not know what they did.  So what is counted at
 * the commit of others is kept here, by the id of the transaction, from before it
 * is prepared; whoever reads what is counted, or handles messages, first settles
 * what has ended meanwhile: it is counted, or forgotten, without reading a table.
 */
#ifndef SPARK_POSTGRES_COUNTS_IN_DOUBT_H
#define SPARK_POSTGRES_COUNTS_IN_DOUBT_H

#include "postgres/server.h"

#include "common/clock.h"

extern void in_doubt_shmem_request(void);
extern void in_doubt_shmem_startup(void);

/* So many messages of a type, in a lane. */
typedef struct Emission
{
	uint64		type;			/* as traffic.h knows it */
	int			lane;
	int64		number;
} Emission;

/*
 * A transaction of this database, which is prepared or about to be; each is noted
 * once, until it has ended.  From when on to look then for delayed messages: none,
 * where it has to do with none.
 */
extern void note_in_doubt(uint64 transaction, const Emission *emissions, int count, Instant due);
extern bool is_in_doubt(uint64 transaction);

/* True where there is one of any database, ended or not: else nothing is to be settled. */
extern bool something_is_in_doubt(void);

/* Counts those that have committed, and forgets all that have ended; with the counts taken for reading. */
extern void settle_doubts(void);

/*
 * So often a transaction committed of which was not known what it had emitted, as
 * that was too much to keep: what was counted before is of no worth.
 */
extern uint64 unknown_ends(void);

/* As after such an end; InvalidOid: of all databases. */
extern void all_counts_become_unknown(Oid database);

#endif
