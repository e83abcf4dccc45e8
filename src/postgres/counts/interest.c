/*
 * interest.c
 *		Message types as bits: who listens to what was emitted.
 */
#include "postgres/counts/interest.h"

#include "common/hashfn.h"

void
interest_add(Interest *interest, const char *message_type)
{
	uint32		hash = DatumGetUInt32(hash_any((const unsigned char *) message_type, (int) strlen(message_type)));

	interest->bits[hash / 64 % lengthof(interest->bits)] |= UINT64CONST(1) << (hash % 64);
}

void
interest_add_all(Interest *interest)
{
	memset(interest, 0xff, sizeof(*interest));
}

bool
interests_meet(const Interest *one, const Interest *other)
{
	for (size_t i = 0; i < lengthof(one->bits); i++)
		if ((one->bits[i] & other->bits[i]) != 0)
			return true;
	return false;
}
