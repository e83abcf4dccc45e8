/*
 * names.h
 *		Enumerations as texts: a table of names in the order of the values.
 */
#ifndef SPARK_COMMON_NAMES_H
#define SPARK_COMMON_NAMES_H

#include "common/array.h"

#include <stdbool.h>
#include <stddef.h>

/* The place of name among count names; false and *place untouched where it is none of them. */
extern bool name_place(const char *const *names, size_t count, const char *name, size_t *place);

/*
 * Defines how values of an enumeration are named, by a table of all of their
 * names; the second is false, and the value untouched, where it is no name.
 */
#define DEFINE_NAME_OF(function, type, names) \
	const char * \
	function(type value) \
	{ \
		return (names)[value]; \
	}

#define DEFINE_VALUE_OF_NAME(function, type, names) \
	bool \
	function(const char *name, type *value) \
	{ \
		size_t		place; \
	\
		if (!name_place((names), COUNT_OF(names), name, &place)) \
			return false; \
		*value = (type) place; \
		return true; \
	}

#endif
