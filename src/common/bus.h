/*
 * bus.h
 *		The contract between the message bus and those who listen to it.
 *
 * A consumer is one owner of a cursor: a context.  It names, for each message
 * type it wants, the one function that handles it.
 *
 * - A command has exactly one handler in all consumers; who sent it as a call
 *   sees it fail, who sent it as a message is told by an event.
 * - An event goes to every consumer that wants it; each fails and is retried
 *   by itself.
 * - A handler bears a message twice and two messages of different keys in any
 *   order.  A refusal is an event, not a failure; a Result that is not OK says
 *   that this message could not be handled now, and it is tried again.
 */
#ifndef SPARK_COMMON_BUS_H
#define SPARK_COMMON_BUS_H

#include "common/array.h"
#include "common/unit_of_work.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct Touched Touched;

typedef struct Subscription
{
	const MessageType *type;

	/* Loads, decides, emits.  message->payload is the struct of the type. */
	Result		(*handle) (const void *context, UnitOfWork *work, const Message *message);

	/*
	 * Optional: which aggregates handle() will ask for, by touch().  What a
	 * whole batch touches is then locked by one statement in the global order.
	 */
	void		(*touches) (const void *context, const Message *message, Touched *touched);
} Subscription;

typedef struct Consumer
{
	const char *name;			/* of the context: "accounting" */
	const void *context;		/* its ports, handed to every handler */
	const Subscription *subscriptions;
	size_t		subscription_count;
} Consumer;

/* The initializer of a Consumer, by its array of subscriptions. */
#define CONSUMER(name_, context_, subscriptions_) \
	{(name_), (context_), (subscriptions_), COUNT_OF(subscriptions_)}

/* The subscription of that consumer for that message name, or NULL. */
extern const Subscription *consumer_subscription(const Consumer *consumer, const char *type_name);

/* The message type of that name among all that the consumers handle, or NULL. */
extern const MessageType *bus_message_type(const Consumer *const *consumers, size_t count, const char *type_name);

/* True where no command has two handlers and no consumer names a type twice. */
extern bool bus_is_sound(const Consumer *const *consumers, size_t count);

/* Decodes the payload for its type, unless that is done, and calls the handler. */
extern Result consumer_handle(const Consumer *consumer, UnitOfWork *work, Message *message) MUST_CHECK;

/* What a batch of messages will ask for, collected before the first is handled. */
typedef struct TouchedAggregate
{
	const Repository *repository;
	Uuid		id;
} TouchedAggregate;

struct Touched
{
	Arena	   *arena;
	TouchedAggregate *aggregates;
	size_t		count;
	size_t		capacity;
};

extern void touch(Touched *touched, const Repository *repository, Uuid id);

/*
 * Locks and tracks what was touched: one statement a repository, in the order
 * of the ranks.
 */
extern Result touched_find(Touched *touched, UnitOfWork *work) MUST_CHECK;

#endif
