/*
 * campaign.h
 *		A campaign: somebody asks for money, for a reason, up to a goal and on.
 *
 * Invariants: the goal is positive; the title says something in at most 200
 * characters; raised is the sum of its confirmed donations, donation_count
 * their number; goal_reached never becomes false again.
 *
 * Donors read it and never lock it: only the handler that counts confirmed
 * donations does, once a batch of them.
 */
#ifndef SPARK_CROWDFUNDING_CAMPAIGN_H
#define SPARK_CROWDFUNDING_CAMPAIGN_H

#include "crowdfunding/donation.h"

#define CAMPAIGN_MAX_TITLE_LENGTH 200	/* characters */
#define CAMPAIGN_MAX_DESCRIPTION_LENGTH 10000	/* characters */

typedef enum CampaignStatus
{
	CAMPAIGN_OPEN,
	CAMPAIGN_ENDED				/* takes no more; what is under way still counts */
} CampaignStatus;

typedef struct Campaign
{
	Aggregate	aggregate;
	Uuid		owner_id;
	const char *title;
	const char *description;	/* may be empty */
	Amount		goal;
	CampaignStatus status;
	Amount		raised;
	int64_t		donation_count;
	bool		goal_reached;
	Instant		created_at;
} Campaign;

extern const AggregateType campaign_type;

/* The command. */
typedef struct CreateCampaign
{
	Uuid		owner_id;
	Uuid		campaign_id;	/* of the caller's making, or nil */
	const char *title;
	const char *description;
	Amount		goal;
} CreateCampaign;

/* Fills in a new, open campaign of that id. */
extern Result campaign_create(const CreateCampaign *command, Uuid campaign_id, Instant now,
							  Campaign *campaign) MUST_CHECK;

/* OK where the command asks for this very campaign again, else IDEMPOTENCY_MISMATCH. */
extern Result campaign_repeats(const Campaign *campaign, const CreateCampaign *command) MUST_CHECK;

/* Fills in a new, pending donation, if this campaign takes it. */
extern Result campaign_accept_donation(const Campaign *campaign, const Donate *command,
									   Uuid donation_id, Instant now, Donation *donation) MUST_CHECK;

/*
 * A donation was confirmed: it counts, whatever the campaign's status is now,
 * for the money has moved.  *first_at_goal: this one has reached the goal.
 */
extern Result campaign_count_donation(Campaign *campaign, Amount amount, bool *first_at_goal) MUST_CHECK;

/* "open", "ended": as stored and shown. */
extern const char *campaign_status_name(CampaignStatus status);
extern bool campaign_status_by_name(const char *name, CampaignStatus *status);

#endif
