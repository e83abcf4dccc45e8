/*
 * functions.c
 *		The SQL functions of auth.
 */
#include "postgres/server.h"

#include "auth/handlers.h"
#include "auth/postgres.h"
#include "auth/username.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"

PG_FUNCTION_INFO_V1(spark_auth_register);
PG_FUNCTION_INFO_V1(spark_auth_login);
PG_FUNCTION_INFO_V1(spark_auth_whoami);
PG_FUNCTION_INFO_V1(spark_auth_account);

/* The name in form NFKC, so that one name cannot be written in two ways. */
static const char *
composed(const char *name)
{
	if (GetDatabaseEncoding() != PG_UTF8 || strlen(name) > USERNAME_MAX_BYTES)
		return name;
	return TextDatumGetCString(DirectFunctionCall2(unicode_normalize_func,
												   CStringGetTextDatum(name),
												   CStringGetTextDatum("NFKC")));
}

static void
wipe(void *password)
{
	explicit_bzero(password, strlen(password));
}

/* The password is wiped when its memory is freed, however the call ends. */
static Credentials
arg_credentials(FunctionCallInfo fcinfo)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	Credentials credentials = {
		.username = composed(arg_text(fcinfo, 0, "username")),
		.password = arg_text(fcinfo, 1, "password"),
	};

	callback->func = wipe;
	callback->arg = (void *) credentials.password;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return credentials;
}

static Datum
account_datum(FunctionCallInfo fcinfo, const Account *account)
{
	Answer		answer = answer_begin(fcinfo);

	answer_uuid(&answer, account->aggregate.id);
	answer_text(&answer, account->username);
	answer_instant(&answer, account->created_at);
	return answer_row(&answer);
}

Datum
spark_auth_register(PG_FUNCTION_ARGS)
{
	Credentials credentials;
	UnitOfWork *work;
	Account    *account;

	hide_statement_in_errors();
	PreventCommandIfReadOnly("spark.register()");
	installed_required("auth");
	credentials = arg_credentials(fcinfo);
	COMMAND(work, auth_register(&auth, work, &credentials, &account));
	answer_status(201);
	PG_RETURN_DATUM(account_datum(fcinfo, account));
}

Datum
spark_auth_login(PG_FUNCTION_ARGS)
{
	Credentials credentials;
	UnitOfWork *work;
	IssuedToken issued;
	Answer		answer;

	hide_statement_in_errors();
	PreventCommandIfReadOnly("spark.login()");
	installed_required("auth");
	credentials = arg_credentials(fcinfo);
	COMMAND(work, auth_login(&auth, work, &credentials, &issued));
	answer = answer_begin(fcinfo);
	answer_text(&answer, issued.access_token);
	answer_text(&answer, "bearer");
	answer_int(&answer, issued.expires_in);
	PG_RETURN_DATUM(answer_row(&answer));
}

Datum
spark_auth_whoami(PG_FUNCTION_ARGS)
{
	Uuid		account_id;

	if (!auth_caller(&account_id))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(uuid_datum(account_id));
}

Datum
spark_auth_account(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("auth");
	UnitOfWork *work = unit_of_work_begin();
	Account    *account;

	check(auth_account(&auth, work, caller, &account));
	PG_RETURN_DATUM(account_datum(fcinfo, account));
}
