/*
 * postgres.c
 *		Bitcoin on PostgreSQL: the ports.
 *
 * A row is locked FOR NO KEY UPDATE.  Two deposits with one key, or two
 * withdrawals of one hash, meet a unique index: the insert waits for the first,
 * then says DUPLICATE.  No caller's transaction locks a row of deposits or
 * withdrawals that was there before it; who asks for a look locks a row of
 * looks, which nobody else needs.
 */
#include "postgres/server.h"

#include "bitcoin/postgres.h"

#include "bitcoin/decoder.h"
#include "bitcoin/rows.h"
#include "bitcoin/settings.h"

#include "postgres/aggregates.h"
#include "postgres/errors.h"
#include "postgres/workers/wakeup.h"

#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* --------------------------------------------------------------- deposits */

Aggregate *
read_deposit(const Rows *rows, Arena *arena)
{
	Deposit    *deposit = ARENA_NEW(arena, Deposit);
	const char *state = row_text(rows, 8, arena);

	deposit->account_id = row_uuid(rows, 3);
	deposit->idempotency_key = row_text(rows, 4, arena);
	deposit->amount = row_amount(rows, 5);
	deposit->expiry_seconds = row_bigint(rows, 6);
	deposit->created_at = row_instant(rows, 7);
	if (!deposit_state_by_name(state, &deposit->state))
		refuse(RESULT_INTERNAL, "A deposit has state %s.", state);
	deposit->reason = row_text(rows, 9, arena);
	deposit->payment_hash = row_text(rows, 10, arena);
	deposit->payment_request = row_text(rows, 11, arena);
	deposit->expires_at = row_instant(rows, 12);
	deposit->node_account_id = row_uuid(rows, 13);
	deposit->received = row_amount(rows, 14);
	deposit->preimage = row_text(rows, 15, arena);
	deposit->settled_at = row_instant(rows, 16);
	deposit->paid_by = row_uuid(rows, 17);
	deposit->held = row_bool(rows, 18);
	deposit->late = row_bool(rows, 19);
	deposit->next_look_at = row_instant(rows, 20);
	deposit->asked_at = row_instant(rows, 21);
	deposit->wanted_at = row_instant(rows, 22);
	deposit->look_count = row_bigint(rows, 23);
	deposit->alarm = row_text(rows, 24, arena);
	deposit->receive_fee = row_amount(rows, 25);
	deposit->node_words = row_text(rows, 26, arena);
	return &deposit->aggregate;
}

#define DEPOSITS_BY_ID \
	"SELECT " DEPOSIT_COLUMNS \
	"  FROM spark_bitcoin.deposits WHERE invoice_id = ANY ($1) ORDER BY invoice_id"

DEFINE_LOAD(load_deposits, DEPOSITS_BY_ID, read_deposit)

static Result
insert_deposit(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.deposits"
		" (invoice_id, version, account_id, idempotency_key, amount_msat, expiry_seconds, created_at,"
		" state, held, late, next_look_at, look_count, receive_fee_msat)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, false, false, $8, 0, 0) ON CONFLICT DO NOTHING"
	};
	const Deposit *deposit = (const Deposit *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_uuid(deposit->account_id),
		param_text(deposit->idempotency_key),
		param_amount(deposit->amount),
		param_bigint(deposit->expiry_seconds),
		param_instant(deposit->created_at),
		param_text(deposit_state_name(deposit->state)),
		param_instant(deposit->next_look_at),
	};

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, parameters, lengthof(parameters)));
}

/* Whose it is and what was asked for never changes. */
static Result
update_deposit(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.deposits"
		" SET version = version + 1, state = $3, reason = $4, payment_hash = $5, payment_request = $6,"
		" expires_at = $7, node_account_id = $8, received_msat = $9, preimage = $10, settled_at = $11,"
		" paid_by = $12, held = $13, late = $14, next_look_at = $15, asked_at = $16, wanted_at = $17,"
		" look_count = $18, alarm = $19, receive_fee_msat = $20, node_words = $21"
		" WHERE invoice_id = $1 AND version = $2"
	};
	const Deposit *deposit = (const Deposit *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_bigint(aggregate->version),
		param_text(deposit_state_name(deposit->state)),
		param_text(deposit->reason),
		param_text(deposit->payment_hash),
		param_text(deposit->payment_request),
		param_instant(deposit->expires_at),
		param_uuid_or_null(deposit->node_account_id),
		param_bigint_or_null(deposit->received.msat, deposit->state != DEPOSIT_SETTLED),
		param_text(deposit->preimage),
		param_instant(deposit->settled_at),
		param_uuid_or_null(deposit->paid_by),
		param_bool(deposit->held),
		param_bool(deposit->late),
		param_instant(deposit->next_look_at),
		param_instant(deposit->asked_at),
		param_instant(deposit->wanted_at),
		param_bigint(deposit->look_count),
		param_text(deposit->alarm),
		param_amount(deposit->receive_fee),
		param_text(deposit->node_words),
	};

	(void) self;
	(void) work;
	return updated(statement_run(&statement, parameters, lengthof(parameters)));
}

static Deposit *
only_deposit(Rows rows, Arena *arena)
{
	return (Deposit *) only_aggregate(&deposit_type, rows, arena, read_deposit);
}

static Result
find_deposit_by_key(const DepositRepository *self, UnitOfWork *work, Uuid account_id, const char *idempotency_key,
					Deposit **found)
{
	static Statement statement = {
		.sql = "SELECT " DEPOSIT_COLUMNS
		"  FROM spark_bitcoin.deposits WHERE account_id = $1 AND idempotency_key = $2"
	};

	(void) self;
	*found = only_deposit(rows_open(&statement, PARAMETERS(param_uuid(account_id), param_text(idempotency_key))),
						 work->arena);
	return OK;
}

static Result
find_deposit_by_hash(const DepositRepository *self, UnitOfWork *work, const char *payment_hash, Deposit **found)
{
	static Statement statement = {
		.sql = "SELECT " DEPOSIT_COLUMNS "  FROM spark_bitcoin.deposits WHERE payment_hash = $1"
	};

	(void) self;
	*found = only_deposit(rows_open(&statement, PARAMETERS(param_text(payment_hash))), work->arena);
	return OK;
}

/* ------------------------------------------------------------ withdrawals */

static void
read_attempt(const Rows *rows, Arena *arena, Withdrawal *withdrawal)
{
	withdrawal->attempt_no = row_bigint(rows, 24);
	withdrawal->backend = row_text(rows, 25, arena);
	withdrawal->node_id = row_text(rows, 26, arena);
	withdrawal->submitted_at = row_instant(rows, 27);
	withdrawal->submit_deadline = row_instant(rows, 28);
	withdrawal->give_up_seconds = row_bigint(rows, 29);
	withdrawal->acknowledged_at = row_instant(rows, 30);
	withdrawal->node_reference = row_text(rows, 31, arena);
	withdrawal->node_words = row_text(rows, 32, arena);
	withdrawal->next_look_at = row_instant(rows, 33);
	withdrawal->asked_at = row_instant(rows, 34);
	withdrawal->look_count = row_bigint(rows, 35);
	withdrawal->alarm = row_text(rows, 36, arena);
	withdrawal->checked_at = row_instant(rows, 37);
	withdrawal->not_found_at = row_instant(rows, 38);
	withdrawal->paid_beside = row_bool(rows, 39);
	withdrawal->in_doubt = row_bool(rows, 40);
}

Aggregate *
read_withdrawal(const Rows *rows, Arena *arena)
{
	Withdrawal *withdrawal = ARENA_NEW(arena, Withdrawal);
	const char *state = row_text(rows, 17, arena);

	withdrawal->account_id = row_uuid(rows, 3);
	withdrawal->node_account_id = row_uuid(rows, 4);
	withdrawal->payment_hash = row_text(rows, 5, arena);
	withdrawal->payment_request = row_text(rows, 6, arena);
	withdrawal->amount = row_amount(rows, 7);
	withdrawal->amount_given = row_bool(rows, 8);
	withdrawal->max_fee = row_amount(rows, 9);
	withdrawal->has_asked_max_fee = !row_is_null(rows, 10);
	withdrawal->asked_max_fee = row_amount(rows, 10);
	withdrawal->expires_at = row_instant(rows, 11);
	withdrawal->created_at = row_instant(rows, 12);
	withdrawal->deposit_id = row_uuid(rows, 13);
	withdrawal->payee_id = row_uuid(rows, 14);
	withdrawal->tried_before = row_bool(rows, 15);
	withdrawal->earlier_reference = row_text(rows, 16, arena);
	if (!withdrawal_state_by_name(state, &withdrawal->state))
		refuse(RESULT_INTERNAL, "A withdrawal has state %s.", state);
	withdrawal->reason = row_text(rows, 18, arena);
	withdrawal->fee = row_amount(rows, 19);
	withdrawal->preimage = row_text(rows, 20, arena);
	withdrawal->settled_at = row_instant(rows, 21);
	withdrawal->failed_at = row_instant(rows, 22);
	withdrawal->late = row_bool(rows, 23);
	read_attempt(rows, arena, withdrawal);
	return &withdrawal->aggregate;
}

#define WITHDRAWALS_BY_ID \
	"SELECT " WITHDRAWAL_COLUMNS \
	"  FROM spark_bitcoin.withdrawals WHERE invoice_id = ANY ($1) ORDER BY invoice_id"

DEFINE_LOAD(load_withdrawals, WITHDRAWALS_BY_ID, read_withdrawal)

#define NEWEST_OF_HASH(but) \
	"  FROM spark_bitcoin.withdrawals WHERE payment_hash = $1 AND state <> 'rejected'" but \
	" ORDER BY (state = 'failed'), created_at DESC, invoice_id DESC LIMIT 1"

static void
refuse_outdated(const char *since)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a withdrawal of this payment hash has changed since this %s began", since),
			 errhint("Call it again, in a new transaction.")));
}

/*
 * A transaction that keeps its snapshot may miss that one of that hash was sent,
 * or has failed, since it began: whether it is paid must not hang on what was.
 */
static void
refuse_if_outdated(const char *payment_hash, const Withdrawal *found)
{
	static Statement statement = {.sql = "SELECT invoice_id, state = 'failed'" NEWEST_OF_HASH(""), .read_only = true};
	Rows		rows;
	bool		is_so;

	if (!IsolationUsesXactSnapshot())
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	rows = rows_open(&statement, PARAMETERS(param_text(payment_hash)));
	is_so = rows_next(&rows) ? found != NULL && uuid_equal(row_uuid(&rows, 1), found->aggregate.id) &&
		row_bool(&rows, 2) == (found->state == WITHDRAWAL_FAILED) : found == NULL;
	rows_close(&rows);
	PopActiveSnapshot();
	if (!is_so)
		refuse_outdated("transaction");
}

/*
 * Between the look-up and the insert another one of that hash may have been asked
 * for, sent, and failed.  From the insert on the unique index lets none come.
 */
static void
refuse_if_overtaken(const Withdrawal *withdrawal)
{
	static Statement statement = {
		.sql = "SELECT invoice_id" NEWEST_OF_HASH(" AND invoice_id <> $2"), .read_only = true
	};
	Uuid		newest = UUID_NIL;
	Rows		rows;

	PushActiveSnapshot(GetLatestSnapshot());
	rows = rows_open(&statement, PARAMETERS(param_text(withdrawal->payment_hash), param_uuid(withdrawal->aggregate.id)));
	if (rows_next(&rows))
		newest = row_uuid(&rows, 1);
	rows_close(&rows);
	PopActiveSnapshot();
	if (!uuid_equal(newest, withdrawal->follows))
		refuse_outdated("command");
}

static Result
insert_withdrawal(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.withdrawals"
		" (invoice_id, version, account_id, node_account_id, payment_hash, payment_request, amount_msat,"
		" amount_given, max_fee_msat, asked_max_fee_msat, expires_at, created_at, deposit_id, payee_id,"
		" tried_before, earlier_reference, state, fee_msat, late, paid_beside, attempt_no, give_up_seconds, look_count)"
		" VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
		" 0, false, false, 0, 0, 0) ON CONFLICT DO NOTHING"
	};
	const Withdrawal *withdrawal = (const Withdrawal *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_uuid(withdrawal->account_id),
		param_uuid(withdrawal->node_account_id),
		param_text(withdrawal->payment_hash),
		param_text(withdrawal->payment_request),
		param_amount(withdrawal->amount),
		param_bool(withdrawal->amount_given),
		param_amount(withdrawal->max_fee),
		param_bigint_or_null(withdrawal->asked_max_fee.msat, !withdrawal->has_asked_max_fee),
		param_instant(withdrawal->expires_at),
		param_instant(withdrawal->created_at),
		param_uuid_or_null(withdrawal->deposit_id),
		param_uuid_or_null(withdrawal->payee_id),
		param_bool(withdrawal->tried_before),
		param_text(withdrawal->earlier_reference),
		param_text(withdrawal_state_name(withdrawal->state)),
	};

	(void) self;
	(void) work;
	TRY(inserted(statement_run(&statement, parameters, lengthof(parameters))));
	refuse_if_overtaken(withdrawal);
	return OK;
}

/* What was asked for never changes; of what it follows, the node may tell the name of its record later. */
static Result
update_withdrawal(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.withdrawals"
		" SET version = version + 1, state = $3, reason = $4, fee_msat = $5, preimage = $6, settled_at = $7,"
		" failed_at = $8, late = $9, attempt_no = $10, backend = $11, node_id = $12, submitted_at = $13,"
		" submit_deadline = $14, give_up_seconds = $15, acknowledged_at = $16, node_reference = $17,"
		" node_words = $18, next_look_at = $19, asked_at = $20, look_count = $21, alarm = $22,"
		" checked_at = $23, not_found_at = $24, paid_beside = $25, in_doubt = $26, earlier_reference = $27"
		" WHERE invoice_id = $1 AND version = $2"
	};
	const Withdrawal *withdrawal = (const Withdrawal *) aggregate;
	const Parameter parameters[] = {
		param_uuid(aggregate->id),
		param_bigint(aggregate->version),
		param_text(withdrawal_state_name(withdrawal->state)),
		param_text(withdrawal->reason),
		param_amount(withdrawal->fee),
		param_text(withdrawal->preimage),
		param_instant(withdrawal->settled_at),
		param_instant(withdrawal->failed_at),
		param_bool(withdrawal->late),
		param_bigint(withdrawal->attempt_no),
		param_text(withdrawal->backend),
		param_text(withdrawal->node_id),
		param_instant(withdrawal->submitted_at),
		param_instant(withdrawal->submit_deadline),
		param_bigint(withdrawal->give_up_seconds),
		param_instant(withdrawal->acknowledged_at),
		param_text(withdrawal->node_reference),
		param_text(withdrawal->node_words),
		param_instant(withdrawal->next_look_at),
		param_instant(withdrawal->asked_at),
		param_bigint(withdrawal->look_count),
		param_text(withdrawal->alarm),
		param_instant(withdrawal->checked_at),
		param_instant(withdrawal->not_found_at),
		param_bool(withdrawal->paid_beside),
		param_bool(withdrawal->in_doubt),
		param_text(withdrawal->earlier_reference),
	};

	(void) self;
	(void) work;
	return updated(statement_run(&statement, parameters, lengthof(parameters)));
}

static Result
find_withdrawal_by_hash(const WithdrawalRepository *self, UnitOfWork *work, const char *payment_hash,
						Withdrawal **found)
{
	static Statement statement = {.sql = "SELECT " WITHDRAWAL_COLUMNS NEWEST_OF_HASH("")};

	*found = (Withdrawal *) only_aggregate(self->repository.type,
										   rows_open(&statement, PARAMETERS(param_text(payment_hash))),
										   work->arena, read_withdrawal);
	refuse_if_outdated(payment_hash, *found);
	return OK;
}

static Result
find_failed_withdrawal(const WithdrawalRepository *self, UnitOfWork *work, const char *payment_hash, Amount amount,
					   Withdrawal **found)
{
	static Statement statement = {
		.sql = "SELECT " WITHDRAWAL_COLUMNS
		"  FROM spark_bitcoin.withdrawals WHERE payment_hash = $1 AND amount_msat = $2 AND state = 'failed'"
		"  AND attempt_no > 0 ORDER BY created_at DESC, invoice_id DESC LIMIT 1"
	};

	*found = (Withdrawal *) only_aggregate(self->repository.type,
										   rows_open(&statement, PARAMETERS(param_text(payment_hash), param_amount(amount))),
										   work->arena, read_withdrawal);
	return OK;
}

static Result
is_payment_booked(const WithdrawalRepository *self, UnitOfWork *work, const char *payment_hash, Amount amount, bool *is)
{
	static Statement statement = {
		.sql = "SELECT 1 FROM spark_bitcoin.withdrawals WHERE payment_hash = $1 AND amount_msat = $2"
		" AND state = 'succeeded' AND deposit_id IS NULL LIMIT 1"
	};

	(void) self;
	(void) work;
	*is = statement_run(&statement, PARAMETERS(param_text(payment_hash), param_amount(amount))) > 0;
	return OK;
}

static Result
has_doubtful_withdrawal(const WithdrawalRepository *self, UnitOfWork *work, const char *payment_hash, bool *has)
{
	static Statement statement = {
		.sql = "SELECT 1 FROM spark_bitcoin.withdrawals WHERE payment_hash = $1 AND state = 'failed'"
		" AND attempt_no > 0 AND in_doubt LIMIT 1"
	};

	(void) self;
	(void) work;
	*has = statement_run(&statement, PARAMETERS(param_text(payment_hash))) > 0;
	return OK;
}

static Result
was_withdrawal_left(const WithdrawalRepository *self, UnitOfWork *work, const char *payment_hash, Uuid node_account_id,
					bool *was)
{
	static Statement statement = {
		.sql = "SELECT 1 FROM spark_bitcoin.withdrawals WHERE payment_hash = $1 AND state = 'failed'"
		" AND attempt_no > 0 AND node_account_id <> $2 LIMIT 1"
	};

	(void) self;
	(void) work;
	*was = statement_run(&statement, PARAMETERS(param_text(payment_hash), param_uuid(node_account_id))) > 0;
	return OK;
}

/* --------------------------------------------------------- the known node */

static Result
find_node(const NodeBook *self, UnitOfWork *work, KnownNode **known)
{
	static Statement statement = {
		.sql = "SELECT backend, network, node_id, node_account_id, first_seen_at, wallet FROM spark_bitcoin.node"
	};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);

	(void) self;
	*known = NULL;
	if (rows_next(&rows))
	{
		*known = ARENA_NEW(work->arena, KnownNode);
		(*known)->backend = row_text(&rows, 1, work->arena);
		(*known)->network = row_text(&rows, 2, work->arena);
		(*known)->node_id = row_text(&rows, 3, work->arena);
		(*known)->node_account_id = row_uuid(&rows, 4);
		(*known)->first_seen_at = row_instant(&rows, 5);
		(*known)->wallet = row_text(&rows, 6, work->arena);
	}
	rows_close(&rows);
	return OK;
}

/* A lock of the table, that no reader needs: the row itself would have to be written to be locked. */
static Oid
node_table(void)
{
	return get_relname_relid("node", get_namespace_oid("spark_bitcoin", false));
}

bool
node_is_kept(void)
{
	Oid			table = node_table();

	/* Without it nobody knows which node that is, and whoever reads it says so. */
	return OidIsValid(table) && ConditionalLockRelationOid(table, RowShareLock);
}

void
node_keep_alone(void)
{
	LockRelationOid(node_table(), ExclusiveLock);
}

static Result
record_node(const NodeBook *self, UnitOfWork *work, const KnownNode *node)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.node (backend, network, node_id, node_account_id, first_seen_at, wallet)"
		" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
	};
	static Statement name_wallet = {
		.sql = "UPDATE spark_bitcoin.node SET wallet = $4"
		" WHERE backend = $1 AND network = $2 AND node_id = $3 AND wallet IS NULL"
	};
	const Parameter parameters[] = {
		param_text(node->backend),
		param_text(node->network),
		param_text(node->node_id),
		param_uuid(node->node_account_id),
		param_instant(node->first_seen_at),
		param_text(node->wallet),
	};

	(void) self;
	(void) work;
	if (statement_run(&statement, parameters, lengthof(parameters)) == 1 ||
		(node->wallet != NULL && statement_run(&name_wallet, PARAMETERS(param_text(node->backend), param_text(node->network),
																		  param_text(node->node_id), param_text(node->wallet))) == 1))
		return OK;
	return FAIL(DUPLICATE);
}

/* ------------------------------------------------------- looks of the owner */

/* A second caller waits for the first, who owns the same deposit, and for nobody else. */
static Result
ask_for_look(const LookLimiter *self, UnitOfWork *work, Uuid invoice_id, Instant now, bool *granted)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.looks AS l (invoice_id, asked_at) VALUES ($1, $2)"
		" ON CONFLICT (invoice_id) DO UPDATE SET asked_at = excluded.asked_at"
		" WHERE l.asked_at <= excluded.asked_at - interval '1 second'"
	};

	(void) self;
	(void) work;
	*granted = statement_run(&statement, PARAMETERS(param_uuid(invoice_id), param_instant(now))) == 1;
	return OK;
}

/* ------------------------------------------------------- worker and operator */

static void
wake(const Wakeup *self)
{
	(void) self;
	wake_lightning_at_commit();
}

static void
raise_alarm(const Alarms *self, Uuid invoice_id, const char *what)
{
	char		text[UUID_TEXT_LENGTH + 1];

	(void) self;
	uuid_format(invoice_id, text);
	ereport(WARNING,
			(errmsg("Lightning: %s", what),
			 errdetail("It is about invoice %s.", text)));
}

/* ------------------------------------------------------------------- wired */

static const DepositRepository deposits = {
	{&deposit_type, load_deposits, insert_deposit, update_deposit},
	find_deposit_by_key, find_deposit_by_hash
};
static const WithdrawalRepository withdrawals = {
	{&withdrawal_type, load_withdrawals, insert_withdrawal, update_withdrawal},
	find_withdrawal_by_hash, find_failed_withdrawal, is_payment_booked, has_doubtful_withdrawal,
	was_withdrawal_left
};
static const NodeBook nodes = {find_node, record_node};
static const LookLimiter limiter = {ask_for_look};
static const Wakeup wakeup = {wake};
static const Alarms alarms = {raise_alarm};

const Bitcoin bitcoin = {
	.deposits = &deposits,
	.withdrawals = &withdrawals,
	.decoder = &bolt11_decoder,
	.digest = &bolt11_digest,
	.nodes = &nodes,
	.limiter = &limiter,
	.wakeup = &wakeup,
	.alarms = &alarms,
	.terms = bitcoin_terms,
};
const Consumer bitcoin_consumer = BITCOIN_CONSUMER(&bitcoin);
