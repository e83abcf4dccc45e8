/*
 * username.h
 *		The one form of a name: what S1, S2 and S4 compare.
 *
 * Trimmed, lower-cased, 1 to 64 characters.  The table of capital letters is
 * our own, so a name folds the same in every database, whatever its locale and
 * the age of its libraries: what was registered yesterday is found tomorrow.
 * The entry point has put the name into Unicode's form NFKC before, where the
 * encoding of the database is UTF8; a fold of a fold changes nothing.
 */
#ifndef SPARK_AUTH_USERNAME_H
#define SPARK_AUTH_USERNAME_H

#include "common/arena.h"
#include "common/result.h"

#define USERNAME_MAX_CHARACTERS 64

/* Names of more bytes are refused before anything looks at them. */
#define USERNAME_MAX_BYTES 4096

/*
 * INVALID_ARGUMENT for a name that is empty, too long or no UTF-8, or has
 * characters that show as nothing or turn the text around: with these, two
 * names would look the same.
 */
extern Result username_fold(Arena *arena, const char *name, const char **folded) MUST_CHECK;

#endif
