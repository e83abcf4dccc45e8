/*
 * invoice_crypto.c
 *		The cryptography of invoices for whoever may raise.
 */
#include "postgres/server.h"

#include "lightning/invoice_crypto.h"

#include "lightning/secp256k1.h"

const Bolt11Crypto *
invoice_crypto(void)
{
	const Bolt11Crypto *crypto = bolt11_crypto_open();

	if (crypto == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not set up the cryptography of Lightning invoices")));
	return crypto;
}
