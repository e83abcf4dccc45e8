/*
 * postgres.h
 *		Auth in the server: what the composition root calls.
 */
#ifndef SPARK_AUTH_POSTGRES_H
#define SPARK_AUTH_POSTGRES_H

#include "postgres/server.h"

#include "auth/ports.h"

/* The handlers' ports, wired to this server. */
extern const Auth auth;

/* To be called once, from _PG_init, before the hooks below. */
extern void auth_define_settings(void);

/* From the shmem_request_hook; only where the library is preloaded. */
extern void auth_shmem_request(void);

/* From the shmem_startup_hook, which must not hold AddinShmemInitLock then. */
extern void auth_shmem_startup(void);

/*
 * Who is calling (auth/identity.h): true and the account's id, or false.
 * Reads no table and does not raise; to be handed to set_identity_provider().
 */
extern bool auth_caller(Uuid *account_id);

/* False where failed logins are not counted, because nothing was preloaded. */
extern bool auth_throttle_is_on(void);

/* Why no token can be signed or verified, with the remedy; NULL: all is well. */
extern const char *auth_secret_problem(void);

#endif
