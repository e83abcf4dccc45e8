/*
 * campaign.c
 *		The rules of a campaign.
 */
#include "crowdfunding/campaign.h"

#include "common/json.h"
#include "common/names.h"

#include <string.h>

const AggregateType campaign_type = {"campaign", sizeof(Campaign), RANK_CAMPAIGN};

static const char *const status_names[] = {
	[CAMPAIGN_OPEN] = "open",
	[CAMPAIGN_ENDED] = "ended",
};

/* The characters that Unicode calls white space, in UTF-8. */
static const char *const white_space[] = {
	" ", "\t", "\n", "\v", "\f", "\r", "\xc2\x85", "\u00a0", "\u1680",
	"\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009",
	"\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
};

/* The length of the white space character that text begins with, or 0. */
static size_t
leading_white_space(const char *text)
{
	for (size_t i = 0; i < COUNT_OF(white_space); i++)
	{
		size_t		length = strlen(white_space[i]);

		if (strncmp(text, white_space[i], length) == 0)
			return length;
	}
	return 0;
}

static bool
is_blank(const char *text)
{
	for (size_t step; *text != '\0'; text += step)
		if ((step = leading_white_space(text)) == 0)
			return false;
	return true;
}

Result
campaign_create(const CreateCampaign *command, Uuid campaign_id, Instant now, Campaign *campaign)
{
	if (command->title == NULL || is_blank(command->title))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The title must not be empty or white space only.");
	if (utf8_length(command->title) > CAMPAIGN_MAX_TITLE_LENGTH)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The title must not be longer than 200 characters.");
	if (command->description == NULL || utf8_length(command->description) > CAMPAIGN_MAX_DESCRIPTION_LENGTH)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The description must not be longer than 10000 characters.");
	if (!amount_is_payable(command->goal))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The goal must be more than nothing and no more than all bitcoin.");

	*campaign = (Campaign) {
		.aggregate = {.type = &campaign_type, .id = campaign_id},
		.owner_id = command->owner_id,
		.title = command->title,
		.description = command->description,
		.goal = command->goal,
		.status = CAMPAIGN_OPEN,
		.created_at = now,
	};
	return OK;
}

Result
campaign_repeats(const Campaign *campaign, const CreateCampaign *command)
{
	if (uuid_equal(campaign->owner_id, command->owner_id) &&
		strcmp(campaign->title, command->title) == 0 &&
		strcmp(campaign->description, command->description) == 0 &&
		amount_equal(campaign->goal, command->goal))
		return OK;
	return FAIL(IDEMPOTENCY_MISMATCH);
}

Result
campaign_accept_donation(const Campaign *campaign, const Donate *command, Uuid donation_id, Instant now,
						 Donation *donation)
{
	if (campaign->status != CAMPAIGN_OPEN)
		return FAIL(CAMPAIGN_CLOSED);
	return donation_create(command, campaign->owner_id, donation_id, now, donation);
}

Result
campaign_count_donation(Campaign *campaign, Amount amount, bool *first_at_goal)
{
	if (!amount_add(campaign->raised, amount, &campaign->raised))
		return FAIL_BECAUSE(INTERNAL, "The total of the campaign is beyond what can be counted.");
	campaign->donation_count++;
	*first_at_goal = !campaign->goal_reached && amount_compare(campaign->raised, campaign->goal) >= 0;
	campaign->goal_reached = campaign->goal_reached || *first_at_goal;
	return OK;
}

DEFINE_NAME_OF(campaign_status_name, CampaignStatus, status_names)
DEFINE_VALUE_OF_NAME(campaign_status_by_name, CampaignStatus, status_names)
