/*
 * postgres_due.c
 *		What the worker reads and writes beside the ports.
 *
 * Rows that are due are locked as they are picked; what somebody else has
 * locked is left for the next turn, so that the worker waits for nobody.
 */
#include "postgres/server.h"

#include "bitcoin/postgres.h"

#include "bitcoin/postgres_breaker.h"
#include "bitcoin/rows.h"

/* ---------------------------------------------------------------- due rows */

#define PICKED " AND NOT (invoice_id = ANY ($2)) ORDER BY next_look_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
#define DUE_DEPOSIT "SELECT " DEPOSIT_COLUMNS " FROM spark_bitcoin.deposits WHERE next_look_at <= $1"
#define DUE_WITHDRAWAL "SELECT " WITHDRAWAL_COLUMNS " FROM spark_bitcoin.withdrawals WHERE next_look_at <= $1"

static Statement *
due_statement(DueKind kind)
{
	static Statement deposits = {.sql = DUE_DEPOSIT PICKED};
	static Statement open_deposits = {.sql = DUE_DEPOSIT " AND state <> 'intent'" PICKED};
	/* Of these, $1 is the moment before which they were asked for. */
	static Statement late_intents = {
		.sql = "SELECT " DEPOSIT_COLUMNS " FROM spark_bitcoin.deposits"
		" WHERE state = 'intent' AND created_at <= $1" PICKED
	};
	static Statement payments = {.sql = DUE_WITHDRAWAL " AND state = 'reserved'" PICKED};
	static Statement expired = {
		.sql = "SELECT " WITHDRAWAL_COLUMNS " FROM spark_bitcoin.withdrawals"
		" WHERE state = 'reserved' AND expires_at <= $1" PICKED
	};
	static Statement looks = {.sql = DUE_WITHDRAWAL " AND state <> 'reserved'" PICKED};

	switch (kind)
	{
		case DUE_DEPOSITS:
			return &deposits;
		case DUE_OPEN_DEPOSITS:
			return &open_deposits;
		case DUE_LATE_INTENTS:
			return &late_intents;
		case DUE_PAYMENTS:
			return &payments;
		case DUE_EXPIRED:
			return &expired;
		case DUE_LOOKS:
			return &looks;
	}
	return NULL;
}

static bool
is_of_deposits(DueKind kind)
{
	return kind == DUE_DEPOSITS || kind == DUE_OPEN_DEPOSITS || kind == DUE_LATE_INTENTS;
}

size_t
due_rows(UnitOfWork *work, DueKind kind, Instant now, const Uuid *without, size_t without_count,
		 size_t limit, Aggregate **found)
{
	const Repository *repository = is_of_deposits(kind) ?
		&bitcoin.deposits->repository : &bitcoin.withdrawals->repository;
	Rows		rows = rows_open(due_statement(kind), PARAMETERS(param_instant(now),
																 param_uuids(without, without_count),
																 param_bigint((int64) limit)));
	size_t		count = 0;

	while (count < limit && rows_next(&rows))
		found[count++] = aggregate_of_row(repository->type, &rows, work->arena,
										  is_of_deposits(kind) ? read_deposit : read_withdrawal);
	rows_close(&rows);
	for (size_t i = 0; i < count; i++)
		found[i] = unit_of_work_track(work, repository, found[i]);
	return count;
}

Instant
next_due(void)
{
	static Statement statement = {
		.sql = "SELECT least((SELECT min(next_look_at) FROM spark_bitcoin.deposits WHERE next_look_at IS NOT NULL),"
		" (SELECT min(next_look_at) FROM spark_bitcoin.withdrawals WHERE state = 'reserved'),"
		" (SELECT min(next_look_at) FROM spark_bitcoin.withdrawals"
		"  WHERE state <> 'reserved' AND next_look_at IS NOT NULL))"
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	Instant		due = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;

	rows_close(&rows);
	return due;
}

/* ------------------------------------------------------------ all at a start */

/*
 * In the one order of locks, deposits first.  The version moves, so that an
 * aggregate which was read before is not written back over this.
 */
void
make_all_due(Instant now, int64_t failed_for_seconds)
{
	static Statement invoices = {
		.sql = "UPDATE spark_bitcoin.deposits d SET version = version + 1, next_look_at = $1"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.deposits"
		"  WHERE next_look_at > $1 AND state IN ('intent', 'open') ORDER BY invoice_id FOR NO KEY UPDATE)"
	};
	/* Before any of them changes, as the statements that follow would not lock by id. */
	static Statement hold_withdrawals = {
		.sql = "SELECT FROM spark_bitcoin.withdrawals WHERE invoice_id IN"
		" (SELECT invoice_id FROM spark_bitcoin.withdrawals"
		"   WHERE state IN ('submitting', 'in_flight', 'unknown', 'needs_operator')"
		"  UNION ALL SELECT invoice_id FROM spark_bitcoin.withdrawals"
		"   WHERE state = 'failed' AND attempt_no > 0 AND failed_at > $1)"
		" ORDER BY invoice_id FOR NO KEY UPDATE"
	};
	static Statement open = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = $1"
		" WHERE state IN ('in_flight', 'unknown', 'needs_operator') AND next_look_at IS DISTINCT FROM $1"
	};
	static Statement lately_failed = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = $1"
		" WHERE state = 'failed' AND attempt_no > 0 AND failed_at > $2"
	};

	Instant		failed_since = instant_plus_seconds(now, -failed_for_seconds);

	statement_run(&invoices, PARAMETERS(param_instant(now)));
	statement_run(&hold_withdrawals, PARAMETERS(param_instant(failed_since)));
	statement_run(&open, PARAMETERS(param_instant(now)));
	/* Behind those that are open, which no payment starts before. */
	statement_run(&lately_failed, PARAMETERS(param_instant(instant_plus_seconds(now, 1)),
											 param_instant(failed_since)));
}

void
abandon_submissions(Instant now, const Uuid *without, size_t without_count)
{
	static Statement submitting = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1, state = 'unknown', next_look_at = $1,"
		" submit_deadline = greatest(submit_deadline, $1)"
		" WHERE state = 'submitting' AND NOT (invoice_id = ANY ($2))"
	};

	statement_run(&submitting, PARAMETERS(param_instant(now), param_uuids(without, without_count)));
}

void
doubt_unsent_payments(Instant now)
{
	static Statement unsent = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1,"
		" state = CASE state WHEN 'reserved' THEN 'unknown' ELSE state END,"
		" attempt_no = greatest(attempt_no, 1), submitted_at = coalesce(submitted_at, created_at),"
		" submit_deadline = $1, acknowledged_at = NULL, not_found_at = NULL,"
		" next_look_at = CASE state WHEN 'reserved' THEN $1 ELSE next_look_at END"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.withdrawals"
		"  WHERE state IN ('requested', 'reserved') AND deposit_id IS NULL ORDER BY invoice_id FOR NO KEY UPDATE)"
	};

	statement_run(&unsent, PARAMETERS(param_instant(now)));
	breaker_wants_audit(true);
}

void
make_waiting_payments_due(Instant now)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = $1"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.withdrawals"
		"  WHERE state = 'reserved' AND next_look_at > $1 AND deposit_id IS NULL AND NOT tried_before"
		"  ORDER BY invoice_id FOR NO KEY UPDATE SKIP LOCKED)"
	};

	statement_run(&statement, PARAMETERS(param_instant(now)));
}

bool
is_payment_unasked_since(Instant start, const Uuid *without, size_t without_count)
{
	static Statement statement = {
		.sql = "SELECT 1 FROM spark_bitcoin.withdrawals"
		" WHERE state IN ('submitting', 'in_flight', 'unknown', 'needs_operator')"
		" AND (asked_at IS NULL OR asked_at < $1) AND NOT (invoice_id = ANY ($2)) LIMIT 1"
	};

	return statement_run(&statement, PARAMETERS(param_instant(start), param_uuids(without, without_count))) > 0;
}

#define SUM "coalesce(sum(amount_msat + max_fee_msat)"

/* What needs an operator was begun long ago: what became of it, the balance tells by now. */
PaymentsBegun
payments_begun(void)
{
	static Statement statement = {
		.sql = "SELECT " SUM " FILTER (WHERE state IN ('submitting', 'unknown')), 0)::bigint,"
		" " SUM " FILTER (WHERE state IN ('in_flight', 'needs_operator')), 0)::bigint"
		"  FROM spark_bitcoin.withdrawals"
		" WHERE state IN ('submitting', 'in_flight', 'unknown', 'needs_operator')"
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	PaymentsBegun begun = {AMOUNT_ZERO, AMOUNT_ZERO};

	if (rows_next(&rows))
		begun = (PaymentsBegun) {.not_taken = row_amount(&rows, 1), .taken = row_amount(&rows, 2)};
	rows_close(&rows);
	return begun;
}

Amount
waiting_payments_sum(void)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT " SUM ", 0)::bigint FROM spark_bitcoin.withdrawals"
		" WHERE state = 'reserved' AND deposit_id IS NULL"
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	Amount		sum = rows_next(&rows) ? row_amount(&rows, 1) : AMOUNT_ZERO;

	rows_close(&rows);
	return sum;
}

/* ------------------------------------------------------------------- hints */

void
make_due_by_hash(const char *const *hashes, size_t count, Instant now)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.deposits SET version = version + 1, wanted_at = $2, next_look_at = $2"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.deposits"
		"  WHERE payment_hash = ANY ($1) AND state IN ('open', 'expired', 'cancelled')"
		"  ORDER BY invoice_id FOR NO KEY UPDATE)"
	};

	statement_run(&statement, PARAMETERS(param_texts(hashes, count), param_instant(now)));
}

/* What is being submitted is left to its submitter. */
void
make_payments_due_by_hash(const char *const *hashes, size_t count, Instant now)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = $2"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.withdrawals"
		"  WHERE payment_hash = ANY ($1) AND next_look_at > $2 AND deposit_id IS NULL AND attempt_no > 0"
		"  AND state IN ('reserved', 'in_flight', 'unknown', 'needs_operator', 'failed')"
		"  ORDER BY invoice_id FOR NO KEY UPDATE)"
	};

	statement_run(&statement, PARAMETERS(param_texts(hashes, count), param_instant(now)));
}

/* --------------------------------------------------------------- node state */

bool
node_state_query(Arena *arena, bool read_only, NodeState *state)
{
	static Statement fresh = {
		.sql = "SELECT backend, ready, last_answer_at, last_error, settled_cursor FROM spark_bitcoin.node_state"
	};
	static Statement plain = {
		.sql = "SELECT backend, ready, last_answer_at, last_error, settled_cursor FROM spark_bitcoin.node_state",
		.read_only = true
	};
	Rows		rows = rows_open(read_only ? &plain : &fresh, NO_PARAMETERS);
	bool		found = rows_next(&rows);

	*state = (NodeState) {.backend = ""};
	if (found)
		*state = (NodeState) {
			.backend = row_text(&rows, 1, arena),
			.ready = row_bool(&rows, 2),
			.last_answer_at = row_instant(&rows, 3),
			.last_error = row_text(&rows, 4, arena),
			.settled_cursor = row_bigint(&rows, 5),
		};
	rows_close(&rows);
	return found;
}

void
node_state_store(const NodeState *state)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.node_state"
		" (state_no, backend, ready, last_answer_at, last_error, settled_cursor)"
		" VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (state_no) DO UPDATE"
		" SET backend = excluded.backend, ready = excluded.ready, last_answer_at = excluded.last_answer_at,"
		" last_error = excluded.last_error, settled_cursor = excluded.settled_cursor"
	};
	const Parameter parameters[] = {
		param_text(state->backend),
		param_bool(state->ready),
		param_instant(state->last_answer_at),
		param_text(state->last_error),
		param_bigint(state->settled_cursor),
	};

	statement_run(&statement, parameters, lengthof(parameters));
}
