/*
 * delayed_count.h
 *		How many messages wait until they are due.
 *
 * About as many, and without a scan, so that it is known to who emits and to
 * spark_ops.health() however many they are.
 */
#ifndef SPARK_POSTGRES_COUNTS_DELAYED_COUNT_H
#define SPARK_POSTGRES_COUNTS_DELAYED_COUNT_H

#include "postgres/server.h"

extern int	delayed_soft_limit; /* messages; 0: none */
extern int	delayed_hard_limit;

extern void define_delayed_settings(void);

extern int64 delayed_about(void);

/*
 * Before one more is put there: SP008 where there are too many.  Handlers do not
 * pass: what they delay makes no room, and may be what multiplies.
 */
extern void admit_delayed(void);

#endif
