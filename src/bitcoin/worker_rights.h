/*
 * worker_rights.h
 *		What the node does not let our credential do, in words for health.
 *
 * Used by the worker "spark lightning" alone.
 */
#ifndef SPARK_BITCOIN_WORKER_RIGHTS_H
#define SPARK_BITCOIN_WORKER_RIGHTS_H

#include "lightning/lightning_node.h"

/* Nothing is known of it: another credential, or another node. */
extern void rights_begin(void);

/* That call has come back: it was refused for want of a right, or it was not. */
extern void rights_heard(const NodeCall *call);

/* What is missing, with the node's words; NULL: nothing that was seen.  Changes with the next call. */
extern const char *rights_missing(void);

#endif
