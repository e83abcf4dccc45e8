/*
 * ports.h
 *		What crowdfunding needs from outside.
 *
 * Wired to SPI by postgres.c, to memory by the unit tests.
 */
#ifndef SPARK_CROWDFUNDING_PORTS_H
#define SPARK_CROWDFUNDING_PORTS_H

#include "crowdfunding/campaign.h"
#include "crowdfunding/creator.h"
#include "crowdfunding/donation.h"

#include "common/unit_of_work.h"

typedef struct DonationRepository DonationRepository;

struct DonationRepository
{
	Repository	repository;

	/* The donation for which that donor used that key, not locked; *found is NULL where there is none. */
	Result		(*find_by_key) (const DonationRepository *self, UnitOfWork *work,
								Uuid donor_id, const char *idempotency_key, Donation **found);
};

typedef struct Crowdfunding
{
	const Repository *creators;
	const Repository *campaigns;
	const DonationRepository *donations;
} Crowdfunding;

#endif
