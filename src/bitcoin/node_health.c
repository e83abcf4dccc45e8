/*
 * node_health.c
 *		How the worker stands with the node, what hangs there, and what the last
 *		comparison has found: a row each, for operators.
 *
 * Read only; locks nothing and asks the node nothing: what the worker has written
 * down is all there is.
 */
#include "postgres/server.h"

#include "bitcoin/postgres_audit.h"

#include "bitcoin/postgres_breaker.h"
#include "bitcoin/settings.h"

#include "postgres/answers.h"
#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/outside.h"

#define SILENCE_SECONDS 90		/* after which a node that answered counts as lost */

PG_FUNCTION_INFO_V1(spark_bitcoin_node_health);

static void
answer_check(Answer *answer, const char *name, bool ok, const char *detail)
{
	answer_text(answer, name);
	answer_bool(answer, ok);
	answer_text(answer, detail);
	answer_put(answer);
}

/* Why the node cannot be used just now; NULL: it can. */
static const char *
node_problem(Arena *arena)
{
	const char *paused = why_outside_is_paused();
	NodeState	state;

	if (paused != NULL)
		return arena_printf(arena, "nothing outside is done: %s", paused);
	if (!node_state_query(arena, true, &state))
		return "the worker has not reached a node yet";
	if (strcmp(state.backend, bitcoin_wanted_node()) != 0)
		return "the worker has not taken up the node that spark.lightning_node names yet";
	if (state.last_error != NULL)
		return state.last_error;
	if (!state.ready)
		return "the node is not ready";
	if (instant_before(instant_plus_seconds(state.last_answer_at, SILENCE_SECONDS), server_time()))
		return "nothing was heard of the node for over a minute; is the worker running?";
	return NULL;
}

static void
answer_unknown_payments(Answer *answer, Arena *arena)
{
	static Statement statement = {
		.sql = "SELECT count(*) FILTER (WHERE state = 'unknown'), count(*) FILTER (WHERE state = 'needs_operator'),"
		" count(*) FILTER (WHERE alarm IS NOT NULL),"
		" (SELECT count(*) FROM spark_bitcoin.withdrawals"
		"   WHERE state = 'reserved' AND created_at < statement_timestamp() - interval '1 day')"
		" FROM spark_bitcoin.withdrawals WHERE state IN ('submitting', 'in_flight', 'unknown', 'needs_operator')"
		" AND (state IN ('unknown', 'needs_operator') OR alarm IS NOT NULL)",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	int64		unknown = 0;
	int64		stuck = 0;
	int64		alarmed = 0;
	int64		waiting = 0;

	if (rows_next(&rows))
	{
		unknown = row_bigint(&rows, 1);
		stuck = row_bigint(&rows, 2);
		alarmed = row_bigint(&rows, 3);
		waiting = row_bigint(&rows, 4);
	}
	rows_close(&rows);
	answer_check(answer, "unknown_payments", unknown + stuck + alarmed + waiting == 0,
				 arena_printf(arena, "%lld unknown, %lld need an operator, %lld with an alarm, %lld not sent for over a day%s",
							  (long long) unknown, (long long) stuck, (long long) alarmed, (long long) waiting,
							  unknown + stuck + alarmed + waiting == 0 ? "" : "; see spark_ops.open_payments()"));
}

static const char *
own_capital_words(Arena *arena, Amount own)
{
	return own.msat == 0 ? "" : arena_printf(arena, ", and %lld msat are your own", (long long) own.msat);
}

/* What the last comparison of the books and the node has found. */
static void
answer_audit(Answer *answer, Arena *arena)
{
	Breaker		breaker = breaker_query(arena, true);
	int64		differences = differences_count();
	Amount		own = bitcoin_own_capital();
	AuditView	view;
	bool		was_done = audit_query(arena, &view);

	if (!was_done)
		answer_check(answer, "reconciliation", true, "the books were not compared with the node yet");
	else if (view.problem != NULL)
		answer_check(answer, "reconciliation", false,
					 arena_printf(arena, "the books could not be compared with the node: %s", view.problem));
	else
		answer_check(answer, "reconciliation", differences == 0,
					 arena_printf(arena, "%lld differences; see spark_ops.reconcile()", (long long) differences));
	if (!was_done || !view.has_figures)
		answer_check(answer, "solvency", own.msat == 0, own.msat == 0 ? "no balance of the node is known"
					 : "no balance of the node is known, so that spark.own_capital could not be compared with it");
	else
		answer_check(answer, "solvency", view.shortfall.msat == 0,
					 arena_printf(arena, "owed %lld msat, of it in payments begun %lld%s; the node has %lld msat and %lld in flight",
								  (long long) view.owed.msat, (long long) view.may_have_left.msat,
								  own_capital_words(arena, own), (long long) view.local.msat,
								  (long long) view.in_flight.msat));
	if (breaker.is_open)
		answer_check(answer, "breaker", false,
					 arena_printf(arena, "nothing is paid: %s; when it is put right, spark_ops.close_breaker('why')",
								  breaker.reason));
	else
		answer_check(answer, "breaker", !breaker.audit_first,
					 breaker.audit_first ? "nothing is paid before these books, a copy, were compared with the node"
					 : "withdrawals are paid");
}

Datum
spark_bitcoin_node_health(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	bool		is_simulated = strcmp(bitcoin_wanted_node(), "simulator") == 0;
	const char *problem;

	if (!tables_are_current("bitcoin"))
	{
		answer_check(&answer, "node", false, "the tables of context bitcoin are missing or of another version");
		answer_check(&answer, "node_simulated", !is_simulated, is_simulated ? "no real money moves" : NULL);
		answer_check(&answer, "unknown_payments", true, NULL);
		return (Datum) 0;
	}
	problem = node_problem(arena);
	answer_check(&answer, "node", problem == NULL, problem != NULL ? problem : "reachable and ready");
	answer_check(&answer, "node_simulated", !is_simulated,
				 is_simulated ? "the node is simulated: no real money moves" : "the node is a real one");
	answer_unknown_payments(&answer, arena);
	answer_audit(&answer, arena);
	return (Datum) 0;
}
