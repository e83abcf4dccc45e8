/*
 * settlement.h
 *		Who bears what of a payment that the node has made.
 *
 * What has happened at the node is booked, all of it: the account pays the
 * amount and a fee up to what it agreed to; the operator pays a fee beyond it;
 * suspense pays what an account without a reserve cannot, and keeps what the
 * node did not send.  amount + fee paid by all = what has left the node.
 *
 * Pure.
 */
#ifndef SPARK_ACCOUNTING_SETTLEMENT_H
#define SPARK_ACCOUNTING_SETTLEMENT_H

#include "common/amount.h"
#include "common/result.h"

typedef struct Settlement
{
	Amount		amount;			/* account -> node */
	Amount		fee;			/* account -> node */
	Amount		excess;			/* operator -> node */
	Amount		uncovered;		/* suspense -> node */
	Amount		surplus;		/* node -> suspense: of a fee below 0 */
} Settlement;

/* Out of a reserve of that size, which holds the amount and the highest fee. */
extern Result settlement_of_reserve(Amount reserved, Amount amount, Amount fee, Settlement *settlement) MUST_CHECK;

/* Without a reserve: out of what the account has available; it owes a fee of up to fee_limit. */
extern Result settlement_of_late(Amount available, Amount amount, Amount fee, Amount fee_limit,
								 Settlement *settlement) MUST_CHECK;

#endif
