/*
 * pressure.h
 *		Back-pressure: how much of the log the contexts have still to handle.
 *
 * A lane is counted in shared memory, in numbers: its head is the last that was
 * drawn, and each context stands somewhere behind it.  The backlog of a lane is
 * the way from the slowest context to the head.  Emitters count the head up;
 * whoever reads a number or a position of the tables sets it right, so that the
 * count is wrong for no longer than until the next look of a dispatcher.  It
 * counts numbers, also those of messages that were rolled back.
 *
 * Only contexts count: a user's consumer that stands still holds nobody off.
 */
#ifndef SPARK_POSTGRES_COUNTS_PRESSURE_H
#define SPARK_POSTGRES_COUNTS_PRESSURE_H

#include "postgres/server.h"

#include "common/unit_of_work.h"
#include "postgres/bus/cursor.h"

extern int	lane_soft_limit;	/* messages; 0: none */
extern int	lane_hard_limit;
extern int	transaction_max_messages;	/* 0: any number */
extern int	transaction_max_size;	/* of payloads, kB; 0: any */

extern void define_pressure_settings(void);
extern void pressure_shmem_request(void);
extern void pressure_shmem_startup(void);

/* Nothing is known of the database any more that has that place. */
extern void pressure_forget(int place);

/* A message was appended to that lane. */
extern void pressure_count(int lane);

/* That is the last number that was drawn there. */
extern void pressure_note_head(int lane, int64 number);

/* From one to the other, no number of that lane has a message. */
extern void pressure_note_gap(int lane, int64 from, int64 to);

/* A context stands there, as the running transaction will leave it. */
extern void pressure_note_position(const Cursor *cursor);

/* It was found there: what had put it further on was rolled back. */
extern void pressure_correct_position(const Cursor *cursor);

typedef struct Backlog
{
	int64		messages;
	const char *context;		/* that is slowest; NULL: nobody listens */
} Backlog;

/* Of that lane, as it is counted; read from the tables where nothing is. */
extern Backlog pressure_of(int lane);

/* What is between a cursor and the head of its lane, without counting rows. */
extern int64 pressure_behind(const Cursor *cursor);

/*
 * Before somebody emits what is about that key: SP008 where its lane is full, a
 * warning now and then where it soon will be.  Handlers and workers pass, for
 * else a full log would never drain.
 */
extern void pressure_admit(Uuid key);

/*
 * Before a payload of that many bytes is emitted by a transaction that has done
 * so before: SP010 where that would be too much for one.  The same may pass.
 */
extern void pressure_admit_size(size_t bytes);

/* The same as pressure_admit() for all that a command is about to tell. */
extern void pressure_admit_all(const UnitOfWork *work);

#endif
