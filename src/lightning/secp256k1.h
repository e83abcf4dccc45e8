/*
 * secp256k1.h
 *		The cryptography of invoices by libsecp256k1 and libsodium.
 *
 * The one state is a context a process, filled with fresh randomness: it blinds
 * what a secret key is multiplied with.  It is made by the first open, never
 * changed afterwards and never freed.  No input makes the library abort.
 * Includes no server header.
 */
#ifndef SPARK_LIGHTNING_SECP256K1_H
#define SPARK_LIGHTNING_SECP256K1_H

#include "lightning/bolt11_crypto.h"

/*
 * The port, ready for use; NULL where memory or randomness is missing.  Call it
 * in the process that will sign, not before a fork: children would share the
 * blinding.  Later calls cost nothing.
 */
extern const Bolt11Crypto *bolt11_crypto_open(void);

#endif
