/*
 * handlers.c
 *		Sign-up, login, the caller's account.
 */
#include "auth/handlers.h"

#include "auth/messages.h"
#include "auth/password_policy.h"
#include "auth/token.h"
#include "auth/username.h"

#include <string.h>

/* ---------------------------------------------------------------- sign-up */

Result
auth_register(const Auth *context, UnitOfWork *work, const Credentials *credentials, Account **account)
{
	const char *username;
	const char *hash;

	TRY(username_fold(work->arena, credentials->username, &username));
	TRY(password_check(work->arena, credentials->password, username, context->settings->password_min_length));
	TRY(context->accounts->find_by_username(context->accounts, work, username, account));
	if (*account != NULL)
		return FAIL(USERNAME_TAKEN);
	TRY(context->hasher->hash(context->hasher, work->arena, credentials->password, &hash));
	*account = auth_account_open(work->arena, new_id(work), username, hash, clock_now(work));
	unit_of_work_add(work, &context->accounts->repository, &(*account)->aggregate);
	EMIT(work, auth_signed_up, (*account)->aggregate.id,
		 .account_id = (*account)->aggregate.id,
		 .username = (*account)->username);
	return OK;
}

/* ------------------------------------------------------------------ login */

static Result
wait_for_cool_down(const Auth *context, UnitOfWork *work, const char *username)
{
	int64_t		seconds = context->throttle->admit(context->throttle, username, clock_now(work));

	if (seconds == 0)
		return OK;
	return FAIL_FOR_NOW(TOO_MANY_REQUESTS, seconds,
						arena_printf(work->arena, "Too many logins for this name have failed. Try again in %lld s.",
									 (long long) seconds));
}

/* Whether that is the password of the account; without an account as much work for nothing. */
static Result
prove(const Auth *context, UnitOfWork *work, const Account *account, const char *password, bool *right)
{
	const char *discarded;

	*right = false;
	if (account != NULL)
		return context->hasher->verify(context->hasher, account->password_hash, password, right);
	return context->hasher->hash(context->hasher, work->arena, password, &discarded);
}

/* The one moment when the clear password is here and known to be right. */
static Result
strengthen(const Auth *context, UnitOfWork *work, const Account *proven, const char *password)
{
	const char *stronger;
	Aggregate  *locked;

	if (!context->hasher->has_grown(context->hasher, proven->password_hash))
		return OK;
	TRY(context->hasher->hash(context->hasher, work->arena, password, &stronger));
	TRY(unit_of_work_find(work, &context->accounts->repository, proven->aggregate.id, &locked));
	if (locked != NULL)
		auth_account_strengthen((Account *) locked, proven->password_hash, stronger);
	return OK;
}

static Result
issue(const Auth *context, UnitOfWork *work, Uuid account_id, IssuedToken *issued)
{
	Instant		now = clock_now(work);
	TokenClaims claims = {
		.account_id = account_id,
		.role = context->member_role(work->arena),
		.issued_at = now,
		.expires_at = instant_plus_seconds(now, context->settings->token_lifetime),
	};

	issued->access_token = token_write(work->arena, context->signer, &claims);
	issued->expires_in = context->settings->token_lifetime;
	return issued->access_token != NULL ? OK : FAIL(NOT_INSTALLED);
}

Result
auth_login(const Auth *context, UnitOfWork *work, const Credentials *credentials, IssuedToken *issued)
{
	const char *password = credentials->password;
	const char *username;
	Account    *account = NULL;
	bool		right;

	TRY(context->signer->ready(context->signer));
	if (failed(username_fold(work->arena, credentials->username, &username)))
		username = "";			/* nobody has it */
	TRY(wait_for_cool_down(context, work, username));
	if (username[0] != '\0')
		TRY(context->accounts->find_by_username(context->accounts, work, username, &account));
	if (strlen(password) > PASSWORD_MAX_BYTES)
	{
		account = NULL;			/* no password is so long */
		password = "";
	}
	TRY(prove(context, work, account, password, &right));
	if (!right)
	{
		context->throttle->fail(context->throttle, username, clock_now(work));
		return FAIL(WRONG_PASSWORD);
	}
	context->throttle->succeed(context->throttle, username, clock_now(work));
	TRY(strengthen(context, work, account, password));
	return issue(context, work, account->aggregate.id, issued);
}

/* ---------------------------------------------------------------- queries */

Result
auth_account(const Auth *context, UnitOfWork *work, Uuid account_id, Account **account)
{
	Aggregate  *found;

	TRY(unit_of_work_read(work, &context->accounts->repository, account_id, &found));
	if (found == NULL)
		return FAIL(NOT_SIGNED_IN);
	*account = (Account *) found;
	return OK;
}
