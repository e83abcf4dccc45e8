/*
 * operator_functions.c
 *		What operators do about the node: schema spark_ops.
 *
 * reconcile() waits for the worker without holding anything but its caller's
 * transaction; the worker's wishes stand in shared memory, so that it is asked at
 * once and not at a commit that would come too late.  Every decision is recorded
 * with who and why.
 */
#include "postgres/server.h"

#include "bitcoin/postgres_audit.h"

#include "bitcoin/node_tell.h"
#include "bitcoin/node_work.h"
#include "bitcoin/postgres_breaker.h"
#include "bitcoin/settings.h"

#include "lightning/bytes32.h"
#include "lightning/public_key.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/operators/operator_log.h"
#include "postgres/outside.h"
#include "postgres/workers/wakeup.h"
#include "postgres/workers/wishes.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(spark_bitcoin_reconcile);
PG_FUNCTION_INFO_V1(spark_bitcoin_decide_payment);
PG_FUNCTION_INFO_V1(spark_bitcoin_open_breaker);
PG_FUNCTION_INFO_V1(spark_bitcoin_close_breaker);
PG_FUNCTION_INFO_V1(spark_bitcoin_change_node);

#define MOST_WAIT_SECONDS 300	/* for the worker */
#define POLL 20					/* ms */
#define MAX_EVIDENCE 10000		/* bytes */
#define MAX_RECORD 200

/* ----------------------------------------------------------------- reconcile */

/* NULL when the worker has looked; else why it has not. */
static const char *
wait_for_worker(void)
{
	Instant		until = instant_plus_seconds(server_time(), MOST_WAIT_SECONDS);
	int64		wish;
	int			pid = ask_lightning(&wish);
	bool		is_there = true;

	if (pid == 0)
		return "no Lightning worker is running";
	while (!wish_is_fulfilled(pid, wish, &is_there))
	{
		if (!is_there)
			return "the Lightning worker has ended meanwhile";
		if (!instant_before(server_time(), until))
			return "the Lightning worker is still at it";
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return NULL;
}

static void
answer_difference(Answer *answer, const char *kind, const char *payment_hash, const char *books,
				  const char *node, const char *detail)
{
	answer_text(answer, kind);
	answer_text(answer, payment_hash);
	answer_text(answer, books);
	answer_text(answer, node);
	answer_text(answer, detail);
	answer_put(answer);
}

/* What the node lacks, as a figure. */
static void
answer_shortfall(Answer *answer, const AuditView *view, Arena *arena)
{
	if (!view->has_figures || view->shortfall.msat == 0)
		return;
	answer_difference(answer, "solvency", NULL,
					  arena_printf(arena, "owed %lld msat, of it in payments begun %lld msat, own capital %lld msat",
								   (long long) view->owed.msat, (long long) view->may_have_left.msat,
								   (long long) bitcoin_own_capital().msat),
					  arena_printf(arena, "has %lld msat, in flight %lld msat",
								   (long long) view->local.msat, (long long) view->in_flight.msat),
					  arena_printf(arena, "the node lacks %lld msat", (long long) view->shortfall.msat));
}

/* What only a node can tell that is not asked any more. */
static void
answer_left_behind(Answer *answer, Arena *arena)
{
	Rows		rows = left_behind_query();

	while (rows_next(&rows))
	{
		const char *kind = row_text(&rows, 1, arena);

		answer_difference(answer, kind, row_text(&rows, 2, arena), row_text(&rows, 3, arena), row_text(&rows, 4, arena),
						  strcmp(kind, "payment_left") == 0 ?
						  "it failed at a node that is not asked any more: should that one make it late, spark_ops.decide_payment()" :
						  "its invoice is of a node that is not asked any more: what comes in there late is credited to nobody");
	}
	rows_close(&rows);
}

Datum
spark_bitcoin_reconcile(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer;
	const char *problem;
	AuditView	view;
	Rows		rows;

	installed_required("bitcoin");
	problem = why_outside_is_paused();
	if (problem == NULL)
		problem = wait_for_worker();
	if (!IsolationUsesXactSnapshot())
		PushActiveSnapshot(GetLatestSnapshot());
	answer = answers_begin(fcinfo);
	(void) audit_query(arena, &view);
	if (problem == NULL)
		problem = view.problem;
	if (problem != NULL)
		answer_difference(&answer, "not_asked", NULL, NULL, NULL, problem);
	answer_shortfall(&answer, &view, arena);
	rows = differences_query();
	while (rows_next(&rows))
		answer_difference(&answer, row_text(&rows, 1, arena), row_text(&rows, 2, arena), row_text(&rows, 3, arena),
						  row_text(&rows, 4, arena), row_text(&rows, 5, arena));
	rows_close(&rows);
	answer_left_behind(&answer, arena);
	if (!IsolationUsesXactSnapshot())
		PopActiveSnapshot();
	return (Datum) 0;
}

/* ------------------------------------------------------------------ payments */

/* A decision in words, for the record. */
static const char *
as_json(const char *first, const char *first_value, const char *second, const char *second_value)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "{\"%s\": ", first);
	escape_json(&text, first_value);
	appendStringInfo(&text, ", \"%s\": ", second);
	if (second_value != NULL)
		escape_json(&text, second_value);
	else
		appendStringInfoString(&text, "null");
	appendStringInfoChar(&text, '}');
	return text.data;
}

/* The node's name of its record; NULL where it is not given. */
static const char *
arg_record(FunctionCallInfo fcinfo)
{
	const char *record;

	if (PG_ARGISNULL(6))
		return NULL;
	record = arg_text(fcinfo, 6, "node_record");
	if (record[strspn(record, " \t\n")] == '\0' || strlen(record) > MAX_RECORD)
		refuse(RESULT_INVALID_ARGUMENT, "Argument node_record must be from 1 to %d bytes.", MAX_RECORD);
	return record;
}

static ProvenPayment
arg_proof(FunctionCallInfo fcinfo, const Withdrawal *withdrawal)
{
	ProvenPayment payment = {.amount = AMOUNT_ZERO};
	Bytes32		preimage;

	if (PG_ARGISNULL(4))
		refuse(RESULT_INVALID_ARGUMENT, "The verdict paid needs the preimage: it is the proof.");
	payment.preimage = arg_hash(fcinfo, 4, "preimage");
	if (!bytes32_parse(payment.preimage, &preimage) ||
		!preimage_fits(bitcoin.digest, preimage, withdrawal->payment_hash))
		refuse(RESULT_INVALID_ARGUMENT, "The preimage does not fit the payment hash.");
	if (!PG_ARGISNULL(5))
		payment.fee = AMOUNT_MSAT(PG_GETARG_INT64(5));
	if (payment.fee.msat < 0 || (payment.fee.msat > 0 && !amount_is_payable(payment.fee)))
		refuse(RESULT_INVALID_ARGUMENT, "Argument fee_msat must be from 0 to all bitcoin there is.");
	payment.record.reference = arg_record(fcinfo);
	return payment;
}

/* Another one of the hash of one that has failed holds it, or was paid. */
static bool
is_beside_another(UnitOfWork *work, const Withdrawal *withdrawal)
{
	Withdrawal *newest;

	check(bitcoin.withdrawals->find_by_hash(bitcoin.withdrawals, work, withdrawal->payment_hash, &newest));
	return withdrawal->state == WITHDRAWAL_FAILED && newest != NULL && withdrawal_is_live(newest);
}

/* One payment is not to be booked twice: one that waits for an answer takes it by itself. */
static void
refuse_where_another_takes_it(UnitOfWork *work, const Withdrawal *withdrawal)
{
	Withdrawal *newest;
	char		id[UUID_TEXT_LENGTH + 1];

	check(bitcoin.withdrawals->find_by_hash(bitcoin.withdrawals, work, withdrawal->payment_hash, &newest));
	if (is_beside_another(work, withdrawal) && newest->state != WITHDRAWAL_SUCCEEDED &&
		amount_equal(newest->amount, withdrawal->amount))
	{
		uuid_format(newest->aggregate.id, id);
		refuse_now("Wait until that one has ended; if two payments were made, call this one paid then.",
				   "Withdrawal %s of the same hash and amount is in state %s, and takes the payment when the node tells of it.",
				   id, withdrawal_state_name(newest->state));
	}
}

static bool
is_record_booked(const char *payment_hash, const char *record)
{
	static Statement statement = {
		.sql = "SELECT 1 FROM spark_bitcoin.withdrawals WHERE payment_hash = $1 AND node_reference = $2"
		" AND state = 'succeeded' LIMIT 1"
	};

	return statement_run(&statement, PARAMETERS(param_text(payment_hash), param_text(record))) > 0;
}

/*
 * Of a hash and amount that is booked as paid, the preimage has been public since:
 * it proves no second payment.  Only a second record of the node's does.
 */
static void
demand_second_record(UnitOfWork *work, const Withdrawal *withdrawal, const char *record)
{
	bool		is_booked;

	if (withdrawal->state == WITHDRAWAL_SUCCEEDED)
		return;
	check(bitcoin.withdrawals->is_booked(bitcoin.withdrawals, work, withdrawal->payment_hash, withdrawal->amount,
										 &is_booked));
	if (!is_booked)
		return;
	if (record == NULL)
		refuse_now("Call spark_ops.reconcile(), which books a second payment that the node lists; of another node, name its record of that one as node_record.",
				   "A payment of this hash and amount is booked already, and the preimage proves no second one.");
	if (is_record_booked(withdrawal->payment_hash, record))
		refuse_now("Name the record of the second payment, if there is one.",
				   "The payment of record %s is booked already.", record);
}

/* Of books that are a copy, what waits here may have been sent by the others. */
static void
refuse_in_copy(const Withdrawal *withdrawal)
{
	const char *paused = why_outside_is_paused();

	if (withdrawal->state == WITHDRAWAL_RESERVED && paused != NULL)
		refuse_now("Have the worker act again: it looks up at the node what may have been sent.",
				   "Whether it was sent is not known here: %s.", paused);
}

Datum
spark_bitcoin_decide_payment(PG_FUNCTION_ARGS)
{
	Uuid		invoice_id = arg_uuid(fcinfo, 0, "invoice_id");
	const char *verdict = arg_text(fcinfo, 1, "verdict");
	const char *evidence = arg_text(fcinfo, 2, "evidence");
	const char *reason = arg_reason(fcinfo, 3, "reason");
	bool		is_paid = strcmp(verdict, "paid") == 0;
	UnitOfWork *work;
	Aggregate  *found;
	Withdrawal *withdrawal;
	WithdrawalState before;
	ProvenPayment payment;
	Result		result;

	PreventCommandIfReadOnly("spark_ops.decide_payment()");
	installed_required("bitcoin");
	if (!is_paid && strcmp(verdict, "failed") != 0)
		refuse(RESULT_INVALID_ARGUMENT, "Argument verdict must be paid or failed.");
	if (evidence[strspn(evidence, " \t\n")] == '\0' || strlen(evidence) > MAX_EVIDENCE)
		refuse(RESULT_INVALID_ARGUMENT, "Argument evidence must be from 1 to %d bytes.", MAX_EVIDENCE);
	work = unit_of_work_begin();
	check(unit_of_work_find(work, &bitcoin.withdrawals->repository, invoice_id, &found));
	if (found == NULL)
		refuse(RESULT_NOT_FOUND, "There is no withdrawal of that id.");
	withdrawal = (Withdrawal *) found;
	before = withdrawal->state;
	if (is_paid)
	{
		payment = arg_proof(fcinfo, withdrawal);
		refuse_where_another_takes_it(work, withdrawal);
		demand_second_record(work, withdrawal, payment.record.reference);
		result = withdrawal_decide_paid(withdrawal, &payment, is_beside_another(work, withdrawal), clock_now(work));
	}
	else
	{
		refuse_in_copy(withdrawal);
		result = withdrawal_decide_failed(withdrawal, clock_now(work));
	}
	if (result.code == RESULT_REFUSED_NOW)
		refuse_now(is_paid ? "It can be decided while it is in_flight, unknown, needs_operator or failed."
				   : "It can be called failed in state reserved, as nothing was sent, or needs_operator; in between, the node may pay it.",
				   "The withdrawal is in state %s.", withdrawal_state_name(before));
	check(result);
	tell_withdrawal(work, withdrawal, before);
	check(unit_of_work_complete(work));
	record_operation((Operation) {
		.action = "decide_payment",
		.message_id = invoice_id,
		.reason = reason,
		.before = as_json("state", withdrawal_state_name(before), "payment_hash", withdrawal->payment_hash),
		.after = as_json("verdict", verdict, "evidence", evidence),
	});
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------- breaker */

Datum
spark_bitcoin_open_breaker(PG_FUNCTION_ARGS)
{
	const char *reason = arg_reason(fcinfo, 0, "reason");

	PreventCommandIfReadOnly("spark_ops.open_breaker()");
	installed_required("bitcoin");
	breaker_open(reason, server_time());
	record_operation((Operation) {.action = "open_breaker", .reason = reason});
	PG_RETURN_VOID();
}

Datum
spark_bitcoin_close_breaker(PG_FUNCTION_ARGS)
{
	const char *reason = arg_reason(fcinfo, 0, "reason");
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Breaker		breaker;
	AuditView	view;

	PreventCommandIfReadOnly("spark_ops.close_breaker()");
	installed_required("bitcoin");
	breaker = breaker_query(arena, false);
	if (!breaker.is_open)
		PG_RETURN_VOID();
	(void) audit_query(arena, &view);
	breaker_close(view.has_figures ? view.shortfall : AMOUNT_ZERO);
	record_operation((Operation) {
		.action = "close_breaker",
		.reason = reason,
		.before = as_json("opened_because", breaker.reason, "node_lacks_msat",
						  psprintf(INT64_FORMAT, view.has_figures ? view.shortfall.msat : 0)),
	});
	wake_lightning_at_commit();
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------ the node */

/* What ties the books to the recorded node; NULL: nothing.  An invoice that has run out does not. */
static const char *
why_node_must_stay(Instant now)
{
	static Statement statement = {
		.sql = "SELECT coalesce("
		" (SELECT 'Withdrawal ' || invoice_id || ' is reserved, and was not sent.'"
		"   FROM spark_bitcoin.withdrawals WHERE state = 'reserved' ORDER BY next_look_at LIMIT 1),"
		" CASE WHEN EXISTS (SELECT FROM spark_bitcoin.withdrawals"
		"   WHERE state IN ('requested', 'submitting', 'in_flight', 'unknown', 'needs_operator'))"
		"  THEN 'A withdrawal is open.'"
		" WHEN EXISTS (SELECT FROM spark_bitcoin.deposits WHERE state IN ('intent', 'open')"
		"   AND (state = 'intent' OR held OR expires_at > $1))"
		"  THEN 'The invoice of a deposit is open.' END)"
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_instant(now)));
	const char *why = rows_next(&rows) ? row_text(&rows, 1, context_arena(CurrentMemoryContext)) : NULL;
	Amount		owed;
	Amount		reserved;
	Amount		received;

	rows_close(&rows);
	if (why == NULL && ledger_figures(&owed, &reserved, &received) && (owed.msat != 0 || reserved.msat != 0))
		why = "Accounts have money that the old node holds.";
	return why;
}

/* The node that could still say what became of them is left: what it does with them is listed. */
static void
expire_deposits_left(Instant now)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.deposits SET version = version + 1, state = 'expired'"
		" WHERE state = 'open' AND NOT held AND expires_at <= $1"
	};

	statement_run(&statement, PARAMETERS(param_instant(now)));
}

/*
 * The node is left, and its mirror with it; one that the books come back to has
 * the mirror that it had.
 */
static void
change_node(const char *node_id, Uuid new_mirror, Instant now)
{
	static Statement leave = {
		.sql = "INSERT INTO spark_bitcoin.former_nodes"
		" (node_account_id, backend, network, node_id, first_seen_at, wallet, left_at)"
		" SELECT node_account_id, backend, network, node_id, first_seen_at, wallet, $1 FROM spark_bitcoin.node"
	};
	static Statement take = {
		.sql = "UPDATE spark_bitcoin.node SET node_id = $1, backend = $2, network = $3, wallet = NULL,"
		" (node_account_id, first_seen_at) = (SELECT coalesce(max(node_account_id::text)::uuid, $4),"
		" coalesce(max(first_seen_at), $5) FROM spark_bitcoin.former_nodes f"
		" WHERE f.node_id = $1 AND f.backend = $2 AND f.network = $3 AND f.wallet IS NULL)"
	};
	static Statement is_back = {
		.sql = "DELETE FROM spark_bitcoin.former_nodes"
		" WHERE node_account_id IN (SELECT node_account_id FROM spark_bitcoin.node)"
	};

	statement_run(&leave, PARAMETERS(param_instant(now)));
	statement_run(&take, PARAMETERS(param_text(node_id), param_text(bitcoin_wanted_node()),
									param_text(bitcoin_terms().network), param_uuid(new_mirror), param_instant(now)));
	statement_run(&is_back, NO_PARAMETERS);
}

Datum
spark_bitcoin_change_node(PG_FUNCTION_ARGS)
{
	const char *node_id = arg_text(fcinfo, 0, "node_id");
	const char *reason = arg_reason(fcinfo, 1, "reason");
	Arena	   *arena = context_arena(CurrentMemoryContext);
	PublicKey	key;
	UnitOfWork *work;
	KnownNode  *known;
	const char *why;

	PreventCommandIfReadOnly("spark_ops.change_node()");
	installed_required("bitcoin");
	/* What the worker has begun by the old one is seen below; what it begins later is by the new one. */
	node_keep_alone();
	if (!public_key_parse(node_id, &key) || (key.bytes[0] != 2 && key.bytes[0] != 3))
		refuse(RESULT_INVALID_ARGUMENT, "Argument node_id must be a public key of 66 lower-case hex digits.");
	work = unit_of_work_begin();
	check(bitcoin.nodes->find(bitcoin.nodes, work, &known));
	if (known == NULL)
		refuse_now("The first node that answers is recorded by itself.", "No node is recorded yet.");
	why = why_node_must_stay(clock_now(work));
	if (why != NULL)
		refuse_now("End what is reserved by spark_ops.decide_payment(), and have everything paid out; a node's books end with it.",
				   "%s", why);
	expire_deposits_left(clock_now(work));
	change_node(public_key_hex(arena, key), new_id(work), clock_now(work));
	record_operation((Operation) {
		.action = "change_node",
		.reason = reason,
		.before = as_json("node_id", known->node_id, "backend", known->backend),
		.after = as_json("node_id", node_id, "backend", bitcoin_wanted_node()),
	});
	wake_everything_at_commit();
	PG_RETURN_VOID();
}
