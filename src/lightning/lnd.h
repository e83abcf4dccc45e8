/*
 * lnd.h
 *		LND by its REST interface.
 *
 * The credential is a macaroon as LND writes it; the rights that it needs stand
 * in docs.  The preimages of invoices are derived from it and from the key of
 * the invoice, so that the same key gives the same invoice; whoever has the
 * macaroon could read them at the node as well.
 */
#ifndef SPARK_LIGHTNING_LND_H
#define SPARK_LIGHTNING_LND_H

#include "lightning/http_node.h"

extern const NodeDialect lnd_dialect;

#endif
