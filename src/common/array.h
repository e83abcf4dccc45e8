/*
 * array.h
 *		How many an array holds.
 */
#ifndef SPARK_COMMON_ARRAY_H
#define SPARK_COMMON_ARRAY_H

/* Of an array, never of a pointer. */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
