/*
 * failure_class.c
 *		Whose fault an error is, by its SQLSTATE, and what it costs the message.
 */
#include "postgres/bus/failure_class.h"

#include "postgres/bus/handler_call.h"

#include "access/xlog.h"
#include "postmaster/bgworker.h"
#include "utils/errcodes.h"

/* SP008: what a handler emits to be delivered later finds too much that waits already. */
#define ERRCODE_BACK_PRESSURE MAKE_SQLSTATE('S', 'P', '0', '0', '8')

bool
failure_is_of_time(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED && strcmp(error->message, TIME_LIMIT_MESSAGE) == 0;
}

/*
 * 57014 is the time limit of one call, a cancel of the worker, or what the
 * handler has raised: an attempt.  In a session it may be the caller's own wish.
 */
static bool
is_cancelled(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED && MyBgworkerEntry == NULL && !failure_is_of_time(error);
}

/* Else it is the handler that has made its transaction read-only. */
static bool
server_is_read_only(void)
{
	return RecoveryInProgress() || DefaultXactReadOnly;
}

static bool
is_of_environment(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		sqlerrcode == ERRCODE_INDEX_CORRUPTED ||
		sqlerrcode == ERRCODE_BACK_PRESSURE ||
		(sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION && server_is_read_only());
}

FailureClass
failure_class(const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
		return FAILURE_OF_RIVAL;
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		return FAILURE_OF_LOCK;
	if (is_of_environment(error->sqlerrcode))
		return FAILURE_OF_ENVIRONMENT;
	return is_cancelled(error) ? FAILURE_CANCELLED : FAILURE_OF_MESSAGE;
}

bool
failure_is_passing(const ErrorData *error)
{
	FailureClass class = failure_class(error);

	return class == FAILURE_OF_RIVAL || class == FAILURE_OF_LOCK;
}

Blame
failure_blame(const ErrorData *error, bool is_hopeless)
{
	if (is_hopeless)
		return BLAME_FINAL;
	switch (failure_class(error))
	{
		case FAILURE_OF_MESSAGE:
		case FAILURE_OF_RIVAL:
			return BLAME_ATTEMPT;
		case FAILURE_OF_LOCK:
		case FAILURE_OF_ENVIRONMENT:
		case FAILURE_CANCELLED:
			return BLAME_NONE;
	}
	return BLAME_NONE;
}
