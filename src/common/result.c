/*
 * result.c
 *		The texts of the error table.
 */
#include "common/result.h"

#include <string.h>

static const ResultText texts[] = {
	[RESULT_OK] = {"00000", "ok", 200, "successful completion", ""},
#define RESULT_ROW(code, sqlstate, name, http, message, hint) \
	[RESULT_##code] = {sqlstate, name, http, message, hint},
	RESULT_CODES(RESULT_ROW)
#undef RESULT_ROW
};

const ResultText *
result_text(ResultCode code)
{
	if (code == RESULT_DUPLICATE || code >= RESULT_CODE_COUNT)
		code = RESULT_INTERNAL;
	return &texts[code];
}

bool
result_by_name(const char *name, ResultCode *code)
{
	for (ResultCode candidate = RESULT_INVALID_ARGUMENT; candidate < RESULT_DUPLICATE; candidate++)
		if (strcmp(texts[candidate].name, name) == 0)
		{
			*code = candidate;
			return true;
		}
	return false;
}
