/*
 * json.h
 *		The JSON that spark writes and reads itself: payloads of messages and
 *		the parts of a token (RFC 8259).
 *
 * Reading is strict: whole input, no doubled names, no NUL in a text, UTF-8
 * checked, depth bounded.  Numbers are integers of int64 or are kept as
 * JSON_NUMBER_OTHER: no amount ever passes through a float.
 */
#ifndef SPARK_COMMON_JSON_H
#define SPARK_COMMON_JSON_H

#include "common/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 32

typedef enum JsonKind
{
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_INTEGER,				/* fits int64 */
	JSON_NUMBER_OTHER,			/* fraction, exponent, or beyond int64 */
	JSON_TEXT,
	JSON_ARRAY,
	JSON_OBJECT
} JsonKind;

typedef struct JsonValue JsonValue;

struct JsonValue
{
	JsonKind	kind;
	int64_t		integer;
	const char *text;			/* NUL-terminated, escapes resolved */
	const char *name;			/* in an object: its name there */
	JsonValue  *first;			/* of an array or object: the first member */
	JsonValue  *next;			/* the next member of the same parent */
};

/* NULL where the input is not exactly one JSON value by the rules above. */
extern JsonValue *json_parse(Arena *arena, const char *input, size_t length);

/* The member of that name; NULL where object is no object or has none. */
extern const JsonValue *json_member(const JsonValue *object, const char *name);

/* True where the bytes are well-formed UTF-8 (RFC 3629) without NUL. */
extern bool utf8_is_valid(const char *text, size_t length);

/* The number of code points of well-formed UTF-8. */
extern size_t utf8_length(const char *text);

/*
 * Writes one object, member by member.  Begin, add, end; the text belongs to
 * the arena.  Text members must be UTF-8.
 */
typedef struct JsonWriter
{
	Arena	   *arena;
	char	   *buffer;
	size_t		length;
	size_t		capacity;
	bool		needs_comma;
} JsonWriter;

extern void json_begin(JsonWriter *writer, Arena *arena);
extern void json_add_text(JsonWriter *writer, const char *name, const char *value);
extern void json_add_integer(JsonWriter *writer, const char *name, int64_t value);
extern void json_add_bool(JsonWriter *writer, const char *name, bool value);
extern const char *json_end(JsonWriter *writer);

#endif
