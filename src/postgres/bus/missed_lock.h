/*
 * missed_lock.h
 *		Which lock was not given in time, and who holds it.
 *
 * For who waits with a lock_timeout (give_way.h, kept_off.h).
 */
#ifndef SPARK_POSTGRES_BUS_MISSED_LOCK_H
#define SPARK_POSTGRES_BUS_MISSED_LOCK_H

#include "postgres/server.h"

/* Once in a process, in a worker before signals come in: it takes note of the lock that it did not get. */
extern void note_locks_not_given(void);

extern void forget_missed_lock(void);

/* Since it was forgotten, one was not given. */
extern bool lock_was_missed(void);

/* "process 4711 holds a lock on spark_common.retry"; within a transaction. */
extern const char *words_for_missed_lock(void);

#endif
