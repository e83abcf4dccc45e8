/*
 * transfer.c
 *		One movement between two accounts, and every rule about it.
 */
#include "accounting/transfer.h"

#include "common/names.h"

#include <string.h>

const AggregateType transfer_type = {"transfer", sizeof(Transfer), RANK_TRANSFER};

/* ------------------------------------------------------------------- names */

static const char *const kind_names[] = {
#define TRANSFER_NAME(kind, name) [TRANSFER_KIND_##kind] = name,
	TRANSFER_KINDS(TRANSFER_NAME)
#undef TRANSFER_NAME
};

static const char *const form_names[] = {
#define TRANSFER_NAME(form, name) [TRANSFER_##form] = name,
	TRANSFER_FORMS(TRANSFER_NAME)
#undef TRANSFER_NAME
};

static const char *const purpose_names[] = {
#define TRANSFER_NAME(purpose, name, kind, ordered) [PURPOSE_##purpose] = name,
	TRANSFER_PURPOSES(TRANSFER_NAME)
#undef TRANSFER_NAME
};

static const struct
{
	TransferKind kind;
	bool		ordered;
}			purposes[] = {
#define TRANSFER_ROW(purpose, name, kind, ordered) [PURPOSE_##purpose] = {TRANSFER_KIND_##kind, ordered},
	TRANSFER_PURPOSES(TRANSFER_ROW)
#undef TRANSFER_ROW
};

DEFINE_NAME_OF(transfer_kind_name, TransferKind, kind_names)
DEFINE_NAME_OF(transfer_form_name, TransferForm, form_names)
DEFINE_NAME_OF(transfer_purpose_name, TransferPurpose, purpose_names)
DEFINE_VALUE_OF_NAME(transfer_kind_by_name, TransferKind, kind_names)
DEFINE_VALUE_OF_NAME(transfer_form_by_name, TransferForm, form_names)
DEFINE_VALUE_OF_NAME(transfer_purpose_by_name, TransferPurpose, purpose_names)

bool
transfer_purpose_by_order(const char *name, TransferPurpose *purpose)
{
	return transfer_purpose_by_name(name, purpose) && purposes[*purpose].ordered;
}

TransferKind
transfer_purpose_kind(TransferPurpose purpose)
{
	return purposes[purpose].kind;
}

/* ------------------------------------------------------------------- rules */

Result
transfer_is_same(const Transfer *first, const Transfer *asked)
{
	if (first->form != asked->form ||
		!uuid_equal(first->credit_account_id, asked->credit_account_id) ||
		!amount_equal(first->amount, asked->amount) ||
		!amount_equal(first->fee_limit, asked->fee_limit))
		return FAIL(IDEMPOTENCY_MISMATCH);
	return OK;
}

Result
transfer_is_well_formed(const Transfer *asked)
{
	if (asked->key == NULL || asked->key[0] == '\0')
		return FAIL_BECAUSE(INVALID_ARGUMENT, "A transfer needs an idempotency key.");
	if (uuid_is_nil(asked->debit_account_id) || uuid_is_nil(asked->credit_account_id))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "A transfer needs two accounts.");
	if (uuid_equal(asked->debit_account_id, asked->credit_account_id))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "A transfer needs two different accounts.");
	if (!instant_is_none(asked->expires_at) && asked->form != TRANSFER_PENDING)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Only a pending transfer can expire.");
	if (!amount_is_positive(asked->amount) || asked->fee_limit.msat < 0 ||
		amount_compare(asked->fee_limit, asked->amount) >= 0)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The amount must be at least 1 msat.");
	return OK;
}

Result
transfer_book(const Transfer *fact, LedgerAccount *debit, LedgerAccount *credit)
{
	LedgerAccount debited = *debit;
	LedgerAccount credited = *credit;
	bool		pending = fact->form == TRANSFER_PENDING;
	Result		of_debit = ledger_account_debit(&debited, fact->amount, pending);
	Result		of_credit = ledger_account_credit(&credited, fact->amount, pending);

	/* A counter that overflows, on either side, comes before missing funds. */
	if (of_debit.code == RESULT_INSUFFICIENT_FUNDS)
		TRY(of_credit);
	TRY(of_debit);
	TRY(of_credit);
	*debit = debited;
	*credit = credited;
	return OK;
}

Result
transfer_execute(const Transfer *asked, LedgerAccount *debit, LedgerAccount *credit)
{
	if (debit == NULL)
		return FAIL(ACCOUNT_UNKNOWN);
	if (debit->closed)
		return FAIL(ACCOUNT_CLOSED);
	TRY(ledger_account_accepts_credit(credit));
	TRY(ledger_account_accepts_debit(debit));
	return transfer_book(asked, debit, credit);
}

/* ------------------------------------------------------ the end of a reserve */

void
transfer_begin_end(Transfer *end, const Transfer *pending, TransferForm form, Amount amount, Arena *arena)
{
	char		key[UUID_TEXT_LENGTH + 1];

	uuid_format(pending->aggregate.id, key);
	end->debit_account_id = pending->debit_account_id;
	end->credit_account_id = pending->credit_account_id;
	end->amount = form == TRANSFER_VOID ? pending->amount : amount;
	end->key = arena_text(arena, key);
	end->purpose = form == TRANSFER_VOID ? PURPOSE_VOID : PURPOSE_POST;
	end->kind = pending->kind;
	end->form = form;
	end->pending_id = pending->aggregate.id;
}

bool
transfer_has_ended(const Transfer *ended_by, TransferForm form)
{
	return ended_by != NULL && ended_by->form == form;
}

static bool
ended_by_expiry(const Transfer *ended_by)
{
	return ended_by->form == TRANSFER_VOID && ended_by->reason != NULL &&
		strcmp(ended_by->reason, result_text(RESULT_PENDING_EXPIRED)->name) == 0;
}

static Result
may_end(const Transfer *end, const Transfer *pending, const Transfer *ended_by, Instant now)
{
	if (pending == NULL || pending->refusal != RESULT_OK)
		return FAIL_BECAUSE(NOT_FOUND, "There is no such pending transfer.");
	if (pending->form != TRANSFER_PENDING)
		return FAIL_BECAUSE(PENDING_RESOLVED, "The transfer was never pending.");
	if (!amount_is_positive(end->amount) || amount_compare(end->amount, pending->amount) > 0)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The amount exceeds the pending transfer.");
	if (ended_by != NULL)
		return ended_by_expiry(ended_by) ? FAIL(PENDING_EXPIRED) : FAIL(PENDING_RESOLVED);
	if (end->form == TRANSFER_POST && !instant_is_none(pending->expires_at) &&
		!instant_before(now, pending->expires_at))
		return FAIL(PENDING_EXPIRED);
	return OK;
}

Result
transfer_end(const Transfer *end, const Transfer *pending, const Transfer *ended_by,
			 Instant now, LedgerAccount *debit, LedgerAccount *credit)
{
	Amount		posted = end->form == TRANSFER_POST ? end->amount : AMOUNT_ZERO;
	LedgerAccount debited;
	LedgerAccount credited;

	TRY(may_end(end, pending, ended_by, now));
	if (debit == NULL || credit == NULL)
		return FAIL_BECAUSE(INTERNAL, "An account of a pending transfer is missing.");
	if (end->form == TRANSFER_POST && (debit->closed || credit->closed))
		return FAIL(ACCOUNT_CLOSED);
	debited = *debit;
	credited = *credit;
	TRY(ledger_account_settle_debit(&debited, pending->amount, posted));
	TRY(ledger_account_settle_credit(&credited, pending->amount, posted));
	*debit = debited;
	*credit = credited;
	return OK;
}

/* -------------------------------------------------------------------- seal */

static const char *
uuid_or_empty(Uuid uuid, char text[UUID_TEXT_LENGTH + 1])
{
	text[0] = '\0';
	if (!uuid_is_nil(uuid))
		uuid_format(uuid, text);
	return text;
}

const char *
transfer_content(const Transfer *transfer, Arena *arena)
{
	char		id[8][UUID_TEXT_LENGTH + 1];

	return arena_printf(arena, "%s|%lld|%s|%s|%s|%s|%zu:%s|%s|%lld|%lld|%s|%s|%s|%s|%s|%lld|%lld|%s",
						uuid_or_empty(transfer->aggregate.id, id[0]),
						(long long) transfer->sequence,
						uuid_or_empty(transfer->debit_account_id, id[1]),
						uuid_or_empty(transfer->credit_account_id, id[2]),
						transfer_form_name(transfer->form),
						transfer_purpose_name(transfer->purpose),
						strlen(transfer->key), transfer->key,
						transfer_kind_name(transfer->kind),
						(long long) transfer->amount.msat,
						(long long) transfer->fee_limit.msat,
						uuid_or_empty(transfer->pending_id, id[3]),
						uuid_or_empty(transfer->linked_id, id[4]),
						uuid_or_empty(transfer->campaign_id, id[5]),
						uuid_or_empty(transfer->from_invoice_id, id[6]),
						uuid_or_empty(transfer->to_invoice_id, id[7]),
						(long long) transfer->expires_at.microseconds,
						(long long) transfer->created_at.microseconds,
						transfer->reason != NULL ? transfer->reason : "");
}
