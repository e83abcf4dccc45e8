/*
 * twin.h
 *		Broken twins of the batch rule, which the test of the rule must catch.
 *
 * Compiled in by -DSPARK_TEST_POINTS alone (make points); else nothing is left
 * of them.  All processes of a server that is started with SPARK_TWIN=name in
 * its environment break the rule in that one way:
 *
 *		last_number		no stragglers: what commits late is passed over
 *		listed_only		stragglers are those that a snapshot lists, nobody beyond its xmax
 *		xmin_cutoff		only what is older than every running transaction, by (xid, seq)
 *		by_xid			a window by (xid, seq) instead of seq
 *		no_place		workers and sessions do not take turns: the cursor's key alone is the fence
 *
 * A cached sequence and a cursor without its key are made by SQL.
 */
#ifndef SPARK_POSTGRES_BUS_TWIN_H
#define SPARK_POSTGRES_BUS_TWIN_H

#ifdef SPARK_TEST_POINTS
extern bool is_twin(const char *name);
#define TWIN(name) is_twin(#name)
#else
#define TWIN(name) false
#endif

#endif
