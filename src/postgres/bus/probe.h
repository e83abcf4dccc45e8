/*
 * probe.h
 *		Is it the messages, or the consumer?
 *
 * Where message after message of a consumer fails alike, none is blamed until
 * one is found that does not.  A probe looks for it, in the log beyond the
 * cursor: it handles one message after the other and undoes each, in their
 * order; messages that wait behind others of their key it leaves out.  Nothing
 * is written, the cursor stays where it is.
 *
 * The log may be long and a handler slow: a probe goes on for a while, and the
 * next one from there, until all of the log was tried.  That is a round.
 *
 * With care (careful.h), a probe tries the one message that was announced.
 */
#ifndef SPARK_POSTGRES_BUS_PROBE_H
#define SPARK_POSTGRES_BUS_PROBE_H

#include "postgres/server.h"

#include "postgres/bus/batch.h"
#include "postgres/bus/failure.h"

typedef struct Probe
{
	Batch		batch;			/* what it reads; its outcome is no batch's */
	int			next;			/* of what was read */
	Instant		end;			/* so long it goes on */
	ProbePlace	place;			/* where it began; then, where it ended */
	bool		in_vain;		/* some were tried so */
	bool		found;			/* one that does not fail alike */
	int64		number;			/* of that one */
	bool		at_end;			/* of the log: the round is over */
} Probe;

/* Looks for it.  Argument: a Probe. */
extern void run_probe(void *argument);

/* The message that it would try first; NULL: none is there, or not so soon.  In a transaction. */
extern const Message *probe_look_ahead(Probe *probe);

#endif
