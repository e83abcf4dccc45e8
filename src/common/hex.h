/*
 * hex.h
 *		Bytes as lower-case hex digits, and back.
 *
 * Reading is strict: two digits a byte, lower case, nothing before, between or
 * behind.  So a text that was read is written again the same.
 */
#ifndef SPARK_COMMON_HEX_H
#define SPARK_COMMON_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * count digits and a NUL. */
extern void hex_format(const uint8_t *bytes, size_t count, char *text);

/*
 * Reads exactly count bytes from exactly length characters; false, and bytes
 * untouched, where length is not 2 * count or a character is no digit.
 */
extern bool hex_parse(const char *text, size_t length, uint8_t *bytes, size_t count);

#endif
