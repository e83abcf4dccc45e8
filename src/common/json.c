/*
 * json.c
 *		A strict reader and a small writer of JSON (RFC 8259).
 */
#include "common/json.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ UTF-8 */

/* Length of the well-formed sequence at text (at most left bytes), or 0. */
static size_t
utf8_sequence(const unsigned char *text, size_t left)
{
	unsigned char c = text[0];
	size_t		length;
	uint32_t	point;

	if (c < 0x80)
		return c == 0 ? 0 : 1;
	if (c >= 0xc2 && c <= 0xdf)
		length = 2, point = c & 0x1f;
	else if (c >= 0xe0 && c <= 0xef)
		length = 3, point = c & 0x0f;
	else if (c >= 0xf0 && c <= 0xf4)
		length = 4, point = c & 0x07;
	else
		return 0;
	if (length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
	{
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (length == 3 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff)))
		return 0;
	if (length == 4 && (point < 0x10000 || point > 0x10ffff))
		return 0;
	return length;
}

bool
utf8_is_valid(const char *text, size_t length)
{
	size_t		position = 0;

	while (position < length)
	{
		size_t		step = utf8_sequence((const unsigned char *) text + position, length - position);

		if (step == 0)
			return false;
		position += step;
	}
	return true;
}

size_t
utf8_length(const char *text)
{
	size_t		count = 0;

	for (; *text != '\0'; text++)
		if (((unsigned char) *text & 0xc0) != 0x80)
			count++;
	return count;
}

static size_t
utf8_encode(uint32_t point, char out[4])
{
	if (point < 0x80)
	{
		out[0] = (char) point;
		return 1;
	}
	if (point < 0x800)
	{
		out[0] = (char) (0xc0 | point >> 6);
		out[1] = (char) (0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000)
	{
		out[0] = (char) (0xe0 | point >> 12);
		out[1] = (char) (0x80 | (point >> 6 & 0x3f));
		out[2] = (char) (0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | point >> 18);
	out[1] = (char) (0x80 | (point >> 12 & 0x3f));
	out[2] = (char) (0x80 | (point >> 6 & 0x3f));
	out[3] = (char) (0x80 | (point & 0x3f));
	return 4;
}

/* ---------------------------------------------------------------- reading */

typedef struct Reader
{
	Arena	   *arena;
	const char *at;
	const char *end;
	int			depth;
} Reader;

static bool read_value(Reader *reader, JsonValue *value);

static void
skip_space(Reader *reader)
{
	while (reader->at < reader->end &&
		   (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r'))
		reader->at++;
}

static bool
accept(Reader *reader, char c)
{
	if (reader->at >= reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static bool
accept_word(Reader *reader, const char *word)
{
	size_t		length = strlen(word);

	if ((size_t) (reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
		return false;
	reader->at += length;
	return true;
}

static bool
read_hex4(Reader *reader, uint32_t *value)
{
	*value = 0;
	if (reader->end - reader->at < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		char		c = *reader->at++;
		uint32_t	digit;

		if (c >= '0' && c <= '9')
			digit = (uint32_t) (c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t) (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			digit = (uint32_t) (c - 'A' + 10);
		else
			return false;
		*value = *value << 4 | digit;
	}
	return true;
}

/* The code point of \uXXXX, of a surrogate pair too; NUL and halves refused. */
static bool
read_unicode_escape(Reader *reader, uint32_t *point)
{
	uint32_t	low;

	if (!read_hex4(reader, point) || *point == 0)
		return false;
	if (*point >= 0xdc00 && *point <= 0xdfff)
		return false;
	if (*point < 0xd800 || *point > 0xdbff)
		return true;
	if (!accept(reader, '\\') || !accept(reader, 'u') || !read_hex4(reader, &low))
		return false;
	if (low < 0xdc00 || low > 0xdfff)
		return false;
	*point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

static bool
read_escape(Reader *reader, char *to, size_t *written)
{
	static const char from[] = "\"\\/bfnrt";
	static const char into[] = "\"\\/\b\f\n\r\t";
	const char *known;
	uint32_t	point;

	if (reader->at >= reader->end || *reader->at == '\0')
		return false;
	if (*reader->at == 'u')
	{
		reader->at++;
		if (!read_unicode_escape(reader, &point))
			return false;
		*written = utf8_encode(point, to);
		return true;
	}
	known = strchr(from, *reader->at++);
	if (known == NULL)
		return false;
	*to = into[known - from];
	*written = 1;
	return true;
}

static bool
read_text(Reader *reader, const char **text)
{
	const char *scan;
	char	   *to;

	if (!accept(reader, '"'))
		return false;
	/* The decoded text is never longer than the encoded one. */
	for (scan = reader->at; scan < reader->end && *scan != '"'; scan++)
		if (*scan == '\\')
			scan++;
	if (scan >= reader->end)
		return false;
	to = arena_alloc(reader->arena, (size_t) (scan - reader->at) + 1);
	*text = to;
	while (reader->at < reader->end)
	{
		size_t		step;

		if (accept(reader, '"'))
		{
			*to = '\0';
			return true;
		}
		if (accept(reader, '\\'))
		{
			if (!read_escape(reader, to, &step))
				return false;
			to += step;
			continue;
		}
		step = utf8_sequence((const unsigned char *) reader->at, (size_t) (reader->end - reader->at));
		if (step == 0 || (unsigned char) *reader->at < 0x20)
			return false;
		memcpy(to, reader->at, step);
		to += step;
		reader->at += step;
	}
	return false;
}

static bool
read_digits(Reader *reader)
{
	const char *begin = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return reader->at > begin;
}

static bool
read_number(Reader *reader, JsonValue *value)
{
	bool		negative = accept(reader, '-');
	const char *digits = reader->at;
	bool		is_integer = true;
	int64_t		integer = 0;

	if (!read_digits(reader) || (*digits == '0' && reader->at - digits > 1))
		return false;
	for (const char *digit = digits; digit < reader->at; digit++)
		if (__builtin_mul_overflow(integer, 10, &integer) ||
			__builtin_sub_overflow(integer, *digit - '0', &integer))
			is_integer = false;
	if (!negative && is_integer && __builtin_sub_overflow(0, integer, &integer))
		is_integer = false;
	if (accept(reader, '.'))
	{
		is_integer = false;
		if (!read_digits(reader))
			return false;
	}
	if (accept(reader, 'e') || accept(reader, 'E'))
	{
		is_integer = false;
		if (!accept(reader, '+'))
			(void) accept(reader, '-');
		if (!read_digits(reader))
			return false;
	}
	value->kind = is_integer ? JSON_INTEGER : JSON_NUMBER_OTHER;
	value->integer = is_integer ? integer : 0;
	return true;
}

static bool
read_member(Reader *reader, JsonValue *parent, JsonValue ***tail)
{
	JsonValue  *member = ARENA_NEW(reader->arena, JsonValue);

	skip_space(reader);
	if (parent->kind == JSON_OBJECT)
	{
		if (!read_text(reader, &member->name) || json_member(parent, member->name) != NULL)
			return false;
		skip_space(reader);
		if (!accept(reader, ':'))
			return false;
	}
	if (!read_value(reader, member))
		return false;
	**tail = member;
	*tail = &member->next;
	return true;
}

static bool
read_members(Reader *reader, JsonValue *parent, char close)
{
	JsonValue **tail = &parent->first;

	reader->at++;
	if (++reader->depth > JSON_MAX_DEPTH)
		return false;
	skip_space(reader);
	if (!accept(reader, close))
	{
		do
		{
			if (!read_member(reader, parent, &tail))
				return false;
			skip_space(reader);
		} while (accept(reader, ','));
		if (!accept(reader, close))
			return false;
	}
	reader->depth--;
	return true;
}

static bool
read_value(Reader *reader, JsonValue *value)
{
	skip_space(reader);
	if (reader->at >= reader->end)
		return false;
	switch (*reader->at)
	{
		case '{':
			value->kind = JSON_OBJECT;
			return read_members(reader, value, '}');
		case '[':
			value->kind = JSON_ARRAY;
			return read_members(reader, value, ']');
		case '"':
			value->kind = JSON_TEXT;
			return read_text(reader, &value->text);
		case 't':
			value->kind = JSON_TRUE;
			return accept_word(reader, "true");
		case 'f':
			value->kind = JSON_FALSE;
			return accept_word(reader, "false");
		case 'n':
			value->kind = JSON_NULL;
			return accept_word(reader, "null");
		default:
			return read_number(reader, value);
	}
}

JsonValue *
json_parse(Arena *arena, const char *input, size_t length)
{
	Reader		reader = {.arena = arena, .at = input, .end = input + length};
	JsonValue  *value = ARENA_NEW(arena, JsonValue);

	if (!read_value(&reader, value))
		return NULL;
	skip_space(&reader);
	return reader.at == reader.end ? value : NULL;
}

const JsonValue *
json_member(const JsonValue *object, const char *name)
{
	if (object == NULL || object->kind != JSON_OBJECT)
		return NULL;
	for (const JsonValue *member = object->first; member != NULL; member = member->next)
		if (strcmp(member->name, name) == 0)
			return member;
	return NULL;
}

/* ---------------------------------------------------------------- writing */

static void
append(JsonWriter *writer, const char *bytes, size_t length)
{
	if (writer->length + length + 1 > writer->capacity)
	{
		size_t		capacity = (writer->length + length + 1) * 2;
		char	   *buffer = arena_alloc(writer->arena, capacity);

		if (writer->length > 0)
			memcpy(buffer, writer->buffer, writer->length);
		writer->buffer = buffer;
		writer->capacity = capacity;
	}
	memcpy(writer->buffer + writer->length, bytes, length);
	writer->length += length;
	writer->buffer[writer->length] = '\0';
}

static void
append_text(JsonWriter *writer, const char *text)
{
	append(writer, "\"", 1);
	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;
		char		escape[8];

		if (c == '"' || c == '\\')
		{
			escape[0] = '\\';
			escape[1] = (char) c;
			append(writer, escape, 2);
		}
		else if (c < 0x20)
		{
			(void) snprintf(escape, sizeof(escape), "\\u%04x", c);
			append(writer, escape, 6);
		}
		else
			append(writer, text, 1);
	}
	append(writer, "\"", 1);
}

static void
append_name(JsonWriter *writer, const char *name)
{
	if (writer->needs_comma)
		append(writer, ", ", 2);
	writer->needs_comma = true;
	append_text(writer, name);
	append(writer, ": ", 2);
}

void
json_begin(JsonWriter *writer, Arena *arena)
{
	*writer = (JsonWriter) {.arena = arena};
	append(writer, "{", 1);
}

void
json_add_text(JsonWriter *writer, const char *name, const char *value)
{
	append_name(writer, name);
	append_text(writer, value);
}

void
json_add_integer(JsonWriter *writer, const char *name, int64_t value)
{
	char		digits[24];
	int			length = snprintf(digits, sizeof(digits), "%lld", (long long) value);

	append_name(writer, name);
	append(writer, digits, (size_t) length);
}

void
json_add_bool(JsonWriter *writer, const char *name, bool value)
{
	append_name(writer, name);
	append(writer, value ? "true" : "false", value ? 4 : 5);
}

const char *
json_end(JsonWriter *writer)
{
	append(writer, "}", 1);
	return writer->buffer;
}
