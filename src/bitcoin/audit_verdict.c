/*
 * audit_verdict.c
 *		What a comparison of the books with the node leads to.
 */
#include "postgres/server.h"

#include "bitcoin/audit_verdict.h"

#include "bitcoin/postgres_breaker.h"
#include "bitcoin/settings.h"
#include "bitcoin/worker_node.h"

#include "postgres/environment.h"

static bool
has_forgotten_payments(const FoundDifference *found, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (found[i].difference.kind == DIFFERENCE_PAYMENT_UNKNOWN)
			return true;
	return false;
}

/* Books that are a copy pay again once nothing speaks against it. */
static void
judge_copy(const Breaker *breaker, const FoundDifference *found, size_t count, Instant now)
{
	if (!breaker->audit_first)
		return;
	if (!worker_node()->capabilities.lists_payments)
		breaker_open("these books are a copy, and the node lists no payments to compare them with", now);
	else if (has_forgotten_payments(found, count))
		breaker_open("these books are a copy, and the node has made payments that they do not know", now);
	breaker_wants_audit(false);
}

/* What is owed against what is there. */
static void
weigh(const AuditFigures *figures, const Breaker *breaker, AuditOutcome *outcome)
{
	Solvency   *solvency = &outcome->solvency;
	/* Before the ledger's, which has reserved all of it: what is new by then is left out here, never the other way. */
	Amount		waiting = waiting_payments_sum();
	Amount		received;

	outcome->has_figures = figures->has_balance &&
		ledger_figures(&solvency->owed, &solvency->may_have_left, &received) &&
		amount_subtract(solvency->may_have_left, waiting, &solvency->may_have_left) &&
		amount_subtract(received, figures->received_before, &solvency->lately_credited);
	solvency->has = figures->balance;
	solvency->own = bitcoin_own_capital();
	solvency->tolerance = bitcoin_solvency_tolerance();
	solvency->accepted = breaker->accepted;
}

static void
judge_solvency(const AuditFigures *figures, const Breaker *breaker, AuditOutcome *outcome, Instant now)
{
	const Solvency *solvency = &outcome->solvency;

	weigh(figures, breaker, outcome);
	if (!outcome->has_figures)
		return;
	if (solvency_is_broken(solvency))
		breaker_open(psprintf("the node lacks " INT64_FORMAT " msat of what the books owe%s", solvency_shortfall(solvency).msat,
							  solvency->own.msat > 0 ? " and of spark.own_capital" : ""), now);
	breaker_accept(solvency_shortfall(solvency));
}

bool
audit_shows_lack(const AuditFigures *figures)
{
	AuditOutcome outcome = {.problem = NULL};
	Breaker		breaker = breaker_query(context_arena(CurrentMemoryContext), false);

	weigh(figures, &breaker, &outcome);
	return outcome.has_figures && solvency_is_broken(&outcome.solvency);
}

void
audit_judge(const FoundDifference *found, size_t found_count, const AuditFigures *figures,
			AuditOutcome *outcome, Instant now)
{
	Breaker		breaker = breaker_query(context_arena(CurrentMemoryContext), false);

	judge_copy(&breaker, found, found_count, now);
	judge_solvency(figures, &breaker, outcome, now);
}

void
audit_judge_balance(const AuditFigures *figures, AuditOutcome *outcome, Instant now)
{
	Breaker		breaker = breaker_query(context_arena(CurrentMemoryContext), false);

	judge_solvency(figures, &breaker, outcome, now);
}
