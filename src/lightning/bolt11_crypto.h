/*
 * bolt11_crypto.h
 *		The port to the cryptography that invoices need.
 *
 * Everything is a plain value in and out: no handle, no allocation, no error
 * but "that is not so".  Implementations must neither raise nor abort, whatever
 * the bytes are.  The real one is secp256k1.h; a fuzzer brings its own.
 */
#ifndef SPARK_LIGHTNING_BOLT11_CRYPTO_H
#define SPARK_LIGHTNING_BOLT11_CRYPTO_H

#include "lightning/lightning_node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A point of secp256k1, compressed: who a node is. */
typedef struct PublicKey
{
	uint8_t		bytes[33];
} PublicKey;

/* An ECDSA signature: r, then s, and which of the keys that fit it is meant. */
typedef struct Signature
{
	uint8_t		bytes[64];
	uint8_t		recovery_id;	/* 0 to 3 */
} Signature;

typedef struct Bolt11Crypto
{
	Bytes32		(*sha256) (const uint8_t *bytes, size_t length);

	/* True where the key made the signature of that digest, and s is low. */
	bool		(*verify) (const Bytes32 *digest, const Signature *signature, const PublicKey *key);

	/* The key that made it, s low or high; false where no key can have. */
	bool		(*recover) (const Bytes32 *digest, const Signature *signature, PublicKey *key);

	/* Signs by RFC 6979, s low; false where the secret is no key. */
	bool		(*sign) (const Bytes32 *digest, const Bytes32 *secret, Signature *signature);

	/* False where the secret is no key. */
	bool		(*public_key) (const Bytes32 *secret, PublicKey *key);
} Bolt11Crypto;

#endif
