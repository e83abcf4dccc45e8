/*
 * failure.h
 *		What the failures of a consumer so far say of it, and when it may go on.
 *
 * A message that fails by itself is parked.  What fails for the environment, for
 * a rival (failure_class.h) or for every message alike blames none: the consumer
 * waits, in its lane or in all, and looks again.  Where many have failed alike, it may be the messages,
 * or the consumer: then one is looked for that does not fail (probe.h).  When it
 * is found, those before it are blamed, each for itself; until then, none is.
 *
 * The order of calls in one turn of a consumer in a lane (dispatcher.c):
 *
 *		failure_pause()			first: above 0, nothing is tried in this turn
 *		failure_stage()			before each batch: what is to be tried now
 *
 *	 in a batch, about one message, before the commit:
 *		failure_is_excused()	may a failure be its own, or must the batch be taken back?
 *		failure_note()			it has failed and is parked
 *		failure_forget()		it has succeeded
 *
 *	 after a batch, one of:
 *		failure_wait()			it was taken back, for that error
 *		failure_missing()		it was not begun: a handler, role or right is missing
 *		failure_passed()		it is committed
 *
 *	 round a probe:
 *		failure_place()			where it begins
 *		failure_is_alike()		within: is that failure one more of the same kind?
 *		failure_shut_key()		within: it is, and the next ones of its key are left out
 *		failure_has_shut_key()
 *		failure_found_one()		after it, one of these two
 *		failure_found_none()
 *		failure_begin_anew()	it was taken back, or its place means nothing any more
 *
 *	 at any time, where somebody wants a look now:
 *		failure_look_again()
 *
 * What is remembered here is one process's, and only saves work and blame: who
 * has forgotten it tries once more.
 */
#ifndef SPARK_POSTGRES_BUS_FAILURE_H
#define SPARK_POSTGRES_BUS_FAILURE_H

#include "postgres/server.h"

#include "common/uuid.h"

typedef enum Stage
{
	STAGE_TOGETHER,				/* a batch at once; one by one where that fails */
	STAGE_ALONE,				/* rivals are in the way: one message a transaction */
	STAGE_PROBE,				/* all fail alike: look for one that does not */
	STAGE_EACH_FOR_ITSELF		/* one was found: one by one up to there */
} Stage;

/* Milliseconds it still has to wait; 0: go on. */
extern long failure_pause(const char *consumer, int lane);

extern Stage failure_stage(const char *consumer, int lane);

/* True where another message is known to succeed, so that this one's failure is its own. */
extern bool failure_is_excused(const char *consumer, int lane, int64 number);

/* So many keys, failing in a row for one reason, make the consumer pause; those excused do not count. */
extern void failure_note(const char *consumer, int lane, Uuid key, const ErrorData *error);

extern void failure_forget(const char *consumer, int lane);

/* A little for a rival, else longer each time. */
extern void failure_wait(const char *consumer, int lane, const ErrorData *error);

/* NULL: nothing is missing any more. */
extern void failure_missing(const char *consumer, int lane, const char *why);

/* Who was in its way there has gone. */
extern void failure_rivals_gone(const char *consumer, int lane);

/* All up to that number is done with. */
extern void failure_passed(const char *consumer, int lane, int64 number);

/* Up to where a probe has tried others in vain. */
typedef struct ProbePlace
{
	int64		gen;			/* of the cursor that it is beyond; of another one it means nothing */
	bool		is_behind_window;	/* in the window behind the one that is open */
	int64		number;
} ProbePlace;

extern ProbePlace failure_place(const char *consumer, int lane);

extern bool failure_is_alike(const char *consumer, const ErrorData *error);

/* Up to that number, messages fail each for itself; in_vain: others were tried before. */
extern void failure_found_one(const char *consumer, int lane, int64 number, bool in_vain);

/* Where a round of probes stands that has found none. */
typedef enum Search
{
	SEARCH_GOES_ON,				/* from that place, with the next probe */
	SEARCH_IN_VAIN,				/* it is over, and all that was tried fails alike: the consumer waits, longer each time */
	SEARCH_OF_NOTHING			/* it is over, and nothing was there to be tried: there is nothing to wait for */
} Search;

/* It has come to that place; at_end: of the log, and so of the round. */
extern Search failure_found_none(const char *consumer, int lane, ProbePlace place, bool in_vain, bool at_end);

/* A probe has taken its time: the next one comes a little later. */
extern void failure_rest(const char *consumer, int lane);

/*
 * In a round of probes, a message of that key has failed.  Now and then a key is
 * taken for one that has: then it is left out in this round, and not in the next.
 */
extern void failure_shut_key(const char *consumer, int lane, Uuid key);
extern bool failure_has_shut_key(const char *consumer, int lane, Uuid key);

/* The next probe begins a round. */
extern void failure_begin_anew(const char *consumer, int lane);

/* Ends all pauses of this process; what was short may be there again. */
extern void failure_look_again(void);

#endif
