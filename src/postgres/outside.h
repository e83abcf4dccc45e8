/*
 * outside.h
 *		Whether this database may act on the world.
 *
 * The books remember the database that they act for.  A copy of them (a dump
 * restored, a template copied, a cluster upgraded) works inside, but calls no
 * node until an operator says that no other copy does: else two databases would
 * pay for one promise.  A copy of the whole cluster cannot be told apart from
 * it; its configuration says spark.outside = off until its operator has paused it.
 */
#ifndef SPARK_POSTGRES_OUTSIDE_H
#define SPARK_POSTGRES_OUTSIDE_H

#include "postgres/server.h"

#include "common/clock.h"

/* This database is the one that the books act for. */
extern void claim_outside(void);

/* Why nothing outside may be done, and what to do about it; static text.  NULL: it may. */
extern const char *why_outside_is_paused(void);

/*
 * What is to be put right before a copy acts outside, in the transaction that
 * resumes it: it cannot know what the other life of its books has done since.
 * Wired by the composition root.
 */
typedef void (*Resumption) (Instant now);
extern void add_resumption(Resumption resumption);

#endif
