/*
 * purse.c
 *		What the node may still send before it touches the operator's own capital.
 */
#include "bitcoin/purse.h"

Amount
purse_may_leave(const PaymentsBegun *begun, bool is_net)
{
	Amount		all;

	if (is_net)
		return begun->not_taken;
	return amount_add(begun->not_taken, begun->taken, &all) ? all : AMOUNT_MSAT(INT64_MAX);
}

void
purse_fill(Purse *purse, const NodeBalance *balance, Amount may_leave)
{
	Amount		outside = AMOUNT_ZERO;

	/* What is under way has left the balance already. */
	if (balance->in_flight.msat < may_leave.msat)
		outside.msat = may_leave.msat - (balance->in_flight.msat > 0 ? balance->in_flight.msat : 0);
	if (!amount_subtract(balance->local, outside, &purse->left))
		purse->left = AMOUNT_ZERO;
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
