/*
 * amount_setting.c
 *		A setting that is an amount, in whole satoshi, up to all that there are.
 */
#include "postgres/server.h"

#include "postgres/amount_setting.h"

#define MOST_DIGITS 16			/* of MAX_SAT */

/* Digits and nothing else, but blanks around them. */
static bool
read_satoshi(const char *text, int64 *satoshi)
{
	size_t		length;

	*satoshi = 0;
	text += strspn(text, " \t\n");
	length = strspn(text, "0123456789");
	if (length == 0 || length > MOST_DIGITS || text[length + strspn(text + length, " \t\n")] != '\0')
		return false;
	for (size_t i = 0; i < length; i++)
		*satoshi = *satoshi * 10 + (text[i] - '0');
	return *satoshi <= MAX_SAT;
}

static bool
check_amount(char **text, void **extra, GucSource source)
{
	int64		satoshi;

	(void) extra;
	(void) source;
	if (read_satoshi(*text, &satoshi))
		return true;
	GUC_check_errdetail("It is a number of whole satoshi, in digits alone, from 0 to " INT64_FORMAT ".", (int64) MAX_SAT);
	return false;
}

void
define_amount(const char *name, const char *sentence, const char *more, char **text, const char *initial)
{
	DefineCustomStringVariable(name, sentence, more, text, initial, PGC_SIGHUP, 0, check_amount, NULL, NULL);
}

Amount
amount_set(const char *text)
{
	int64		satoshi;

	(void) read_satoshi(text, &satoshi);
	return AMOUNT_MSAT(satoshi * MSAT_PER_SAT);
}
