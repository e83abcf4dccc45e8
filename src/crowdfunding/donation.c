/*
 * donation.c
 *		The rules of one donation.
 */
#include "crowdfunding/donation.h"

#include "common/names.h"

#include <string.h>

const AggregateType donation_type = {"donation", sizeof(Donation), RANK_DONATION};

static const char *const status_names[] = {
	[DONATION_PENDING] = "pending",
	[DONATION_CONFIRMED] = "confirmed",
	[DONATION_REJECTED] = "rejected",
};

Result
donation_create(const Donate *command, Uuid owner_id, Uuid donation_id, Instant now, Donation *donation)
{
	const char *key = command->idempotency_key;

	if (!amount_is_payable(command->amount))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "A donation must be more than nothing and no more than all bitcoin.");
	if (key == NULL || key[0] == '\0')
		return FAIL(IDEMPOTENCY_KEY_MISSING);
	if (strlen(key) > DONATION_MAX_KEY_LENGTH)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The idempotency key must not be longer than 255 bytes.");
	if (uuid_equal(owner_id, command->donor_id))
		return FAIL(OWN_CAMPAIGN);

	*donation = (Donation) {
		.aggregate = {.type = &donation_type, .id = donation_id},
		.campaign_id = command->campaign_id,
		.donor_id = command->donor_id,
		.owner_id = owner_id,
		.idempotency_key = key,
		.amount = command->amount,
		.status = DONATION_PENDING,
		.created_at = now,
	};
	return OK;
}

Result
donation_repeats(const Donation *donation, const Donate *command)
{
	if (uuid_equal(donation->donor_id, command->donor_id) &&
		uuid_equal(donation->campaign_id, command->campaign_id) &&
		amount_equal(donation->amount, command->amount) &&
		strcmp(donation->idempotency_key, command->idempotency_key) == 0)
		return OK;
	return FAIL(IDEMPOTENCY_MISMATCH);
}

bool
donation_asked_for(const Donation *donation, const DonationTransfer *transfer)
{
	return uuid_equal(donation->donor_id, transfer->from_account_id) &&
		uuid_equal(donation->owner_id, transfer->to_account_id) &&
		amount_equal(donation->amount, transfer->amount) &&
		strcmp(donation->idempotency_key, transfer->idempotency_key) == 0;
}

static Result
decide(Donation *donation, DonationStatus status, const char *reason, Instant now)
{
	if (donation->status != DONATION_PENDING)
		return FAIL_BECAUSE(INTERNAL, "A donation that was decided cannot be decided again.");
	donation->status = status;
	donation->reason = reason;
	donation->decided_at = now;
	return OK;
}

Result
donation_confirm(Donation *donation, Instant now)
{
	return decide(donation, DONATION_CONFIRMED, NULL, now);
}

Result
donation_reject(Donation *donation, const char *reason, Instant now)
{
	return decide(donation, DONATION_REJECTED, reason, now);
}

bool
donation_is_open_to(const Donation *donation, Uuid account_id)
{
	return uuid_equal(donation->donor_id, account_id) || uuid_equal(donation->owner_id, account_id);
}

const char *
donation_key_for(const Donation *donation, Uuid account_id)
{
	return uuid_equal(donation->donor_id, account_id) ? donation->idempotency_key : NULL;
}

DEFINE_NAME_OF(donation_status_name, DonationStatus, status_names)
DEFINE_VALUE_OF_NAME(donation_status_by_name, DonationStatus, status_names)
