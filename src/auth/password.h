/*
 * password.h
 *		Hashes passwords by argon2id.
 */
#ifndef SPARK_AUTH_PASSWORD_H
#define SPARK_AUTH_PASSWORD_H

#include "auth/ports.h"

extern const PasswordHasher argon2_hasher;

#endif
