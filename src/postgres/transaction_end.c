/*
 * transaction_end.c
 *		What follows the end of a transaction, by one callback a backend.
 *
 * Each registration would stay, and cost, for ever: so there is one, and one for
 * parts of transactions.  After the commit nothing may fail.  It is called before
 * locks are let go.
 */
#include "postgres/transaction_end.h"

#include "postgres/bus/late_due.h"
#include "postgres/errors.h"
#include "postgres/counts/pending_counts.h"
#include "postgres/test_point.h"
#include "postgres/counts/traffic.h"
#include "postgres/workers/wakeup.h"

static void
on_commit(void)
{
	bool		wakes = transaction_wakes();

	if (wakes)
		COMMIT_POINT("committed");
	/* Who is woken by it finds it counted. */
	if (has_traffic() || has_pending_counts())
	{
		begin_change_of_counts();
		apply_traffic();
		apply_pending_counts();
		end_with_counts();
	}
	wake_wanted();
	if (wakes)
		COMMIT_POINT("woken");
}

static void
on_transaction_end(XactEvent event, void *argument)
{
	(void) argument;
	if (event == XACT_EVENT_PRE_COMMIT && transaction_wakes())
		COMMIT_POINT("commit");
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		tell_late_due(event == XACT_EVENT_COMMIT);
	if (event == XACT_EVENT_COMMIT)
		on_commit();
	if (event == XACT_EVENT_PRE_PREPARE)
		prepare_traffic();
	if (event == XACT_EVENT_PREPARE)
		prepare_pending_counts();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		forget_late_due();
		drop_traffic();
		drop_pending_counts();
		forget_wanted();
		show_statement_in_errors();
	}
}

static void
on_part_end(SubXactEvent event, SubTransactionId part, SubTransactionId parent, void *argument)
{
	(void) argument;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		hand_traffic_on(part, parent);
		hand_pending_counts_on(part, parent);
	}
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		drop_traffic_of(part);
		drop_pending_counts_of(part);
		late_due_part_undone();
	}
}

void
watch_transaction_end(void)
{
	static bool is_watched;

	if (is_watched)
		return;
	is_watched = true;
	RegisterXactCallback(on_transaction_end, NULL);
	RegisterSubXactCallback(on_part_end, NULL);
}
