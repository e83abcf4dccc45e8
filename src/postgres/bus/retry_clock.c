/*
 * retry_clock.c
 *		When the next parked message of a consumer is due, as this worker knows it.
 *
 * A few places, chosen by name and lane; who finds another in his place asks
 * the tables, which costs time and no more.
 */
#include "postgres/bus/retry_clock.h"

#include "postgres/environment.h"

#include "common/hashfn.h"

#define PLACES 256

typedef struct Place
{
	char		consumer[NAMEDATALEN];
	int			lane;
	Instant		due;
} Place;

static Place places[PLACES];

static Place *
place_of(const char *consumer, int lane)
{
	uint32		hash = DatumGetUInt32(hash_any((const unsigned char *) consumer, (int) strlen(consumer)));

	return &places[(hash + (uint32) lane) % PLACES];
}

void
retry_clock_set(const char *consumer, int lane, Instant due)
{
	Place	   *place = place_of(consumer, lane);

	strlcpy(place->consumer, consumer, NAMEDATALEN);
	place->lane = lane;
	place->due = due;
}

void
retry_clock_forget(const char *consumer, int lane)
{
	place_of(consumer, lane)->consumer[0] = '\0';
}

bool
retry_may_be_due(const char *consumer, int lane)
{
	const Place *place = place_of(consumer, lane);

	if (place->lane != lane || strcmp(place->consumer, consumer) != 0)
		return true;
	return !instant_is_none(place->due) && !instant_before(server_time(), place->due);
}
