/*
 * settings.c
 *		The settings of accounting.
 *
 * All are the operator's and are read again on reload.
 */
#include "postgres/server.h"

#include "accounting/settings.h"

static int	limit_of_account;
static int	limit_of_all;

WithdrawalLimits
withdrawal_limits(void)
{
	return (WithdrawalLimits) {
		.of_account = AMOUNT_MSAT(limit_of_account * MSAT_PER_SAT),
		.of_all = AMOUNT_MSAT(limit_of_all * MSAT_PER_SAT),
	};
}

void
accounting_define_settings(void)
{
	DefineCustomIntVariable("spark.daily_limit_account",
							"Sets how much one account may withdraw in 24 hours, in satoshi.",
							"With fees, and all that is reserved for payments under way; what has left counts"
							" for up to an hour more; 0 is no limit.",
							&limit_of_account, 10000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spark.daily_limit_all",
							"Sets how much all accounts together may withdraw in 24 hours, in satoshi.",
							"With fees, and all that is reserved for payments under way; what has left counts"
							" for up to an hour more; 0 is no limit.",
							&limit_of_all, 50000000, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
}
