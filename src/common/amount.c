/*
 * amount.c
 *		Checked arithmetic of money.
 *
 * The checks are those of the compiler's built-ins: they hold whatever flags
 * the file is compiled with, also -fwrapv, which PostgreSQL's own build uses.
 */
#include "common/amount.h"

bool
amount_add(Amount a, Amount b, Amount *sum)
{
	int64_t		msat;

	if (__builtin_add_overflow(a.msat, b.msat, &msat))
		return false;
	sum->msat = msat;
	return true;
}

bool
amount_subtract(Amount a, Amount b, Amount *difference)
{
	int64_t		msat;

	if (__builtin_sub_overflow(a.msat, b.msat, &msat))
		return false;
	difference->msat = msat;
	return true;
}

bool
amount_share(Amount amount, int64_t parts, int64_t of, Amount *share)
{
	__extension__ typedef __int128 Wide;
	Wide		product;
	int64_t		msat;

	if (amount.msat < 0 || parts < 0 || of <= 0)
		return false;
	product = ((Wide) amount.msat * parts + of - 1) / of;
	if (__builtin_add_overflow(product, 0, &msat))
		return false;
	share->msat = msat;
	return true;
}

bool
amount_from_sat(int64_t sat, Amount *amount)
{
	if (sat < 1 || sat > MAX_SAT)
		return false;
	amount->msat = sat * MSAT_PER_SAT;
	return true;
}

int64_t
amount_whole_sat(Amount amount)
{
	return amount.msat / MSAT_PER_SAT;
}

bool
amount_is_payable(Amount amount)
{
	return amount.msat > 0 && amount.msat <= MAX_SAT * MSAT_PER_SAT;
}

int
amount_compare(Amount a, Amount b)
{
	return (a.msat > b.msat) - (a.msat < b.msat);
}
