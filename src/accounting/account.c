/*
 * account.c
 *		An account of the ledger: four counters, and what may not happen to them.
 */
#include "accounting/account.h"

#include "common/names.h"

#include <string.h>

const AggregateType ledger_account_type = {"ledger_account", sizeof(LedgerAccount), RANK_LEDGER_ACCOUNT};

const Uuid	operator_account_id = {{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0x01, 0, 0, 0, 0, 0, 0x01}};
const Uuid	suspense_account_id = {{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0x01, 0, 0, 0, 0, 0, 0x02}};

static const char *const class_names[] = {
#define LEDGER_ACCOUNT_NAME(class, name, strict) [LEDGER_##class] = name,
	LEDGER_ACCOUNT_CLASSES(LEDGER_ACCOUNT_NAME)
#undef LEDGER_ACCOUNT_NAME
};

static const bool class_is_strict[] = {
#define LEDGER_ACCOUNT_STRICT(class, name, strict) [LEDGER_##class] = strict,
	LEDGER_ACCOUNT_CLASSES(LEDGER_ACCOUNT_STRICT)
#undef LEDGER_ACCOUNT_STRICT
};

DEFINE_NAME_OF(ledger_account_class_name, LedgerAccountClass, class_names)
DEFINE_VALUE_OF_NAME(ledger_account_class_by_name, LedgerAccountClass, class_names)

void
ledger_account_open(LedgerAccount *account, Uuid id, LedgerAccountClass class, Instant now)
{
	memset(account, 0, sizeof(*account));
	account->aggregate.type = &ledger_account_type;
	account->aggregate.id = id;
	account->class = class;
	account->strict = class_is_strict[class];
	account->opened_at = now;
}

/* ---------------------------------------------------------------- balances */

/* a - b, held at the edge: only counters that no transfer can reach get there. */
static Amount
difference(Amount a, Amount b)
{
	Amount		result;

	if (!amount_subtract(a, b, &result))
		result = AMOUNT_MSAT(INT64_MIN);
	return result;
}

Amount
ledger_account_balance(const LedgerAccount *account)
{
	return difference(account->credits_posted, account->debits_posted);
}

Amount
ledger_account_available(const LedgerAccount *account)
{
	return difference(ledger_account_balance(account), account->debits_pending);
}

/* --------------------------------------------------------------- movements */

Result
ledger_account_accepts_debit(const LedgerAccount *account)
{
	if (account->closed)
		return FAIL(ACCOUNT_CLOSED);
	if (account->frozen_reason != NULL)
		return FAIL(ACCOUNT_FROZEN);
	return OK;
}

Result
ledger_account_accepts_credit(const LedgerAccount *account)
{
	return account->closed ? FAIL(ACCOUNT_CLOSED) : OK;
}

static Result
overflows(void)
{
	return FAIL_BECAUSE(INVALID_ARGUMENT, "A counter of the account cannot hold that amount.");
}

Result
ledger_account_debit(LedgerAccount *account, Amount amount, bool pending)
{
	Amount		counter;
	Amount		debits;

	if (!amount_add(pending ? account->debits_pending : account->debits_posted, amount, &counter) ||
		!amount_add(account->debits_posted, account->debits_pending, &debits) ||
		!amount_add(debits, amount, &debits))
		return overflows();
	if (account->strict && amount_compare(debits, account->credits_posted) > 0)
		return FAIL(INSUFFICIENT_FUNDS);
	if (pending)
		account->debits_pending = counter;
	else
		account->debits_posted = counter;
	return OK;
}

Result
ledger_account_credit(LedgerAccount *account, Amount amount, bool pending)
{
	Amount		counter;
	Amount		credits;

	if (!amount_add(pending ? account->credits_pending : account->credits_posted, amount, &counter) ||
		!amount_add(account->credits_posted, account->credits_pending, &credits) ||
		!amount_add(credits, amount, &credits))
		return overflows();
	if (pending)
		account->credits_pending = counter;
	else
		account->credits_posted = counter;
	return OK;
}

/* The same sum on either side: what is pending shrinks, what is posted grows. */
static Result
settle(Amount *pending_counter, Amount *posted_counter, Amount reserved, Amount posted)
{
	Amount		left;
	Amount		moved;

	if (posted.msat < 0 || amount_compare(posted, reserved) > 0 ||
		!amount_subtract(*pending_counter, reserved, &left) || left.msat < 0)
		return FAIL_BECAUSE(INTERNAL, "A reserve ended that the account does not hold.");
	if (!amount_add(*posted_counter, posted, &moved))
		return overflows();
	*pending_counter = left;
	*posted_counter = moved;
	return OK;
}

Result
ledger_account_settle_debit(LedgerAccount *account, Amount reserved, Amount posted)
{
	return settle(&account->debits_pending, &account->debits_posted, reserved, posted);
}

Result
ledger_account_settle_credit(LedgerAccount *account, Amount reserved, Amount posted)
{
	return settle(&account->credits_pending, &account->credits_posted, reserved, posted);
}

void
ledger_account_freeze(LedgerAccount *account, const char *reason, Instant now)
{
	if (account->frozen_reason != NULL)
		return;
	account->frozen_reason = reason;
	account->frozen_at = now;
}

Result
ledger_account_unfreeze(LedgerAccount *account)
{
	if (account->frozen_reason == NULL)
		return FAIL(REFUSED_NOW);
	account->frozen_reason = NULL;
	account->frozen_at = INSTANT_NONE;
	return OK;
}
