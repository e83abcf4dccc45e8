/*
 * identity.c
 *		Who is calling.
 */
#include "auth/identity.h"

#include "auth/token.h"

#include <string.h>

static bool
is_given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

bool
identity_decide(Arena *arena, const TokenSigner *signer, const CallerEvidence *evidence,
				Instant now, Uuid *account_id)
{
	if (evidence->front_is_trusted && is_given(evidence->claims))
		return claims_subject(json_parse(arena, evidence->claims, strlen(evidence->claims)), account_id);
	return is_given(evidence->token) &&
		token_verify(arena, signer, evidence->token, now, account_id);
}
