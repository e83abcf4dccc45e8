/*
 * cln_rune.c
 *		What a rune of Core Lightning says of itself.
 *
 * The text behind the 32 bytes: restrictions, & between them, each of which must
 * hold; in one, alternatives, | between them, one of which must.  An alternative
 * is the name of a field, a sign of punctuation, and a value, in which \\ takes
 * the meaning from what follows.
 */
#include "lightning/cln_rune.h"

#include "lightning/base64.h"

#include <ctype.h>
#include <string.h>

#define MOST_BYTES 1024
#define AUTHENTICATION 32		/* bytes */

/* Reads up to the next sign that separates; returns where that stands. */
static const char *
read_value(const char *text, char *value)
{
	while (*text != '\0' && *text != '|' && *text != '&')
	{
		if (*text == '\\' && text[1] != '\0')
			text++;
		*value++ = *text++;
	}
	*value = '\0';
	return text;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t		length = strlen(text);

	return strlen(end) <= length && strcmp(text + length - strlen(end), end) == 0;
}

/* One condition on the method; what is not known may hold. */
static bool
may_hold(const char *method, char condition, const char *value)
{
	switch (condition)
	{
		case '=':
			return strcmp(method, value) == 0;
		case '/':
			return strcmp(method, value) != 0;
		case '^':
			return strncmp(method, value, strlen(value)) == 0;
		case '$':
			return ends_with(method, value);
		case '~':
			return strstr(method, value) != NULL;
		case '{':
			return strcmp(method, value) < 0;
		case '}':
			return strcmp(method, value) > 0;
		case '<':
		case '>':				/* whole numbers */
		case '!':				/* there is none */
			return false;
		default:
			return true;
	}
}

/* One alternative; returns where it ends. */
static const char *
read_alternative(const char *text, const char *method, bool *holds)
{
	char		value[MOST_BYTES];
	size_t		length = 0;
	char		condition;
	bool		is_of_method;

	while (text[length] != '\0' && (text[length] == '_' || !ispunct((unsigned char) text[length])))
		length++;
	is_of_method = length == strlen("method") && strncmp(text, "method", length) == 0;
	condition = text[length];
	if (condition != '\0')
		length++;
	text = read_value(text + length, value);
	*holds = *holds || !is_of_method || may_hold(method, condition, value);
	return text;
}

/* The restrictions as text; false where it is no rune. */
static bool
read_rune(const char *rune, char *restrictions)
{
	uint8_t		bytes[MOST_BYTES];
	size_t		length = strcspn(rune, "=");
	size_t		count = length * 3 / 4;

	if (count <= AUTHENTICATION || count > MOST_BYTES || !base64_parse(rune, bytes, count) ||
		memchr(bytes + AUTHENTICATION, '\0', count - AUTHENTICATION) != NULL)
		return false;
	memcpy(restrictions, bytes + AUTHENTICATION, count - AUTHENTICATION);
	restrictions[count - AUTHENTICATION] = '\0';
	return true;
}

bool
cln_rune_allows(const char *rune, const char *method)
{
	char		restrictions[MOST_BYTES];
	const char *text = restrictions;

	if (!read_rune(rune, restrictions))
		return true;
	while (*text != '\0')
	{
		bool		holds = false;

		text = read_alternative(text, method, &holds);
		while (*text == '|')
			text = read_alternative(text + 1, method, &holds);
		if (!holds)
			return false;
		if (*text == '&')
			text++;
	}
	return true;
}
