/*
 * frozen_accounts.h
 *		Accounts that pay nothing until an operator has looked: rows "frozen" and
 *		"late_payments" of spark_ops.health().
 */
#ifndef SPARK_ACCOUNTING_FROZEN_ACCOUNTS_H
#define SPARK_ACCOUNTING_FROZEN_ACCOUNTS_H

#include "postgres/operators/health.h"

extern HealthCheck frozen_probe(Arena *arena);

/*
 * Payments that the node made after it had called them failed.  Each freezes its
 * account, so those of an account that is frozen no more have been looked at.
 */
extern HealthCheck late_payments_probe(Arena *arena);

#endif
