/*
 * test_bolt11_fields.c
 *		The rules of an invoice's prefix and fields, one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "invoice_by_hand.h"

/* ----------------------------------------------------------------- L68, 69 */

static void
L68_reads_7089_characters_and_refuses_one_more(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);
	size_t		length;

	for (int i = 0; i < 6; i++)
		put(&raw, of_units(fixture, BOLT11_ROUTE, 1023, 1));
	length = strlen(sealed(fixture, &raw));
	assert_true(length < BOLT11_MAX_LENGTH - 10);
	put(&raw, of_units(fixture, (Bolt11Type) 2, BOLT11_MAX_LENGTH - length - 3, 1));
	assert_int_equal(strlen(sealed(fixture, &raw)), BOLT11_MAX_LENGTH);
	(void) good(fixture, &raw);
	raw.fields[raw.field_count - 1] = of_units(fixture, (Bolt11Type) 2, BOLT11_MAX_LENGTH - length - 2, 1);
	bad(fixture, &raw, "It is longer than 7,089 characters.");
}

static void
L69_knows_the_networks_by_their_whole_prefix(void **state)
{
	static const struct
	{
		const char *prefix;
		Bolt11Network network;
		const char *name;
	}			known[] = {
		{"lnbc", BOLT11_MAINNET, "bitcoin"}, {"lntb", BOLT11_TESTNET, "testnet"},
		{"lntbs", BOLT11_SIGNET, "signet"}, {"lnbcrt", BOLT11_REGTEST, "regtest"},
		{"lnbc1", BOLT11_MAINNET, "bitcoin"}, {"lntb1", BOLT11_TESTNET, "testnet"},
		{"lntbs11u", BOLT11_SIGNET, "signet"}, {"lnbcrt111n", BOLT11_REGTEST, "regtest"},
	};
	static const char *const unknown[] = {
		"ln", "lnb", "lnbcr", "lnbcrtx", "lntbss", "lnsb", "lnsb20m", "lnbcm", "ln20m", "ln1", "lnbc-1", "lnbc+1",
	};
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);
	Bolt11Network network;

	for (size_t i = 0; i < LENGTH(known); i++)
	{
		raw.prefix = known[i].prefix;
		assert_int_equal(good(fixture, &raw)->network, known[i].network);
		assert_string_equal(bolt11_network_name(known[i].network), known[i].name);
		assert_true(bolt11_network_by_name(known[i].name, &network));
		assert_int_equal(network, known[i].network);
	}
	for (size_t i = 0; i < LENGTH(unknown); i++)
	{
		raw.prefix = unknown[i];
		bad(fixture, &raw, "Its first letters name no known network.");
	}
	raw.prefix = "l";
	bad(fixture, &raw, "It does not begin with ln.");
	raw.prefix = "bc";
	bad(fixture, &raw, "It does not begin with ln.");
	assert_true(bolt11_network_by_name("mainnet", &network));
	assert_int_equal(network, BOLT11_MAINNET);
	assert_false(bolt11_network_by_name("simnet", &network));
	assert_false(bolt11_network_by_name("", &network));
	assert_string_equal(bolt11_network_name(BOLT11_NETWORK_COUNT), "unknown");
}

static void
L69_reads_amounts_with_each_multiplier(void **state)
{
	static const struct
	{
		const char *prefix;
		int64_t		msat;
	}			amounts[] = {
		{"lnbc1", INT64_C(100000000000)}, {"lnbc1m", 100000000}, {"lnbc1u", 100000}, {"lnbc1n", 100},
		{"lnbc10p", 1}, {"lnbc120p", 12}, {"lnbc1000000000000p", INT64_C(100000000000)},
		{"lnbc21000000", INT64_C(2100000000000000000)}, {"lnbc21000000000m", INT64_C(2100000000000000000)},
		{"lnbc21000000000000u", INT64_C(2100000000000000000)},
		{"lnbc21000000000000000n", INT64_C(2100000000000000000)},
		{"lnbc21000000000000000000p", INT64_C(2100000000000000000)}, {"lnbc2100000u", INT64_C(210000000000)}, {"lnbc11111111m", INT64_C(1111111100000000)},
		{"lntbs20m", INT64_C(2000000000)}, {"lnbcrt1m", 100000000},
	};
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);

	for (size_t i = 0; i < LENGTH(amounts); i++)
	{
		raw.prefix = amounts[i].prefix;
		assert_true(good(fixture, &raw)->has_amount);
		assert_int_equal(good(fixture, &raw)->amount.msat, amounts[i].msat);
	}
	raw.prefix = "lnbc";
	assert_false(good(fixture, &raw)->has_amount);
	assert_int_equal(good(fixture, &raw)->amount.msat, 0);
}

static void
L69_refuses_amounts_that_are_none(void **state)
{
	static const char zero[] = "The amount is zero, or begins with a zero.";
	static const char much[] = "The amount is more than all bitcoin.";
	static const char fraction[] = "The amount has a fraction of a millisatoshi.";
	static const char letter[] = "The amount has an unknown multiplier.";
	static const char behind[] = "The amount has more than a multiplier behind it.";
	static const struct
	{
		const char *prefix;
		const char *detail;
	}			amounts[] = {
		{"lnbc0", zero}, {"lnbc0m", zero}, {"lnbc00p", zero}, {"lnbc01", zero}, {"lnbc01m", zero},
		{"lnbc1p", fraction}, {"lnbc15p", fraction}, {"lnbc2500000001p", fraction},
		{"lnbc21000001", much}, {"lnbc21000000001m", much}, {"lnbc21000000000001u", much},
		{"lnbc21000000000000001n", much}, {"lnbc92233720368547758", much}, {"lnbc9223372036854775807", much},
		{"lnbc9223372036854775808", much}, {"lnbc99999999999999999999999999999999", much},
		{"lnbc18446744073709551617u", much}, {"lnbc184467440737095517n", much}, {"lnbc21000000000000000010p", much},
		{"lnbc1x", letter}, {"lnbc1k", letter}, {"lnbc1-", letter}, {"lnbc1.", letter},
		{"lnbc1mm", behind}, {"lnbc1m1", behind}, {"lnbc1.5m", behind}, {"lnbc1pp", behind},
	};
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);

	for (size_t i = 0; i < LENGTH(amounts); i++)
	{
		raw.prefix = amounts[i].prefix;
		bad(fixture, &raw, amounts[i].detail);
	}
}

/* ----------------------------------------------------------------- L70, 71 */

static void
L70_skips_fields_of_another_length_and_then_misses_them(void **state)
{
	static const struct
	{
		Bolt11Type	type;
		size_t		at;			/* its place in raw_good */
		const char *detail;
	}			needed[] = {
		{BOLT11_PAYMENT_HASH, 0, "It has no payment hash."},
		{BOLT11_PAYMENT_SECRET, 1, "It has no payment secret."},
		{BOLT11_DESCRIPTION_HASH, 2, "It has no description."},
	};
	static const size_t lengths[] = {0, 1, 51, 53, 104, 1023};
	Fixture    *fixture = *state;

	for (size_t i = 0; i < LENGTH(needed); i++)
		for (size_t j = 0; j < LENGTH(lengths); j++)
		{
			Raw			raw = raw_good(fixture);

			raw.fields[needed[i].at] = of_units(fixture, needed[i].type, lengths[j], 31);
			bad(fixture, &raw, needed[i].detail);
			put(&raw, of_hash(fixture, needed[i].type, 0xcc));
			(void) good(fixture, &raw);
		}
	for (size_t j = 0; j < LENGTH(lengths); j++)
	{
		Raw			raw = with(fixture, of_units(fixture, BOLT11_PAYEE, lengths[j] == 53 ? 52 : lengths[j], 31));

		assert_false(good(fixture, &raw)->payee_is_named);
	}
}

static void
L70_keeps_what_it_does_not_understand(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);
	Bolt11	   *invoice;

	put(&raw, of_units(fixture, (Bolt11Type) 0, 0, 0));
	put(&raw, of_units(fixture, (Bolt11Type) 31, 1023, 31));
	put(&raw, of_units(fixture, BOLT11_FALLBACK, 1, 31));
	put(&raw, of_units(fixture, BOLT11_FALLBACK, 33, 17));
	put(&raw, of_units(fixture, BOLT11_ROUTE, 5, 9));
	put(&raw, of_units(fixture, BOLT11_ROUTE, 82, 9));
	put(&raw, of_units(fixture, (Bolt11Type) 2, 7, 0));
	invoice = good(fixture, &raw);
	assert_int_equal(invoice->field_count, raw.field_count);
	for (size_t i = 0; i < raw.field_count; i++)
	{
		assert_int_equal(invoice->fields[i].type, raw.fields[i].type);
		assert_int_equal(invoice->fields[i].count, raw.fields[i].count);
		assert_memory_equal(invoice->fields[i].units, raw.fields[i].units, raw.fields[i].count);
	}
}

static void
L71_the_first_of_a_doubled_field_counts(void **state)
{
	static const uint16_t first_bits[] = {8, 14};
	static const uint16_t second_bits[] = {100};
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);
	PublicKey	other = {{2}};
	Bolt11	   *invoice;

	put(&raw, of_hash(fixture, BOLT11_PAYMENT_HASH, 0x01));
	put(&raw, of_hash(fixture, BOLT11_PAYMENT_SECRET, 0x02));
	put(&raw, of_text(fixture, "coffee"));
	put(&raw, bolt11_number_field(fixture->arena, BOLT11_EXPIRY, 60));
	put(&raw, bolt11_number_field(fixture->arena, BOLT11_EXPIRY, 61));
	put(&raw, bolt11_number_field(fixture->arena, BOLT11_MIN_FINAL_CLTV, 40));
	put(&raw, bolt11_number_field(fixture->arena, BOLT11_MIN_FINAL_CLTV, 41));
	put(&raw, bolt11_features_field(fixture->arena, first_bits, 2));
	put(&raw, bolt11_features_field(fixture->arena, second_bits, 1));
	put(&raw, of_bytes(fixture, BOLT11_METADATA, "one", 3));
	put(&raw, of_bytes(fixture, BOLT11_METADATA, "two!", 4));
	put(&raw, of_bytes(fixture, BOLT11_PAYEE, fixture->payee.bytes, 33));
	put(&raw, of_bytes(fixture, BOLT11_PAYEE, other.bytes, 33));
	invoice = good(fixture, &raw);
	assert_int_equal(invoice->payment_hash.bytes[0], 0xaa);
	assert_int_equal(invoice->payment_secret.bytes[0], 0xbb);
	assert_string_equal(invoice->description, "tea");
	assert_int_equal(invoice->expiry_seconds, 60);
	assert_int_equal(invoice->min_final_cltv, 40);
	assert_true(bolt11_has_feature(invoice, 14));
	assert_int_equal(invoice->metadata_length, 3);
	assert_memory_equal(invoice->metadata, "one", 3);
	assert_true(invoice->payee_is_named);
}

static void
L71_the_first_description_hash_counts(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_undescribed(fixture);

	put(&raw, of_hash(fixture, BOLT11_DESCRIPTION_HASH, 0x01));
	put(&raw, of_hash(fixture, BOLT11_DESCRIPTION_HASH, 0x02));
	assert_int_equal(good(fixture, &raw)->description_hash.bytes[0], 0x01);
	assert_null(good(fixture, &raw)->description);
}

static void
L71_refuses_stray_units_and_fields_past_the_end(void **state)
{
	static const char stray[] = "Something stands between the last field and the signature.";
	static const char past[] = "A field is longer than what is left for it.";
	static const struct
	{
		uint8_t		units[8];
		size_t		count;
		const char *detail;
	}			tails[] = {
		{{0}, 1, stray}, {{0}, 2, stray}, {{0}, 3, NULL}, {{0}, 4, stray}, {{0}, 5, stray}, {{0}, 6, NULL},
		{{2, 0, 1, 9}, 4, NULL}, {{2, 0, 1}, 3, past}, {{2, 0, 2, 9}, 4, past}, {{2, 1, 0, 9}, 4, past},
		{{2, 31, 31, 9}, 4, past}, {{13, 31, 31}, 3, past}, {{2, 0, 1, 9, 9}, 5, stray},
	};
	Fixture    *fixture = *state;

	for (size_t i = 0; i < LENGTH(tails); i++)
	{
		Raw			raw = raw_good(fixture);

		raw.tail = tails[i].units;
		raw.tail_count = tails[i].count;
		if (tails[i].detail == NULL)
			(void) good(fixture, &raw);
		else
			bad(fixture, &raw, tails[i].detail);
	}
}

static void
L71_wants_a_description_or_the_hash_of_one(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_undescribed(fixture);

	bad(fixture, &raw, "It has no description.");
	put(&raw, of_text(fixture, ""));
	assert_string_equal(good(fixture, &raw)->description, "");
	put(&raw, of_hash(fixture, BOLT11_DESCRIPTION_HASH, 0));
	bad(fixture, &raw, "It has both a description and the hash of one.");
}

/* ----------------------------------------------------------------- numbers */

static void
L71_numbers_have_no_zeros_before_them(void **state)
{
	static const char zeros[] = "A number has zeros before it.";
	Fixture    *fixture = *state;
	Bolt11Field padded = of_units(fixture, BOLT11_EXPIRY, 3, 0);
	Bolt11Field bits = of_units(fixture, BOLT11_FEATURES, 4, 0);

	((uint8_t *) padded.units)[2] = 7;
	bad_with(fixture, padded, zeros);
	padded.type = BOLT11_MIN_FINAL_CLTV;
	bad_with(fixture, padded, zeros);
	bad_with(fixture, of_units(fixture, BOLT11_EXPIRY, 1, 0), zeros);
	bad_with(fixture, of_units(fixture, BOLT11_MIN_FINAL_CLTV, 1, 0), zeros);
	((uint8_t *) bits.units)[1] = 16;
	bad_with(fixture, bits, "The feature bits have zeros before them.");
	bad_with(fixture, of_units(fixture, BOLT11_FEATURES, 1, 0), "The feature bits have zeros before them.");
}

static void
L71_numbers_without_a_unit_are_zero(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = with(fixture, of_units(fixture, BOLT11_EXPIRY, 0, 0));

	put(&raw, of_units(fixture, BOLT11_MIN_FINAL_CLTV, 0, 0));
	put(&raw, of_units(fixture, BOLT11_FEATURES, 0, 0));
	assert_int_equal(good(fixture, &raw)->expiry_seconds, 0);
	assert_int_equal(good(fixture, &raw)->min_final_cltv, 0);
	assert_int_equal(good(fixture, &raw)->features_length, 0);
	assert_false(bolt11_has_feature(good(fixture, &raw), 0));
	assert_int_equal(good(fixture, &raw)->expires_at.microseconds, NOW * MICROSECONDS_PER_SECOND);
	raw.timestamp = 0;
	assert_false(instant_is_none(good(fixture, &raw)->expires_at));
}

static void
L71_defaults_are_an_hour_and_18_blocks(void **state)
{
	Fixture    *fixture = *state;
	Raw			raw = raw_good(fixture);

	assert_int_equal(good(fixture, &raw)->expiry_seconds, 3600);
	assert_int_equal(good(fixture, &raw)->min_final_cltv, 18);
	assert_int_equal(good(fixture, &raw)->expires_at.microseconds, (NOW + 3600) * MICROSECONDS_PER_SECOND);
	assert_int_equal(good(fixture, &raw)->features_length, 0);
}

static void
L71_huge_numbers_are_refused_where_they_overflow(void **state)
{
	static const char beyond[] = "Its expiry lies beyond all times.";
	Fixture    *fixture = *state;
	int64_t		most = INT64_MAX / MICROSECONDS_PER_SECOND - NOW;
	Raw			raw = with(fixture, bolt11_number_field(fixture->arena, BOLT11_EXPIRY, most));

	assert_int_equal(good(fixture, &raw)->expires_at.microseconds / MICROSECONDS_PER_SECOND, most + NOW);
	bad_with(fixture, bolt11_number_field(fixture->arena, BOLT11_EXPIRY, most + 1), beyond);
	bad_with(fixture, bolt11_number_field(fixture->arena, BOLT11_EXPIRY, INT64_MAX), beyond);
	bad_with(fixture, of_units(fixture, BOLT11_EXPIRY, 13, 8), "A number is too large.");
	bad_with(fixture, of_units(fixture, BOLT11_EXPIRY, 1023, 31), "A number is too large.");
	bad_with(fixture, of_units(fixture, BOLT11_MIN_FINAL_CLTV, 1023, 31), "A number is too large.");
	good_with(fixture, bolt11_number_field(fixture->arena, BOLT11_MIN_FINAL_CLTV, INT64_MAX));
	raw = raw_good(fixture);
	raw.timestamp = (INT64_C(1) << 35) - 1;	/* the year 3058 */
	assert_int_equal(good(fixture, &raw)->timestamp, raw.timestamp);
}

static void
L71_required_features_must_be_known(void **state)
{
	Fixture    *fixture = *state;

	for (uint16_t bit = 0; bit < 200; bit++)
	{
		Bolt11Field field = bolt11_features_field(fixture->arena, &bit, 1);
		bool		known = bit == 8 || bit == 14 || bit == 16 || bit == 24 || bit == 36 || bit == 48;

		if (bit % 2 == 1 || known)
		{
			Raw			raw = with(fixture, field);
			Bolt11	   *invoice = good(fixture, &raw);

			for (uint16_t other = 0; other < 200; other++)
				assert_int_equal(bolt11_has_feature(invoice, other), other == bit);
		}
		else
			bad_with(fixture, field, arena_printf(fixture->arena,
												  "It requires feature %u, which is not known here.", bit));
	}
	/* The highest there can be, odd and even. */
	good_with(fixture, bolt11_features_field(fixture->arena, &(uint16_t) {5113}, 1));
	bad_with(fixture, bolt11_features_field(fixture->arena, &(uint16_t) {5114}, 1),
			 "It requires feature 5114, which is not known here.");
}

int
main(void)
{
#define RULE(test) cmocka_unit_test_setup_teardown(test, by_hand_set_up, by_hand_tear_down)
	const struct CMUnitTest tests[] = {
		RULE(L68_reads_7089_characters_and_refuses_one_more),
		RULE(L69_knows_the_networks_by_their_whole_prefix),
		RULE(L69_reads_amounts_with_each_multiplier),
		RULE(L69_refuses_amounts_that_are_none),
		RULE(L70_skips_fields_of_another_length_and_then_misses_them),
		RULE(L70_keeps_what_it_does_not_understand),
		RULE(L71_the_first_of_a_doubled_field_counts),
		RULE(L71_the_first_description_hash_counts),
		RULE(L71_refuses_stray_units_and_fields_past_the_end),
		RULE(L71_wants_a_description_or_the_hash_of_one),
		RULE(L71_numbers_have_no_zeros_before_them),
		RULE(L71_numbers_without_a_unit_are_zero),
		RULE(L71_defaults_are_an_hour_and_18_blocks),
		RULE(L71_huge_numbers_are_refused_where_they_overflow),
		RULE(L71_required_features_must_be_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
