/*
 * frozen_accounts.c
 *		Accounts that pay nothing until an operator has looked: who they are, what
 *		froze them, and the way back.
 *
 * Locks: unfreeze_account() has the account's row locked until its transaction
 * ends, as a batch of the ledger has it.
 */
#include "postgres/server.h"

#include "accounting/frozen_accounts.h"

#include "accounting/postgres.h"

#include "common/json.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/installed.h"
#include "postgres/operators/operator_log.h"

#include "miscadmin.h"

PG_FUNCTION_INFO_V1(spark_accounting_frozen_accounts);
PG_FUNCTION_INFO_V1(spark_accounting_unfreeze_account);

#define DEFAULT_LIMIT 100
#define MAX_ACCOUNTS 10000

/* ----------------------------------------------------------------- queries */

/*
 * $1 is account suspense, whose legs name the withdrawal that they belong to;
 * $2 how many accounts at most.
 */
#define FROZEN \
	"SELECT a.account_id, a.frozen_at, a.frozen_reason, a.credits_posted_msat - a.debits_posted_msat AS posted," \
	" a.credits_posted_msat - a.debits_posted_msat - a.debits_pending_msat AS available," \
	" coalesce(late.payments, 0) AS payments, coalesce(late.paid, 0) AS paid, coalesce(late.uncovered, 0) AS uncovered" \
	"  FROM (SELECT * FROM spark_accounting.accounts WHERE frozen_at IS NOT NULL ORDER BY frozen_at LIMIT $2) a" \
	"  LEFT JOIN LATERAL (SELECT count(DISTINCT idempotency_key) AS payments," \
	"    sum(amount_msat) FILTER (WHERE debit_account_id <> $1)::bigint AS paid," \
	"    sum(amount_msat) FILTER (WHERE debit_account_id = $1)::bigint AS uncovered" \
	"    FROM (SELECT * FROM spark_accounting.transfers" \
	"     WHERE debit_account_id = a.account_id AND purpose = 'late' AND created_at >= a.frozen_at" \
	"     UNION ALL SELECT s.* FROM spark_accounting.transfers s" \
	"      JOIN spark_accounting.transfers w ON w.transfer_id = s.linked_id AND w.debit_account_id = a.account_id" \
	"     WHERE s.debit_account_id = $1 AND s.purpose = 'late' AND s.created_at >= a.frozen_at) legs) late ON true" \
	" ORDER BY a.frozen_at, a.account_id"

static Rows
frozen_accounts(int limit)
{
	static Statement statement = {.sql = FROZEN, .read_only = true};

	return rows_open(&statement, PARAMETERS(param_uuid(suspense_account_id), param_int(limit)));
}

/* ------------------------------------------------------------------ health */

/* The accounts alone: no transfer is read. */
static Statement count_frozen = {
	.sql = "SELECT count(*), (array_agg(account_id || ': ' || frozen_reason ORDER BY frozen_at, account_id))[1]"
	" FROM (SELECT * FROM spark_accounting.accounts WHERE frozen_at IS NOT NULL ORDER BY frozen_at LIMIT $1) frozen",
	.read_only = true};

static Statement sum_late_payments = {
	.sql = "SELECT sum(payments)::bigint, sum(paid)::bigint, sum(uncovered)::bigint FROM (" FROZEN ") frozen",
	.read_only = true};

/* True where there are no accounts to look at in this database. */
static bool
is_without_ledger(HealthCheck *said)
{
	if (tables_are_current("accounting"))
		return false;
	*said = installed_version("accounting") == 0 ?
		(HealthCheck) {.ok = true, .detail = "context accounting is not installed in this database"} :
		(HealthCheck) {.ok = false, .detail = "the tables are of another version: run SELECT * FROM spark.install()"};
	return true;
}

HealthCheck
frozen_probe(Arena *arena)
{
	HealthCheck said = {.ok = false};
	Rows		rows;

	if (is_without_ledger(&said))
		return said;
	rows = rows_open(&count_frozen, PARAMETERS(param_int(MAX_ACCOUNTS)));
	(void) rows_next(&rows);
	if (row_bigint(&rows, 1) == 0)
		said = (HealthCheck) {.ok = true, .detail = "no account is frozen"};
	else
		said.detail = arena_printf(arena, "%lld accounts pay nothing, the first %s; see spark_ops.frozen_accounts(), and when"
								   " it is settled, spark_ops.unfreeze_account()",
								   (long long) row_bigint(&rows, 1), row_text(&rows, 2, arena));
	rows_close(&rows);
	return said;
}

HealthCheck
late_payments_probe(Arena *arena)
{
	HealthCheck said = {.ok = false};
	Rows		rows;

	if (is_without_ledger(&said))
		return said;
	rows = rows_open(&sum_late_payments, PARAMETERS(param_uuid(suspense_account_id), param_int(MAX_ACCOUNTS)));
	(void) rows_next(&rows);
	if (row_is_null(&rows, 1) || row_bigint(&rows, 1) == 0)
		said = (HealthCheck) {.ok = true, .detail = "no payment came late that nobody has looked at"};
	else
		said.detail = arena_printf(arena, "%lld payments were made after the node had called them failed: their accounts"
								   " paid %lld msat, %lld msat they could not; see spark_ops.frozen_accounts()",
								   (long long) row_bigint(&rows, 1), (long long) row_amount(&rows, 2).msat,
								   (long long) row_amount(&rows, 3).msat);
	rows_close(&rows);
	return said;
}

/* --------------------------------------------------------------- functions */

Datum
spark_accounting_frozen_accounts(PG_FUNCTION_ARGS)
{
	int			limit = arg_limit_up_to(fcinfo, 0, DEFAULT_LIMIT, MAX_ACCOUNTS);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	Rows		rows;

	installed_required("accounting");
	rows = frozen_accounts(limit);
	while (rows_next(&rows))
	{
		answer_uuid(&answer, row_uuid(&rows, 1));
		answer_instant(&answer, row_instant(&rows, 2));
		answer_text(&answer, row_text(&rows, 3, arena));
		answer_amount(&answer, row_amount(&rows, 4));
		answer_amount(&answer, row_amount(&rows, 5));
		answer_bigint(&answer, row_bigint(&rows, 6));
		answer_amount(&answer, row_amount(&rows, 7));
		answer_amount(&answer, row_amount(&rows, 8));
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}

static void
record_unfreezing(const LedgerAccount *account, const char *frozen_reason, const char *reason, Arena *arena)
{
	JsonWriter	before;

	json_begin(&before, arena);
	json_add_text(&before, "frozen_because", frozen_reason);
	json_add_integer(&before, "available_msat", ledger_account_available(account).msat);
	record_operation((Operation) {
		.action = "unfreeze_account",
		.message_id = account->aggregate.id,
		.reason = reason,
		.before = json_end(&before),
	});
}

Datum
spark_accounting_unfreeze_account(PG_FUNCTION_ARGS)
{
	Uuid		account_id = arg_uuid(fcinfo, 0, "account_id");
	const char *reason = arg_reason(fcinfo, 1, "reason");
	const char *frozen_reason;
	UnitOfWork *work;
	Aggregate  *found;
	LedgerAccount *account;

	PreventCommandIfReadOnly("spark_ops.unfreeze_account()");
	installed_required("accounting");
	work = unit_of_work_begin();
	check(unit_of_work_find(work, accounting.accounts, account_id, &found));
	if (found == NULL)
		refuse(RESULT_NOT_FOUND, "The ledger has no account of that id.");
	account = (LedgerAccount *) found;
	frozen_reason = account->frozen_reason;
	if (failed(ledger_account_unfreeze(account)))
		refuse_now("Only those that spark_ops.frozen_accounts() lists can be unfrozen.", "The account is not frozen.");
	record_unfreezing(account, frozen_reason, reason, work->arena);
	check(unit_of_work_complete(work));
	PG_RETURN_VOID();
}
