/*
 * test_bolt11.c
 *		The example invoices of BOLT 11: read, written again, and bent.
 *
 * The rules one by one: test_bolt11_fields.c and test_bolt11_signature.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "bolt11_vectors.h"
#include "common/hex.h"
#include "lightning/bytes32.h"
#include "lightning/secp256k1.h"

#define PAYMENT_HASH "0001020304050607080900010203040506070809000102030405060708090102"
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define PAYMENT_SECRET "1111111111111111111111111111111111111111111111111111111111111111"

typedef struct Fixture
{
	BumpArena	memory;
	Arena	   *arena;
	const Bolt11Crypto *crypto;
	size_t		example;		/* its number in the specification, of a test of one */
} Fixture;

/* The number of an example, as the initial state of its test. */
static const size_t numbers[VALID_VECTORS + INVALID_VECTORS + 1] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
};

static int
set_up(void **state)
{
	static Fixture fixture;

	fixture.example = *state == NULL ? 0 : *(const size_t *) *state;

	bump_arena_init(&fixture.memory);
	fixture.arena = &fixture.memory.arena;
	fixture.crypto = bolt11_crypto_open();
	*state = &fixture;
	return fixture.crypto == NULL;
}

static int
tear_down(void **state)
{
	bump_arena_destroy(&((Fixture *) *state)->memory);
	return 0;
}

static Bolt11 *
decoded(Fixture *fixture, const char *text)
{
	Bolt11	   *invoice;
	Result		result = bolt11_decode(text, fixture->crypto, fixture->arena, &invoice);

	if (failed(result))
		fail_msg("%.40s: %s", text, result.detail);
	return invoice;
}

/* Refused as malformed, with a sentence that repeats nothing of the input. */
static void
assert_malformed(Fixture *fixture, const char *text, const char *detail)
{
	Bolt11	   *invoice = NULL;
	Result		result = bolt11_decode(text, fixture->crypto, fixture->arena, &invoice);

	assert_int_equal(result.code, RESULT_PAYMENT_REQUEST_MALFORMED);
	assert_null(invoice);
	assert_non_null(result.detail);
	if (detail != NULL)
		assert_string_equal(result.detail, detail);
	if (strlen(text) >= 5)
		assert_null(strstr(result.detail, arena_text_of(fixture->arena, text, 5)));
}

static const char *
fields_of(Fixture *fixture, const Bolt11 *invoice)
{
	const char *text = "";

	for (size_t i = 0; i < invoice->field_count; i++)
		text = arena_printf(fixture->arena, "%s%s%c:%u", text, i == 0 ? "" : " ",
							"qpzry9x8gf2tvdw0s3jn54khce6mua7l"[invoice->fields[i].type],
							(unsigned) invoice->fields[i].count);
	return text;
}

static const char *
payee_of(Fixture *fixture, const Bolt11 *invoice)
{
	char	   *text = arena_alloc(fixture->arena, 67);

	hex_format(invoice->payee.bytes, sizeof(invoice->payee.bytes), text);
	return text;
}

static void
assert_says(Fixture *fixture, const ValidVector *vector, const char *payee)
{
	Bolt11	   *invoice = decoded(fixture, vector->text);

	assert_int_equal(invoice->network, vector->network);
	assert_int_equal(invoice->has_amount, vector->amount_msat != 0);
	assert_int_equal(invoice->amount.msat, vector->amount_msat);
	assert_int_equal(invoice->timestamp, vector->timestamp);
	assert_int_equal(invoice->expiry_seconds, vector->expiry_seconds);
	assert_int_equal(invoice->expires_at.microseconds,
					 (vector->timestamp + vector->expiry_seconds) * MICROSECONDS_PER_SECOND);
	assert_int_equal(invoice->min_final_cltv, vector->min_final_cltv);
	assert_string_equal(fields_of(fixture, invoice), vector->fields);
	assert_int_equal(invoice->signature.recovery_id, vector->recovery_id);
	assert_string_equal(payee_of(fixture, invoice), payee);
	assert_false(invoice->payee_is_named);
	assert_string_equal(bytes32_hex(fixture->arena, invoice->payment_secret), PAYMENT_SECRET);
	assert_int_equal(invoice->has_description_hash, vector->description == NULL);
	if (vector->description == NULL)
		assert_null(invoice->description);
	else
		assert_string_equal(invoice->description, vector->description);
	assert_true(bolt11_is_described_by(invoice, vector->description == NULL ? VECTOR_LIST : vector->description,
									   fixture->crypto));
	assert_false(bolt11_is_described_by(invoice, "something else", fixture->crypto));
	assert_true(bolt11_has_feature(invoice, 8));
	assert_true(bolt11_has_feature(invoice, 14));
	assert_false(bolt11_has_feature(invoice, 9));
	assert_false(bolt11_has_feature(invoice, 100));
	assert_false(bolt11_has_feature(invoice, SIZE_MAX));
}

/* A valid example says what it says, and all but the last are written again as they are. */
static void
valid_example(void **state)
{
	Fixture    *fixture = *state;
	const ValidVector *vector = &valid_vectors[fixture->example - 1];
	Bolt11Draft draft;
	const char *text = NULL;
	Bytes32		secret;

	assert_says(fixture, vector, fixture->example == 16 ? VECTOR_OTHER_PAYEE : VECTOR_PAYEE);
	if (fixture->example == 16)
		return;					/* a high s, which no signer makes */
	assert_true(bytes32_parse(VECTOR_SECRET, &secret));
	draft = bolt11_draft(decoded(fixture, vector->text));
	assert_false(failed(bolt11_encode(&draft, &secret, fixture->crypto, fixture->arena, &text)));
	/* The thirteenth is the twelfth in upper case. */
	assert_string_equal(text, fixture->example == 13 ? valid_vectors[11].text : vector->text);
}

static void
L77_reads_hashes_features_and_metadata(void **state)
{
	Fixture    *fixture = *state;
	Bolt11	   *donation = decoded(fixture, valid_vectors[0].text);
	Bolt11	   *store = decoded(fixture, valid_vectors[10].text);
	Bolt11	   *odd = decoded(fixture, valid_vectors[11].text);
	Bolt11	   *metadata = decoded(fixture, valid_vectors[14].text);

	assert_string_equal(bytes32_hex(fixture->arena, donation->payment_hash), PAYMENT_HASH);
	assert_null(donation->metadata);
	assert_int_equal(donation->features_length, 2);
	assert_memory_equal(donation->features, "\x41\x00", 2);
	assert_string_equal(bytes32_hex(fixture->arena, store->payment_hash),
						"462264ede7e14047e9b249da94fefc47f41f7d02ee9b091815a5506bc8abf75f");
	assert_true(bolt11_has_feature(odd, 99));
	assert_false(bolt11_has_feature(odd, 98));
	assert_true(bolt11_has_feature(metadata, 48));
	assert_int_equal(metadata->metadata_length, 4);
	assert_memory_equal(metadata->metadata, "\x01\xfa\xfa\xf0", 4);
}

/* An invalid one is refused, and for its own reason. */
static void
invalid_example(void **state)
{
	const InvalidVector *vector = &invalid_vectors[((Fixture *) *state)->example - 1 - VALID_VECTORS];

	assert_malformed(*state, vector->text, vector->detail);
}

static void
L68_strips_the_scheme_in_either_case_once(void **state)
{
	Fixture    *fixture = *state;
	const char *coffee = valid_vectors[1].text;

	assert_int_equal(decoded(fixture, arena_printf(fixture->arena, "lightning:%s", coffee))->amount.msat, 250000000);
	assert_int_equal(decoded(fixture, arena_printf(fixture->arena, "LIGHTNING:%s", coffee))->amount.msat, 250000000);
	assert_int_equal(decoded(fixture, arena_printf(fixture->arena, "lightning:%s", valid_vectors[12].text))->amount.msat,
					 2500000000);
	assert_malformed(fixture, arena_printf(fixture->arena, "lightning:lightning:%s", coffee), NULL);
	assert_malformed(fixture, arena_printf(fixture->arena, "lightning%s", coffee), NULL);
	assert_malformed(fixture, arena_printf(fixture->arena, "bitcoin:%s", coffee), NULL);
	assert_malformed(fixture, "lightning:", NULL);
	assert_malformed(fixture, "lightning", NULL);
}

static void
L68_refuses_what_is_no_invoice_at_all(void **state)
{
	Fixture    *fixture = *state;
	const char *coffee = valid_vectors[1].text;
	Bolt11	   *invoice;

	assert_int_equal(bolt11_decode(NULL, fixture->crypto, fixture->arena, &invoice).code,
					 RESULT_PAYMENT_REQUEST_MALFORMED);
	assert_malformed(fixture, "", NULL);
	assert_malformed(fixture, "1", NULL);
	assert_malformed(fixture, "lnbc1", NULL);
	assert_malformed(fixture, "hello", NULL);
	assert_malformed(fixture, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "It does not begin with ln.");
	assert_malformed(fixture, arena_printf(fixture->arena, " %s", coffee), NULL);
	assert_malformed(fixture, arena_printf(fixture->arena, "%s ", coffee), NULL);
	assert_malformed(fixture, arena_printf(fixture->arena, "%s\n", coffee), NULL);
	assert_malformed(fixture, arena_printf(fixture->arena, "%s%s", coffee, coffee), NULL);
}

static void
L71_refuses_every_beginning_of_an_example(void **state)
{
	Fixture    *fixture = *state;
	const char *text = valid_vectors[13].text;

	for (size_t length = 0; length < strlen(text); length++)
		assert_malformed(fixture, arena_text_of(fixture->arena, text, length), NULL);
}

static void
L72_refuses_every_change_of_one_character(void **state)
{
	const char *text = valid_vectors[5].text;
	size_t		length = strlen(text);

	for (size_t i = 0; i < length; i++)
	{
		Fixture		fixture = *(Fixture *) *state;

		bump_arena_init(&fixture.memory);
		fixture.arena = &fixture.memory.arena;
		for (int c = 1; c < 256; c++)
		{
			char	   *changed = arena_text_of(fixture.arena, text, length);

			if (changed[i] == (char) c)
				continue;
			changed[i] = (char) c;
			assert_malformed(&fixture, changed, NULL);
		}
		bump_arena_destroy(&fixture.memory);
	}
}

static void
L72_refuses_every_loss_doubling_and_swap(void **state)
{
	Fixture    *fixture = *state;
	const char *text = valid_vectors[10].text;
	size_t		length = strlen(text);

	for (size_t i = 0; i < length; i++)
	{
		char	   *changed = arena_alloc(fixture->arena, length + 2);

		memcpy(changed, text, i);
		memcpy(changed + i, text + i + 1, length - i);
		assert_malformed(fixture, changed, NULL);
		memcpy(changed, text, i + 1);
		memcpy(changed + i + 1, text + i, length - i + 1);
		assert_malformed(fixture, changed, NULL);
		if (i + 1 < length && text[i] != text[i + 1])
		{
			memcpy(changed, text, length + 1);
			changed[i] = text[i + 1];
			changed[i + 1] = text[i];
			assert_malformed(fixture, changed, NULL);
		}
	}
}

/* L77_example_12_coffee_beans and the like, a test for each. */
static struct CMUnitTest
test_of_example(size_t number)
{
	static char names[LENGTH(numbers)][80];
	bool		is_valid = number <= VALID_VECTORS;
	const char *name = is_valid ? valid_vectors[number - 1].name : invalid_vectors[number - 1 - VALID_VECTORS].name;

	(void) snprintf(names[number], sizeof(names[number]), "L77_example_%02zu_%s", number, name);
	for (char *letter = names[number]; *letter != '\0'; letter++)
		if (*letter == ' ' || *letter == ',')
			*letter = '_';
	return (struct CMUnitTest) {names[number], is_valid ? valid_example : invalid_example, set_up, tear_down,
		(void *) (uintptr_t) &numbers[number]};
}

static int
run_examples(void)
{
	struct CMUnitTest tests[LENGTH(numbers) - 1];

	_Static_assert(VALID_VECTORS == 16 && INVALID_VECTORS == 10, "each example of the specification");
	for (size_t i = 0; i < LENGTH(tests); i++)
		tests[i] = test_of_example(i + 1);
	return _cmocka_run_group_tests("examples", tests, LENGTH(tests), NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(L77_reads_hashes_features_and_metadata, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L68_strips_the_scheme_in_either_case_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L68_refuses_what_is_no_invoice_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L71_refuses_every_beginning_of_an_example, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L72_refuses_every_change_of_one_character, set_up, tear_down),
		cmocka_unit_test_setup_teardown(L72_refuses_every_loss_doubling_and_swap, set_up, tear_down),
	};

	return run_examples() + cmocka_run_group_tests(tests, NULL, NULL);
}
