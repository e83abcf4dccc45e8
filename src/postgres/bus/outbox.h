/*
 * outbox.h
 *		The outbox: an insert-only log, written in the transaction of the state.
 */
#ifndef SPARK_POSTGRES_BUS_OUTBOX_H
#define SPARK_POSTGRES_BUS_OUTBOX_H

#include "postgres/server.h"

#include "common/unit_of_work.h"

/* The port behind which the log stands. */
extern Outbox *outbox_log(void);

/* The same for one message whose payload is jsonb already, where the tables are current. */
extern void outbox_append(const Message *message, Datum payload);

#endif
