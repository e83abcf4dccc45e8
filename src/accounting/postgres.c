/*
 * postgres.c
 *		Accounting on PostgreSQL.
 *
 * Accounts are locked FOR NO KEY UPDATE, in the order of their ids.  Rows of
 * transfers are only ever inserted: the unique indexes on the name of a transfer
 * and on what it ends are the last word when two sessions decide at once; the
 * second waits, then says DUPLICATE.
 */
#include "postgres/server.h"

#include "accounting/postgres.h"

#include "accounting/settings.h"

#include "postgres/aggregates.h"
#include "postgres/errors.h"
#include "postgres/installed.h"

#include "utils/fmgrprotos.h"

/* ------------------------------------------------------------------- seals */

static void
sha256_digest(const SealDigest *self, const void *data, size_t length, uint8_t digest[SEAL_LENGTH])
{
	bytea	   *input = palloc(VARHDRSZ + length);
	bytea	   *output;

	(void) self;
	SET_VARSIZE(input, VARHDRSZ + length);
	memcpy(VARDATA(input), data, length);
	output = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(input)));
	memcpy(digest, VARDATA_ANY(output), SEAL_LENGTH);
	pfree(input);
	pfree(output);
}

/* ---------------------------------------------------------------- accounts */

static Aggregate *
read_account(const Rows *rows, Arena *arena)
{
	LedgerAccount *account = ARENA_NEW(arena, LedgerAccount);
	const char *class = row_text(rows, 3, arena);

	if (!ledger_account_class_by_name(class, &account->class))
		refuse(RESULT_INTERNAL, "An account has class %s.", class);
	account->strict = row_bool(rows, 4);
	account->closed = row_bool(rows, 5);
	account->debits_posted = row_amount(rows, 6);
	account->credits_posted = row_amount(rows, 7);
	account->debits_pending = row_amount(rows, 8);
	account->credits_pending = row_amount(rows, 9);
	account->frozen_reason = row_text(rows, 10, arena);
	account->frozen_at = row_instant(rows, 11);
	account->opened_at = row_instant(rows, 12);
	account->sequence = row_bigint(rows, 13);
	row_bytea(rows, 14, account->seal, SEAL_LENGTH);
	return &account->aggregate;
}

#define ACCOUNTS_BY_ID \
	"SELECT account_id, version, class, strict, closed, debits_posted_msat, credits_posted_msat," \
	" debits_pending_msat, credits_pending_msat, frozen_reason, frozen_at, opened_at, sequence," \
	" seal" \
	"  FROM spark_accounting.accounts WHERE account_id = ANY ($1) ORDER BY account_id"

DEFINE_LOAD(load_accounts, ACCOUNTS_BY_ID, read_account)

static Result
insert_account(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_accounting.accounts"
		" (account_id, version, class, strict, closed, debits_posted_msat, credits_posted_msat,"
		" debits_pending_msat, credits_pending_msat, frozen_reason, frozen_at, opened_at, sequence, seal)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
		" ON CONFLICT DO NOTHING"
	};
	const LedgerAccount *account = (const LedgerAccount *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_text(ledger_account_class_name(account->class)),
		param_bool(account->strict),
		param_bool(account->closed),
		param_amount(account->debits_posted),
		param_amount(account->credits_posted),
		param_amount(account->debits_pending),
		param_amount(account->credits_pending),
		param_text(account->frozen_reason),
		param_instant(account->frozen_at),
		param_instant(account->opened_at),
		param_bigint(account->sequence),
		param_bytea(account->seal, SEAL_LENGTH),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

/* Class, strictness and time of opening never change. */
static int
put_sums(const void *item, Parameter *row)
{
	const LedgerAccount *account = item;

	return PUT_ROW(row,
				   param_uuid(account->aggregate.id),
				   param_bigint(account->aggregate.version),
				   param_bool(account->closed),
				   param_amount(account->debits_posted),
				   param_amount(account->credits_posted),
				   param_amount(account->debits_pending),
				   param_amount(account->credits_pending),
				   param_text(account->frozen_reason),
				   param_instant(account->frozen_at),
				   param_bigint(account->sequence),
				   param_bytea(account->seal, SEAL_LENGTH));
}

static Result
update_accounts(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "UPDATE spark_accounting.accounts a"
		" SET version = a.version + 1, closed = r.closed,"
		" debits_posted_msat = r.debits_posted_msat, credits_posted_msat = r.credits_posted_msat,"
		" debits_pending_msat = r.debits_pending_msat, credits_pending_msat = r.credits_pending_msat,"
		" frozen_reason = r.frozen_reason, frozen_at = r.frozen_at, sequence = r.sequence, seal = r.seal"
		" FROM rows AS r (id, version, closed, debits_posted_msat, credits_posted_msat, debits_pending_msat,"
		" credits_pending_msat, frozen_reason, frozen_at, sequence, seal)"
		" WHERE a.account_id = r.id AND a.version = r.version"
	};

	(void) self;
	(void) work;
	return aggregates_update(&statement, aggregates, count, put_sums);
}

/* ---------------------------------------------------------------- outflows */

static Aggregate *
read_outflow(const Rows *rows, Arena *arena)
{
	Outflow    *outflow = ARENA_NEW(arena, Outflow);

	outflow->reserved = row_amount(rows, 3);
	outflow->hour = row_instant(rows, 4);
	row_amounts(rows, 5, outflow->gone, OUTFLOW_HOURS);
	return &outflow->aggregate;
}

#define OUTFLOWS_BY_ID \
	"SELECT account_id, version, reserved_msat, hour, gone_msat" \
	"  FROM spark_accounting.outflows WHERE account_id = ANY ($1) ORDER BY account_id"

DEFINE_LOAD(load_outflows, OUTFLOWS_BY_ID, read_outflow)

static int
put_outflow(const void *item, Parameter *row)
{
	const Outflow *outflow = item;

	return PUT_ROW(row,
				   param_uuid(outflow->aggregate.id),
				   param_bigint(outflow->aggregate.version),
				   param_amount(outflow->reserved),
				   param_instant(outflow->hour),
				   param_amounts(outflow->gone, OUTFLOW_HOURS));
}

static Result
insert_outflows(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_accounting.outflows (account_id, version, reserved_msat, hour, gone_msat)"
		" SELECT id, 1, reserved_msat, hour, gone_msat"
		"  FROM rows AS r (id, version, reserved_msat, hour, gone_msat) ON CONFLICT DO NOTHING"
	};

	(void) self;
	(void) work;
	return aggregates_insert(&statement, aggregates, count, put_outflow);
}

static Result
update_outflows(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	static Statement statement = {
		.sql = "UPDATE spark_accounting.outflows o"
		" SET version = o.version + 1, reserved_msat = r.reserved_msat, hour = r.hour, gone_msat = r.gone_msat"
		" FROM rows AS r (id, version, reserved_msat, hour, gone_msat)"
		" WHERE o.account_id = r.id AND o.version = r.version"
	};

	(void) self;
	(void) work;
	return aggregates_update(&statement, aggregates, count, put_outflow);
}

/* --------------------------------------------------------------- transfers */

static Aggregate *
read_transfer(const Rows *rows, Arena *arena)
{
	Transfer   *transfer = ARENA_NEW(arena, Transfer);
	const char *form = row_text(rows, 5, arena);
	const char *purpose = row_text(rows, 6, arena);
	const char *kind = row_text(rows, 7, arena);
	const char *refusal = row_text(rows, 18, arena);

	transfer->debit_account_id = row_uuid(rows, 3);
	transfer->credit_account_id = row_uuid(rows, 4);
	if (!transfer_form_by_name(form, &transfer->form) ||
		!transfer_purpose_by_name(purpose, &transfer->purpose) ||
		(kind != NULL && !transfer_kind_by_name(kind, &transfer->kind)) ||
		(refusal != NULL && !result_by_name(refusal, &transfer->refusal)))
		refuse(RESULT_INTERNAL, "A transfer of account %s cannot be read.", row_text(rows, 3, arena));
	transfer->key = row_text(rows, 8, arena);
	transfer->amount = row_amount(rows, 9);
	transfer->fee_limit = row_amount(rows, 10);
	transfer->pending_id = row_uuid(rows, 11);
	transfer->linked_id = row_uuid(rows, 12);
	transfer->campaign_id = row_uuid(rows, 13);
	transfer->from_invoice_id = row_uuid(rows, 14);
	transfer->to_invoice_id = row_uuid(rows, 15);
	transfer->expires_at = row_instant(rows, 16);
	transfer->created_at = row_instant(rows, 17);
	transfer->reason = row_text(rows, 19, arena);
	transfer->sequence = row_bigint(rows, 20);
	row_bytea(rows, 21, transfer->seal, SEAL_LENGTH);
	return &transfer->aggregate;
}

#define TRANSFERS \
	"SELECT transfer_id, 1::bigint, debit_account_id, credit_account_id, form, purpose, kind, idempotency_key," \
	" amount_msat, fee_limit_msat, pending_id, linked_id, campaign_id, from_invoice_id, to_invoice_id," \
	" expires_at, created_at, NULL::text, reason, sequence, seal" \
	"  FROM spark_accounting.transfers "

/* The same columns; their reason is a refusal. */
#define REJECTIONS \
	"SELECT NULL::uuid, 1::bigint, debit_account_id, credit_account_id, form, purpose, NULL, idempotency_key," \
	" amount_msat, fee_limit_msat, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid," \
	" NULL::timestamptz, created_at, reason, NULL::text, NULL::bigint, NULL::bytea" \
	"  FROM spark_accounting.rejections "

static Transfer *
only_transfer(Rows rows, Arena *arena)
{
	return (Transfer *) only_aggregate(&transfer_type, rows, arena, read_transfer);
}

static Result
find_transfer(const TransferRepository *self, Arena *arena, Uuid debit_account_id,
			  TransferPurpose purpose, const char *key, Transfer **found)
{
	static Statement statement = {
		.sql = TRANSFERS "WHERE debit_account_id = $1 AND purpose = $2 AND idempotency_key = $3"
		" UNION ALL "
		REJECTIONS "WHERE debit_account_id = $1 AND purpose = $2 AND idempotency_key = $3"
	};

	(void) self;
	*found = only_transfer(rows_open(&statement, PARAMETERS(param_uuid(debit_account_id),
															 param_text(transfer_purpose_name(purpose)),
															 param_text(key))), arena);
	return OK;
}

static Result
find_end(const TransferRepository *self, Arena *arena, Uuid pending_id, Transfer **found)
{
	static Statement statement = {.sql = TRANSFERS "WHERE pending_id = $1"};

	(void) self;
	*found = only_transfer(rows_open(&statement, PARAMETERS(param_uuid(pending_id))), arena);
	return OK;
}

static int
put_rejection(const void *item, Parameter *row)
{
	const Transfer *rejection = item;

	return PUT_ROW(row,
				   param_uuid(rejection->debit_account_id),
				   param_uuid(rejection->credit_account_id),
				   param_amount(rejection->amount),
				   param_bigint_or_null(rejection->fee_limit.msat, rejection->fee_limit.msat == 0),
				   param_instant(rejection->created_at),
				   param_text(transfer_form_name(rejection->form)),
				   param_text(transfer_purpose_name(rejection->purpose)),
				   param_text(rejection->key),
				   param_text(result_text(rejection->refusal)->name));
}

static Result
insert_rejections(const Aggregate *const *rejections, size_t count)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_accounting.rejections"
		" (debit_account_id, credit_account_id, amount_msat, fee_limit_msat, created_at, form, purpose,"
		" idempotency_key, reason)"
		" SELECT * FROM rows ON CONFLICT DO NOTHING"
	};

	return aggregates_insert(&statement, rejections, count, put_rejection);
}

static int
put_transfer(const void *item, Parameter *row)
{
	const Transfer *transfer = item;

	return PUT_ROW(row,
				   param_uuid(transfer->aggregate.id),
				   param_uuid(transfer->debit_account_id),
				   param_uuid(transfer->credit_account_id),
				   param_amount(transfer->amount),
				   param_bigint(transfer->sequence),
				   param_instant(transfer->created_at),
				   param_text(transfer_form_name(transfer->form)),
				   param_text(transfer_purpose_name(transfer->purpose)),
				   param_text(transfer_kind_name(transfer->kind)),
				   param_text(transfer->key),
				   param_bytea(transfer->seal, SEAL_LENGTH),
				   param_bigint_or_null(transfer->fee_limit.msat, transfer->fee_limit.msat == 0),
				   param_instant(transfer->expires_at),
				   param_uuid_or_null(transfer->pending_id),
				   param_uuid_or_null(transfer->linked_id),
				   param_uuid_or_null(transfer->campaign_id),
				   param_uuid_or_null(transfer->from_invoice_id),
				   param_uuid_or_null(transfer->to_invoice_id),
				   param_text(transfer->reason));
}

static Result
insert_rows(const Aggregate *const *transfers, size_t count)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_accounting.transfers"
		" (transfer_id, debit_account_id, credit_account_id, amount_msat, sequence, created_at, form, purpose,"
		" kind, idempotency_key, seal, fee_limit_msat, expires_at, pending_id, linked_id, campaign_id,"
		" from_invoice_id, to_invoice_id, reason)"
		" SELECT * FROM rows ON CONFLICT DO NOTHING"
	};

	return aggregates_insert(&statement, transfers, count, put_transfer);
}

/* Transfers, and the memory of refusals, each to its table. */
static Result
insert_transfers(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	const Aggregate **rows = ARENA_ARRAY(work->arena, const Aggregate *, count);
	const Aggregate **rejections = ARENA_ARRAY(work->arena, const Aggregate *, count);
	size_t		row_count = 0;
	size_t		rejection_count = 0;

	(void) self;
	for (size_t i = 0; i < count; i++)
		if (((const Transfer *) aggregates[i])->refusal == RESULT_OK)
			rows[row_count++] = aggregates[i];
		else
			rejections[rejection_count++] = aggregates[i];
	TRY(insert_rows(rows, row_count));
	return insert_rejections(rejections, rejection_count);
}

static Result
load_no_transfer(const Repository *self, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found)
{
	(void) self;
	(void) work;
	(void) ids;
	(void) count;
	(void) lock;
	(void) found;
	return FAIL_BECAUSE(INTERNAL, "Transfers are found by their names.");
}

static Result
update_no_transfer(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	(void) self;
	(void) work;
	(void) aggregate;
	return FAIL_BECAUSE(INTERNAL, "Rows of transfers never change.");
}

/* ------------------------------------------------------------------- wired */

static const Repository accounts = {
	&ledger_account_type, load_accounts, insert_account, aggregate_update, NULL, update_accounts
};
static const Repository outflows = {
	&outflow_type, load_outflows, aggregate_insert, aggregate_update, insert_outflows, update_outflows
};
static const TransferRepository transfers = {
	{&transfer_type, load_no_transfer, aggregate_insert, update_no_transfer, insert_transfers, NULL},
	find_transfer, find_end
};
static const SealDigest sha256 = {sha256_digest};

const Accounting accounting = {&accounts, &outflows, &transfers, &sha256, withdrawal_limits};
const Consumer accounting_consumer = ACCOUNTING_CONSUMER(&accounting);

/* ----------------------------------------------------------------- queries */

const LedgerAccount *
account_query(Arena *arena, Uuid account_id)
{
	static Statement statement = {.sql = ACCOUNTS_BY_ID, .read_only = true};

	return (const LedgerAccount *) only_aggregate(&ledger_account_type,
												  rows_open(&statement, PARAMETERS(param_uuids(&account_id, 1))),
												  arena, read_account);
}

bool
statement_place(Uuid account_id, Uuid transfer_id, PagePlace *place)
{
	static Statement statement = {
		.sql = "SELECT created_at FROM spark_accounting.transfers"
		" WHERE transfer_id = $2 AND $1 IN (debit_account_id, credit_account_id) AND pending_id IS NULL",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_uuid(account_id), param_uuid(transfer_id)));
	bool		found = rows_next(&rows);

	if (found)
		*place = (PagePlace) {row_instant(&rows, 1), transfer_id};
	rows_close(&rows);
	return found;
}

#define STATEMENT_SIDE(side) \
	"(SELECT * FROM spark_accounting.transfers" \
	" WHERE " side " = $4 AND pending_id IS NULL AND " PAGE("transfer_id") ")"

Rows
statement_page(Uuid account_id, PagePlace after, int limit)
{
	/*
	 * Each side is read from its index, no further than the page; the end of a
	 * pending line by a probe a line.
	 */
	static Statement statement = {
		.sql = "SELECT t.transfer_id,"
		" CASE WHEN t.kind = 'withdrawal' AND t.credit_account_id = $4 THEN 'deposit' ELSE t.kind END,"
		" CASE WHEN t.form = 'direct' OR e.form = 'post' THEN 'posted'"
		"      WHEN e.form = 'void' THEN 'voided' ELSE 'pending' END,"
		" CASE WHEN t.debit_account_id = $4 THEN - coalesce(e.amount_msat, t.amount_msat)"
		"      ELSE coalesce(e.amount_msat, t.amount_msat) END,"
		" CASE WHEN t.debit_account_id = $4 THEN t.credit_account_id ELSE t.debit_account_id END,"
		" t.campaign_id,"
		" CASE WHEN t.debit_account_id = $4 THEN t.from_invoice_id ELSE t.to_invoice_id END,"
		" t.created_at,"
		" CASE WHEN t.form = 'direct' THEN t.created_at WHEN e.form = 'post' THEN e.created_at END"
		"  FROM (" STATEMENT_SIDE("debit_account_id") " UNION ALL " STATEMENT_SIDE("credit_account_id") ") t"
		"  LEFT JOIN LATERAL (SELECT form, amount_msat, created_at FROM spark_accounting.transfers"
		"    WHERE t.form = 'pending' AND pending_id = t.transfer_id LIMIT 1) e ON true"
		" ORDER BY t.created_at DESC, t.transfer_id DESC LIMIT $3",
		.read_only = true
	};

	return rows_open(&statement, PARAMETERS(PAGE_PARAMETERS(after, limit), param_uuid(account_id)));
}

Rows
trial_balance_query(void)
{
	static Statement statement = {
		.sql = "SELECT c.class, pg_catalog.count(a.account_id),"
		" coalesce(pg_catalog.sum(debits_posted_msat), 0)::bigint,"
		" coalesce(pg_catalog.sum(credits_posted_msat), 0)::bigint,"
		" coalesce(pg_catalog.sum(debits_pending_msat), 0)::bigint,"
		" coalesce(pg_catalog.sum(credits_pending_msat), 0)::bigint"
		"  FROM (VALUES (1, 'user'), (2, 'guest'), (3, 'node'), (4, 'fee'), (5, 'operator'), (6, 'suspense'))"
		"    AS c (place, class)"
		"  LEFT JOIN spark_accounting.accounts a ON a.class = c.class"
		" GROUP BY c.place, c.class ORDER BY c.place",
		.read_only = true
	};

	return rows_open(&statement, NO_PARAMETERS);
}

bool
liabilities_query(Amount *owed, Amount *reserved, Amount *received)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT coalesce(sum(credits_posted_msat - debits_posted_msat) FILTER (WHERE class <> 'node'), 0)::bigint,"
		" coalesce(sum(credits_pending_msat) FILTER (WHERE class = 'node'), 0)::bigint,"
		" coalesce(sum(debits_posted_msat) FILTER (WHERE class = 'node'), 0)::bigint"
		"  FROM spark_accounting.accounts WHERE class IN ('user', 'guest', 'fee', 'node')"
	};
	Rows		rows;
	bool		found;

	if (!tables_are_current("accounting"))
		return false;
	rows = rows_open(&statement, NO_PARAMETERS);
	found = rows_next(&rows);
	if (found)
	{
		*owed = row_amount(&rows, 1);
		*reserved = row_amount(&rows, 2);
		*received = row_amount(&rows, 3);
	}
	rows_close(&rows);
	return found;
}
