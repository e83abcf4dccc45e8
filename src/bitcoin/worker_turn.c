/*
 * worker_turn.c
 *		The worker "spark lightning": rows that are due become calls of the node,
 *		answers become changes of rows.
 *
 * Two transactions with the call between them, and none open during it: the
 * plan is committed before a byte leaves, the answer is applied afterwards.  Up
 * to sixteen calls are under way; one that hangs holds nothing else up.  An
 * answer that is worth nothing from another node waits until the node has said
 * once more who it is.
 *
 * At a start nothing is paid before the node was asked once about every payment
 * that is open.  A payment found in submitting is looked up, never sent again.
 *
 * A row that raises an error is tried alone; where it raises again it is left
 * alone for a minute, so that no row stops the others.  Nor does an open
 * transaction of somebody who asks again for a hash that turns out to be paid:
 * whoever applies an answer waits for a lock for a moment, and tries later.
 */
#include "postgres/server.h"

#include "bitcoin/postgres.h"
#include "bitcoin/postgres_breaker.h"
#include "bitcoin/schedule.h"
#include "bitcoin/settings.h"
#include "bitcoin/worker_audit.h"
#include "bitcoin/worker_node.h"
#include "bitcoin/worker_purse.h"
#include "bitcoin/worker_rights.h"

#include "postgres/bus/give_way.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/installed.h"
#include "postgres/transaction.h"

#define MOST_CALLS 16
#define MOST_DEPOSITS 6			/* of them, in quiet times */
#define MOST_PAYMENTS 6
#define MOST_LOOKS 8
#define MOST_FIRST_LOOKS 12		/* while nothing may be paid yet */
#define MOST_OVERDUE 64			/* rows that need no call, in one turn */
#define MOST_SHUNNED 64
#define LONGEST_WAIT 1000		/* ms */
#define SHORT_WAIT 200			/* ms; where rows are due that cannot be begun yet */
#define FAULT_SECONDS 60		/* until a row with a fault is tried again */
#define LOCK_SECONDS 1			/* until an answer that somebody's lock has kept off is applied again */

static Call calls[MOST_CALLS];

/* What is forgotten when the worker begins anew. */
static struct
{
	LightningNode *node;		/* that the settings named in the last turn */
	bool		is_installed;	/* the tables are there */
	bool		has_started;	/* everything open was made due */
	Instant		started_at;
	int64		connections;	/* of the node, when that was last looked at */
	bool		first_looks_are_done;	/* every payment that was open then has been asked about */
	bool		was_stopped;	/* nothing was paid of late, for another reason than the node's: what is reserved was put off */
	bool		is_careful;		/* the last pick raised an error: one row at a time */
	Uuid		last_picked;
	Uuid		shunned[MOST_SHUNNED];
	size_t		shunned_count;
	Instant		shunned_until;
} state;

/* ------------------------------------------------------------ calls under way */

static size_t
calls_of(NodeOperation first, NodeOperation second)
{
	size_t		count = 0;

	for (int i = 0; i < MOST_CALLS; i++)
		count += calls[i].is_used &&
			(calls[i].task.call.operation == first || calls[i].task.call.operation == second);
	return count;
}

static Call *
free_call(void)
{
	for (int i = 0; i < MOST_CALLS; i++)
		if (!calls[i].is_used && calls[i].context == NULL)
			return &calls[i];
	return NULL;
}

static void
end_all_calls(void)
{
	for (int i = 0; i < MOST_CALLS; i++)
		call_end(&calls[i]);
}

static void
shun(Uuid invoice_id)
{
	if (uuid_is_nil(invoice_id) || state.shunned_count == MOST_SHUNNED)
		return;
	if (state.shunned_count == 0)
		state.shunned_until = instant_plus_seconds(server_time(), FAULT_SECONDS);
	state.shunned[state.shunned_count++] = invoice_id;
}

/* ------------------------------------------------------------------- picking */

/* One transaction: what is due is planned. */
typedef struct Pick
{
	/* What it goes by. */
	Instant		now;
	bool		can_call;		/* a node can be used at all */
	NodeStanding standing;
	bool		is_first;		/* the tables were not known to be there */

	/* While it is made. */
	UnitOfWork *work;
	Uuid		without[MOST_CALLS + MOST_SHUNNED];	/* rows that are left out */
	size_t		without_count;
	size_t		row_count;		/* looked at */

	/* What it has come to. */
	Call	   *planned[MOST_CALLS];	/* to be started once it is committed */
	size_t		planned_count;
	bool		is_installed;	/* the tables are there */
	bool		starts;			/* the first of a life: it made everything open due, and planned nothing */
	bool		first_looks_end;	/* of all that was open at the start the node was asked: it may be paid */
	bool		audit_first;	/* and then the first payment */
	bool		is_stopped;		/* what state.was_stopped is to be */
	bool		has_failed;		/* it raised an error, and is undone */
	Instant		next_due;		/* of all rows; none: none ever */
} Pick;

static void
leave_out_known(Pick *pick)
{
	for (int i = 0; i < MOST_CALLS; i++)
		if (calls[i].is_used)
			pick->without[pick->without_count++] = calls[i].task.invoice_id;
	if (state.shunned_count > 0 && !instant_before(pick->now, state.shunned_until))
		state.shunned_count = 0;
	for (size_t i = 0; i < state.shunned_count; i++)
		pick->without[pick->without_count++] = state.shunned[i];
}

static bool
is_deposit(const Aggregate *aggregate)
{
	return aggregate->type == &deposit_type;
}

/* A row that cannot be planned waits, and an operator hears of it. */
static void
put_aside(Pick *pick, Aggregate *row, Result result)
{
	Instant		later_on = instant_plus_seconds(pick->now, FAULT_SECONDS);

	if (is_deposit(row))
		((Deposit *) row)->next_look_at = later_on;
	else
	{
		/* It counts as asked: no other payment waits for it. */
		((Withdrawal *) row)->asked_at = pick->now;
		((Withdrawal *) row)->next_look_at = later_on;
	}
	bitcoin.alarms->raise(bitcoin.alarms, row->id,
						  result.detail != NULL ? result.detail : result_text(result.code)->message);
}

/* Plans one row; false where there is no room for another call. */
static bool
plan_row(Pick *pick, Aggregate *row)
{
	Call	   *call = free_call();
	bool		is_call = false;
	Result		result;

	if (call == NULL)
		return false;
	call_prepare(call);
	state.last_picked = row->id;
	if (is_deposit(row))
		result = plan_deposit(&bitcoin, pick->work, (Deposit *) row, &pick->standing, &call->task, &is_call);
	else
		result = plan_withdrawal(&bitcoin, pick->work, (Withdrawal *) row, &pick->standing, &call->task, &is_call);
	if (failed(result))
		put_aside(pick, row, result);
	if (is_call && !failed(result))
		pick->planned[pick->planned_count++] = call;
	else
		call_end(call);
	return true;
}

static void
plan_due(Pick *pick, DueKind kind, Instant until, size_t limit)
{
	Aggregate  *rows[MOST_OVERDUE];
	size_t		count;

	if (state.is_careful)
		limit = pick->row_count > 0 ? 0 : Min(limit, 1);
	limit = Min(limit, MOST_OVERDUE);
	if (limit == 0)
		return;
	count = due_rows(pick->work, kind, until, pick->without, pick->without_count, limit, rows);
	pick->row_count += count;
	for (size_t i = 0; i < count; i++)
		if (!plan_row(pick, rows[i]))
			break;
}

/* How many more of these, with so many under way and in this room. */
static size_t
room_for(const Pick *pick, size_t most, size_t under_way)
{
	size_t		free_calls = MOST_CALLS - pick->planned_count;

	for (int i = 0; i < MOST_CALLS; i++)
		free_calls -= calls[i].is_used;
	return under_way >= most ? 0 : Min(most - under_way, free_calls);
}

static void
plan_calls(Pick *pick)
{
	bool		is_ready = pick->standing.is_ready;

	/* Another node than ours: what it says of payments is read, no more. */
	if (pick->standing.is_another)
		plan_due(pick, DUE_LOOKS, pick->now,
				 room_for(pick, MOST_LOOKS, calls_of(NODE_LOOKUP_PAYMENT, NODE_LOOKUP_PAYMENT)));
	if (pick->standing.node == NULL)
		return;
	if (!state.first_looks_are_done && !is_payment_unasked_since(state.started_at, pick->without, pick->without_count) &&
		calls_of(NODE_LOOKUP_PAYMENT, NODE_LOOKUP_PAYMENT) == 0)
		pick->first_looks_end = true;
	if (state.first_looks_are_done && is_ready)
		plan_due(pick, DUE_PAYMENTS, pick->now,
				 room_for(pick, MOST_PAYMENTS, calls_of(NODE_PAY, NODE_CANCEL_INVOICE)));
	plan_due(pick, DUE_LOOKS, pick->now,
			 room_for(pick, state.first_looks_are_done ? MOST_LOOKS : MOST_FIRST_LOOKS,
					  calls_of(NODE_LOOKUP_PAYMENT, NODE_LOOKUP_PAYMENT)));
	plan_due(pick, is_ready ? DUE_DEPOSITS : DUE_OPEN_DEPOSITS, pick->now,
			 room_for(pick, MOST_DEPOSITS, calls_of(NODE_CREATE_INVOICE, NODE_LOOKUP_INVOICE)));
}

static void
look_at_breaker(Pick *pick)
{
	Breaker		breaker = breaker_query(pick->work->arena, false);

	pick->audit_first = breaker.audit_first;
	if (breaker.is_open || breaker.audit_first)
		pick->standing.may_pay = false;
	if (pick->standing.is_ready)
		pick->is_stopped = !pick->standing.may_pay;
	/* What was put off until a later look does not wait for that. */
	if (state.was_stopped && !pick->is_stopped)
		make_waiting_payments_due(pick->now);
}

static void
act_pick(void *argument)
{
	Pick	   *pick = argument;
	Instant		made_before = instant_plus_seconds(pick->now, -bitcoin_terms().create_deadline);

	pick->is_installed = tables_are_current("bitcoin");
	if (!pick->is_installed)
		return;
	pick->work = unit_of_work_new(context_arena(CurrentMemoryContext), server_ports(), NULL);
	standing_keep(&pick->standing, pick->work);
	standing_store(pick->now);
	if (!state.has_started && pick->can_call)
	{
		make_all_due(pick->now, HTLC_LIFETIME_SECONDS);
		abandon_submissions(pick->now, pick->without, pick->without_count);
		pick->starts = true;
		return;
	}
	look_at_breaker(pick);
	plan_due(pick, DUE_LATE_INTENTS, made_before, MOST_OVERDUE);
	plan_due(pick, DUE_EXPIRED, pick->now, MOST_OVERDUE);
	if (pick->can_call)
		plan_calls(pick);
	check(unit_of_work_complete(pick->work));
	pick->next_due = next_due();
}

/* What was planned is not committed: it is not to be done. */
static void
drop_plans(void)
{
	for (int i = 0; i < MOST_CALLS; i++)
		if (!calls[i].is_used)
			call_end(&calls[i]);
}

static void
log_and_free(ErrorData *error, const char *what)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("Lightning: %s: %s", what, error->message),
			 error->detail != NULL ? errdetail("%s", error->detail) : 0));
	FreeErrorData(error);
}

/* Plans what is due and starts what was planned. */
static void
pick_and_start(Pick *pick)
{
	ErrorData  *error;

	leave_out_known(pick);
	state.last_picked = UUID_NIL;
	error = try_in_transaction(act_pick, pick);
	if (error != NULL)
	{
		log_and_free(error, "rows that were due could not be begun");
		drop_plans();
		if (state.is_careful)
			shun(state.last_picked);
		state.is_careful = true;
		pick->planned_count = 0;
		pick->has_failed = true;
		return;
	}
	state.is_installed = pick->is_installed;
	if (pick->row_count == 0)
		state.is_careful = false;
	state.was_stopped = pick->is_stopped;
	if (pick->starts)
	{
		state.has_started = true;
		state.started_at = pick->now;
		state.first_looks_are_done = false;
		audit_want(pick->now);
	}
	if (pick->first_looks_end)
		state.first_looks_are_done = true;
	for (size_t i = 0; i < pick->planned_count; i++)
		call_start(pick->planned[i]);
}

/* ------------------------------------------------------------------ applying */

/* The answers of one transaction. */
typedef struct Answers
{
	Call	   *calls[MOST_CALLS];
	size_t		count;
	NodeStanding standing;
} Answers;

/* All rows are locked before the first changes, in the one order: deposits, then withdrawals. */
static void
lock_rows(UnitOfWork *work, const Answers *answers)
{
	Uuid		deposits[MOST_CALLS];
	Uuid		withdrawals[MOST_CALLS];
	size_t		deposit_count = 0;
	size_t		withdrawal_count = 0;

	for (size_t i = 0; i < answers->count; i++)
	{
		Uuid		deposit_id;
		Uuid		withdrawal_id;

		task_touches(&answers->calls[i]->task, &deposit_id, &withdrawal_id);
		if (!uuid_is_nil(deposit_id))
			deposits[deposit_count++] = deposit_id;
		if (!uuid_is_nil(withdrawal_id))
			withdrawals[withdrawal_count++] = withdrawal_id;
	}
	check(unit_of_work_find_many(work, &bitcoin.deposits->repository, deposits, deposit_count));
	check(unit_of_work_find_many(work, &bitcoin.withdrawals->repository, withdrawals, withdrawal_count));
}

static void
act_apply(void *argument)
{
	Answers    *answers = argument;
	UnitOfWork *work = unit_of_work_new(context_arena(CurrentMemoryContext), server_ports(), NULL);

	give_way();
	standing_keep(&answers->standing, work);
	lock_rows(work, answers);
	for (size_t i = 0; i < answers->count; i++)
		check(apply_answer(&bitcoin, work, &answers->calls[i]->task, &answers->standing));
	check(unit_of_work_complete(work));
}

/* Somebody's open transaction, or one that has just ended, has what the answer would change. */
static bool
is_in_the_way(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION;
}

/* The node can be asked again, and is, when the lease of the row ends; what it said of a submission it says once. */
static void
put_off(Call *call)
{
	NodeOperation operation = call->task.call.operation;

	if (operation != NODE_LOOKUP_PAYMENT && operation != NODE_LOOKUP_INVOICE)
		call->put_off_until = instant_plus_seconds(server_time(), LOCK_SECONDS);
}

/* One by one: whose fault it is loses its answer, and is looked up later. */
static void
apply_each(const Answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
	{
		Answers		one = {.calls = {answers->calls[i]}, .count = 1, .standing = answers->standing};
		ErrorData  *error = try_in_transaction(act_apply, &one);

		if (error != NULL && is_in_the_way(error))
		{
			put_off(answers->calls[i]);
			FreeErrorData(error);
		}
		else if (error != NULL)
			log_and_free(error, "an answer of the node could not be written down");
	}
}

/* It is there, and nothing has to be found out before it counts. */
static bool
can_be_applied(const Call *call, const NodeStanding *standing)
{
	return call->is_used && call->task.call.done && !answer_waits_for_identity(&call->task, standing) &&
		!instant_before(server_time(), call->put_off_until);
}

/* Which question tells who has answered is written down by who first sees it; of those that wait, the node is asked. */
static void
number_answers(const NodeStanding *standing)
{
	for (int i = 0; i < MOST_CALLS; i++)
	{
		NodeTask   *task = &calls[i].task;

		if (!calls[i].is_used || !task->call.done)
			continue;
		if (task->named_by == 0)
			task->named_by = identity_question_after(&standing->questions);
		if (answer_waits_for_identity(task, standing))
			standing_want_identity(task->named_by);
	}
}

/* Applies what has been answered. */
static void
apply_answers(void)
{
	Answers		answers = {.standing = standing_now()};
	ErrorData  *error;

	number_answers(&answers.standing);
	for (int i = 0; i < MOST_CALLS; i++)
		if (can_be_applied(&calls[i], &answers.standing))
		{
			calls[i].put_off_until = INSTANT_NONE;
			answers.calls[answers.count++] = &calls[i];
		}
	if (answers.count == 0)
		return;
	error = try_in_transaction(act_apply, &answers);
	if (error != NULL)
	{
		FreeErrorData(error);
		apply_each(&answers);
	}
	for (size_t i = 0; i < answers.count; i++)
	{
		if (!instant_is_none(answers.calls[i]->put_off_until))
			continue;
		rights_heard(&answers.calls[i]->task.call);
		call_end(answers.calls[i]);
	}
}

/* --------------------------------------------------------------------- turns */

static void
begin(void)
{
	end_all_calls();
	standing_begin();
	audit_begin();
	purse_begin();
	memset(&state, 0, sizeof(state));
}

/* An answer that was not there yet, or could not be applied, when that was last done. */
static bool
is_any_answer_new(void)
{
	NodeStanding standing = standing_now();

	for (int i = 0; i < MOST_CALLS; i++)
		if (can_be_applied(&calls[i], &standing) ||
			(calls[i].is_used && calls[i].task.call.done && calls[i].task.named_by == 0))
			return true;
	return false;
}

static long
milliseconds_until(Instant when, Instant now)
{
	int64		left = when.microseconds - now.microseconds;

	return left <= 0 ? 0 : (long) Min(left / 1000 + 1, LONGEST_WAIT);
}

static long
wait_after(const Pick *pick)
{
	Instant		now = server_time();
	long		wait = LONGEST_WAIT;
	LightningNode *node = worker_node();

	if (pick->has_failed || !pick->is_installed)
		return LONGEST_WAIT;
	if (is_any_answer_new() || pick->starts || pick->first_looks_end || state.is_careful || pick->is_first)
		return 0;
	if (!instant_is_none(pick->next_due))
	{
		long		due = milliseconds_until(pick->next_due, now);

		/* Due and not begun: there is no room, or no node, or somebody holds it. */
		wait = due > 0 ? due : pick->standing.node != NULL ? SHORT_WAIT : LONGEST_WAIT;
	}
	if (!pick->can_call || node == NULL)
		return wait;
	wait = Min(wait, milliseconds_until(standing_next(), now));
	wait = Min(wait, milliseconds_until(audit_next(now), now));
	if (!instant_is_none(purse_next(now)))
		wait = Min(wait, milliseconds_until(purse_next(now), now));
	if (!instant_is_none(node->next(node)))
		wait = Min(wait, milliseconds_until(node->next(node), now));
	return wait;
}

/* When it was away, everything is asked about anew, and nothing paid before. */
static void
look_whether_node_is_back(void)
{
	int64		connections = standing_connections();

	if (state.connections != 0 && connections > state.connections)
		state.has_started = false;
	state.connections = connections;
}

/* When the oldest look-up that is under way began; none: none is. */
static Instant
oldest_look(void)
{
	Instant		oldest = INSTANT_NONE;

	for (int i = 0; i < MOST_CALLS; i++)
	{
		const NodeTask *task = &calls[i].task;

		if (calls[i].is_used &&
			(task->call.operation == NODE_LOOKUP_PAYMENT || task->call.operation == NODE_LOOKUP_INVOICE) &&
			(instant_is_none(oldest) || instant_before(task->asked_at, oldest)))
			oldest = task->asked_at;
	}
	return oldest;
}

/*
 * One turn, in which nothing is waited for:
 *
 *		what has come back	the node moves its calls; answers that are there change rows
 *		who the node is		it is asked that, and for hints, where due
 *		what it has			likewise, where payments must leave something there
 *		what is due			planned and committed, then started
 *		whether all agrees	the comparison of the books with the node, a step of it
 *
 * Each rests on what stands before it: an answer may make a row due, a hint does,
 * and no payment is planned but for a node that is known, and has what it takes.
 */
static long
turn(void)
{
	Pick		pick = {.now = server_time(), .is_first = !state.is_installed, .is_stopped = state.was_stopped};

	if (state.node != worker_node())
		begin();
	state.node = worker_node();
	if (worker_node() != NULL)
		worker_node()->progress(worker_node());
	apply_answers();
	pick.can_call = state.is_installed && standing_turn(pick.now);
	/* What a hint has just made due is due in this very turn. */
	pick.now = server_time();
	if (!pick.can_call)
	{
		/* What was asked is looked up when there is a node again. */
		end_all_calls();
		state.has_started = false;
	}
	look_whether_node_is_back();
	pick.standing = standing_now();
	if (state.is_installed)
		purse_turn(&pick.standing, pick.now);
	pick.standing.purse = purse_now();
	pick_and_start(&pick);
	if (state.is_installed && !pick.has_failed)
		audit_turn(&pick.standing, pick.audit_first, oldest_look(), pick.now);
	return wait_after(&pick);
}

static int
descriptor(void)
{
	return worker_node() == NULL ? -1 : worker_node()->descriptor(worker_node());
}

const WorkerTask bitcoin_lightning_task = {
	.begin = begin,
	.turn = turn,
	.acts_outside = true,
	.descriptor = descriptor,
};
