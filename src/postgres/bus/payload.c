/*
 * payload.c
 *		What a message may carry, whoever emits it.
 *
 * A message that fails is kept as text for a while, and read again.  It must not
 * come to that that this cannot be done: it would stop all that comes behind it.
 * A number is kept in a few bytes that has a hundred thousand digits as text,
 * and who reads again what is deeply nested may have less stack than who wrote it.
 */
#include "postgres/bus/payload.h"

#include "postgres/errors.h"

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define MAX_PAYLOAD_BYTES (1024 * 1024)
#define MAX_DIGITS (8 * 1024 * 1024)
#define MAX_DEPTH 1000
#define SMALL_PAYLOAD 512		/* bytes, in which there is no room for either */

static size_t
digits_of(Numeric number)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	size_t		digits = strlen(text);

	pfree(text);
	return digits;
}

static void
refuse_what_cannot_be_read_again(Jsonb *payload)
{
	JsonbIterator *iterator = JsonbIteratorInit(&payload->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	size_t		digits = 0;
	int			depth = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			depth++;
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			depth--;
		else if (value.type == jbvNumeric)
			digits += digits_of(value.val.numeric);
		if (depth > MAX_DEPTH)
			refuse(RESULT_INVALID_ARGUMENT, "Argument payload must not be nested more than %d levels deep.", MAX_DEPTH);
		if (digits > MAX_DIGITS)
			refuse(RESULT_INVALID_ARGUMENT, "Argument payload must not hold numbers of more than %d digits in all.", MAX_DIGITS);
	}
}

Jsonb *
arg_payload_jsonb(FunctionCallInfo fcinfo, int number)
{
	Jsonb	   *payload;

	if (PG_ARGISNULL(number))
		refuse(RESULT_INVALID_ARGUMENT, "Argument payload must not be NULL.");
	payload = PG_GETARG_JSONB_P(number);
	if (!JB_ROOT_IS_OBJECT(payload))
		refuse(RESULT_INVALID_ARGUMENT, "Argument payload must be a JSON object.");
	if (VARSIZE(payload) > MAX_PAYLOAD_BYTES)
		refuse(RESULT_INVALID_ARGUMENT, "Argument payload must not be larger than %d bytes.", MAX_PAYLOAD_BYTES);
	if (VARSIZE(payload) > SMALL_PAYLOAD)
		refuse_what_cannot_be_read_again(payload);
	return payload;
}

const char *
text_of_payload(Jsonb *payload)
{
	return JsonbToCString(NULL, &payload->root, (int) VARSIZE(payload));
}

const char *
arg_payload(FunctionCallInfo fcinfo, int number)
{
	return text_of_payload(arg_payload_jsonb(fcinfo, number));
}
