/*
 * amount_setting.h
 *		A setting that is an amount, in whole satoshi, up to all that there are.
 *
 * PostgreSQL's own settings that are integers end at 21 bitcoin.  So it is a
 * text, which is taken only where it is such a number.
 */
#ifndef SPARK_POSTGRES_AMOUNT_SETTING_H
#define SPARK_POSTGRES_AMOUNT_SETTING_H

#include "postgres/server.h"

#include "common/amount.h"

/* Ends what a setting says of itself, as nothing else shows its range. */
#define AMOUNT_RANGE " From 0 to 2100000000000000."

/* The operator's, read again on reload; *text is what it is set to. */
extern void define_amount(const char *name, const char *sentence, const char *more, char **text, const char *initial);

/* What such a text says. */
extern Amount amount_set(const char *text);

#endif
