/*
 * bech32.c
 *		Text of the form prefix, "1", data, checksum (BIP 173).
 *
 * The checksum is a cyclic code over GF(32): the remainder of prefix and data,
 * read as a polynomial, by a generator of degree six.  Bech32, not Bech32m: a
 * good text leaves the remainder 1.
 */
#include "lightning/bech32.h"

#include <string.h>

#define MALFORMED(detail) FAIL_BECAUSE(PAYMENT_REQUEST_MALFORMED, (detail))

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* The remainder after one more unit. */
static uint32_t
remainder_with(uint32_t remainder, uint8_t unit)
{
	static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	uint32_t	top = remainder >> 25;

	remainder = (remainder & 0x1ffffff) << 5 ^ unit;
	for (unsigned i = 0; i < 5; i++)
		if (top >> i & 1)
			remainder ^= generator[i];
	return remainder;
}

/* The remainder of a prefix: the high bits of its letters, a zero, the low bits. */
static uint32_t
remainder_of_prefix(const char *prefix, size_t length)
{
	uint32_t	remainder = 1;

	for (size_t i = 0; i < length; i++)
		remainder = remainder_with(remainder, (uint8_t) ((unsigned char) prefix[i] >> 5));
	remainder = remainder_with(remainder, 0);
	for (size_t i = 0; i < length; i++)
		remainder = remainder_with(remainder, (uint8_t) (prefix[i] & 0x1f));
	return remainder;
}

/* The text in lower case; fails on mixed case and on what is not printable ASCII. */
static Result
to_lower(const char *text, size_t length, Arena *arena, char **lower)
{
	bool		has_upper = false;
	bool		has_lower = false;

	*lower = arena_text_of(arena, text, length);
	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (c < '!' || c > '~')
			return MALFORMED("It holds a character that no payment request has.");
		if (c >= 'A' && c <= 'Z')
		{
			has_upper = true;
			(*lower)[i] = (char) (c - 'A' + 'a');
		}
		if (c >= 'a' && c <= 'z')
			has_lower = true;
	}
	if (has_upper && has_lower)
		return MALFORMED("It mixes upper and lower case.");
	return OK;
}

Result
bech32_decode(const char *text, size_t length, Arena *arena, Bech32 *parts)
{
	char	   *lower;
	size_t		separator = length;
	size_t		count;
	uint32_t	remainder;
	uint8_t    *units;

	TRY(to_lower(text, length, arena, &lower));
	while (separator > 0 && lower[separator - 1] != '1')
		separator--;
	if (separator < 2)
		return MALFORMED("It has no prefix with a 1 behind it.");
	count = length - separator;
	if (count < BECH32_CHECKSUM_UNITS)
		return MALFORMED("It is too short for a checksum.");

	separator--;
	remainder = remainder_of_prefix(lower, separator);
	units = arena_alloc(arena, count);
	for (size_t i = 0; i < count; i++)
	{
		const char *digit = strchr(alphabet, lower[separator + 1 + i]);

		if (digit == NULL)
			return MALFORMED("It holds a character that no payment request has.");
		units[i] = (uint8_t) (digit - alphabet);
		remainder = remainder_with(remainder, units[i]);
	}
	if (remainder != 1)
		return MALFORMED("The checksum does not fit: a character is missing or mistyped.");

	lower[separator] = '\0';
	*parts = (Bech32) {lower, separator, units, count - BECH32_CHECKSUM_UNITS};
	return OK;
}

const char *
bech32_encode(Arena *arena, const char *prefix, const uint8_t *units, size_t count)
{
	size_t		length = strlen(prefix);
	char	   *text = arena_alloc(arena, length + 1 + count + BECH32_CHECKSUM_UNITS + 1);
	char	   *end = text + length + 1;
	uint32_t	remainder = remainder_of_prefix(prefix, length);

	memcpy(text, prefix, length);
	text[length] = '1';
	for (size_t i = 0; i < count; i++)
	{
		remainder = remainder_with(remainder, units[i]);
		*end++ = alphabet[units[i]];
	}
	for (int i = 0; i < BECH32_CHECKSUM_UNITS; i++)
		remainder = remainder_with(remainder, 0);
	remainder ^= 1;
	for (int i = BECH32_CHECKSUM_UNITS - 1; i >= 0; i--)
		*end++ = alphabet[remainder >> (5 * i) & 0x1f];
	*end = '\0';
	return text;
}

static bool
bit_of(const uint8_t *units, size_t bit)
{
	return units[bit / 5] >> (4 - bit % 5) & 1;
}

/* Sets those of the first so many bits that are set in units; bytes are zero before. */
static void
copy_bits(const uint8_t *units, size_t bits, uint8_t *bytes)
{
	for (size_t bit = 0; bit < bits; bit++)
		if (bit_of(units, bit))
			bytes[bit / 8] = (uint8_t) (bytes[bit / 8] | 1 << (7 - bit % 8));
}

void
bech32_pack(const uint8_t *units, size_t count, uint8_t *bytes)
{
	memset(bytes, 0, BECH32_BYTES(count));
	copy_bits(units, count * 5, bytes);
}

bool
bech32_unpack(const uint8_t *units, size_t count, uint8_t *bytes)
{
	size_t		length = count * 5 / 8;

	memset(bytes, 0, length);
	copy_bits(units, length * 8, bytes);
	for (size_t bit = length * 8; bit < count * 5; bit++)
		if (bit_of(units, bit))
			return false;
	return count * 5 - length * 8 < 5;
}

void
bech32_spread(const uint8_t *bytes, size_t length, uint8_t *units)
{
	memset(units, 0, BECH32_UNITS(length));
	for (size_t bit = 0; bit < length * 8; bit++)
		if (bytes[bit / 8] >> (7 - bit % 8) & 1)
			units[bit / 5] = (uint8_t) (units[bit / 5] | 1 << (4 - bit % 5));
}
