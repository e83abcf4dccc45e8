/*
 * node_tell.c
 *		Telling other contexts what became of a deposit or a withdrawal.
 */
#include "bitcoin/node_tell.h"

#include "bitcoin/messages.h"

#include "accounting/messages.h"

#include <string.h>

void
raise_new_alarm(const Bitcoin *context, Uuid invoice_id, const char *before, const char *now)
{
	if (now != NULL && (before == NULL || strcmp(before, now) != 0))
		context->alarms->raise(context->alarms, invoice_id, now);
}

static void
tell_settled(UnitOfWork *work, const Deposit *deposit)
{
	/* One paid inside is credited by the transfer itself. */
	if (uuid_is_nil(deposit->paid_by))
		EMIT(work, accounting_deposit, deposit->aggregate.id,
			 .account_id = deposit->account_id,
			 .idempotency_key = deposit->payment_hash,
			 .amount_msat = deposit->received,
			 .node_account_id = deposit->node_account_id,
			 .invoice_id = deposit->aggregate.id,
			 .receive_fee_msat = deposit->receive_fee);
	EMIT(work, bitcoin_invoice_paid, deposit->aggregate.id,
		 .invoice_id = deposit->aggregate.id,
		 .account_id = deposit->account_id,
		 .payment_hash = deposit->payment_hash,
		 .amount_msat = deposit->amount,
		 .received_msat = deposit->received);
}

/* Each change of state, once. */
void
tell_deposit(UnitOfWork *work, const Deposit *deposit, DepositState before)
{
	if (deposit->state == before)
		return;
	switch (deposit->state)
	{
		case DEPOSIT_INTENT:
			break;
		case DEPOSIT_OPEN:
			EMIT(work, bitcoin_invoice_created, deposit->aggregate.id,
				 .invoice_id = deposit->aggregate.id,
				 .account_id = deposit->account_id,
				 .payment_hash = deposit->payment_hash,
				 .amount_msat = deposit->amount);
			break;
		case DEPOSIT_SETTLED:
			tell_settled(work, deposit);
			break;
		case DEPOSIT_EXPIRED:
			EMIT(work, bitcoin_invoice_expired, deposit->aggregate.id,
				 .invoice_id = deposit->aggregate.id,
				 .account_id = deposit->account_id,
				 .payment_hash = deposit->payment_hash,
				 .amount_msat = deposit->amount);
			break;
		case DEPOSIT_CANCELLED:
			EMIT(work, bitcoin_invoice_failed, deposit->aggregate.id,
				 .invoice_id = deposit->aggregate.id,
				 .account_id = deposit->account_id,
				 .payment_hash = deposit->payment_hash,
				 .amount_msat = deposit->amount,
				 .reason = deposit->reason);
			break;
	}
}

static void
tell_inside(UnitOfWork *work, const Withdrawal *withdrawal)
{
	char	   *key = arena_alloc(work->arena, UUID_TEXT_LENGTH + 1);

	uuid_format(withdrawal->aggregate.id, key);
	if (withdrawal->state == WITHDRAWAL_SUCCEEDED)
		EMIT(work, accounting_post_transfer, withdrawal->aggregate.id,
			 .from_account_id = withdrawal->account_id,
			 .idempotency_key = key,
			 .purpose = WITHDRAWAL_PURPOSE);
	else
		EMIT(work, accounting_void_transfer, withdrawal->aggregate.id,
			 .from_account_id = withdrawal->account_id,
			 .idempotency_key = key,
			 .purpose = WITHDRAWAL_PURPOSE,
			 .reason = withdrawal->reason);
}

/* Each end, once; what lies between is nobody else's affair. */
void
tell_withdrawal(UnitOfWork *work, const Withdrawal *withdrawal, WithdrawalState before)
{
	if (withdrawal->state == before ||
		(withdrawal->state != WITHDRAWAL_SUCCEEDED && withdrawal->state != WITHDRAWAL_FAILED))
		return;
	if (withdrawal_is_inside(withdrawal))
		tell_inside(work, withdrawal);
	else if (withdrawal->state == WITHDRAWAL_SUCCEEDED)
		EMIT(work, bitcoin_payment_succeeded, withdrawal->aggregate.id,
			 .invoice_id = withdrawal->aggregate.id,
			 .account_id = withdrawal->account_id,
			 .payment_hash = withdrawal->payment_hash,
			 .amount_msat = withdrawal->amount,
			 .fee_msat = withdrawal->fee,
			 .max_fee_msat = withdrawal->max_fee,
			 .node_account_id = withdrawal->node_account_id,
			 .late = withdrawal->late);
	else
		EMIT(work, bitcoin_payment_failed, withdrawal->aggregate.id,
			 .invoice_id = withdrawal->aggregate.id,
			 .account_id = withdrawal->account_id,
			 .payment_hash = withdrawal->payment_hash,
			 .amount_msat = withdrawal->amount,
			 .max_fee_msat = withdrawal->max_fee,
			 .node_account_id = withdrawal->node_account_id,
			 .reason = withdrawal->reason);
}
