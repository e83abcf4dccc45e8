/*
 * crowdfunding_stage.c
 *		Crowdfunding with ports in memory.
 */
#include "crowdfunding_stage.h"

#include "accounting/messages.h"

#include <string.h>

/* ------------------------------------------------------------------ fakes */

static Result
load_donations(const Repository *self, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found)
{
	const Repository *rows = &((const StageDonations *) self)->rows.repository;

	return rows->load(rows, work, ids, count, lock, found);
}

static Result
insert_donation(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	const Repository *rows = &((const StageDonations *) self)->rows.repository;

	return rows->insert(rows, work, aggregate);
}

static Result
update_donation(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	const Repository *rows = &((const StageDonations *) self)->rows.repository;

	return rows->update(rows, work, aggregate);
}

static Result
find_donation_by_key(const DonationRepository *self, UnitOfWork *work, Uuid donor_id, const char *key, Donation **found)
{
	const InMemoryRepository *rows = &((const StageDonations *) self)->rows;

	*found = NULL;
	for (const InMemoryRow *row = rows->rows; row != NULL && key != NULL; row = row->next)
	{
		const Donation *donation = (const Donation *) row->aggregate;

		if (uuid_equal(donation->donor_id, donor_id) && strcmp(donation->idempotency_key, key) == 0)
			*found = (Donation *) in_memory_copy(rows, row->aggregate);
	}
	return OK;
}

static bool
same_donor_and_key(const Aggregate *a, const Aggregate *b)
{
	const Donation *left = (const Donation *) a;
	const Donation *right = (const Donation *) b;

	return uuid_equal(left->donor_id, right->donor_id) &&
		strcmp(left->idempotency_key, right->idempotency_key) == 0;
}

Uuid
person(size_t number)
{
	return id_of(1000 + number);
}

static size_t
number_of(Uuid account_id)
{
	for (size_t number = 0; number < PEOPLE; number++)
		if (uuid_equal(person(number), account_id))
			return number;
	fail();
	return 0;
}

static Result
ledger_transfer(const void *context, UnitOfWork *work, const Message *message)
{
	StageLedger *ledger = (StageLedger *) context;
	const accounting_request_transfer *request = message->payload;
	int64_t    *from = &ledger->msat[number_of(request->from_account_id)];
	int64_t    *to = &ledger->msat[number_of(request->to_account_id)];

	if (*from < request->amount_msat.msat)
	{
		EMIT(work, accounting_transfer_rejected, message->aggregate_id,
			 .idempotency_key = request->idempotency_key,
			 .from_account_id = request->from_account_id,
			 .to_account_id = request->to_account_id,
			 .amount_msat = request->amount_msat,
			 .purpose = request->purpose,
			 .campaign_id = request->campaign_id,
			 .reason = "insufficient_funds");
		return OK;
	}
	*from -= request->amount_msat.msat;
	*to += request->amount_msat.msat;
	ledger->moved++;
	EMIT(work, accounting_transfer_succeeded, message->aggregate_id,
		 .idempotency_key = request->idempotency_key,
		 .from_account_id = request->from_account_id,
		 .to_account_id = request->to_account_id,
		 .amount_msat = request->amount_msat,
		 .purpose = request->purpose,
		 .campaign_id = request->campaign_id,
		 .transfer_id = new_id(work),
		 .created_at = clock_now(work),
		 .posted_at = clock_now(work));
	return OK;
}

static const Subscription ledger_subscriptions[] = {
	{&accounting_request_transfer_type, ledger_transfer, NULL},
};

int
stage_set_up(void **state)
{
	CrowdfundingStage *stage = test_calloc(1, sizeof(CrowdfundingStage));

	world_init(&stage->world);
	stage->creators = in_memory_repository(&stage->world, &creator_type);
	stage->campaigns = in_memory_repository(&stage->world, &campaign_type);
	stage->donations = (StageDonations) {
		.port = {{&donation_type, load_donations, insert_donation, update_donation}, find_donation_by_key},
		.rows = in_memory_repository(&stage->world, &donation_type),
	};
	stage->donations.rows.same_key = same_donor_and_key;
	stage->crowdfunding = (Crowdfunding) {
		&stage->creators.repository, &stage->campaigns.repository, &stage->donations.port
	};
	stage->consumer = (Consumer) CROWDFUNDING_CONSUMER(&stage->crowdfunding);
	stage->ledger_consumer = (Consumer) {"ledger", &stage->ledger, ledger_subscriptions, 1};
	for (size_t number = 0; number < PEOPLE; number++)
		stage->ledger.msat[number] = SAT(1000).msat;
	*state = stage;
	return 0;
}

int
stage_tear_down(void **state)
{
	CrowdfundingStage *stage = *state;

	world_destroy(&stage->world);
	test_free(stage);
	return 0;
}

/* ------------------------------------------------------------------ steps */

Result
stage_create(CrowdfundingStage *stage, const CreateCampaign *command, Campaign **campaign)
{
	UnitOfWork *work = world_work(&stage->world, NULL);

	TRY(crowdfunding_create_campaign(&stage->crowdfunding, work, command, campaign));
	return unit_of_work_complete(work);
}

Uuid
stage_campaign(CrowdfundingStage *stage, size_t owner, int64_t goal_sat)
{
	CreateCampaign command = {
		.owner_id = person(owner), .title = "A well", .description = "", .goal = SAT(goal_sat)
	};
	Campaign   *campaign;

	assert_ok(stage_create(stage, &command, &campaign));
	return campaign->aggregate.id;
}

Result
stage_donate(CrowdfundingStage *stage, size_t donor, Uuid campaign_id, Amount amount, const char *key, Donation **donation)
{
	UnitOfWork *work = world_work(&stage->world, NULL);
	Donate		command = {person(donor), campaign_id, amount, key};

	TRY(crowdfunding_donate(&stage->crowdfunding, work, &command, donation));
	return unit_of_work_complete(work);
}

void
stage_drain(CrowdfundingStage *stage)
{
	const Consumer *const consumers[] = {&stage->consumer, &stage->ledger_consumer};

	world_dispatch(&stage->world, consumers, 2, &stage->position);
}

Result
stage_tell(CrowdfundingStage *stage, Message message)
{
	UnitOfWork *work = world_work(&stage->world, &message);

	TRY(consumer_handle(&stage->consumer, work, &message));
	return unit_of_work_complete(work);
}

const Campaign *
stored_campaign(CrowdfundingStage *stage, Uuid id)
{
	return (const Campaign *) in_memory_stored(&stage->campaigns, id);
}

const Donation *
stored_donation(CrowdfundingStage *stage, Uuid id)
{
	return (const Donation *) in_memory_stored(&stage->donations.rows, id);
}

int64_t
sum_of_balances(const CrowdfundingStage *stage)
{
	int64_t		sum = 0;

	for (size_t number = 0; number < PEOPLE; number++)
		sum += stage->ledger.msat[number];
	return sum;
}
