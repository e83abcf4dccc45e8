/*
 * handlers.h
 *		What crowdfunding does when it is asked or told something.
 *
 * A donation in three steps: crowdfunding_donate() accepts it and asks the
 * ledger; the ledger moves the money or refuses; the answer confirms the
 * donation and moves the campaign's total, or rejects the donation.
 */
#ifndef SPARK_CROWDFUNDING_HANDLERS_H
#define SPARK_CROWDFUNDING_HANDLERS_H

#include "crowdfunding/ports.h"

#include "common/bus.h"

/*
 * Opens a campaign.  With a campaign_id in the command it may be repeated: then
 * *campaign is the stored one, whose version is not 0.
 */
extern Result crowdfunding_create_campaign(const Crowdfunding *context, UnitOfWork *work,
										   const CreateCampaign *command, Campaign **campaign) MUST_CHECK;

/*
 * Accepts a donation, pending until the ledger has answered.  Repeated with the
 * same key, *donation is the stored one, whose version is not 0.
 */
extern Result crowdfunding_donate(const Crowdfunding *context, UnitOfWork *work,
								  const Donate *command, Donation **donation) MUST_CHECK;

/* What it listens to; the context of a consumer is a Crowdfunding. */
extern const Subscription crowdfunding_subscriptions[3];

#define CROWDFUNDING_CONSUMER(crowdfunding_) CONSUMER("crowdfunding", (crowdfunding_), crowdfunding_subscriptions)

#endif
