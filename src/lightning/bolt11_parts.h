/*
 * bolt11_parts.h
 *		What the reader and the writer of invoices have in common.
 *
 * Pure C: no server, no library.
 */
#ifndef SPARK_LIGHTNING_BOLT11_PARTS_H
#define SPARK_LIGHTNING_BOLT11_PARTS_H

#include "lightning/bolt11.h"

#define TIMESTAMP_UNITS 7
#define SIGNATURE_UNITS 104
#define SIGNATURE_BYTES 65
#define FIELD_HEAD_UNITS 3
#define HASH_UNITS 52
#define KEY_UNITS 53
#define TIMESTAMP_END (INT64_C(1) << 35)

typedef struct Bolt11NetworkNames
{
	const char *prefix;
	const char *name;
} Bolt11NetworkNames;

extern const Bolt11NetworkNames bolt11_networks[BOLT11_NETWORK_COUNT];

/*
 * What one step of an amount's last digit is worth, from the largest down.
 * Below these there is p, a tenth of a millisatoshi: it needs a zero at the end.
 */
typedef struct Bolt11Multiplier
{
	char		letter;
	int64_t		msat;
} Bolt11Multiplier;

#define BOLT11_MULTIPLIERS 4

extern const Bolt11Multiplier bolt11_multipliers[BOLT11_MULTIPLIERS];

/* What is signed: the prefix as text, then the units packed. */
extern Bytes32 bolt11_signed(const char *prefix, const uint8_t *units, size_t count, const Bolt11Crypto *crypto,
							 Arena *arena);

#endif
