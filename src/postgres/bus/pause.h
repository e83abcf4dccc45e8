/*
 * pause.h
 *		Consumers that an operator has paused.
 *
 * A row in spark_common.paused: no batch and no retry of that consumer begins
 * while it is there.  What it wants stays in the log, or parked.
 */
#ifndef SPARK_POSTGRES_BUS_PAUSE_H
#define SPARK_POSTGRES_BUS_PAUSE_H

#include "postgres/server.h"

/* As a condition of SQL: the consumer that $1 names is not paused. */
#define NOT_PAUSED "NOT EXISTS (SELECT FROM spark_common.paused p WHERE p.consumer = $1)"

/* Who has paused it and why, as words; NULL where nobody has. */
extern const char *why_operator_paused(const char *consumer);

/* Its last subscription has ended. */
extern void forget_paused(const char *consumer);

#endif
