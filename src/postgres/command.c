/*
 * command.c
 *		What every entry point of a context does around its handler.
 *
 * A command is one unit of work in the caller's transaction.  Whether the
 * tables are there is asked once a backend and again after any change of a
 * relation, so that the question costs nothing on the way.
 */
#include "postgres/command.h"

#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/http_front.h"
#include "postgres/installed.h"
#include "postgres/counts/pressure.h"

#define MAX_ATTEMPTS 5

static IdentityProvider identity_provider;

void
set_identity_provider(IdentityProvider provider)
{
	identity_provider = provider;
}

void
installed_required(const char *context)
{
	if (!tables_are_current(context))
		refuse(RESULT_NOT_INSTALLED, "The tables of context %s are missing or of another version.", context);
}

Uuid
caller_or_nobody(const char *context)
{
	Uuid		account_id = UUID_NIL;

	if (identity_provider == NULL || !identity_provider(&account_id))
		account_id = UUID_NIL;
	installed_required(context);
	return account_id;
}

Uuid
caller_required(const char *context)
{
	Uuid		account_id;

	if (identity_provider == NULL || !identity_provider(&account_id))
		refuse(RESULT_NOT_SIGNED_IN, NULL);
	installed_required(context);
	return account_id;
}

UnitOfWork *
unit_of_work_begin(void)
{
	UnitOfWork *work = unit_of_work_new(context_arena(CurrentMemoryContext), server_ports(), NULL);

	work->traceparent = request_traceparent();
	return work;
}

bool
command_runs_again(UnitOfWork *work, Result result, int attempt)
{
	if (!failed(result))
	{
		pressure_admit_all(work);
		result = unit_of_work_complete(work);
	}
	if (result.code == RESULT_DUPLICATE && attempt < MAX_ATTEMPTS)
		return true;
	check(result);
	return false;
}

static void
answer_at(int status, const char *function, const char *argument, const Aggregate *aggregate)
{
	char		text[UUID_TEXT_LENGTH + 1];

	if (!called_over_http())
		return;
	uuid_format(aggregate->id, text);
	response_status(status);
	response_header("Location", psprintf("/rpc/%s?%s=%s", function, argument, text));
	if (aggregate->version > 0)
		response_header("Idempotent-Replayed", "true");
}

void
answer_created(const char *function, const char *argument, const Aggregate *aggregate)
{
	answer_at(201, function, argument, aggregate);
}

void
answer_accepted(const char *function, const char *argument, const Aggregate *aggregate)
{
	answer_at(202, function, argument, aggregate);
}

void
answer_status(int status)
{
	response_status(status);
}
