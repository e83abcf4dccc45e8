/*
 * test_token.c
 *		Tokens and the decision who is calling: what is believed, what is not.
 */
#include "in_memory.h"

#include "auth/base64url.h"
#include "auth/identity.h"
#include "auth/token.h"

#include <sodium.h>

#include <stdlib.h>
#include <string.h>

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define ALICE "01890000-0000-7000-8000-00000000000a"

typedef struct KeySigner
{
	TokenSigner signer;
	const char *key;			/* NULL: no usable secret */
} KeySigner;

static bool
sign(const TokenSigner *self, const void *data, size_t length, uint8_t mac[TOKEN_MAC_BYTES])
{
	const char *key = ((const KeySigner *) self)->key;
	crypto_auth_hmacsha256_state state;

	if (key == NULL)
		return false;
	crypto_auth_hmacsha256_init(&state, (const unsigned char *) key, strlen(key));
	crypto_auth_hmacsha256_update(&state, data, length);
	crypto_auth_hmacsha256_final(&state, mac);
	return true;
}

static const KeySigner ours = {{.sign = sign}, "a secret that is long enough for all"};
static const KeySigner foreign = {{.sign = sign}, "a secret of somebody else, as long.."};
static const KeySigner none = {{.sign = sign}, NULL};

typedef struct Fixture
{
	World		world;
	int64_t		now;			/* seconds since 1970 */
} Fixture;

static int
setup(void **state)
{
	Fixture    *fixture = calloc(1, sizeof(Fixture));

	world_init(&fixture->world);
	fixture->now = fixture->world.clock.now.microseconds / MICROSECONDS_PER_SECOND;
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	Fixture    *fixture = *state;

	world_destroy(&fixture->world);
	free(fixture);
	return 0;
}

/* A token of any header and claims, signed by that key. */
static const char *
minted(Fixture *fixture, const KeySigner *key, const char *header, const char *claims)
{
	Arena	   *arena = fixture->world.arena;
	const char *text = arena_printf(arena, "%s.%s",
									base64url_encode(arena, header, strlen(header)),
									base64url_encode(arena, claims, strlen(claims)));
	uint8_t		mac[TOKEN_MAC_BYTES];

	assert_true(sign(&key->signer, text, strlen(text), mac));
	return arena_printf(arena, "%s.%s", text, base64url_encode(arena, mac, sizeof(mac)));
}

/* Claims of alice, good for an hour, with more members behind (", ..."). */
static const char *
claims_with(Fixture *fixture, const char *more)
{
	return arena_printf(fixture->world.arena, "{\"sub\":\"" ALICE "\",\"exp\":%lld%s}",
						(long long) fixture->now + 3600, more);
}

static bool
is_believed(Fixture *fixture, const char *token)
{
	Uuid		account_id = UUID_NIL;
	char		text[UUID_TEXT_LENGTH + 1];

	if (!token_verify(fixture->world.arena, &ours.signer, token, fixture->world.clock.now, &account_id))
		return false;
	uuid_format(account_id, text);
	assert_string_equal(text, ALICE);
	return true;
}

static bool
claims_are_believed(Fixture *fixture, const char *claims)
{
	return is_believed(fixture, minted(fixture, &ours, HEADER, claims));
}

static bool
header_is_believed(Fixture *fixture, const char *header)
{
	return is_believed(fixture, minted(fixture, &ours, header, claims_with(fixture, "")));
}

/* -------------------------------------------------------------- base64url */

static void
base64url_reads_what_it_writes(void **state)
{
	Fixture    *fixture = *state;
	Arena	   *arena = fixture->world.arena;
	uint8_t		bytes[70];

	for (size_t length = 0; length <= sizeof(bytes); length++)
	{
		const char *text;
		uint8_t    *back;
		size_t		count;

		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t) (i * 37 + length);
		text = base64url_encode(arena, bytes, length);
		assert_true(base64url_decode(arena, text, strlen(text), &back, &count));
		assert_int_equal(count, length);
		assert_memory_equal(back, bytes, length);
	}
	assert_string_equal(base64url_encode(arena, "\xfb\xff", 2), "-_8");
}

static void
base64url_has_one_text_for_a_value(void **state)
{
	Fixture    *fixture = *state;
	static const char *const wrong[] = {
		"A", "AAAAA", "AA==", "AAA=", "AB", "AAB", "A+", "A/AA", "AA A", " AAA", "AA\nA", "\xc3\xa9\xc3\xa9"
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		uint8_t    *bytes;
		size_t		count;

		assert_false(base64url_decode(fixture->world.arena, wrong[i], strlen(wrong[i]), &bytes, &count));
	}
}

/* ----------------------------------------------------------------- tokens */

static void
S5_written_token_is_believed_until_it_expires(void **state)
{
	Fixture    *fixture = *state;
	TokenClaims claims = {
		.role = "web_user",
		.issued_at = fixture->world.clock.now,
		.expires_at = instant_plus_seconds(fixture->world.clock.now, 3600),
	};
	const char *token;

	assert_true(uuid_parse(ALICE, strlen(ALICE), &claims.account_id));
	token = token_write(fixture->world.arena, &ours.signer, &claims);
	assert_true(is_believed(fixture, token));
	world_wait(&fixture->world, 3600 + TOKEN_SKEW_SECONDS - 1);
	assert_true(is_believed(fixture, token));
	world_wait(&fixture->world, 1);
	assert_false(is_believed(fixture, token));
}

static void
S5_token_says_sub_role_iat_exp(void **state)
{
	Fixture    *fixture = *state;
	Arena	   *arena = fixture->world.arena;
	TokenClaims claims = {
		.account_id = id_of(7),
		.role = "web_user",
		.issued_at = fixture->world.clock.now,
		.expires_at = instant_plus_seconds(fixture->world.clock.now, 60),
	};
	const char *token = token_write(arena, &ours.signer, &claims);
	const char *first = strchr(token, '.') + 1;
	uint8_t    *json;
	size_t		length;
	const JsonValue *object;

	assert_true(base64url_decode(arena, first, (size_t) (strchr(first, '.') - first), &json, &length));
	object = json_parse(arena, (const char *) json, length);
	assert_string_equal(json_member(object, "sub")->text, "00000000-0000-7000-8000-000000000007");
	assert_string_equal(json_member(object, "role")->text, "web_user");
	assert_int_equal(json_member(object, "iat")->integer, fixture->now);
	assert_int_equal(json_member(object, "exp")->integer, fixture->now + 60);
	claims.role = NULL;
	assert_null(strstr(token_write(arena, &ours.signer, &claims), "role"));
}

/* Made by another implementation: python's hmac, with the same key. */
static void
S5_token_of_another_writer_is_believed(void **state)
{
	assert_true(is_believed(*state,
							"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
							"eyJzdWIiOiIwMTg5MDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMEEiLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIyOTIwMH0."
							"c0XX7SPdevY5B53_RwH2HXIHwGkkQ_Qtyv-C9JEFpVk"));
}

static void
without_a_secret_nothing_is_written_or_believed(void **state)
{
	Fixture    *fixture = *state;
	TokenClaims claims = {.account_id = id_of(7)};
	const char *token = minted(fixture, &ours, HEADER, claims_with(fixture, ""));
	Uuid		account_id;

	assert_null(token_write(fixture->world.arena, &none.signer, &claims));
	assert_false(token_verify(fixture->world.arena, &none.signer, token, fixture->world.clock.now, &account_id));
}

static void
H18_algorithm_none_and_others_are_nobody(void **state)
{
	Fixture    *fixture = *state;
	const char *token = minted(fixture, &ours, "{\"alg\":\"none\"}", claims_with(fixture, ""));

	assert_true(header_is_believed(fixture, HEADER));
	assert_true(header_is_believed(fixture, "{\"alg\":\"HS256\"}"));
	assert_true(header_is_believed(fixture, "{\"alg\":\"HS256\",\"kid\":\"1\"}"));
	assert_false(is_believed(fixture, token));
	/* without a signature, with and without its dot */
	assert_false(is_believed(fixture, arena_text_of(fixture->world.arena, token, (size_t) (strrchr(token, '.') - token + 1))));
	assert_false(is_believed(fixture, arena_text_of(fixture->world.arena, token, (size_t) (strrchr(token, '.') - token))));
	assert_false(header_is_believed(fixture, "{\"alg\":\"None\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"hs256\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"HS384\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"HS512\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"RS256\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"ES256\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":[\"HS256\"]}"));
	assert_false(header_is_believed(fixture, "{\"alg\":256}"));
	assert_false(header_is_believed(fixture, "{\"typ\":\"JWT\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"HS256\",\"alg\":\"none\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"none\",\"alg\":\"HS256\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"HS256\",\"typ\":\"JWE\"}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}"));
	assert_false(header_is_believed(fixture, "{\"alg\":\"HS256\",\"zip\":\"DEF\"}"));
	assert_false(header_is_believed(fixture, "[\"HS256\"]"));
	assert_false(header_is_believed(fixture, ""));
}

static void
H18_times_are_checked_with_30_s_of_skew(void **state)
{
	Fixture    *fixture = *state;
	static const struct
	{
		const char *claim;
		int			offset;
		bool		believed;
	}			cases[] = {
		{"exp", 0, true}, {"exp", -29, true}, {"exp", -30, false}, {"exp", -3600, false},
		{"nbf", 30, true}, {"nbf", 31, false}, {"nbf", -100, true},
		{"iat", 30, true}, {"iat", 31, false}, {"iat", -100, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		bool		is_exp = strcmp(cases[i].claim, "exp") == 0;
		const char *claims = arena_printf(fixture->world.arena, "{\"sub\":\"" ALICE "\",%s\"%s\":%lld}",
										  is_exp ? "" : "\"exp\":99999999999,", cases[i].claim,
										  (long long) fixture->now + cases[i].offset);

		assert_int_equal(claims_are_believed(fixture, claims), cases[i].believed);
	}
}

static void
H18_odd_claims_are_nobody(void **state)
{
	Fixture    *fixture = *state;
	static const char *const wrong[] = {
		"{\"sub\":\"" ALICE "\"}",	/* no exp */
		"{\"sub\":\"" ALICE "\",\"exp\":null}",
		"{\"sub\":\"" ALICE "\",\"exp\":\"99999999999\"}",
		"{\"sub\":\"" ALICE "\",\"exp\":1e11}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999.5}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999999999999}",
		"{\"sub\":\"" ALICE "\",\"exp\":-1}",
		"{\"sub\":\"" ALICE "\",\"exp\":-9223372036854775808}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"nbf\":\"now\"}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"iat\":true}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"nbf\":9223372036854775807}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"sub\":\"" ALICE "\"}",
		"{\"sub\":\"" ALICE "\",\"exp\":1,\"exp\":99999999999}",
		"{\"exp\":99999999999}",
		"{\"sub\":null,\"exp\":99999999999}",
		"{\"sub\":\"\",\"exp\":99999999999}",
		"{\"sub\":\"alice\",\"exp\":99999999999}",
		"{\"sub\":\"" ALICE " \",\"exp\":99999999999}",
		"{\"sub\":\"" ALICE "\\u0000x\",\"exp\":99999999999}",
		"{\"sub\":\"00000000-0000-0000-0000-000000000000\",\"exp\":99999999999}",
		"{\"sub\":[\"" ALICE "\"],\"exp\":99999999999}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"aud\":\"elsewhere\"}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"aud\":[]}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"aud\":{\"spark\":1}}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"sid\":\"revoked\"}",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999",
		"{\"sub\":\"" ALICE "\",\"exp\":99999999999}}",
		"\"" ALICE "\"", "null", "", "\xff\xfe",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (claims_are_believed(fixture, wrong[i]))
			fail_msg("believed: %s", wrong[i]);
	assert_true(claims_are_believed(fixture, "{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"aud\":\"spark\"}"));
	assert_true(claims_are_believed(fixture, "{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"aud\":[\"x\",\"spark\"]}"));
	assert_true(claims_are_believed(fixture, "{\"sub\":\"" ALICE "\",\"exp\":99999999999,\"role\":\"postgres\"}"));
}

static void
H18_foreign_key_is_nobody(void **state)
{
	Fixture    *fixture = *state;

	assert_false(is_believed(fixture, minted(fixture, &foreign, HEADER, claims_with(fixture, ""))));
}

static void
H18_each_changed_byte_is_nobody(void **state)
{
	Fixture    *fixture = *state;
	char	   *token = (char *) minted(fixture, &ours, HEADER, claims_with(fixture, ""));

	assert_true(is_believed(fixture, token));
	for (char *byte = token; *byte != '\0'; byte++)
	{
		char		kept = *byte;

		*byte = kept == 'A' ? 'B' : 'A';
		assert_false(is_believed(fixture, token));
		*byte = '.';
		assert_true(kept == '.' || !is_believed(fixture, token));
		*byte = kept;
	}
	assert_false(is_believed(fixture, arena_printf(fixture->world.arena, "%s=", token)));
	assert_false(is_believed(fixture, arena_printf(fixture->world.arena, "%s.", token)));
	assert_false(is_believed(fixture, arena_printf(fixture->world.arena, "%sA", token)));
	assert_false(is_believed(fixture, arena_printf(fixture->world.arena, " %s", token)));
	assert_false(is_believed(fixture, arena_printf(fixture->world.arena, "Bearer %s", token)));
}

static void
H18_shapes_that_are_no_token_are_nobody(void **state)
{
	Fixture    *fixture = *state;
	static const char *const wrong[] = {"", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "!.?.*"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(is_believed(fixture, wrong[i]));
}

static void
H18_token_of_a_megabyte_is_nobody(void **state)
{
	Fixture    *fixture = *state;
	size_t		size = 1024 * 1024;
	char	   *padding = arena_alloc(fixture->world.arena, size + 1);

	memset(padding, 'x', size);
	assert_false(is_believed(fixture, padding));
	assert_false(claims_are_believed(fixture, claims_with(fixture, arena_printf(fixture->world.arena, ",\"x\":\"%s\"", padding))));
	padding[4000] = '\0';
	assert_true(claims_are_believed(fixture, claims_with(fixture, arena_printf(fixture->world.arena, ",\"x\":\"%s\"", padding))));
}

/* --------------------------------------------------------------- identity */

static bool
is_alice(Fixture *fixture, CallerEvidence evidence)
{
	Uuid		account_id = UUID_NIL;
	char		text[UUID_TEXT_LENGTH + 1];

	if (!identity_decide(fixture->world.arena, &ours.signer, &evidence, fixture->world.clock.now, &account_id))
		return false;
	uuid_format(account_id, text);
	return strcmp(text, ALICE) == 0;
}

static void
S6_H14_claims_count_from_a_trusted_front_only(void **state)
{
	Fixture    *fixture = *state;
	const char *claims = "{\"sub\":\"" ALICE "\",\"role\":\"web_user\"}";

	assert_true(is_alice(fixture, (CallerEvidence) {true, claims, NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {false, claims, NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "{\"role\":\"anon\"}", NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "{\"sub\":\"alice\"}", NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "{\"sub\":17}", NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "no json", NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "[]", NULL}));
}

static void
S6_without_evidence_nobody_calls(void **state)
{
	Fixture    *fixture = *state;

	assert_false(is_alice(fixture, (CallerEvidence) {false, NULL, NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {false, "", ""}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, NULL, NULL}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "", ""}));
}

static void
S6_claims_of_a_front_leave_no_room_for_a_token(void **state)
{
	Fixture    *fixture = *state;
	const char *token = minted(fixture, &ours, HEADER, claims_with(fixture, ""));

	assert_true(is_alice(fixture, (CallerEvidence) {false, NULL, token}));
	assert_true(is_alice(fixture, (CallerEvidence) {true, NULL, token}));
	assert_true(is_alice(fixture, (CallerEvidence) {true, "", token}));
	assert_true(is_alice(fixture, (CallerEvidence) {false, "{\"role\":\"anon\"}", token}));
	assert_false(is_alice(fixture, (CallerEvidence) {true, "{\"role\":\"anon\"}", token}));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(base64url_reads_what_it_writes),
		TEST(base64url_has_one_text_for_a_value),
		TEST(S5_written_token_is_believed_until_it_expires),
		TEST(S5_token_says_sub_role_iat_exp),
		TEST(S5_token_of_another_writer_is_believed),
		TEST(without_a_secret_nothing_is_written_or_believed),
		TEST(H18_algorithm_none_and_others_are_nobody),
		TEST(H18_times_are_checked_with_30_s_of_skew),
		TEST(H18_odd_claims_are_nobody),
		TEST(H18_foreign_key_is_nobody),
		TEST(H18_each_changed_byte_is_nobody),
		TEST(H18_shapes_that_are_no_token_are_nobody),
		TEST(H18_token_of_a_megabyte_is_nobody),
		TEST(S6_H14_claims_count_from_a_trusted_front_only),
		TEST(S6_without_evidence_nobody_calls),
		TEST(S6_claims_of_a_front_leave_no_room_for_a_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
