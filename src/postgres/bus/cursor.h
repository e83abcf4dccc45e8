/*
 * cursor.h
 *		Where a consumer stands in the log, and what it reads next.
 *
 * The rule (common/snapshot.h): a window is what is visible in s2 and was not
 * in s1, by seq.  It is read without a sort: first the stragglers, rows up to
 * q1 whose transactions were running at s1; then all others up to q2.
 *
 * q is the last number drawn when it was read, after the snapshot; n the next
 * transaction id, read after q: so no row visible in s lies beyond q, and every
 * row up to q has an id below n.
 */
#ifndef SPARK_POSTGRES_BUS_CURSOR_H
#define SPARK_POSTGRES_BUS_CURSOR_H

#include "postgres/server.h"

#include "common/message.h"
#include "common/snapshot.h"
#include "postgres/bus/consumers.h"

typedef struct LogPosition
{
	LogSnapshot	s;
	int64		q;
	uint64		n;
} LogPosition;

typedef struct Cursor
{
	const char *consumer;
	int			lane;
	int64		gen;			/* of the row it was read from */
	LogPosition from;			/* all before it was delivered */
	bool		is_open;		/* a window is being delivered */
	LogPosition to;				/* its end, where it is open */
	int64		pos;			/* last row of the window that was handled */
	Instant		stored_at;
	bool		is_paused;		/* by an operator */
} Cursor;

/* A message of the log with its place in it. */
typedef struct LoggedMessage
{
	int64		seq;
	Message		message;		/* without its payload where there is a row */
	Datum		row;			/* as spark_bus.message, for a user's consumer; else 0 */
	size_t		bytes;			/* of its payload */
} LoggedMessage;

/* The message with the text of its payload, which handlers of others do without. */
extern Message *whole_message(LoggedMessage *logged);

/* The last number that was drawn in a lane. */
extern int64 log_number(int lane);

/* Where a lane stands now; the running transaction counts as not ended. */
extern LogPosition log_position(int lane, Arena *arena);

/* False where the consumer has no cursor. */
extern bool cursor_load(const char *consumer, int lane, Arena *arena, Cursor *cursor);

/* A cursor for a new consumer: it starts now. */
extern void cursor_create(const char *consumer, int lane);

/* Drops the cursor of a consumer that is gone. */
extern void cursor_drop(const char *consumer);

/* Opens a window up to now, unless one is open. */
extern void cursor_open(Cursor *cursor, Arena *arena);

/* The next messages of the open window, up to that number, that the listener wants, at most limit. */
extern int	cursor_fetch(const Cursor *cursor, const Listener *listener, int64 last, int limit, Arena *arena,
						 LoggedMessage *messages);

/* The window is done: the next one begins at its end. */
extern void cursor_close(Cursor *cursor);

/* Writes it as the next generation: with the effects, in their transaction. */
extern void cursor_store(const Cursor *cursor);

/*
 * How many messages a listener has not handled, and when the oldest was written.
 * Where it stands and what there is are seen by the snapshot of the caller, so
 * that the lags of many add up: what one has handled, and emitted for another,
 * is counted by one of the two.
 */
extern int64 cursor_lag(const Listener *listener, int lane, Arena *arena, Instant *oldest);

/*
 * The same without reading the log where there is more than that behind it: then
 * the count is the shared one, and takes in what the listener will skip.
 */
extern int64 cursor_lag_about(const Listener *listener, int lane, int64 most, Arena *arena, Instant *oldest);

#endif
