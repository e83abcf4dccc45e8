/*
 * simulator_lists.h
 *		What the simulated node tells of all that it has done: its balance, its
 *		payments, its invoices.
 *
 * It says of each what a look-up would say at that moment, so that a script
 * which makes it lie about one makes it lie here too.  Nothing is stored by
 * telling.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_LISTS_H
#define SPARK_LIGHTNING_SIMULATOR_LISTS_H

#include "postgres/server.h"

#include "lightning/simulator_store.h"

/* Each fills in the answer of a call of that operation; texts live in its arena. */
extern void simulator_tell_balance(NodeCall *call, Instant now, Arena *arena);
extern void simulator_tell_payments(NodeCall *call, Instant now, Arena *arena);
extern void simulator_tell_invoices(NodeCall *call, Instant now, Arena *arena);

#endif
