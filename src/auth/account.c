/*
 * account.c
 *		The aggregate of auth.
 */
#include "auth/account.h"

#include <string.h>

const AggregateType auth_account_type = {
	.name = "account",
	.size = sizeof(Account),
	.rank = RANK_AUTH_ACCOUNT,
};

Account *
auth_account_open(Arena *arena, Uuid id, const char *username, const char *password_hash, Instant now)
{
	Account    *account = ARENA_NEW(arena, Account);

	account->aggregate.type = &auth_account_type;
	account->aggregate.id = id;
	account->username = arena_text(arena, username);
	account->password_hash = arena_text(arena, password_hash);
	account->created_at = now;
	return account;
}

void
auth_account_strengthen(Account *account, const char *proven, const char *stronger)
{
	if (strcmp(account->password_hash, proven) == 0)
		account->password_hash = stronger;
}
