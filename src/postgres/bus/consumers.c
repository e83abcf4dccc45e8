/*
 * consumers.c
 *		Who listens: the contexts, and the handlers that others subscribed.
 */
#include "postgres/bus/consumers.h"

#include "postgres/bus/commands_of_users.h"
#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/bus/log.h"
#include "postgres/statement.h"

#include "storage/lmgr.h"

#define CONTEXT_MAX_ATTEMPTS 12

static const Consumer *const *contexts;
static int	context_count;
static const MessageType *const *const *message_lists;
static int	message_list_count;

static Statement all_subscriptions = {
	.sql = "SELECT consumer, message_type, handler_schema, handler_name, role, max_attempts,"
	" ordering, when_dead FROM spark_common.subscription ORDER BY consumer, message_type",
	.of_now = true};

void
set_contexts(const Consumer *const *consumers, int count,
			 const MessageType *const *const *messages, int lists)
{
	contexts = consumers;
	context_count = count;
	message_lists = messages;
	message_list_count = lists;
}

const Consumer *const *
all_contexts(int *count)
{
	*count = context_count;
	return contexts;
}

const Consumer *
context_consumer(const char *name)
{
	for (int i = 0; i < context_count; i++)
		if (strcmp(contexts[i]->name, name) == 0)
			return contexts[i];
	return NULL;
}

const MessageType *
known_message_type(const char *name)
{
	for (int list = 0; list < message_list_count; list++)
		for (const MessageType *const *type = message_lists[list]; *type != NULL; type++)
			if ((*type)->name[0] == name[0] && strcmp((*type)->name, name) == 0)
				return *type;
	return NULL;
}

static bool
is_in_context(const char *type_name, const char *context)
{
	size_t		length = strcspn(context, ".");

	return strncmp(type_name, context, length) == 0 && (type_name[length] == '.' || type_name[length] == '\0');
}

bool
belongs_to_spark(const char *type_name)
{
	for (int i = 0; i < context_count; i++)
		if (is_in_context(type_name, contexts[i]->name))
			return true;
	for (int list = 0; list < message_list_count; list++)
		if (message_lists[list][0] != NULL && is_in_context(type_name, message_lists[list][0]->name))
			return true;
	return false;
}

const char *
message_destination(const Message *message)
{
	const MessageType *type = known_message_type(message->type_name);
	const char *context;

	if (type != NULL && type->kind == MESSAGE_EVENT)
		return NULL;
	context = pnstrdup(message->type_name, strcspn(message->type_name, "."));
	return context_consumer(context) != NULL ? context : subscriber_of_command(message->type_name);
}

/* --------------------------------------------------------------- listeners */

static Listener *
context_listener(const Consumer *consumer, Arena *arena)
{
	Listener   *listener = ARENA_NEW(arena, Listener);

	listener->name = consumer->name;
	listener->context = consumer;
	listener->wanted = ARENA_ARRAY(arena, const char *, consumer->subscription_count);
	for (size_t i = 0; i < consumer->subscription_count; i++)
	{
		const MessageType *type = consumer->subscriptions[i].type;

		listener->wanted[listener->wanted_count++] = type->name;
		listener->stops_lanes = listener->stops_lanes || type->order == MESSAGE_ORDER_LANE;
	}
	return listener;
}

/* Puts one row of the subscriptions to its listener, who may be the last of the list. */
static List *
add_subscription(List *list, const char *consumer, UserSubscription subscription, uint64 room, Arena *arena)
{
	Listener   *listener = list == NIL ? NULL : llast(list);

	if (listener == NULL || listener->context != NULL || strcmp(listener->name, consumer) != 0)
	{
		listener = ARENA_NEW(arena, Listener);
		listener->name = consumer;
		listener->subscriptions = ARENA_ARRAY(arena, UserSubscription, room);
		listener->wanted = ARENA_ARRAY(arena, const char *, room);
		list = lappend(list, listener);
	}
	((UserSubscription *) listener->subscriptions)[listener->subscription_count++] = subscription;
	listener->stops_lanes = listener->stops_lanes || subscription.order == MESSAGE_ORDER_LANE;
	listener->wanted[listener->wanted_count++] = subscription.message_type;
	return list;
}

List *
context_listeners(Arena *arena)
{
	List	   *list = NIL;

	for (int i = 0; i < context_count; i++)
		if (tables_are_current(contexts[i]->name))
			list = lappend(list, context_listener(contexts[i], arena));
	return list;
}

List *
listeners_at_once(Arena *arena)
{
	if (ConditionalLockRelationOid(log_subscriptions(), AccessShareLock))
		return listeners(arena);
	return context_listeners(arena);
}

List *
listeners(Arena *arena)
{
	List	   *list = context_listeners(arena);
	MemoryContext caller = CurrentMemoryContext;
	Rows		rows = rows_open(&all_subscriptions, NO_PARAMETERS);

	while (rows_next(&rows))
	{
		const char *consumer = row_text(&rows, 1, arena);
		UserSubscription subscription = {
			.message_type = row_text(&rows, 2, arena),
			.handler_schema = row_text(&rows, 3, arena),
			.handler_name = row_text(&rows, 4, arena),
			.role = row_text(&rows, 5, arena),
			.max_attempts = row_int(&rows, 6),
		};
		MemoryContext spi = MemoryContextSwitchTo(caller);

		(void) order_of_name(row_text(&rows, 7, arena), &subscription.order);
		(void) when_dead_of_name(row_text(&rows, 8, arena), &subscription.when_dead);
		list = add_subscription(list, consumer, subscription, rows.count, arena);
		MemoryContextSwitchTo(spi);
	}
	rows_close(&rows);
	return list;
}

Listener *
listener_of(const char *name, Arena *arena)
{
	ListCell   *cell;

	foreach(cell, listeners(arena))
		if (strcmp(((Listener *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	return NULL;
}

/* The one that a user's consumer has for that type; NULL: of a context, or none. */
static const UserSubscription *
user_subscription(const Listener *listener, const char *message_type)
{
	for (int i = 0; i < listener->subscription_count; i++)
		if (strcmp(listener->subscriptions[i].message_type, message_type) == 0)
			return &listener->subscriptions[i];
	return NULL;
}

static const Subscription *
context_subscription(const Listener *listener, const char *message_type)
{
	return listener->context != NULL ? consumer_subscription(listener->context, message_type) : NULL;
}

int
listener_max_attempts(const Listener *listener, const char *message_type)
{
	const UserSubscription *subscription = user_subscription(listener, message_type);

	return subscription != NULL ? subscription->max_attempts : CONTEXT_MAX_ATTEMPTS;
}

MessageOrder
listener_order(const Listener *listener, const char *message_type)
{
	const UserSubscription *of_user = user_subscription(listener, message_type);
	const Subscription *of_context = context_subscription(listener, message_type);

	if (of_user != NULL)
		return of_user->order;
	return of_context != NULL ? of_context->type->order : MESSAGE_ORDER_KEY;
}

MessageDeath
listener_when_dead(const Listener *listener, const char *message_type)
{
	const UserSubscription *of_user = user_subscription(listener, message_type);
	const Subscription *of_context = context_subscription(listener, message_type);

	if (of_user != NULL)
		return of_user->when_dead;
	return of_context != NULL ? of_context->type->when_dead : MESSAGE_DEATH_BLOCK;
}

/* ------------------------------------------------------------ words in SQL */

static const char *const order_names[] = {
	[MESSAGE_ORDER_KEY] = "key",
	[MESSAGE_ORDER_NONE] = "none",
	[MESSAGE_ORDER_LANE] = "lane",
};

static const char *const when_dead_names[] = {
	[MESSAGE_DEATH_BLOCK] = "block",
	[MESSAGE_DEATH_SKIP] = "skip",
};

/* -1: none of them. */
static int
number_of_name(const char *const *names, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], text) == 0)
			return (int) i;
	return -1;
}

const char *
order_name(MessageOrder order)
{
	return order_names[order];
}

bool
order_of_name(const char *text, MessageOrder *order)
{
	int			number = number_of_name(order_names, COUNT_OF(order_names), text);

	if (number >= 0)
		*order = (MessageOrder) number;
	return number >= 0;
}

const char *
when_dead_name(MessageDeath when_dead)
{
	return when_dead_names[when_dead];
}

bool
when_dead_of_name(const char *text, MessageDeath *when_dead)
{
	int			number = number_of_name(when_dead_names, COUNT_OF(when_dead_names), text);

	if (number >= 0)
		*when_dead = (MessageDeath) number;
	return number >= 0;
}
