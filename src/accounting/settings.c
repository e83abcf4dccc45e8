/*
 * settings.c
 *		The settings of accounting.
 *
 * All are the operator's and are read again on reload.
 */
#include "postgres/server.h"

#include "accounting/settings.h"

#include "postgres/amount_setting.h"

#define WHAT_COUNTS \
	"With fees, and all that is reserved for payments under way; what has left counts" \
	" for up to an hour more; 0 is no limit."

static char *limit_of_account;
static char *limit_of_all;

WithdrawalLimits
withdrawal_limits(void)
{
	return (WithdrawalLimits) {
		.of_account = amount_set(limit_of_account),
		.of_all = amount_set(limit_of_all),
	};
}

void
accounting_define_settings(void)
{
	define_amount("spark.daily_limit_account", "Sets how much one account may withdraw in 24 hours, in satoshi.",
				  WHAT_COUNTS AMOUNT_RANGE, &limit_of_account, "10000000");
	define_amount("spark.daily_limit_all", "Sets how much all accounts together may withdraw in 24 hours, in satoshi.",
				  WHAT_COUNTS AMOUNT_RANGE, &limit_of_all, "50000000");
}
