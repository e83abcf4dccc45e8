/*
 * prepared_before.h
 *		What transactions have emitted that were prepared before the server's start.
 */
#ifndef SPARK_POSTGRES_COUNTS_PREPARED_BEFORE_H
#define SPARK_POSTGRES_COUNTS_PREPARED_BEFORE_H

#include "postgres/server.h"

/* Notes each that is prepared in this database and is not noted yet (in_doubt.h). */
extern void note_prepared_before(void);

#endif
