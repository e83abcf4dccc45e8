/*
 * lnbits_replies.h
 *		What the replies of LNbits mean.
 */
#ifndef SPARK_LIGHTNING_LNBITS_REPLIES_H
#define SPARK_LIGHTNING_LNBITS_REPLIES_H

#include "lightning/http_node.h"

#define LNBITS_ROWS_A_PAGE 100

/* The steps of NODE_PAY, of NODE_IDENTIFY and of NODE_BALANCE. */
typedef enum LnbitsPayStep
{
	LNBITS_PAY_PROBE,			/* whether its invoices are still made by the same node */
	LNBITS_PAY_RESERVE,			/* what it would set aside for the fee */
	LNBITS_PAY_SEND,
	LNBITS_PAY_LOOK
} LnbitsPayStep;

typedef enum LnbitsIdentifyStep
{
	LNBITS_IDENTIFY_WALLET,
	LNBITS_IDENTIFY_PROBE,		/* an invoice that tells who makes them */
	LNBITS_IDENTIFY_KEYS		/* whether the wallet that pays knows it, where another key made it */
} LnbitsIdentifyStep;

typedef enum LnbitsBalanceStep
{
	LNBITS_BALANCE_PROBE,		/* likewise */
	LNBITS_BALANCE_WALLET
} LnbitsBalanceStep;

/* Takes in the reply to this step; true: another one is to be asked. */
extern bool lnbits_hear(HttpNode *self, NodeTalk *talk, const HttpReply *reply);

#endif
