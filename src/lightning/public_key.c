/*
 * public_key.c
 *		Who a node is, as text.
 */
#include "lightning/public_key.h"

#include "common/hex.h"

#include <string.h>

const char *
public_key_hex(Arena *arena, PublicKey key)
{
	char	   *text = arena_alloc(arena, 2 * sizeof(key.bytes) + 1);

	hex_format(key.bytes, sizeof(key.bytes), text);
	return text;
}

bool
public_key_parse(const char *text, PublicKey *key)
{
	return text != NULL && hex_parse(text, strlen(text), key->bytes, sizeof(key->bytes));
}

bool
public_key_equal(PublicKey a, PublicKey b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}
