/*
 * waiting.h
 *		What waits for each consumer, without reading the log or what is parked.
 *
 * It is counted once after the start of the server, or after it has become
 * unknown, by the next batch of the consumer, with its place taken; from then on
 * whatever changes it says so at its commit; of a prepared transaction, what it has
 * emitted is counted by the first who looks after its end.  Where it is not counted
 * (the library is not preloaded, a standby, nobody has looked yet, a prepared
 * transaction has handled something), it is read from the tables.
 *
 * All of it is exact, and of one moment for all consumers: what one of them has
 * handled, and emitted for another, is counted by one of the two.  Only how long
 * the oldest waits is known no better than from look to look of a worker: it
 * waits for no longer than is said.
 */
#ifndef SPARK_POSTGRES_COUNTS_WAITING_H
#define SPARK_POSTGRES_COUNTS_WAITING_H

#include "postgres/server.h"

#include "postgres/bus/consumers.h"
#include "postgres/bus/cursor.h"

/* What of a lane waits for a consumer. */
typedef struct Waiting
{
	int64		messages;		/* in the log, that it wants */
	double		seconds;		/* the oldest of them; 0: none waits */
	int64		parked;
	int64		dead;
	int64		blocked;		/* keys */
} Waiting;

/* For each of these listeners, one after the other, a Waiting for each lane. */
extern Waiting *waiting_for(List *listeners, int lanes, Arena *arena);

/* Who has paused it, or that it is detached; NULL: nobody, it is not. */
extern const char *why_stopped(const Listener *listener);

/* That may have changed: it is told of once the transaction has committed. */
extern void note_why_stopped(const char *consumer);

/* Nobody has counted it, or it has become unknown.  Also outside of transactions. */
extern bool waiting_must_be_counted(const char *consumer, int lane);

/* Counts it, with the consumer's place taken, by the listener as it is subscribed then. */
extern void waiting_count(const Listener *listener, int lane, bool has_cursor);

/* Before anything is read for it: how many that it wants were emitted before now. */
extern int64 waiting_look(const Listener *listener, int lane);

/* Once the transaction has committed, so many of the log do not wait any more; the last was emitted then. */
extern void waiting_passed(const char *consumer, int lane, int64 number, Instant emitted_at);

/* A look has found nothing that waits, and so many were emitted before. */
extern void waiting_is_over(const char *consumer, int lane, int64 emitted);

#endif
