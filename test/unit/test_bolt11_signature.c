/*
 * test_bolt11_signature.c
 *		The rules of padding, texts and signatures, and the encoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "invoice_by_hand.h"
#include "lightning/bech32.h"
#include "lightning/secp256k1.h"

/* ----------------------------------------------------------------- L72, 73 */

static void
L72_padding_is_zero(void **state)
{
	static const char padding[] = "A field is padded with more than it needs, or not with zeros.";
	static const Bolt11Type fixed[] = {BOLT11_PAYMENT_HASH, BOLT11_PAYMENT_SECRET, BOLT11_DESCRIPTION_HASH};
	Fixture    *fixture = *state;
	Bolt11Field key;

	for (size_t i = 0; i < LENGTH(fixed); i++)
		for (unsigned bit = 0; bit < 4; bit++)
		{
			Raw			raw = raw_good(fixture);
			Bolt11Field field = of_hash(fixture, fixed[i], 0x55);

			((uint8_t *) field.units)[51] = (uint8_t) (field.units[51] | 1 << bit);
			raw.fields[i] = field;
			bad(fixture, &raw, padding);
		}
	key = of_bytes(fixture, BOLT11_PAYEE, fixture->payee.bytes, 33);
	((uint8_t *) key.units)[52] |= 1;
	bad_with(fixture, key, padding);
	for (size_t length = 1; length <= 5; length++)
		for (unsigned bit = 0; bit < 5; bit++)
		{
			Raw			raw = raw_undescribed(fixture);
			size_t		count = BECH32_UNITS(length);

			put(&raw, of_bytes(fixture, BOLT11_DESCRIPTION, "aaaaa", length));
			(void) good(fixture, &raw);
			if (bit >= count * 5 - length * 8)
				continue;		/* no padding, but a letter */
			((uint8_t *) raw.fields[2].units)[count - 1] =
				(uint8_t) (raw.fields[2].units[count - 1] | 1 << bit);
			bad(fixture, &raw, padding);
		}
}

static void
L72_a_unit_too_many_in_a_description_is_refused(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_undescribed(fixture);

	put(&raw, of_units(fixture, BOLT11_DESCRIPTION, 1, 0));
	bad(fixture, &raw, "A field is padded with more than it needs, or not with zeros.");
	raw.fields[2] = of_units(fixture, BOLT11_DESCRIPTION, 3, 9);
	bad(fixture, &raw, "A field is padded with more than it needs, or not with zeros.");
}

static void
L72_the_recovery_id_is_0_to_3(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);

	raw.forged = true;
	memset(raw.signature.bytes, 0x11, sizeof(raw.signature.bytes));
	for (unsigned id = 4; id < 256; id++)
	{
		raw.signature.recovery_id = (uint8_t) id;
		bad(fixture, &raw, "The signature has a recovery id above 3.");
	}
	put(&raw, of_bytes(fixture, BOLT11_PAYEE, fixture->payee.bytes, 33));
	bad(fixture, &raw, "The signature has a recovery id above 3.");
	/* r + n is no coordinate unless r is tiny. */
	raw.field_count--;
	raw.signature.recovery_id = 2;
	bad(fixture, &raw, "The signature is of no key.");
	raw.signature.recovery_id = 3;
	bad(fixture, &raw, "The signature is of no key.");
}

static void
L73_descriptions_are_utf8_without_nul(void **state)
{
	static const struct
	{
		const char *bytes;
		size_t		length;
	}			wrong[] = {
		{"\0", 1}, {"tea\0", 4}, {"\0tea", 4}, {"\xff", 1}, {"\x80", 1}, {"\xc0\x80", 2}, {"\xe0\x80\xaf", 3},
		{"\xed\xa0\x80", 3}, {"\xf4\x90\x80\x80", 4}, {"tea\xe3\x83", 5}, {"\xfe\xff", 2},
	};
	static const char *const right[] = {
		"", "tea", "<script>alert(1)</script>", "'; DROP TABLE invoices; --", "line\nline\x1b[31m",
		"\xe3\x83\x8a", "\xf0\x9f\x8d\xb5", "\xe2\x80\xae" "backwards",
	};
	Fixture    *fixture = *state;
	char		longest[BOLT11_MAX_DESCRIPTION + 1] = {0};

	for (size_t i = 0; i < LENGTH(wrong); i++)
	{
		Raw			raw = raw_undescribed(fixture);

		put(&raw, of_bytes(fixture, BOLT11_DESCRIPTION, wrong[i].bytes, wrong[i].length));
		bad(fixture, &raw, "The description is not UTF-8, or holds a NUL.");
	}
	for (size_t i = 0; i < LENGTH(right); i++)
	{
		Raw			raw = raw_undescribed(fixture);

		put(&raw, of_text(fixture, right[i]));
		assert_string_equal(good(fixture, &raw)->description, right[i]);
	}
	memset(longest, 'x', BOLT11_MAX_DESCRIPTION);
	{
		Raw			raw = raw_undescribed(fixture);

		put(&raw, of_text(fixture, longest));
		assert_string_equal(good(fixture, &raw)->description, longest);
	}
}

/* --------------------------------------------------------------------- L74 */

static void
L74_a_named_payee_must_have_signed(void **state)
{
	static const char not_his[] = "The signature is not one of the payee that it names.";
	Fixture    *fixture = *state;
	PublicKey	key = fixture->payee;
	Raw			raw = with(fixture, of_bytes(fixture, BOLT11_PAYEE, key.bytes, 33));
	Bytes32		other = {{0}};

	assert_true(good(fixture, &raw)->payee_is_named);
	key.bytes[0] ^= 1;			/* the other point of that x */
	bad_with(fixture, of_bytes(fixture, BOLT11_PAYEE, key.bytes, 33), not_his);
	other.bytes[31] = 7;
	assert_true(fixture->crypto->public_key(&other, &key));
	bad_with(fixture, of_bytes(fixture, BOLT11_PAYEE, key.bytes, 33), not_his);
	for (int first = 0; first < 256; first++)
	{
		memset(key.bytes, 0xff, sizeof(key.bytes));	/* no coordinate */
		key.bytes[0] = (uint8_t) first;
		bad_with(fixture, of_bytes(fixture, BOLT11_PAYEE, key.bytes, 33), not_his);
	}
}

static void
L74_signatures_of_zero_or_beyond_the_order_are_refused(void **state)
{
	static const uint8_t fillings[] = {0x00, 0xff};
	Fixture    *fixture = *state;

	for (size_t r = 0; r < 2; r++)
		for (size_t half = 0; half < 2; half++)
			for (uint8_t id = 0; id < 4; id++)
			{
				Raw			raw = raw_good(fixture);

				raw.forged = true;
				memset(raw.signature.bytes, 0x11, 64);
				memset(raw.signature.bytes + 32 * half, fillings[r], 32);
				raw.signature.recovery_id = id;
				bad(fixture, &raw, "The signature is of no key.");
				put(&raw, of_bytes(fixture, BOLT11_PAYEE, fixture->payee.bytes, 33));
				bad(fixture, &raw, "The signature is not one of the payee that it names.");
			}
}

/* A signature with its s replaced by order - s, and the parity of the recovery id turned. */
static Signature
with_high_s(Signature signature)
{
	static const uint8_t order[32] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
		0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
	};
	int			borrow = 0;

	for (int i = 31; i >= 0; i--)
	{
		int			difference = order[i] - signature.bytes[32 + i] - borrow;

		borrow = difference < 0;
		signature.bytes[32 + i] = (uint8_t) (difference & 0xff);
	}
	signature.recovery_id ^= 1;
	return signature;
}

static void
L74_a_high_s_is_good_only_where_the_key_is_recovered(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);

	raw.signature = with_high_s(good(fixture, &raw)->signature);
	raw.forged = true;
	assert_false(good(fixture, &raw)->payee_is_named);
	raw.forged = false;
	put(&raw, of_bytes(fixture, BOLT11_PAYEE, fixture->payee.bytes, 33));
	raw.signature = with_high_s(good(fixture, &raw)->signature);
	raw.forged = true;
	bad(fixture, &raw, "The signature is not one of the payee that it names.");
}

/* --------------------------------------------------------------------- L75 */

static Bolt11Plain
plain_tea(void)
{
	Bolt11Plain plain = {
		.network = BOLT11_REGTEST,
		.has_amount = true,
		.amount = {1234567},
		.timestamp = NOW,
		.expiry_seconds = 600,
		.min_final_cltv = 80,
		.description = "tea",
	};

	memset(plain.payment_hash.bytes, 0xaa, 32);
	memset(plain.payment_secret.bytes, 0xbb, 32);
	return plain;
}

static Result
make(Fixture *fixture, const Bolt11Plain *plain, const char **text)
{
	*text = NULL;
	return bolt11_make(plain, &fixture->secret, fixture->crypto, fixture->arena, text);
}

static Bolt11 *
made(Fixture *fixture, const Bolt11Plain *plain)
{
	const char *text;
	Bolt11	   *invoice;

	assert_false(failed(make(fixture, plain, &text)));
	assert_false(failed(bolt11_decode(text, fixture->crypto, fixture->arena, &invoice)));
	return invoice;
}

static void
L75_a_plain_invoice_says_what_it_was_made_of(void **state)
{
	Fixture    *fixture = *state;
	Bolt11Plain plain = plain_tea();
	Bolt11	   *invoice = made(fixture, &plain);

	assert_int_equal(invoice->network, BOLT11_REGTEST);
	assert_true(invoice->has_amount);
	assert_int_equal(invoice->amount.msat, 1234567);
	assert_int_equal(invoice->timestamp, NOW);
	assert_int_equal(invoice->expiry_seconds, 600);
	assert_int_equal(invoice->min_final_cltv, 80);
	assert_string_equal(invoice->description, "tea");
	assert_memory_equal(invoice->payment_hash.bytes, plain.payment_hash.bytes, 32);
	assert_memory_equal(invoice->payment_secret.bytes, plain.payment_secret.bytes, 32);
	assert_memory_equal(invoice->payee.bytes, fixture->payee.bytes, 33);
	for (size_t bit = 0; bit < 64; bit++)
		assert_int_equal(bolt11_has_feature(invoice, bit), bit == 8 || bit == 14);
	plain.has_amount = false;
	plain.expiry_seconds = 0;
	plain.min_final_cltv = 0;
	plain.description = "";
	invoice = made(fixture, &plain);
	assert_false(invoice->has_amount);
	assert_int_equal(invoice->expiry_seconds, 0);
	assert_int_equal(invoice->min_final_cltv, 0);
	assert_string_equal(invoice->description, "");
}

static void
L75_the_same_invoice_is_signed_the_same(void **state)
{
	Bolt11Plain plain = plain_tea();
	const char *once;
	const char *twice;

	assert_false(failed(make(*state, &plain, &once)));
	assert_false(failed(make(*state, &plain, &twice)));
	assert_string_equal(once, twice);
}

static void
L75_amounts_are_written_with_the_largest_multiplier(void **state)
{
	static const struct
	{
		int64_t		msat;
		const char *prefix;
	}			amounts[] = {
		{1, "lnbcrt10p1"}, {99, "lnbcrt990p1"}, {100, "lnbcrt1n1"}, {110, "lnbcrt1100p1"}, {1000, "lnbcrt10n1"},
		{100000, "lnbcrt1u1"}, {1234567, "lnbcrt12345670p1"}, {100000000, "lnbcrt1m1"}, {250000000, "lnbcrt2500u1"},
		{INT64_C(100000000000), "lnbcrt11"}, {INT64_C(2100000000000000000), "lnbcrt210000001"},
		{INT64_C(2099999999999999999), "lnbcrt20999999999999999990p1"},
	};
	Fixture    *fixture = *state;

	for (size_t i = 0; i < LENGTH(amounts); i++)
	{
		Bolt11Plain plain = plain_tea();
		const char *text;

		plain.amount.msat = amounts[i].msat;
		assert_false(failed(make(fixture, &plain, &text)));
		assert_memory_equal(text, amounts[i].prefix, strlen(amounts[i].prefix));
		assert_int_equal(made(fixture, &plain)->amount.msat, amounts[i].msat);
	}
}

static void
assert_refused(Fixture *fixture, Bolt11Plain plain)
{
	const char *text;
	Result		result = make(fixture, &plain, &text);

	assert_int_equal(result.code, RESULT_INVALID_ARGUMENT);
	assert_non_null(result.detail);
	assert_null(text);
}

static void
L75_what_no_invoice_can_say_is_refused(void **state)
{
	static const int64_t amounts[] = {0, -1, INT64_MIN, INT64_C(2100000000000000001), INT64_MAX};
	static const int64_t times[] = {-1, INT64_C(1) << 35, INT64_MAX, INT64_MIN};
	Fixture    *fixture = *state;
	Bolt11Plain plain = plain_tea();
	char		longest[BOLT11_MAX_DESCRIPTION + 2] = {0};

	for (size_t i = 0; i < LENGTH(amounts); i++)
	{
		plain = plain_tea();
		plain.amount.msat = amounts[i];
		assert_refused(fixture, plain);
	}
	for (size_t i = 0; i < LENGTH(times); i++)
	{
		plain = plain_tea();
		plain.timestamp = times[i];
		assert_refused(fixture, plain);
	}
	plain = plain_tea();
	plain.expiry_seconds = -1;
	assert_refused(fixture, plain);
	plain.expiry_seconds = INT64_MAX;
	assert_refused(fixture, plain);
	plain = plain_tea();
	plain.min_final_cltv = -1;
	assert_refused(fixture, plain);
	plain = plain_tea();
	plain.network = BOLT11_NETWORK_COUNT;
	assert_refused(fixture, plain);
	plain = plain_tea();
	plain.description = NULL;
	assert_refused(fixture, plain);
	plain.description = "\xff";
	assert_refused(fixture, plain);
	memset(longest, 'x', BOLT11_MAX_DESCRIPTION + 1);
	plain.description = longest;
	assert_refused(fixture, plain);
	longest[BOLT11_MAX_DESCRIPTION] = '\0';
	assert_string_equal(made(fixture, &plain)->description, longest);
}

static Result
encode(Fixture *fixture, const Raw *raw)
{
	Bolt11Draft draft = {
		.network = BOLT11_REGTEST,
		.timestamp = raw->timestamp,
		.fields = raw->fields,
		.field_count = raw->field_count,
	};
	const char *text;

	return bolt11_encode(&draft, &fixture->secret, fixture->crypto, fixture->arena, &text);
}

static void
L75_the_encoder_reads_what_it_wrote(void **state)
{
	Fixture    *fixture = *state;
	uint8_t		thirty_two = 32;
	Bolt11Field wrong[] = {
		of_hash(fixture, BOLT11_DESCRIPTION_HASH, 1),	/* beside a description */
		of_units(fixture, BOLT11_EXPIRY, 2, 0),
		bolt11_features_field(fixture->arena, &(uint16_t) {100}, 1),
		bolt11_features_field(fixture->arena, &(uint16_t) {5115}, 1),
		of_units(fixture, BOLT11_PAYEE, 53, 0),
		{BOLT11_METADATA, 1, &thirty_two},
		{32, 0, NULL},
		{BOLT11_METADATA, BOLT11_MAX_UNITS + 1, NULL},
		bolt11_bytes_field(fixture->arena, BOLT11_METADATA, NULL, BOLT11_MAX_DESCRIPTION + 1),
	};
	Raw			raw = raw_good(fixture);

	assert_false(failed(encode(fixture, &raw)));
	for (size_t i = 0; i < LENGTH(wrong); i++)
	{
		raw = with(fixture, wrong[i]);
		assert_int_equal(encode(fixture, &raw).code, RESULT_INVALID_ARGUMENT);
	}
	raw = raw_undescribed(fixture);
	assert_int_equal(encode(fixture, &raw).code, RESULT_INVALID_ARGUMENT);
	assert_string_equal(encode(fixture, &raw).detail,
						"The invoice would be refused by its reader: It has no description.");
	raw = raw_good(fixture);
	for (int i = 0; i < 7; i++)
		put(&raw, of_units(fixture, BOLT11_ROUTE, 1023, 1));
	assert_int_equal(encode(fixture, &raw).code, RESULT_INVALID_ARGUMENT);
}

/* A number below the limit, from a run of numbers that is always the same. */
static uint32_t
draw(uint64_t *seed, uint32_t limit)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t) (*seed >> 33) % limit;
}

static void
L75_any_draft_comes_back_as_it_was(void **state)
{
	static const uint8_t free_types[] = {0, 2, 3, 4, 7, 8, 9, 27, 31};
	Fixture    *fixture = *state;
	uint64_t	seed = 20240229;

	for (int round = 0; round < 300; round++)
	{
		Raw			raw = raw_good(fixture);
		Bolt11Draft draft = {.network = (Bolt11Network) draw(&seed, 4), .timestamp = draw(&seed, UINT32_MAX)};
		const char *text;
		const char *again;
		Bolt11	   *invoice;

		for (uint32_t i = draw(&seed, 8); i > 0; i--)
			put(&raw, of_units(fixture, (Bolt11Type) free_types[draw(&seed, LENGTH(free_types))],
							   draw(&seed, 200), (uint8_t) draw(&seed, 32)));
		for (size_t i = 0; i < raw.field_count; i++)
		{
			Bolt11Field field = raw.fields[i];
			size_t		other = draw(&seed, (uint32_t) raw.field_count);

			raw.fields[i] = raw.fields[other];
			raw.fields[other] = field;
		}
		draft.fields = raw.fields;
		draft.field_count = raw.field_count;
		draft.has_amount = draw(&seed, 4) != 0;
		draft.amount.msat = draft.has_amount ? (int64_t) draw(&seed, UINT32_MAX) * draw(&seed, 400000000) + 1 : 0;
		assert_false(failed(bolt11_encode(&draft, &fixture->secret, fixture->crypto, fixture->arena, &text)));
		assert_false(failed(bolt11_decode(text, fixture->crypto, fixture->arena, &invoice)));
		assert_int_equal(invoice->network, draft.network);
		assert_int_equal(invoice->has_amount, draft.has_amount);
		assert_int_equal(invoice->amount.msat, draft.amount.msat);
		assert_int_equal(invoice->timestamp, draft.timestamp);
		draft = bolt11_draft(invoice);
		assert_false(failed(bolt11_encode(&draft, &fixture->secret, fixture->crypto, fixture->arena, &again)));
		assert_string_equal(text, again);
	}
}

/* --------------------------------------------------------------------- L76 */

static void
L76_one_context_serves_the_process(void **state)
{
	assert_non_null(bolt11_crypto_open());
	assert_ptr_equal(bolt11_crypto_open(), bolt11_crypto_open());
}

static void
L76_a_secret_that_is_no_key_is_refused_without_abort(void **state)
{
	Fixture    *fixture = *state;
	Bolt11Plain plain = plain_tea();
	const char *text;

	memset(fixture->secret.bytes, 0x00, 32);
	assert_int_equal(make(fixture, &plain, &text).code, RESULT_INVALID_ARGUMENT);
	assert_null(text);
	memset(fixture->secret.bytes, 0xff, 32);
	assert_int_equal(make(fixture, &plain, &text).code, RESULT_INVALID_ARGUMENT);
	assert_null(text);
}

static void
L76_hashes_as_the_standard_says(void **state)
{
	static const uint8_t abc[32] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
		0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	Fixture    *fixture = *state;

	assert_memory_equal(fixture->crypto->sha256((const uint8_t *) "abc", 3).bytes, abc, 32);
}

int
main(void)
{
#define RULE(test) cmocka_unit_test_setup_teardown(test, by_hand_set_up, by_hand_tear_down)
	const struct CMUnitTest tests[] = {
		RULE(L72_padding_is_zero),
		RULE(L72_a_unit_too_many_in_a_description_is_refused),
		RULE(L72_the_recovery_id_is_0_to_3),
		RULE(L73_descriptions_are_utf8_without_nul),
		RULE(L74_a_named_payee_must_have_signed),
		RULE(L74_signatures_of_zero_or_beyond_the_order_are_refused),
		RULE(L74_a_high_s_is_good_only_where_the_key_is_recovered),
		RULE(L75_a_plain_invoice_says_what_it_was_made_of),
		RULE(L75_the_same_invoice_is_signed_the_same),
		RULE(L75_amounts_are_written_with_the_largest_multiplier),
		RULE(L75_what_no_invoice_can_say_is_refused),
		RULE(L75_the_encoder_reads_what_it_wrote),
		RULE(L75_any_draft_comes_back_as_it_was),
		RULE(L76_one_context_serves_the_process),
		RULE(L76_a_secret_that_is_no_key_is_refused_without_abort),
		RULE(L76_hashes_as_the_standard_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
