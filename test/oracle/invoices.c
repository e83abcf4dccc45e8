/*
 * invoices.c
 *		invoices SEED COUNT: invoices, good and bent, and what spark reads in them.
 *
 * A line each, its columns with tabs between: how it was made; the text; what
 * another reader may see otherwise, and why (or -); then either "refused" and
 * the reason, or "read" and what it says.  The same seed gives the same lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"
#include "lightning/bech32.h"
#include "lightning/bolt11.h"
#include "lightning/bytes32.h"
#include "lightning/public_key.h"
#include "lightning/secp256k1.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_FIELDS 16
#define SIGNATURE_UNITS 104
#define HOP_BYTES 51

typedef struct Maker
{
	BumpArena	memory;
	Arena	   *arena;
	const Bolt11Crypto *crypto;
	uint64_t	seed;
	Bytes32		secret;
	PublicKey	payee;
} Maker;

/* A number below the limit. */
static uint32_t
draw(Maker *maker, uint32_t limit)
{
	maker->seed ^= maker->seed << 13;
	maker->seed ^= maker->seed >> 7;
	maker->seed ^= maker->seed << 17;
	return (uint32_t) (maker->seed >> 33) % limit;
}

static void
fill(Maker *maker, uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t) draw(maker, 256);
}

static void
new_payee(Maker *maker)
{
	do
		fill(maker, maker->secret.bytes, sizeof(maker->secret.bytes));
	while (!maker->crypto->public_key(&maker->secret, &maker->payee));
}

/* ------------------------------------------------------------------- good */

static Bolt11Field
random_bytes(Maker *maker, Bolt11Type type, size_t length)
{
	uint8_t    *bytes = arena_alloc(maker->arena, length + 1);

	fill(maker, bytes, length);
	return bolt11_bytes_field(maker->arena, type, bytes, length);
}

/* A text of letters from one to four bytes long. */
static Bolt11Field
random_description(Maker *maker)
{
	static const char *const letters[] = {"a", "Z", " ", "<", "'", "\n", "\xc3\xa9", "\xe3\x83\x8a", "\xf0\x9f\x8d\xb5"};
	const char *text = "";

	for (uint32_t i = draw(maker, 60); i > 0; i--)
		text = arena_printf(maker->arena, "%s%s", text, letters[draw(maker, LENGTH(letters))]);
	return bolt11_bytes_field(maker->arena, BOLT11_DESCRIPTION, (const uint8_t *) text, strlen(text));
}

static Bolt11Field
random_features(Maker *maker)
{
	static const uint16_t optional[] = {9, 16, 17, 25, 49, 99, 201};
	uint16_t	bits[6] = {8, 14};
	size_t		count = 2;

	while (count < LENGTH(bits) && draw(maker, 2) == 0)
		bits[count++] = optional[draw(maker, LENGTH(optional))];
	return bolt11_features_field(maker->arena, bits, count);
}

static Bolt11Field
random_route(Maker *maker)
{
	size_t		hops = 1 + draw(maker, 2);
	uint8_t    *bytes = arena_alloc(maker->arena, hops * HOP_BYTES);

	fill(maker, bytes, hops * HOP_BYTES);
	for (size_t i = 0; i < hops; i++)
		memcpy(bytes + i * HOP_BYTES, maker->payee.bytes, sizeof(maker->payee.bytes));
	return bolt11_bytes_field(maker->arena, BOLT11_ROUTE, bytes, hops * HOP_BYTES);
}

/* The version in a unit of its own, then the hash. */
static Bolt11Field
random_fallback(Maker *maker)
{
	static const struct
	{
		uint8_t		version;
		size_t		length;
	}			kinds[] = {{17, 20}, {18, 20}, {0, 20}, {0, 32}, {1, 32}};
	size_t		kind = draw(maker, LENGTH(kinds));
	Bolt11Field hash = random_bytes(maker, BOLT11_FALLBACK, kinds[kind].length);
	uint8_t    *units = arena_alloc(maker->arena, hash.count + 1u);

	units[0] = kinds[kind].version;
	memcpy(units + 1, hash.units, hash.count);
	return (Bolt11Field) {BOLT11_FALLBACK, (uint16_t) (hash.count + 1), units};
}

static size_t
random_fields(Maker *maker, Bolt11Field *fields)
{
	static const uint8_t free_types[] = {0, 2, 4, 7, 8, 10, 31};
	size_t		count = 0;

	fields[count++] = random_bytes(maker, BOLT11_PAYMENT_HASH, 32);
	fields[count++] = random_bytes(maker, BOLT11_PAYMENT_SECRET, 32);
	fields[count++] = random_features(maker);
	fields[count++] = draw(maker, 3) == 0 ? random_bytes(maker, BOLT11_DESCRIPTION_HASH, 32) : random_description(maker);
	if (draw(maker, 2) == 0)
		fields[count++] = bolt11_number_field(maker->arena, BOLT11_EXPIRY, draw(maker, 100000000) + 1);
	if (draw(maker, 2) == 0)
		fields[count++] = bolt11_number_field(maker->arena, BOLT11_MIN_FINAL_CLTV, draw(maker, 2016) + 1);
	if (draw(maker, 3) == 0)
		fields[count++] = bolt11_bytes_field(maker->arena, BOLT11_PAYEE, maker->payee.bytes, 33);
	if (draw(maker, 4) == 0)
		fields[count++] = random_bytes(maker, BOLT11_METADATA, draw(maker, 64));
	for (uint32_t i = draw(maker, 3); i > 0; i--)
		fields[count++] = random_route(maker);
	if (draw(maker, 4) == 0)
		fields[count++] = random_fallback(maker);
	if (draw(maker, 4) == 0)
		fields[count++] = random_bytes(maker, (Bolt11Type) free_types[draw(maker, LENGTH(free_types))], draw(maker, 40));
	for (size_t i = 0; i < count; i++)
	{
		size_t		other = draw(maker, (uint32_t) count);
		Bolt11Field field = fields[i];

		fields[i] = fields[other];
		fields[other] = field;
	}
	return count;
}

static const char *
good_invoice(Maker *maker)
{
	static const int64_t units[] = {1, 1000, 100000, 100000000, INT64_C(100000000000)};
	Bolt11Field fields[MAX_FIELDS];
	Bolt11Draft draft = {
		.network = (Bolt11Network) draw(maker, BOLT11_NETWORK_COUNT),
		.has_amount = draw(maker, 5) != 0,
		.timestamp = draw(maker, UINT32_MAX),
		.fields = fields,
	};
	const char *text;
	Result		result;

	new_payee(maker);
	draft.field_count = random_fields(maker, fields);
	if (draft.has_amount)
		draft.amount.msat = units[draw(maker, LENGTH(units))] * (int64_t) (draw(maker, 9999) + 1);
	result = bolt11_encode(&draft, &maker->secret, maker->crypto, maker->arena, &text);
	if (failed(result))
	{
		fprintf(stderr, "invoices: a good invoice was refused: %s\n", result.detail);
		exit(1);
	}
	return text;
}

/* ------------------------------------------------------------------- bent */

/* One or two characters changed, lost or doubled: no checksum survives it. */
static const char *
mistyped(Maker *maker, const char *good)
{
	size_t		length = strlen(good);
	char	   *text = arena_alloc(maker->arena, length + 2);
	size_t		at = draw(maker, (uint32_t) length);

	memcpy(text, good, length + 1);
	switch (draw(maker, 3))
	{
		case 0:
			do
				text[at] = (char) ('!' + draw(maker, 94));
			while (text[at] == good[at]);
			break;
		case 1:
			memmove(text + at, text + at + 1, length - at);
			break;
		case 2:
			memmove(text + at + 1, text + at, length - at + 1);
			break;
	}
	return text;
}

/* The digest and the signature of what stands before it, written by the letter of the specification. */
static void
sign_units(Maker *maker, const char *prefix, uint8_t *units, size_t count)
{
	size_t		length = strlen(prefix);
	size_t		signed_count = count - SIGNATURE_UNITS;
	uint8_t    *bytes = arena_alloc(maker->arena, length + BECH32_BYTES(signed_count));
	uint8_t		packed[65];
	Signature	signature;
	Bytes32		digest;

	memcpy(bytes, prefix, length);
	bech32_pack(units, signed_count, bytes + length);
	digest = maker->crypto->sha256(bytes, length + BECH32_BYTES(signed_count));
	if (!maker->crypto->sign(&digest, &maker->secret, &signature))
		abort();
	memcpy(packed, signature.bytes, 64);
	packed[64] = signature.recovery_id;
	bech32_spread(packed, sizeof(packed), units + signed_count);
}

static void
change_unit(Maker *maker, uint8_t *units, size_t from, size_t count)
{
	size_t		at = from + draw(maker, (uint32_t) count);

	units[at] = (uint8_t) (units[at] ^ (1 + draw(maker, 31)));
}

/* A unit changed, lost or added before the signature, which is made again or not. */
static const char *
bent_data(Maker *maker, const char *good, bool is_signed)
{
	Bech32		parts;
	uint8_t    *units;
	size_t		count;
	size_t		at;

	if (failed(bech32_decode(good, strlen(good), maker->arena, &parts)))
		abort();
	units = arena_alloc(maker->arena, parts.count + 1);
	count = parts.count;
	memcpy(units, parts.units, count);
	at = draw(maker, (uint32_t) (count - SIGNATURE_UNITS));
	switch (draw(maker, 6))
	{
		case 0:
			memmove(units + at, units + at + 1, count - at - 1);
			count--;
			break;
		case 1:
			memmove(units + at + 1, units + at, count - at);
			units[at] = (uint8_t) draw(maker, 32);
			count++;
			break;
		default:
			change_unit(maker, units, 0, count - SIGNATURE_UNITS);
			break;
	}
	if (is_signed)
		sign_units(maker, parts.prefix, units, count);
	return bech32_encode(maker->arena, parts.prefix, units, count);
}

static const char *
bent_signature(Maker *maker, const char *good)
{
	Bech32		parts;
	uint8_t    *units;

	if (failed(bech32_decode(good, strlen(good), maker->arena, &parts)))
		abort();
	units = arena_alloc(maker->arena, parts.count);
	memcpy(units, parts.units, parts.count);
	change_unit(maker, units, parts.count - SIGNATURE_UNITS, SIGNATURE_UNITS);
	return bech32_encode(maker->arena, parts.prefix, units, parts.count);
}

static const char *
bent_prefix(Maker *maker, const char *good)
{
	static const char *const networks[] = {"lnbc", "lntb", "lntbs", "lnbcrt", "lnbcr", "lnb", "ln", "lnxx", "lntbss"};
	static const char *const letters[] = {"", "m", "u", "n", "p", "x", "mm", "0p", "."};
	Bech32		parts;
	const char *prefix;
	uint8_t    *units;

	if (failed(bech32_decode(good, strlen(good), maker->arena, &parts)))
		abort();
	prefix = arena_printf(maker->arena, "%s%s%u%s", networks[draw(maker, draw(maker, 2) == 0 ? 4 : LENGTH(networks))],
						  draw(maker, 8) == 0 ? "0" : "", draw(maker, draw(maker, 2) == 0 ? 10 : 1000000),
						  letters[draw(maker, LENGTH(letters))]);
	units = arena_alloc(maker->arena, parts.count);
	memcpy(units, parts.units, parts.count);
	sign_units(maker, prefix, units, parts.count);
	return bech32_encode(maker->arena, prefix, units, parts.count);
}

/* ------------------------------------------------------------------- told */

/* A field a second time: the first counts here; elsewhere it is refused, or read as well. */
static bool
is_doubled(const Bolt11 *invoice)
{
	unsigned	counts[32] = {0};

	for (size_t i = 0; i < invoice->field_count; i++)
		switch ((Bolt11Type) invoice->fields[i].type)
		{
			case BOLT11_ROUTE:
			case BOLT11_FALLBACK:
				break;
			case BOLT11_PAYMENT_HASH:
			case BOLT11_PAYMENT_SECRET:
			case BOLT11_DESCRIPTION_HASH:
				counts[invoice->fields[i].type] += invoice->fields[i].count == 52;
				break;
			case BOLT11_PAYEE:
				counts[BOLT11_PAYEE] += invoice->fields[i].count == 53;
				break;
			case BOLT11_FEATURES:
			case BOLT11_EXPIRY:
			case BOLT11_DESCRIPTION:
			case BOLT11_MIN_FINAL_CLTV:
			case BOLT11_METADATA:
				counts[invoice->fields[i].type]++;
				break;
		}
	for (size_t i = 0; i < LENGTH(counts); i++)
		if (counts[i] > 1)
			return true;
	return false;
}

/* Kept unread here, read elsewhere: whether that will work is not known here. */
static bool
has_odd_hints(Maker *maker, const Bolt11 *invoice)
{
	for (size_t i = 0; i < invoice->field_count; i++)
	{
		const Bolt11Field *field = &invoice->fields[i];
		size_t		length = (size_t) field->count * 5 / 8;
		uint8_t    *bytes = arena_alloc(maker->arena, length + 1);

		if (field->type == BOLT11_FALLBACK)
		{
			uint8_t		version = field->count == 0 ? 31 : field->units[0];
			size_t		hash = field->count == 0 ? 0 : (size_t) (field->count - 1) * 5 / 8;

			if (field->count == 0 || (version >= 17 && version <= 18 && hash != 20) || (version <= 16 && (hash < 2 || hash > 40)) ||
				(version == 0 && hash != 20 && hash != 32))
				return true;
		}
		if (field->type != BOLT11_ROUTE)
			continue;
		if (length % HOP_BYTES != 0 || !bech32_unpack(field->units, field->count, bytes))
			return true;
		for (size_t hop = 0; hop < length; hop += HOP_BYTES)
			if (memcmp(bytes + hop, maker->payee.bytes, sizeof(maker->payee.bytes)) != 0)
				return true;
	}
	return false;
}

/* What was signed is taken as it stands here, elsewhere as it is written again: with zeros. */
static bool
has_padding(Maker *maker, const Bolt11 *invoice)
{
	for (size_t i = 0; i < invoice->field_count; i++)
	{
		const Bolt11Field *field = &invoice->fields[i];
		size_t		head = field->type == BOLT11_FALLBACK && field->count > 0 ? 1 : 0;

		if ((field->type == BOLT11_FALLBACK || field->type == BOLT11_METADATA) &&
			!bech32_unpack(field->units + head, field->count - head, arena_alloc(maker->arena, field->count + 1u)))
			return true;
	}
	return false;
}

static bool
has_high_s(const Bolt11 *invoice)
{
	static const uint8_t half[32] = {
		0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
	};

	return memcmp(invoice->signature.bytes + 32, half, sizeof(half)) > 0;
}

/* Why another reader may refuse what spark reads; "-": it must not. */
static const char *
leniency(Maker *maker, const char *text, const Bolt11 *invoice)
{
	if (strlen(text) > 1023)
		return "long";
	if (has_high_s(invoice))
		return "high s";
	if (is_doubled(invoice))
		return "doubled field";
	if (!bolt11_has_feature(invoice, 14) && !bolt11_has_feature(invoice, 15))
		return "no feature for the secret";
	if (bolt11_has_feature(invoice, 24) || bolt11_has_feature(invoice, 36))
		return "a feature that is known here only";
	if (invoice->payee_is_named && invoice->signature.recovery_id > 1)
		return "recovery id of a named payee";
	if (has_odd_hints(maker, invoice))
		return "route or fallback";
	if (has_padding(maker, invoice))
		return "padding";
	return "-";
}

static void
print_hex(const char *name, const uint8_t *bytes, size_t length)
{
	printf("\t%s=", name);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
}

static void
print_read(Maker *maker, const char *text, const Bolt11 *invoice)
{
	unsigned	routes = 0;

	for (size_t i = 0; i < invoice->field_count; i++)
		routes += invoice->fields[i].type == BOLT11_ROUTE;
	printf("%s\tread\tnetwork=%s\tamount=%lld\ttimestamp=%lld\texpiry=%lld\tcltv=%lld\troutes=%u",
		   leniency(maker, text, invoice), bolt11_network_name(invoice->network),
		   invoice->has_amount ? (long long) invoice->amount.msat : -1LL, (long long) invoice->timestamp,
		   (long long) invoice->expiry_seconds, (long long) invoice->min_final_cltv, routes);
	print_hex("hash", invoice->payment_hash.bytes, 32);
	print_hex("secret", invoice->payment_secret.bytes, 32);
	print_hex("payee", invoice->payee.bytes, 33);
	print_hex("features", invoice->features, invoice->features_length);
	if (invoice->description != NULL)
		print_hex("description", (const uint8_t *) invoice->description, strlen(invoice->description));
	if (invoice->has_description_hash)
		print_hex("description_hash", invoice->description_hash.bytes, 32);
	if (invoice->metadata != NULL)
		print_hex("metadata", invoice->metadata, invoice->metadata_length);
	printf("\n");
}

static void
tell(Maker *maker, const char *how, const char *text)
{
	Bolt11	   *invoice;
	Result		result = bolt11_decode(text, maker->crypto, maker->arena, &invoice);

	printf("%s\t%s\t", how, text);
	if (failed(result))
		printf("-\trefused\t%s\n", result.detail);
	else
		print_read(maker, text, invoice);
}

int
main(int argc, char **argv)
{
	Maker		maker = {.crypto = bolt11_crypto_open()};
	long		count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (count < 1 || maker.crypto == NULL)
	{
		fprintf(stderr, "usage: invoices SEED COUNT\n");
		return 2;
	}
	maker.seed = strtoull(argv[1], NULL, 10) * 2 + 1;	/* never 0 */
	for (long i = 0; i < count; i++)
	{
		const char *good;

		bump_arena_init(&maker.memory);
		maker.arena = &maker.memory.arena;
		good = good_invoice(&maker);
		tell(&maker, "good", good);
		tell(&maker, "mistyped", mistyped(&maker, good));
		tell(&maker, "bent and signed", bent_data(&maker, good, true));
		tell(&maker, "bent", bent_data(&maker, good, false));
		tell(&maker, "bent signature", bent_signature(&maker, good));
		tell(&maker, "bent prefix", bent_prefix(&maker, good));
		bump_arena_destroy(&maker.memory);
	}
	return 0;
}
