/*
 * secret.h
 *		Signs tokens by the secret in spark.jwt_secret_file.
 */
#ifndef SPARK_AUTH_SECRET_H
#define SPARK_AUTH_SECRET_H

#include "auth/ports.h"

extern const TokenSigner file_signer;

#endif
