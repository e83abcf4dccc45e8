/*
 * arguments.c
 *		SQL arguments as values of the domain.
 */
#include "postgres/arguments.h"

#include "postgres/environment.h"
#include "postgres/errors.h"

#include "common/json.h"

#include "mb/pg_wchar.h"

#define MAX_KEY_LENGTH 255
#define MAX_REASON_LENGTH 1000
#define MAX_LIMIT 500

static void
require(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be NULL.", name);
}

Uuid
arg_uuid_or_nil(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? UUID_NIL : uuid_of_datum(PG_GETARG_DATUM(number));
}

Uuid
arg_uuid(FunctionCallInfo fcinfo, int number, const char *name)
{
	require(fcinfo, number, name);
	return arg_uuid_or_nil(fcinfo, number);
}

/*
 * What goes into messages is UTF-8.  A database of another encoding holds texts
 * that are none: they are refused here, before an event says them to anybody.
 */
static const char *
utf8_required(const char *text, const char *name)
{
	if (text != NULL && GetDatabaseEncoding() != PG_UTF8 && !utf8_is_valid(text, strlen(text)))
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must be UTF-8; the encoding of this database is %s.",
			   name, GetDatabaseEncodingName());
	return text;
}

const char *
arg_text_or_null(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

const char *
arg_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	require(fcinfo, number, name);
	return utf8_required(arg_text_or_null(fcinfo, number), name);
}

const char *
arg_reason(FunctionCallInfo fcinfo, int number, const char *name)
{
	const char *reason = arg_text(fcinfo, number, name);

	if (reason[strspn(reason, " \t\r\n")] == '\0')
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be empty.", name);
	if (strlen(reason) > MAX_REASON_LENGTH)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be longer than %d bytes.", name, MAX_REASON_LENGTH);
	return reason;
}

Amount
arg_sat(FunctionCallInfo fcinfo, int number, const char *name)
{
	Amount		amount;

	require(fcinfo, number, name);
	if (!amount_from_sat(PG_GETARG_INT64(number), &amount))
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must be from 1 to " INT64_FORMAT " satoshi.", name, (int64) MAX_SAT);
	return amount;
}

Amount
arg_sat_or_zero(FunctionCallInfo fcinfo, int number, const char *name)
{
	return PG_ARGISNULL(number) ? AMOUNT_ZERO : arg_sat(fcinfo, number, name);
}

const char *
arg_key_or_null(FunctionCallInfo fcinfo, int number, const char *name)
{
	const char *key = utf8_required(arg_text_or_null(fcinfo, number), name);

	if (key == NULL || key[0] == '\0')
		return NULL;
	if (strlen(key) > MAX_KEY_LENGTH)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be longer than %d bytes.", name, MAX_KEY_LENGTH);
	return key;
}

const char *
arg_key(FunctionCallInfo fcinfo, int number, const char *name)
{
	const char *key = arg_key_or_null(fcinfo, number, name);

	if (key == NULL)
		refuse(RESULT_IDEMPOTENCY_KEY_MISSING, "Argument %s must not be NULL or empty.", name);
	return key;
}

int
arg_limit_up_to(FunctionCallInfo fcinfo, int number, int fallback, int most)
{
	int32		limit = PG_ARGISNULL(number) ? fallback : PG_GETARG_INT32(number);

	if (limit < 1 || limit > most)
		refuse(RESULT_INVALID_ARGUMENT, "Argument limit_ must be from 1 to %d.", most);
	return limit;
}

int
arg_limit(FunctionCallInfo fcinfo, int number, int fallback)
{
	return arg_limit_up_to(fcinfo, number, fallback, MAX_LIMIT);
}

const char *
arg_hash(FunctionCallInfo fcinfo, int number, const char *name)
{
	char	   *hash = (char *) arg_text(fcinfo, number, name);

	if (strlen(hash) != 64 || strspn(hash, "0123456789abcdefABCDEF") != 64)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must be 64 hex digits.", name);
	for (char *digit = hash; *digit != '\0'; digit++)
		*digit = pg_tolower((unsigned char) *digit);
	return hash;
}
