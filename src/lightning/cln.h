/*
 * cln.h
 *		Core Lightning, by clnrest or by its Unix socket.
 *
 * Both carry the same methods.  Over clnrest the credential is a rune, as text;
 * the rights that it needs stand in docs.  The socket needs none: whoever may
 * open it may do all.
 */
#ifndef SPARK_LIGHTNING_CLN_H
#define SPARK_LIGHTNING_CLN_H

#include "lightning/http_node.h"

/* Which of its secrets is the header with the rune, and what stands before the rune in it. */
#define CLN_RUNE 0
#define CLN_RUNE_HEADER "Rune: "

extern const NodeDialect cln_dialect;

#endif
