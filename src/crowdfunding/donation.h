/*
 * donation.h
 *		A donation: somebody's wish to give to a campaign, and what became of it.
 *
 * It is an aggregate of its own and the key of its messages, so nothing orders
 * two donations and none ever waits behind another.
 *
 * Invariants: the amount is positive and never changes; donor and owner are two
 * accounts; a donor uses a key once; pending ends once, as confirmed (the money
 * has moved) or as rejected (it has not, and the reason says why).
 */
#ifndef SPARK_CROWDFUNDING_DONATION_H
#define SPARK_CROWDFUNDING_DONATION_H

#include "common/aggregate.h"
#include "common/amount.h"
#include "common/clock.h"
#include "common/result.h"

#define DONATION_MAX_KEY_LENGTH 255 /* bytes */

typedef enum DonationStatus
{
	DONATION_PENDING,
	DONATION_CONFIRMED,
	DONATION_REJECTED
} DonationStatus;

typedef struct Donation
{
	Aggregate	aggregate;
	Uuid		campaign_id;
	Uuid		donor_id;
	Uuid		owner_id;		/* of the campaign: who is paid */
	const char *idempotency_key;	/* of the donor's making */
	Amount		amount;
	DonationStatus status;
	const char *reason;			/* of a rejected one: a name of the error table */
	Instant		created_at;
	Instant		decided_at;		/* none while pending */
} Donation;

extern const AggregateType donation_type;

/* The command. */
typedef struct Donate
{
	Uuid		donor_id;
	Uuid		campaign_id;
	Amount		amount;
	const char *idempotency_key;
} Donate;

/* What the ledger says about a transfer: is it the one that a donation asked for? */
typedef struct DonationTransfer
{
	Uuid		from_account_id;
	Uuid		to_account_id;
	Amount		amount;
	const char *idempotency_key;
} DonationTransfer;

/* Fills in a new, pending donation to that owner. */
extern Result donation_create(const Donate *command, Uuid owner_id, Uuid donation_id, Instant now,
							  Donation *donation) MUST_CHECK;

/* OK where the command asks for this very donation again, else IDEMPOTENCY_MISMATCH. */
extern Result donation_repeats(const Donation *donation, const Donate *command) MUST_CHECK;

/*
 * True where donor, payee, amount and key of the transfer are all the
 * donation's own.  Whoever can order a transfer could raise a total otherwise.
 */
extern bool donation_asked_for(const Donation *donation, const DonationTransfer *transfer);

/* The money has moved.  INTERNAL unless pending. */
extern Result donation_confirm(Donation *donation, Instant now) MUST_CHECK;

/* The ledger has refused, for that reason.  INTERNAL unless pending. */
extern Result donation_reject(Donation *donation, const char *reason, Instant now) MUST_CHECK;

/* Its donor and the campaign's owner may see it. */
extern bool donation_is_open_to(const Donation *donation, Uuid account_id);

/* The key is the donor's own affair: NULL for everybody else. */
extern const char *donation_key_for(const Donation *donation, Uuid account_id);

/* "pending", "confirmed", "rejected": as stored and shown. */
extern const char *donation_status_name(DonationStatus status);
extern bool donation_status_by_name(const char *name, DonationStatus *status);

#endif
