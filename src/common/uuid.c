/*
 * uuid.c
 *		Ids by RFC 9562.
 */
#include "common/uuid.h"

#include <string.h>

Uuid
uuid_v7(int64_t unix_milliseconds, const uint8_t random[10])
{
	Uuid		uuid;
	uint64_t	milliseconds = (uint64_t) unix_milliseconds;

	for (int i = 0; i < 6; i++)
		uuid.bytes[i] = (uint8_t) (milliseconds >> (8 * (5 - i)));
	memcpy(uuid.bytes + 6, random, 10);
	uuid.bytes[6] = (uint8_t) (0x70 | (uuid.bytes[6] & 0x0f));
	uuid.bytes[8] = (uint8_t) (0x80 | (uuid.bytes[8] & 0x3f));
	return uuid;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
uuid_parse(const char *text, size_t length, Uuid *uuid)
{
	Uuid		parsed;
	size_t		position = 0;

	if (length != UUID_TEXT_LENGTH)
		return false;
	for (int i = 0; i < 16; i++)
	{
		int			high;
		int			low;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (text[position++] != '-')
				return false;
		high = hex_value(text[position++]);
		low = hex_value(text[position++]);
		if (high < 0 || low < 0)
			return false;
		parsed.bytes[i] = (uint8_t) (high << 4 | low);
	}
	*uuid = parsed;
	return true;
}

void
uuid_format(Uuid uuid, char text[UUID_TEXT_LENGTH + 1])
{
	static const char digits[] = "0123456789abcdef";
	char	   *to = text;

	for (int i = 0; i < 16; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = digits[uuid.bytes[i] >> 4];
		*to++ = digits[uuid.bytes[i] & 15];
	}
	*to = '\0';
}

int
uuid_compare(Uuid a, Uuid b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

bool
uuid_equal(Uuid a, Uuid b)
{
	return uuid_compare(a, b) == 0;
}

bool
uuid_is_nil(Uuid uuid)
{
	return uuid_equal(uuid, UUID_NIL);
}
