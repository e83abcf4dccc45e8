/*
 * base64.c
 *		Bytes as base64 (RFC 4648), and back.
 */
#include "lightning/base64.h"

#include <string.h>

static const char usual[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_addresses[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char *
write_text(Arena *arena, const uint8_t *bytes, size_t count, const char *letters)
{
	char	   *text = arena_alloc(arena, (count + 2) / 3 * 4 + 1);
	size_t		length = 0;

	for (size_t i = 0; i < count; i += 3)
	{
		size_t		left = count - i;
		unsigned	group = (unsigned) bytes[i] << 16;

		group |= left > 1 ? (unsigned) bytes[i + 1] << 8 : 0;
		group |= left > 2 ? (unsigned) bytes[i + 2] : 0;
		text[length++] = letters[group >> 18 & 63];
		text[length++] = letters[group >> 12 & 63];
		text[length++] = '=';
		text[length++] = '=';
		if (left > 1)
			text[length - 2] = letters[group >> 6 & 63];
		if (left > 2)
			text[length - 1] = letters[group & 63];
	}
	return text;
}

const char *
base64_text(Arena *arena, const uint8_t *bytes, size_t count)
{
	return write_text(arena, bytes, count, usual);
}

const char *
base64_url_text(Arena *arena, const uint8_t *bytes, size_t count)
{
	return write_text(arena, bytes, count, for_addresses);
}

static bool
value_of(char letter, unsigned *value)
{
	const char *found = letter == '\0' ? NULL : strchr(usual, letter);

	if (found == NULL && (letter == '-' || letter == '_'))
		found = usual + (letter == '-' ? 62 : 63);
	if (found != NULL)
		*value = (unsigned) (found - usual);
	return found != NULL;
}

bool
base64_parse(const char *text, uint8_t *bytes, size_t count)
{
	size_t		letters = (count * 8 + 5) / 6;
	size_t		length = strlen(text);
	size_t		written = 0;
	unsigned	bits = 0;
	unsigned	held = 0;

	if (length != letters && length != (count + 2) / 3 * 4)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned	value;

		if (i >= letters)
		{
			if (text[i] != '=')
				return false;
			continue;
		}
		if (!value_of(text[i], &value))
			return false;
		held = (held << 6 | value) & 0xffff;
		bits += 6;
		if (bits >= 8)
		{
			bits -= 8;
			bytes[written++] = (uint8_t) (held >> bits);
			held &= (1u << bits) - 1;
		}
	}
	return held == 0 && written == count;
}
