/*
 * consumers.c
 *		Who listens: the contexts, and the handlers that others subscribed.
 */
#include "postgres/consumers.h"

#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/statement.h"

#define CONTEXT_MAX_ATTEMPTS 12

static const Consumer *const *contexts;
static int	context_count;
static const MessageType *const *const *message_lists;
static int	message_list_count;

static Statement all_subscriptions = {
	.sql = "SELECT consumer, message_type, handler_schema, handler_name, role, max_attempts"
	" FROM spark_common.subscription ORDER BY consumer, message_type"};

static Statement subscribed_command = {
	.sql = "SELECT consumer FROM spark_common.subscription WHERE message_type = $1 AND kind = 'command'"};

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
			if (strcmp((*type)->name, name) == 0)
				return *type;
	return NULL;
}

const char *
message_destination(const Message *message)
{
	const MessageType *type = known_message_type(message->type_name);
	const char *context;
	Rows		rows;

	if (type != NULL && type->kind == MESSAGE_EVENT)
		return NULL;
	context = pnstrdup(message->type_name, strcspn(message->type_name, "."));
	if (context_consumer(context) != NULL)
		return context;
	context = NULL;
	rows = rows_open(&subscribed_command, PARAMETERS(param_text(message->type_name)));
	if (rows_next(&rows))
		context = row_text(&rows, 1, context_arena(CurTransactionContext));
	rows_close(&rows);
	return context;
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
		listener->wanted[listener->wanted_count++] = consumer->subscriptions[i].type->name;
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
	listener->wanted[listener->wanted_count++] = subscription.message_type;
	return list;
}

List *
listeners(Arena *arena)
{
	List	   *list = NIL;
	MemoryContext caller = CurrentMemoryContext;
	Rows		rows;

	for (int i = 0; i < context_count; i++)
		if (tables_are_current(contexts[i]->name))
			list = lappend(list, context_listener(contexts[i], arena));
	rows = rows_open(&all_subscriptions, NO_PARAMETERS);
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

int
listener_max_attempts(const Listener *listener, const char *message_type)
{
	for (int i = 0; i < listener->subscription_count; i++)
		if (strcmp(listener->subscriptions[i].message_type, message_type) == 0)
			return listener->subscriptions[i].max_attempts;
	return CONTEXT_MAX_ATTEMPTS;
}
