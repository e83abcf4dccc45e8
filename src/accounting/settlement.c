/*
 * settlement.c
 *		Who bears what of a payment that the node has made.
 */
#include "accounting/settlement.h"

static Amount
lesser(Amount a, Amount b)
{
	return amount_compare(a, b) < 0 ? a : b;
}

/* a - b, where 0 <= b <= a. */
static Amount
without(Amount a, Amount b)
{
	return AMOUNT_MSAT(a.msat - b.msat);
}

Result
settlement_of_reserve(Amount reserved, Amount amount, Amount fee, Settlement *settlement)
{
	Amount		unpaid;

	*settlement = (Settlement) {.amount = AMOUNT_ZERO};
	if (!amount_is_positive(amount) || !amount_is_positive(reserved))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "A payment is of at least 1 msat.");
	if (fee.msat < 0)
	{
		if (!amount_subtract(AMOUNT_ZERO, fee, &settlement->surplus) ||
			amount_compare(settlement->surplus, amount) > 0)
			return FAIL_BECAUSE(INVALID_ARGUMENT, "The fee is below the negative amount.");
		fee = AMOUNT_ZERO;
	}
	settlement->amount = lesser(amount, reserved);
	settlement->fee = lesser(fee, without(reserved, settlement->amount));
	unpaid = without(amount, settlement->amount);
	if (!amount_add(unpaid, without(fee, settlement->fee), &settlement->excess))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The fee cannot be counted.");
	return OK;
}

Result
settlement_of_late(Amount available, Amount amount, Amount fee, Amount fee_limit, Settlement *settlement)
{
	Amount		owed;
	Amount		amount_owed;
	Amount		fee_owed;

	if (fee_limit.msat < 0 || !amount_add(amount, fee_limit, &owed))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The payment cannot be counted.");
	TRY(settlement_of_reserve(owed, amount, fee, settlement));
	if (available.msat < 0)
		available = AMOUNT_ZERO;
	amount_owed = settlement->amount;
	fee_owed = settlement->fee;
	settlement->amount = lesser(amount_owed, available);
	settlement->fee = lesser(fee_owed, without(available, settlement->amount));
	settlement->uncovered = AMOUNT_MSAT(amount_owed.msat - settlement->amount.msat +
										fee_owed.msat - settlement->fee.msat);
	return OK;
}
