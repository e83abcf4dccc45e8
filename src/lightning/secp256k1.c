/*
 * secp256k1.c
 *		The cryptography of invoices by libsecp256k1 and libsodium.
 *
 * libsecp256k1 calls abort() where a caller breaks a rule of its interface;
 * here such a call just fails, as its return value says anyway.  The context is
 * made in memory of our own: the library's own maker aborts when there is none.
 *
 * A secret key is read where the caller holds it and copied nowhere, so wiping
 * it is in the caller's hands alone.
 */
#include "lightning/secp256k1.h"

#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <sodium.h>
#include <stdlib.h>

static secp256k1_context *context;

static void
ignore_misuse(const char *message, void *data)
{
	(void) message;
	(void) data;
}

static Bytes32
hash_by_sodium(const uint8_t *bytes, size_t length)
{
	Bytes32		digest;

	(void) crypto_hash_sha256(digest.bytes, bytes, length);
	return digest;
}

static bool
write_key(const secp256k1_pubkey *point, PublicKey *key)
{
	size_t		length = sizeof(key->bytes);

	return secp256k1_ec_pubkey_serialize(context, key->bytes, &length, point, SECP256K1_EC_COMPRESSED) == 1;
}

static bool
verify_by_library(const Bytes32 *digest, const Signature *signature, const PublicKey *key)
{
	secp256k1_ecdsa_signature parsed;
	secp256k1_pubkey point;

	/* A high s is refused by the library: never normalise it first. */
	return secp256k1_ec_pubkey_parse(context, &point, key->bytes, sizeof(key->bytes)) == 1 &&
		secp256k1_ecdsa_signature_parse_compact(context, &parsed, signature->bytes) == 1 &&
		secp256k1_ecdsa_verify(context, &parsed, digest->bytes, &point) == 1;
}

static bool
recover_by_library(const Bytes32 *digest, const Signature *signature, PublicKey *key)
{
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_pubkey point;

	return signature->recovery_id <= 3 &&
		secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, signature->bytes,
															signature->recovery_id) == 1 &&
		secp256k1_ecdsa_recover(context, &point, &parsed, digest->bytes) == 1 &&
		write_key(&point, key);
}

static bool
sign_by_library(const Bytes32 *digest, const Bytes32 *secret, Signature *signature)
{
	secp256k1_ecdsa_recoverable_signature made;
	int			recovery_id;

	/* No nonce function named: RFC 6979. */
	if (secp256k1_ecdsa_sign_recoverable(context, &made, digest->bytes, secret->bytes, NULL, NULL) != 1 ||
		secp256k1_ecdsa_recoverable_signature_serialize_compact(context, signature->bytes,
																&recovery_id, &made) != 1)
		return false;
	signature->recovery_id = (uint8_t) recovery_id;
	return true;
}

static bool
public_key_by_library(const Bytes32 *secret, PublicKey *key)
{
	secp256k1_pubkey point;

	return secp256k1_ec_pubkey_create(context, &point, secret->bytes) == 1 && write_key(&point, key);
}

/* A context blinded with fresh randomness, or NULL. */
static secp256k1_context *
make_context(void)
{
	uint8_t		seed[32];
	void	   *memory;
	secp256k1_context *made;

	if (sodium_init() < 0)
		return NULL;
	memory = malloc(secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE));
	if (memory == NULL)
		return NULL;
	made = secp256k1_context_preallocated_create(memory, SECP256K1_CONTEXT_NONE);
	secp256k1_context_set_illegal_callback(made, ignore_misuse, NULL);
	randombytes_buf(seed, sizeof(seed));
	if (secp256k1_context_randomize(made, seed) != 1)
	{
		secp256k1_context_preallocated_destroy(made);
		free(memory);
		made = NULL;
	}
	sodium_memzero(seed, sizeof(seed));
	return made;
}

const Bolt11Crypto *
bolt11_crypto_open(void)
{
	static const Bolt11Crypto crypto = {
		.sha256 = hash_by_sodium,
		.verify = verify_by_library,
		.recover = recover_by_library,
		.sign = sign_by_library,
		.public_key = public_key_by_library,
	};

	if (context == NULL)
		context = make_context();
	return context == NULL ? NULL : &crypto;
}
