/*
 * errors.c
 *		From a Result to an error of the server, in SQL's form or HTTP's.
 *
 * PostgREST shows an SQLSTATE of its class PGRST as the JSON in its message,
 * with status and headers from the JSON in its detail.  Within a subtransaction
 * somebody may want to catch the error by its code, so there, and wherever no
 * trusted front is, the form is SQL's.
 */
#include "postgres/errors.h"

#include "postgres/http_front.h"
#include "postgres/transaction_end.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#define RETRY_SECONDS 5			/* where nobody knows better */

static bool statement_is_secret;
static bool log_is_watched;
static emit_log_hook_type next_log_hook;

/*
 * The context is hidden too: it may quote the statement that a function has
 * put together.
 */
static void
keep_statement_out_of_log(ErrorData *error)
{
	if (statement_is_secret)
		error->hide_stmt = error->hide_ctx = true;
	if (next_log_hook != NULL)
		next_log_hook(error);
}

/* A hook, as the server raises errors too: cancel, read-only, no memory. */
void
hide_statement_in_errors(void)
{
	if (!log_is_watched)
	{
		next_log_hook = emit_log_hook;
		emit_log_hook = keep_statement_out_of_log;
		log_is_watched = true;
	}
	watch_transaction_end();
	statement_is_secret = true;
}

/* Reset at the end of each transaction, by the unit of work's callback. */
void
show_statement_in_errors(void)
{
	statement_is_secret = false;
}

static int
sqlstate_of(const char *sqlstate)
{
	return MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4]);
}

static void
append_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

static const char *
http_body(const ResultText *text, const char *detail, const char *hint)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_member(&json, "code", text->sqlstate);
	append_member(&json, "message", text->message);
	append_member(&json, "details", detail);
	append_member(&json, "hint", hint);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static const char *
http_head(const ResultText *text, int64 retry_seconds)
{
	const char *headers = "";

	if (text->http_status == 401)
		headers = "\"WWW-Authenticate\": \"Bearer\"";
	else if (text->http_status == 429 || text->http_status == 503)
		headers = psprintf("\"Retry-After\": \"" INT64_FORMAT "\"", retry_seconds > 0 ? retry_seconds : RETRY_SECONDS);
	return psprintf("{\"status\": %d, \"headers\": {%s}}", text->http_status, headers);
}

static void
raise_error(Result result, const char *special_hint)
{
	const ResultText *text = result_text(result.code);
	const char *detail = result.detail;
	const char *hint = special_hint != NULL ? special_hint : text->hint;

	if (GetCurrentTransactionNestLevel() == 1 && called_over_http())
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')),
				 errmsg_internal("%s", http_body(text, detail, hint)),
				 errdetail_internal("%s", http_head(text, result.retry_seconds))));
	ereport(ERROR,
			(errcode(sqlstate_of(text->sqlstate)),
			 errmsg_internal("%s", text->message),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 errhint("%s", hint)));
}

void
check(Result result)
{
	if (failed(result))
		raise_error(result, NULL);
}

static char *detail_of(const char *format, va_list arguments) pg_attribute_printf(1, 0);

static char *
detail_of(const char *format, va_list arguments)
{
	StringInfoData text;
	int			needed;

	initStringInfo(&text);
	for (;;)
	{
		va_list		again;

		va_copy(again, arguments);
		needed = appendStringInfoVA(&text, format, again);
		va_end(again);
		if (needed == 0)
			return text.data;
		enlargeStringInfo(&text, needed);
	}
}

void
refuse(ResultCode code, const char *detail_format,...)
{
	char	   *detail = NULL;
	va_list		arguments;

	if (detail_format != NULL)
	{
		va_start(arguments, detail_format);
		detail = detail_of(detail_format, arguments);
		va_end(arguments);
	}
	raise_error((Result) {code, detail, 0}, NULL);
	pg_unreachable();
}

void
refuse_now(const char *hint, const char *detail_format,...)
{
	char	   *detail;
	va_list		arguments;

	va_start(arguments, detail_format);
	detail = detail_of(detail_format, arguments);
	va_end(arguments);
	raise_error((Result) {RESULT_REFUSED_NOW, detail, 0}, hint);
	pg_unreachable();
}
