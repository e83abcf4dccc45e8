/*
 * place.c
 *		Whose turn it is with a consumer's messages, and with the delayed ones.
 */
#include "postgres/bus/place.h"

#include "postgres/bus/log.h"
#include "postgres/bus/twin.h"

#include "common/hashfn.h"

uint32
place_number(const char *consumer)
{
	return DatumGetUInt32(hash_any((const unsigned char *) consumer, (int) strlen(consumer)));
}

static LOCKTAG
tag_of(const char *consumer, int lane)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, place_number(consumer), (uint32) lane, PLACE_KIND);
	return tag;
}

bool
is_place(const LOCKTAG *tag)
{
	return tag->locktag_type == LOCKTAG_ADVISORY && tag->locktag_field4 == PLACE_KIND;
}

void
take_place(const char *consumer, int lane)
{
	LOCKTAG		tag = tag_of(consumer, lane);

	/* First this: handlers need it later, and a change of lanes takes places with it held. */
	(void) log_shape_for_writing();
	if (!TWIN(no_place))
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
leave_place(const char *consumer, int lane)
{
	LOCKTAG		tag = tag_of(consumer, lane);

	if (!TWIN(no_place))
		(void) LockRelease(&tag, ExclusiveLock, false);
}

void
take_all_places(const char *consumer)
{
	int			made = log_shape_for_writing()->made;

	for (int lane = 0; lane < made; lane++)
		take_place(consumer, lane);
}

void
leave_all_places(const char *consumer)
{
	int			made = log_shape()->made;

	for (int lane = 0; lane < made; lane++)
		leave_place(consumer, lane);
}

bool
take_all_places_if_free(const char *consumer)
{
	int			made = log_shape_for_writing()->made;

	for (int lane = 0; lane < made; lane++)
	{
		LOCKTAG		tag = tag_of(consumer, lane);

		if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
			return false;
	}
	return true;
}

static LOCKTAG
tag_of_mover(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, MOVER_KIND);
	return tag;
}

bool
take_place_of_mover(void)
{
	LOCKTAG		tag = tag_of_mover();

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
give_back_place_of_mover(void)
{
	LOCKTAG		tag = tag_of_mover();

	(void) LockRelease(&tag, ExclusiveLock, false);
}
