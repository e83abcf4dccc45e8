/*
 * place.h
 *		Whose turn it is with a consumer's messages.
 */
#ifndef SPARK_POSTGRES_PLACE_H
#define SPARK_POSTGRES_PLACE_H

#include "postgres/server.h"

/*
 * Waits until no other worker or session serves that consumer, and keeps them
 * off until the transaction ends.  It saves work; the fence that keeps effects
 * single is the primary key of the cursor.
 */
extern void take_place(const char *consumer);

#endif
