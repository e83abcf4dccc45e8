/*
 * pending_counts.h
 *		Changes of what is counted in shared memory, which come true at commit.
 *
 * What a transaction, or a savepoint, takes back was never counted.
 */
#ifndef SPARK_POSTGRES_COUNTS_PENDING_COUNTS_H
#define SPARK_POSTGRES_COUNTS_PENDING_COUNTS_H

#include "postgres/server.h"

#include "postgres/counts/counters.h"

extern void handled_at_commit(uint64 consumer, int lane, int64 handled, const HandlerTimes *times);

/* What waits for it is that, or that much more; of the times the later one counts. */
extern void waiting_is_at_commit(uint64 consumer, int lane, const WaitingCount *count);
extern void waiting_grows_at_commit(uint64 consumer, int lane, const WaitingCount *by);

/* It is stopped for that reason; NULL: it goes on.  What waits for it stays as it is. */
extern void consumer_is_stopped_at_commit(const char *consumer, const char *why);

/* What waits for it is unknown, until it is counted anew: in all lanes. */
extern void waiting_is_unknown_at_commit(const char *consumer);

/* The same for each consumer of this database. */
extern void all_waiting_is_unknown_at_commit(void);

/* It is gone, with all that was counted of it. */
extern void forget_counters_at_commit(const char *consumer);

/* For the callbacks at the end of a transaction, and of a part of one. */
extern bool has_pending_counts(void);
extern void apply_pending_counts(void);
extern void prepare_pending_counts(void);
extern void drop_pending_counts(void);
extern void hand_pending_counts_on(SubTransactionId from, SubTransactionId to);
extern void drop_pending_counts_of(SubTransactionId part);

#endif
