/*
 * ports.h
 *		What auth needs from outside.
 */
#ifndef SPARK_AUTH_PORTS_H
#define SPARK_AUTH_PORTS_H

#include "auth/account.h"

#include "common/repository.h"
#include "common/unit_of_work.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct AccountRepository AccountRepository;

struct AccountRepository
{
	Repository	repository;

	/* The account of that folded name, neither locked nor tracked; NULL: none. */
	Result		(*find_by_username) (const AccountRepository *self, UnitOfWork *work,
									 const char *username, Account **found);
};

typedef struct PasswordHasher PasswordHasher;

/*
 * Each call of hash and verify is slow on purpose.  TOO_MANY_REQUESTS where too
 * many others are at it; out of memory raises by itself.
 */
struct PasswordHasher
{
	/* A salted hash by the settings of now, as a PHC string of the arena. */
	Result		(*hash) (const PasswordHasher *self, Arena *arena, const char *password, const char **hash);

	/* Whether the hash was made from that password; as much work as hash(). */
	Result		(*verify) (const PasswordHasher *self, const char *hash, const char *password, bool *right);

	/* True where the settings ask for a stronger one than this. */
	bool		(*has_grown) (const PasswordHasher *self, const char *hash);
};

#define TOKEN_MAC_BYTES 32

typedef struct TokenSigner TokenSigner;

struct TokenSigner
{
	/* HMAC-SHA256 under the secret; false where there is no usable secret. */
	bool		(*sign) (const TokenSigner *self, const void *data, size_t length,
						 uint8_t mac[TOKEN_MAC_BYTES]);

	/* OK, or why no token can be signed, with the remedy. */
	Result		(*ready) (const TokenSigner *self);
};

typedef struct LoginThrottle LoginThrottle;

/* Counts at once and for good: no rollback takes it back. */
struct LoginThrottle
{
	/* Seconds to wait before the next try for that folded name; 0: go on. */
	int64_t		(*admit) (const LoginThrottle *self, const char *username, Instant now);
	void		(*fail) (const LoginThrottle *self, const char *username, Instant now);
	void		(*succeed) (const LoginThrottle *self, const char *username, Instant now);
};

typedef struct AuthSettings
{
	int			password_min_length;	/* characters */
	int			password_memory;	/* kB */
	int			password_passes;
	int			login_attempts;
	int			token_lifetime; /* seconds */
} AuthSettings;

typedef struct Auth
{
	const AccountRepository *accounts;
	const PasswordHasher *hasher;
	const TokenSigner *signer;
	const LoginThrottle *throttle;

	/* The database role that tokens name, or NULL where no front was told. */
	const char *(*member_role) (Arena *arena);
	const AuthSettings *settings;
} Auth;

#endif
