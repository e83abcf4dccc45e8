/*
 * wishes.c
 *		Sessions that want the Lightning worker to look at the node now.
 *
 * Wishes are counted in the worker's slot: how many there were, and how many of
 * them are fulfilled.  They go with the worker, so who waits looks whether it is
 * still the one that was asked.
 */
#include "postgres/workers/wishes.h"

#include "postgres/workers/worker_slots.h"

/* The slot of this database's Lightning worker, pid 0: any; with the slots taken. */
static WorkerSlot *
lightning_slot(WorkerSlot *slots, int count, int pid)
{
	for (int i = 0; i < count; i++)
		if (slots[i].used && slots[i].kind == WORKER_LIGHTNING && slots[i].database == MyDatabaseId &&
			(pid == 0 || slots[i].pid == pid))
			return &slots[i];
	return NULL;
}

int
ask_lightning(int64 *wish)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	WorkerSlot *slot = lightning_slot(slots, count, 0);
	Latch	   *latch = NULL;
	int			pid = 0;

	if (slot != NULL)
	{
		*wish = ++slot->wishes;
		slot->woken = Max(slot->woken, WOKEN_FOR_WORK);
		pid = slot->pid;
		latch = slot->latch;
	}
	if (count > 0)
		let_worker_slots_go();
	if (latch != NULL)
		SetLatch(latch);
	return pid;
}

int64
last_wish(void)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	const WorkerSlot *slot = lightning_slot(slots, count, MyProcPid);
	int64		wish = slot != NULL ? slot->wishes : 0;

	if (count > 0)
		let_worker_slots_go();
	return wish;
}

void
fulfil_wishes(int64 wish)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	WorkerSlot *slot = lightning_slot(slots, count, MyProcPid);

	if (slot != NULL)
		slot->fulfilled = Max(slot->fulfilled, wish);
	if (count > 0)
		let_worker_slots_go();
}

bool
wish_is_fulfilled(int pid, int64 wish, bool *is_there)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	const WorkerSlot *slot = lightning_slot(slots, count, pid);
	bool		is_fulfilled = slot != NULL && slot->fulfilled >= wish;

	*is_there = slot != NULL;
	if (count > 0)
		let_worker_slots_go();
	return is_fulfilled;
}
