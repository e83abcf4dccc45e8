/*
 * environment.h
 *		The server behind the ports of common/: memory, time, ids.
 */
#ifndef SPARK_POSTGRES_ENVIRONMENT_H
#define SPARK_POSTGRES_ENVIRONMENT_H

#include "postgres/server.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/unit_of_work.h"

/* An arena that is that memory context; it lives in the context itself. */
extern Arena *context_arena(MemoryContext context);

/*
 * The ports of every unit of work in this server: its clock (not now(), which
 * stands still in a transaction), random version 7 ids, the outbox log.
 */
extern const Ports *server_ports(void);

/* The time of this moment, as those ports tell it. */
extern Instant server_time(void);

/* An id as the server passes it, in the current memory context; and back. */
extern Datum uuid_datum(Uuid uuid);
extern Uuid uuid_of_datum(Datum datum);

/* Between PostgreSQL's timestamps (from 2000) and ours (from 1970). */
extern Instant instant_from_timestamp(TimestampTz timestamp);
extern TimestampTz timestamp_from_instant(Instant instant);

#endif
