/*
 * lnbits.h
 *		LNbits by its wallet API.
 *
 * The credential is the admin key of a wallet as text, and on a second line, if
 * wished, its invoice key, with which then invoices are made and looked up.  Two
 * keys of different wallets are refused.
 *
 * LNbits tells neither a public key nor a network.  They are read off an invoice
 * of one satoshi that it is asked to make and nobody is ever shown: when it is
 * met, anew where it was away, before each payment and before each balance.
 */
#ifndef SPARK_LIGHTNING_LNBITS_H
#define SPARK_LIGHTNING_LNBITS_H

#include "lightning/http_node.h"

extern const NodeDialect lnbits_dialect;

#endif
