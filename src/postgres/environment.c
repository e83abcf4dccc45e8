/*
 * environment.c
 *		The server behind the ports of common/: memory, time, ids.
 */
#include "postgres/environment.h"

#include "postgres/bus/outbox.h"

#include "datatype/timestamp.h"

#define EPOCH_DIFFERENCE \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct ContextArena
{
	Arena		arena;
	MemoryContext context;
} ContextArena;

static void *
context_allocate(Arena *arena, size_t size)
{
	return MemoryContextAllocZero(((ContextArena *) arena)->context, size);
}

Arena *
context_arena(MemoryContext context)
{
	ContextArena *self = MemoryContextAllocZero(context, sizeof(ContextArena));

	self->arena.allocate = context_allocate;
	self->context = context;
	return &self->arena;
}

/* Beyond what it can hold it is the last one; and none is a time, 1970 neither. */
Instant
instant_from_timestamp(TimestampTz timestamp)
{
	if (timestamp > PG_INT64_MAX - EPOCH_DIFFERENCE)
		return (Instant) {PG_INT64_MAX};
	return (Instant) {timestamp == -EPOCH_DIFFERENCE ? 1 : timestamp + EPOCH_DIFFERENCE};
}

TimestampTz
timestamp_from_instant(Instant instant)
{
	return instant.microseconds - EPOCH_DIFFERENCE;
}

Instant
server_time(void)
{
	return instant_from_timestamp(GetCurrentTimestamp());
}

Datum
uuid_datum(Uuid uuid)
{
	pg_uuid_t  *copy = palloc(sizeof(pg_uuid_t));

	memcpy(copy->data, uuid.bytes, UUID_LEN);
	return UUIDPGetDatum(copy);
}

Uuid
uuid_of_datum(Datum datum)
{
	Uuid		uuid;

	memcpy(uuid.bytes, DatumGetUUIDP(datum)->data, UUID_LEN);
	return uuid;
}

static Instant
server_now(Clock *clock)
{
	(void) clock;
	return server_time();
}

static Uuid
random_id(IdSource *ids)
{
	uint8_t		random[10];

	(void) ids;
	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes for an id")));
	return uuid_v7(server_time().microseconds / 1000, random);
}

const Ports *
server_ports(void)
{
	static Clock clock = {server_now};
	static IdSource ids = {random_id};
	static Ports ports;

	ports = (Ports) {.clock = &clock, .ids = &ids, .outbox = outbox_log()};
	return &ports;
}
