/*
 * bus.c
 *		Who handles what, and what a batch will touch.
 */
#include "common/bus.h"

#include <stdlib.h>
#include <string.h>

const Subscription *
consumer_subscription(const Consumer *consumer, const char *type_name)
{
	for (size_t i = 0; i < consumer->subscription_count; i++)
		if (strcmp(consumer->subscriptions[i].type->name, type_name) == 0)
			return &consumer->subscriptions[i];
	return NULL;
}

const MessageType *
bus_message_type(const Consumer *const *consumers, size_t count, const char *type_name)
{
	for (size_t i = 0; i < count; i++)
	{
		const Subscription *subscription = consumer_subscription(consumers[i], type_name);

		if (subscription != NULL)
			return subscription->type;
	}
	return NULL;
}

static size_t
handlers_of(const Consumer *consumer, const char *type_name)
{
	size_t		handlers = 0;

	for (size_t i = 0; i < consumer->subscription_count; i++)
		handlers += strcmp(consumer->subscriptions[i].type->name, type_name) == 0;
	return handlers;
}

bool
bus_is_sound(const Consumer *const *consumers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < consumers[i]->subscription_count; j++)
		{
			const MessageType *type = consumers[i]->subscriptions[j].type;
			size_t		handlers = 0;

			if (handlers_of(consumers[i], type->name) != 1)
				return false;
			for (size_t other = 0; other < count; other++)
				handlers += handlers_of(consumers[other], type->name);
			if (type->kind == MESSAGE_COMMAND && handlers != 1)
				return false;
		}
	return true;
}

Result
consumer_handle(const Consumer *consumer, UnitOfWork *work, Message *message)
{
	const Subscription *subscription = consumer_subscription(consumer, message->type_name);

	if (subscription == NULL)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(work->arena, "%s does not know %s.", consumer->name, message->type_name));
	message->type = subscription->type;
	if (message->payload == NULL)
		TRY(message_decode(subscription->type, message->schema_version, message->payload_json,
						   strlen(message->payload_json), work->arena, &message->payload));
	return subscription->handle(consumer->context, work, message);
}

void
touch(Touched *touched, const Repository *repository, Uuid id)
{
	if (touched->count == touched->capacity)
	{
		size_t		capacity = touched->capacity == 0 ? 64 : touched->capacity * 2;
		TouchedAggregate *grown = ARENA_ARRAY(touched->arena, TouchedAggregate, capacity);

		if (touched->count > 0)
			memcpy(grown, touched->aggregates, touched->count * sizeof(TouchedAggregate));
		touched->aggregates = grown;
		touched->capacity = capacity;
	}
	touched->aggregates[touched->count++] = (TouchedAggregate) {repository, id};
}

static int
compare_ranks(const void *left, const void *right)
{
	int			a = ((const TouchedAggregate *) left)->repository->type->rank;
	int			b = ((const TouchedAggregate *) right)->repository->type->rank;

	return (a > b) - (a < b);
}

Result
touched_find(Touched *touched, UnitOfWork *work)
{
	Uuid	   *ids = ARENA_ARRAY(touched->arena, Uuid, touched->count);

	if (touched->count > 1)
		qsort(touched->aggregates, touched->count, sizeof(TouchedAggregate), compare_ranks);
	for (size_t begin = 0; begin < touched->count;)
	{
		const Repository *repository = touched->aggregates[begin].repository;
		size_t		count = 0;

		while (begin + count < touched->count && touched->aggregates[begin + count].repository == repository)
		{
			ids[count] = touched->aggregates[begin + count].id;
			count++;
		}
		TRY(unit_of_work_find_many(work, repository, ids, count));
		begin += count;
	}
	return OK;
}
