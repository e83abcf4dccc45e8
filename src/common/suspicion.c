/*
 * suspicion.c
 *		Whose fault failures are: of messages, or of the consumer.
 */
#include "common/suspicion.h"

void
suspicion_note(Suspicion *suspicion, int reason, Uuid key)
{
	if (suspicion->reason != reason)
	{
		suspicion->reason = reason;
		suspicion->count = 0;
	}
	for (int i = 0; i < suspicion->count; i++)
		if (uuid_equal(suspicion->keys[i], key))
			return;
	if (suspicion->count < SUSPICIOUS_KEYS)
		suspicion->keys[suspicion->count++] = key;
}

bool
suspicion_is_founded(const Suspicion *suspicion)
{
	return suspicion->count == SUSPICIOUS_KEYS;
}

bool
suspicion_explains(const Suspicion *suspicion, int reason)
{
	return suspicion_is_founded(suspicion) && suspicion->reason == reason;
}

void
suspicion_forget(Suspicion *suspicion)
{
	suspicion->count = 0;
}
