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
#include "postgres/wakeup.h"

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
http_body(const ResultText *text, const char *detail)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_member(&json, "code", text->sqlstate);
	append_member(&json, "message", text->message);
	append_member(&json, "details", detail);
	append_member(&json, "hint", text->hint);
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
raise_error(Result result)
{
	const ResultText *text = result_text(result.code);
	const char *detail = result.detail;

	if (GetCurrentTransactionNestLevel() == 1 && called_over_http())
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')),
				 errmsg_internal("%s", http_body(text, detail)),
				 errdetail_internal("%s", http_head(text, result.retry_seconds))));
	ereport(ERROR,
			(errcode(sqlstate_of(text->sqlstate)),
			 errmsg_internal("%s", text->message),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 errhint("%s", text->hint)));
}

void
check(Result result)
{
	if (failed(result))
		raise_error(result);
}

void
refuse(ResultCode code, const char *detail_format,...)
{
	char	   *detail = NULL;

	if (detail_format != NULL)
	{
		StringInfoData text;
		va_list		arguments;
		int			needed;

		initStringInfo(&text);
		for (;;)
		{
			va_start(arguments, detail_format);
			needed = appendStringInfoVA(&text, detail_format, arguments);
			va_end(arguments);
			if (needed == 0)
				break;
			enlargeStringInfo(&text, needed);
		}
		detail = text.data;
	}
	raise_error((Result) {code, detail, 0});
	pg_unreachable();
}
