/*
 * precedence.h
 *		Who does without a worker slot where the Lightning worker has none.
 *
 * A dispatcher stands in for whoever has no worker of its own.  For the Lightning
 * worker nobody does: where it has ended, and another worker of the server was
 * quicker to take its slot, those that can be done without leave theirs, and come
 * back when it has one.
 */
#ifndef SPARK_POSTGRES_WORKERS_PRECEDENCE_H
#define SPARK_POSTGRES_WORKERS_PRECEDENCE_H

#include "postgres/server.h"

/* In a first dispatcher, about its own database, whose workers hear of it at once. */
extern void note_lightning_lacks_slot(bool lacks);

/* That of any database; true: start nobody who can be done without, and end if you are one. */
extern bool lightning_lacks_slot(void);

#endif
