/*
 * place.h
 *		Whose turn it is with a consumer's messages, and with the delayed ones.
 */
#ifndef SPARK_POSTGRES_BUS_PLACE_H
#define SPARK_POSTGRES_BUS_PLACE_H

#include "postgres/server.h"

#include "storage/lock.h"

/*
 * The lanes stay as they are from here to the end of the transaction, too.
 *
 * Waits until no other worker or session serves that consumer in that lane, and
 * keeps them off until the transaction ends.  It saves work; the fence that
 * keeps effects single is the primary key of the cursor.
 */
extern void take_place(const char *consumer, int lane);

/* Nothing was done with it: whoever waits need not wait for the end of the transaction. */
extern void leave_place(const char *consumer, int lane);

/* The same for all lanes, in their order; with none of them taken before. */
extern void take_all_places(const char *consumer);
extern void leave_all_places(const char *consumer);

/* The same without waiting; false where one is taken: the others are kept to the end, too. */
extern bool take_all_places_if_free(const char *consumer);

/*
 * The place of who moves delayed messages, without waiting for it: one at a time,
 * so that they come in the order of their times.  It is given back before the
 * transaction ends where nothing was moved.
 */
extern bool take_place_of_mover(void);
extern void give_back_place_of_mover(void);

/*
 * How places look in pg_locks: advisory locks with that objsubid, which keeps
 * clear of those of users (1 and 2), the consumer's number as classid and the
 * lane as objid.
 */
#define PLACE_KIND 3
#define MOVER_KIND 5			/* of the mover's; 4 is a trial's (careful.c) */
extern uint32 place_number(const char *consumer);
extern bool is_place(const LOCKTAG *tag);

#endif
