/*
 * node_json.c
 *		What a node says in JSON, read strictly.
 */
#include "lightning/node_json.h"

#include "common/hex.h"
#include "lightning/base64.h"

#include <ctype.h>
#include <string.h>

/* Three bytes may stand for an object, which takes hundreds of memory: no honest page has so many values. */
static bool
has_too_many_values(const HttpReply *reply)
{
	size_t		count = 0;

	for (size_t i = 0; i < reply->length; i++)
		count += reply->body[i] == ',' || reply->body[i] == '{' || reply->body[i] == '[';
	return count > NODE_MOST_VALUES;
}

json_t *
node_json_parse(const HttpReply *reply)
{
	json_t	   *parsed = NULL;

	if (!has_too_many_values(reply))
		parsed = json_loadb(reply->body, reply->length, JSON_REJECT_DUPLICATES, NULL);
	if (parsed == NULL || json_is_object(parsed))
		return parsed;
	json_decref(parsed);
	return NULL;
}

const json_t *
node_json_object(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);

	return json_is_object(member) ? member : NULL;
}

const char *
node_json_peek(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);

	return json_is_string(member) && json_string_length(member) <= NODE_MOST_TEXT ? json_string_value(member) : NULL;
}

const char *
node_json_text(Arena *arena, const json_t *object, const char *name)
{
	return arena_text(arena, node_json_peek(object, name));
}

bool
node_json_is(const json_t *object, const char *name, const char *text)
{
	const char *found = node_json_peek(object, name);

	return found != NULL && strcmp(found, text) == 0;
}

/* Digits alone, as many as fit. */
static bool
integer_of(const char *text, int64_t *value)
{
	bool		is_negative = text[0] == '-';
	uint64_t	number = 0;
	uint64_t	most = is_negative ? (uint64_t) INT64_MAX + 1 : (uint64_t) INT64_MAX;
	const char *digit = is_negative ? text + 1 : text;

	if (*digit == '\0')
		return false;
	for (; *digit != '\0'; digit++)
	{
		uint64_t	next = (uint64_t) (*digit - '0');

		if (!isdigit((unsigned char) *digit) || number > (most - next) / 10)
			return false;
		number = number * 10 + next;
	}
	/* The least of all has no positive twin. */
	*value = !is_negative ? (int64_t) number : number == 0 ? 0 : -(int64_t) (number - 1) - 1;
	return true;
}

bool
node_json_integer(const json_t *object, const char *name, int64_t *value)
{
	const json_t *member = json_object_get(object, name);

	if (json_is_integer(member))
	{
		*value = json_integer_value(member);
		return true;
	}
	return json_is_string(member) && json_string_length(member) <= 20 && integer_of(json_string_value(member), value);
}

bool
node_json_msat(const json_t *object, const char *name, Amount *amount)
{
	return node_json_integer(object, name, &amount->msat);
}

bool
node_json_bool(const json_t *object, const char *name, bool *value)
{
	const json_t *member = json_object_get(object, name);

	*value = json_is_true(member);
	return json_is_boolean(member);
}

bool
node_json_hex32(const json_t *object, const char *name, Bytes32 *value)
{
	const char *text = node_json_peek(object, name);
	char		lower[2 * sizeof(value->bytes)];

	if (text == NULL || strlen(text) != sizeof(lower))
		return false;
	for (size_t i = 0; i < sizeof(lower); i++)
		lower[i] = (char) tolower((unsigned char) text[i]);
	return hex_parse(lower, sizeof(lower), value->bytes, sizeof(value->bytes));
}

bool
node_json_base64_32(const json_t *object, const char *name, Bytes32 *value)
{
	const char *text = node_json_peek(object, name);

	return text != NULL && base64_parse(text, value->bytes, sizeof(value->bytes));
}

/* An instant beyond what int64 holds is none. */
static Instant
instant_of(const json_t *object, const char *name, int64_t multiplied_by, int64_t divided_by)
{
	int64_t		number;

	if (!node_json_integer(object, name, &number) || number <= 0 || number > INT64_MAX / multiplied_by)
		return INSTANT_NONE;
	return (Instant) {number * multiplied_by / divided_by};
}

Instant
node_json_seconds(const json_t *object, const char *name)
{
	return instant_of(object, name, MICROSECONDS_PER_SECOND, 1);
}

Instant
node_json_nanoseconds(const json_t *object, const char *name)
{
	return instant_of(object, name, 1, 1000);
}
