/*
 * errors.h
 *		From a Result to an error of the server.
 *
 * In SQL: SQLSTATE, message and hint of the table in common/result.h; values of
 * users only in the detail.  Behind a trusted HTTP front: the same as JSON in
 * an error of class PGRST, which chooses status and headers.
 */
#ifndef SPARK_POSTGRES_ERRORS_H
#define SPARK_POSTGRES_ERRORS_H

#include "postgres/server.h"

#include "common/result.h"

/* Raises unless the result is OK. */
extern void check(Result result);

/* Raises that code; detail NULL or a printf format. */
pg_noreturn extern void refuse(ResultCode code, const char *detail_format,...) pg_attribute_printf(2, 3);

/* The same for RESULT_REFUSED_NOW: the hint says in which state the call would not be refused. */
pg_noreturn extern void refuse_now(const char *hint, const char *detail_format,...) pg_attribute_printf(2, 3);

/*
 * From here to the end of the statement, no error writes the statement itself
 * to the log: its text holds a password.
 */
extern void hide_statement_in_errors(void);
extern void show_statement_in_errors(void); /* at the end of a transaction */

#endif
