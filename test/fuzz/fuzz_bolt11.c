/*
 * fuzz_bolt11.c
 *		Any text as an invoice: reading never breaks, and what was read is
 *		written again the same (L78).
 *
 * Chance finds neither a checksum nor a signature.  So each input is read
 * twice: as it is, with the real cryptography; and with a right checksum in
 * place of its last six characters, by a cryptography that believes all.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lightning/bech32.h"
#include "lightning/bolt11.h"
#include "lightning/secp256k1.h"

#define MUST(condition) do { if (!(condition)) abort(); } while (0)

/* What the believer signs with, and as whom. */
static Signature signature_given;
static PublicKey payee_given;

static Bytes32
believe_sha256(const uint8_t *bytes, size_t length)
{
	Bytes32		digest = {{0}};

	for (size_t i = 0; i < length; i++)
		digest.bytes[i % 32] ^= bytes[i];
	return digest;
}

static bool
believe_verify(const Bytes32 *digest, const Signature *signature, const PublicKey *key)
{
	(void) digest;
	(void) signature;
	(void) key;
	return true;
}

static bool
believe_recover(const Bytes32 *digest, const Signature *signature, PublicKey *key)
{
	(void) digest;
	memset(key->bytes, signature->bytes[0], sizeof(key->bytes));
	return true;
}

static bool
believe_sign(const Bytes32 *digest, const Bytes32 *secret, Signature *signature)
{
	(void) digest;
	(void) secret;
	*signature = signature_given;
	return true;
}

static bool
believe_public_key(const Bytes32 *secret, PublicKey *key)
{
	(void) secret;
	*key = payee_given;
	return true;
}

static const Bolt11Crypto believer = {
	.sha256 = believe_sha256,
	.verify = believe_verify,
	.recover = believe_recover,
	.sign = believe_sign,
	.public_key = believe_public_key,
};

/* The text in lower case with a right checksum; NULL where it has no place for one. */
static const char *
with_checksum(Arena *arena, const char *text)
{
	static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	char	   *lower = (char *) arena_text(arena, text);
	char	   *separator;
	uint8_t    *units;
	size_t		count;

	for (char *c = lower; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char) (*c - 'A' + 'a');
	separator = strrchr(lower, '1');
	if (separator == NULL || strlen(separator + 1) < BECH32_CHECKSUM_UNITS)
		return NULL;
	count = strlen(separator + 1) - BECH32_CHECKSUM_UNITS;
	units = arena_alloc(arena, count);
	for (size_t i = 0; i < count; i++)
	{
		const char *digit = strchr(alphabet, separator[1 + i]);

		if (digit == NULL)
			return NULL;
		units[i] = (uint8_t) (digit - alphabet);
	}
	*separator = '\0';
	return bech32_encode(arena, lower, units, count);
}

static const char *
written_again(Arena *arena, const Bolt11 *invoice)
{
	Bytes32		secret = {{1}};
	Bolt11Draft draft = bolt11_draft(invoice);
	const char *text;

	signature_given = invoice->signature;
	payee_given = invoice->payee;
	MUST(!failed(bolt11_encode(&draft, &secret, &believer, arena, &text)));
	return text;
}

static void
check_round_trip(Arena *arena, const char *text)
{
	Bolt11	   *first;
	Bolt11	   *second;
	const char *again;

	if (failed(bolt11_decode(text, &believer, arena, &first)))
		return;
	MUST(first->description == NULL || !first->has_description_hash);
	MUST(!first->has_amount || amount_is_payable(first->amount));
	MUST(!instant_is_none(first->expires_at));
	again = written_again(arena, first);
	if (strcmp(text, again) == 0)
		return;

	/* Only an amount that was not written with the largest multiplier may differ. */
	MUST(first->has_amount);
	MUST(!failed(bolt11_decode(again, &believer, arena, &second)));
	MUST(strlen(again) < strlen(text));
	MUST(second->amount.msat == first->amount.msat);
	MUST(second->field_count == first->field_count);
	MUST(strcmp(written_again(arena, second), again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BumpArena	memory;
	Arena	   *arena = &memory.arena;
	const char *text;
	const char *sealed;
	Bolt11	   *invoice;
	Result		result;

	bump_arena_init(&memory);
	text = arena_text_of(arena, (const char *) data, size);
	result = bolt11_decode(text, bolt11_crypto_open(), arena, &invoice);
	MUST(!failed(result) || (result.code == RESULT_PAYMENT_REQUEST_MALFORMED && result.detail != NULL));
	sealed = with_checksum(arena, text);
	if (sealed != NULL)
		check_round_trip(arena, sealed);
	bump_arena_destroy(&memory);
	return 0;
}
