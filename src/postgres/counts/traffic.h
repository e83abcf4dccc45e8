/*
 * traffic.h
 *		How many messages of each type were emitted, a lane, in shared memory.
 *
 * Only types that some consumer wants are counted, from when it was first seen
 * that it does; what was emitted before is found in the log.  So the figures mean
 * nothing by themselves: what a consumer has passed is taken from them.
 */
#ifndef SPARK_POSTGRES_COUNTS_TRAFFIC_H
#define SPARK_POSTGRES_COUNTS_TRAFFIC_H

#include "postgres/server.h"

#include "common/message.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/in_doubt.h"

extern void traffic_shmem_request(void);
extern void traffic_shmem_startup(void);

/* Once this transaction has committed, one more of its type was emitted. */
extern void traffic_count_at_commit(const Message *message, int lane);

#define MAX_TYPES 2048			/* of all databases, that are or were wanted */
extern int	types_taken(void);

/* From now on all that it wants is counted; false where there is no room for it. */
extern bool traffic_watch(const Listener *listener);

/* Gives back the types of a database that is gone. */
extern void traffic_forget(Oid database);

/*
 * Gives back all types, now and then, for some that were wanted are wanted by
 * nobody any more: all counts of all databases become unknown.
 */
extern void traffic_begin_anew(void);

/* Of all that it wants; what is not watched counts as none. */
extern int64 traffic_of(const Listener *listener, int lane);

/* As what a message is counted: its type, or, where nobody wants that, the context that gets it all the same. */
extern uint64 traffic_type(const Message *message);

/* So many more were emitted, of whatever database. */
extern void traffic_add(const Emission *emission);

/* For the callbacks at the end of a transaction, and of a part of one. */
extern bool has_traffic(void);
extern void apply_traffic(void);
extern void prepare_traffic(void);	/* before it is prepared: it counts once that has committed */
extern void drop_traffic(void);
extern void hand_traffic_on(SubTransactionId from, SubTransactionId to);
extern void drop_traffic_of(SubTransactionId part);

#endif
