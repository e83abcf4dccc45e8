/*
 * place.h
 *		Whose turn it is with a consumer's messages, and with the delayed ones.
 */
#ifndef SPARK_POSTGRES_PLACE_H
#define SPARK_POSTGRES_PLACE_H

#include "postgres/server.h"

/*
 * The lanes stay as they are from here to the end of the transaction, too.
 *
 * Waits until no other worker or session serves that consumer in that lane, and
 * keeps them off until the transaction ends.  It saves work; the fence that
 * keeps effects single is the primary key of the cursor.
 */
extern void take_place(const char *consumer, int lane);

/* The same for all lanes, in their order; with none of them taken before. */
extern void take_all_places(const char *consumer);

/* The same without waiting; false where one is taken: the others are kept to the end, too. */
extern bool take_all_places_if_free(const char *consumer);

/*
 * The place of who moves delayed messages, without waiting for it: one at a time,
 * so that they come in the order of their times.  It is given back before the
 * transaction ends where nothing was moved.
 */
extern bool take_place_of_mover(void);
extern void give_back_place_of_mover(void);

#endif
