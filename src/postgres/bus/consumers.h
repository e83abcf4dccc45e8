/*
 * consumers.h
 *		Who listens: the contexts, and the handlers that others subscribed.
 */
#ifndef SPARK_POSTGRES_BUS_CONSUMERS_H
#define SPARK_POSTGRES_BUS_CONSUMERS_H

#include "postgres/server.h"

#include "common/bus.h"

/* Wired once by the composition root: the contexts, and all message types. */
extern void set_contexts(const Consumer *const *consumers, int count,
						 const MessageType *const *const *messages, int message_lists);

/* The context of that name, or NULL. */
extern const Consumer *context_consumer(const char *name);

extern const Consumer *const *all_contexts(int *count);

/* The type of that name that a context of spark owns, or NULL. */
extern const MessageType *known_message_type(const char *name);

/* True where a name is that of a context of spark, or of a message of one, known or not. */
extern bool belongs_to_spark(const char *type_name);

/*
 * To whom a message is addressed: of a command, the consumer that handles it;
 * NULL of an event.  A name within a context of spark that is none of its
 * messages is taken for a command it does not know, and becomes its dead letter.
 */
extern const char *message_destination(const Message *message);

/* A handler that somebody subscribed, by names. */
typedef struct UserSubscription
{
	const char *message_type;
	const char *handler_schema;
	const char *handler_name;
	const char *role;
	int			max_attempts;
	MessageOrder order;
	MessageDeath when_dead;
} UserSubscription;

/* One consumer as the dispatcher sees it: a context, or somebody's. */
typedef struct Listener
{
	const char *name;
	const Consumer *context;	/* NULL: of a user */
	const UserSubscription *subscriptions;	/* of a user */
	int			subscription_count;
	const char **wanted;		/* message types */
	int			wanted_count;
	bool		stops_lanes;	/* some type of it is of order LANE */
} Listener;

/* All whose tables are there: contexts first, then users' by name. */
extern List *listeners(Arena *arena);

/* The contexts among them, which need no subscription. */
extern List *context_listeners(Arena *arena);

/* All, without those of users while somebody has locked their subscriptions. */
extern List *listeners_at_once(Arena *arena);

/* The one of that name, or NULL. */
extern Listener *listener_of(const char *name, Arena *arena);

/* The attempts a message has before it is dead. */
extern int	listener_max_attempts(const Listener *listener, const char *message_type);

/* What waits while a message of that type fails, and when it is dead. */
extern MessageOrder listener_order(const Listener *listener, const char *message_type);
extern MessageDeath listener_when_dead(const Listener *listener, const char *message_type);

/* The words for them in SQL; false where text is none of them. */
extern const char *order_name(MessageOrder order);
extern bool order_of_name(const char *text, MessageOrder *order);
extern const char *when_dead_name(MessageDeath when_dead);
extern bool when_dead_of_name(const char *text, MessageDeath *when_dead);

#endif
