/*
 * base64url.h
 *		The letters in which the parts of a token are written (RFC 4648, 5;
 *		without padding, as RFC 7515 has it).
 */
#ifndef SPARK_AUTH_BASE64URL_H
#define SPARK_AUTH_BASE64URL_H

#include "common/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The letters of those bytes, and a NUL. */
extern const char *base64url_encode(Arena *arena, const void *bytes, size_t length);

/*
 * The bytes of those letters, and a NUL behind them.  False for any other
 * letter, padding, an impossible length, or bits left over that are not zero:
 * each value has exactly one text.
 */
extern bool base64url_decode(Arena *arena, const char *text, size_t length,
							 uint8_t **bytes, size_t *byte_count);

#endif
