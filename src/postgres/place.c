/*
 * place.c
 *		Whose turn it is with a consumer's messages.
 */
#include "postgres/place.h"

#include "common/hashfn.h"
#include "storage/lock.h"

#define LANE 0

void
take_place(const char *consumer)
{
	LOCKTAG		tag;
	uint32		hash = DatumGetUInt32(hash_any((const unsigned char *) consumer, (int) strlen(consumer)));

	/* The fourth field keeps clear of the advisory locks of users, which have 1 and 2. */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, hash, LANE, 3);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}
