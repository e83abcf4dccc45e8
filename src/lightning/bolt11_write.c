/*
 * bolt11_write.c
 *		Lightning invoices (BOLT 11): written.
 *
 * What is written is read again before anybody gets it.
 */
#include "lightning/bolt11.h"

#include "common/array.h"
#include "lightning/bech32.h"
#include "lightning/bolt11_parts.h"

#include <string.h>

#define REFUSED(detail) FAIL_BECAUSE(INVALID_ARGUMENT, (detail))

/* The prefix with the largest multiplier that leaves a whole number. */
static const char *
write_prefix(const Bolt11Draft *draft, Arena *arena)
{
	const char *network = bolt11_networks[draft->network].prefix;

	if (!draft->has_amount)
		return arena_printf(arena, "ln%s", network);
	for (size_t i = 0; i < BOLT11_MULTIPLIERS; i++)
		if (draft->amount.msat % bolt11_multipliers[i].msat == 0)
			return arena_printf(arena, "ln%s%lld%.1s", network,
								(long long) (draft->amount.msat / bolt11_multipliers[i].msat),
								&bolt11_multipliers[i].letter);
	return arena_printf(arena, "ln%s%lld0p", network, (long long) draft->amount.msat);
}

/* Checks what cannot be written at all, and counts the units. */
static Result
measure(const Bolt11Draft *draft, size_t *count)
{
	if (draft->network >= BOLT11_NETWORK_COUNT)
		return REFUSED("The network of the invoice is unknown.");
	if (draft->has_amount && !amount_is_payable(draft->amount))
		return REFUSED("The amount of the invoice is zero, negative or more than all bitcoin.");
	if (draft->timestamp < 0 || draft->timestamp >= TIMESTAMP_END)
		return REFUSED("The time of the invoice is outside what it can say.");
	*count = TIMESTAMP_UNITS + SIGNATURE_UNITS;
	for (size_t i = 0; i < draft->field_count; i++)
	{
		const Bolt11Field *field = &draft->fields[i];

		if (field->type > 31 || field->count > BOLT11_MAX_UNITS)
			return REFUSED("A field of the invoice is too long, or has a type above 31.");
		*count += FIELD_HEAD_UNITS + (size_t) field->count;
		if (*count > BOLT11_MAX_LENGTH)
			return REFUSED("The fields of the invoice are too long together.");
		for (size_t j = 0; j < field->count; j++)
			if (field->units[j] > 31)
				return REFUSED("A field of the invoice holds a unit above 31.");
	}
	return OK;
}

/* Timestamp and fields; answers the place behind them. */
static uint8_t *
write_fields(const Bolt11Draft *draft, uint8_t *end)
{
	for (int i = TIMESTAMP_UNITS - 1; i >= 0; i--)
		*end++ = (uint8_t) (draft->timestamp >> (5 * i) & 0x1f);
	for (size_t i = 0; i < draft->field_count; i++)
	{
		const Bolt11Field *field = &draft->fields[i];

		*end++ = field->type;
		*end++ = (uint8_t) (field->count >> 5);
		*end++ = (uint8_t) (field->count & 0x1f);
		if (field->count > 0)
			memcpy(end, field->units, field->count);
		end += field->count;
	}
	return end;
}

/* Reads what was written, as everybody else will. */
static Result
check_written(const char *text, const PublicKey *payee, const Bolt11Crypto *crypto, Arena *arena)
{
	Bolt11	   *invoice;
	Result		result = bolt11_decode(text, crypto, arena, &invoice);

	if (failed(result))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "The invoice would be refused by its reader: %s", result.detail));
	if (memcmp(invoice->payee.bytes, payee->bytes, sizeof(payee->bytes)) != 0)
		return FAIL_BECAUSE(INTERNAL, "The signature of a new invoice is not that of its key.");
	return OK;
}

Result
bolt11_encode(const Bolt11Draft *draft, const Bytes32 *secret, const Bolt11Crypto *crypto, Arena *arena,
			  const char **text)
{
	size_t		count;
	uint8_t    *units;
	uint8_t    *end;
	const char *prefix;
	const char *written;
	Bytes32		digest;
	Signature	signature;
	PublicKey	payee;
	uint8_t		bytes[SIGNATURE_BYTES];

	TRY(measure(draft, &count));
	prefix = write_prefix(draft, arena);
	units = arena_alloc(arena, count);
	end = write_fields(draft, units);
	digest = bolt11_signed(prefix, units, count - SIGNATURE_UNITS, crypto, arena);
	if (!crypto->public_key(secret, &payee) || !crypto->sign(&digest, secret, &signature))
		return REFUSED("The secret of the payee is no key.");
	memcpy(bytes, signature.bytes, sizeof(signature.bytes));
	bytes[SIGNATURE_BYTES - 1] = signature.recovery_id;
	bech32_spread(bytes, SIGNATURE_BYTES, end);
	written = bech32_encode(arena, prefix, units, count);
	TRY(check_written(written, &payee, crypto, arena));
	*text = written;
	return OK;
}

/* A field that is refused when it is written. */
static Bolt11Field
impossible_field(Bolt11Type type)
{
	return (Bolt11Field) {(uint8_t) type, BOLT11_MAX_UNITS + 1, NULL};
}

Bolt11Field
bolt11_bytes_field(Arena *arena, Bolt11Type type, const uint8_t *bytes, size_t length)
{
	uint8_t    *units;

	if (length > BOLT11_MAX_DESCRIPTION)
		return impossible_field(type);
	units = arena_alloc(arena, BECH32_UNITS(length));
	bech32_spread(bytes, length, units);
	return (Bolt11Field) {(uint8_t) type, (uint16_t) BECH32_UNITS(length), units};
}

Bolt11Field
bolt11_number_field(Arena *arena, Bolt11Type type, int64_t number)
{
	uint16_t	count = 0;
	uint8_t    *units;

	for (int64_t rest = number; rest > 0; rest >>= 5)
		count++;
	units = arena_alloc(arena, count);
	for (uint16_t i = 0; i < count; i++)
		units[i] = (uint8_t) (number >> (5 * (count - 1 - i)) & 0x1f);
	return (Bolt11Field) {(uint8_t) type, count, units};
}

Bolt11Field
bolt11_features_field(Arena *arena, const uint16_t *bits, size_t count)
{
	uint16_t	needed = 0;
	uint8_t    *units;

	for (size_t i = 0; i < count; i++)
		if (bits[i] / 5 + 1 > needed)
			needed = (uint16_t) (bits[i] / 5 + 1);
	if (needed > BOLT11_MAX_UNITS)
		return impossible_field(BOLT11_FEATURES);
	units = arena_alloc(arena, needed);
	for (size_t i = 0; i < count; i++)
	{
		uint8_t    *unit = &units[needed - 1 - bits[i] / 5];

		*unit = (uint8_t) (*unit | 1 << bits[i] % 5);
	}
	return (Bolt11Field) {BOLT11_FEATURES, needed, units};
}

Result
bolt11_make(const Bolt11Plain *plain, const Bytes32 *secret, const Bolt11Crypto *crypto, Arena *arena,
			const char **text)
{
	static const uint16_t features[] = {8, 14};
	Bolt11Field fields[6];
	Bolt11Draft draft = {
		.network = plain->network,
		.has_amount = plain->has_amount,
		.amount = plain->amount,
		.timestamp = plain->timestamp,
		.fields = fields,
		.field_count = COUNT_OF(fields),
	};

	if (plain->description == NULL || strlen(plain->description) > BOLT11_MAX_DESCRIPTION)
		return REFUSED("The description of an invoice holds at most 639 bytes.");
	if (plain->expiry_seconds < 0 || plain->min_final_cltv < 0)
		return REFUSED("The expiry and the final delta of an invoice are not negative.");
	fields[0] = bolt11_bytes_field(arena, BOLT11_PAYMENT_HASH, plain->payment_hash.bytes,
								   sizeof(plain->payment_hash.bytes));
	fields[1] = bolt11_bytes_field(arena, BOLT11_PAYMENT_SECRET, plain->payment_secret.bytes,
								   sizeof(plain->payment_secret.bytes));
	fields[2] = bolt11_bytes_field(arena, BOLT11_DESCRIPTION, (const uint8_t *) plain->description,
								   strlen(plain->description));
	fields[3] = bolt11_number_field(arena, BOLT11_EXPIRY, plain->expiry_seconds);
	fields[4] = bolt11_number_field(arena, BOLT11_MIN_FINAL_CLTV, plain->min_final_cltv);
	fields[5] = bolt11_features_field(arena, features, COUNT_OF(features));
	return bolt11_encode(&draft, secret, crypto, arena, text);
}
