/*
 * read_model.h
 *		What the dashboard keeps: the facts of other contexts, added up a reader.
 *
 * Nothing is decided here and nothing refused: a fact that was told is true.
 * What is kept beside the sums, one row a transfer and one a donation, tells a
 * fact that is new from one that is told again.
 *
 * Invariants, once all facts were told: posted and reserved of an account are
 * those of the ledger; raised of an account is the sum of its campaigns.  On the
 * way there facts of different keys come in any order, so that posted may be
 * below 0 for a moment.
 */
#ifndef SPARK_DASHBOARD_READ_MODEL_H
#define SPARK_DASHBOARD_READ_MODEL_H

#include "common/aggregate.h"
#include "common/amount.h"
#include "common/clock.h"
#include "common/result.h"

/* The sums of one account; its id is the account's. */
typedef struct Overview
{
	Aggregate	aggregate;
	const char *username;		/* NULL until the sign-up was handled */
	Amount		posted;			/* credits - debits that have moved */
	Amount		reserved;		/* debits that are pending */
	Amount		raised;			/* confirmed donations to its campaigns */
	Amount		donated;		/* confirmed donations by it */
	int64_t		campaign_count;
} Overview;

/* A campaign in its owner's list. */
typedef struct OwnCampaign
{
	Aggregate	aggregate;
	Uuid		owner_id;
	const char *title;			/* NULL: a donation came before the campaign itself; not shown */
	const char *status;
	Amount		goal;
	Amount		raised;
	int64_t		donation_count;
	Instant		created_at;
} OwnCampaign;

typedef enum MovementState
{
	MOVEMENT_PENDING,
	MOVEMENT_POSTED,
	MOVEMENT_VOIDED
} MovementState;

/* What a transfer is to one of its two accounts. */
typedef struct MovementSide
{
	Uuid		account_id;
	const char *kind;			/* what its statement calls it; NULL: the node's account, which nobody reads */
	Uuid		invoice_id;		/* its own invoice, or nil */
} MovementSide;

/* A transfer: a line in the statements of both its accounts. */
typedef struct Movement
{
	Aggregate	aggregate;		/* its id is the transfer's */
	MovementState state;
	Amount		amount;			/* pending, voided: reserved; posted: what moved */
	MovementSide payer;
	MovementSide payee;
	Uuid		campaign_id;	/* or nil */
	Instant		created_at;
	Instant		posted_at;		/* none unless posted */
} Movement;

/* A confirmed donation that was counted. */
typedef struct CountedDonation
{
	Aggregate	aggregate;		/* its id is the donation's */
	Uuid		campaign_id;
	Amount		amount;
} CountedDonation;

extern const AggregateType overview_type;
extern const AggregateType own_campaign_type;
extern const AggregateType movement_type;
extern const AggregateType counted_donation_type;

/*
 * True where a known transfer in that state may still become the next one.
 * Posted is the end.  A voided withdrawal may be posted after all: the node paid
 * it late.
 */
extern bool movement_goes_on(MovementState state, MovementState next);

/* A transfer as it is now told, in the sums of its accounts; NULL: nobody's. */
extern Result movement_book(const Movement *movement, Overview *payer, Overview *payee) MUST_CHECK;

/* A known transfer becomes what is told now: what it meant ends, what it means begins. */
extern Result movement_become(Movement *known, const Movement *now, Overview *payer, Overview *payee) MUST_CHECK;

/* One more confirmed donation, in the sums of all three. */
extern Result donation_count(Amount amount, Overview *donor, Overview *owner, OwnCampaign *campaign) MUST_CHECK;

/* "pending", "posted", "voided": as stored and shown. */
extern const char *movement_state_name(MovementState state);
extern bool movement_state_by_name(const char *name, MovementState *state);

#endif
