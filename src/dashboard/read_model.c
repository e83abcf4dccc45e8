/*
 * read_model.c
 *		What a fact means in the sums.
 */
#include "dashboard/read_model.h"

#include "common/names.h"

const AggregateType overview_type = {"overview", sizeof(Overview), RANK_DASHBOARD};
const AggregateType own_campaign_type = {"own campaign", sizeof(OwnCampaign), RANK_DASHBOARD + 1};
const AggregateType movement_type = {"movement", sizeof(Movement), RANK_DASHBOARD + 2};
const AggregateType counted_donation_type = {"counted donation", sizeof(CountedDonation), RANK_DASHBOARD + 3};

static const char *const state_names[] = {
	[MOVEMENT_PENDING] = "pending",
	[MOVEMENT_POSTED] = "posted",
	[MOVEMENT_VOIDED] = "voided",
};

static Result
increase(Amount *sum, Amount by)
{
	return amount_add(*sum, by, sum) ? OK : FAIL_BECAUSE(INTERNAL, "A sum of the dashboard cannot be counted.");
}

static Result
decrease(Amount *sum, Amount by)
{
	return amount_subtract(*sum, by, sum) ? OK : FAIL_BECAUSE(INTERNAL, "A sum of the dashboard cannot be counted.");
}

bool
movement_goes_on(MovementState state, MovementState next)
{
	switch (state)
	{
		case MOVEMENT_PENDING:
			return next != MOVEMENT_PENDING;
		case MOVEMENT_POSTED:
			return false;
		case MOVEMENT_VOIDED:
			return next == MOVEMENT_POSTED;
	}
	return false;
}

Result
movement_book(const Movement *movement, Overview *payer, Overview *payee)
{
	switch (movement->state)
	{
		case MOVEMENT_PENDING:
			if (payer != NULL)
				TRY(increase(&payer->reserved, movement->amount));
			return OK;
		case MOVEMENT_POSTED:
			if (payer != NULL)
				TRY(decrease(&payer->posted, movement->amount));
			if (payee != NULL)
				TRY(increase(&payee->posted, movement->amount));
			return OK;
		case MOVEMENT_VOIDED:
			return OK;
	}
	return OK;
}

Result
movement_become(Movement *known, const Movement *now, Overview *payer, Overview *payee)
{
	if (known->state == MOVEMENT_PENDING && payer != NULL)
		TRY(decrease(&payer->reserved, known->amount));
	known->state = now->state;
	known->amount = now->amount;
	known->posted_at = now->posted_at;
	return movement_book(known, payer, payee);
}

Result
donation_count(Amount amount, Overview *donor, Overview *owner, OwnCampaign *campaign)
{
	TRY(increase(&donor->donated, amount));
	TRY(increase(&owner->raised, amount));
	TRY(increase(&campaign->raised, amount));
	campaign->donation_count++;
	return OK;
}

DEFINE_NAME_OF(movement_state_name, MovementState, state_names)
DEFINE_VALUE_OF_NAME(movement_state_by_name, MovementState, state_names)
