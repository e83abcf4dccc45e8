/*
 * base64.h
 *		Bytes as base64 (RFC 4648), in its usual alphabet and in that of
 *		addresses, and back.
 */
#ifndef SPARK_LIGHTNING_BASE64_H
#define SPARK_LIGHTNING_BASE64_H

#include "common/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With + and / and the signs of equality at the end. */
extern const char *base64_text(Arena *arena, const uint8_t *bytes, size_t count);

/* With - and _, and the signs of equality at the end: LND reads these in paths and queries. */
extern const char *base64_url_text(Arena *arena, const uint8_t *bytes, size_t count);

/*
 * Reads exactly count bytes from the whole text, in either alphabet, the signs
 * at the end there or not; false, and bytes undefined, where it is not that or
 * bits are left over.
 */
extern bool base64_parse(const char *text, uint8_t *bytes, size_t count);

#endif
