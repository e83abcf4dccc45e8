/*
 * crowdfunding_stage.h
 *		Crowdfunding with ports in memory, and a ledger of a page beside it.
 *
 * Four people with 1,000 sat each.  What stage_donate() asks of the ledger
 * happens, and is answered, in stage_drain().
 */
#ifndef SPARK_TEST_CROWDFUNDING_STAGE_H
#define SPARK_TEST_CROWDFUNDING_STAGE_H

#include "in_memory.h"

#include "crowdfunding/handlers.h"

#define SAT(sat_) AMOUNT_MSAT((sat_) * MSAT_PER_SAT)
#define PEOPLE 4

/* Donations by id, and by (donor, key). */
typedef struct StageDonations
{
	DonationRepository port;
	InMemoryRepository rows;
} StageDonations;

/* Balances; it moves money, or says why not. */
typedef struct StageLedger
{
	int64_t		msat[PEOPLE];
	size_t		moved;			/* transfers that succeeded */
} StageLedger;

typedef struct CrowdfundingStage
{
	World		world;
	InMemoryRepository creators;
	InMemoryRepository campaigns;
	StageDonations donations;
	Crowdfunding crowdfunding;
	Consumer	consumer;
	StageLedger ledger;
	Consumer	ledger_consumer;
	size_t		position;		/* of the bus */
} CrowdfundingStage;

/* Of cmocka: *state is a CrowdfundingStage. */
extern int	stage_set_up(void **state);
extern int	stage_tear_down(void **state);

/* The account of the person of that number, from 0. */
extern Uuid person(size_t number);

/* Commands, each in a unit of work of its own that is completed. */
extern Result stage_create(CrowdfundingStage *stage, const CreateCampaign *command, Campaign **campaign);
extern Uuid stage_campaign(CrowdfundingStage *stage, size_t owner, int64_t goal_sat);
extern Result stage_donate(CrowdfundingStage *stage, size_t donor, Uuid campaign_id, Amount amount,
						   const char *key, Donation **donation);

/* Hands crowdfunding one message. */
extern Result stage_tell(CrowdfundingStage *stage, Message message);

/* Lets crowdfunding and the ledger answer each other until nothing is left. */
extern void stage_drain(CrowdfundingStage *stage);

extern const Campaign *stored_campaign(CrowdfundingStage *stage, Uuid id);
extern const Donation *stored_donation(CrowdfundingStage *stage, Uuid id);
extern int64_t sum_of_balances(const CrowdfundingStage *stage);

#endif
