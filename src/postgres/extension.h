/*
 * extension.h
 *		The extension as the catalogue has it: its oid, and who owns it.
 *
 * Asked for each message and each transaction of a worker, so it is kept in
 * the backend.  The extension owns schemas: whatever makes or drops it, or
 * gives it to another owner, changes those, too, and then it is read anew.
 */
#ifndef SPARK_POSTGRES_EXTENSION_H
#define SPARK_POSTGRES_EXTENSION_H

#include "postgres/server.h"

/* Both InvalidOid where it is not created in this database. */
extern Oid	spark_extension(void);
extern Oid	spark_extension_owner(void);

#endif
