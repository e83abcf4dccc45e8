/*
 * purse.c
 *		What the node may still send before it touches the operator's own capital.
 */
#include "bitcoin/purse.h"

static Amount
at_least_zero(int64_t msat)
{
	return AMOUNT_MSAT(msat > 0 ? msat : 0);
}

/*
 * What is under way has left the balance already.  But it need not be ours: a
 * node that others send through has their payments under way, too.  So it
 * stands for what the node has taken over from us, and for nothing beyond.  What
 * of ours it does not stand for may still leave, or have left unheard: it is
 * not to be paid out, and nobody can say that it is lacking.
 */
void
purse_fill(Purse *purse, const NodeBalance *balance, const PaymentsBegun *begun, bool is_net)
{
	Amount		under_way = at_least_zero(balance->in_flight.msat);
	Amount		outside = is_net ? AMOUNT_ZERO : at_least_zero(begun->taken.msat - under_way.msat);

	purse->unsure = AMOUNT_ZERO;
	if (!amount_add(outside, begun->not_taken, &outside) || !amount_subtract(balance->local, outside, &purse->left))
		purse->left = AMOUNT_ZERO;
	else
		purse->unsure = outside;
	purse->is_known = true;
	purse->wanted = AMOUNT_ZERO;
}

bool
purse_covers(const Purse *purse, Amount amount)
{
	Amount		needed;

	return amount_add(purse->own, amount, &needed) && amount_compare(needed, purse->left) <= 0;
}

bool
purse_may_cover(const Purse *purse, Amount amount)
{
	Purse		best = *purse;

	return amount_add(purse->left, purse->unsure, &best.left) && purse_covers(&best, amount);
}

bool
purse_take(Purse *purse, Amount amount, Amount max_fee)
{
	Amount		payment;

	if (purse->own.msat == 0)
		return true;
	if (!purse->is_known)
		return false;
	if (!amount_add(amount, max_fee, &payment))
		payment = AMOUNT_MSAT(INT64_MAX);
	if (!purse_covers(purse, payment))
	{
		if (amount_compare(payment, purse->wanted) > 0)
			purse->wanted = payment;
		return false;
	}
	purse->left.msat -= payment.msat;
	return true;
}
