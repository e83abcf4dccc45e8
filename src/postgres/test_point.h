/*
 * test_point.h
 *		Named places at which a test can stop or kill the process.
 *
 * Compiled in by -DSPARK_TEST_POINTS alone (make points); else nothing is left
 * of them.  A test arms one by a file spark_test_point in the data directory,
 * with a line "name victim act": victim is worker or backend, act is kill or
 * wait.  The first such process that comes to the place takes the file away and
 * is killed there, or waits there for the end of the server.
 */
#ifndef SPARK_POSTGRES_TEST_POINT_H
#define SPARK_POSTGRES_TEST_POINT_H

#ifdef SPARK_TEST_POINTS
extern void test_point(const char *name);
#define TEST_POINT(name) test_point(name)
#else
#define TEST_POINT(name) ((void) 0)
#endif

#endif
