/*
 * secret_parts.h
 *		Whether texts of somebody else hold a part of a secret.
 *
 * A part is eight letters or digits in a row that are not all the same, in
 * capitals or not, whatever other signs stand between them: of the secret as it
 * is written, and of what it is in hex or in base64, written anew or read.  Who
 * repeats a secret, in whole or cut, as it came or dumped, is found by that;
 * who hides it with care is not.
 *
 * Of hashes and keys, which are digits by chance, sixteen in a row: eight stand
 * there by chance, too, once in some ten thousand hashes.
 *
 * Used by each answer of a node, on texts that are short, a secret at a time.
 * Pure; it makes no copy of a secret.
 */
#ifndef SPARK_LIGHTNING_SECRET_PARTS_H
#define SPARK_LIGHTNING_SECRET_PARTS_H

#include "common/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* The texts, by what could be parts in them. */
typedef struct SecretSearch
{
	uint64_t   *runs;			/* of the arena */
	size_t		count;
	size_t		room;
	size_t		least;			/* parts, one after the other, that are no chance */
	bool		is_sorted;
} SecretSearch;

/* For texts of so many characters together; what is longer is not looked at. */
extern SecretSearch secret_search_begin(Arena *arena, size_t most_characters);

/* The same for hashes and public keys. */
extern SecretSearch secret_search_begin_in_digits(Arena *arena, size_t most_characters);

/* NULL is no text. */
extern void secret_search_add(SecretSearch *self, const char *text);

/* True where a text holds a part of that secret. */
extern bool secret_search_finds(SecretSearch *self, const char *secret);

#endif
