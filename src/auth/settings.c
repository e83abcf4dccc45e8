/*
 * settings.c
 *		The settings of auth.
 *
 * What weakens or strengthens logins is the superuser's, and may differ by
 * database or role; the token is each session's own.
 */
#include "postgres/server.h"

#include "auth/settings.h"

#include "auth/password_policy.h"
#include "auth/postgres.h"

AuthSettings auth_settings;
char	   *jwt_secret_file;
char	   *presented_token;
int			password_concurrency;

static void
define_number(const char *name, const char *sentence, const char *more, int *variable,
			  int initial, int least, int most, GucContext context, int unit)
{
	DefineCustomIntVariable(name, sentence, more, variable, initial, least, most, context, unit,
							NULL, NULL, NULL);
}

static void
define_password_settings(void)
{
	define_number("spark.password_min_length", "Sets the least length of a password, in characters.",
				  "A password that is the only factor should have 15.",
				  &auth_settings.password_min_length, 15, PASSWORD_LEAST_CHARACTERS, 256, PGC_SUSET, 0);
	define_number("spark.password_memory", "Sets the memory that hashing a password takes.",
				  "A hash that was made with less is made anew at the next login.",
				  &auth_settings.password_memory, 19456, 19456, 4194304, PGC_SUSET, GUC_UNIT_KB);
	define_number("spark.password_passes", "Sets how often hashing a password passes over its memory.",
				  "A hash that was made with fewer is made anew at the next login.",
				  &auth_settings.password_passes, 2, 2, 100, PGC_SUSET, 0);
	define_number("spark.password_concurrency", "Sets how many passwords may be hashed at one moment.",
				  "Others wait for up to 2 s. 0 stands for half the processors; needs spark in shared_preload_libraries.",
				  &password_concurrency, 0, 0, MAX_CONCURRENT_HASHES, PGC_SIGHUP, 0);
	define_number("spark.login_attempts", "Sets after how many failed logins in a row a name cools down.",
				  "From 30 s up to 1 h; needs spark in shared_preload_libraries.",
				  &auth_settings.login_attempts, 100, 1, 1000000, PGC_SUSET, 0);
}

void
auth_define_settings(void)
{
	DefineCustomStringVariable("spark.jwt_secret_file",
							   "Names the file that holds the secret by which tokens are signed.",
							   "At least 32 bytes; group and others must have no access; read again on reload.",
							   &jwt_secret_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("spark.token",
							   "Sets the access token of spark.login() by which this session is signed in.",
							   NULL,
							   &presented_token, "", PGC_USERSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);
	define_number("spark.token_lifetime", "Sets how long an access token is good.", NULL,
				  &auth_settings.token_lifetime, 3600, 1, 2678400, PGC_SUSET, GUC_UNIT_S);
	define_password_settings();
}
