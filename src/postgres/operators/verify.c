/*
 * verify.c
 *		spark_ops.verify(): the invariants that span the contexts.
 *
 * Each is one query that finds what breaks it, under the one snapshot of the
 * caller's statement, so that the answer is right at any moment: what spans two
 * contexts counts the messages that are still on their way between them.
 *
 * This file knows the books by their tables, as an auditor does; no code of a
 * context is called.
 */
#include "postgres/server.h"

#include "postgres/answers.h"
#include "postgres/bus/bus_functions.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/statement.h"

PG_FUNCTION_INFO_V1(spark_ops_verify_between);

typedef struct Invariant
{
	const char *name;
	const char *holds;			/* the detail where it holds */
	const char *needs[2];		/* the contexts whose books it compares */
	Statement	violations;		/* text of the first violations; no row: it holds */
} Invariant;

/* I10: a campaign's total is the sum of its donations, and those of the ledger. */
#define I10_QUERY \
	"SELECT pg_catalog.format('campaign %s: total %s, donations %s', c.campaign_id, c.raised_msat, COALESCE(d.sum, 0))" \
	" FROM spark_crowdfunding.campaigns c" \
	" LEFT JOIN (SELECT campaign_id, pg_catalog.sum(amount_msat) AS sum, pg_catalog.count(*) AS count" \
	"  FROM spark_crowdfunding.donations WHERE status = 'confirmed' GROUP BY 1) d USING (campaign_id)" \
	" WHERE c.raised_msat <> COALESCE(d.sum, 0) OR c.donation_count <> COALESCE(d.count, 0)" \
	" UNION ALL SELECT pg_catalog.format('donation %s is confirmed without a transfer', d.donation_id)" \
	" FROM spark_crowdfunding.donations d WHERE d.status = 'confirmed' AND NOT EXISTS" \
	" (SELECT FROM spark_accounting.transfers t WHERE t.debit_account_id = d.donor_id AND t.purpose = 'donation'" \
	"  AND t.idempotency_key = d.idempotency_key AND t.credit_account_id = d.owner_id AND t.amount_msat = d.amount_msat)" \
	" UNION ALL SELECT pg_catalog.format('transfer %s has no confirmed donation', t.transfer_id)" \
	" FROM spark_accounting.transfers t WHERE t.purpose = 'donation' AND t.form = 'direct' AND NOT EXISTS" \
	" (SELECT FROM spark_crowdfunding.donations d WHERE d.donor_id = t.debit_account_id" \
	"  AND d.idempotency_key = t.idempotency_key AND d.status = 'confirmed' AND d.amount_msat = t.amount_msat)" \
	" AND NOT EXISTS (SELECT FROM spark_common.undelivered u WHERE u.consumer = 'crowdfunding'" \
	"  AND u.type = 'accounting.transfer_succeeded' AND u.payload ->> 'transfer_id' = t.transfer_id::text)" \
	" LIMIT 3"

/* I12: what is reserved is what the node was told; a hash is paid by one withdrawal. */
#define I12_QUERY \
	"SELECT pg_catalog.format('payment hash %s is in %s live withdrawals', payment_hash, pg_catalog.count(*))" \
	" FROM spark_bitcoin.withdrawals WHERE state NOT IN ('rejected', 'failed') AND NOT paid_beside" \
	" GROUP BY payment_hash HAVING pg_catalog.count(*) > 1" \
	" UNION ALL SELECT pg_catalog.format('withdrawal %s was submitted without its reserve', w.invoice_id)" \
	" FROM spark_bitcoin.withdrawals w WHERE w.payee_id IS NULL" \
	" AND w.state IN ('reserved', 'submitting', 'in_flight', 'unknown', 'needs_operator')" \
	" AND NOT EXISTS (SELECT FROM spark_accounting.transfers t WHERE t.debit_account_id = w.account_id" \
	"  AND t.purpose = 'withdrawal' AND t.idempotency_key = w.invoice_id::text AND t.form = 'pending'" \
	"  AND t.amount_msat = w.amount_msat + w.max_fee_msat)" \
	" UNION ALL SELECT pg_catalog.format('the reserve of withdrawal %s ended before it did', w.invoice_id)" \
	" FROM spark_bitcoin.withdrawals w JOIN spark_accounting.transfers t ON t.debit_account_id = w.account_id" \
	"  AND t.purpose = 'withdrawal' AND t.idempotency_key = w.invoice_id::text AND t.form = 'pending'" \
	" JOIN spark_accounting.transfers e ON e.pending_id = t.transfer_id" \
	" WHERE w.payee_id IS NULL AND w.state IN ('reserved', 'submitting', 'in_flight', 'unknown', 'needs_operator')" \
	" LIMIT 3"

/* I13: a hash is credited once at most, and only with its preimage. */
#define I13_QUERY \
	"SELECT pg_catalog.format('payment hash %s is credited %s times', idempotency_key, pg_catalog.count(*))" \
	" FROM spark_accounting.transfers WHERE purpose = 'deposit' AND pending_id IS NULL" \
	" GROUP BY idempotency_key HAVING pg_catalog.count(*) > 1" \
	" UNION ALL SELECT pg_catalog.format('the preimage of deposit %s does not fit its hash', invoice_id)" \
	" FROM spark_bitcoin.deposits WHERE preimage IS NOT NULL" \
	" AND pg_catalog.encode(pg_catalog.sha256(pg_catalog.decode(preimage, 'hex')), 'hex') <> payment_hash" \
	" UNION ALL SELECT pg_catalog.format('transfer %s credits a deposit that is not settled', t.transfer_id)" \
	" FROM spark_accounting.transfers t WHERE t.purpose = 'deposit' AND t.pending_id IS NULL AND NOT EXISTS" \
	" (SELECT FROM spark_bitcoin.deposits d WHERE d.payment_hash = t.idempotency_key AND d.state = 'settled'" \
	"  AND d.received_msat = t.amount_msat)" \
	" LIMIT 3"

/* I14: the dashboard has each money change once, or its message is on the way. */
#define I14_QUERY \
	"SELECT pg_catalog.format('transfer %s is %s in the ledger, %s on the dashboard', t.transfer_id, t.state, COALESCE(m.state, 'missing'))" \
	" FROM (SELECT t.transfer_id, CASE WHEN t.form = 'direct' OR e.form = 'post' THEN 'posted'" \
	"   WHEN e.form = 'void' THEN 'voided' ELSE 'pending' END AS state, t.kind, t.linked_id," \
	"   COALESCE(t.from_invoice_id, t.to_invoice_id) AS invoice_id" \
	"  FROM spark_accounting.transfers t LEFT JOIN spark_accounting.transfers e ON e.pending_id = t.transfer_id" \
	"  WHERE t.pending_id IS NULL AND EXISTS (SELECT FROM spark_accounting.accounts a" \
	"   WHERE a.account_id IN (t.debit_account_id, t.credit_account_id) AND a.class = 'user')) t" \
	" LEFT JOIN spark_dashboard.movements m USING (transfer_id)" \
	" WHERE m.state IS DISTINCT FROM t.state AND NOT EXISTS" \
	" (SELECT FROM spark_common.undelivered u WHERE u.consumer = 'dashboard'" \
	"  AND (u.payload ->> 'transfer_id' IN (t.transfer_id::text, t.linked_id::text)" \
	"   OR u.payload ->> 'fee_transfer_id' = t.transfer_id::text))" \
	" LIMIT 3"

static Invariant invariants[] = {
	{"I10", "each campaign's total is the sum of its donations and of their transfers",
	{"accounting", "crowdfunding"},
	{.sql = I10_QUERY, .read_only = true}},
	{"I12", "each payment has its reserve, each hash one live withdrawal",
	{"accounting", "bitcoin"},
	{.sql = I12_QUERY, .read_only = true}},
	{"I13", "each received payment is credited once, with its preimage",
	{"accounting", "bitcoin"},
	{.sql = I13_QUERY, .read_only = true}},
	{"I14", "each money change is on the dashboard once, or its message is on the way",
	{"accounting", "dashboard"},
	{.sql = I14_QUERY, .read_only = true}},
};

/* A context that was never installed here, NULL: all are here.  Contexts may live apart. */
static const char *
absent_context(const Invariant *invariant)
{
	for (size_t i = 0; i < lengthof(invariant->needs); i++)
	{
		if (installed_version(invariant->needs[i]) == 0)
			return invariant->needs[i];
		installed_required(invariant->needs[i]);
	}
	return NULL;
}

static const char *
first_violations(Invariant *invariant, Arena *arena)
{
	const char *detail = NULL;
	Rows		rows = rows_open(&invariant->violations, NO_PARAMETERS);

	while (rows_next(&rows))
		detail = arena_printf(arena, "%s%s%s", detail != NULL ? detail : "", detail != NULL ? "; " : "",
							  row_text(&rows, 1, arena));
	rows_close(&rows);
	return detail;
}

static void
put_invariant(Answer *answer, Invariant *invariant, Arena *arena)
{
	const char *absent = absent_context(invariant);
	const char *detail = absent == NULL ? first_violations(invariant, arena) : NULL;

	answer_text(answer, invariant->name);
	answer_bool(answer, detail == NULL);
	if (absent != NULL)
		answer_text(answer, arena_printf(arena, "not compared: context %s is not installed in this database", absent));
	else
		answer_text(answer, detail != NULL ? detail : invariant->holds);
	answer_put(answer);
}

Datum
spark_ops_verify_between(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);

	installed_required("common");
	for (size_t i = 0; i < lengthof(invariants); i++)
		put_invariant(&answer, &invariants[i], arena);
	return (Datum) 0;
}
