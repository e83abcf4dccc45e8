/*
 * base64url.c
 *		The letters in which the parts of a token are written.
 */
#include "auth/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const char *
base64url_encode(Arena *arena, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	char	   *text = arena_alloc(arena, length / 3 * 4 + 5);
	char	   *to = text;
	uint32_t	bits = 0;
	int			count = 0;

	for (size_t i = 0; i < length; i++)
	{
		bits = bits << 8 | from[i];
		for (count += 8; count >= 6; count -= 6)
			*to++ = alphabet[bits >> (count - 6) & 63];
		bits &= (1u << count) - 1;
	}
	if (count > 0)
		*to++ = alphabet[bits << (6 - count) & 63];
	*to = '\0';
	return text;
}

static int
letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}

bool
base64url_decode(Arena *arena, const char *text, size_t length, uint8_t **bytes, size_t *byte_count)
{
	uint8_t    *to;
	uint32_t	bits = 0;
	int			count = 0;

	if (length % 4 == 1)
		return false;
	*bytes = to = arena_alloc(arena, length / 4 * 3 + 3);
	for (size_t i = 0; i < length; i++)
	{
		int			value = letter_value(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			*to++ = (uint8_t) (bits >> count);
			bits &= (1u << count) - 1;
		}
	}
	*to = 0;
	*byte_count = (size_t) (to - *bytes);
	return bits == 0;
}
