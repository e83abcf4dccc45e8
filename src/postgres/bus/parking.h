/*
 * parking.h
 *		Messages that could not be handled: parked, blocked behind, dead.
 *
 * What waits for a parked message stands in its row, as the type's order was
 * when it was parked: the later ones of its key, all of its lane, or none.  Of
 * those that wait for each other, only the first of a key, or lane, has a time when it
 * is tried again; those behind it wait until it is gone.  After its last attempt it
 * is a dead letter, and its key, or lane, stays shut until an operator retries
 * or drops it, or is opened at once, if the type says so.
 */
#ifndef SPARK_POSTGRES_BUS_PARKING_H
#define SPARK_POSTGRES_BUS_PARKING_H

#include "postgres/server.h"

#include "common/message.h"
#include "postgres/bus/consumers.h"
#include "postgres/bus/failure_class.h"

/* A parked message, with what happened to it so far. */
typedef struct Parked
{
	int			lane;
	int64		seq;
	Message		message;
	int			attempts;
	Instant		first_failed_at;	/* none: it has waited behind another */
} Parked;

/* The keys that are shut, each once, where that holds of their messages: SQL for those who ask. */
#define SHUT_KEYS(condition) \
	"SELECT aggregateid FROM spark_common.retry WHERE holds <> 'none' AND " condition \
	" UNION SELECT aggregateid FROM spark_common.dead_letter WHERE holds <> 'none' AND " condition

/* Whether any message is parked or dead: mostly none is, and then nobody asks which key is shut. */
extern bool has_parked(const char *consumer);

/* Which of these keys are shut for the consumer: written to shut, which has room for all; how many. */
extern size_t shut_keys(const char *consumer, const Uuid *keys, size_t count, Uuid *shut);

/* True where a message holds up the whole lane of the consumer. */
extern bool lane_is_held(const char *consumer, int lane);

/* What becomes of a message of that key, for what is counted at the commit. */
typedef struct KeyChange
{
	const char *consumer;
	int			lane;
	Uuid		key;
	bool		was_held;		/* others waited, or would have */
} KeyChange;

extern KeyChange begin_key_change(const char *consumer, int lane, Uuid key);
extern void end_key_change(const KeyChange *change, int parked, int dead);

/* Puts a message behind the others of its key. */
extern void park_behind(const Listener *listener, int lane, int64 seq, const Message *message);

/*
 * Parks a message that failed at its first attempt; a dead letter where that
 * was its last, or where no attempt can ever succeed.  True where others wait
 * for it.
 */
extern bool park_failed(const Listener *listener, int lane, int64 seq, const Message *message,
						const ErrorData *error, Blame blame);

/* The parked message of that lane that is due longest, locked; false: none is due. */
extern bool next_parked(const char *consumer, int lane, Arena *arena, Parked *parked);

/* When the next one of the consumer's lane is due; none where nothing is parked with a time. */
extern Instant next_parked_at(const char *consumer, int lane);

/* Something of that key has gone: the next one is due, unless another still shuts the key; and so is the first of each lane that waits for itself. */
extern void open_key(const char *consumer, Uuid key);

/* The same for every key of the consumer. */
extern void open_keys(const char *consumer);

/* It was handled: it goes, and the next of its key is due. */
extern void unpark(const char *consumer, const Parked *parked);

/* It failed again: a later time, or its death. */
extern void park_again(const Listener *listener, const Parked *parked, const ErrorData *error, Blame blame);

#endif
