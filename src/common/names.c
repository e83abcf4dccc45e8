/*
 * names.c
 *		Enumerations as texts.
 */
#include "common/names.h"

#include <string.h>

bool
name_place(const char *const *names, size_t count, const char *name, size_t *place)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
		{
			*place = i;
			return true;
		}
	return false;
}
