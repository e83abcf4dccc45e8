/*
 * bytes32.h
 *		The 32 bytes of a hash, a preimage or a secret as text, and compared.
 */
#ifndef SPARK_LIGHTNING_BYTES32_H
#define SPARK_LIGHTNING_BYTES32_H

#include "lightning/lightning_node.h"

#include <stdbool.h>

#define BYTES32_TEXT_LENGTH 64

/* 64 lower-case hex digits. */
extern const char *bytes32_hex(Arena *arena, Bytes32 value);

/* Reads exactly 64 lower-case hex digits; false, and *value untouched, where text (or NULL) is not that. */
extern bool bytes32_parse(const char *text, Bytes32 *value) MUST_CHECK;

/* Looks at all bytes, wherever the first difference is: one of them may be a secret. */
extern bool bytes32_equal(Bytes32 a, Bytes32 b);

extern bool bytes32_is_zero(Bytes32 value);

#endif
