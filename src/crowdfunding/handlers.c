/*
 * handlers.c
 *		Load, decide, emit.
 *
 * Locks: donate() locks nothing, donors of one campaign never queue.  An answer
 * of the ledger locks the campaign, then the donation.
 */
#include "crowdfunding/handlers.h"

#include "crowdfunding/messages.h"

#include "accounting/messages.h"
#include "auth/messages.h"

#include <string.h>

#define PURPOSE "donation"

/* ---------------------------------------------------------------- loading */

static Result
read_campaign(const Crowdfunding *context, UnitOfWork *work, Uuid id, Campaign **campaign)
{
	Aggregate  *found;

	TRY(unit_of_work_read(work, context->campaigns, id, &found));
	*campaign = (Campaign *) found;
	return OK;
}

static Result
find_campaign(const Crowdfunding *context, UnitOfWork *work, Uuid id, Campaign **campaign)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, context->campaigns, id, &found));
	if (found == NULL)
		return FAIL_BECAUSE(INTERNAL, "The campaign of a donation is gone.");
	*campaign = (Campaign *) found;
	return OK;
}

static Result
read_donation(const Crowdfunding *context, UnitOfWork *work, Uuid id, Donation **donation)
{
	Aggregate  *found;

	TRY(unit_of_work_read(work, &context->donations->repository, id, &found));
	*donation = (Donation *) found;
	return OK;
}

static Result
find_donation(const Crowdfunding *context, UnitOfWork *work, Uuid id, Donation **donation)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, &context->donations->repository, id, &found));
	if (found == NULL)
		return FAIL_BECAUSE(INTERNAL, "A donation is gone.");
	*donation = (Donation *) found;
	return OK;
}

/* --------------------------------------------------------------- commands */

Result
crowdfunding_create_campaign(const Crowdfunding *context, UnitOfWork *work,
							 const CreateCampaign *command, Campaign **campaign)
{
	bool		repeatable = !uuid_is_nil(command->campaign_id);
	Campaign   *created = ARENA_NEW(work->arena, Campaign);

	TRY(campaign_create(command, repeatable ? command->campaign_id : new_id(work), clock_now(work), created));
	if (repeatable)
	{
		TRY(read_campaign(context, work, command->campaign_id, campaign));
		if (*campaign != NULL)
			return campaign_repeats(*campaign, command);
	}
	unit_of_work_add(work, context->campaigns, &created->aggregate);
	EMIT(work, crowdfunding_campaign_created, created->aggregate.id,
		 .campaign_id = created->aggregate.id,
		 .account_id = created->owner_id,
		 .title = created->title,
		 .goal_msat = created->goal,
		 .created_at = created->created_at);
	*campaign = created;
	return OK;
}

Result
crowdfunding_donate(const Crowdfunding *context, UnitOfWork *work,
					const Donate *command, Donation **donation)
{
	Campaign   *campaign;
	Donation   *created = ARENA_NEW(work->arena, Donation);

	TRY(context->donations->find_by_key(context->donations, work, command->donor_id,
										command->idempotency_key, donation));
	if (*donation != NULL)
		return donation_repeats(*donation, command);
	TRY(read_campaign(context, work, command->campaign_id, &campaign));
	if (campaign == NULL)
		return FAIL(NOT_FOUND);
	TRY(campaign_accept_donation(campaign, command, new_id(work), clock_now(work), created));
	unit_of_work_add(work, &context->donations->repository, &created->aggregate);
	EMIT(work, accounting_request_transfer, created->aggregate.id,
		 .idempotency_key = created->idempotency_key,
		 .from_account_id = created->donor_id,
		 .to_account_id = created->owner_id,
		 .amount_msat = created->amount,
		 .purpose = PURPOSE,
		 .campaign_id = created->campaign_id);
	EMIT(work, crowdfunding_donation_created, created->aggregate.id,
		 .campaign_id = created->campaign_id,
		 .donation_id = created->aggregate.id,
		 .account_id = created->donor_id,
		 .owner_id = created->owner_id,
		 .amount_msat = created->amount);
	*donation = created;
	return OK;
}

/* ----------------------------------------------------------------- events */

static Result
on_signed_up(const void *self, UnitOfWork *work, const Message *message)
{
	const Crowdfunding *context = self;
	const auth_signed_up *event = message->payload;
	Aggregate  *known;
	Creator    *creator;

	TRY(unit_of_work_find(work, context->creators, event->account_id, &known));
	if (known != NULL)
		return OK;
	creator = ARENA_NEW(work->arena, Creator);
	creator->aggregate.type = &creator_type;
	creator->aggregate.id = event->account_id;
	creator->username = event->username;
	unit_of_work_add(work, context->creators, &creator->aggregate);
	return OK;
}

/*
 * The donation that a transfer was asked for by, looked at without a lock: the
 * campaign's comes first.  *donation is NULL where the transfer is none of ours.
 */
static Result
donation_of_transfer(const Crowdfunding *context, UnitOfWork *work, const Message *message,
					 const char *purpose, const DonationTransfer *transfer, Donation **donation)
{
	*donation = NULL;
	if (strcmp(purpose, PURPOSE) != 0)
		return OK;
	TRY(read_donation(context, work, message->aggregate_id, donation));
	if (*donation != NULL && !donation_asked_for(*donation, transfer))
		*donation = NULL;
	return OK;
}

/* One more donation in the total of its campaign. */
static Result
count_donation(Campaign *campaign, const Donation *donation, UnitOfWork *work)
{
	bool		first_at_goal;

	TRY(campaign_count_donation(campaign, donation->amount, &first_at_goal));
	if (first_at_goal)
		EMIT(work, crowdfunding_goal_reached, campaign->aggregate.id,
			 .campaign_id = campaign->aggregate.id,
			 .account_id = campaign->owner_id,
			 .goal_msat = campaign->goal,
			 .raised_msat = campaign->raised);
	return OK;
}

static Result
on_transfer_succeeded(const void *self, UnitOfWork *work, const Message *message)
{
	const Crowdfunding *context = self;
	const accounting_transfer_succeeded *event = message->payload;
	DonationTransfer transfer = {
		event->from_account_id, event->to_account_id, event->amount_msat, event->idempotency_key
	};
	Campaign   *campaign;
	Donation   *donation;

	TRY(donation_of_transfer(context, work, message, event->purpose, &transfer, &donation));
	if (donation == NULL)
		return OK;
	TRY(find_campaign(context, work, donation->campaign_id, &campaign));
	TRY(find_donation(context, work, donation->aggregate.id, &donation));
	if (donation->status == DONATION_CONFIRMED)
		return OK;
	TRY(donation_confirm(donation, clock_now(work)));
	EMIT(work, crowdfunding_donation_confirmed, donation->aggregate.id,
		 .campaign_id = donation->campaign_id,
		 .donation_id = donation->aggregate.id,
		 .account_id = donation->donor_id,
		 .owner_id = donation->owner_id,
		 .amount_msat = donation->amount);
	return count_donation(campaign, donation, work);
}

static Result
on_transfer_rejected(const void *self, UnitOfWork *work, const Message *message)
{
	const Crowdfunding *context = self;
	const accounting_transfer_rejected *event = message->payload;
	DonationTransfer transfer = {
		event->from_account_id, event->to_account_id, event->amount_msat, event->idempotency_key
	};
	Donation   *donation;

	TRY(donation_of_transfer(context, work, message, event->purpose, &transfer, &donation));
	if (donation == NULL)
		return OK;
	TRY(find_donation(context, work, donation->aggregate.id, &donation));
	if (donation->status == DONATION_REJECTED)
		return OK;
	TRY(donation_reject(donation, event->reason, clock_now(work)));
	EMIT(work, crowdfunding_donation_rejected, donation->aggregate.id,
		 .campaign_id = donation->campaign_id,
		 .donation_id = donation->aggregate.id,
		 .account_id = donation->donor_id,
		 .owner_id = donation->owner_id,
		 .amount_msat = donation->amount,
		 .reason = donation->reason);
	return OK;
}

/* ------------------------------------------------------ what a batch locks */

static void
signed_up_touches(const void *self, const Message *message, Touched *touched)
{
	const Crowdfunding *context = self;
	const auth_signed_up *event = message->payload;

	touch(touched, context->creators, event->account_id);
}

static void
transfer_succeeded_touches(const void *self, const Message *message, Touched *touched)
{
	const Crowdfunding *context = self;
	const accounting_transfer_succeeded *event = message->payload;

	if (strcmp(event->purpose, PURPOSE) != 0)
		return;
	if (!uuid_is_nil(event->campaign_id))
		touch(touched, context->campaigns, event->campaign_id);
	touch(touched, &context->donations->repository, message->aggregate_id);
}

static void
transfer_rejected_touches(const void *self, const Message *message, Touched *touched)
{
	const Crowdfunding *context = self;
	const accounting_transfer_rejected *event = message->payload;

	if (strcmp(event->purpose, PURPOSE) == 0)
		touch(touched, &context->donations->repository, message->aggregate_id);
}

const Subscription crowdfunding_subscriptions[] = {
	{&auth_signed_up_type, on_signed_up, signed_up_touches},
	{&accounting_transfer_succeeded_type, on_transfer_succeeded, transfer_succeeded_touches},
	{&accounting_transfer_rejected_type, on_transfer_rejected, transfer_rejected_touches},
};
