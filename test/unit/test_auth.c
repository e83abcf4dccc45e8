/*
 * test_auth.c
 *		Sign-up and login, with fakes behind the ports.
 */
#include "in_memory.h"

#include "auth/handlers.h"
#include "auth/messages.h"
#include "auth/password_policy.h"
#include "auth/throttle.h"
#include "auth/token.h"
#include "auth/username.h"

#include <stdlib.h>
#include <string.h>

#define GOOD_PASSWORD "correct horse battery staple"

/* ------------------------------------------------------------------ fakes */

typedef struct FakeAccounts
{
	AccountRepository port;
	InMemoryRepository store;
	bool		is_blind;		/* finds no name, as if another session had not committed */
	int			locks;
} FakeAccounts;

typedef struct FakeHasher
{
	PasswordHasher port;
	const FakeAccounts *accounts;
	const char *cost;			/* what hashes made now begin with */
	int			work;			/* hashes computed, for whatever */
	bool		is_busy;
} FakeHasher;

typedef struct FakeSigner
{
	TokenSigner port;
	bool		has_no_secret;
} FakeSigner;

typedef struct FakeThrottle
{
	LoginThrottle port;
	FailedLogins entries[4];
	int64_t		limit;
} FakeThrottle;

typedef struct Fixture
{
	World		world;
	FakeAccounts accounts;
	FakeHasher	hasher;
	FakeSigner	signer;
	FakeThrottle throttle;
	AuthSettings settings;
	Auth		auth;
} Fixture;

static Result
fake_load(const Repository *repository, UnitOfWork *work, const Uuid *ids, size_t count, bool lock, Aggregate **found)
{
	FakeAccounts *self = (FakeAccounts *) repository;

	self->locks += lock;
	return self->store.repository.load(&self->store.repository, work, ids, count, lock, found);
}

static Result
fake_insert(const Repository *repository, UnitOfWork *work, const Aggregate *aggregate)
{
	FakeAccounts *self = (FakeAccounts *) repository;

	return self->store.repository.insert(&self->store.repository, work, aggregate);
}

static Result
fake_update(const Repository *repository, UnitOfWork *work, const Aggregate *aggregate)
{
	FakeAccounts *self = (FakeAccounts *) repository;

	return self->store.repository.update(&self->store.repository, work, aggregate);
}

static bool
has_same_name(const Aggregate *stored, const Aggregate *inserted)
{
	return strcmp(((const Account *) stored)->username, ((const Account *) inserted)->username) == 0;
}

static Result
fake_find(const AccountRepository *port, UnitOfWork *work, const char *username, Account **found)
{
	const FakeAccounts *self = (const FakeAccounts *) port;

	*found = NULL;
	for (const InMemoryRow *row = self->store.rows; row != NULL && !self->is_blind; row = row->next)
		if (strcmp(((const Account *) row->aggregate)->username, username) == 0)
			*found = (Account *) in_memory_copy(&self->store, row->aggregate);
	return OK;
}

/* No row may be locked while a password is hashed. */
static Result
begin_work(FakeHasher *self)
{
	assert_int_equal(self->accounts->locks, 0);
	if (self->is_busy)
		return FAIL(TOO_MANY_REQUESTS);
	self->work++;
	return OK;
}

static Result
fake_hash(const PasswordHasher *port, Arena *arena, const char *password, const char **hash)
{
	FakeHasher *self = (FakeHasher *) port;
	unsigned long number = 5381;

	TRY(begin_work(self));
	for (const char *c = password; *c != '\0'; c++)
		number = number * 33 + (unsigned char) *c;
	*hash = arena_printf(arena, "%s%lx", self->cost, number);
	return OK;
}

static Result
fake_verify(const PasswordHasher *port, const char *hash, const char *password, bool *right)
{
	FakeHasher	by_stored_cost = *(const FakeHasher *) port;
	BumpArena	memory;
	const char *expected;

	TRY(begin_work((FakeHasher *) port));
	bump_arena_init(&memory);
	by_stored_cost.cost = arena_text_of(&memory.arena, hash, (size_t) (strrchr(hash, '$') - hash + 1));
	assert_ok(fake_hash(&by_stored_cost.port, &memory.arena, password, &expected));
	*right = strcmp(expected, hash) == 0;
	bump_arena_destroy(&memory);
	return OK;
}

static bool
fake_has_grown(const PasswordHasher *port, const char *hash)
{
	HashCost	stored;
	HashCost	now;

	assert_true(hash_cost_read(hash, &stored));
	assert_true(hash_cost_read(((const FakeHasher *) port)->cost, &now));
	return hash_cost_grew(stored, now);
}

static bool
fake_sign(const TokenSigner *port, const void *data, size_t length, uint8_t mac[TOKEN_MAC_BYTES])
{
	if (((const FakeSigner *) port)->has_no_secret)
		return false;
	memset(mac, 0, TOKEN_MAC_BYTES);
	for (size_t i = 0; i < length; i++)
		mac[i % TOKEN_MAC_BYTES] = (uint8_t) (mac[i % TOKEN_MAC_BYTES] * 31 + ((const uint8_t *) data)[i]);
	return true;
}

static Result
fake_ready(const TokenSigner *port)
{
	return ((const FakeSigner *) port)->has_no_secret ? FAIL(NOT_INSTALLED) : OK;
}

static uint64_t
key_of(const char *username)
{
	uint64_t	key = 1;

	for (; *username != '\0'; username++)
		key = key * 131 + (unsigned char) *username;
	return key;
}

static int64_t
fake_admit(const LoginThrottle *port, const char *username, Instant now)
{
	FakeThrottle *self = (FakeThrottle *) port;
	FailedLogins *entry = throttle_find(self->entries, 4, key_of(username), now);

	return entry != NULL ? throttle_admit(entry, self->limit, now) : 0;
}

static void
fake_fail(const LoginThrottle *port, const char *username, Instant now)
{
	FakeThrottle *self = (FakeThrottle *) port;

	throttle_fail(throttle_claim(self->entries, 4, key_of(username), now), self->limit, now);
}

static void
fake_succeed(const LoginThrottle *port, const char *username, Instant now)
{
	FakeThrottle *self = (FakeThrottle *) port;
	FailedLogins *entry = throttle_find(self->entries, 4, key_of(username), now);

	if (entry != NULL)
		throttle_succeed(entry);
}

static uint64_t
failures_of(Fixture *fixture, const char *username)
{
	const FailedLogins *entry = throttle_find(fixture->throttle.entries, 4, key_of(username), fixture->world.clock.now);

	return entry != NULL ? entry->count : 0;
}

static const char *
fake_member_role(Arena *arena)
{
	return arena_text(arena, "web_user");
}

static int
setup(void **state)
{
	Fixture    *fixture = calloc(1, sizeof(Fixture));

	world_init(&fixture->world);
	fixture->accounts.port = (AccountRepository) {
		{&auth_account_type, fake_load, fake_insert, fake_update}, fake_find};
	fixture->accounts.store = in_memory_repository(&fixture->world, &auth_account_type);
	fixture->accounts.store.same_key = has_same_name;
	fixture->hasher = (FakeHasher) {{fake_hash, fake_verify, fake_has_grown}, &fixture->accounts,
		.cost = "$argon2id$v=19$m=19456,t=2,p=1$"};
	fixture->signer.port = (TokenSigner) {fake_sign, fake_ready};
	fixture->throttle.port = (LoginThrottle) {fake_admit, fake_fail, fake_succeed};
	fixture->throttle.limit = 100;
	fixture->settings = (AuthSettings) {15, 19456, 2, 100, 3600};
	fixture->auth = (Auth) {&fixture->accounts.port, &fixture->hasher.port, &fixture->signer.port,
		&fixture->throttle.port, fake_member_role, &fixture->settings};
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	Fixture    *fixture = *state;

	world_destroy(&fixture->world);
	free(fixture);
	return 0;
}

/* As the entry point does it: handler and unit, once more where another was quicker. */
static Result
sign_up(Fixture *fixture, const char *username, const char *password, Account **account)
{
	Credentials credentials = {username, password};
	Result		result;

	for (;;)
	{
		UnitOfWork *work = world_work(&fixture->world, NULL);

		result = auth_register(&fixture->auth, work, &credentials, account);
		if (!failed(result))
			result = unit_of_work_complete(work);
		if (result.code != RESULT_DUPLICATE)
			return result;
		fixture->accounts.is_blind = false;
	}
}

static Result
log_in(Fixture *fixture, const char *username, const char *password, IssuedToken *issued)
{
	UnitOfWork *work = world_work(&fixture->world, NULL);
	Credentials credentials = {username, password};
	Result		result;

	fixture->accounts.locks = 0;
	result = auth_login(&fixture->auth, work, &credentials, issued);
	return failed(result) ? result : unit_of_work_complete(work);
}

static Uuid
sign_up_alice(Fixture *fixture)
{
	Account    *account;

	assert_ok(sign_up(fixture, "alice", GOOD_PASSWORD, &account));
	return account->aggregate.id;
}

static void
assert_refused_as_argument(Fixture *fixture, const char *username, const char *password)
{
	Account    *account;
	Result		result = sign_up(fixture, username, password, &account);

	assert_refused(result, INVALID_ARGUMENT);
	assert_non_null(result.detail);
	assert_true(password[0] == '\0' || strstr(result.detail, password) == NULL);
	assert_int_equal(fixture->accounts.store.inserts, 0);
	assert_int_equal(fixture->world.outbox.count, 0);
}

/* ------------------------------------------------------------------ names */

static void
S1_name_has_1_to_64_characters(void **state)
{
	Fixture    *fixture = *state;
	char		name[4 * 65 + 1] = "";
	const char *folded;

	for (int i = 0; i < 64; i++)
		strcat(name, "😀");
	assert_ok(username_fold(fixture->world.arena, name, &folded));
	strcat(name, "x");
	assert_refused_as_argument(fixture, name, GOOD_PASSWORD);
	assert_refused_as_argument(fixture, "", GOOD_PASSWORD);
	assert_refused_as_argument(fixture, " \t\n", GOOD_PASSWORD);
}

static void
S1_name_that_cannot_be_seen_is_refused(void **state)
{
	Fixture    *fixture = *state;
	static const char *const wrong[] = {
		"al\x01ice", "al\x7f", "al\xc2\x85ice", "al\nice", "ali\xe2\x80\x8b" "ce", "\xe2\x80\xaelice",
		"al\xc2\xadice", "alice\xef\xbb\xbf", "al\xf3\xa0\x81\xa1ice", "al\xe2\x81\xa6ice",
		"\xff", "al\xc3", "\xc0\x80", "\xed\xa0\x80"
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_refused_as_argument(fixture, wrong[i], GOOD_PASSWORD);
}

/* -------------------------------------------------------------- passwords */

static void
S1_password_length_counts_in_characters_and_bytes(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;
	char		longest[1024 + 2];

	assert_refused_as_argument(fixture, "alice", "");
	assert_refused_as_argument(fixture, "alice", "14 characters.");
	assert_refused_as_argument(fixture, "alice", "ééééééééé");
	memset(longest, 'x', sizeof(longest));
	longest[1025] = '\0';
	assert_refused_as_argument(fixture, "alice", longest);
	longest[1024] = '\0';
	assert_ok(sign_up(fixture, "alice", longest, &account));
	assert_ok(sign_up(fixture, "bob", "15 characters..", &account));
	assert_ok(sign_up(fixture, "carol", "ééééééééééééééé", &account));
}

static void
U5_password_minimum_is_a_setting_but_never_below_8(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;

	fixture->settings.password_min_length = 20;
	assert_refused_as_argument(fixture, "alice", "nineteen characters");
	fixture->settings.password_min_length = 1;
	assert_refused_as_argument(fixture, "alice", "jumping");
	assert_ok(sign_up(fixture, "alice", "jumpings", &account));
}

static void
U6_password_that_is_tried_first_is_refused(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;
	static const char *const wrong[] = {
		"satoshi-nakamoto-1984", "satoshi-nakamoto-1984satoshi-nakamoto-1984", "Satoshi-Nakamoto-1984",
		"passwordpassword", "PassWord-Password", "bitcoin lightning", "123456789012345",
		"qwertyuiop123456", "spark_satoshi_bitcoin", "passw0rd12345678", "abcdefghijklmnopqrstuvwxyz"
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_refused_as_argument(fixture, "Satoshi-Nakamoto-1984", wrong[i]);
	assert_ok(sign_up(fixture, "Satoshi-Nakamoto-1984", "password of satoshi", &account));
	assert_ok(sign_up(fixture, "a", "aaaaaaaaaaaaaaa", &account));
}

/* ---------------------------------------------------------------- sign-up */

static void
S1_register_gives_a_new_account(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;
	const Message *message;
	const auth_signed_up *event;

	assert_ok(sign_up(fixture, " Alice ", GOOD_PASSWORD, &account));
	assert_string_equal(account->username, "alice");
	assert_false(uuid_is_nil(account->aggregate.id));
	assert_int_equal(account->created_at.microseconds, fixture->world.clock.now.microseconds);
	message = world_emitted(&fixture->world, &auth_signed_up_type);
	assert_non_null(message);
	event = message->payload;
	assert_true(uuid_equal(message->aggregate_id, account->aggregate.id));
	assert_true(uuid_equal(event->account_id, account->aggregate.id));
	assert_string_equal(event->username, "alice");
	assert_int_equal(fixture->world.outbox.count, 1);
}

static void
S2_name_in_any_case_is_taken_once(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;
	int			work;

	sign_up_alice(fixture);
	work = fixture->hasher.work;
	assert_refused(sign_up(fixture, "ALICE", GOOD_PASSWORD, &account), USERNAME_TAKEN);
	assert_refused(sign_up(fixture, "  aLiCe", "another password 7", &account), USERNAME_TAKEN);
	assert_int_equal(fixture->hasher.work, work);
	assert_int_equal(fixture->accounts.store.inserts, 1);
	assert_int_equal(fixture->world.outbox.count, 1);
}

static void
S2_name_is_taken_by_a_session_that_was_quicker(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;

	sign_up_alice(fixture);
	fixture->accounts.is_blind = true;
	assert_refused(sign_up(fixture, "Alice", GOOD_PASSWORD, &account), USERNAME_TAKEN);
	assert_int_equal(fixture->accounts.store.inserts, 1);
	assert_int_equal(fixture->world.outbox.count, 1);
}

static void
S3_clear_password_is_neither_stored_nor_told(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;

	assert_ok(sign_up(fixture, "alice", GOOD_PASSWORD, &account));
	assert_null(strstr(account->password_hash, GOOD_PASSWORD));
	assert_null(strstr(fixture->world.outbox.messages[0].payload_json, "horse"));
	assert_null(strstr(fixture->world.outbox.messages[0].payload_json, account->password_hash));
}

static void
H22_sign_up_is_refused_while_too_many_hash(void **state)
{
	Fixture    *fixture = *state;
	Account    *account;

	fixture->hasher.is_busy = true;
	assert_refused(sign_up(fixture, "alice", GOOD_PASSWORD, &account), TOO_MANY_REQUESTS);
	assert_int_equal(fixture->accounts.store.inserts, 0);
}

/* ------------------------------------------------------------------ login */

static void
S4_login_in_any_case_gives_a_token(void **state)
{
	Fixture    *fixture = *state;
	Uuid		alice = sign_up_alice(fixture);
	IssuedToken issued;
	Uuid		account_id;

	assert_ok(log_in(fixture, " ALICE ", GOOD_PASSWORD, &issued));
	assert_int_equal(issued.expires_in, 3600);
	assert_true(token_verify(fixture->world.arena, &fixture->signer.port, issued.access_token,
							 fixture->world.clock.now, &account_id));
	assert_true(uuid_equal(account_id, alice));
	assert_int_equal(fixture->accounts.store.updates, 0);
}

static void
S5_token_is_good_for_the_lifetime_that_is_set(void **state)
{
	Fixture    *fixture = *state;
	IssuedToken issued;
	Uuid		account_id;

	sign_up_alice(fixture);
	fixture->settings.token_lifetime = 60;
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
	assert_int_equal(issued.expires_in, 60);
	world_wait(&fixture->world, 60 + TOKEN_SKEW_SECONDS);
	assert_false(token_verify(fixture->world.arena, &fixture->signer.port, issued.access_token,
							  fixture->world.clock.now, &account_id));
}

static void
S4_D17_unknown_name_and_wrong_password_are_one_answer_and_one_work(void **state)
{
	Fixture    *fixture = *state;
	static const char *const names[] = {"alice", "nobody", "", "al\x01ice"};
	IssuedToken issued;
	char		long_password[2000];

	memset(long_password, 'x', sizeof(long_password) - 1);
	long_password[sizeof(long_password) - 1] = '\0';
	sign_up_alice(fixture);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		const char *const passwords[] = {"wrong password 123", "", long_password};

		for (size_t p = 0; p < sizeof(passwords) / sizeof(passwords[0]); p++)
		{
			int			before = fixture->hasher.work;
			Result		result = log_in(fixture, names[i], passwords[p], &issued);

			assert_refused(result, WRONG_PASSWORD);
			assert_null(result.detail);
			assert_int_equal(fixture->hasher.work, before + 1);
		}
	}
}

static void
S4_failed_try_is_counted_and_success_forgets_it(void **state)
{
	Fixture    *fixture = *state;
	IssuedToken issued;

	sign_up_alice(fixture);
	for (int i = 0; i < 20; i++)
		assert_refused(log_in(fixture, "Alice", "wrong password 123", &issued), WRONG_PASSWORD);
	assert_int_equal(failures_of(fixture, "alice"), 20);
	assert_refused(log_in(fixture, "nobody", "wrong password 123", &issued), WRONG_PASSWORD);
	assert_int_equal(failures_of(fixture, "nobody"), 1);
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
	assert_int_equal(failures_of(fixture, "alice"), 0);
	assert_int_equal(failures_of(fixture, "nobody"), 1);
}

static void
H23_too_many_failures_are_too_many_requests(void **state)
{
	Fixture    *fixture = *state;
	static const char *const names[] = {"alice", "nobody"};
	IssuedToken issued;

	sign_up_alice(fixture);
	fixture->throttle.limit = 3;
	for (size_t n = 0; n < 2; n++)
	{
		Result		result;
		int			work;

		for (int i = 0; i < 3; i++)
			assert_refused(log_in(fixture, names[n], "wrong password 123", &issued), WRONG_PASSWORD);
		work = fixture->hasher.work;
		result = log_in(fixture, names[n], GOOD_PASSWORD, &issued);
		assert_refused(result, TOO_MANY_REQUESTS);
		assert_non_null(strstr(result.detail, "30 s"));
		assert_int_equal(result.retry_seconds, 30);
		assert_int_equal(fixture->hasher.work, work);
	}
	world_wait(&fixture->world, 18);
	assert_int_equal(log_in(fixture, "alice", GOOD_PASSWORD, &issued).retry_seconds, 12);
	world_wait(&fixture->world, 12);
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
}

static void
H22_busy_hasher_is_no_failed_login(void **state)
{
	Fixture    *fixture = *state;
	IssuedToken issued;

	sign_up_alice(fixture);
	fixture->hasher.is_busy = true;
	assert_refused(log_in(fixture, "alice", GOOD_PASSWORD, &issued), TOO_MANY_REQUESTS);
	assert_refused(log_in(fixture, "nobody", GOOD_PASSWORD, &issued), TOO_MANY_REQUESTS);
	assert_int_equal(failures_of(fixture, "alice"), 0);
}

static void
U1_login_strengthens_an_old_hash(void **state)
{
	Fixture    *fixture = *state;
	Uuid		alice = sign_up_alice(fixture);
	IssuedToken issued;
	const Account *stored;

	fixture->hasher.cost = "$argon2id$v=19$m=65536,t=3,p=1$";
	assert_refused(log_in(fixture, "alice", "wrong password 123", &issued), WRONG_PASSWORD);
	assert_int_equal(fixture->accounts.store.updates, 0);
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
	stored = (const Account *) in_memory_stored(&fixture->accounts.store, alice);
	assert_non_null(strstr(stored->password_hash, "m=65536,t=3"));
	assert_int_equal(stored->aggregate.version, 2);
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
	fixture->hasher.cost = "$argon2id$v=19$m=19456,t=2,p=1$";
	assert_ok(log_in(fixture, "alice", GOOD_PASSWORD, &issued));
	assert_int_equal(fixture->accounts.store.updates, 1);
}

static void
U1_hash_of_a_password_that_changed_meanwhile_is_kept(void **state)
{
	Fixture    *fixture = *state;
	Account    *account = auth_account_open(fixture->world.arena, id_of(1), "alice", "old", fixture->world.clock.now);

	auth_account_strengthen(account, "another", "stronger");
	assert_string_equal(account->password_hash, "old");
	auth_account_strengthen(account, "old", "stronger");
	assert_string_equal(account->password_hash, "stronger");
}

static void
login_without_a_secret_says_so_before_any_work(void **state)
{
	Fixture    *fixture = *state;
	IssuedToken issued;
	int			work;

	sign_up_alice(fixture);
	work = fixture->hasher.work;
	fixture->signer.has_no_secret = true;
	assert_refused(log_in(fixture, "alice", GOOD_PASSWORD, &issued), NOT_INSTALLED);
	assert_refused(log_in(fixture, "nobody", GOOD_PASSWORD, &issued), NOT_INSTALLED);
	assert_int_equal(fixture->hasher.work, work);
	assert_int_equal(failures_of(fixture, "alice"), 0);
}

/* ---------------------------------------------------------------- account */

static void
S5_account_of_a_missing_account_is_not_signed_in(void **state)
{
	Fixture    *fixture = *state;
	Uuid		alice = sign_up_alice(fixture);
	UnitOfWork *work = world_work(&fixture->world, NULL);
	Account    *account;

	assert_ok(auth_account(&fixture->auth, work, alice, &account));
	assert_string_equal(account->username, "alice");
	assert_refused(auth_account(&fixture->auth, work, id_of(404), &account), NOT_SIGNED_IN);
	assert_int_equal(fixture->accounts.locks, 0);
}

static void
messages_lie_in_memory_as_their_fields_say(void **state)
{
	assert_true(message_layout_is_right(&auth_signed_up_type));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(S1_name_has_1_to_64_characters),
		TEST(S1_name_that_cannot_be_seen_is_refused),
		TEST(S1_password_length_counts_in_characters_and_bytes),
		TEST(U5_password_minimum_is_a_setting_but_never_below_8),
		TEST(U6_password_that_is_tried_first_is_refused),
		TEST(S1_register_gives_a_new_account),
		TEST(S2_name_in_any_case_is_taken_once),
		TEST(S2_name_is_taken_by_a_session_that_was_quicker),
		TEST(S3_clear_password_is_neither_stored_nor_told),
		TEST(H22_sign_up_is_refused_while_too_many_hash),
		TEST(S4_login_in_any_case_gives_a_token),
		TEST(S5_token_is_good_for_the_lifetime_that_is_set),
		TEST(S4_D17_unknown_name_and_wrong_password_are_one_answer_and_one_work),
		TEST(S4_failed_try_is_counted_and_success_forgets_it),
		TEST(H23_too_many_failures_are_too_many_requests),
		TEST(H22_busy_hasher_is_no_failed_login),
		TEST(U1_login_strengthens_an_old_hash),
		TEST(U1_hash_of_a_password_that_changed_meanwhile_is_kept),
		TEST(login_without_a_secret_says_so_before_any_work),
		TEST(S5_account_of_a_missing_account_is_not_signed_in),
		TEST(messages_lie_in_memory_as_their_fields_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
