/*
 * handling.h
 *		One message, handled for the consumer that is being served.
 *
 * A served consumer is looked up anew in each transaction, after its place is
 * taken, so that unsubscribe() and a batch take turns.
 */
#ifndef SPARK_POSTGRES_BUS_HANDLING_H
#define SPARK_POSTGRES_BUS_HANDLING_H

#include "postgres/server.h"

#include "postgres/bus/consumers.h"
#include "postgres/bus/handler_call.h"
#include "postgres/transaction.h"

#define MAX_WHY 512

/* With care (careful.h) one message is announced before it is handled. */
typedef struct Announced
{
	Uuid		id;				/* nil: none is, and every message may be handled */
	int			crashes;		/* that it has cost */
} Announced;

/* Who is served, and what that takes. */
typedef struct Served
{
	const char *consumer;
	int			lane;
	Announced	announced;
	bool		gives_way;		/* others wait for its worker (give_way.h): then contexts have their time, too */
	Instant		until;			/* then no further message begins; none: whatever time it takes */
	Arena	   *arena;			/* of this transaction */
	const Listener *listener;	/* as it is subscribed now */
	Handler    *handlers;		/* of a user's consumer */
	char		why_not[MAX_WHY];	/* a handler, role or right is missing; else empty */
} Served;

/* False: there is nothing to do, or something is missing. */
extern bool find_listener(Served *served);

/* A message has failed: is it that its handler has gone meanwhile? */
extern bool lost_handlers(Served *served);

extern bool is_announced(const Served *served);

/* With care, only the message that was announced is handled. */
extern bool is_expected(const Served *served, const Message *message);

/* True where no attempt can ever succeed: unknown command, undecodable, too deep, crashes the server. */
extern bool is_hopeless(const Served *served, const Message *message);

/* One message under the hands of its handler. */
typedef struct Handling
{
	const Served *served;
	UnitOfWork *work;			/* of a context */
	Message    *message;
	bool		in_run;			/* of calls, see handler_call.h */
	Datum		row;			/* what the handler gets, where in_run */
} Handling;

/* Calls the handler; an error must end the transaction, or subtransaction. */
extern void handle(Handling *handling);

/*
 * Does what calls handlers.  Those of users have their time each; those of a
 * context have it together, and only where others wait for them.
 */
extern void act_for(const Served *served, Act act, void *argument);

/* Writes what the handlers of a context have left in its unit of work. */
extern void complete(const Served *served, UnitOfWork *work);

/*
 * Handles it in a subtransaction: NULL, or why not.  Where a rival is in the way
 * and it is alone in its transaction, it is tried again at once, a few times.
 */
extern ErrorData *try_message(const Served *served, Message *message, bool is_alone);

/* The same, but what it does is undone: would it succeed? */
extern ErrorData *rehearse_message(const Served *served, Message *message);

#endif
