/*
 * fuzz_token.c
 *		Any text as a token, as claims of a front and as a name: reading never
 *		breaks, a believed token is whole, and a fold folds to itself.
 *
 * Chance finds no signature.  So each input is also signed: its first line as
 * the header, the rest as the claims.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base64url.h"
#include "auth/identity.h"
#include "auth/token.h"
#include "auth/username.h"

#define MUST(condition) do { if (!(condition)) abort(); } while (0)

static const Instant now = {INT64_C(1767225600) * MICROSECONDS_PER_SECOND};

static bool
sign(const TokenSigner *self, const void *data, size_t length, uint8_t mac[TOKEN_MAC_BYTES])
{
	(void) self;
	memset(mac, 7, TOKEN_MAC_BYTES);
	for (size_t i = 0; i < length; i++)
		mac[i % TOKEN_MAC_BYTES] ^= ((const uint8_t *) data)[i];
	return true;
}

static const TokenSigner signer = {.sign = sign};

static const char *
signed_token(Arena *arena, const char *text, size_t length)
{
	const char *line = memchr(text, '\n', length);
	size_t		header_length = line != NULL ? (size_t) (line - text) : 0;
	const char *claims = line != NULL ? line + 1 : text;
	const char *signed_part = arena_printf(arena, "%s.%s",
										   base64url_encode(arena, text, header_length),
										   base64url_encode(arena, claims, (size_t) (text + length - claims)));
	uint8_t		mac[TOKEN_MAC_BYTES];

	(void) sign(&signer, signed_part, strlen(signed_part), mac);
	return arena_printf(arena, "%s.%s", signed_part, base64url_encode(arena, mac, sizeof(mac)));
}

static void
try_token(Arena *arena, const char *token)
{
	Uuid		account_id = UUID_NIL;

	if (token_verify(arena, &signer, token, now, &account_id))
		MUST(!uuid_is_nil(account_id) && strlen(token) <= TOKEN_MAX_LENGTH);
}

static void
try_name(Arena *arena, const char *name)
{
	const char *folded;
	const char *again;

	if (failed(username_fold(arena, name, &folded)))
		return;
	MUST(!failed(username_fold(arena, folded, &again)));
	MUST(strcmp(folded, again) == 0);
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BumpArena	memory;
	const char *text;
	Uuid		account_id;

	bump_arena_init(&memory);
	text = arena_text_of(&memory.arena, (const char *) data, size);
	try_token(&memory.arena, text);
	try_token(&memory.arena, signed_token(&memory.arena, text, size));
	(void) identity_decide(&memory.arena, &signer, &(CallerEvidence) {true, text, NULL}, now, &account_id);
	try_name(&memory.arena, text);
	bump_arena_destroy(&memory);
	return 0;
}
