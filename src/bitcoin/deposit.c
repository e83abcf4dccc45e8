/*
 * deposit.c
 *		The rules of one deposit.
 */
#include "bitcoin/deposit.h"

#include "bitcoin/schedule.h"

#include "common/names.h"

#include <string.h>

#define MAX_KEY_LENGTH 255		/* bytes */
#define CLOCK_SKEW_SECONDS 120	/* between the node and the database */
#define LATE_WATCH_SECONDS SECONDS_PER_DAY
#define MOST_BACKOFF_SECONDS 15

const AggregateType deposit_type = {"deposit", sizeof(Deposit), RANK_DEPOSIT};

static const char *const state_names[DEPOSIT_STATE_COUNT] = {
	[DEPOSIT_INTENT] = "intent",
	[DEPOSIT_OPEN] = "open",
	[DEPOSIT_SETTLED] = "settled",
	[DEPOSIT_EXPIRED] = "expired",
	[DEPOSIT_CANCELLED] = "cancelled",
};

static const char *const statuses[DEPOSIT_STATE_COUNT] = {
	[DEPOSIT_INTENT] = "pending",
	[DEPOSIT_OPEN] = "pending",
	[DEPOSIT_SETTLED] = "paid",
	[DEPOSIT_EXPIRED] = "expired",
	[DEPOSIT_CANCELLED] = "failed",
};

/* --------------------------------------------------------------- commands */

Result
deposit_create(const AskDeposit *command, Uuid invoice_id, int64_t expiry_seconds, Instant now,
			   Deposit *deposit)
{
	const char *key = command->idempotency_key;

	if (!amount_is_payable(command->amount))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "A deposit must be more than nothing and no more than all bitcoin.");
	if (key != NULL && strlen(key) > MAX_KEY_LENGTH)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The idempotency key must not be longer than 255 bytes.");
	memset(deposit, 0, sizeof(*deposit));
	deposit->aggregate.type = &deposit_type;
	deposit->aggregate.id = invoice_id;
	deposit->account_id = command->account_id;
	deposit->idempotency_key = key;
	deposit->amount = command->amount;
	deposit->expiry_seconds = expiry_seconds;
	deposit->created_at = now;
	deposit->state = DEPOSIT_INTENT;
	deposit->next_look_at = now;
	return OK;
}

Result
deposit_repeats(const Deposit *deposit, const AskDeposit *command)
{
	if (uuid_equal(deposit->account_id, command->account_id) &&
		amount_equal(deposit->amount, command->amount))
		return OK;
	return FAIL(IDEMPOTENCY_MISMATCH);
}

/* ------------------------------------------------------------------ looks */

DepositStep
deposit_step(const Deposit *deposit, Instant now, int64_t create_deadline_seconds)
{
	if (instant_is_none(deposit->next_look_at))
		return DEPOSIT_LEAVE;
	switch (deposit->state)
	{
		case DEPOSIT_INTENT:
			if (!instant_before(now, instant_plus_seconds(deposit->created_at, create_deadline_seconds)))
				return DEPOSIT_GIVE_UP;
			return DEPOSIT_MAKE_INVOICE;
		case DEPOSIT_OPEN:
			return DEPOSIT_LOOK;
		case DEPOSIT_SETTLED:
			return DEPOSIT_LEAVE;
		case DEPOSIT_EXPIRED:
		case DEPOSIT_CANCELLED:
			return deposit->payment_hash != NULL ? DEPOSIT_LOOK : DEPOSIT_LEAVE;
	}
	return DEPOSIT_LEAVE;
}

void
deposit_ask(Deposit *deposit, Instant now, int64_t lease_seconds)
{
	deposit->asked_at = now;
	deposit->look_count++;
	deposit->next_look_at = instant_plus_seconds(now, lease_seconds);
}

static bool
can_be_looked_at(const Deposit *deposit)
{
	return deposit->payment_hash != NULL && deposit->state != DEPOSIT_SETTLED;
}

/* The look that somebody wants, a second after the last one at the soonest. */
static Instant
wanted_look(const Deposit *deposit, Instant now)
{
	return later(now, instant_plus_seconds(deposit->asked_at, 1));
}

bool
deposit_look_is_of_use(const Deposit *deposit, Instant now)
{
	if (!can_be_looked_at(deposit))
		return false;
	return instant_is_none(deposit->next_look_at) ||
		instant_before(wanted_look(deposit, now), deposit->next_look_at);
}

void
deposit_want_look(Deposit *deposit, Instant now)
{
	/* The invoice has still to be made: the first try, or the next one, is due by itself. */
	if (!deposit_look_is_of_use(deposit, now))
		return;
	deposit->wanted_at = now;
	deposit->next_look_at = wanted_look(deposit, now);
}

/* After an answer: when to look again. */
static void
look_again(Deposit *deposit, Instant now)
{
	if (!can_be_looked_at(deposit))
	{
		deposit->next_look_at = INSTANT_NONE;
		return;
	}
	if (deposit->state == DEPOSIT_OPEN)
		deposit->next_look_at = next_look_at_open_invoice(now, deposit->created_at, deposit->expires_at);
	else
		deposit->next_look_at = next_look_at_dead_invoice(now, deposit->expires_at);
	/* It was wanted after the node had been asked: what it answered may be older. */
	if (!instant_before(deposit->wanted_at, deposit->asked_at) && !instant_is_none(deposit->wanted_at) &&
		(instant_is_none(deposit->next_look_at) ||
		 instant_before(wanted_look(deposit, now), deposit->next_look_at)))
		deposit->next_look_at = wanted_look(deposit, now);
}

/* ----------------------------------------------------- making the invoice */

static void
cancel(Deposit *deposit, const char *reason, const char *alarm)
{
	deposit->state = DEPOSIT_CANCELLED;
	deposit->reason = reason;
	deposit->alarm = alarm;
	deposit->next_look_at = INSTANT_NONE;
}

/* NULL where the invoice is what was asked for; else what is wrong with it. */
static const char *
flaw(const Deposit *deposit, const DecodedInvoice *invoice, const KnownNode *node, Instant now)
{
	Instant		soonest = instant_plus_seconds(deposit->created_at, deposit->expiry_seconds - CLOCK_SKEW_SECONDS);
	Instant		latest = instant_plus_seconds(now, deposit->expiry_seconds + CLOCK_SKEW_SECONDS);

	if (strcmp(invoice->network, node->network) != 0)
		return "the node made an invoice of another network";
	if (strcmp(invoice->payee, node->node_id) != 0)
		return "the node made an invoice that pays another node";
	if (!invoice->has_amount || !amount_equal(invoice->amount, deposit->amount))
		return "the node made an invoice of another amount";
	if (instant_before(invoice->expires_at, soonest) || instant_before(latest, invoice->expires_at))
		return "the node made an invoice that expires at another time";
	if (invoice->description == NULL || strcmp(invoice->description, DEPOSIT_DESCRIPTION) != 0)
		return "the node made an invoice of another description";
	return NULL;
}

void
deposit_invoice_made(Deposit *deposit, const DecodedInvoice *invoice, const KnownNode *node, Instant now)
{
	const char *wrong;

	if (deposit->state != DEPOSIT_INTENT)
		return;
	wrong = flaw(deposit, invoice, node, now);
	if (wrong != NULL)
	{
		cancel(deposit, result_text(RESULT_INTERNAL)->name, wrong);
		return;
	}
	deposit->state = DEPOSIT_OPEN;
	deposit->payment_hash = invoice->payment_hash;
	deposit->payment_request = invoice->payment_request;
	deposit->expires_at = invoice->expires_at;
	deposit->node_account_id = node->node_account_id;
	deposit->node_words = NULL;
	deposit->look_count = 0;
	look_again(deposit, now);
}

void
deposit_invoice_is_bad(Deposit *deposit, const char *alarm)
{
	if (deposit->state == DEPOSIT_INTENT)
		cancel(deposit, result_text(RESULT_INTERNAL)->name, alarm);
}

void
deposit_not_made(Deposit *deposit, const char *words, Instant now)
{
	if (deposit->state != DEPOSIT_INTENT)
		return;
	if (words != NULL)
		deposit->node_words = words;
	deposit->next_look_at = after_backoff(now, deposit->look_count - 1, MOST_BACKOFF_SECONDS, deposit->aggregate.id);
}

void
deposit_refused(Deposit *deposit, const char *words)
{
	if (deposit->state != DEPOSIT_INTENT)
		return;
	deposit->node_words = words;
	cancel(deposit, result_text(RESULT_PAYMENT_REFUSED)->name, NULL);
}

void
deposit_give_up(Deposit *deposit)
{
	if (deposit->state == DEPOSIT_INTENT)
		cancel(deposit, result_text(RESULT_NODE_OFFLINE)->name, NULL);
}

/* ------------------------------------------------------- what became of it */

/* For a day after the end nothing came that could be credited: it is watched on, and is open no more. */
static void
expire_when_overdue(Deposit *deposit, Instant now)
{
	if (deposit->state == DEPOSIT_OPEN && !deposit->held &&
		!instant_before(now, instant_plus_seconds(deposit->expires_at, LATE_WATCH_SECONDS)))
		deposit->state = DEPOSIT_EXPIRED;
}

void
deposit_settle(Deposit *deposit, Amount received, const char *preimage, Instant now)
{
	if (!can_be_looked_at(deposit))
		return;
	if (!amount_is_payable(received) || amount_compare(received, deposit->amount) < 0)
	{
		deposit->alarm = "the node settled an invoice for less than its amount; nothing was credited";
		deposit->held = false;
		expire_when_overdue(deposit, now);
		look_again(deposit, now);
		return;
	}
	/* Up to twice the amount is legal; what came is credited, whatever it is. */
	if (received.msat / 2 > deposit->amount.msat)
		deposit->alarm = "an invoice was paid with more than twice its amount";
	deposit->late = deposit->state != DEPOSIT_OPEN;
	deposit->state = DEPOSIT_SETTLED;
	deposit->reason = NULL;
	deposit->received = received;
	deposit->preimage = preimage;
	deposit->settled_at = now;
	deposit->held = false;
	deposit->next_look_at = INSTANT_NONE;
}

void
deposit_bear_fee(Deposit *deposit, Amount fee)
{
	if (deposit->state != DEPOSIT_SETTLED || fee.msat == 0)
		return;
	if (fee.msat < 0 || amount_compare(fee, deposit->received) > 0)
		deposit->alarm = "the node says that it kept a fee of a receipt that cannot be; none was booked";
	else
		deposit->receive_fee = fee;
}

void
deposit_settle_inside(Deposit *deposit, Uuid withdrawal_id, Instant now)
{
	if (!can_be_looked_at(deposit))
		return;
	deposit->state = DEPOSIT_SETTLED;
	deposit->reason = NULL;
	deposit->received = deposit->amount;
	deposit->paid_by = withdrawal_id;
	deposit->settled_at = now;
	deposit->held = false;
	deposit->next_look_at = INSTANT_NONE;
}

void
deposit_settled_unproven(Deposit *deposit, Instant now)
{
	if (!can_be_looked_at(deposit))
		return;
	deposit->alarm = "the node calls an invoice settled without a preimage that fits; nothing was credited";
	deposit->held = false;
	expire_when_overdue(deposit, now);
	look_again(deposit, now);
}

void
deposit_not_paid(Deposit *deposit, bool held, Instant now)
{
	if (!can_be_looked_at(deposit))
		return;
	deposit->held = held;
	expire_when_overdue(deposit, now);
	look_again(deposit, now);
}

void
deposit_unknown_to_node(Deposit *deposit, Instant now)
{
	if (!can_be_looked_at(deposit))
		return;
	if (deposit->state == DEPOSIT_OPEN && instant_before(now, deposit->expires_at))
		deposit->alarm = "the node does not know an invoice that it made";
	expire_when_overdue(deposit, now);
	look_again(deposit, now);
}

void
deposit_expired_at_node(Deposit *deposit, Instant now)
{
	if (!can_be_looked_at(deposit))
		return;
	deposit->held = false;
	if (deposit->state == DEPOSIT_OPEN)
		deposit->state = DEPOSIT_EXPIRED;
	look_again(deposit, now);
}

void
deposit_cancelled_at_node(Deposit *deposit, Instant now)
{
	/* What has run out of time is cancelled by some nodes: that is no failure. */
	if (!instant_before(now, deposit->expires_at))
	{
		deposit_expired_at_node(deposit, now);
		return;
	}
	if (!can_be_looked_at(deposit))
		return;
	deposit->held = false;
	if (deposit->state == DEPOSIT_OPEN)
	{
		deposit->state = DEPOSIT_CANCELLED;
		deposit->reason = result_text(RESULT_PAYMENT_REFUSED)->name;
	}
	look_again(deposit, now);
}

void
deposit_undecided(Deposit *deposit, Instant now)
{
	if (can_be_looked_at(deposit))
		look_again(deposit, now);
}

/* ------------------------------------------------------------------ names */

DEFINE_NAME_OF(deposit_state_name, DepositState, state_names)
DEFINE_VALUE_OF_NAME(deposit_state_by_name, DepositState, state_names)
DEFINE_NAME_OF(deposit_status, DepositState, statuses)
