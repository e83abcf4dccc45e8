/*
 * handlers.h
 *		What somebody can ask of auth: load, decide, emit.
 *
 * No row is locked while a password is hashed.
 */
#ifndef SPARK_AUTH_HANDLERS_H
#define SPARK_AUTH_HANDLERS_H

#include "auth/ports.h"

/* The clear password goes to the hasher and nowhere else. */
typedef struct Credentials
{
	const char *username;		/* in Unicode's form NFKC, not folded yet */
	const char *password;
} Credentials;

typedef struct IssuedToken
{
	const char *access_token;
	int			expires_in;		/* seconds */
} IssuedToken;

/*
 * A new account: INVALID_ARGUMENT by the rules for names and passwords,
 * USERNAME_TAKEN; DUPLICATE at the end of the unit where another session was
 * quicker, which a second run turns into USERNAME_TAKEN.
 */
extern Result auth_register(const Auth *context, UnitOfWork *work, const Credentials *credentials,
							Account **account) MUST_CHECK;

/*
 * A token for the right password.  WRONG_PASSWORD, after one and the same
 * work, for a wrong one, an unknown name and a name that cannot be;
 * TOO_MANY_REQUESTS while the name cools down or too many hash at once;
 * NOT_INSTALLED where no token can be signed.  A failed try is counted before
 * this returns.
 */
extern Result auth_login(const Auth *context, UnitOfWork *work, const Credentials *credentials,
						 IssuedToken *issued) MUST_CHECK;

/* The caller's own account; NOT_SIGNED_IN where there is none of that id. */
extern Result auth_account(const Auth *context, UnitOfWork *work, Uuid account_id,
						   Account **account) MUST_CHECK;

#endif
