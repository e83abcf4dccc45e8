/*
 * hex.c
 *		Bytes as lower-case hex digits, and back.
 */
#include "common/hex.h"

static const char digits[] = "0123456789abcdef";

void
hex_format(const uint8_t *bytes, size_t count, char *text)
{
	for (size_t i = 0; i < count; i++)
	{
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0x0f];
	}
	text[2 * count] = '\0';
}

/* The value of a digit, or -1. */
static int
value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

bool
hex_parse(const char *text, size_t length, uint8_t *bytes, size_t count)
{
	if (length % 2 != 0 || length / 2 != count)
		return false;
	for (size_t i = 0; i < length; i++)
		if (value_of(text[i]) < 0)
			return false;
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t) (value_of(text[2 * i]) << 4 | value_of(text[2 * i + 1]));
	return true;
}
