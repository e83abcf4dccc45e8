/*
 * identity.h
 *		Who is calling: the one decision behind spark.whoami().
 *
 * Claims count only where a front that the operator trusts has connected and
 * set them; then nothing else does.  Any SQL client can write the setting they
 * stand in, so from everybody else only a signed token is believed.
 */
#ifndef SPARK_AUTH_IDENTITY_H
#define SPARK_AUTH_IDENTITY_H

#include "auth/ports.h"

typedef struct CallerEvidence
{
	bool		front_is_trusted;	/* by who has connected, not by role */
	const char *claims;			/* JSON, as the front has verified them; NULL: none */
	const char *token;			/* signed; NULL: none */
} CallerEvidence;

/* True and the account's id, or false: nobody. */
extern bool identity_decide(Arena *arena, const TokenSigner *signer, const CallerEvidence *evidence,
							Instant now, Uuid *account_id);

#endif
