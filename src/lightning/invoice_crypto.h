/*
 * invoice_crypto.h
 *		The cryptography of invoices for whoever may raise.
 */
#ifndef SPARK_LIGHTNING_INVOICE_CRYPTO_H
#define SPARK_LIGHTNING_INVOICE_CRYPTO_H

#include "postgres/server.h"

#include "lightning/bolt11_crypto.h"

/* The port, ready for use; an error of the server where memory or randomness is missing. */
extern const Bolt11Crypto *invoice_crypto(void);

#endif
