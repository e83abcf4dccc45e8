/*
 * password.c
 *		Hashes passwords by argon2id of libsodium.
 *
 * The library takes the memory of a hash by itself and wipes and frees it
 * before it returns.  Nothing raises between taking a place for hashing and
 * giving it back; what went wrong is raised after that.
 */
#include "postgres/server.h"

#include "auth/password.h"

#include "auth/password_policy.h"
#include "auth/settings.h"
#include "auth/shared.h"

#include <sodium.h>

#include <errno.h>

static void
require_sodium(void)
{
	if (sodium_init() < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not initialize the library of password hashes")));
}

static void
out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Hashing a password takes the memory that spark.password_memory says.")));
}

static Result
too_busy(void)
{
	return FAIL_BECAUSE(TOO_MANY_REQUESTS, "Too many passwords are being checked at this moment.");
}

static Result
argon2_hash(const PasswordHasher *self, Arena *arena, const char *password, const char **hash)
{
	char		text[crypto_pwhash_STRBYTES];
	int			status;

	(void) self;
	require_sodium();
	if (!hash_slot_take())
		return too_busy();
	status = crypto_pwhash_str_alg(text, password, strlen(password),
								   (unsigned long long) auth_settings.password_passes,
								   (size_t) auth_settings.password_memory * 1024,
								   crypto_pwhash_ALG_ARGON2ID13);
	hash_slot_give_back();
	if (status != 0)
		out_of_memory();
	*hash = arena_text(arena, text);
	return OK;
}

static Result
argon2_verify(const PasswordHasher *self, const char *hash, const char *password, bool *right)
{
	int			status;
	int			cause;

	(void) self;
	require_sodium();
	if (!hash_slot_take())
		return too_busy();
	errno = 0;
	status = crypto_pwhash_str_verify(hash, password, strlen(password));
	cause = errno;
	hash_slot_give_back();
	if (status != 0 && cause == ENOMEM)
		out_of_memory();
	*right = status == 0;
	return OK;
}

static bool
argon2_has_grown(const PasswordHasher *self, const char *hash)
{
	HashCost	stored;
	HashCost	now = {auth_settings.password_memory, auth_settings.password_passes};

	(void) self;
	return hash_cost_read(hash, &stored) && hash_cost_grew(stored, now);
}

const PasswordHasher argon2_hasher = {
	.hash = argon2_hash,
	.verify = argon2_verify,
	.has_grown = argon2_has_grown,
};
