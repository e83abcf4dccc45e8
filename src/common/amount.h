/*
 * amount.h
 *		Money: millisatoshi in a struct, so that it cannot be mixed with a
 *		count, a satoshi or a seconds value by accident.
 *
 * Every operation says whether its result exists; the compiler insists that
 * the answer is looked at.  1 satoshi = 1,000 msat; all bitcoin there will ever
 * be are 21e6 x 1e8 satoshi, which fits int64 in msat.
 */
#ifndef SPARK_COMMON_AMOUNT_H
#define SPARK_COMMON_AMOUNT_H

#include "common/result.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Amount
{
	int64_t		msat;
} Amount;

#define MSAT_PER_SAT INT64_C(1000)
#define MAX_SAT INT64_C(2100000000000000)
#define AMOUNT_ZERO ((Amount) {0})
#define AMOUNT_MSAT(msat_) ((Amount) {(msat_)})

/* *sum = a + b; false and *sum untouched where that leaves int64. */
extern bool amount_add(Amount a, Amount b, Amount *sum) MUST_CHECK;

/* *difference = a - b; false and *difference untouched where that leaves int64. */
extern bool amount_subtract(Amount a, Amount b, Amount *difference) MUST_CHECK;

/*
 * *share = amount * parts / of, rounded up; false where amount is negative,
 * parts is negative, of is not positive, or the result leaves int64.
 */
extern bool amount_share(Amount amount, int64_t parts, int64_t of, Amount *share) MUST_CHECK;

/* Whole satoshi as an amount: false unless 1 <= sat <= MAX_SAT. */
extern bool amount_from_sat(int64_t sat, Amount *amount) MUST_CHECK;

/* The whole satoshi in it, rounded towards zero. */
extern int64_t amount_whole_sat(Amount amount);

/* True for 1 msat up to all bitcoin there is. */
extern bool amount_is_payable(Amount amount);

extern int	amount_compare(Amount a, Amount b);

static inline bool
amount_equal(Amount a, Amount b)
{
	return a.msat == b.msat;
}

static inline bool
amount_is_positive(Amount a)
{
	return a.msat > 0;
}

#endif
