/*
 * invoice.h
 *		What a payment request says once it has been read and its signature
 *		checked.
 *
 * Plain values; whoever fills them in has refused everything malformed.
 */
#ifndef SPARK_BITCOIN_INVOICE_H
#define SPARK_BITCOIN_INVOICE_H

#include "common/amount.h"
#include "common/clock.h"

#include <stdbool.h>

typedef struct DecodedInvoice
{
	const char *payment_request;	/* lower case, nothing before or behind it */
	const char *payment_hash;	/* 64 lower-case hex digits */
	const char *network;		/* "bitcoin", "testnet", "signet", "regtest" */
	const char *payee;			/* public key, 66 lower-case hex digits */
	bool		has_amount;
	Amount		amount;			/* zero where it names none */
	Instant		expires_at;
	const char *description;	/* hostile text, or NULL where there is only the hash of one */
} DecodedInvoice;

#endif
