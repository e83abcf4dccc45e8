/*
 * kept_off.h
 *		What tells an operator how things are must not hang on what is wrong.
 */
#ifndef SPARK_POSTGRES_OPERATORS_KEPT_OFF_H
#define SPARK_POSTGRES_OPERATORS_KEPT_OFF_H

#include "postgres/server.h"

#include "postgres/transaction.h"

/*
 * Runs act in a subtransaction that waits for each lock for a moment only, or for
 * as long as the lock_timeout of the session says, where it has one.  NULL:
 * it is done.  Else it is undone, as it did not get one, and this says of whom:
 * "cannot be read: process 4711 holds a lock on spark_common.retry".  Any other
 * error is thrown.
 */
extern const char *kept_off(Act act, void *argument);

#endif
