/*
 * outflow.c
 *		What leaves by the node, of one account or of all together.
 */
#include "accounting/outflow.h"

#include <string.h>

#define HOUR (3600 * MICROSECONDS_PER_SECOND)

const AggregateType outflow_type = {"outflow", sizeof(Outflow), RANK_OUTFLOW};

const Uuid	all_accounts_id = {{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0x01, 0, 0, 0, 0, 0, 0x03}};

static Instant
hour_of(Instant time)
{
	return (Instant) {time.microseconds - time.microseconds % HOUR};
}

/* How many hours the newest one is ahead of that time; below 0: behind it. */
static int64_t
hours_ahead(const Outflow *outflow, Instant time)
{
	return (outflow->hour.microseconds - hour_of(time).microseconds) / HOUR;
}

void
outflow_open(Outflow *outflow, Uuid id, Instant now)
{
	memset(outflow, 0, sizeof(*outflow));
	outflow->aggregate.type = &outflow_type;
	outflow->aggregate.id = id;
	outflow->hour = hour_of(now);
}

/* What the node keeps of a receipt is no payment of anybody. */
bool
outflow_concerns(const Transfer *row, const LedgerAccount *credit)
{
	return credit->class == LEDGER_NODE && row->purpose != PURPOSE_RECEIVE_FEE;
}

/* ------------------------------------------------------------------- sums */

static Result
add(Amount *sum, Amount amount)
{
	return amount_add(*sum, amount, sum) ? OK : FAIL_BECAUSE(INTERNAL, "An outflow cannot hold that amount.");
}

/* Adds what has left in the newest so many hours. */
static Result
sum_of_hours(const Outflow *outflow, int64_t count, Amount *sum)
{
	for (int64_t i = 0; i < count && i < OUTFLOW_HOURS; i++)
		TRY(add(sum, outflow->gone[i]));
	return OK;
}

static void
go_on_to(Outflow *outflow, Instant time)
{
	int64_t		hours = -hours_ahead(outflow, time);

	for (int64_t i = OUTFLOW_HOURS - 1; i >= 0; i--)
		outflow->gone[i] = i >= hours ? outflow->gone[i - hours] : AMOUNT_ZERO;
	outflow->hour = hour_of(time);
}

/* The clock was wrong by more than a day: what counted in a time to come counts from now on. */
static Result
go_back_to(Outflow *outflow, Instant time)
{
	Amount		sum = AMOUNT_ZERO;

	TRY(sum_of_hours(outflow, OUTFLOW_HOURS, &sum));
	memset(outflow->gone, 0, sizeof(outflow->gone));
	outflow->gone[0] = sum;
	outflow->hour = hour_of(time);
	return OK;
}

static Result
leave(Outflow *outflow, Amount amount, Instant time)
{
	if (hours_ahead(outflow, time) < 0)
		go_on_to(outflow, time);
	else if (hours_ahead(outflow, time) >= OUTFLOW_HOURS)
		TRY(go_back_to(outflow, time));
	return add(&outflow->gone[hours_ahead(outflow, time)], amount);
}

static Result
release(Outflow *outflow, Amount amount)
{
	Amount		rest;

	if (!amount_subtract(outflow->reserved, amount, &rest) || rest.msat < 0)
		return FAIL_BECAUSE(INTERNAL, "A reserve ended that no outflow holds.");
	outflow->reserved = rest;
	return OK;
}

/* ------------------------------------------------------------------- rules */

Result
outflow_follow(Outflow *outflow, const Transfer *row, const Transfer *pending)
{
	switch (row->form)
	{
		case TRANSFER_PENDING:
			return add(&outflow->reserved, row->amount);
		case TRANSFER_POST:
			TRY(release(outflow, pending->amount));
			return leave(outflow, row->amount, row->created_at);
		case TRANSFER_VOID:
			return release(outflow, pending->amount);
		case TRANSFER_DIRECT:
			return leave(outflow, row->amount, row->created_at);
	}
	return FAIL_BECAUSE(INTERNAL, "A transfer has no form.");
}

Result
outflow_of_day(const Outflow *outflow, Instant now, Amount *sum)
{
	*sum = outflow->reserved;
	return sum_of_hours(outflow, OUTFLOW_HOURS + hours_ahead(outflow, now), sum);
}
