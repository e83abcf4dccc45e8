/*
 * settings.h
 *		The settings of accounting.
 */
#ifndef SPARK_ACCOUNTING_SETTINGS_H
#define SPARK_ACCOUNTING_SETTINGS_H

#include "accounting/ports.h"

/* To be called once, from _PG_init. */
extern void accounting_define_settings(void);

/* As they are now. */
extern WithdrawalLimits withdrawal_limits(void);

#endif
