/*
 * node_kinds.h
 *		The kinds of nodes, and what is to be known of each: what it can do, and
 *		what its words are worth.
 *
 * An adapter of a kind takes its capabilities from here, and so does the
 * simulated node, which can pass for any of them: eclair and phoenixd are known
 * by what it plays alone, and have no adapter.
 * Pure C: no server, no library.
 */
#ifndef SPARK_LIGHTNING_NODE_KINDS_H
#define SPARK_LIGHTNING_NODE_KINDS_H

#include "lightning/lightning_node.h"

/* X(symbol, word) */
#define NODE_KINDS(X) \
	X(LND, "lnd") \
	X(CLN, "cln") \
	X(LNBITS, "lnbits") \
	X(ECLAIR, "eclair") \
	X(PHOENIXD, "phoenixd")

typedef enum NodeKind
{
#define NODE_KIND_ENUM(symbol, word) NODE_KIND_##symbol,
	NODE_KINDS(NODE_KIND_ENUM)
#undef NODE_KIND_ENUM
	NODE_KIND_COUNT
} NodeKind;

extern const NodeCapabilities node_capabilities[NODE_KIND_COUNT];

#endif
