/*
 * unit_of_work.h
 *		One business action: what it has read, what it will write, what it tells.
 *
 * The unit tracks each aggregate that was found or added (an identity map: the
 * same id is the same pointer), each id that was not found, so that it is looked
 * for once, and each message that was emitted.  complete() writes every added
 * and every changed aggregate once, in the global order of locks, then appends
 * the messages to the outbox.  It commits nothing: the transaction around it
 * does, and takes all of it back if it aborts.
 *
 * In a backend a unit lives for one command; in the dispatcher for one batch
 * of messages, so that a hundred credits to one account are one read and one
 * write.  After complete() the unit is empty and may be used again.
 */
#ifndef SPARK_COMMON_UNIT_OF_WORK_H
#define SPARK_COMMON_UNIT_OF_WORK_H

#include "common/arena.h"
#include "common/clock.h"
#include "common/message.h"
#include "common/repository.h"

typedef struct Outbox Outbox;
typedef struct UnitOfWork UnitOfWork;

struct Outbox
{
	/* Appends the messages in that order, in the running transaction. */
	Result		(*store) (Outbox *self, UnitOfWork *work, const Message *messages, size_t count);
};

/* What every unit needs from outside; wired once by the composition root. */
typedef struct Ports
{
	Clock	   *clock;
	IdSource   *ids;
	Outbox	   *outbox;
} Ports;

typedef struct Tracked
{
	struct Tracked *next;		/* all of the unit */
	struct Tracked *next_in_bucket;
	const Repository *repository;
	Aggregate  *aggregate;
	const void *image;			/* as loaded; NULL: added, not stored yet */
} Tracked;

/* An id that was looked for and not found. */
typedef struct Missed
{
	struct Missed *next_in_bucket;
	const AggregateType *type;
	Uuid		id;
} Missed;

typedef struct Emitted
{
	struct Emitted *next;
	Message		message;
} Emitted;

struct UnitOfWork
{
	Arena	   *arena;			/* everything of the unit lives in it */
	const Ports *ports;
	const Message *cause;		/* what is being handled; NULL at an entry point */
	const char *traceparent;	/* of the outside cause, or NULL */
	Tracked    *tracked;		/* identity map: as a list, and by id in buckets */
	Tracked   **buckets;
	Missed	  **missed;			/* in as many buckets; NULL before the first */
	Emitted    *first_emitted;	/* in the order of emission */
	Emitted    *last_emitted;
};

/* A unit in that arena, handling that message (NULL: the outside asks). */
extern UnitOfWork *unit_of_work_new(Arena *arena, const Ports *ports, const Message *cause);

/*
 * The aggregate of that id, locked and tracked: what is changed in it will be
 * written.  *found is NULL where there is none.
 */
extern Result unit_of_work_find(UnitOfWork *work, const Repository *repository, Uuid id,
								Aggregate **found) MUST_CHECK;

/*
 * The same for many at once, in one statement; ids in any order, doubled ones
 * and already tracked ones allowed.  Later finds then cost nothing.
 */
extern Result unit_of_work_find_many(UnitOfWork *work, const Repository *repository,
									 const Uuid *ids, size_t count) MUST_CHECK;

/*
 * The aggregate of that id, not locked; changes in it are lost, unless the unit
 * tracks it already.  *found is NULL where there is none.
 */
extern Result unit_of_work_read(UnitOfWork *work, const Repository *repository, Uuid id,
								Aggregate **found) MUST_CHECK;

/* Tracks an aggregate that a repository's own finder has loaded under its lock. */
extern Aggregate *unit_of_work_track(UnitOfWork *work, const Repository *repository, Aggregate *loaded);

/* Tracks a new aggregate: it will be inserted. */
extern void unit_of_work_add(UnitOfWork *work, const Repository *repository, Aggregate *aggregate);

/* Emits a message of that type about the aggregate whose id is key. */
extern void unit_of_work_emit(UnitOfWork *work, const MessageType *type, Uuid key, const void *payload);

/* Writes aggregates, then messages; afterwards the unit is empty. */
extern Result unit_of_work_complete(UnitOfWork *work) MUST_CHECK;

extern Instant clock_now(const UnitOfWork *work);
extern Uuid new_id(const UnitOfWork *work);

/*
 * Emits: EMIT(work, crowdfunding_donation_created, donation->id, .campaign_id = .., ..)
 * The payload is encoded at once.
 */
#define EMIT(work, message, key, ...) \
	unit_of_work_emit((work), &message##_type, (key), &(message) {__VA_ARGS__})

#endif
