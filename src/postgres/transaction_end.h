/*
 * transaction_end.h
 *		What follows the end of a transaction, by one callback a backend.
 */
#ifndef SPARK_POSTGRES_TRANSACTION_END_H
#define SPARK_POSTGRES_TRANSACTION_END_H

#include "postgres/server.h"

/* The end of each transaction of this backend is seen from now on; once is enough. */
extern void watch_transaction_end(void);

#endif
