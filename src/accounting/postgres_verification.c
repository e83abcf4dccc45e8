/*
 * postgres_verification.c
 *		Proves the books: each invariant of the ledger as one query.
 *
 * A query returns what breaks its invariant, in words, the oldest first; no row
 * means that it holds.  All run in the snapshot of the calling statement, so the
 * answer is right at any moment, whatever happens meanwhile.  They read every
 * row: the cost grows with the books, and the money path pays nothing for it.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/statement.h"

PG_FUNCTION_INFO_V1(spark_accounting_verify);

/* What the rows say that each account's counters are, beside what they are. */
#define COUNTERS_BY_ROWS \
	"WITH moved AS (" \
	"  SELECT t.*, e.transfer_id IS NULL AND t.form = 'pending' AS open, t.form IN ('direct', 'post') AS posted" \
	"    FROM spark_accounting.transfers t" \
	"    LEFT JOIN spark_accounting.transfers e ON e.pending_id = t.transfer_id)," \
	" legs AS (" \
	"  SELECT debit_account_id AS account_id, amount_msat AS debit, 0 AS credit, open, posted FROM moved" \
	"  UNION ALL" \
	"  SELECT credit_account_id, 0, amount_msat, open, posted FROM moved)," \
	" sums AS (" \
	"  SELECT account_id," \
	"   coalesce(pg_catalog.sum(debit) FILTER (WHERE posted), 0) AS debits_posted," \
	"   coalesce(pg_catalog.sum(credit) FILTER (WHERE posted), 0) AS credits_posted," \
	"   coalesce(pg_catalog.sum(debit) FILTER (WHERE open), 0) AS debits_pending," \
	"   coalesce(pg_catalog.sum(credit) FILTER (WHERE open), 0) AS credits_pending" \
	"    FROM legs GROUP BY account_id) "

/*
 * What the rows say that has left by the node or may leave, beside what is
 * counted: of each account, and of all (all_accounts_id).
 */
#define OUTFLOWS_BY_ROWS \
	", leaving AS (" \
	"  SELECT w.account_id, m.amount_msat, m.open, m.posted, m.created_at" \
	"    FROM moved m JOIN spark_accounting.accounts n ON n.account_id = m.credit_account_id AND n.class = 'node'," \
	"     LATERAL (VALUES (m.debit_account_id), ('00000000-0000-7000-8001-000000000003'::uuid)) AS w (account_id)" \
	"   WHERE m.purpose <> 'receive_fee' AND (m.open OR m.posted))," \
	" reserves AS (" \
	"  SELECT account_id, coalesce(pg_catalog.sum(amount_msat) FILTER (WHERE open), 0) AS reserved" \
	"    FROM leaving GROUP BY account_id)," \
	" hours AS (" \
	"  SELECT o.account_id, o.hour - (h.place - 1) * interval '1 hour' AS hour, h.gone_msat" \
	"    FROM spark_accounting.outflows o, unnest(o.gone_msat) WITH ORDINALITY AS h (gone_msat, place))," \
	" gone AS (" \
	"  SELECT l.account_id, pg_catalog.date_bin('1 hour', l.created_at, 'epoch'::timestamptz) AS hour, pg_catalog.sum(l.amount_msat) AS gone" \
	"    FROM leaving l JOIN spark_accounting.outflows o" \
	"      ON o.account_id = l.account_id AND l.created_at >= o.hour - interval '24 hours'" \
	"   WHERE l.posted GROUP BY 1, 2)," \
	" miscounted AS (" \
	"  SELECT pg_catalog.format('outflow of %s: reserved %s msat, transfers %s'," \
	"   coalesce(o.account_id, r.account_id), o.reserved_msat, r.reserved) AS words" \
	"    FROM spark_accounting.outflows o FULL JOIN reserves r ON r.account_id = o.account_id" \
	"   WHERE coalesce(o.reserved_msat <> coalesce(r.reserved, 0), true)" \
	"  UNION ALL" \
	"  SELECT pg_catalog.format('outflow of %s, hour %s: %s msat, transfers %s'," \
	"   coalesce(h.account_id, g.account_id), coalesce(h.hour, g.hour), h.gone_msat, g.gone)" \
	"    FROM hours h FULL JOIN gone g ON g.account_id = h.account_id AND g.hour = h.hour" \
	"   WHERE coalesce(h.gone_msat, 0) <> coalesce(g.gone, 0)) "

/*
 * Each row beside the seal before it, and what it must have been sealed with:
 * the text of transfer_content(), byte for byte.
 */
#define CHAIN \
	"WITH chain AS (" \
	"  SELECT transfer_id, debit_account_id, sequence, created_at, seal," \
	"   pg_catalog.row_number() OVER in_order AS place," \
	"   pg_catalog.lag(seal, 1, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex')) OVER in_order AS seal_before," \
	"   pg_catalog.concat_ws('|', transfer_id, sequence, debit_account_id, credit_account_id, form, purpose," \
	"    pg_catalog.octet_length(idempotency_key) || ':' || idempotency_key, kind, amount_msat," \
	"    coalesce(fee_limit_msat, 0), coalesce(pending_id::text, ''), coalesce(linked_id::text, '')," \
	"    coalesce(campaign_id::text, ''), coalesce(from_invoice_id::text, ''), coalesce(to_invoice_id::text, '')," \
	"    coalesce((extract(epoch FROM expires_at) * 1000000)::bigint, 0)," \
	"    (extract(epoch FROM created_at) * 1000000)::bigint, coalesce(reason, '')) AS content" \
	"    FROM spark_accounting.transfers" \
	"    WINDOW in_order AS (PARTITION BY debit_account_id ORDER BY sequence, transfer_id))," \
	" heads AS (" \
	"  SELECT DISTINCT ON (debit_account_id) debit_account_id, sequence, seal" \
	"    FROM spark_accounting.transfers ORDER BY debit_account_id, sequence DESC) "

typedef struct Invariant
{
	const char *name;
	const char *holds;			/* the detail while it does */
	Statement	violations;		/* one text column */
} Invariant;

static Invariant invariants[] = {
	{"I1", "debits and credits are equal, posted and pending", {
			.sql = "SELECT pg_catalog.format('posted: debits %s, credits %s; pending: debits %s, credits %s',"
			" dp, cp, dn, cn)"
			"  FROM (SELECT pg_catalog.sum(debits_posted_msat) AS dp, pg_catalog.sum(credits_posted_msat) AS cp,"
			"    pg_catalog.sum(debits_pending_msat) AS dn, pg_catalog.sum(credits_pending_msat) AS cn"
			"    FROM spark_accounting.accounts) s"
			" WHERE dp <> cp OR dn <> cn",
			.read_only = true
	}},
	{"I2", "every counter is the sum of its transfers", {
			.sql = COUNTERS_BY_ROWS OUTFLOWS_BY_ROWS
			"(SELECT pg_catalog.format('account %s: counters %s %s %s %s, transfers %s %s %s %s',"
			" coalesce(a.account_id, s.account_id), debits_posted_msat, credits_posted_msat, debits_pending_msat,"
			" credits_pending_msat, debits_posted, credits_posted, debits_pending, credits_pending)"
			"  FROM spark_accounting.accounts a FULL JOIN sums s ON s.account_id = a.account_id"
			" WHERE a.account_id IS NULL"
			"  OR debits_posted_msat <> coalesce(debits_posted, 0)"
			"  OR credits_posted_msat <> coalesce(credits_posted, 0)"
			"  OR debits_pending_msat <> coalesce(debits_pending, 0)"
			"  OR credits_pending_msat <> coalesce(credits_pending, 0)"
			" ORDER BY a.opened_at LIMIT 1)"
			" UNION ALL (SELECT words FROM miscounted ORDER BY words LIMIT 1)",
			.read_only = true
	}},
	{"I3", "no counter is below 0", {
			.sql = "SELECT pg_catalog.format('account %s has a counter below 0', account_id)"
			"  FROM spark_accounting.accounts"
			" WHERE least(debits_posted_msat, credits_posted_msat, debits_pending_msat, credits_pending_msat) < 0"
			" ORDER BY opened_at LIMIT 1",
			.read_only = true
	}},
	{"I4", "no strict account has less than 0 available", {
			.sql = "SELECT pg_catalog.format('account %s has %s msat available', account_id,"
			" credits_posted_msat::numeric - debits_posted_msat - debits_pending_msat)"
			"  FROM spark_accounting.accounts"
			" WHERE (strict OR class IN ('user', 'guest', 'fee'))"
			"  AND credits_posted_msat::numeric - debits_posted_msat - debits_pending_msat < 0"
			" ORDER BY opened_at LIMIT 1",
			.read_only = true
	}},
	{"I5", "every pending transfer ends at most once, with at most its amount", {
			.sql = "SELECT pg_catalog.format('transfer %s ends %s as %s of %s msat', e.transfer_id, e.pending_id,"
			" e.form, e.amount_msat)"
			"  FROM spark_accounting.transfers e"
			"  LEFT JOIN spark_accounting.transfers p ON p.transfer_id = e.pending_id"
			" WHERE e.pending_id IS NOT NULL"
			"  AND (p.transfer_id IS NULL OR p.form <> 'pending' OR e.amount_msat > p.amount_msat"
			"   OR e.debit_account_id <> p.debit_account_id OR e.credit_account_id <> p.credit_account_id"
			"   OR EXISTS (SELECT FROM spark_accounting.transfers o"
			"     WHERE o.pending_id = e.pending_id AND o.transfer_id <> e.transfer_id))"
			" ORDER BY e.created_at, e.transfer_id LIMIT 1",
			.read_only = true
	}},
	{"I6", "no rejected request has moved anything", {
			.sql = "SELECT pg_catalog.format('transfer %s was rejected as %s', t.transfer_id, r.reason)"
			"  FROM spark_accounting.rejections r"
			"  JOIN spark_accounting.transfers t USING (debit_account_id, purpose, idempotency_key)"
			" ORDER BY t.created_at, t.transfer_id LIMIT 1",
			.read_only = true
	}},
	{"I7", "every name has one row", {
			.sql = "SELECT pg_catalog.format('account %s has %s rows of purpose %s with one key: %s',"
			" debit_account_id, count, purpose, ids)"
			"  FROM (SELECT debit_account_id, purpose, idempotency_key, pg_catalog.count(*) AS count,"
			"    pg_catalog.string_agg(transfer_id::text, ', ' ORDER BY created_at) AS ids,"
			"    pg_catalog.min(created_at) AS created_at"
			"    FROM spark_accounting.transfers GROUP BY 1, 2, 3 HAVING pg_catalog.count(*) > 1) d"
			" ORDER BY created_at LIMIT 1",
			.read_only = true
	}},
	{"I8", "every linked transfer stands beside what it belongs to", {
			.sql = "SELECT pg_catalog.format('transfer %s is linked to %s, which is not there or still pending',"
			" l.transfer_id, l.linked_id)"
			"  FROM spark_accounting.transfers l"
			"  LEFT JOIN spark_accounting.transfers t ON t.transfer_id = l.linked_id"
			" WHERE l.linked_id IS NOT NULL"
			"  AND (t.transfer_id IS NULL OR t.form = 'pending' AND NOT EXISTS"
			"    (SELECT FROM spark_accounting.transfers e WHERE e.pending_id = t.transfer_id"
			"      AND e.created_at <= l.created_at))"
			" ORDER BY l.created_at, l.transfer_id LIMIT 1",
			.read_only = true
	}},
	{"I9", "every row fits its seal, from the first to the last of each account", {
			.sql = CHAIN
			"SELECT words FROM ("
			" SELECT created_at, transfer_id, pg_catalog.format('transfer %s, number %s of account %s,"
			" was changed, or one before it was removed', transfer_id, sequence, debit_account_id) AS words"
			"  FROM chain"
			" WHERE sequence <> place OR seal <> pg_catalog.sha256(seal_before ||"
			"  pg_catalog.convert_to(content, pg_catalog.getdatabaseencoding()))"
			" UNION ALL"
			" SELECT 'infinity', a.account_id, pg_catalog.format('account %s was debited by %s rows, the last of them"
			" is missing or another', a.account_id, a.sequence)"
			"  FROM spark_accounting.accounts a LEFT JOIN heads h ON h.debit_account_id = a.account_id"
			" WHERE a.sequence <> coalesce(h.sequence, 0) OR a.sequence > 0 AND a.seal <> h.seal"
			") broken ORDER BY created_at, transfer_id LIMIT 1",
			.read_only = true
	}},
	{"I11", "what all others have is what the node is said to have", {
			.sql = "SELECT pg_catalog.format('all others: %s msat, node: %s msat', others, node)"
			"  FROM (SELECT"
			"    coalesce(pg_catalog.sum(credits_posted_msat::numeric - debits_posted_msat)"
			"      FILTER (WHERE class <> 'node'), 0) AS others,"
			"    coalesce(pg_catalog.sum(debits_posted_msat::numeric - credits_posted_msat)"
			"      FILTER (WHERE class = 'node'), 0) AS node"
			"    FROM spark_accounting.accounts) s"
			" WHERE others <> node",
			.read_only = true
	}},
	{"I13", "every payment hash is credited at most once", {
			.sql = "SELECT pg_catalog.format('payment hash %s is credited by %s transfers', idempotency_key, count)"
			"  FROM (SELECT idempotency_key, pg_catalog.count(*) AS count, pg_catalog.min(created_at) AS created_at"
			"    FROM spark_accounting.transfers WHERE purpose = 'deposit'"
			"    GROUP BY 1 HAVING pg_catalog.count(*) > 1) d"
			" ORDER BY created_at LIMIT 1",
			.read_only = true
	}},
};

Datum
spark_accounting_verify(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);

	installed_required("accounting");
	for (size_t i = 0; i < lengthof(invariants); i++)
	{
		Rows		rows = rows_open(&invariants[i].violations, NO_PARAMETERS);
		bool		holds = !rows_next(&rows);
		const char *detail = holds ? invariants[i].holds : row_text(&rows, 1, arena);

		rows_close(&rows);
		answer_text(&answer, invariants[i].name);
		answer_bool(&answer, holds);
		answer_text(&answer, detail);
		answer_put(&answer);
	}
	return (Datum) 0;
}
