/*
 * secret.c
 *		The secret behind the tokens: a file that the server alone may read.
 *
 * The file is read at the first use in a backend and again after each reload
 * of the configuration; in between the secret stays in memory, as it was.  A
 * file that cannot be used is looked at anew each time, and said once.  Neither
 * path nor content reaches a client.  All this may not raise: whoami() rests
 * on it.
 */
#include "postgres/server.h"

#include "auth/secret.h"

#include "auth/postgres.h"
#include "auth/settings.h"

#include "postgres/secret_file.h"

#include <sodium.h>

#define LEAST_BYTES 32
#define MOST_BYTES 4096

static uint8 secret[MOST_BYTES];
static size_t secret_length;	/* 0: none was read */
static TimestampTz secret_since;	/* the reload it belongs to */
static const char *logged_problem;
static TimestampTz logged_since;

static const char *
keep(const uint8 *bytes, size_t length)
{
	if (length > 0 && bytes[length - 1] == '\n')
		length--;
	if (length < LEAST_BYTES)
		return "The secret in spark.jwt_secret_file must have at least 32 bytes.";
	if (length > MOST_BYTES)
		return "The secret in spark.jwt_secret_file must not have more than 4096 bytes.";
	memcpy(secret, bytes, length);
	secret_length = length;
	secret_since = PgReloadTime;
	return NULL;
}

/* Reads the secret; NULL, or what is wrong and the remedy. */
static const char *
read_secret(void)
{
	uint8		bytes[MOST_BYTES + 2];	/* the newline, and one that is too much */
	size_t		length;
	const char *problem = NULL;

	explicit_bzero(secret, sizeof(secret));
	secret_length = 0;
	if (jwt_secret_file == NULL || jwt_secret_file[0] == '\0')
		return "spark.jwt_secret_file is not set: put at least 32 random bytes into a file of mode 0600 that the server's user owns, name it there and reload.";
	switch (secret_file_read(jwt_secret_file, bytes, sizeof(bytes), &length))
	{
		case SECRET_FILE_FINE:
			problem = keep(bytes, length);
			break;
		case SECRET_FILE_NOT_OPENED:
			problem = "The file in spark.jwt_secret_file could not be opened: the server's user must own it, with mode 0600.";
			break;
		case SECRET_FILE_NOT_REGULAR:
			problem = "spark.jwt_secret_file must name a regular file.";
			break;
		case SECRET_FILE_EXPOSED:
			problem = "Group and others must have no access to the file in spark.jwt_secret_file: set its mode to 0600.";
			break;
		case SECRET_FILE_NOT_READ:
			problem = "The file in spark.jwt_secret_file could not be read.";
			break;
	}
	explicit_bzero(bytes, sizeof(bytes));
	return problem;
}

const char *
auth_secret_problem(void)
{
	const char *problem;

	if (secret_length > 0 && secret_since == PgReloadTime)
		return NULL;
	problem = read_secret();
	if (problem != NULL && (problem != logged_problem || logged_since != PgReloadTime))
	{
		logged_problem = problem;
		logged_since = PgReloadTime;
		ereport(LOG_SERVER_ONLY,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("tokens can neither be signed nor verified"),
				 errdetail_internal("%s", problem),
				 errhidestmt(true),
				 errhidecontext(true)));
	}
	return problem;
}

static bool
sign_by_secret(const TokenSigner *self, const void *data, size_t length, uint8_t mac[TOKEN_MAC_BYTES])
{
	crypto_auth_hmacsha256_state state;

	(void) self;
	if (auth_secret_problem() != NULL)
		return false;
	crypto_auth_hmacsha256_init(&state, secret, secret_length);
	crypto_auth_hmacsha256_update(&state, data, length);
	crypto_auth_hmacsha256_final(&state, mac);
	explicit_bzero(&state, sizeof(state));
	return true;
}

static Result
secret_is_ready(const TokenSigner *self)
{
	(void) self;
	/* Whoever wants to sign in is nobody yet: what is wrong is for the log and for health. */
	return auth_secret_problem() == NULL ? OK : FAIL_BECAUSE(NOT_INSTALLED, "Signing in is not set up.");
}

const TokenSigner file_signer = {
	.sign = sign_by_secret,
	.ready = secret_is_ready,
};
