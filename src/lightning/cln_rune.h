/*
 * cln_rune.h
 *		What a rune of Core Lightning says of itself.
 *
 * A rune is 32 bytes that only its node can check, and its restrictions as
 * plain text; so what it does not allow can be read before it is used.  Pure.
 */
#ifndef SPARK_LIGHTNING_CLN_RUNE_H
#define SPARK_LIGHTNING_CLN_RUNE_H

#include <stdbool.h>

/*
 * False where no call of that method can pass it.  True of what is no rune, and
 * of restrictions that hang on more than the method: the node decides.
 */
extern bool cln_rune_allows(const char *rune, const char *method);

#endif
