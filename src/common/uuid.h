/*
 * uuid.h
 *		Ids: 16 bytes, version 7 (RFC 9562), made by the writer.
 *
 * Version 7 begins with the millisecond of its making, so ids made later sort
 * later, about.  Nothing rests on that order but the locality of indexes.
 */
#ifndef SPARK_COMMON_UUID_H
#define SPARK_COMMON_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Uuid
{
	uint8_t		bytes[16];
} Uuid;

#define UUID_TEXT_LENGTH 36
#define UUID_NIL ((Uuid) {{0}})

/*
 * A version 7 id of that Unix millisecond.  random: 10 bytes from a
 * cryptographic source, of which 74 bits are used.
 */
extern Uuid uuid_v7(int64_t unix_milliseconds, const uint8_t random[10]);

/* Reads the 36 characters of the usual form, either case; false if it is not one. */
extern bool uuid_parse(const char *text, size_t length, Uuid *uuid);

/* Writes 36 lower-case characters and a NUL. */
extern void uuid_format(Uuid uuid, char text[UUID_TEXT_LENGTH + 1]);

extern int	uuid_compare(Uuid a, Uuid b);
extern bool uuid_equal(Uuid a, Uuid b);
extern bool uuid_is_nil(Uuid uuid);

#endif
