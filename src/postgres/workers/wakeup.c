/*
 * wakeup.c
 *		Waking spark's workers.
 *
 * A latch alone is no message: each wait for a lock resets it, whatever it was
 * set for.  So a worker's slot remembers that it was woken, until it asks.
 *
 * What is wanted at the commit is kept in flags of this backend.  Waking must not
 * fail, so it only walks and sets latches.
 */
#include "postgres/workers/wakeup.h"

#include "postgres/transaction_end.h"

static struct
{
	bool		dispatchers;
	bool		listeners;
	Interest	emitted;		/* for whom, then */
	bool		lightning;
	bool		everything;
}			wanted;

void
wake_dispatchers_at_commit(void)
{
	watch_transaction_end();
	wanted.dispatchers = true;
}

void
wake_listeners_at_commit(const char *message_type)
{
	watch_transaction_end();
	wanted.listeners = true;
	interest_add(&wanted.emitted, message_type);
}

void
wake_lightning_at_commit(void)
{
	watch_transaction_end();
	wanted.lightning = true;
}

void
wake_everything_at_commit(void)
{
	watch_transaction_end();
	wanted.everything = true;
}

static bool
is_wanted(const WorkerSlot *slot, bool dispatchers, bool lightning, bool everything)
{
	if (!slot->used || slot->latch == NULL)
		return false;
	if (slot->kind == WORKER_LAUNCHER)
		return everything;
	if (slot->database != MyDatabaseId)
		return false;
	switch (slot->kind)
	{
		case WORKER_DISPATCHER:
		case WORKER_CONSUMER:
		case WORKER_CONTEXT:
			return dispatchers || everything || (wanted.listeners && interests_meet(&slot->interest, &wanted.emitted));
		case WORKER_LIGHTNING:
			return lightning || everything;
		case WORKER_LAUNCHER:
			return false;
	}
	return false;
}

static void
wake(bool dispatchers, bool lightning, bool everything)
{
	Latch	   *latches[MAX_WORKERS];
	WorkerSlot *slots;
	int			slot_count = take_worker_slots(&slots);
	int			count = 0;

	if (slot_count == 0)
		return;
	for (int i = 0; i < slot_count; i++)
		if (is_wanted(&slots[i], dispatchers, lightning, everything))
		{
			slots[i].woken = Max(slots[i].woken, everything ? WOKEN_ANEW : WOKEN_FOR_WORK);
			latches[count++] = slots[i].latch;
		}
	let_worker_slots_go();
	for (int i = 0; i < count; i++)
		SetLatch(latches[i]);
}

bool
transaction_wakes(void)
{
	return wanted.dispatchers || wanted.listeners || wanted.everything;
}

void
wake_wanted(void)
{
	if (wanted.dispatchers || wanted.listeners || wanted.lightning || wanted.everything)
		wake(wanted.dispatchers, wanted.lightning, wanted.everything);
}

void
forget_wanted(void)
{
	memset(&wanted, 0, sizeof(wanted));
}

void
wake_worker(WorkerKind kind)
{
	wake(kind == WORKER_DISPATCHER || kind == WORKER_CONSUMER || kind == WORKER_CONTEXT, kind == WORKER_LIGHTNING, false);
}

/* -------------------------------------------------------- from the worker */

void
note_interest(const Interest *interest)
{
	WorkerSlot *slots;

	if (my_worker_slot() == NULL)
		return;
	(void) take_worker_slots(&slots);
	my_worker_slot()->interest = *interest;
	let_worker_slots_go();
}

Woken
was_woken(void)
{
	WorkerSlot *slots;
	Woken		woken;

	if (my_worker_slot() == NULL)
		return WOKEN_NOT;
	(void) take_worker_slots(&slots);
	woken = my_worker_slot()->woken;
	my_worker_slot()->woken = WOKEN_NOT;
	let_worker_slots_go();
	return woken;
}
