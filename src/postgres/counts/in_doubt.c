/*
 * in_doubt.c
 *		What prepared transactions will have emitted, if they commit, and from when
 *		on they leave something that is due.
 *
 * One list in shared memory, guarded by the lock of who reads the counts.  An
 * entry holds a few emissions; a transaction that needs more of them takes further
 * entries.  There is one for each transaction that can be prepared, or about to
 * be, so no transaction is without; further ones are taken while they last, and
 * then it is only known that there was more: should it commit, all of its
 * database is counted anew.
 *
 * Who ends first is found by the server's own books, which are in memory mostly:
 * nobody has to be asked, or woken, at the end of a prepared transaction.
 */
#include "postgres/counts/in_doubt.h"

#include "postgres/bus/late_due.h"
#include "postgres/counts/counters.h"
#include "postgres/counts/database_place.h"
#include "postgres/counts/traffic.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/xid8.h"

#define EMISSIONS 16			/* of an entry */
#define FURTHER_ENTRIES 256		/* of all transactions together */

typedef struct Doubt
{
	uint64		transaction;
	Oid			database;
	bool		is_further;		/* of a transaction that has an entry already */
	bool		has_more;		/* than could be kept */
	int			place;			/* of its database */
	Instant		due;			/* of what it delays, or takes back; none: neither */
	int			count;
	Emission	emissions[EMISSIONS];
} Doubt;

typedef struct Shared
{
	pg_atomic_uint64 unknown_ends;
	pg_atomic_uint32 count;		/* read by all, to find out whether there is something to do */
	int			further;		/* of them */
	Doubt		doubts[FLEXIBLE_ARRAY_MEMBER];
} Shared;

static Shared *shared;

/* Of transactions: those that are prepared, and one each session that is about to be. */
static int
most_transactions(void)
{
	return max_prepared_xacts + MaxBackends;
}

static Size
shared_size(void)
{
	return offsetof(Shared, doubts) + (most_transactions() + FURTHER_ENTRIES) * sizeof(Doubt);
}

void
in_doubt_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(shared_size()));
}

void
in_doubt_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("spark in doubt", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		pg_atomic_init_u64(&shared->unknown_ends, 0);
		pg_atomic_init_u32(&shared->count, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

bool
something_is_in_doubt(void)
{
	return shared != NULL && pg_atomic_read_u32(&shared->count) > 0;
}

uint64
unknown_ends(void)
{
	return shared != NULL ? pg_atomic_read_u64(&shared->unknown_ends) : 0;
}

/* Also those that are just made, and are not in their slots yet. */
void
all_counts_become_unknown(Oid database)
{
	pg_atomic_fetch_add_u64(&shared->unknown_ends, 1);
	with_all_counter_slots(database, counts_become_unknown);
}

/* ---------------------------------------------------------------- settling */

typedef enum Outcome
{
	STILL_OPEN,
	HAS_COMMITTED,
	HAS_NOT						/* or nobody knows any more */
} Outcome;

static Outcome
outcome_of(uint64 transaction)
{
	LOCAL_FCINFO(call, 1);
	FmgrInfo	function;
	Datum		status;
	char	   *word;

	fmgr_info(F_PG_XACT_STATUS, &function);
	InitFunctionCallInfoData(*call, &function, 1, InvalidOid, NULL, NULL);
	call->args[0].value = FullTransactionIdGetDatum(FullTransactionIdFromU64(transaction));
	call->args[0].isnull = false;
	status = FunctionCallInvoke(call);
	if (call->isnull)
		return HAS_NOT;
	word = TextDatumGetCString(status);
	return strcmp(word, "in progress") == 0 ? STILL_OPEN : strcmp(word, "committed") == 0 ? HAS_COMMITTED : HAS_NOT;
}

static void
count_emissions(const Doubt *doubt)
{
	for (int i = 0; i < doubt->count; i++)
		traffic_add(&doubt->emissions[i]);
	if (doubt->has_more)
		all_counts_become_unknown(doubt->database);
}

/* All entries of it at once, as it has ended for all of them or for none. */
static void
settle(uint64 transaction, bool has_committed)
{
	int			count = (int) pg_atomic_read_u32(&shared->count);

	for (int i = 0; i < count; i++)
	{
		Doubt	   *doubt = &shared->doubts[i];

		if (doubt->transaction != transaction)
			continue;
		if (has_committed)
			count_emissions(doubt);
		tell_late_due_of(doubt->place, doubt->due);
		doubt->transaction = 0;
	}
}

static void
close_gaps(void)
{
	int			count = (int) pg_atomic_read_u32(&shared->count);
	int			kept = 0;

	shared->further = 0;
	for (int i = 0; i < count; i++)
	{
		if (shared->doubts[i].transaction == 0)
			continue;
		shared->further += shared->doubts[i].is_further;
		if (kept != i)
			shared->doubts[kept] = shared->doubts[i];
		kept++;
	}
	pg_atomic_write_u32(&shared->count, (uint32) kept);
}

void
settle_doubts(void)
{
	int			count = shared != NULL ? (int) pg_atomic_read_u32(&shared->count) : 0;
	bool		found = false;

	for (int i = 0; i < count; i++)
	{
		const Doubt *doubt = &shared->doubts[i];
		Outcome		outcome;

		if (doubt->transaction == 0 || doubt->is_further)
			continue;
		outcome = outcome_of(doubt->transaction);
		if (outcome == STILL_OPEN)
			continue;
		settle(doubt->transaction, outcome == HAS_COMMITTED);
		found = true;
	}
	if (found)
		close_gaps();
}

/* ------------------------------------------------------------------ noting */

static bool
is_noted(uint64 transaction)
{
	int			count = (int) pg_atomic_read_u32(&shared->count);

	for (int i = 0; i < count; i++)
		if (shared->doubts[i].transaction == transaction)
			return true;
	return false;
}

bool
is_in_doubt(uint64 transaction)
{
	bool		found = false;

	if (!something_is_in_doubt())
		return false;
	begin_reading_counts();
	found = is_noted(transaction);
	end_with_counts();
	return found;
}

/* NULL: there is none left. */
static Doubt *
new_entry(uint64 transaction, bool is_further)
{
	int			count = (int) pg_atomic_read_u32(&shared->count);
	int			taken = is_further ? shared->further : count - shared->further;
	Doubt	   *doubt = &shared->doubts[count];

	if (taken >= (is_further ? FURTHER_ENTRIES : most_transactions()))
		return NULL;
	*doubt = (Doubt) {.transaction = transaction, .database = MyDatabaseId, .place = database_place(), .is_further = is_further};
	shared->further += is_further;
	pg_atomic_write_u32(&shared->count, (uint32) count + 1);
	return doubt;
}

static void
add_emissions(uint64 transaction, const Emission *emissions, int count, Instant due)
{
	Doubt	   *doubt = new_entry(transaction, false);

	if (doubt == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("there are more prepared transactions than can be")));
	doubt->due = due;
	for (int i = 0; i < count; i++)
	{
		Doubt	   *further = doubt->count < EMISSIONS ? doubt : new_entry(transaction, true);

		if (further == NULL)
		{
			doubt->has_more = true;
			break;
		}
		doubt = further;
		doubt->emissions[doubt->count++] = emissions[i];
	}
}

/*
 * One that has ended already is nobody's concern: who looks from now on sees what
 * it has emitted, or that there is nothing.
 */
void
note_in_doubt(uint64 transaction, const Emission *emissions, int count, Instant due)
{
	if (shared == NULL || max_prepared_xacts == 0)
		return;
	begin_reading_counts();
	settle_doubts();
	if (!is_noted(transaction) && outcome_of(transaction) == STILL_OPEN)
		add_emissions(transaction, emissions, count, due);
	end_with_counts();
}
