/*
 * worker_node.h
 *		How the worker "spark lightning" stands with the node: who it is,
 *		whether it is ready, what it hints.
 *
 * Used by that worker alone; its state is a process's own and is begun anew
 * after each error.
 */
#ifndef SPARK_BITCOIN_WORKER_NODE_H
#define SPARK_BITCOIN_WORKER_NODE_H

#include "postgres/server.h"

#include "bitcoin/node_work.h"

/* A call under way, or none.  Its texts live in a memory context of its own. */
typedef struct Call
{
	bool		is_used;
	LightningNode *node;		/* that has it under way, or NULL */
	MemoryContext context;
	NodeTask	task;
	Instant		put_off_until;	/* its answer could not be applied for a lock; none: it was not tried */
} Call;

/* The node that the settings name; NULL where there is none. */
extern LightningNode *worker_node(void);

/* An empty call with an arena, not used yet. */
extern void call_prepare(Call *call);

/* Starts it; a payment past its time is answered as not sent instead. */
extern void call_start(Call *call);

/* Takes it back, done or not, and gives its memory back. */
extern void call_end(Call *call);

/* Forgets everything about the node; what was asked is taken back. */
extern void standing_begin(void);

/*
 * Asks who the node is and for hints, where that is due, and takes in what has
 * come back.  False where no node can be used at all.
 */
extern bool standing_turn(Instant now);

/* What plans and answers are judged by. */
extern NodeStanding standing_now(void);

/* What waits for that question, or a later one, counts for nothing unless the node says once more who it is. */
extern void standing_want_identity(int64 question);

/* True where it has answered one of these; else it is asked. */
extern bool standing_is_known_by(int64 question);

/*
 * In the transaction that judges: the books stay with that node until its end.
 * Where they have been given another, or are about to be, no node is known.
 */
extern void standing_keep(NodeStanding *judged, UnitOfWork *work);

/* Why no node is used, or not for all; NULL: it is.  Good until the next standing_turn(). */
extern const char *standing_problem(void);

/* How often the recorded node was met anew in this life of the worker; 0: not yet. */
extern int64 standing_connections(void);

/* In a transaction: writes the state that health shows, where it has changed. */
extern void standing_store(Instant now);

/* When standing_turn() is to be called again; never none. */
extern Instant standing_next(void);

#endif
