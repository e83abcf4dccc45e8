/*
 * bech32.h
 *		Text of the form prefix, "1", data, checksum (BIP 173), of any length.
 *
 * Data are units of five bits, kept one a byte.  The caller bounds the length;
 * nothing here depends on it.
 */
#ifndef SPARK_LIGHTNING_BECH32_H
#define SPARK_LIGHTNING_BECH32_H

#include "common/arena.h"
#include "common/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BECH32_CHECKSUM_UNITS 6

typedef struct Bech32
{
	const char *prefix;			/* lower case, NUL-terminated */
	size_t		prefix_length;
	const uint8_t *units;		/* without the checksum */
	size_t		count;
} Bech32;

/*
 * Takes text apart; all upper or all lower case.  PAYMENT_REQUEST_MALFORMED,
 * with a detail, where it is no such text or the checksum does not fit.
 */
extern Result bech32_decode(const char *text, size_t length, Arena *arena, Bech32 *parts) MUST_CHECK;

/* Prefix in lower case, "1", the units and their checksum. */
extern const char *bech32_encode(Arena *arena, const char *prefix, const uint8_t *units, size_t count);

/* How many bytes it takes to hold so many units, and the other way. */
#define BECH32_BYTES(units) (((units) * 5 + 7) / 8)
#define BECH32_UNITS(bytes) (((bytes) * 8 + 4) / 5)

/* Packs units into BECH32_BYTES(count) bytes, zero bits behind the last one. */
extern void bech32_pack(const uint8_t *units, size_t count, uint8_t *bytes);

/* Spreads bytes over BECH32_UNITS(length) units, zero bits behind the last one. */
extern void bech32_spread(const uint8_t *bytes, size_t length, uint8_t *units);

/*
 * Unpacks the whole bytes in the units, count * 5 / 8 of them; false where
 * what is left behind them is a whole unit, or is not zero.  The bytes are
 * written either way.
 */
extern bool bech32_unpack(const uint8_t *units, size_t count, uint8_t *bytes) MUST_CHECK;

#endif
