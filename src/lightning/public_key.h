/*
 * public_key.h
 *		Who a node is, as text: the 33 bytes of its key.
 */
#ifndef SPARK_LIGHTNING_PUBLIC_KEY_H
#define SPARK_LIGHTNING_PUBLIC_KEY_H

#include "lightning/bolt11_crypto.h"

/* 66 lower-case hex digits: as in NodeIdentity.node_id. */
extern const char *public_key_hex(Arena *arena, PublicKey key);

/* Reads exactly those; false, and *key untouched, where text (or NULL) is not that. */
extern bool public_key_parse(const char *text, PublicKey *key);

extern bool public_key_equal(PublicKey a, PublicKey b);

#endif
