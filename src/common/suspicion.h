/*
 * suspicion.h
 *		Whose fault failures are: of messages, or of the consumer.
 *
 * Now and then a message fails; that is its own fault.  When as many different
 * keys as SUSPICIOUS_KEYS fail in a row for one and the same reason, the reason
 * lies with the consumer: a dropped column must not make a hundred thousand
 * dead letters.  One key that fails again and again proves nothing of others.
 */
#ifndef SPARK_COMMON_SUSPICION_H
#define SPARK_COMMON_SUSPICION_H

#include "common/uuid.h"

#include <stdbool.h>

#define SUSPICIOUS_KEYS 20

typedef struct Suspicion
{
	int			reason;			/* of all the failures since the last success */
	int			count;
	Uuid		keys[SUSPICIOUS_KEYS];
} Suspicion;

/* A message of that key failed for that reason. */
extern void suspicion_note(Suspicion *suspicion, int reason, Uuid key);

/* True where it is the consumer that fails. */
extern bool suspicion_is_founded(const Suspicion *suspicion);

/* True where that failure is one more of the same kind, so no message's own. */
extern bool suspicion_explains(const Suspicion *suspicion, int reason);

/* A message succeeded: it was not the consumer. */
extern void suspicion_forget(Suspicion *suspicion);

#endif
