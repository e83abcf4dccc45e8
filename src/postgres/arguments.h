/*
 * arguments.h
 *		SQL arguments as values of the domain.
 *
 * Each reads argument number (from 0) of a function and raises SP001, naming
 * the argument, where it is NULL or out of range; the *_or_* forms have a
 * stand-in for NULL.
 */
#ifndef SPARK_POSTGRES_ARGUMENTS_H
#define SPARK_POSTGRES_ARGUMENTS_H

#include "postgres/server.h"

#include "common/amount.h"
#include "common/clock.h"
#include "common/uuid.h"

extern Uuid arg_uuid(FunctionCallInfo fcinfo, int number, const char *name);
extern Uuid arg_uuid_or_nil(FunctionCallInfo fcinfo, int number);

/* Text, in the caller's memory context; may be empty. */
extern const char *arg_text(FunctionCallInfo fcinfo, int number, const char *name);
extern const char *arg_text_or_null(FunctionCallInfo fcinfo, int number);

/* Why somebody does something, for the record: 1 to 1,000 bytes, and not only blanks. */
extern const char *arg_reason(FunctionCallInfo fcinfo, int number, const char *name);

/* 1 to 2,100,000,000,000,000 satoshi. */
extern Amount arg_sat(FunctionCallInfo fcinfo, int number, const char *name);

/* NULL: 0.  Else as arg_sat. */
extern Amount arg_sat_or_zero(FunctionCallInfo fcinfo, int number, const char *name);

/* A required idempotency key: SP006 where NULL or empty, SP001 beyond 255 bytes. */
extern const char *arg_key(FunctionCallInfo fcinfo, int number, const char *name);

/* One that may be absent: NULL and '' give NULL. */
extern const char *arg_key_or_null(FunctionCallInfo fcinfo, int number, const char *name);

/* The limit_ of a list: 1 to 500, NULL gives fallback. */
extern int	arg_limit(FunctionCallInfo fcinfo, int number, int fallback);

/* The same for the lists of operators, which may be longer. */
extern int	arg_limit_up_to(FunctionCallInfo fcinfo, int number, int fallback, int most);

/* 64 hex digits, folded to lower case. */
extern const char *arg_hash(FunctionCallInfo fcinfo, int number, const char *name);

#endif
