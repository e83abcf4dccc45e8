/*
 * twin.c
 *		Broken twins of the batch rule, which the test of the rule must catch.
 */
#include "postgres/server.h"

#include "postgres/bus/twin.h"

#ifdef SPARK_TEST_POINTS

bool
is_twin(const char *name)
{
	const char *twin = getenv("SPARK_TWIN");

	return twin != NULL && strcmp(twin, name) == 0;
}

#endif
