/*
 * brief_lock.h
 *		A lock of a table that is waited for, but not for long.
 *
 * Who waits for a strong lock keeps everybody who comes later waiting behind
 * him, so that one open transaction can stop all.  Who does not wait at all may
 * never find the table free.
 */
#ifndef SPARK_POSTGRES_BRIEF_LOCK_H
#define SPARK_POSTGRES_BRIEF_LOCK_H

#include "postgres/server.h"

#include "storage/lockdefs.h"

/* True where the lock was had in time; it is kept to the end of the transaction. */
extern bool lock_briefly(Oid table, LOCKMODE mode, int milliseconds);

#endif
