/*
 * invoice_by_hand.c
 *		Invoices put together and signed by hand, good or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "invoice_by_hand.h"
#include "lightning/bech32.h"
#include "lightning/secp256k1.h"

int
by_hand_set_up(void **state)
{
	static Fixture fixture;

	bump_arena_init(&fixture.memory);
	fixture.arena = &fixture.memory.arena;
	fixture.crypto = bolt11_crypto_open();
	if (fixture.crypto == NULL)
		return 1;
	memset(fixture.secret.bytes, 0x42, sizeof(fixture.secret.bytes));
	*state = &fixture;
	return !fixture.crypto->public_key(&fixture.secret, &fixture.payee);
}

int
by_hand_tear_down(void **state)
{
	bump_arena_destroy(&((Fixture *) *state)->memory);
	return 0;
}

/* A field of so many units, all of them the same. */
Bolt11Field
of_units(Fixture *fixture, Bolt11Type type, size_t count, uint8_t unit)
{
	uint8_t    *units = arena_alloc(fixture->arena, count);

	memset(units, unit, count);
	return (Bolt11Field) {(uint8_t) type, (uint16_t) count, units};
}

Bolt11Field
of_hash(Fixture *fixture, Bolt11Type type, uint8_t filling)
{
	uint8_t		bytes[32];

	memset(bytes, filling, sizeof(bytes));
	return bolt11_bytes_field(fixture->arena, type, bytes, sizeof(bytes));
}

Bolt11Field
of_bytes(Fixture *fixture, Bolt11Type type, const void *bytes, size_t length)
{
	return bolt11_bytes_field(fixture->arena, type, bytes, length);
}

Bolt11Field
of_text(Fixture *fixture, const char *text)
{
	return bolt11_bytes_field(fixture->arena, BOLT11_DESCRIPTION, (const uint8_t *) text, strlen(text));
}

void
put(Raw *raw, Bolt11Field field)
{
	assert_true(raw->field_count < MAX_FIELDS);
	raw->fields[raw->field_count++] = field;
}

/* Payment hash and secret. */
Raw
raw_undescribed(Fixture *fixture)
{
	Raw			raw = {.prefix = "lnbcrt10u", .timestamp = NOW};

	put(&raw, of_hash(fixture, BOLT11_PAYMENT_HASH, 0xaa));
	put(&raw, of_hash(fixture, BOLT11_PAYMENT_SECRET, 0xbb));
	return raw;
}

/* And a description: the least that is good. */
Raw
raw_good(Fixture *fixture)
{
	Raw			raw = raw_undescribed(fixture);

	put(&raw, of_text(fixture, "tea"));
	return raw;
}

const char *
sealed(Fixture *fixture, const Raw *raw)
{
	uint8_t    *units = arena_alloc(fixture->arena, 20000);
	size_t		prefix = strlen(raw->prefix);
	size_t		count = 0;
	uint8_t    *bytes;
	Bytes32		digest;
	Signature	signature = raw->signature;
	uint8_t		signature_bytes[65];

	for (int i = 6; i >= 0; i--)
		units[count++] = (uint8_t) (raw->timestamp >> (5 * i) & 31);
	for (size_t i = 0; i < raw->field_count; i++)
	{
		const Bolt11Field *field = &raw->fields[i];

		units[count++] = field->type;
		units[count++] = (uint8_t) (field->count >> 5);
		units[count++] = (uint8_t) (field->count & 31);
		for (size_t j = 0; j < field->count; j++)
			units[count++] = field->units[j];
	}
	for (size_t i = 0; i < raw->tail_count; i++)
		units[count++] = raw->tail[i];
	bytes = arena_alloc(fixture->arena, prefix + BECH32_BYTES(count));
	memcpy(bytes, raw->prefix, prefix);
	bech32_pack(units, count, bytes + prefix);
	digest = fixture->crypto->sha256(bytes, prefix + BECH32_BYTES(count));
	if (!raw->forged)
		assert_true(fixture->crypto->sign(&digest, &fixture->secret, &signature));
	memcpy(signature_bytes, signature.bytes, 64);
	signature_bytes[64] = signature.recovery_id;
	bech32_spread(signature_bytes, 65, units + count);
	return bech32_encode(fixture->arena, raw->prefix, units, count + 104);
}

Bolt11 *
good(Fixture *fixture, const Raw *raw)
{
	Bolt11	   *invoice;
	Result		result = bolt11_decode(sealed(fixture, raw), fixture->crypto, fixture->arena, &invoice);

	if (failed(result))
		fail_msg("refused: %s", result.detail);
	assert_memory_equal(invoice->payee.bytes, fixture->payee.bytes, 33);
	return invoice;
}

void
bad(Fixture *fixture, const Raw *raw, const char *detail)
{
	Bolt11	   *invoice = NULL;
	Result		result = bolt11_decode(sealed(fixture, raw), fixture->crypto, fixture->arena, &invoice);

	assert_int_equal(result.code, RESULT_PAYMENT_REQUEST_MALFORMED);
	assert_null(invoice);
	assert_string_equal(result.detail, detail);
}

/* The good one with one field more. */
Raw
with(Fixture *fixture, Bolt11Field field)
{
	Raw			raw = raw_good(fixture);

	put(&raw, field);
	return raw;
}

void
good_with(Fixture *fixture, Bolt11Field field)
{
	Raw			raw = with(fixture, field);

	(void) good(fixture, &raw);
}

void
bad_with(Fixture *fixture, Bolt11Field field, const char *detail)
{
	Raw			raw = with(fixture, field);

	bad(fixture, &raw, detail);
}
