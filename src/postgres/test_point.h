/*
 * test_point.h
 *		Named places at which a test can hold a process.
 *
 * Compiled in by -DSPARK_TEST_POINTS alone (make points); else nothing is left
 * of them.  A test arms one of a database by a file spark_test_point.<oid of
 * the database> in the data directory, with a line "name victim step": victim
 * is worker or backend.  The first such process of that database that comes to
 * the place gives the file a name that ends with its process id, and waits
 * there until it is killed, or its server is.
 *
 * A COMMIT_POINT is one of many transactions: step, unless it is -, says which,
 * by the last TEST_POINT that was passed in it.
 */
#ifndef SPARK_POSTGRES_TEST_POINT_H
#define SPARK_POSTGRES_TEST_POINT_H

#ifdef SPARK_TEST_POINTS
extern void test_point(const char *name);
extern void commit_point(const char *name);
#define TEST_POINT(name) test_point(name)
#define COMMIT_POINT(name) commit_point(name)
#else
#define TEST_POINT(name) ((void) 0)
#define COMMIT_POINT(name) ((void) 0)
#endif

#endif
