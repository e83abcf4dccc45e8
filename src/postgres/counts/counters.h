/*
 * counters.h
 *		What spark_ops.bus_status() tells of each consumer, in shared memory.
 *
 * What has happened since the server's start stands in ConsumerCounters, what
 * waits in a WaitingCount a lane (see waiting.h).  It is absent where the library
 * is not preloaded, and for more consumers, or in more databases, than there is
 * room for: then nothing is counted.
 */
#ifndef SPARK_POSTGRES_COUNTS_COUNTERS_H
#define SPARK_POSTGRES_COUNTS_COUNTERS_H

#include "postgres/server.h"

#include "common/clock.h"
#include "common/lane.h"
#include "postgres/counts/handler_times.h"
#include "postgres/counts/recent.h"

typedef struct ConsumerCounters
{
	int64		handled[MAX_LANES];
	int64		batches[MAX_LANES];
	Recent		recent[MAX_LANES];	/* of handled */
	HandlerTimes times;
	int64		failed;
	char		last_error[256];
	char		paused[256];	/* why it waits, as was said last; empty: it does not */
	int			paused_by[MAX_LANES];	/* the process that has said so of a lane; 0: none */
	char		stopped[256];	/* who has paused it, or that it is detached; empty: nobody */
	bool		shared;			/* a user's without a worker of its own */
	char		in_the_way[256];	/* who keeps it from one lane, in which and when seen; empty: nobody */
	int			lane_of_it;
	Instant		seen_at;
} ConsumerCounters;

/* What waits for it in a lane, as it was counted and has changed since. */
typedef struct WaitingCount
{
	Oid			table;			/* spark_common.retry, when it was counted; InvalidOid: it was not */
	int64		passed;			/* of the messages that were counted as emitted */
	int64		parked;
	int64		dead;
	int64		blocked;		/* keys */
	Instant		since;			/* nothing in the log that waits is older */
	int64		idle_at;		/* emitted, when a look found nothing though something seemed to wait */
	Instant		checked_at;		/* when it was last compared with the tables */
	uint64		unknown_ends;	/* there were (in_doubt.h), when it was counted */
} WaitingCount;

extern void counters_shmem_request(void);
extern void counters_shmem_startup(void);

/* False where nothing is. */
extern bool is_counting(void);

/*
 * What one transaction changes is changed at once, for whoever reads all of it:
 * between the two, nobody reads, or nobody changes.
 */
extern void begin_change_of_counts(void);
extern void begin_reading_counts(void);
extern void end_with_counts(void);

/* A batch of it was committed, or a retry; within a transaction, once that is. */
extern void count_handled(const char *consumer, int lane, int64 handled, const HandlerTimes *times);
extern void add_handled(uint64 consumer, int lane, int64 handled, const HandlerTimes *times, Instant now);
extern void note_error(const char *consumer, const char *message);

/*
 * It waits, as it was found in that lane; a session, which does not look again,
 * says it as nobody.  It goes on in these lanes: all is well again where it waits in none.
 */
extern void note_paused(const char *consumer, int lane, int process, const char *why);
extern void note_goes_on(const char *consumer, const bool *lanes);

/* By whom, of each lane: not filled in where it is not said. */
extern bool is_said_to_pause(const char *consumer, int *by);
#define NOBODY (-1)

extern void note_in_the_way(const char *consumer, int lane, const char *who);	/* NULL: nobody any more */
extern void note_shared(const char *consumer, bool is_shared);
extern ConsumerCounters consumer_counters(const char *consumer);

/* It is gone, or its database is: another one may have the slot. */
extern void give_counter_slot_up(uint64 key);
extern void give_counter_slots_up(Oid database);

#define MAX_COUNTED 1024		/* consumers of all databases */
extern int	counter_slots_taken(void);

/*
 * The slot of a consumer of this database, under the lock, until it is let go:
 * for a moment, with nothing that can fail.  NULL: there is neither a slot nor a
 * lock to let go.
 */
typedef struct CounterSlot
{
	uint64		key;			/* 0: never used */
	Oid			database;		/* InvalidOid: given up */
	ConsumerCounters counters;
	WaitingCount waiting[MAX_LANES];
} CounterSlot;

extern uint64 consumer_key(const char *consumer);
extern void counts_become_unknown(CounterSlot *slot);
extern CounterSlot *take_counter_slot(uint64 key, bool make);
extern void let_counter_slot_go(void);

/* All of a database's, InvalidOid: of all, one after the other: act is called with the lock held. */
extern void with_all_counter_slots(Oid database, void (*act) (CounterSlot *slot));

/* Copies what fits, whole characters only. */
extern void copy_clipped(char *target, size_t size, const char *text);

#endif
