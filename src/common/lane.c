/*
 * lane.c
 *		Which lane of the log a message goes through.
 */
#include "common/lane.h"

#include <stdint.h>

bool
is_lane_count(int lanes)
{
	return lanes >= 1 && lanes <= MAX_LANES && (lanes & (lanes - 1)) == 0;
}

/*
 * FNV-1a over the bytes in their order, whatever the machine's; its upper half
 * is folded in, as the low bits alone are the weakest of it.
 */
int
lane_of(Uuid key, int lanes)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < 16; i++)
	{
		hash ^= key.bytes[i];
		hash *= UINT64_C(0x100000001b3);
	}
	hash ^= hash >> 32;
	return (int) (hash & (uint64_t) (lanes - 1));
}
