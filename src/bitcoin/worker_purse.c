/*
 * worker_purse.c
 *		The worker keeps the operator's own capital in the node: spark.own_capital.
 *
 * What the node has is asked for anew when a payment was not covered, and each
 * minute in which something was paid.  While it is being asked, nothing is
 * paid: else nobody could say which payments the answer knows of.  A lack that is
 * still there seconds later, with nothing new on its way, opens the breaker.
 */
#include "postgres/server.h"

#include "bitcoin/worker_purse.h"

#include "bitcoin/postgres.h"
#include "bitcoin/postgres_breaker.h"
#include "bitcoin/schedule.h"
#include "bitcoin/settings.h"
#include "bitcoin/worker_node.h"

#include "postgres/environment.h"
#include "postgres/transaction.h"

#define FRESH_SECONDS 60		/* that a balance is good for, once something was paid */
#define DOUBT_SECONDS 3			/* that a lack must last */
#define RETRY_SECONDS 1			/* after a question without answer */
#define REST_SECONDS 10			/* after an answer by which nobody can say whether anything is lacking */

static struct
{
	Purse		purse;
	Call		call;
	Amount		told;			/* what was left when it was filled */
	PaymentsBegun begun;		/* before the question */
	Amount		lacking;		/* what was not covered; zero: nothing */
	Instant		lacking_since;
	Instant		asked_at;
	Instant		rests_until;	/* what is not covered waits until then; none: it does not */
} state;

void
purse_begin(void)
{
	call_end(&state.call);
	memset(&state, 0, sizeof(state));
}

Purse *
purse_now(void)
{
	return state.purse.own.msat > 0 ? &state.purse : NULL;
}

static void
act_read_open(void *argument)
{
	*(PaymentsBegun *) argument = payments_begun();
}

static void
ask(Instant now)
{
	worker_transaction(act_read_open, &state.begun);
	call_prepare(&state.call);
	state.call.task.call.operation = NODE_BALANCE;
	state.asked_at = now;
	state.purse.is_known = false;
	call_start(&state.call);
}

static void
act_open_breaker(void *argument)
{
	(void) argument;
	breaker_open(psprintf("a payment of " INT64_FORMAT " msat with its highest fee would take of spark.own_capital:"
						  " the node has " INT64_FORMAT " msat to send", state.lacking.msat, state.purse.left.msat),
				 server_time());
}

/* A payment that was not covered, looked at with a balance from after that. */
static void
judge_lack(void)
{
	if (state.lacking.msat == 0)
		return;
	/* Where nobody can say that it lacks anything, that payment waits, and no other. */
	if (purse_may_cover(&state.purse, state.lacking))
	{
		state.lacking = AMOUNT_ZERO;
		state.rests_until = instant_plus_seconds(state.asked_at, REST_SECONDS);
		return;
	}
	/* Held until it is decided. */
	state.purse.is_known = false;
	if (instant_before(state.asked_at, instant_plus_seconds(state.lacking_since, DOUBT_SECONDS)))
		return;
	worker_transaction(act_open_breaker, NULL);
	state.lacking = AMOUNT_ZERO;
}

static void
take_answer(void)
{
	const NodeCall *call = &state.call.task.call;

	if (!state.call.is_used || !call->done)
		return;
	if (call->answered)
	{
		purse_fill(&state.purse, &call->balance, &state.begun, worker_node()->capabilities.balance_is_net);
		state.told = state.purse.left;
	}
	call_end(&state.call);
	if (state.purse.is_known)
		judge_lack();
}

static bool
is_to_be_asked(Instant now)
{
	if (state.lacking.msat > 0)
		return !instant_before(now, instant_plus_seconds(state.asked_at, DOUBT_SECONDS));
	if (!state.purse.is_known)
		return instant_is_none(state.asked_at) || !instant_before(now, instant_plus_seconds(state.asked_at, RETRY_SECONDS));
	return !amount_equal(state.purse.left, state.told) &&
		!instant_before(now, instant_plus_seconds(state.asked_at, FRESH_SECONDS));
}

void
purse_turn(const NodeStanding *standing, Instant now)
{
	Amount		own = bitcoin_own_capital();

	if (own.msat == 0 || standing->node == NULL || !standing->is_ready || !worker_node()->capabilities.tells_balance)
	{
		purse_begin();
		state.purse.own = own;
		return;
	}
	state.purse.own = own;
	take_answer();
	if (state.call.is_used)
		return;
	if (state.purse.wanted.msat > 0 && !instant_before(now, state.rests_until))
	{
		state.lacking = state.purse.wanted;
		state.lacking_since = now;
		state.purse.wanted = AMOUNT_ZERO;
		ask(now);
	}
	else if (is_to_be_asked(now))
		ask(now);
}

Instant
purse_next(Instant now)
{
	if (state.purse.own.msat == 0)
		return INSTANT_NONE;
	if (state.call.is_used)
		return state.call.task.call.done ? now : INSTANT_NONE;
	if (state.purse.wanted.msat > 0)
		return later(now, state.rests_until);
	return state.purse.is_known ? INSTANT_NONE :
		instant_plus_seconds(state.asked_at, state.lacking.msat > 0 ? DOUBT_SECONDS : RETRY_SECONDS);
}
