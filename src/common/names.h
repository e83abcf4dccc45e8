/*
 * names.h
 *		Enumerations as texts: a table of names in the order of the values.
 */
#ifndef SPARK_COMMON_NAMES_H
#define SPARK_COMMON_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* The place of name among count names; false and *place untouched where it is none of them. */
extern bool name_place(const char *const *names, size_t count, const char *name, size_t *place);

#endif
