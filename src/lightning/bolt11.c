/*
 * bolt11.c
 *		Lightning invoices (BOLT 11): read and checked.
 *
 * An invoice is bech32: a prefix of "ln", network and amount; then units of
 * five bits: 7 of timestamp, the fields, 104 of signature.  A field is a unit of
 * type, two of length, and so many of content.
 *
 * Reading goes from cheap to dear: length, checksum, prefix, fields, and only
 * then the signature.  A field of a fixed length that has another one is a
 * field of the future and skipped; what is then missing is missing.  Of a
 * doubled field the first one counts.
 */
#include "lightning/bolt11.h"

#include "common/array.h"
#include "common/json.h"
#include "lightning/bech32.h"
#include "lightning/bolt11_parts.h"
#include "lightning/bytes32.h"

#include <string.h>

#define MALFORMED(detail) FAIL_BECAUSE(PAYMENT_REQUEST_MALFORMED, (detail))

/* Feature bits that a payer may be required to know; each with its odd twin. */
static const uint16_t known_features[] = {
	8,							/* variable onion */
	14,							/* payment secret */
	16,							/* multi-part */
	24,							/* route blinding */
	36,							/* attribution data */
	48							/* payment metadata */
};

/* ---------------------------------------------------------------- networks */

const Bolt11NetworkNames bolt11_networks[BOLT11_NETWORK_COUNT] = {
#define BOLT11_NETWORK_ROW(symbol, prefix, name) [BOLT11_##symbol] = {prefix, name},
	BOLT11_NETWORKS(BOLT11_NETWORK_ROW)
#undef BOLT11_NETWORK_ROW
};

const char *
bolt11_network_name(Bolt11Network network)
{
	return network < BOLT11_NETWORK_COUNT ? bolt11_networks[network].name : "unknown";
}

bool
bolt11_network_by_name(const char *name, Bolt11Network *network)
{
	if (strcmp(name, "mainnet") == 0)
		name = bolt11_networks[BOLT11_MAINNET].name;
	for (unsigned i = 0; i < BOLT11_NETWORK_COUNT; i++)
		if (strcmp(bolt11_networks[i].name, name) == 0)
		{
			*network = (Bolt11Network) i;
			return true;
		}
	return false;
}

/* ------------------------------------------------------------------ prefix */

const Bolt11Multiplier bolt11_multipliers[BOLT11_MULTIPLIERS] = {
	{'\0', INT64_C(100000000000)},
	{'m', INT64_C(100000000)},
	{'u', INT64_C(100000)},
	{'n', INT64_C(100)},
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* *number = *number * 10 + digit; false where that leaves int64. */
static bool
append_digit(int64_t *number, int digit)
{
	return !__builtin_mul_overflow(*number, 10, number) && !__builtin_add_overflow(*number, digit, number);
}

/* An amount of digits and at most one letter. */
static Result
read_amount(const char *text, Amount *amount)
{
	int64_t		tens = 0;		/* all digits but the last */
	int			last = 0;

	if (*text == '0')
		return MALFORMED("The amount is zero, or begins with a zero.");
	for (; is_digit(*text); text++)
	{
		if (!append_digit(&tens, last))
			return MALFORMED("The amount is more than all bitcoin.");
		last = *text - '0';
	}
	if (*text != '\0' && text[1] != '\0')
		return MALFORMED("The amount has more than a multiplier behind it.");

	if (*text == 'p')
	{
		if (last != 0)
			return MALFORMED("The amount has a fraction of a millisatoshi.");
		amount->msat = tens;
	}
	else
	{
		size_t		i = 0;

		while (i < BOLT11_MULTIPLIERS && bolt11_multipliers[i].letter != *text)
			i++;
		if (i == BOLT11_MULTIPLIERS)
			return MALFORMED("The amount has an unknown multiplier.");
		if (!append_digit(&tens, last) || __builtin_mul_overflow(tens, bolt11_multipliers[i].msat, &amount->msat))
			return MALFORMED("The amount is more than all bitcoin.");
	}
	if (!amount_is_payable(*amount))
		return MALFORMED("The amount is more than all bitcoin.");
	return OK;
}

/* "ln", the letters of the network up to the first digit, the amount. */
static Result
read_prefix(const char *prefix, Bolt11 *invoice)
{
	size_t		length = 0;

	if (strncmp(prefix, "ln", 2) != 0)
		return MALFORMED("It does not begin with ln.");
	prefix += 2;
	while (prefix[length] != '\0' && !is_digit(prefix[length]))
		length++;
	for (unsigned i = 0; i < BOLT11_NETWORK_COUNT; i++)
		if (strlen(bolt11_networks[i].prefix) == length && memcmp(bolt11_networks[i].prefix, prefix, length) == 0)
		{
			invoice->network = (Bolt11Network) i;
			invoice->has_amount = prefix[length] != '\0';
			return invoice->has_amount ? read_amount(prefix + length, &invoice->amount) : OK;
		}
	return MALFORMED("Its first letters name no known network.");
}

/* ------------------------------------------------------------------ fields */

/* A number of any width; false where it leaves int64. */
static bool
read_number(const uint8_t *units, size_t count, int64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < count; i++)
		if (__builtin_mul_overflow(*number, 32, number) ||
			__builtin_add_overflow(*number, units[i], number))
			return false;
	return true;
}

/* Takes the units between timestamp and signature apart. */
static Result
split_fields(const uint8_t *units, size_t count, Arena *arena, Bolt11 *invoice)
{
	Bolt11Field *fields = ARENA_ARRAY(arena, Bolt11Field, count / FIELD_HEAD_UNITS);

	invoice->fields = fields;
	while (count > 0)
	{
		Bolt11Field *field = &fields[invoice->field_count++];

		if (count < FIELD_HEAD_UNITS)
			return MALFORMED("Something stands between the last field and the signature.");
		*field = (Bolt11Field) {units[0], (uint16_t) (units[1] << 5 | units[2]), units + FIELD_HEAD_UNITS};
		if (field->count > count - FIELD_HEAD_UNITS)
			return MALFORMED("A field is longer than what is left for it.");
		units += FIELD_HEAD_UNITS + field->count;
		count -= FIELD_HEAD_UNITS + (size_t) field->count;
	}
	return OK;
}

/* The bytes of a field whose length is known to fit them. */
static Result
take_bytes(const Bolt11Field *field, uint8_t *bytes)
{
	if (!bech32_unpack(field->units, field->count, bytes))
		return MALFORMED("A field is padded with more than it needs, or not with zeros.");
	return OK;
}

static Result
take_number(const Bolt11Field *field, int64_t *number)
{
	if (field->count > 0 && field->units[0] == 0)
		return MALFORMED("A number has zeros before it.");
	if (!read_number(field->units, field->count, number))
		return MALFORMED("A number is too large.");
	return OK;
}

static Result
take_description(const Bolt11Field *field, Arena *arena, Bolt11 *invoice)
{
	size_t		length = (size_t) field->count * 5 / 8;
	uint8_t    *bytes = arena_alloc(arena, length + 1);

	TRY(take_bytes(field, bytes));
	if (!utf8_is_valid((const char *) bytes, length))
		return MALFORMED("The description is not UTF-8, or holds a NUL.");
	invoice->description = (const char *) bytes;
	return OK;
}

static bool
is_known_feature(size_t bit)
{
	for (size_t i = 0; i < COUNT_OF(known_features); i++)
		if (known_features[i] == bit)
			return true;
	return false;
}

/* The bits end with the last unit, so the bytes are filled from behind. */
static Result
take_features(const Bolt11Field *field, Arena *arena, Bolt11 *invoice)
{
	size_t		length = BECH32_BYTES((size_t) field->count);
	uint8_t    *bytes = arena_alloc(arena, length);

	if (field->count > 0 && field->units[0] == 0)
		return MALFORMED("The feature bits have zeros before them.");
	for (size_t bit = 0; bit < (size_t) field->count * 5; bit++)
		if (field->units[field->count - 1 - bit / 5] >> bit % 5 & 1)
		{
			uint8_t    *byte = &bytes[length - 1 - bit / 8];

			if (bit % 2 == 0 && !is_known_feature(bit))
				return FAIL_BECAUSE(PAYMENT_REQUEST_MALFORMED,
									arena_printf(arena, "It requires feature %u, which is not known here.",
												 (unsigned) bit));
			*byte = (uint8_t) (*byte | 1 << bit % 8);
		}
	invoice->features = bytes;
	invoice->features_length = length;
	return OK;
}

static Result
take_metadata(const Bolt11Field *field, Arena *arena, Bolt11 *invoice)
{
	uint8_t    *bytes = arena_alloc(arena, BECH32_BYTES((size_t) field->count));

	bech32_pack(field->units, field->count, bytes);
	invoice->metadata = bytes;
	invoice->metadata_length = (size_t) field->count * 5 / 8;
	return OK;
}

/* The length that a field of that type must have; 0 where any will do. */
static unsigned
fixed_units(uint8_t type)
{
	switch ((Bolt11Type) type)
	{
		case BOLT11_PAYMENT_HASH:
		case BOLT11_PAYMENT_SECRET:
		case BOLT11_DESCRIPTION_HASH:
			return HASH_UNITS;
		case BOLT11_PAYEE:
			return KEY_UNITS;
		case BOLT11_ROUTE:
		case BOLT11_FEATURES:
		case BOLT11_EXPIRY:
		case BOLT11_FALLBACK:
		case BOLT11_DESCRIPTION:
		case BOLT11_MIN_FINAL_CLTV:
		case BOLT11_METADATA:
			return 0;
	}
	return 0;
}

static Result
take_field(const Bolt11Field *field, Arena *arena, Bolt11 *invoice)
{
	switch ((Bolt11Type) field->type)
	{
		case BOLT11_PAYMENT_HASH:
			return take_bytes(field, invoice->payment_hash.bytes);
		case BOLT11_PAYMENT_SECRET:
			return take_bytes(field, invoice->payment_secret.bytes);
		case BOLT11_DESCRIPTION:
			return take_description(field, arena, invoice);
		case BOLT11_DESCRIPTION_HASH:
			invoice->has_description_hash = true;
			return take_bytes(field, invoice->description_hash.bytes);
		case BOLT11_PAYEE:
			invoice->payee_is_named = true;
			return take_bytes(field, invoice->payee.bytes);
		case BOLT11_EXPIRY:
			return take_number(field, &invoice->expiry_seconds);
		case BOLT11_MIN_FINAL_CLTV:
			return take_number(field, &invoice->min_final_cltv);
		case BOLT11_FEATURES:
			return take_features(field, arena, invoice);
		case BOLT11_METADATA:
			return take_metadata(field, arena, invoice);
		case BOLT11_ROUTE:
		case BOLT11_FALLBACK:
			return OK;
	}
	return OK;					/* not understood */
}

/* Understands the fields and looks at what they say together. */
static Result
read_fields(Arena *arena, Bolt11 *invoice)
{
	uint32_t	taken = 0;

	invoice->expiry_seconds = BOLT11_DEFAULT_EXPIRY;
	invoice->min_final_cltv = BOLT11_DEFAULT_MIN_FINAL_CLTV;
	for (size_t i = 0; i < invoice->field_count; i++)
	{
		const Bolt11Field *field = &invoice->fields[i];
		unsigned	fixed = fixed_units(field->type);

		if ((taken >> field->type & 1) != 0 || (fixed != 0 && fixed != field->count))
			continue;
		TRY(take_field(field, arena, invoice));
		taken |= UINT32_C(1) << field->type;
	}
	if ((taken >> BOLT11_PAYMENT_HASH & 1) == 0)
		return MALFORMED("It has no payment hash.");
	if ((taken >> BOLT11_PAYMENT_SECRET & 1) == 0)
		return MALFORMED("It has no payment secret.");
	if (invoice->description == NULL && !invoice->has_description_hash)
		return MALFORMED("It has no description.");
	if (invoice->description != NULL && invoice->has_description_hash)
		return MALFORMED("It has both a description and the hash of one.");
	if (invoice->expiry_seconds > INT64_MAX / MICROSECONDS_PER_SECOND - invoice->timestamp)
		return MALFORMED("Its expiry lies beyond all times.");
	invoice->expires_at = instant_plus_seconds((Instant) {0}, invoice->timestamp + invoice->expiry_seconds);
	if (instant_is_none(invoice->expires_at))
		invoice->expires_at.microseconds = 1;	/* 0 would read as "no time" */
	return OK;
}

/* --------------------------------------------------------------- signature */

Bytes32
bolt11_signed(const char *prefix, const uint8_t *units, size_t count, const Bolt11Crypto *crypto, Arena *arena)
{
	size_t		length = strlen(prefix);
	uint8_t    *bytes = arena_alloc(arena, length + BECH32_BYTES(count));

	memcpy(bytes, prefix, length);
	bech32_pack(units, count, bytes + length);
	return crypto->sha256(bytes, length + BECH32_BYTES(count));
}

static Result
read_signature(const Bech32 *parts, const Bolt11Crypto *crypto, Arena *arena, Bolt11 *invoice)
{
	size_t		count = parts->count - SIGNATURE_UNITS;
	uint8_t		bytes[SIGNATURE_BYTES];
	Bytes32		digest = bolt11_signed(parts->prefix, parts->units, count, crypto, arena);

	bech32_pack(parts->units + count, SIGNATURE_UNITS, bytes);
	memcpy(invoice->signature.bytes, bytes, sizeof(invoice->signature.bytes));
	invoice->signature.recovery_id = bytes[SIGNATURE_BYTES - 1];
	if (invoice->signature.recovery_id > 3)
		return MALFORMED("The signature has a recovery id above 3.");
	if (invoice->payee_is_named)
	{
		if (!crypto->verify(&digest, &invoice->signature, &invoice->payee))
			return MALFORMED("The signature is not one of the payee that it names.");
	}
	else if (!crypto->recover(&digest, &invoice->signature, &invoice->payee))
		return MALFORMED("The signature is of no key.");
	return OK;
}

/* ------------------------------------------------------------------ decode */

/* The text behind "lightning:", in whichever case that is. */
static const char *
without_scheme(const char *text)
{
	static const char scheme[] = "lightning:";

	for (size_t i = 0; i < sizeof(scheme) - 1; i++)
	{
		char		c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (c != scheme[i])
			return text;
	}
	return text + sizeof(scheme) - 1;
}

Result
bolt11_decode(const char *text, const Bolt11Crypto *crypto, Arena *arena, Bolt11 **invoice)
{
	Bech32		parts;
	Bolt11	   *read = ARENA_NEW(arena, Bolt11);
	size_t		length;

	if (text == NULL)
		return MALFORMED("It is empty.");
	text = without_scheme(text);
	length = strlen(text);
	if (length > BOLT11_MAX_LENGTH)
		return MALFORMED("It is longer than 7,089 characters.");
	TRY(bech32_decode(text, length, arena, &parts));
	TRY(read_prefix(parts.prefix, read));
	if (parts.count < TIMESTAMP_UNITS + SIGNATURE_UNITS)
		return MALFORMED("It is too short for a timestamp and a signature.");
	if (!read_number(parts.units, TIMESTAMP_UNITS, &read->timestamp))
		return MALFORMED("A number is too large.");
	TRY(split_fields(parts.units + TIMESTAMP_UNITS, parts.count - TIMESTAMP_UNITS - SIGNATURE_UNITS,
					 arena, read));
	TRY(read_fields(arena, read));
	TRY(read_signature(&parts, crypto, arena, read));
	*invoice = read;
	return OK;
}

bool
bolt11_has_feature(const Bolt11 *invoice, size_t bit)
{
	return bit / 8 < invoice->features_length &&
		(invoice->features[invoice->features_length - 1 - bit / 8] >> bit % 8 & 1) != 0;
}

bool
bolt11_is_described_by(const Bolt11 *invoice, const char *text, const Bolt11Crypto *crypto)
{
	if (invoice->has_description_hash)
		return bytes32_equal(crypto->sha256((const uint8_t *) text, strlen(text)), invoice->description_hash);
	return strcmp(invoice->description, text) == 0;
}

Bolt11Draft
bolt11_draft(const Bolt11 *invoice)
{
	return (Bolt11Draft) {
		.network = invoice->network,
		.has_amount = invoice->has_amount,
		.amount = invoice->amount,
		.timestamp = invoice->timestamp,
		.fields = invoice->fields,
		.field_count = invoice->field_count,
	};
}
