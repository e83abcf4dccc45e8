/*
 * brief_lock.c
 *		A lock of a table that is waited for, but not for long.
 */
#include "postgres/brief_lock.h"

#include "postgres/transaction.h"

#include "storage/lmgr.h"

typedef struct BriefLock
{
	Oid			table;
	LOCKMODE	mode;
	const char *timeout;
} BriefLock;

static void
take(void *argument)
{
	const BriefLock *lock = argument;

	(void) set_config_option("lock_timeout", lock->timeout, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	LockRelationOid(lock->table, lock->mode);
}

bool
lock_briefly(Oid table, LOCKMODE mode, int milliseconds)
{
	BriefLock	lock = {table, mode, psprintf("%dms", milliseconds)};
	int			level = NewGUCNestLevel();
	ErrorData  *error = try_in_subtransaction(take, &lock);

	AtEOXact_GUC(true, level);
	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return error == NULL;
}
