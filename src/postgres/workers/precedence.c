/*
 * precedence.c
 *		Who does without a worker slot where the Lightning worker has none.
 *
 * It is noted in the slot of the dispatcher that keeps the Lightning worker, so
 * it is forgotten when that one ends.
 */
#include "postgres/workers/precedence.h"

#include "postgres/workers/wakeup.h"
#include "postgres/workers/worker_slots.h"

void
note_lightning_lacks_slot(bool lacks)
{
	WorkerSlot *slots;
	bool		lacked;

	if (my_worker_slot() == NULL)
		return;
	(void) take_worker_slots(&slots);
	lacked = my_worker_slot()->lightning_lacks_slot;
	my_worker_slot()->lightning_lacks_slot = lacks;
	let_worker_slots_go();
	if (lacks && !lacked)
		wake_worker(WORKER_CONSUMER);
}

bool
lightning_lacks_slot(void)
{
	WorkerSlot *slots;
	int			count = take_worker_slots(&slots);
	bool		lacks = false;

	for (int i = 0; i < count; i++)
		lacks = lacks || (slots[i].used && slots[i].lightning_lacks_slot);
	if (count > 0)
		let_worker_slots_go();
	return lacks;
}
