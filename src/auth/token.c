/*
 * token.c
 *		Writes and verifies JSON Web Tokens.
 */
#include "auth/token.h"

#include "auth/base64url.h"

#include <string.h>

#define ALGORITHM "HS256"

/* ---------------------------------------------------------------- writing */

static const char *
encode_claims(Arena *arena, const TokenClaims *claims)
{
	JsonWriter	writer;
	char		subject[UUID_TEXT_LENGTH + 1];
	const char *json;

	uuid_format(claims->account_id, subject);
	json_begin(&writer, arena);
	json_add_text(&writer, "sub", subject);
	if (claims->role != NULL)
		json_add_text(&writer, "role", claims->role);
	json_add_integer(&writer, "iat", claims->issued_at.microseconds / MICROSECONDS_PER_SECOND);
	json_add_integer(&writer, "exp", claims->expires_at.microseconds / MICROSECONDS_PER_SECOND);
	json = json_end(&writer);
	return base64url_encode(arena, json, strlen(json));
}

const char *
token_write(Arena *arena, const TokenSigner *signer, const TokenClaims *claims)
{
	static const char header[] = "{\"alg\": \"" ALGORITHM "\", \"typ\": \"JWT\"}";
	uint8_t		mac[TOKEN_MAC_BYTES];
	const char *signed_part;

	signed_part = arena_printf(arena, "%s.%s",
							   base64url_encode(arena, header, sizeof(header) - 1),
							   encode_claims(arena, claims));
	if (!signer->sign(signer, signed_part, strlen(signed_part), mac))
		return NULL;
	return arena_printf(arena, "%s.%s", signed_part, base64url_encode(arena, mac, sizeof(mac)));
}

/* -------------------------------------------------------------- verifying */

typedef struct Part
{
	const char *text;
	size_t		length;
} Part;

typedef struct TokenParts
{
	Part		header;
	Part		claims;
	Part		signature;
	Part		signed_part;	/* header and claims, with the dot between */
} TokenParts;

static bool
split(const char *token, TokenParts *parts)
{
	const char *end = memchr(token, '\0', TOKEN_MAX_LENGTH + 1);
	const char *first;
	const char *second;

	if (end == NULL)
		return false;
	first = strchr(token, '.');
	second = first != NULL ? strchr(first + 1, '.') : NULL;
	if (second == NULL || strchr(second + 1, '.') != NULL)
		return false;
	parts->header = (Part) {token, (size_t) (first - token)};
	parts->claims = (Part) {first + 1, (size_t) (second - first - 1)};
	parts->signature = (Part) {second + 1, (size_t) (end - second - 1)};
	parts->signed_part = (Part) {token, (size_t) (second - token)};
	return true;
}

/* Looks at every byte, so that the time tells nothing about the first wrong one. */
static bool
macs_are_equal(const uint8_t *a, const uint8_t *b)
{
	volatile uint8_t difference = 0;

	for (size_t i = 0; i < TOKEN_MAC_BYTES; i++)
		difference = (uint8_t) (difference | (a[i] ^ b[i]));
	return difference == 0;
}

static bool
signature_is_right(Arena *arena, const TokenSigner *signer, const TokenParts *parts)
{
	uint8_t		expected[TOKEN_MAC_BYTES];
	uint8_t    *given;
	size_t		length;

	return base64url_decode(arena, parts->signature.text, parts->signature.length, &given, &length) &&
		length == TOKEN_MAC_BYTES &&
		signer->sign(signer, parts->signed_part.text, parts->signed_part.length, expected) &&
		macs_are_equal(expected, given);
}

/* The JSON object in that part, or NULL. */
static const JsonValue *
read_object(Arena *arena, Part part)
{
	uint8_t    *bytes;
	size_t		length;
	const JsonValue *value;

	if (!base64url_decode(arena, part.text, part.length, &bytes, &length))
		return NULL;
	value = json_parse(arena, (const char *) bytes, length);
	return value != NULL && value->kind == JSON_OBJECT ? value : NULL;
}

static bool
is_text(const JsonValue *value, const char *text)
{
	return value != NULL && value->kind == JSON_TEXT && strcmp(value->text, text) == 0;
}

static bool
header_is_ours(const JsonValue *header)
{
	const JsonValue *type;

	if (header == NULL || !is_text(json_member(header, "alg"), ALGORITHM))
		return false;
	type = json_member(header, "typ");
	if (type != NULL && !is_text(type, "JWT"))
		return false;
	/* What a token says must be understood, and what changes its coding, we do not know. */
	return json_member(header, "crit") == NULL && json_member(header, "b64") == NULL &&
		json_member(header, "zip") == NULL && json_member(header, "enc") == NULL;
}

static bool
is_for_us(const JsonValue *audience)
{
	if (audience == NULL || is_text(audience, TOKEN_AUDIENCE))
		return true;
	if (audience->kind != JSON_ARRAY)
		return false;
	for (const JsonValue *one = audience->first; one != NULL; one = one->next)
		if (is_text(one, TOKEN_AUDIENCE))
			return true;
	return false;
}

/* An absent time is no hindrance; one that is no integer is. */
static bool
has_come(const JsonValue *time, int64_t now)
{
	return time == NULL || (time->kind == JSON_INTEGER && time->integer <= now + TOKEN_SKEW_SECONDS);
}

static bool
is_good_at(const JsonValue *claims, int64_t now)
{
	const JsonValue *expiry = json_member(claims, "exp");

	return expiry != NULL && expiry->kind == JSON_INTEGER && expiry->integer > now - TOKEN_SKEW_SECONDS &&
		has_come(json_member(claims, "nbf"), now) &&
		has_come(json_member(claims, "iat"), now) &&
		is_for_us(json_member(claims, "aud")) &&
	/* No sessions are kept, so none can be shown to be alive. */
		json_member(claims, "sid") == NULL;
}

bool
claims_subject(const JsonValue *claims, Uuid *account_id)
{
	const JsonValue *subject = claims != NULL ? json_member(claims, "sub") : NULL;

	return subject != NULL && subject->kind == JSON_TEXT &&
		uuid_parse(subject->text, strlen(subject->text), account_id) &&
		!uuid_is_nil(*account_id);
}

bool
token_verify(Arena *arena, const TokenSigner *signer, const char *token, Instant now, Uuid *account_id)
{
	TokenParts	parts;
	const JsonValue *claims;

	if (!split(token, &parts) ||
		!signature_is_right(arena, signer, &parts) ||
		!header_is_ours(read_object(arena, parts.header)))
		return false;
	claims = read_object(arena, parts.claims);
	return claims != NULL &&
		is_good_at(claims, now.microseconds / MICROSECONDS_PER_SECOND) &&
		claims_subject(claims, account_id);
}
