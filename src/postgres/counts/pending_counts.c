/*
 * pending_counts.c
 *		Changes of what is counted in shared memory, which come true at commit.
 *
 * They are kept in this backend, in the order in which they were made, each with
 * the part of the transaction that made it.  What is applied at the commit is
 * applied before locks are let go: whoever has got the place of a consumer finds
 * all counted that was done with the place before.
 *
 * A prepared transaction ends in another process, which knows nothing of this.
 * What it changes of consumers is unknown from then on; as it keeps their places,
 * they are counted anew only once it has ended.
 */
#include "postgres/counts/pending_counts.h"

#include "postgres/environment.h"
#include "postgres/counts/in_doubt.h"
#include "postgres/transaction_end.h"

#define KEPT 64					/* entries whose memory outlives a transaction */

typedef enum PendingAct
{
	PENDING_HANDLED,
	PENDING_WAITING_IS,
	PENDING_WAITING_GROWS,
	PENDING_STOPPED,
	PENDING_UNKNOWN,
	PENDING_ALL_UNKNOWN,
	PENDING_GONE
} PendingAct;

typedef struct PendingCount
{
	SubTransactionId made_by;
	PendingAct	act;
	uint64		consumer;
	int			lane;
	WaitingCount waiting;
	int64		handled;
	const HandlerTimes *times;	/* of that, in memory of the transaction */
	const char *stopped;		/* there as well, clipped */
} PendingCount;

static PendingCount *pending;
static int	pending_count;
static int	capacity;

static PendingCount *
add_pending(PendingAct act, uint64 consumer, int lane)
{
	PendingCount *entry;

	watch_transaction_end();
	if (pending_count == capacity)
	{
		int			more = Max(KEPT, 2 * capacity);

		pending = pending == NULL ? MemoryContextAlloc(TopMemoryContext, more * sizeof(PendingCount))
			: repalloc(pending, more * sizeof(PendingCount));
		capacity = more;
	}
	entry = &pending[pending_count++];
	*entry = (PendingCount) {.made_by = GetCurrentSubTransactionId(), .act = act, .consumer = consumer, .lane = lane};
	return entry;
}

void
handled_at_commit(uint64 consumer, int lane, int64 handled, const HandlerTimes *times)
{
	HandlerTimes *copy = MemoryContextAlloc(TopTransactionContext, sizeof(HandlerTimes));
	PendingCount *entry = add_pending(PENDING_HANDLED, consumer, lane);

	*copy = *times;
	entry->handled = handled;
	entry->times = copy;
}

void
waiting_is_at_commit(uint64 consumer, int lane, const WaitingCount *count)
{
	add_pending(PENDING_WAITING_IS, consumer, lane)->waiting = *count;
}

void
waiting_grows_at_commit(uint64 consumer, int lane, const WaitingCount *by)
{
	add_pending(PENDING_WAITING_GROWS, consumer, lane)->waiting = *by;
}

void
consumer_is_stopped_at_commit(const char *consumer, const char *why)
{
	size_t		size = sizeof(((ConsumerCounters *) NULL)->stopped);
	char	   *clipped = MemoryContextAlloc(TopTransactionContext, size);

	copy_clipped(clipped, size, why != NULL ? why : "");
	add_pending(PENDING_STOPPED, consumer_key(consumer), 0)->stopped = clipped;
}

void
waiting_is_unknown_at_commit(const char *consumer)
{
	(void) add_pending(PENDING_UNKNOWN, consumer_key(consumer), 0);
}

void
all_waiting_is_unknown_at_commit(void)
{
	(void) add_pending(PENDING_ALL_UNKNOWN, 0, 0);
}

void
forget_counters_at_commit(const char *consumer)
{
	(void) add_pending(PENDING_GONE, consumer_key(consumer), 0);
}

/* ------------------------------------------------------ at the commit */

static void
make_unknown_of(uint64 consumer)
{
	CounterSlot *slot = take_counter_slot(consumer, false);

	if (slot == NULL)
		return;
	counts_become_unknown(slot);
	let_counter_slot_go();
}

static void
apply_waiting(const PendingCount *entry)
{
	uint64		ends = unknown_ends();
	CounterSlot *slot = take_counter_slot(entry->consumer, true);
	WaitingCount *count;

	if (slot == NULL)
		return;
	count = &slot->waiting[entry->lane];
	if (entry->act == PENDING_WAITING_IS)
	{
		*count = entry->waiting;
		if (count->unknown_ends != ends)
			count->table = InvalidOid;
	}
	else
	{
		count->passed += entry->waiting.passed;
		count->parked += entry->waiting.parked;
		count->dead += entry->waiting.dead;
		count->blocked += entry->waiting.blocked;
		if (instant_before(count->since, entry->waiting.since))
			count->since = entry->waiting.since;
	}
	let_counter_slot_go();
}

static void
apply_stopped(const PendingCount *entry)
{
	CounterSlot *slot = take_counter_slot(entry->consumer, true);

	if (slot == NULL)
		return;
	strcpy(slot->counters.stopped, entry->stopped);
	let_counter_slot_go();
}

static void
apply(const PendingCount *entry)
{
	switch (entry->act)
	{
		case PENDING_HANDLED:
			add_handled(entry->consumer, entry->lane, entry->handled, entry->times, server_time());
			break;
		case PENDING_WAITING_IS:
		case PENDING_WAITING_GROWS:
			apply_waiting(entry);
			break;
		case PENDING_STOPPED:
			apply_stopped(entry);
			break;
		case PENDING_UNKNOWN:
			make_unknown_of(entry->consumer);
			break;
		case PENDING_ALL_UNKNOWN:
			with_all_counter_slots(MyDatabaseId, counts_become_unknown);
			break;
		case PENDING_GONE:
			give_counter_slot_up(entry->consumer);
			break;
	}
}

bool
has_pending_counts(void)
{
	return pending_count > 0;
}

void
apply_pending_counts(void)
{
	for (int i = 0; i < pending_count; i++)
		apply(&pending[i]);
}

/* It ends elsewhere: whatever it has to do with a consumer, unknown is true until it is counted. */
void
prepare_pending_counts(void)
{
	for (int i = 0; i < pending_count; i++)
		switch (pending[i].act)
		{
			case PENDING_HANDLED:
				break;
			case PENDING_WAITING_IS:
			case PENDING_WAITING_GROWS:
			case PENDING_STOPPED:
			case PENDING_UNKNOWN:
			case PENDING_GONE:
				make_unknown_of(pending[i].consumer);
				break;
			case PENDING_ALL_UNKNOWN:
				with_all_counter_slots(MyDatabaseId, counts_become_unknown);
				break;
		}
}

void
drop_pending_counts(void)
{
	pending_count = 0;
	if (capacity > KEPT)
	{
		pfree(pending);
		pending = NULL;
		capacity = 0;
	}
}

/* ------------------------------------------------ parts of a transaction */

void
hand_pending_counts_on(SubTransactionId from, SubTransactionId to)
{
	for (int i = pending_count - 1; i >= 0 && pending[i].made_by == from; i--)
		pending[i].made_by = to;
}

void
drop_pending_counts_of(SubTransactionId part)
{
	while (pending_count > 0 && pending[pending_count - 1].made_by == part)
		pending_count--;
}
