/*
 * invoice.h
 *		What a payment request says once it has been read and its signature
 *		checked, and who the node is that ours come from.
 *
 * Plain values; whoever fills them in has refused everything malformed.
 */
#ifndef SPARK_BITCOIN_INVOICE_H
#define SPARK_BITCOIN_INVOICE_H

#include "common/amount.h"
#include "common/clock.h"
#include "common/uuid.h"

#include <stdbool.h>

#define HASH_TEXT_LENGTH 64		/* hex digits of a payment hash or a preimage */

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

/* The node that the books know: whom their mirror account stands for. */
typedef struct KnownNode
{
	const char *backend;		/* as in spark.lightning_node */
	const char *network;		/* as above */
	const char *node_id;		/* public key, 66 lower-case hex digits */
	Uuid		node_account_id;	/* the ledger's mirror of it */
	Instant		first_seen_at;
	const char *wallet;			/* which of several that it keeps apart, or NULL */
} KnownNode;

/*
 * The mirror of the first node of any books.  It is the same everywhere, so that
 * a withdrawal can be asked for, and its amount reserved, before that node was
 * ever met.
 */
#define FIRST_NODE_ACCOUNT_ID ((Uuid) {{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0x01, 0, 0, 0, 0, 0, 0x03}})

#endif
