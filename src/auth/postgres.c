/*
 * postgres.c
 *		The ports of auth over this server, and who is calling.
 *
 * Rows are locked by load() alone, for a hash that is to be replaced.
 */
#include "auth/postgres.h"

#include "auth/identity.h"
#include "auth/password.h"
#include "auth/secret.h"
#include "auth/settings.h"
#include "auth/shared.h"

#include "postgres/aggregates.h"
#include "postgres/environment.h"
#include "postgres/http_front.h"
#include "postgres/statement.h"

#define SELECT_ACCOUNT \
	"SELECT account_id, version, username, password_hash, created_at FROM spark_auth.accounts"

/* -------------------------------------------------------------- repository */

static Aggregate *
read_account(const Rows *rows, Arena *arena)
{
	Account    *account = ARENA_NEW(arena, Account);

	account->username = row_text(rows, 3, arena);
	account->password_hash = row_text(rows, 4, arena);
	account->created_at = row_instant(rows, 5);
	return &account->aggregate;
}

static Result
load(const Repository *self, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found)
{
	static Statement plain = {
		.sql = SELECT_ACCOUNT " WHERE account_id = ANY ($1) ORDER BY account_id",
		.read_only = true};
	static Statement locked = {
		.sql = SELECT_ACCOUNT " WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE"};

	return aggregates_load(self, work, lock ? &locked : &plain, ids, count, read_account, found);
}

static Result
insert(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_auth.accounts (account_id, version, username, password_hash, created_at)"
		" VALUES ($1, 1, $2, $3, $4) ON CONFLICT DO NOTHING"};
	const Account *account = (const Account *) aggregate;

	(void) self;
	(void) work;
	return inserted(statement_run(&statement, PARAMETERS(param_uuid(aggregate->id),
														 param_text(account->username),
														 param_text(account->password_hash),
														 param_instant(account->created_at))));
}

static Result
update(const Repository *self, UnitOfWork *work, const Aggregate *aggregate)
{
	static Statement statement = {
		.sql = "UPDATE spark_auth.accounts SET password_hash = $3, version = version + 1"
		" WHERE account_id = $1 AND version = $2"};
	const Account *account = (const Account *) aggregate;

	(void) self;
	(void) work;
	return updated(statement_run(&statement, PARAMETERS(param_uuid(aggregate->id),
														param_bigint(aggregate->version),
														param_text(account->password_hash))));
}

static Result
find_by_username(const AccountRepository *self, UnitOfWork *work, const char *username, Account **found)
{
	static Statement statement = {.sql = SELECT_ACCOUNT " WHERE username = $1"};

	*found = (Account *) only_aggregate(self->repository.type, rows_open(&statement, PARAMETERS(param_text(username))),
										work->arena, read_account);
	return OK;
}

static const AccountRepository accounts = {
	.repository = {
		.type = &auth_account_type,
		.load = load,
		.insert = insert,
		.update = update,
	},
	.find_by_username = find_by_username,
};

/* ------------------------------------------------------------------ wiring */

/* As spark.grant_api() was told. */
static const char *
member_role(Arena *arena)
{
	static Statement statement = {
		.sql = "SELECT value FROM spark_common.settings WHERE name = 'member_role'"};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	const char *role = rows_next(&rows) ? row_text(&rows, 1, arena) : NULL;

	rows_close(&rows);
	return role;
}

const Auth	auth = {
	.accounts = &accounts,
	.hasher = &argon2_hasher,
	.signer = &file_signer,
	.throttle = &shared_throttle,
	.member_role = member_role,
	.settings = &auth_settings,
};

/* --------------------------------------------------------- who is calling */

static bool
decide_caller(Arena *arena, Uuid *account_id)
{
	CallerEvidence evidence = {
		.front_is_trusted = front_is_trusted(),
		.token = presented_token,
	};

	if (evidence.front_is_trusted)
		evidence.claims = request_setting("request.jwt.claims");
	return identity_decide(arena, auth.signer, &evidence,
						   instant_from_timestamp(GetCurrentTimestamp()), account_id);
}

bool
auth_caller(Uuid *account_id)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "spark identity", ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(memory);
	bool		known = decide_caller(context_arena(memory), account_id);

	MemoryContextSwitchTo(before);
	MemoryContextDelete(memory);
	return known;
}
