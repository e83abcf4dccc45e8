/*
 * batch_window.h
 *		What a batch reads of the log, and where its cursor stands then.
 *
 * A window is read in one or more batches.  Whoever reads holds the consumer's
 * place in the lane (batch.c).
 */
#ifndef SPARK_POSTGRES_BUS_BATCH_WINDOW_H
#define SPARK_POSTGRES_BUS_BATCH_WINDOW_H

#include "postgres/server.h"

#include "postgres/bus/batch.h"

/* Its messages: of the open window, else of a new one.  How many. */
extern int	fetch_batch(Batch *batch);

/* Moves the cursor behind what was handled of those that were fetched. */
extern void advance(Batch *batch, int fetched, bool was_open);

/* Whether the cursor, which stood there before, is to be written. */
extern bool is_worth_storing(const Batch *batch, int fetched, bool was_open, const LogPosition *before);

#endif
