/*
 * token.h
 *		The token of spark.login(): a JWT (RFC 7519), HS256 and nothing else.
 *
 * The algorithm stands in this code, not in the token: the header is only
 * compared with it.  Reading is strict, and all that is odd is nobody: another
 * algorithm, a missing exp, a doubled claim, a time that is no integer, bits
 * behind the last letter.  The signature is looked at before anything inside.
 */
#ifndef SPARK_AUTH_TOKEN_H
#define SPARK_AUTH_TOKEN_H

#include "auth/ports.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/uuid.h"

/* Clocks of a front and of this server may differ by so much. */
#define TOKEN_SKEW_SECONDS INT64_C(30)

/* A longer text is no token of ours, whatever it says. */
#define TOKEN_MAX_LENGTH 8192

/* Where a token names its audience, spark must be among it. */
#define TOKEN_AUDIENCE "spark"

typedef struct TokenClaims
{
	Uuid		account_id;		/* sub */
	const char *role;			/* for an HTTP front; NULL: none; gives no right in spark */
	Instant		issued_at;
	Instant		expires_at;
} TokenClaims;

/* The token of those claims; NULL where there is no usable secret. */
extern const char *token_write(Arena *arena, const TokenSigner *signer, const TokenClaims *claims);

/* True, and whose it is, for a token that is genuine and good now. */
extern bool token_verify(Arena *arena, const TokenSigner *signer, const char *token, Instant now,
						 Uuid *account_id);

/* The account in the claim sub of a JSON object; false where it holds none. */
extern bool claims_subject(const JsonValue *claims, Uuid *account_id);

#endif
