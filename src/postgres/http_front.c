/*
 * http_front.c
 *		The settings request.* and response.* of an HTTP front.
 */
#include "postgres/http_front.h"

#include "postgres/settings.h"

#include "common/json.h"
#include "postgres/environment.h"

#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/json.h"
#include "utils/varlena.h"

bool
front_is_trusted(void)
{
	char	   *session_user;
	char	   *names;
	List	   *proxies;
	ListCell   *cell;

	if (trusted_proxies == NULL || trusted_proxies[0] == '\0')
		return false;
	session_user = GetUserNameFromId(GetSessionUserId(), true);
	names = pstrdup(trusted_proxies);
	if (session_user == NULL || !SplitIdentifierString(names, ',', &proxies))
		return false;
	foreach(cell, proxies)
		if (strcmp((const char *) lfirst(cell), session_user) == 0)
			return true;
	return false;
}

const char *
request_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

bool
called_over_http(void)
{
	return request_setting("request.method") != NULL && front_is_trusted();
}

/* For the transaction, whatever the SET clause of the calling function undoes. */
static void
set_for_transaction(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

void
response_status(int status)
{
	if (called_over_http())
		set_for_transaction("response.status", psprintf("%d", status));
}

void
response_header(const char *name, const char *value)
{
	const char *present = request_setting("response.headers");
	StringInfoData headers;

	if (!called_over_http())
		return;
	initStringInfo(&headers);
	if (present != NULL && present[0] == '[')
	{
		/* Another header is already there: put ours behind it. */
		appendBinaryStringInfo(&headers, present, (int) strlen(present) - 1);
		appendStringInfoString(&headers, ", {");
	}
	else
		appendStringInfoString(&headers, "[{");
	escape_json(&headers, name);
	appendStringInfoString(&headers, ": ");
	escape_json(&headers, value);
	appendStringInfoString(&headers, "}]");
	set_for_transaction("response.headers", headers.data);
}

/* 00-<32 hex>-<16 hex>-<2 hex>, lower case, by the W3C recommendation. */
static bool
is_traceparent(const char *text)
{
	static const int dashes[] = {2, 35, 52};

	if (strlen(text) != 55 || strspn(text, "0123456789abcdef-") != 55)
		return false;
	for (int i = 0; i < 3; i++)
		if (text[dashes[i]] != '-')
			return false;
	return true;
}

const char *
request_traceparent(void)
{
	const char *headers;
	JsonValue  *object;
	const JsonValue *traceparent;

	if (!called_over_http())
		return NULL;
	headers = request_setting("request.headers");
	if (headers == NULL)
		return NULL;
	object = json_parse(context_arena(CurrentMemoryContext), headers, strlen(headers));
	traceparent = json_member(object, "traceparent");
	if (traceparent == NULL || traceparent->kind != JSON_TEXT || !is_traceparent(traceparent->text))
		return NULL;
	return traceparent->text;
}
