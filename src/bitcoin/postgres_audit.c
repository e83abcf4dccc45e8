/*
 * postgres_audit.c
 *		The comparison of the books with the node, over SPI.
 *
 * A statement that begins with the word audit reads as much as there is, on
 * purpose.
 */
#include "postgres/server.h"

#include "bitcoin/postgres_audit.h"

#include "bitcoin/rows.h"
#include "bitcoin/schedule.h"
#include "bitcoin/settings.h"

#include "postgres/environment.h"

static LedgerFigures wired_ledger;

void
bitcoin_set_ledger(LedgerFigures figures)
{
	wired_ledger = figures;
}

bool
ledger_figures(Amount *owed, Amount *reserved, Amount *received)
{
	return wired_ledger != NULL && wired_ledger(owed, reserved, received);
}

/* -------------------------------------------------------------------- start */

Instant
audit_reads_from(void)
{
	static Statement all = {
		.sql = "/* audit */ SELECT 1 FROM spark_bitcoin.differences WHERE read_from IS NULL LIMIT 1"
	};
	static Statement oldest = {
		.sql = "/* audit */ SELECT least((SELECT watermark - interval '1 day' FROM spark_bitcoin.audit),"
		" (SELECT min(read_from) FROM spark_bitcoin.differences))"
	};
	Rows		rows;
	Instant		from;

	if (statement_run(&all, NO_PARAMETERS) > 0)
		return INSTANT_NONE;
	rows = rows_open(&oldest, NO_PARAMETERS);
	from = rows_next(&rows) ? row_instant(&rows, 1) : INSTANT_NONE;
	rows_close(&rows);
	return from;
}

/* What can be looked up: it went to the node, or is an invoice of the node's. */
#define UNASKED_PAYMENT \
	"SELECT 1 FROM spark_bitcoin.withdrawals" \
	" WHERE state IN ('in_flight', 'unknown', 'needs_operator')" \
	"  AND (asked_at IS NULL OR asked_at < $1)"
#define UNASKED_FAILURE \
	"SELECT 1 FROM spark_bitcoin.withdrawals" \
	" WHERE state = 'failed' AND attempt_no > 0 AND failed_at > $1 - interval '14 days'" \
	"  AND next_look_at IS NOT NULL AND (asked_at IS NULL OR asked_at < $1)"
#define UNASKED_INVOICE \
	"SELECT 1 FROM spark_bitcoin.deposits" \
	" WHERE state IN ('intent', 'open') AND payment_hash IS NOT NULL AND (asked_at IS NULL OR asked_at < $1)"

bool
is_anything_unasked_since(Instant start)
{
	static Statement statement = {
		.sql = "(" UNASKED_PAYMENT " LIMIT 1) UNION ALL (" UNASKED_FAILURE " LIMIT 1) UNION ALL ("
		UNASKED_INVOICE " LIMIT 1)"
	};

	return statement_run(&statement, PARAMETERS(param_instant(start))) > 0;
}

void
make_unasked_due(Instant start, Instant now)
{
	static Statement deposits = {
		.sql = "UPDATE spark_bitcoin.deposits SET version = version + 1, next_look_at = $2"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.deposits"
		"  WHERE state IN ('intent', 'open') AND payment_hash IS NOT NULL AND (asked_at IS NULL OR asked_at < $1)"
		"   AND next_look_at > $2 ORDER BY invoice_id FOR NO KEY UPDATE)"
	};
	static Statement withdrawals = {
		.sql = "UPDATE spark_bitcoin.withdrawals SET version = version + 1, next_look_at = $2"
		" WHERE invoice_id IN (SELECT invoice_id FROM spark_bitcoin.withdrawals"
		"  WHERE (state IN ('in_flight', 'unknown', 'needs_operator')"
		"    OR (state = 'failed' AND attempt_no > 0 AND failed_at > $1 - interval '14 days'))"
		"   AND (asked_at IS NULL OR asked_at < $1) AND next_look_at > $2 ORDER BY invoice_id FOR NO KEY UPDATE)"
	};
	const Parameter parameters[] = {param_instant(start), param_instant(now)};

	statement_run(&deposits, parameters, lengthof(parameters));
	statement_run(&withdrawals, parameters, lengthof(parameters));
}

bool
is_any_unasked_of(const char *const *hashes, size_t count, Instant start)
{
	static Statement statement = {
		.sql = "(SELECT 1 FROM spark_bitcoin.withdrawals WHERE payment_hash = ANY ($2) AND attempt_no > 0"
		"  AND state IN ('in_flight', 'unknown', 'needs_operator', 'failed') AND next_look_at IS NOT NULL"
		"  AND (asked_at IS NULL OR asked_at < $1) LIMIT 1)"
		" UNION ALL (SELECT 1 FROM spark_bitcoin.deposits WHERE payment_hash = ANY ($2)"
		"  AND state IN ('open', 'expired', 'cancelled') AND next_look_at IS NOT NULL"
		"  AND (asked_at IS NULL OR asked_at < $1) LIMIT 1)"
	};

	return count > 0 &&
		statement_run(&statement, PARAMETERS(param_instant(start), param_texts(hashes, count))) > 0;
}

/* -------------------------------------------------------------------- books */

/* Of withdrawals w: what a list of the payments begun since from, read at until, has to have. */
#define SETTLED_IN_TIME(from, until) \
	"w.state = 'succeeded' AND w.settled_at >= coalesce(" from ", '-infinity') AND w.settled_at < " until \
	" AND w.submitted_at >= coalesce(" from ", '-infinity')"
/* Likewise, of those that are open: the node has had them. */
#define TAKEN_IN_TIME(from, until) \
	"w.state IN ('in_flight', 'unknown', 'needs_operator') AND w.acknowledged_at < " until \
	" AND w.submitted_at >= coalesce(" from ", '-infinity')"

void
books_of_payments(const char *const *hashes, size_t count, Instant from, Instant until, PaymentInBooks *books,
				  bool *is_there)
{
	static Statement statement = {
		.sql = "SELECT h.no, count(*) FILTER (WHERE state = 'succeeded'),"
		" count(*) FILTER (WHERE state NOT IN ('succeeded', 'failed', 'rejected')),"
		" count(*) FILTER (WHERE state = 'failed'),"
		" coalesce(sum(amount_msat) FILTER (WHERE state = 'succeeded')::bigint, max(amount_msat)),"
		" coalesce(sum(fee_msat) FILTER (WHERE state = 'succeeded'), 0)::bigint,"
		" count(*) FILTER (WHERE " SETTLED_IN_TIME("$2", "$3") ")"
		"  FROM unnest($1) WITH ORDINALITY AS h (payment_hash, no)"
		"  JOIN spark_bitcoin.withdrawals w ON w.payment_hash = h.payment_hash"
		" WHERE w.deposit_id IS NULL AND (w.attempt_no > 0 OR w.state = 'succeeded') GROUP BY h.no"
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_texts(hashes, count), param_instant(from),
														param_instant(until)));

	memset(is_there, 0, count * sizeof(bool));
	while (rows_next(&rows))
	{
		size_t		place = (size_t) row_bigint(&rows, 1) - 1;

		is_there[place] = true;
		books[place] = (PaymentInBooks) {
			.succeeded = row_bigint(&rows, 2),
			.must_be_listed = row_bigint(&rows, 7),
			.open = row_bigint(&rows, 3),
			.failed = row_bigint(&rows, 4),
			.amount = row_amount(&rows, 5),
			.fees = row_amount(&rows, 6),
		};
	}
	rows_close(&rows);
}

void
books_of_invoices(const char *const *hashes, size_t count, InvoiceInBooks *books, bool *is_there)
{
	static Statement statement = {
		.sql = "SELECT h.no, d.state = 'settled', d.paid_by IS NOT NULL, d.state = 'open', d.received_msat"
		"  FROM unnest($1) WITH ORDINALITY AS h (payment_hash, no)"
		"  JOIN spark_bitcoin.deposits d ON d.payment_hash = h.payment_hash"
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_texts(hashes, count)));

	memset(is_there, 0, count * sizeof(bool));
	while (rows_next(&rows))
	{
		size_t		place = (size_t) row_bigint(&rows, 1) - 1;

		is_there[place] = true;
		books[place] = (InvoiceInBooks) {
			.is_settled = row_bool(&rows, 2),
			.is_paid_inside = row_bool(&rows, 3),
			.is_open = row_bool(&rows, 4),
			.received = row_amount(&rows, 5),
		};
	}
	rows_close(&rows);
}

static size_t
read_hashes(Rows rows, Arena *arena, const char ***hashes)
{
	size_t		count = 0;

	*hashes = ARENA_ARRAY(arena, const char *, rows.count + 1);
	while (rows_next(&rows))
		(*hashes)[count++] = row_text(&rows, 1, arena);
	rows_close(&rows);
	return count;
}

size_t
payments_without(Instant from, Instant until, const char *const *hashes, size_t count,
				 Arena *arena, const char ***missing)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT w.payment_hash FROM"
		" (SELECT w.payment_hash, w.settled_at FROM spark_bitcoin.withdrawals w WHERE " SETTLED_IN_TIME("$1", "$2")
		"  UNION ALL SELECT w.payment_hash, w.acknowledged_at FROM spark_bitcoin.withdrawals w"
		"   WHERE " TAKEN_IN_TIME("$1", "$2") ") w (payment_hash, since)"
		" WHERE NOT EXISTS (SELECT FROM unnest($3) AS h (payment_hash) WHERE h.payment_hash = w.payment_hash)"
		" ORDER BY w.since"
	};

	return read_hashes(rows_open(&statement, PARAMETERS(param_instant(from), param_instant(until),
														param_texts(hashes, count))), arena, missing);
}

size_t
settled_invoices_without(Instant from, Instant until, const char *const *hashes, size_t count,
						 Arena *arena, const char ***missing)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT d.payment_hash FROM spark_bitcoin.deposits d"
		" WHERE d.state = 'settled' AND d.settled_at >= coalesce($1, '-infinity') AND d.settled_at < $2"
		"  AND d.created_at >= coalesce($1, '-infinity') AND d.paid_by IS NULL"
		"  AND NOT EXISTS (SELECT FROM unnest($3) AS h (payment_hash) WHERE h.payment_hash = d.payment_hash)"
		" ORDER BY d.settled_at"
	};

	return read_hashes(rows_open(&statement, PARAMETERS(param_instant(from), param_instant(until),
														param_texts(hashes, count))), arena, missing);
}

Withdrawal *
failed_withdrawal_of(UnitOfWork *work, const char *payment_hash, Amount amount, const char **preimage)
{
	static Statement failed_one = {
		.sql = "SELECT " WITHDRAWAL_COLUMNS " FROM spark_bitcoin.withdrawals"
		" WHERE payment_hash = $1 AND amount_msat = $2 AND state = 'failed' AND attempt_no > 0"
		" ORDER BY created_at DESC, invoice_id DESC LIMIT 1 FOR NO KEY UPDATE"
	};
	static Statement proof = {
		.sql = "SELECT preimage FROM spark_bitcoin.withdrawals"
		" WHERE payment_hash = $1 AND state = 'succeeded' AND preimage IS NOT NULL LIMIT 1"
	};
	Rows		rows = rows_open(&proof, PARAMETERS(param_text(payment_hash)));
	Aggregate  *found;

	*preimage = rows_next(&rows) ? row_text(&rows, 1, work->arena) : NULL;
	rows_close(&rows);
	if (*preimage == NULL)
		return NULL;
	found = only_aggregate(&withdrawal_type,
						   rows_open(&failed_one, PARAMETERS(param_text(payment_hash), param_amount(amount))),
						   work->arena, read_withdrawal);
	return found == NULL ? NULL :
		(Withdrawal *) unit_of_work_track(work, &bitcoin.withdrawals->repository, found);
}

/* ------------------------------------------------------------------ outcome */

void
differences_store(const FoundDifference *found, size_t count, Instant read_from, Instant now)
{
	static Statement put = {
		.sql = "INSERT INTO spark_bitcoin.differences AS d"
		" (kind, payment_hash, books, node, detail, read_from, first_seen_at, last_seen_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (payment_hash, kind) DO UPDATE"
		" SET books = $3, node = $4, detail = $5, last_seen_at = $7,"
		" read_from = least(d.read_from, $6)"
	};
	static Statement drop = {
		.sql = "/* audit */ DELETE FROM spark_bitcoin.differences WHERE last_seen_at < $1"
	};

	for (size_t i = 0; i < count; i++)
		statement_run(&put, PARAMETERS(param_text(difference_kind_word(found[i].difference.kind)),
									   param_text(found[i].payment_hash), param_text(found[i].difference.books),
									   param_text(found[i].difference.node), param_text(found[i].difference.detail),
									   param_instant(read_from), param_instant(now)));
	statement_run(&drop, PARAMETERS(param_instant(now)));
}

void
audit_store(const AuditOutcome *outcome, Instant now)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.audit AS a (audit_no, began_at, ended_at, watermark, problem,"
		" owed_msat, reserved_msat, local_msat, in_flight_msat, shortfall_msat)"
		" VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (audit_no) DO UPDATE"
		" SET began_at = $1, ended_at = $2, watermark = coalesce($3, a.watermark), problem = $4, owed_msat = $5,"
		" reserved_msat = $6, local_msat = $7, in_flight_msat = $8, shortfall_msat = $9"
	};
	bool		none = !outcome->has_figures;
	const Solvency *solvency = &outcome->solvency;
	const Parameter parameters[] = {
		param_instant(outcome->began_at),
		param_instant(now),
		param_instant(outcome->problem == NULL ? outcome->began_at : INSTANT_NONE),
		param_text(outcome->problem),
		param_bigint_or_null(solvency->owed.msat, none),
		param_bigint_or_null(solvency->may_have_left.msat, none),
		param_bigint_or_null(solvency->has.local.msat, none),
		param_bigint_or_null(solvency->has.in_flight.msat, none),
		param_bigint_or_null(none ? 0 : solvency_shortfall(solvency).msat, none),
	};

	statement_run(&statement, parameters, lengthof(parameters));
}

bool
audit_query(Arena *arena, AuditView *view)
{
	static Statement statement = {
		.sql = "SELECT ended_at, watermark, problem, owed_msat, reserved_msat, local_msat, in_flight_msat,"
		" shortfall_msat FROM spark_bitcoin.audit",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	bool		found = rows_next(&rows);

	*view = (AuditView) {.problem = NULL};
	if (found)
		*view = (AuditView) {
			.ended_at = row_instant(&rows, 1),
			.watermark = row_instant(&rows, 2),
			.problem = row_text(&rows, 3, arena),
			.has_figures = !row_is_null(&rows, 4),
			.owed = row_amount(&rows, 4),
			.may_have_left = row_amount(&rows, 5),
			.local = row_amount(&rows, 6),
			.in_flight = row_amount(&rows, 7),
			.shortfall = row_amount(&rows, 8),
		};
	rows_close(&rows);
	return found;
}

int64
differences_count(void)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT count(*) FROM spark_bitcoin.differences",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	int64		count = rows_next(&rows) ? row_bigint(&rows, 1) : 0;

	rows_close(&rows);
	return count;
}

Rows
differences_query(void)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT kind, payment_hash, books, node, detail FROM spark_bitcoin.differences"
		" ORDER BY first_seen_at, payment_hash, kind"
	};

	return rows_open(&statement, NO_PARAMETERS);
}

Rows
left_behind_query(void)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT 'payment_left', w.payment_hash, 'failed: ' || w.amount_msat || ' msat', f.node_id"
		"  FROM spark_bitcoin.withdrawals w JOIN spark_bitcoin.former_nodes f USING (node_account_id)"
		" WHERE w.state = 'failed' AND w.attempt_no > 0 AND w.next_look_at IS NOT NULL"
		" UNION ALL SELECT 'invoice_left', d.payment_hash, d.state || ': ' || d.amount_msat || ' msat', f.node_id"
		"  FROM spark_bitcoin.deposits d JOIN spark_bitcoin.former_nodes f USING (node_account_id)"
		" WHERE d.state IN ('expired', 'cancelled') AND d.next_look_at IS NOT NULL"
		" ORDER BY 1, 2"
	};

	return rows_open(&statement, NO_PARAMETERS);
}
