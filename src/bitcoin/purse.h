/*
 * purse.h
 *		What the node may still send before it touches the operator's own capital.
 *
 * A balance that the node has told, less what may leave for payments that were
 * begun before, and less each payment since, with its highest fee.  What comes
 * in, and what fails, is counted with the next balance only: the purse holds
 * less than there is, never more.  Pure.
 */
#ifndef SPARK_BITCOIN_PURSE_H
#define SPARK_BITCOIN_PURSE_H

#include "lightning/lightning_node.h"

#include <stdbool.h>

typedef struct Purse
{
	Amount		own;			/* that stays; zero: nothing has to */
	bool		is_known;		/* a balance was told, and nothing holds payments until the next */
	Amount		left;			/* of it */
	Amount		unsure;			/* more of it, if all that may leave has left */
	Amount		wanted;			/* the most that it did not cover since; zero: it covered all */
} Purse;

/* Payments that were begun and have not ended: each with its highest fee. */
typedef struct PaymentsBegun
{
	Amount		not_taken;		/* of which nobody knows whether the node has taken them over yet */
	Amount		taken;			/* that it has, or had, at hand */
} PaymentsBegun;

/* By that balance, from after those payments were begun; is_net: it is less what the node has at hand. */
extern void purse_fill(Purse *purse, const NodeBalance *balance, const PaymentsBegun *begun, bool is_net);

/* True where it covers that much beside what stays. */
extern bool purse_covers(const Purse *purse, Amount amount);

/* True where it does, or would if all that may leave has left: nobody can say that it lacks anything. */
extern bool purse_may_cover(const Purse *purse, Amount amount);

/*
 * Takes a payment and its highest fee out.  False where that is not covered, and
 * while no balance is known: it is not to be sent.
 */
extern bool purse_take(Purse *purse, Amount amount, Amount max_fee);

#endif
