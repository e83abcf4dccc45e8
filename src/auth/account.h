/*
 * account.h
 *		The aggregate of auth: who somebody is, and how they prove it.
 *
 * The id is the one every other context knows the person by.  Of the password
 * only the salted, slow hash is kept; the clear text ends in the call that
 * brought it.  The name is the fold of username.h and unique.
 */
#ifndef SPARK_AUTH_ACCOUNT_H
#define SPARK_AUTH_ACCOUNT_H

#include "common/aggregate.h"
#include "common/arena.h"
#include "common/clock.h"

#include <stdbool.h>

typedef struct Account
{
	Aggregate	aggregate;
	const char *username;		/* folded */
	const char *password_hash;	/* PHC string */
	Instant		created_at;
} Account;

extern const AggregateType auth_account_type;

/* A new account; the texts are copied into the arena. */
extern Account *auth_account_open(Arena *arena, Uuid id, const char *username,
								  const char *password_hash, Instant now);

/*
 * Takes a stronger hash of the same password, unless the password was changed
 * since `proven`, the hash it was checked against, was read.
 */
extern void auth_account_strengthen(Account *account, const char *proven, const char *stronger);

#endif
