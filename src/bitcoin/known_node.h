/*
 * known_node.h
 *		The node that the books know: the first that answered, or the one that an
 *		operator has given them since.  Also called the recorded node, and the node
 *		of the books.
 *
 * The ledger has an account that mirrors it: what comes in by the node debits that
 * one, what it pays credits it.
 */
#ifndef SPARK_BITCOIN_KNOWN_NODE_H
#define SPARK_BITCOIN_KNOWN_NODE_H

#include "common/clock.h"
#include "common/uuid.h"

typedef struct KnownNode
{
	const char *backend;		/* as in spark.lightning_node */
	const char *network;		/* as DecodedInvoice has it */
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
