/*
 * bytes32.c
 *		The 32 bytes of a hash, a preimage or a secret as text, and compared.
 */
#include "lightning/bytes32.h"

#include "common/hex.h"

#include <string.h>

const char *
bytes32_hex(Arena *arena, Bytes32 value)
{
	char	   *text = arena_alloc(arena, BYTES32_TEXT_LENGTH + 1);

	hex_format(value.bytes, sizeof(value.bytes), text);
	return text;
}

bool
bytes32_parse(const char *text, Bytes32 *value)
{
	return text != NULL && hex_parse(text, strlen(text), value->bytes, sizeof(value->bytes));
}

bool
bytes32_equal(Bytes32 a, Bytes32 b)
{
	unsigned	difference = 0;

	for (size_t i = 0; i < sizeof(a.bytes); i++)
		difference |= (unsigned) (a.bytes[i] ^ b.bytes[i]);
	return difference == 0;
}

bool
bytes32_is_zero(Bytes32 value)
{
	return bytes32_equal(value, (Bytes32) {{0}});
}
