/*
 * handlers.c
 *		The dashboard follows what other contexts tell.
 *
 * Each handler bears its message twice, and before any other of another key: an
 * account, or a campaign, that is not known yet is opened by whatever names it
 * first.
 *
 * Locks: overviews by id, then the campaign, then the movement or donation.
 */
#include "dashboard/handlers.h"

#include "accounting/messages.h"
#include "auth/messages.h"
#include "crowdfunding/messages.h"

#include <string.h>

/* ---------------------------------------------------------------- loading */

/* The overview of that account; opened where it was not. */
static Result
open_overview(const Dashboard *context, UnitOfWork *work, Uuid account_id, Overview **overview)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, context->overviews, account_id, &found));
	if (found == NULL)
	{
		Overview   *opened = ARENA_NEW(work->arena, Overview);

		opened->aggregate.type = &overview_type;
		opened->aggregate.id = account_id;
		unit_of_work_add(work, context->overviews, &opened->aggregate);
		found = &opened->aggregate;
	}
	*overview = (Overview *) found;
	return OK;
}

/* Both at once, locked in the order of their ids. */
static Result
open_overviews(const Dashboard *context, UnitOfWork *work, Uuid one_id, Overview **one,
			   Uuid other_id, Overview **other)
{
	Uuid		both[] = {one_id, other_id};

	TRY(unit_of_work_find_many(work, context->overviews, both, 2));
	TRY(open_overview(context, work, one_id, one));
	return open_overview(context, work, other_id, other);
}

/* The campaign of that id; opened, without its title, where it was not. */
static Result
open_campaign(const Dashboard *context, UnitOfWork *work, Uuid campaign_id, Uuid owner_id, OwnCampaign **campaign)
{
	Aggregate  *found;

	TRY(unit_of_work_find(work, context->campaigns, campaign_id, &found));
	if (found == NULL)
	{
		OwnCampaign *opened = ARENA_NEW(work->arena, OwnCampaign);

		opened->aggregate.type = &own_campaign_type;
		opened->aggregate.id = campaign_id;
		opened->owner_id = owner_id;
		unit_of_work_add(work, context->campaigns, &opened->aggregate);
		found = &opened->aggregate;
	}
	*campaign = (OwnCampaign *) found;
	return OK;
}

/* --------------------------------------------------- accounts and campaigns */

static Result
on_signed_up(const void *self, UnitOfWork *work, const Message *message)
{
	const auth_signed_up *event = message->payload;
	Overview   *overview;

	TRY(open_overview(self, work, event->account_id, &overview));
	if (overview->username == NULL)
		overview->username = event->username;
	return OK;
}

static Result
on_campaign_created(const void *self, UnitOfWork *work, const Message *message)
{
	const crowdfunding_campaign_created *event = message->payload;
	Overview   *owner;
	OwnCampaign *campaign;

	TRY(open_overview(self, work, event->account_id, &owner));
	TRY(open_campaign(self, work, event->campaign_id, event->account_id, &campaign));
	if (campaign->title != NULL)
		return OK;
	campaign->title = event->title;
	campaign->status = "open";
	campaign->goal = event->goal_msat;
	campaign->created_at = event->created_at;
	owner->campaign_count++;
	return OK;
}

static Result
on_donation_confirmed(const void *self, UnitOfWork *work, const Message *message)
{
	const Dashboard *context = self;
	const crowdfunding_donation_confirmed *event = message->payload;
	Overview   *donor;
	Overview   *owner;
	OwnCampaign *campaign;
	Aggregate  *counted;
	CountedDonation *donation;

	TRY(open_overviews(context, work, event->account_id, &donor, event->owner_id, &owner));
	TRY(open_campaign(context, work, event->campaign_id, event->owner_id, &campaign));
	TRY(unit_of_work_find(work, context->donations, event->donation_id, &counted));
	if (counted != NULL)
		return OK;
	donation = ARENA_NEW(work->arena, CountedDonation);
	donation->aggregate.type = &counted_donation_type;
	donation->aggregate.id = event->donation_id;
	donation->campaign_id = event->campaign_id;
	donation->amount = event->amount_msat;
	unit_of_work_add(work, context->donations, &donation->aggregate);
	return donation_count(event->amount_msat, donor, owner, campaign);
}

/* --------------------------------------------------------------- movements */

/* The overviews of both sides; NULL of the node's. */
static Result
open_sides(const Dashboard *context, UnitOfWork *work, const Movement *movement, Overview **payer, Overview **payee)
{
	const MovementSide *from = &movement->payer;
	const MovementSide *to = &movement->payee;

	*payer = *payee = NULL;
	if (from->kind != NULL && to->kind != NULL)
		return open_overviews(context, work, from->account_id, payer, to->account_id, payee);
	if (from->kind != NULL)
		return open_overview(context, work, from->account_id, payer);
	if (to->kind != NULL)
		return open_overview(context, work, to->account_id, payee);
	return OK;
}

/* A transfer as it is told now: a new line, or the next state of a known one. */
static Result
follow(const Dashboard *context, UnitOfWork *work, Uuid transfer_id, Movement now)
{
	Overview   *payer;
	Overview   *payee;
	Aggregate  *found;
	Movement   *movement;

	TRY(open_sides(context, work, &now, &payer, &payee));
	TRY(unit_of_work_find(work, context->movements, transfer_id, &found));
	movement = (Movement *) found;
	if (movement != NULL)
		return movement_goes_on(movement->state, now.state) ? movement_become(movement, &now, payer, payee) : OK;
	if (now.amount.msat == 0)
		return OK;				/* paid late, and not by these accounts */
	movement = arena_copy(work->arena, &now, sizeof(now));
	movement->aggregate = (Aggregate) {.type = &movement_type, .id = transfer_id};
	unit_of_work_add(work, context->movements, &movement->aggregate);
	return movement_book(movement, payer, payee);
}

static Result
on_deposit_succeeded(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_deposit_succeeded *event = message->payload;

	return follow(self, work, event->transfer_id, (Movement) {
		.state = MOVEMENT_POSTED,
		.amount = event->amount_msat,
		.payer = {event->node_account_id, NULL, UUID_NIL},
		.payee = {event->account_id, "deposit", event->invoice_id},
		.created_at = event->created_at,
		.posted_at = event->created_at,
	});
}

/*
 * A payment between two accounts is a withdrawal to who pays and a deposit to
 * who is paid; every other purpose is the same to both.
 */
static const char *
payee_kind(const char *purpose)
{
	return strcmp(purpose, "withdrawal") == 0 ? "deposit" : purpose;
}

/* The two sides of a movement, by the fields that the events of a kind share. */
#define BETWEEN_ACCOUNTS(event) \
	.payer = {(event)->from_account_id, (event)->purpose, (event)->from_invoice_id}, \
	.payee = {(event)->to_account_id, payee_kind((event)->purpose), (event)->to_invoice_id}, \
	.campaign_id = (event)->campaign_id

#define TO_NODE(event) \
	.payer = {(event)->account_id, "withdrawal", (event)->invoice_id}, \
	.payee = {(event)->node_account_id, NULL, UUID_NIL}

static Result
on_transfer_succeeded(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_transfer_succeeded *event = message->payload;

	return follow(self, work, event->transfer_id, (Movement) {
		.state = MOVEMENT_POSTED,
		.amount = event->amount_msat,
		BETWEEN_ACCOUNTS(event),
		.created_at = event->created_at,
		.posted_at = event->posted_at,
	});
}

static Result
on_transfer_reserved(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_transfer_reserved *event = message->payload;

	return follow(self, work, event->transfer_id, (Movement) {
		.state = MOVEMENT_PENDING,
		.amount = event->amount_msat,
		BETWEEN_ACCOUNTS(event),
		.created_at = event->created_at,
	});
}

static Result
on_transfer_voided(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_transfer_voided *event = message->payload;

	return follow(self, work, event->transfer_id, (Movement) {
		.state = MOVEMENT_VOIDED,
		.amount = event->amount_msat,
		BETWEEN_ACCOUNTS(event),
		.created_at = event->created_at,
	});
}

/* While it is pending, a withdrawal reserves its highest fee too. */
static Result
on_withdraw_accepted(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_withdraw_accepted *event = message->payload;
	Amount		reserved;

	if (!amount_add(event->amount_msat, event->max_fee_msat, &reserved))
		return FAIL_BECAUSE(INTERNAL, "A reserve cannot be counted.");
	return follow(self, work, event->transfer_id, (Movement) {
		.state = MOVEMENT_PENDING,
		.amount = reserved,
		TO_NODE(event),
		.created_at = event->created_at,
	});
}

/* The amount has moved, and beside it, as a line of its own, the fee. */
static Result
on_withdraw_succeeded(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_withdraw_succeeded *event = message->payload;
	Movement	paid = {
		.state = MOVEMENT_POSTED,
		.amount = event->amount_msat,
		TO_NODE(event),
		.created_at = event->created_at,
		.posted_at = event->posted_at,
	};
	Movement	fee = paid;

	TRY(follow(self, work, event->transfer_id, paid));
	if (uuid_is_nil(event->fee_transfer_id))
		return OK;
	fee.amount = event->fee_msat;
	fee.payer.kind = "fee";
	fee.created_at = event->posted_at;
	return follow(self, work, event->fee_transfer_id, fee);
}

static Result
on_withdraw_voided(const void *self, UnitOfWork *work, const Message *message)
{
	const accounting_withdraw_voided *event = message->payload;

	return follow(self, work, event->transfer_id, (Movement) {
		.state = MOVEMENT_VOIDED,
		.amount = event->released_msat,
		TO_NODE(event),
		.created_at = event->created_at,
	});
}

/* ------------------------------------------------------ what a batch locks */

static void
signed_up_touches(const void *self, const Message *message, Touched *touched)
{
	const Dashboard *context = self;
	const auth_signed_up *event = message->payload;

	touch(touched, context->overviews, event->account_id);
}

static void
campaign_created_touches(const void *self, const Message *message, Touched *touched)
{
	const Dashboard *context = self;
	const crowdfunding_campaign_created *event = message->payload;

	touch(touched, context->overviews, event->account_id);
	touch(touched, context->campaigns, event->campaign_id);
}

static void
donation_confirmed_touches(const void *self, const Message *message, Touched *touched)
{
	const Dashboard *context = self;
	const crowdfunding_donation_confirmed *event = message->payload;

	touch(touched, context->overviews, event->account_id);
	touch(touched, context->overviews, event->owner_id);
	touch(touched, context->campaigns, event->campaign_id);
	touch(touched, context->donations, event->donation_id);
}

/* What a message about one movement touches: its row, and the overviews of its accounts. */
#define TOUCHES_ONE_ACCOUNT(function, message_type) \
	static void \
	function(const void *self, const Message *message, Touched *touched) \
	{ \
		const Dashboard *context = self; \
		const message_type *event = message->payload; \
	\
		touch(touched, context->overviews, event->account_id); \
		touch(touched, context->movements, event->transfer_id); \
	}

#define TOUCHES_TWO_ACCOUNTS(function, message_type) \
	static void \
	function(const void *self, const Message *message, Touched *touched) \
	{ \
		const Dashboard *context = self; \
		const message_type *event = message->payload; \
	\
		touch(touched, context->overviews, event->from_account_id); \
		touch(touched, context->overviews, event->to_account_id); \
		touch(touched, context->movements, event->transfer_id); \
	}

TOUCHES_ONE_ACCOUNT(deposit_succeeded_touches, accounting_deposit_succeeded)
TOUCHES_TWO_ACCOUNTS(transfer_succeeded_touches, accounting_transfer_succeeded)
TOUCHES_TWO_ACCOUNTS(transfer_reserved_touches, accounting_transfer_reserved)
TOUCHES_TWO_ACCOUNTS(transfer_voided_touches, accounting_transfer_voided)
TOUCHES_ONE_ACCOUNT(withdraw_accepted_touches, accounting_withdraw_accepted)
TOUCHES_ONE_ACCOUNT(withdraw_succeeded_touches, accounting_withdraw_succeeded)
TOUCHES_ONE_ACCOUNT(withdraw_voided_touches, accounting_withdraw_voided)

const Subscription dashboard_subscriptions[] = {
	{&auth_signed_up_type, on_signed_up, signed_up_touches},
	{&crowdfunding_campaign_created_type, on_campaign_created, campaign_created_touches},
	{&crowdfunding_donation_confirmed_type, on_donation_confirmed, donation_confirmed_touches},
	{&accounting_deposit_succeeded_type, on_deposit_succeeded, deposit_succeeded_touches},
	{&accounting_transfer_succeeded_type, on_transfer_succeeded, transfer_succeeded_touches},
	{&accounting_transfer_reserved_type, on_transfer_reserved, transfer_reserved_touches},
	{&accounting_transfer_voided_type, on_transfer_voided, transfer_voided_touches},
	{&accounting_withdraw_accepted_type, on_withdraw_accepted, withdraw_accepted_touches},
	{&accounting_withdraw_succeeded_type, on_withdraw_succeeded, withdraw_succeeded_touches},
	{&accounting_withdraw_voided_type, on_withdraw_voided, withdraw_voided_touches},
};
